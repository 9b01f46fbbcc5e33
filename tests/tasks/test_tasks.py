"""Tasks: the questions in data/, our generators against the one that made them, and the mistakes that can be made."""

import collections
import hashlib
import importlib.util
import itertools
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from smatch_edu.tasks import Example, arithmetic, get_task, keyboard
from smatch_edu.tasks.arithmetic import FAMILIES, SPLITS, Sum, as_example, draw_in_base, in_base, read_questions
from smatch_edu.text.trajectories import augment
from smatch_edu.text.vocabulary import load_words

DATA = Path(__file__).parents[2] / "data"
PREFIXES = {"in_base": "", "in_base_10": "small_", "addition": "easy_"}
FILES = sorted((DATA / "arithmetic").glob("*.tsv"))
TASKS = [*(("arithmetic", {"family": family}) for family in PREFIXES), ("keyboard", {})]
families = pytest.mark.parametrize("family", PREFIXES)
tasks = pytest.mark.parametrize(("name", "options"), TASKS, ids=[*PREFIXES, "keyboard"])

# 39 comparisons a run: one false alarm in 250,000 runs.
SMALLEST_P = 1e-7


def the_script():
    """data/make_arithmetic.py as a module."""
    spec = importlib.util.spec_from_file_location("make_arithmetic", DATA / "make_arithmetic.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(family, split):
    """[(question, answer)] as they stand in the file."""
    lines = (DATA / "arithmetic" / f"{PREFIXES[family]}{split}.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "question\tanswer"
    return [tuple(line.split("\t")) for line in lines[1:]]


def understood(question):
    """(base, p, sign, q), p and q as they are written. Written without a look at the package's own reader."""
    if question.startswith("In base "):
        words = question.removesuffix("?").split(" ")
        return int(words[2].rstrip(",")), words[5], words[6], words[7]
    p, q = question.removesuffix("=").split("+")
    return 10, p, "+", q


def value_of(text, base):
    """The number that digits write, one digit after the other."""
    value = 0
    for character in text.lstrip("-"):
        digit = "0123456789abcdef".index(character)
        assert digit < base, f"{text} is not in base {base}"
        value = value * base + digit
    assert text.lstrip("-") == "0" or not text.lstrip("-").startswith("0"), f"{text} begins with a needless 0"
    return -value if text.startswith("-") else value


# -- the files -------------------------------------------------------------------------------------------------------


@families
@pytest.mark.parametrize("split", SPLITS)
def test_every_answer_in_the_files_is_right(family, split):
    for question, answer in rows(family, split):
        base, p, sign, q = understood(question)
        p, q = value_of(p, base), value_of(q, base)
        assert value_of(answer, base) == (p + q if sign == "+" else p - q), question


def test_the_files_are_as_large_as_they_should_be_and_no_question_comes_twice():
    sizes = {split: len(rows("in_base", split)) for split in SPLITS}
    assert sizes == {"train": 5000, "validation": 500, "test": 200, "held_out": 2000, "extrapolation": 500}
    assert {split: len(rows("in_base_10", split)) for split in SPLITS} == sizes
    assert {split: len(rows("addition", split)) for split in SPLITS} == sizes | {"train": 1500}
    for family in PREFIXES:
        questions = [question for split in SPLITS for question, _ in rows(family, split)]
        assert len(questions) == len(set(questions))
    assert len(FILES) == 15 and sum(path.stat().st_size for path in FILES) < 1_000_000


def on_paper(question):
    """The base, the two numbers without signs, and whether adding is what one does with them."""
    base, p, sign, q = understood(question)
    does_add = (p.startswith("-") == q.startswith("-")) == (sign == "+")
    sizes = sorted(value_of(number.lstrip("-"), base) for number in (p, q))
    return base, *sizes, does_add or 0 in sizes


@families
def test_no_file_has_a_question_of_another_in_disguise(family):
    forms = {split: {on_paper(question) for question, _ in rows(family, split)} for split in SPLITS}
    for one, other in itertools.combinations(SPLITS, 2):
        assert not forms[one] & forms[other], f"{other} has questions of {one}"


@families
def test_extrapolation_has_a_longer_number_in_every_question(family):
    longest = collections.Counter()
    for question, _ in rows(family, "train"):
        base, p, _, q = understood(question)
        longest[base] = max(longest[base], len(p.lstrip("-")), len(q.lstrip("-")))
    for question, _ in rows(family, "extrapolation"):
        base, p, _, q = understood(question)
        assert max(len(p.lstrip("-")), len(q.lstrip("-"))) > longest[base] > 0, question


def test_the_files_are_the_ones_that_the_data_page_describes():
    page = (DATA / "README.md").read_text(encoding="utf-8")
    stated = dict(re.findall(r"`arithmetic/(\w+\.tsv)`.*`([0-9a-f]{64})`", page))
    assert stated == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FILES}


@pytest.mark.parametrize("family", ["in_base", pytest.param("in_base_10", marks=pytest.mark.slow), "addition"])
def test_the_script_makes_these_files(family):
    script = the_script()
    if family != "addition" and not has_real_generator(script):
        pytest.skip("needs the package mathematics-dataset")
    with drawn_from(script.SEED):
        made = {"": script.paper_files, "small_": script.small_files, "easy_": script.easy_files}[PREFIXES[family]]()
    assert made == {split: rows(family, split) for split in SPLITS}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:-1], "easy_test.tsv was changed or cut short; a header and 200 lines"),
        (lambda text: text.rpartition("\n2")[0] + "\n", "a header and 200 lines"),
        (lambda text: text.replace("question", "task"), "a header and 200 lines"),
        (lambda text: "", "a header and 200 lines"),
        (lambda text: text.replace("27+162=\t189", "27+162=\t188"), r"line 2 answers '27\+162=' with '188'; '189' was"),
        (lambda text: text.replace("27+162=", "27-162="), "line 2: '27-162=' is no question of the form"),
        (lambda text: text.replace("27+162=\t", "27+162= "), "line 2: '27.* is no question of the form"),
    ],
    ids=["end", "half", "header", "empty", "answer", "question", "tab"],
)
def test_a_damaged_file_is_refused(damage, message, tmp_path, monkeypatch):
    for path in FILES:
        shutil.copy(path, tmp_path)
    text = (tmp_path / "easy_test.tsv").read_text(encoding="utf-8")
    assert damage(text) != text
    (tmp_path / "easy_test.tsv").write_text(damage(text), encoding="utf-8")
    monkeypatch.setattr(arithmetic, "packaged", lambda folder, name: tmp_path / name)
    with pytest.raises(ValueError, match=message + r"(.|\n)*make_arithmetic\.py"):
        read_questions.__wrapped__("addition", "test")  # as it is read the first time


# -- our generators against the ones that made the files -------------------------------------------------------------


class drawn_from:  # noqa: N801
    """Python's own chances, from a seed; as they were afterwards."""

    def __init__(self, seed):
        self.seed = seed

    def __enter__(self):
        self.state = random.getstate()
        random.seed(self.seed)

    def __exit__(self, *_):
        random.setstate(self.state)


def has_real_generator(script):
    try:
        script.real_generator()
    except ImportError:
        return False
    return True


def questions_of_the_real_generator(family, count, rng):
    """Newly drawn if it can be imported, otherwise those in the files. Of small numbers only those of train, since in
    the other files many gave way to longer ones. Distinct either way."""
    script = the_script()
    if family == "addition" or has_real_generator(script):
        with drawn_from(int(rng.integers(2**32))):
            if family == "addition":
                made = script.distinct(script.easy_generator(3), count, set())
            elif family == "in_base_10":
                in_base_10 = script.only(script.real_generator((3, 4)), lambda question: " 10," in question)
                made = script.distinct(in_base_10, count, set())
            else:
                made = script.distinct(script.real_generator(), count, set())
            return [question for question, _ in made]
    splits = ("train",) if family == "in_base_10" else ("train", "validation", "test", "held_out")
    return [question for split in splits for question, _ in rows(family, split)][:count]


def our_questions(family, count, rng):
    """As many, distinct, and drawn in the same way: what came before is dropped."""
    kind, found = FAMILIES[family], {}
    while len(found) < count:
        found |= dict.fromkeys(map(kind.question, kind.draw(rng, count)))  # in the order of their first time
    return list(found)[:count]


def what_is_counted(question):
    """Everything about a question in which the two might differ, by name."""
    base, p, sign, q = understood(question)
    one, two = value_of(p, base), value_of(q, base)
    result = one + two if sign == "+" else one - two
    decimal = [len(str(abs(number))) for number in (one, two)]
    return {
        "base": base,
        "operator": sign,
        "signs": (one > 0) - (one < 0) + 10 * ((two > 0) - (two < 0)),
        "sign of the answer": (result > 0) - (result < 0),
        "digits of p": len(p.lstrip("-")),
        "digits of q": len(q.lstrip("-")),
        "decimal digits": tuple(decimal),
        "entropy": round(2 * np.log10((2 * abs(one) + 1) * (2.0 * abs(two) + 1))),
        "length of the answer": next(n for n in range(1, 99) if abs(result) < base**n) + (result < 0),
        "leading digit": (base, p.lstrip("-")[0]),
        "last digits": (base, p[-1]),
        "a small p": max(-7, min(7, one)),
        "a small q": max(-7, min(7, two)),
    }


def p_values(ours, theirs):
    """Of a χ² test of each count; what is met fewer than 40 times in all is put together."""
    tables = {name: collections.Counter() for name in what_is_counted(ours[0])}
    for side, questions in enumerate((ours, theirs)):
        for question in questions:
            for name, what in what_is_counted(question).items():
                tables[name][what, side] += 1
    found = {}
    for name, table in tables.items():
        counts = np.array([[table[what, side] for side in (0, 1)] for what in {what for what, _ in table}])
        rare = counts.sum(axis=1) < 40
        cells = np.vstack([counts[~rare], counts[rare].sum(axis=0, keepdims=True)])
        cells = cells[cells.sum(axis=1) > 0]
        found[name] = 1.0 if len(cells) < 2 else chi2_contingency(cells).pvalue
    return found


@families
def test_our_generator_draws_as_the_real_one_does(family, rng):
    theirs = questions_of_the_real_generator(family, 7700, rng)
    ours = our_questions(family, len(theirs), rng)
    suspicious = {name: p for name, p in p_values(ours, theirs).items() if p < SMALLEST_P}
    assert not suspicious, f"our questions differ from the real ones: {suspicious}"


@pytest.mark.parametrize("mistake", ["bases", "range", "halved", "endpoint", "split", "operator"])
def test_the_comparison_notices_a_generator_that_is_wrong_in_one_place(mistake, rng, monkeypatch):
    def draw(rng, count):
        drawn = []
        while len(drawn) < count:
            entropy = rng.uniform(3, 9 if mistake == "range" else 10)
            first = max(1, rng.uniform(0, entropy))
            second = entropy - first if mistake == "split" else max(1, entropy - first)
            most = [int(np.ceil(10**part / (1 if mistake == "halved" else 2))) for part in (first, second)]
            p, q = (int(rng.integers(-m, m, endpoint=mistake != "endpoint")) for m in most)
            plus = bool(rng.random() < (0.57 if mistake == "operator" else 0.5))
            numbers = Sum(p, q, plus, int(rng.integers(2, 16 if mistake == "bases" else 17)))
            if abs(numbers.value) < numbers.base ** (29 if numbers.value < 0 else 30):
                drawn.append(numbers)
        return drawn

    monkeypatch.setitem(FAMILIES, "in_base", FAMILIES["in_base"]._replace(draw=draw))
    theirs = questions_of_the_real_generator("in_base", 7700, rng)
    ours = our_questions("in_base", len(theirs), rng)
    assert min(p_values(ours, theirs).values()) < SMALLEST_P


def test_our_questions_reach_as_far_as_the_real_ones_and_no_further(rng):
    drawn = FAMILIES["in_base"].draw(rng, 20_000)
    assert {numbers.base for numbers in drawn} == set(range(2, 17))
    assert 10**9 < max(max(abs(numbers.p), abs(numbers.q)) for numbers in drawn) <= 10**10 // 2
    assert 28 <= max(len(numbers.answer) for numbers in drawn) <= 30
    drawn = FAMILIES["addition"].draw(rng, 20_000)
    assert {number for numbers in drawn for number in numbers[:2]} == set(range(1000))


@families
def test_fresh_questions_are_right_and_in_no_file_to_be_measured_on(family, rng):
    task = get_task("arithmetic", family=family)
    measured_on = {question for split in SPLITS if split != "train" for question, _ in rows(family, split)}
    fresh = task.fresh(rng, 3000)
    assert len(fresh) == 3000
    for example in fresh:
        question, answer = task.show(example.prompt), task.show(example.answer)
        base, p, sign, q = understood(question)
        p, q = value_of(p, base), value_of(q, base)
        assert value_of(answer, base) == (p + q if sign == "+" else p - q), question
        assert question not in measured_on


def test_a_question_that_is_to_be_measured_on_is_drawn_again(rng, monkeypatch):
    taken, free = read_questions("addition", "test")[0], Sum(1000, 1)
    pools = iter([[taken, free], [taken], [free]])
    kind = FAMILIES["addition"]._replace(draw=lambda rng, count: next(pools)[:count])
    monkeypatch.setitem(FAMILIES, "addition", kind)
    task = get_task("arithmetic", family="addition")
    assert [task.show(example.prompt) for example in task.fresh(rng, 2)] == ["1000+1="] * 2


# -- every task ------------------------------------------------------------------------------------------------------


@tasks
def test_every_split_is_a_list_of_examples_that_never_changes(name, options, rng):
    task = get_task(name, **options)
    assert task.name == name
    for split in task.splits:
        examples = task.split(split)
        assert examples == task.split(split)
        for prompt, answer in examples + task.fresh(rng, 100):
            assert len(prompt) >= 1 and len(answer) >= 1 and len(prompt) + len(answer) <= task.max_length
            assert min(prompt + answer) >= 0 and max(prompt + answer) < len(task.vocabulary)


@tasks
def test_a_negative_number_of_examples_is_refused(name, options, rng):
    with pytest.raises(ValueError, match="count is -3; at least 0 was wanted"):
        get_task(name, **options).fresh(rng, -3)


@tasks
def test_fresh_examples_are_drawn_again_from_the_same_seed(name, options):
    task = get_task(name, **options)
    one, same, other = (task.fresh(np.random.default_rng(seed), 50) for seed in (1, 1, 2))
    assert one == same != other and len(one) == 50
    assert task.fresh(np.random.default_rng(1), 0) == []


@tasks
def test_a_demonstration_can_be_typed_with_the_mistakes_of_the_task(name, options, rng):
    task = get_task(name, **options)
    keys = task.vocabulary
    for example in task.fresh(rng, 50):
        weights = task.mistakes(example)
        right = np.array(example.answer)
        assert weights.shape == (len(right), len(keys)) and (weights >= 0).all()
        assert (weights[np.arange(len(right)), right] == 0).all()
        typed = augment(*example, 0.5, keys.backspace, keys.eos, seed=rng, mistakes=weights)
        survives = []
        for action in typed.typed[:-1].tolist():
            if action == keys.backspace:
                place, wrong = len(survives) - 1, survives.pop()
                assert weights[place, wrong] > 0
            else:
                survives.append(action)
        assert task.score(example, survives) and typed.typed[-1] == keys.eos


@tasks
def test_only_the_exact_answer_is_right(name, options, rng):
    task = get_task(name, **options)
    for example in task.fresh(rng, 50):
        answer = list(example.answer)
        assert task.score(example, answer) and task.score(example, tuple(answer))
        for wrong in ([], answer[:-1] + [task.vocabulary.backspace], answer + [task.vocabulary.eos], answer * 12):
            assert not task.score(example, wrong)
    assert task.show([*example.answer, task.vocabulary.backspace, task.vocabulary.eos]).endswith("⌫⏎")


def an_addition(question, answer):
    """The mistakes of an example that is perhaps none."""
    task = get_task("arithmetic", family="addition")
    return task.mistakes(Example(task.vocabulary.encode(question), task.vocabulary.encode(answer)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: get_task("arithmetics"), "unknown task 'arithmetics'; did you mean 'arithmetic'"),
        (lambda: get_task("text"), "unknown task 'text'.*Known: arithmetic, keyboard"),
        (lambda: get_task("arithmetic", familly="addition"), "unknown option .*'familly'; did you mean 'family'"),
        (lambda: get_task("keyboard", family="addition"), "unknown option of the task 'keyboard'.*longest_word"),
        (lambda: get_task("arithmetic", family="inbase"), "unknown family .*'inbase'; did you mean 'in_base'"),
        (lambda: get_task("arithmetic").split("held out"), "unknown split .*; did you mean 'held_out'"),
        (lambda: get_task("keyboard").split("tests"), "unknown split .*; did you mean 'test'"),
        (lambda: get_task("keyboard", longest_word=0), "max_length is 0; words have at least 1 letter"),
        (lambda: get_task("keyboard", letters="xyz", longest_word=2), "no word of up to 2 letters can be typed"),
        (lambda: get_task("keyboard", letters="ab-"), "letters has '-'; the keys are the 26"),
        (lambda: get_task("keyboard", letters="aba"), "character 'a' comes 2 times"),
        (lambda: keyboard.neighbours(" "), "' ' is no key; the keys are the 26"),
        (lambda: draw_in_base(np.random.default_rng(0), 1, (3.0, 20.0)), r"entropy is \(3.0, 20.0\); two numbers"),
        (lambda: draw_in_base(np.random.default_rng(0), 1, (4.0, 3.0)), r"entropy is \(4.0, 3.0\); two numbers"),
        (lambda: draw_in_base(np.random.default_rng(0), 1, (3.0, np.nan)), r"entropy is \(3.0, nan\); two numbers"),
        (lambda: draw_in_base(np.random.default_rng(0), 1, bases=(1, 5)), r"bases is \(1, 5\); two numbers"),
        (lambda: draw_in_base(np.random.default_rng(0), 1, bases=(2, 17)), r"bases is \(2, 17\); two numbers"),
        (lambda: an_addition("7+8=", "16"), r"'16' is not the answer to Sum\(p=7, q=8.*; '15' was wanted"),
        (lambda: an_addition("7+8=", "+="), r"'\+=' is not the answer"),
        (lambda: an_addition("7+8", "15"), r"'7\+8' is no question"),
        (lambda: in_base(5, 1), "base is 1; 2 to 16 was wanted"),
        (lambda: in_base(5, 17), "base is 17; 2 to 16 was wanted"),
        (lambda: as_example("addition", Sum(3, 4, False)), r"Sum\(p=3, q=4, plus=False, base=10\) is no question"),
        (lambda: as_example("addition", Sum(-3, 4)), r"Sum\(p=-3.*\) is no question of the form '{p}\+{q}='"),
        (lambda: as_example("addition", Sum(3, 4, base=7)), r"Sum\(.*base=7\) is no question"),
    ],
)
def test_what_does_not_exist_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# -- arithmetic ------------------------------------------------------------------------------------------------------

numbers_in_base = st.builds(
    Sum, st.integers(-(10**6), 10**6), st.integers(-(10**4), 10**4), st.booleans(), st.integers(2, 16)
)


@given(numbers_in_base)
def test_a_question_is_read_as_it_was_written(numbers):
    kind = FAMILIES["in_base"]
    question = kind.question(numbers)
    assert kind.read(question) == numbers
    base, p, sign, q = understood(question)
    assert (value_of(p, base), sign == "+", value_of(q, base)) == (numbers.p, numbers.plus, numbers.q)
    assert value_of(numbers.answer, base) == numbers.value


@pytest.mark.parametrize(
    "question",
    [
        "In base 10, what is 007 + 1?",
        "In base 10, what is -0 + 1?",
        "In base 10, what is 1_0 + 1?",
        "In base 10, what is ٣ + 1?",
        "In base 10, what is 3 + 1?\n",
        "In base 16, what is FF + 1?",
        "In base 2, what is 2 + 1?",
        "In base 20, what is g + 1?",
        "In base 0, what is 0x1f + 1?",
        f"In base 10, what is {'1' * 300_000} + 1?",
        "",
    ],
    ids=lambda question: repr(question[:40]),
)
def test_what_is_not_written_as_a_question_is_none(question):
    with pytest.raises(ValueError, match=r"is no question of the form 'In base") as refused:
        FAMILIES["in_base"].read(question)
    assert len(str(refused.value)) < 250


def test_sums_of_numpys_integers_do_not_overflow():
    most = np.int64(2**63 - 1)
    assert Sum(most, most).value == 2**64 - 2 and Sum(most, most).answer == str(2**64 - 2)
    assert Sum(-most, most, False, 16).answer == "-fffffffffffffffe"


@given(numbers_in_base)
def test_a_sum_with_other_signs_or_in_the_other_order_is_the_same_on_paper(numbers):
    p, q, plus, base = numbers
    form = numbers.canonical
    assert form.canonical == form and form.p >= form.q >= 0
    assert form.answer == numbers.answer.lstrip("-")
    for same in (Sum(p, -q, not plus, base), Sum(-p, -q, plus, base), Sum(q, p, plus, base)):
        assert same.canonical == form
    if p and q:
        assert Sum(p, q, not plus, base).canonical != form  # 7 + 3 is not 7 - 3
    assert Sum(p, q + 10**7, plus, base).canonical != form
    assert Sum(p, q, plus, 18 - base).canonical != form or base == 9
    assert on_paper(FAMILIES["in_base"].question(numbers)) == (base, form.q, form.p, form.plus)


def test_one_sum_on_paper_by_hand():
    """1024 - 3, however it is asked."""
    asked = [Sum(3, 1024, False), Sum(-1024, 3), Sum(1024, -3), Sum(1024, 3, False), Sum(-3, -1024, False)]
    assert {numbers.canonical for numbers in asked} == {Sum(1024, 3, False)}
    others = [Sum(1024, 3), Sum(1021, 3), Sum(1024, 1021, False), Sum(1024, 3, False, 11)]
    assert Sum(1024, 3, False) not in {numbers.canonical for numbers in others}
    assert Sum(5, 0, False).canonical == Sum(0, -5).canonical == Sum(5, 0)


def without_the_carry(numbers):
    """{place from the left, the sign left out: the digit one writes who forgets what was carried to it}.

    Done as at school: digits below one another, from the right, the longer number (or the larger one) above.
    """
    one, two = numbers.p, numbers.q if numbers.plus else -numbers.q
    above, below = (
        [value_of(digit, numbers.base) for digit in reversed(in_base(abs(n), numbers.base))]
        for n in sorted((one, two), key=abs, reverse=True)
    )
    sign = 1 if one * two >= 0 else -1
    carry, written, forgotten = 0, [], {}
    for column, digit in enumerate(above):
        plain = digit + sign * (below[column] if column < len(below) else 0)
        written.append((plain + sign * carry) % numbers.base)
        if carry:
            forgotten[column] = plain % numbers.base
        carry = int(not 0 <= plain + sign * carry < numbers.base)
    if carry:  # a digit of its own, which is left out
        forgotten[len(written)] = written[-1]
        written.append(1)
    while len(written) > 1 and written[-1] == 0:
        written.pop()
    assert [value_of(digit, numbers.base) for digit in reversed(numbers.answer.lstrip("-"))] == written
    return {len(written) - 1 - column: wrong for column, wrong in forgotten.items() if column < len(written)}


@given(numbers_in_base)
def test_the_likeliest_mistake_is_to_forget_a_carry(numbers):
    task = get_task("arithmetic")
    weights = task.mistakes(as_example(task.family, numbers))
    digits = [value_of(digit, numbers.base) for digit in numbers.answer.lstrip("-")]
    after_sign, forgotten = weights[len(weights) - len(digits) :], without_the_carry(numbers)
    for place, right in enumerate(digits):
        expected = np.zeros(len(task.vocabulary))
        for wrong in (right - 1, right + 1):
            expected[wrong % numbers.base] += 1
        if place in forgotten:
            expected[forgotten[place]] += 2
        expected[right] = 0
        if place == 0 and (len(digits) > 1 or numbers.value < 0):
            expected[0] = 0
        if place == 0 and numbers.value > 0:
            expected[task.vocabulary.encode("-")[0]] = 1
        np.testing.assert_array_equal(after_sign[place], expected)
    if numbers.value < 0:
        assert np.flatnonzero(weights[0]).tolist() == [digits[0]]


def test_mistakes_in_an_addition_by_hand():
    """95 + 8 = 103: 95 and 8 carry a 1 to the tens, and the tens a 1 to the hundreds."""
    task = get_task("arithmetic", family="addition")
    weights = task.mistakes(as_example("addition", Sum(95, 8)))
    assert [{digit: weight for digit, weight in enumerate(row) if weight} for row in weights.tolist()] == [
        {2: 1.0},  # without the carry it would begin with the tens, a needless 0
        {1: 1.0, 9: 3.0},  # 9 tens, and the carry forgotten
        {2: 1.0, 4: 1.0},  # 5 + 8: nothing was carried here
    ]


def test_no_sum_of_the_files_needs_more_room_than_the_largest():
    largest = [Sum(-(10**12) // 2, -5, True, 2), Sum(-(10**12) // 2, 5, False, 2), Sum(-(10**6), -(10**6), True, 2)]
    task = get_task("arithmetic")
    for numbers in largest:
        example = as_example(task.family, numbers)
        assert len(example.prompt) + len(example.answer) <= task.max_length


# -- keyboard --------------------------------------------------------------------------------------------------------


def test_words_are_drawn_as_often_as_they_occur(rng):
    task = get_task("keyboard", longest_word=3)
    words, counts = load_words(3)
    drawn = collections.Counter(task.show(example.answer) for example in task.fresh(rng, 20_000))
    observed, expected = np.array([drawn[word] for word in words]), 20_000 * counts / counts.sum()
    assert observed.sum() == 20_000
    often = expected > 20
    table = [np.append(x[often], x[~often].sum()) for x in (observed, expected)]
    # A χ² of k cells is k ± √(2k); eight of those happen in fewer than one run of 10^7.
    chi2, cells = ((table[0] - table[1]) ** 2 / table[1]).sum(), often.sum()
    assert abs(chi2 - cells) < 8 * np.sqrt(2 * cells)
    assert {task.show(example.prompt) for example in task.fresh(rng, 5)} == {" "}


def test_only_words_that_the_keys_can_type_are_left():
    task = get_task("keyboard", letters="aehnorst", longest_word=4)
    assert task.vocabulary.characters == "aehnorst "
    assert set(task.words.words) == {word for word in load_words(4).words if set(word) <= set("aehnorst")}
    assert task.words.words[0] == "the" and (np.diff(task.words.counts) <= 0).all()


def test_any_word_is_a_right_answer():
    task = get_task("keyboard", longest_word=3)
    example = task.split("test")[0]
    assert all(task.score(example, task.vocabulary.encode(word)) for word in task.words.words)
    assert not any(task.score(example, task.vocabulary.encode(text)) for text in ("", "xqz", "th", "the ", " the"))


def test_neighbours_touch():
    assert {key: set(keyboard.neighbours(key)) for key in "qaghpzm"} == {
        "q": set("wa"),
        "a": set("qwsz"),
        "g": set("ftyhvb"),
        "h": set("gyujbn"),
        "p": set("ol"),
        "z": set("asx"),
        "m": set("njk"),
    }
    letters = get_task("keyboard").letters
    assert all(
        (one in keyboard.neighbours(two)) == (two in keyboard.neighbours(one)) for one in letters for two in letters
    )


def test_a_key_without_neighbours_does_not_slip():
    task = get_task("keyboard", letters="aehnorst")
    weights = task.mistakes(task.fresh(np.random.default_rng(0), 1)[0]._replace(answer=task.vocabulary.encode("to")))
    assert task.show(np.flatnonzero(weights[0]).tolist()) == "r" and not weights[1].any()


@pytest.mark.parametrize(
    ("text", "valid"), [("1384", True), ("0", True), ("", False), ("007", False), ("1+2", False), ("=", False)]
)
def test_an_answer_is_valid_if_it_is_a_number_written_as_numbers_are(text, valid):
    task = get_task("arithmetic", family="addition")
    example = task.split("train")[0]
    assert task.valid(example, task.vocabulary.encode(text)) == valid
    assert task.valid(example, example.answer)


def test_a_number_is_valid_in_the_base_of_its_question():
    task = get_task("arithmetic")
    keys = task.vocabulary
    example = arithmetic.as_example("in_base", Sum(5, 6, base=7))
    for text, valid in {"14": True, "-3": True, "8": False, "-0": False, "-": False, "--1": False}.items():
        assert task.valid(example, keys.encode(text)) == valid, text
    words = get_task("keyboard", longest_word=3)
    assert words.valid(words.split("test")[0], words.vocabulary.encode("the"))
    assert not words.valid(words.split("test")[0], words.vocabulary.encode("teh"))
