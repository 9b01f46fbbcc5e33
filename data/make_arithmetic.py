"""Make data/arithmetic: questions on numbers, with their answers.

The paper's task comes from DeepMind's generator, the PyPI package `mathematics-dataset` 1.0.1, which does not run with
today's sympy unless one name is put back; `real_generator` does that. The easier additions need nothing. No question is
in two files, in whatever order or with whatever signs. The same seed makes the same files.

    pip install mathematics-dataset==1.0.1
    python data/make_arithmetic.py [--out data/arithmetic]
"""

import argparse
import importlib
import pathlib
import random
import re

from smatch_edu.tasks.arithmetic import FAMILIES

SEED = 2306_05426  # the paper's number
SIZES = {"train": 5000, "validation": 500, "test": 200, "held_out": 2000}
EXTRAPOLATION = 500
EASY_TRAIN = 1500
QUESTION = re.compile(r"In base (\d+), what is -?(\w+) [+-] -?(\w+)\?")


def real_generator(entropy=None):
    """Return a function that draws (question, answer) as DeepMind's generator does, from Python's `random`.

    `entropy` is the range of difficulty, the generator's own for training if it is left out. As there, questions of
    more than 160 and answers of more than 30 characters are drawn again, except in another range. ImportError without
    the package.
    """
    # `import a.b.c as d` would find the function of the same name.
    package = importlib.import_module("sympy.solvers.diophantine")
    package.base_solution_linear = importlib.import_module(package.__name__ + ".diophantine").base_solution_linear
    from mathematics_dataset import generate_settings
    from mathematics_dataset.modules import arithmetic

    limits = generate_settings.MAX_QUESTION_LENGTH, generate_settings.MAX_ANSWER_LENGTH
    module = arithmetic.train(lambda known: entropy or known)["add_or_sub_in_base"]

    def draw():
        while True:
            problem = module()
            question, answer = str(problem.question), str(problem.answer)
            if entropy or (len(question) <= limits[0] and len(answer) <= limits[1]):
                return question, answer

    return draw


def real_extrapolation_entropy():
    """Return the difficulty with which the generator makes its other extrapolation sets; it has none for this task."""
    from mathematics_dataset.modules import arithmetic

    return arithmetic._ENTROPY_EXTRAPOLATE


def digits(question):
    """Return the base and the number of digits of the longer number."""
    base, *numbers = QUESTION.fullmatch(question).groups()
    return int(base), max(map(len, numbers))


def easy_generator(num_digits):
    """Return a function that draws (question, answer): two numbers of up to `num_digits` digits, added."""

    def draw():
        p, q = (random.randrange(10**num_digits) for _ in range(2))
        return f"{p}+{q}=", str(p + q)

    return draw


def only(draw, wanted):
    """Return a function that draws until a question is wanted."""

    def draw_wanted():
        while True:
            question, answer = draw()
            if wanted(question):
                return question, answer

    return draw_wanted


def distinct(draw, count, seen):
    """Draw `count` questions that are not in `seen`, and put them there."""
    rows = []
    while len(rows) < count:
        question, answer = draw()
        if question not in seen:
            seen.add(question)
            rows.append((question, answer))
    return rows


def replace_disguised(files, sources, family):
    """Replace each question that is one of an earlier file in another order or with other signs (`Sum.canonical`).

    Files are taken in their order. In such a question's place comes one that is in no file in any form, drawn from the
    file's own source, after all else was drawn: all other questions stay what they were.
    """

    def form(row):
        return FAMILIES[family].read(row[0]).canonical

    taken = {form(row) for rows in files.values() for row in rows}
    earlier = set()
    for split, rows in files.items():
        for place, row in enumerate(rows):
            if form(row) in earlier:
                while form(row) in taken:
                    row = sources[split]()
                taken.add(form(row))
                rows[place] = row
        earlier |= set(map(form, rows))


def paper_files(family="in_base", entropy=None, harder_entropy=None, only_base=""):
    """Return {split: rows} of the paper's task, of all of it unless something is given."""

    def in_base(question):
        return question.startswith(f"In base {only_base}")

    seen, sources = set(), dict.fromkeys(SIZES, only(real_generator(entropy), in_base))
    files = {split: distinct(sources[split], size, seen) for split, size in SIZES.items()}
    longest = {}
    for question, _ in files["train"]:
        base, length = digits(question)
        longest[base] = max(length, longest.get(base, 0))

    def longer(question):
        base, length = digits(question)
        return in_base(question) and length > longest[base]

    sources["extrapolation"] = only(real_generator(harder_entropy or real_extrapolation_entropy()), longer)
    files["extrapolation"] = distinct(sources["extrapolation"], EXTRAPOLATION, seen)
    replace_disguised(files, sources, family)
    return files


def small_files():
    """Return {split: rows} of the paper's task in base 10, with its smallest numbers."""
    return paper_files("in_base_10", entropy=(3, 4), harder_entropy=(4, 6), only_base="10,")


def easy_files():
    """Return {split: rows} of the additions; extrapolation has a number of four digits in each question."""

    def longer(question):
        return max(map(len, question[:-1].split("+"))) > 3

    seen, sources = set(), dict.fromkeys(SIZES, easy_generator(3))
    files = {split: distinct(sources[split], size, seen) for split, size in (SIZES | {"train": EASY_TRAIN}).items()}
    sources["extrapolation"] = only(easy_generator(4), longer)
    files["extrapolation"] = distinct(sources["extrapolation"], EXTRAPOLATION, seen)
    replace_disguised(files, sources, "addition")
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("data/arithmetic"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for prefix, make in (("", paper_files), ("small_", small_files), ("easy_", easy_files)):
        random.seed(SEED)
        for split, rows in make().items():
            lines = ["question\tanswer", *map("\t".join, rows)]
            (args.out / f"{prefix}{split}.tsv").write_bytes(("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main()
