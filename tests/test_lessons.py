"""The notebooks as lessons: their form, whether everybody can read them, and where their equations lead."""

import copy
import importlib
import itertools
import json
import pkgutil
import re
from html.parser import HTMLParser

import nbformat
import pytest

from lessons import NOTEBOOKS, ROOT, code_cells, grading, prose, source
from smatch_edu import plots
from smatch_edu.checks.exercise import Exercise
from smatch_edu.course import BEGIN

every_notebook = pytest.mark.parametrize("name", NOTEBOOKS)

# Every lesson has the form of a lesson


@every_notebook
def test_it_is_stored_as_a_fresh_run_leaves_it(name):
    notebook = NOTEBOOKS[name]
    nbformat.validate(nbformat.from_dict(notebook))
    cells = code_cells(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    text = json.dumps([cell["outputs"] for cell in cells])
    assert not re.search(r"\\b|object at 0x|/home/|/tmp/|Traceback", text), (
        "a raw backspace, an address, a path or an error"
    )
    assert not any(output["output_type"] == "error" for cell in cells for output in cell["outputs"])


@every_notebook
def test_it_asks_predicts_shows_and_leaves_something_to_think_about(name):
    text = prose(NOTEBOOKS[name])
    for wanted in ("**You will be able to**", "minutes", "**Predict.**", "## Take away"):
        assert wanted in text, f"{name} has no {wanted!r}"
    questions = text.split("## Take away")[1]
    assert len(re.findall(r"(?m)^\d\. ", questions)) >= 3
    images = [o for cell in code_cells(NOTEBOOKS[name]) for o in cell["outputs"] if "image/png" in o.get("data", {})]
    assert images, f"{name} has no figure"


@every_notebook
def test_each_exercise_has_a_card_an_answer_and_a_check_of_the_course(name):
    notebook = NOTEBOOKS[name]
    module = importlib.import_module(f"smatch_edu.checks.{name.split('_', 1)[1]}")
    cards = re.findall(r"> \*\*Exercise (A?\d+\.\d+)\*\* · difficulty [●○]{3} · \d+ minutes", prose(notebook))
    answers = [cell for cell in code_cells(notebook) if grading(cell).get("solution")]
    graded = [cell for cell in code_cells(notebook) if grading(cell).get("grade")]
    assert 2 <= len(cards) <= 4 and len(set(cards)) == len(cards) == len(answers) == len(graded)
    called = []
    for card, answer, check in zip(cards, answers, graded, strict=True):
        call = re.fullmatch(r"checks\.(\w+)\.(\w+)\((\w+)\)", source(check).strip())
        assert call and call[1] == name.split("_", 1)[1] and f"def {call[3]}(" in source(answer)
        found = getattr(module, call[2])
        assert isinstance(found, Exercise) and found.number == card
        assert BEGIN in source(answer) and grading(answer)["grade_id"] != grading(check)["grade_id"]
        assert grading(check)["locked"] and grading(check)["points"] > 0
        called.append(found)
    assert called == [found for found in vars(module).values() if isinstance(found, Exercise)]
    ids = [grading(cell)["grade_id"] for cell in (*answers, *graded)]
    assert len(set(ids)) == len(ids)


@every_notebook
def test_links_between_lessons_lead_somewhere(name):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", prose(NOTEBOOKS[name])):
        assert (ROOT / "notebooks" / target).exists(), f"{name} links to {target}"


# Everybody can read them


class Accessibility(HTMLParser):
    """Complaints about a piece of HTML: images without text, buttons and inputs without a name, headings."""

    def __init__(self, page):
        super().__init__()
        self.complaints, self.inside, self.text = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        label = named.get("aria-label", "").strip()
        if tag == "img" and len(named.get("alt", "").strip()) < 20:
            self.complaints.append(f"an image whose alternative text is {named.get('alt')!r}")
        if tag == "svg" and not label:
            self.complaints.append("an svg without aria-label")
        if tag in ("input", "select") and not label and "label" not in self.inside:
            self.complaints.append(f"<{tag}> without a label")
        if tag == "button":
            self.text = label
        if re.fullmatch(r"h\d", tag):
            self.complaints.append(f"a heading <{tag}> in an output, out of the order of the page")
        if named.get("role") == "group" and not label:
            self.complaints.append("a group without a name")
        self.inside.append(tag)

    def handle_data(self, data):
        self.text += data.strip()

    def handle_endtag(self, tag):
        if tag == "button" and not self.text:
            self.complaints.append("a button without a name")
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass


def complaints(notebook):
    """What a reader who cannot see, or not tell colours apart, would miss."""
    found = []
    levels = [len(marks) for marks in re.findall(r"(?m)^(#+) ", prose_without_code(notebook))]
    if levels[:1] != [1] or levels.count(1) != 1:
        found.append(f"headings {levels} do not start with the one title")
    if any(after > before + 1 for before, after in itertools.pairwise(levels)):
        found.append(f"headings {levels} skip a level")
    if re.search(r"!\[\s*\]|<img(?![^>]*alt=)", prose(notebook)):
        found.append("an image in the text without alternative text")
    for cell in code_cells(notebook):
        outputs = cell["outputs"]
        for number, output in enumerate(outputs):
            data = output.get("data", {})
            if "image/png" in data:
                alt = output["metadata"].get("image/png", {}).get("alt", "")
                below = outputs[number + 1].get("data", {}) if number + 1 < len(outputs) else {}
                if len(alt) < 40 or "".join(data.get("text/plain", "")) != alt:
                    found.append(f"a figure whose alternative text is {alt!r}")
                elif "This figure in words" not in "".join(below.get("text/html", "")):
                    found.append("a figure that is not followed by its text")
            found += Accessibility("".join(data.get("text/html", ""))).complaints
        colors = set(re.findall(r"#[0-9a-fA-F]{6}\b", source(cell)))
        named = re.findall(r"""colou?r\s*=\s*["']([^"']+)["']""", source(cell))
        if colors or not all(re.fullmatch(r"0\.\d+", name) for name in named):
            found.append(f"colours {sorted(colors) + named} that are neither greys nor taken from plots")
    return found


def prose_without_code(notebook):
    return re.sub(r"(?s)```.*?```", "", prose(notebook))


@every_notebook
def test_it_can_be_read_without_seeing_and_without_colour(name):
    assert not complaints(NOTEBOOKS[name])


def heading_too_deep(notebook):
    cell = next(c for c in notebook["cells"][1:] if c["cell_type"] == "markdown")
    cell["source"] = "#### Too deep\n" + source(cell)


def no_alternative_text(notebook):
    for cell in code_cells(notebook):
        for output in cell["outputs"]:
            output.get("metadata", {}).pop("image/png", None)


def a_button_without_name(notebook):
    code_cells(notebook)[0]["outputs"] = [
        {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<button></button><img src='x'>"}}
    ]


def a_colour_of_its_own(notebook):
    code_cells(notebook)[0]["source"] = "axes.plot(x, color='red')"


@pytest.mark.parametrize(
    "spoil",
    [heading_too_deep, no_alternative_text, a_button_without_name, a_colour_of_its_own],
    ids=lambda f: f.__name__,
)
def test_the_accessibility_test_sees(spoil):
    notebook = copy.deepcopy(NOTEBOOKS["02_occupancy"])
    spoil(notebook)
    assert complaints(notebook)


def test_colour_alone_is_refused_when_a_figure_is_shown():
    twins = plots.curves([0.0, 1.0], {"a": [0, 1], "b": [1, 0]}, xlabel="x", ylabel="y")
    for line in twins.axes[0].lines:
        line.set(linestyle="-", marker="o")
    with pytest.raises(ValueError, match="look alike"):
        plots.check_not_by_colour_alone(twins)
    bars = plots.bars(["x"], {"a": [1], "b": [2]}, ylabel="y")
    for patch in bars.axes[0].patches:
        patch.set_hatch("//")
    with pytest.raises(ValueError, match="look alike"):
        plots.check_not_by_colour_alone(bars)
    red = plots.curves([0.0, 1.0], {"a": [0, 1]}, xlabel="x", ylabel="y")
    red.axes[0].lines[0].set_color("red")
    with pytest.raises(ValueError, match="Okabe-Ito"):
        plots.check_not_by_colour_alone(red)


def test_every_look_differs_from_every_other_by_more_than_its_colour():
    looks = [*plots.LOOKS, *plots.MEANINGS.values()]
    for one, look in enumerate(looks):
        for other in looks[:one]:
            assert look["marker"] != other["marker"] and look["hatch"] != other["hatch"]
        assert look["color"].lower() in plots.OKABE_ITO


# The equations


LEDGER = ROOT / "notebooks" / "equations.md"


def ledger():
    """Rows of the page: (number, function, notebook, test)."""
    rows = re.findall(r"(?m)^\| \(([\w.]+)\) \|(.+)$", LEDGER.read_text(encoding="utf-8"))
    return {number: [cell.strip() for cell in rest.strip().strip("|").split(" | ")] for number, rest in rows}


def dangling(number, cells):
    """What in this row points at nothing."""
    _, function, notebook, test = cells
    found = []
    (dotted,) = re.findall(r"`(smatch_edu\.[\w.]+)`", function) or [""]
    try:
        pkgutil.resolve_name(dotted)
    except (ImportError, AttributeError, ValueError):
        found.append(f"({number}): no function {dotted!r}")
    (name,) = re.findall(r"\]\((\w+)\.ipynb\)", notebook) or [""]
    if name not in NOTEBOOKS or rf"\tag{{{number}}}" not in prose(NOTEBOOKS[name]):
        found.append(f"({number}): notebook {name!r} has no such equation")
    (file, function_name) = (re.findall(r"`(tests/\w+\.py)::(\w+)`", test) or [("", "")])[0]
    if (
        not file
        or not (ROOT / file).exists()
        or f"\ndef {function_name}(" not in (ROOT / file).read_text(encoding="utf-8")
    ):
        found.append(f"({number}): no test {test!r}")
    return found


def test_every_entry_of_the_ledger_points_at_something():
    rows = ledger()
    assert rows and not [complaint for number, cells in rows.items() for complaint in dangling(number, cells)]


def test_every_equation_of_the_course_is_in_the_ledger():
    tags = [tag for notebook in NOTEBOOKS.values() for tag in re.findall(r"\\tag\{([^}]+)\}", prose(notebook))]
    assert sorted(set(tags)) == sorted(tags) and set(tags) == set(ledger())
    for name, notebook in NOTEBOOKS.items():
        for equation in re.findall(r"(?s)\$\$(.+?)\$\$", prose_without_code(notebook)):
            assert r"\tag{" in equation, f"{name}: an equation without a number: {equation}"


@pytest.mark.parametrize("column", [1, 2, 3])
def test_the_ledger_test_sees(column):
    number, cells = next(iter(ledger().items()))
    broken = list(cells)
    broken[column] = (
        broken[column].replace("smatch_edu.", "smatch_edu.no_").replace(".ipynb", "_no.ipynb").replace("::", "::no_")
    )
    assert dangling(number, broken) and not dangling(number, cells)
