"""Addition and subtraction: the paper's task, the same with small numbers, and one that is learned in a minute.

`in_base` is DeepMind's `arithmetic__add_or_sub_in_base` as the paper takes it: any base from 2 to 16, numbers of up to
ten decimal digits. The questions in data/arithmetic come from the real generator; `draw_in_base` draws more from the
same distribution.

    In base 6, what is -2335012024434 + -1?  →  -2335012024435

A small model that starts from nothing does not learn it in minutes (data/README.md has the numbers). So two families
stand beside it that are learned in part: `in_base_10`, the same generator in base 10 with numbers of up to four digits,
and `addition` of two numbers below 1,000.

    In base 10, what is -3 - 1024?  →  -1027
    491+893=  →  1384

Source: Saxton et al. 2019 (mathematics_dataset); Cundy & Ermon 2023, section 5.
"""

from __future__ import annotations

import contextlib
import functools
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from smatch_edu.support.errors import nearest, shortened
from smatch_edu.support.files import packaged, read_text
from smatch_edu.tasks.task import Example, Task
from smatch_edu.text.vocabulary import Vocabulary

DIGITS = "0123456789abcdef"
BASES = range(2, 17)
SPLITS = ("train", "validation", "test", "held_out", "extrapolation")
LONGEST_ANSWER = 30  # the generator draws again when an answer has more characters
FORGOTTEN_CARRY = 2.0  # its weight, on top of that of being one too low or too high, which is 1


class Sum(NamedTuple):
    """p + q, or p - q."""

    p: int
    q: int
    plus: bool = True
    base: int = 10

    @property
    def value(self) -> int:
        p, q = operator.index(self.p), operator.index(self.q)  # of NumPy's integers too, which would overflow
        return p + q if self.plus else p - q

    @property
    def answer(self) -> str:
        return in_base(self.value, self.base)

    @property
    def canonical(self) -> Sum:
        """The sum as it is worked on paper, the same for all questions whose answers have the same digits by symmetry.

        The number of more size stands above, neither has a sign, and they are added or taken away. So 3 - 1024,
        -1024 + 3, 1024 - 3 and -3 - -1024 are 1024 - 3: order, operator and signs decide only whether a minus stands
        before the answer. Who has seen one of them has seen the digits of all. Another base is another sum, since
        carries come elsewhere, and so is the inverse, 1021 + 3, which has another answer.
        """
        one, two = self.p, self.q if self.plus else -self.q
        low, high = sorted((abs(one), abs(two)))
        return Sum(high, low, one * two >= 0, self.base)


class Family(NamedTuple):
    """How questions of one kind are written and drawn.

    Attributes:
        vocabulary: what stands in answers comes first.
        template: with p, q, sign and base.
        pattern: reads what the template writes.
        draw: (rng, count) → sums.
        sizes: questions in each file.
        prefix: of the files' names.
        max_length: of a question with its answer.
    """

    vocabulary: Vocabulary
    template: str
    pattern: re.Pattern[str]
    draw: Callable[[np.random.Generator, int], list[Sum]]
    sizes: tuple[int, ...]
    prefix: str
    max_length: int

    def question(self, numbers: Sum) -> str:
        """How a sum is asked for. ValueError if this family cannot ask for it: an addition has no minus."""
        p, q = (in_base(number, numbers.base) for number in (numbers.p, numbers.q))
        question = self.template.format(p=p, q=q, sign="+" if numbers.plus else "-", base=numbers.base)
        said = self.pattern.groupindex
        if (
            not self.pattern.fullmatch(question)
            or ("sign" not in said and not numbers.plus)
            or ("base" not in said and numbers.base != 10)
        ):
            raise ValueError(f"{numbers} is no question of the form {self.template!r}")
        return question

    def read(self, question: str) -> Sum:
        """What a question asks. ValueError if it is none, or written in another way: 007, -0."""
        if match := self.pattern.fullmatch(question):
            found = {"sign": "+", "base": "10"} | match.groupdict()
            with contextlib.suppress(ValueError):  # a digit that is none in this base, or no such base
                base = int(found["base"])
                numbers = Sum(int(found["p"], base), int(found["q"], base), found["sign"] == "+", base)
                if self.question(numbers) == question:
                    return numbers
        raise ValueError(f"{shortened(question)} is no question of the form {self.template!r}")


@dataclass(frozen=True)
class Arithmetic(Task):
    """Questions on sums, answered digit by digit, the highest first.

    Splits are files: train, validation, test, held_out (more of the same, for narrow intervals), and extrapolation,
    where a number is longer than any of its base in train. No question is in two of them, in whatever order or with
    whatever signs (`Sum.canonical`), and `fresh` draws none that stands in another than train.

    Attributes:
        family: "in_base", "in_base_10" or "addition".

    Raises:
        ValueError: an unknown family; a file that was changed or cut short.
    """

    name = "arithmetic"
    splits = SPLITS

    family: str = "in_base"

    def __post_init__(self) -> None:
        if self.family not in list(FAMILIES):
            raise nearest(self.family, FAMILIES, "family of the task 'arithmetic'")

    @property
    def vocabulary(self) -> Vocabulary:
        return FAMILIES[self.family].vocabulary

    @property
    def max_length(self) -> int:
        return FAMILIES[self.family].max_length

    def split(self, name: str) -> list[Example]:
        if name not in SPLITS:
            raise nearest(name, SPLITS, "split of the task 'arithmetic'")
        return list(_examples(self.family, name))

    def fresh(self, rng: np.random.Generator, count: int) -> list[Example]:
        if count < 0:
            raise ValueError(f"count is {count}; at least 0 was wanted")
        drawn: list[Sum] = []
        while len(drawn) < count:
            more = FAMILIES[self.family].draw(rng, count - len(drawn))
            drawn += [numbers for numbers in more if numbers not in _not_to_be_seen(self.family)]
        return [as_example(self.family, numbers) for numbers in drawn]

    def mistakes(self, example: Example) -> Float[np.ndarray, "time vocab"]:
        """A digit one too low or too high, a carry (or a borrowed one) forgotten, a sign forgotten or invented.

        A forgotten carry weighs three times as much as another slip. Where the carry is the whole first digit, it is
        forgotten by going on to the next. No answer begins with a needless 0. ValueError unless the answer is right.
        """
        vocabulary = self.vocabulary
        numbers = FAMILIES[self.family].read(vocabulary.decode(example.prompt))
        answer = vocabulary.decode(example.answer)
        if answer != numbers.answer:
            raise ValueError(f"{shortened(answer)} is not the answer to {numbers}; {numbers.answer!r} was wanted")
        high, low, added, base = numbers.canonical
        digits = [DIGITS.index(character) for character in answer.lstrip("-")]
        sign = len(answer) - len(digits)

        weights = np.zeros((len(answer), len(vocabulary)))
        for place, digit in enumerate(digits):
            slips = weights[sign + place]
            slips[(digit - 1) % base] += 1
            slips[(digit + 1) % base] += 1
            unit = base ** (len(digits) - 1 - place)
            if added and high % unit + low % unit >= unit:
                slips[digits[1] if unit > high else (digit - 1) % base] += FORGOTTEN_CARRY
            if not added and high % unit < low % unit:
                slips[(digit + 1) % base] += FORGOTTEN_CARRY
            slips[digit] = 0
        if len(digits) > 1 or sign:
            weights[sign, 0] = 0
        if "-" in vocabulary.characters and numbers.value:
            weights[0, digits[0] if sign else vocabulary.encode("-")[0]] += 1
        return weights

    def valid(self, example: Example, text: Sequence[int]) -> bool:
        """Whether `text` is a number in the question's base, written as numbers are: without a needless 0."""
        written = self.vocabulary.show(text)
        digits = written.removeprefix("-")
        base = FAMILIES[self.family].read(self.vocabulary.decode(example.prompt)).base
        needless = digits.startswith("0") and written != "0"
        return bool(digits) and not needless and set(digits) <= set(DIGITS[:base])


def in_base(number: int, base: int) -> str:
    """A number's digits, the highest first.

    Args:
        base: 2 to 16. ValueError if it is another.
    """
    if base not in BASES:
        raise ValueError(f"base is {base}; 2 to 16 was wanted")
    number = operator.index(number)
    digits, rest = "", abs(number)
    while rest or not digits:
        rest, digit = divmod(rest, base)
        digits = DIGITS[digit] + digits
    return "-" + digits if number < 0 else digits


def draw_in_base(
    rng: np.random.Generator,
    count: int,
    entropy: tuple[float, float] = (3.0, 10.0),
    bases: tuple[int, int] = (2, 16),
) -> list[Sum]:
    """Sums as DeepMind's generator draws them.

    An entropy E is uniform in its range, and split in two, each at least 1: E₁ = max(1, U(0, E)), E₂ = max(1, E - E₁).
    A number of entropy E is uniform in [-m, m] with m = ⌈10^E / 2⌉. Base, sign and order are uniform.

    Args:
        entropy: about log10 of the number of different sums; the generator's own range for training if left out.
        bases: the smallest and the largest.

    Raises:
        ValueError: an entropy that is not a range in 0..18, where numbers fit into 64 bits; bases beyond 2..16.
    """
    if not 0 <= entropy[0] <= entropy[1] <= 18:
        raise ValueError(f"entropy is {entropy}; two numbers were wanted, 0 <= lowest <= highest <= 18")
    if not 2 <= bases[0] <= bases[1] <= 16:
        raise ValueError(f"bases is {bases}; two numbers were wanted, 2 <= smallest <= largest <= 16")
    drawn: list[Sum] = []
    while len(drawn) < count:
        total = rng.uniform(*entropy, size=count - len(drawn))
        first = np.maximum(1, rng.uniform(0, total))
        second = np.maximum(1, total - first)
        p, q = (rng.integers(-m, m, endpoint=True) for m in np.ceil(10 ** np.stack([first, second]) / 2).astype(int))
        plus, base = rng.integers(2, size=len(total)), rng.integers(bases[0], bases[1] + 1, size=len(total))
        columns = (p.tolist(), q.tolist(), (plus == 1).tolist(), base.tolist())
        sums = [Sum(*row) for row in zip(*columns, strict=True)]
        drawn += [numbers for numbers in sums if len(numbers.answer) <= LONGEST_ANSWER]
    return drawn


def draw_addition(rng: np.random.Generator, count: int) -> list[Sum]:
    """Two numbers, each uniform in 0..999."""
    return [Sum(p, q) for p, q in rng.integers(1000, size=(count, 2)).tolist()]


IN_BASE = Family(
    Vocabulary(DIGITS + "-+ ,?Inhistw"),
    "In base {base}, what is {p} {sign} {q}?",
    re.compile(r"In base (?P<base>\d+), what is (?P<p>-?\w+) (?P<sign>[+-]) (?P<q>-?\w+)\?"),
    draw_in_base,
    (5000, 500, 200, 2000, 500),
    "",
    110,  # extrapolation in base 2: 39 and 3 digits, their signs, 23 other characters, 41 of the answer
)
FAMILIES = {
    "in_base": IN_BASE,
    "in_base_10": IN_BASE._replace(
        draw=functools.partial(draw_in_base, entropy=(3.0, 4.0), bases=(10, 10)), prefix="small_", max_length=42
    ),
    "addition": Family(
        Vocabulary("0123456789+="),
        "{p}+{q}=",
        re.compile(r"(?P<p>\d+)\+(?P<q>\d+)="),
        draw_addition,
        (1500, 500, 200, 2000, 500),
        "easy_",
        15,  # extrapolation: 9999+9999=19998
    ),
}


def as_example(family: str, numbers: Sum) -> Example:
    """A sum as prompt and answer."""
    kind = FAMILIES[family]
    return Example(kind.vocabulary.encode(kind.question(numbers)), kind.vocabulary.encode(numbers.answer))


@functools.cache
def _examples(family: str, split: str) -> tuple[Example, ...]:
    return tuple(as_example(family, numbers) for numbers in read_questions(family, split))


@functools.cache
def read_questions(family: str, split: str) -> tuple[Sum, ...]:
    """The questions of a file, every answer recomputed. ValueError naming the file and line of the first fault."""
    kind = FAMILIES[family]
    source, wanted = packaged("arithmetic", f"{kind.prefix}{split}.tsv"), kind.sizes[SPLITS.index(split)]
    remedy = "Restore the file, or make it again with data/make_arithmetic.py"
    header, *lines = read_text(source).split("\n")
    if header != "question\tanswer" or len(lines) != wanted + 1 or lines.pop():
        raise ValueError(f"{source.name} was changed or cut short; a header and {wanted:,} lines were wanted. {remedy}")
    sums = []
    for number, line in enumerate(lines, start=2):
        question, _, answer = line.partition("\t")
        try:
            sums.append(kind.read(question))
        except ValueError as error:
            raise ValueError(f"{source.name} line {number}: {error}. {remedy}") from None
        if answer != sums[-1].answer:
            raise ValueError(
                f"{source.name} line {number} answers {question!r} with {shortened(answer)}; {sums[-1].answer!r} was "
                f"wanted. {remedy}"
            )
    return tuple(sums)


@functools.cache
def _not_to_be_seen(family: str) -> frozenset[Sum]:
    return frozenset(numbers for split in SPLITS if split != "train" for numbers in read_questions(family, split))
