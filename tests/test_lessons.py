"""The notebooks as lessons: their form, whether everybody can read them, and where their equations lead."""

import ast
import copy
import importlib
import itertools
import json
import pkgutil
import re
from html import escape
from html.parser import HTMLParser

import mistune
import nbformat
import pytest

from lessons import FOLDER, NOTEBOOKS, PROBLEM_SETS, ROOT, SETS, WRITTEN, code_cells, grading, prose, source
from smatch_edu.checks.exercise import Exercise
from smatch_edu.course.student_versions import BEGIN
from smatch_edu.pictures import plots, show

every_notebook = pytest.mark.parametrize("name", WRITTEN)
every_lesson = pytest.mark.parametrize("name", NOTEBOOKS)
every_set = pytest.mark.parametrize("name", PROBLEM_SETS)

# Every lesson has the form of a lesson

ASK, CAME_OUT = "**Predict.**", "<details><summary>What came out</summary>"


@every_notebook
def test_it_is_stored_as_a_fresh_run_leaves_it(name):
    notebook = WRITTEN[name]
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
    text = prose(WRITTEN[name])
    for wanted in ("**You will be able to**", "minutes", "**Predict.**", "## Take away"):
        assert wanted in text, f"{name} has no {wanted!r}"
    questions = text.split("## Take away")[1]
    assert len(re.findall(r"(?m)^\d\. ", questions)) >= 3
    images = [o for cell in code_cells(WRITTEN[name]) for o in cell["outputs"] if "image/png" in o.get("data", {})]
    assert images, f"{name} has no figure"


@every_lesson
def test_each_exercise_has_a_card_an_answer_and_a_check_of_the_course(name):
    notebook = NOTEBOOKS[name]
    module = importlib.import_module(f"smatch_edu.checks.{name.split('_', 1)[1]}")
    cards = re.findall(r"> \*\*Exercise (A?\d+\.\d+)\*\* · difficulty [●○]{3} · \d+ minutes", prose(notebook))
    assert 2 <= len(cards) <= 6
    check_exercises(notebook, module, cards)


def check_exercises(notebook, module, cards):
    """Each card has an answer and a check of the course, and each exercise of the module has a card."""
    answers = [cell for cell in code_cells(notebook) if grading(cell).get("solution")]
    graded = [cell for cell in code_cells(notebook) if grading(cell).get("grade")]
    assert len(set(cards)) == len(cards) == len(answers) == len(graded)
    called = []
    for card, answer, check in zip(cards, answers, graded, strict=True):
        call = re.fullmatch(r"my_\w+ = checks\.(\w+)\.(\w+)\((\w+)\)", source(check).strip())
        assert call and call[1] == module.__name__.split(".")[-1] and f"def {call[3]}(" in source(answer)
        found = getattr(module, call[2])
        assert isinstance(found, Exercise) and found.number == card
        assert BEGIN in source(answer) and grading(answer)["grade_id"] != grading(check)["grade_id"]
        assert grading(check)["locked"] and grading(check)["points"] > 0
        called.append(found)
    assert called == [found for found in vars(module).values() if isinstance(found, Exercise)]
    ids = [grading(cell)["grade_id"] for cell in (*answers, *graded)]
    assert len(set(ids)) == len(ids)


@every_set
def test_a_problem_set_says_what_each_exercise_takes_and_gives(name):
    notebook = PROBLEM_SETS[name]
    text = prose(notebook)
    module = importlib.import_module(f"smatch_edu.checks.{name}")
    cards = re.findall(
        r"> \*\*Exercise (S\d\.\d)\*\* · difficulty [●○]{3} · (\d+) minutes · (\d+) points\n>\n(?s:(.+?))\n\n", text
    )
    check_exercises(notebook, module, [number for number, *_ in cards])
    listed = re.findall(r"(?m)^\| (S\d\.\d) \| [^|]+ \| (\d+) \| (\d+) \|$", source(notebook["cells"][0]))
    assert listed == [(number, minutes, points) for number, minutes, points, _ in cards]
    worth = [grading(cell)["points"] for cell in code_cells(notebook) if grading(cell).get("grade")]
    assert worth == [int(points) for _, _, points, _ in cards]
    assert f"{sum(worth)} points" in source(notebook["cells"][0])
    assert 90 <= sum(int(minutes) for _, minutes, _, _ in cards) <= 240
    assert all("*Given:*" in card and "*Wanted:*" in card for *_, card in cards)
    assert text.count("<summary>Hint: ") >= len(cards), "a hint each"


@every_notebook
def test_questions_to_take_away_have_as_many_answers_folded_below_them(name):
    end = prose(WRITTEN[name]).split("## Take away")[1]
    summary = "What we would say" if name in PROBLEM_SETS else "Answers"
    questions, answers = re.fullmatch(
        rf"(?s)(.+?)<details><summary>{summary}</summary>\n\n(.+?)</details>.*", end
    ).groups()
    asked, answered = (re.findall(r"(?m)^(\d)\. ", part) for part in (questions, answers))
    assert asked == answered == [str(n + 1) for n in range(len(asked))] and len(asked) >= 3


@every_notebook
def test_what_is_folded_closes_again_and_hides_nothing_that_has_a_number(name):
    text = prose(WRITTEN[name])
    folds = re.findall(r"(?s)<details><summary>[^<\n]+</summary>\n\n(.+?)</details>", text)
    assert len(folds) == text.count("<details>") == text.count("</details>") == text.count("<summary>")
    for fold in folds:
        assert not re.search(r"<details>|\\tag\{|(?m:^#)|\*\*(?:Predict|Exercise)", fold), fold


@every_notebook
def test_what_one_is_told_to_try_has_answers_below(name):
    for cell in WRITTEN[name]["cells"]:
        for told in re.split(r"Try these|Things to try", source(cell))[1:]:
            assert "\n\n<details><summary>Answers</summary>\n\n" in told


def unanswered(notebook, label):
    """Predictions without their field right below, or without a fold that says what came out.

    The fold stands between the field and the next one. Where the answer takes longer, its fold has the number.
    """
    cells, found = notebook["cells"], []
    fields = [n for n, cell in enumerate(cells) if "show.prediction(" in source(cell)]
    prose_cells = [n for n, cell in enumerate(cells) if cell["cell_type"] == "markdown"]
    asking = [n for n in prose_cells for _ in range(source(cells[n]).count(ASK))]
    if [n + 1 for n in asking] != fields:
        found.append(f"predictions in the cells {asking}, fields in {fields}")
    for number, (here, end) in enumerate(itertools.pairwise([*fields, len(cells)]), start=1):
        if cells[here]["cell_type"] != "code" or source(cells[here]) != f'show.prediction("{label}.{number}")':
            found.append(f"{label}.{number} has the field {source(cells[here])}")
        between, later = (prose({"cells": part}) for part in (cells[here:end], cells[end:]))
        if CAME_OUT in between or CAME_OUT.replace("out", f"out ({label}.{number})") in between + later:
            continue
        found.append(f"nothing says what came out of {label}.{number}")
    return found


def label_of(name):
    """The number of a notebook in those of its predictions: "02", "A1", "S2" for the second problem set."""
    return f"S{name.split('_')[1]}" if name in PROBLEM_SETS else name.split("_")[0]


@every_notebook
def test_each_prediction_has_its_field_and_its_answer_folded_below(name):
    assert unanswered(WRITTEN[name], label_of(name)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('show.prediction("02.2")', 'show.prediction("02.3")'),
        ('show.prediction("02.2")', 'show.prediction("02.2")\nrho = 1'),
        ('show.prediction("02.2")', "rho = 1"),
        ("**Predict.** In which", "In which"),
        ("**Predict.** In which", "**Predict.** Where? **Predict.** In which"),
        ("<details><summary>What came out</summary>\n\nMost of it", "Most of it"),
        ("What came out</summary>\n\nMost of it", "What came out (02.1)</summary>\n\nMost of it"),
    ],
)
def test_the_test_of_predictions_sees(old, new):
    notebook = copy.deepcopy(NOTEBOOKS["02_occupancy"])
    (cell,) = (cell for cell in notebook["cells"] if old in source(cell))
    cell["source"] = source(cell).replace(old, new)
    assert unanswered(notebook, "02")


@every_notebook
def test_links_between_lessons_lead_somewhere(name):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", prose(WRITTEN[name])):
        assert ((SETS if name in PROBLEM_SETS else FOLDER) / target).exists(), f"{name} links to {target}"


@every_notebook
def test_it_imports_from_front_doors_one_line_a_folder(name):
    sources = map(source, code_cells(WRITTEN[name]))
    imports = [
        node for text in sources for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    ours = [
        node.module for node in imports if isinstance(node, ast.ImportFrom) and node.module.startswith("smatch_edu")
    ]
    assert ours and all(re.fullmatch(r"smatch_edu(\.\w+)?", module) for module in ours), "a module, and no folder"
    assert ours == sorted(set(ours))
    for module in ours[1:]:
        doors = importlib.import_module(module).__all__
        (names,) = ([alias.name for alias in node.names] for node in imports if getattr(node, "module", "") == module)
        assert set(names) <= set(doors) and len(set(names)) == len(names)
    assert not any(alias.name.startswith("smatch_edu") for node in imports for alias in node.names)


@every_notebook
def test_what_moves_begins_at_its_beginning_so_that_no_prediction_is_spoiled(name):
    for cell in code_cells(WRITTEN[name]):
        for shown in cell["outputs"]:
            html = "".join(shown.get("data", {}).get("text/html", ""))
            starts = re.findall(r'class="player \w+"[^>]* data-start="(\d+)"', html)
            assert html.count('<section class="player ') == len(starts)
            assert not re.search(r"<section[^>]* data-autoplay", html)
            assert starts == re.findall(r'data-do="seek"[^>]* min="(\d+)"', html)


# The road


def road(text, folder):
    """Rows of a table of the notebooks: file → (question, minutes, and whatever stands behind)."""
    rows = re.findall(rf"(?m)^\| \[[^\]]+\]\({folder}(\w+)\.ipynb\) \| (.+?) \| (\d+) \|(?: (\d+) \|)?$", text)
    return {name: (question, int(minutes), exercises) for name, question, minutes, exercises in rows}


def test_the_road_leads_from_the_first_notebook_to_the_last_with_the_minutes_that_each_says():
    readme = road((ROOT / "README.md").read_text(encoding="utf-8"), "notebooks/")
    ahead = road(prose(NOTEBOOKS["00_start_here"]), "")
    assert set(readme) == set(NOTEBOOKS) and set(ahead) == set(NOTEBOOKS) - {"00_start_here"}
    for name, (question, minutes, exercises) in readme.items():
        said = re.search(r"\*(?:A course assignment: about )?(\d+) minutes", source(NOTEBOOKS[name]["cells"][0]))
        assert minutes == int(said[1]) and int(exercises) == prose(NOTEBOOKS[name]).count("> **Exercise ")
        assert name == "00_start_here" or ahead[name] == (question, minutes, "")
    hours = sum(minutes for _, minutes, _ in readme.values()) / 60
    assert f"about {hours:.0f} hours in all" in prose(NOTEBOOKS["00_start_here"])


# Its cells can be run again, in any order in which what they need is there


def read_by(node):
    """The names that a piece of code reads from outside itself."""
    found = set()
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        spec = node.args
        every = (*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *filter(None, (spec.vararg, spec.kwarg)))
        body = node.body if isinstance(node.body, list) else [node.body]
        own = {argument.arg for argument in every}.union(*map(made_by, body))
        found = set().union(*map(read_by, body)) - own
        outer = (*spec.defaults, *filter(None, spec.kw_defaults), *getattr(node, "decorator_list", ()))
        return found.union(*map(read_by, outer))
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        found.add(node.id)
    found = found.union(*map(read_by, ast.iter_child_nodes(node)))
    if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        found -= set().union(*(made_by(loop.target) for loop in node.generators))
    return found


def made_by(node):
    """The names that a piece of code binds in the scope in which it stands."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        return set()
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return {node.id}
    if isinstance(node, ast.alias):
        return {(node.asname or node.name).split(".")[0]}
    return set().union(*map(made_by, ast.iter_child_nodes(node)))


def needs(text):
    """What a cell makes, and what it needs from others: all that a function reads, since it may be called elsewhere."""
    made, needed = set(), set()

    def run(statements):
        for statement in statements:
            inner = [part for part in (getattr(statement, name, []) for name in ("body", "orelse")) if part]
            if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                needed.update(read_by(statement))
                made.add(statement.name)
            elif inner:  # for, with, if, while: the head, and then what is below it
                head = [part for part in ast.iter_child_nodes(statement) if not isinstance(part, ast.stmt)]
                needed.update(set().union(*map(read_by, head)) - made)
                made.update(*map(made_by, head))
                for block in inner:
                    run(block)
            else:
                changed = made_by(statement.target) if isinstance(statement, ast.AugAssign) else set()
                needed.update((read_by(statement) | changed) - made)
                made.update(made_by(statement))

    run(ast.parse(text).body)
    return made, needed


def made_twice(cells):
    """The names that one cell needs and two cells make: which of the two was run last would decide."""
    found = [needs(text) for text in cells]
    makers = [name for made, _ in found for name in made]
    return sorted({name for _, needed in found for name in needed if makers.count(name) > 1})


@every_notebook
def test_what_a_cell_needs_from_others_only_one_cell_makes(name):
    assert made_twice(map(source, code_cells(WRITTEN[name]))) == []


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (["x = 1", "print(x)"], []),
        (["x = 1", "print(x)", "x = 2"], ["x"]),
        (["x = 1", "print(x)", "for x in y:\n    pass", "y = 3"], ["x"]),
        (["x = 1", "x = 2\nprint(x)"], []),
        (["x = 1", "x = 2\nx += 1"], []),
        (["x = 1", "x += 1"], ["x"]),
        (["x = 1\ndef f(y):\n    return x + y", "x = 2", "f(3)"], ["x"]),
        (["def f(x):\n    y = x\n    return lambda z: x + y + z", "x = 1", "x = 2", "y = z = 3", "y = z = 4"], []),
        (["[x for x in range(3)]", "x = 1", "x = 2"], []),
        (["import x", "x.y", "from z import x"], ["x"]),
        (["x = 1", "with x as y:\n    print(y)", "y = 2", "x, z = 3, 4"], ["x"]),
    ],
)
def test_the_test_of_names_sees(cells, wanted):
    assert made_twice(cells) == wanted


# Where all that a student writes is put to work.
AT_WORK = {*PROBLEM_SETS, *(name for name in NOTEBOOKS if "02" <= name < "10" or name.startswith("12"))}


def put_to_work(notebook):
    """For each exercise its answer and what the check returned, and how many other cells need each of the two."""
    cells = code_cells(notebook)
    for place, check in enumerate(cells):
        if grading(check).get("grade"):
            mine, answer = re.fullmatch(r"(\w+) = .+\((\w+)\)", source(check).strip()).groups()
            others = [needs(source(cell))[1] for cell in cells if cell is not check]
            after = [needs(source(cell))[1] for cell in cells[place + 1 :]]
            yield answer, mine, sum(answer in needed for needed in others), sum(mine in needed for needed in after)


@every_notebook
def test_other_cells_use_what_a_check_returned_and_never_an_answer_itself(name):
    for answer, mine, direct, used in put_to_work(WRITTEN[name]):
        assert not direct, f"{name}: a cell uses {answer}, which may still be open"
        assert used or name not in AT_WORK, f"{name}: nothing below is done with {mine}"


# Everybody can read them

# What outputs may be made of: nothing else is looked at here, so nothing else is allowed.
KINDS = {"image/png", "text/html", "text/plain"}
TAGS = {"style", "script", "div", "section", "p", "span", "del", "ol", "li", "details", "summary", "img"}
TAGS |= {"button", "label", "input", "select", "option", "textarea"}


class Accessibility(HTMLParser):
    """Complaints about a piece of HTML: images without text, buttons and inputs without a name, headings."""

    def __init__(self, page, allowed=TAGS):
        super().__init__()
        self.allowed, self.complaints, self.levels, self.inside, self.text = allowed, [], [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        named = {name: value or "" for name, value in attributes}
        label = named.get("aria-label", "").strip()
        if self.allowed is not None and tag not in self.allowed:
            self.complaints.append(f"<{tag}>, of which nobody has said how it is read aloud")
        if tag == "img" and len(named.get("alt", "").strip()) < 20:
            self.complaints.append(f"an image whose alternative text is {named.get('alt')!r}")
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag in ("input", "select", "textarea") and not label and not ("label" in self.inside and self.text):
            self.complaints.append(f"<{tag}> without a label")
        if tag in ("button", "label"):
            self.text = label
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
    text = Accessibility(mistune.create_markdown(escape=False, plugins=["table"])(prose(notebook)), allowed=None)
    found = list(text.complaints)
    if text.levels[:1] != [1] or text.levels.count(1) != 1:
        found.append(f"headings {text.levels} do not start with the one title")
    if any(after > before + 1 for before, after in itertools.pairwise(text.levels)):
        found.append(f"headings {text.levels} skip a level")
    for cell in code_cells(notebook):
        outputs = cell["outputs"]
        described = 0
        for number, output in enumerate(outputs):
            data = output.get("data", {})
            html = "".join(data.get("text/html", ""))
            found += [f"an output of kind {kind}" for kind in data if kind not in KINDS]
            if "image/png" in data:
                alt = output["metadata"].get("image/png", {}).get("alt", "")
                below = outputs[number + 1].get("data", {}) if number + 1 < len(outputs) else {}
                if len(alt) < 40 or "".join(data.get("text/plain", "")) != alt:
                    found.append(f"a figure whose alternative text is {alt!r}")
                elif escape(alt) not in "".join(below.get("text/html", "")):
                    found.append("a figure that is not followed by its text")
                described -= 1
            described += html.count("This figure in words")
            shown = Accessibility(html)
            found += shown.complaints
            found += [f"a heading <h{level}> in an output, out of the order of the page" for level in shown.levels]
        if described:
            found.append("a text for a figure that is not there")
    return found


@every_notebook
def test_it_can_be_read_without_seeing_and_without_colour(name):
    assert not complaints(WRITTEN[name])


def markdown(text):
    def spoil(notebook):
        cell = next(c for c in notebook["cells"][1:] if c["cell_type"] == "markdown")
        cell["source"] = text + "\n\n" + source(cell)

    return spoil


def output(**data):
    def spoil(notebook):
        kinds = {name.replace("_", "/"): value for name, value in data.items()}
        code_cells(notebook)[0]["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": kinds}]

    return spoil


def every_output(change):
    def spoil(notebook):
        for cell in code_cells(notebook):
            for shown in cell["outputs"]:
                change(shown)

    return spoil


SPOILED = {
    "heading_too_deep": markdown("#### Too deep"),
    "heading_in_html": markdown("<h4>Too deep</h4>"),
    "heading_in_a_quote": markdown("> #### Too deep"),
    "heading_underlined": markdown("A second title\n=============="),
    "image_in_the_text": markdown("![](picture.png)"),
    "image_in_html": markdown('<IMG src="picture.png" alt="">'),
    "no_alternative_text": every_output(lambda shown: shown.get("metadata", {}).pop("image/png", None)),
    "no_image": every_output(lambda shown: shown.get("data", {}).pop("image/png", None)),
    "no_words_below": every_output(lambda shown: shown.get("data", {}).pop("text/html", None)),
    "svg": output(**{"image_svg+xml": "<svg></svg>"}),
    "jpeg": output(image_jpeg="x"),
    "button": output(text_html="<button></button>"),
    "image": output(text_html="<img src='x'>"),
    "input": output(text_html="<input>"),
    "field": output(text_html="<textarea></textarea>"),
    "empty_label": output(text_html="<label> <input></label>"),
    "canvas": output(text_html="<canvas></canvas>"),
    "group": output(text_html='<div role="group"></div>'),
    "heading": output(text_html="<h2>Hello</h2>"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_the_accessibility_test_sees(name):
    notebook = copy.deepcopy(NOTEBOOKS["02_occupancy"])
    SPOILED[name](notebook)
    assert complaints(notebook)


def two_lines(axes):
    axes.plot([0, 1], color=plots.ON_DATA)
    axes.plot([1, 0], color=plots.OFF_DATA)


def two_markers_never_drawn(axes):
    axes.plot([0, 1], color=plots.ON_DATA, marker="o", markevery=[])
    axes.plot([1, 0], color=plots.OFF_DATA, marker="s", markevery=[])


def two_shades(axes):
    axes.plot([0, 1], color=plots.ON_DATA)
    axes.plot([1, 0], color=plots.ON_DATA, alpha=0.4)


def two_bars(axes):
    axes.bar([0], [1], color=plots.ON_DATA, hatch="//")
    axes.bar([1], [1], color=plots.OFF_DATA, hatch="//")


def two_clouds(axes):
    axes.scatter([0], [1], color=plots.ON_DATA)
    axes.scatter([1], [1], color=plots.OFF_DATA)


def two_areas(axes):
    axes.fill_between([0, 1], [1, 1], color=plots.ON_DATA)
    axes.fill_between([0, 1], [2, 1], color=plots.OFF_DATA)


def two_rules(axes):
    axes.hlines([0], 0, 1, color=plots.ON_DATA)
    axes.hlines([1], 0, 1, color=plots.OFF_DATA)


def a_pie(axes):
    axes.pie([1, 2], colors=[plots.ON_DATA, plots.OFF_DATA])


@pytest.mark.parametrize(
    "draw",
    [two_lines, two_markers_never_drawn, two_shades, two_bars, two_clouds, two_areas, two_rules, a_pie],
    ids=lambda f: f.__name__,
)
def test_colour_alone_is_refused_when_a_figure_is_shown(draw):
    figure = plots.new_figure()
    draw(figure.axes[0])
    with pytest.raises(ValueError, match="look alike"):
        show.picture(figure, "two things that differ in their colour")


@pytest.mark.parametrize(
    "draw",
    [
        lambda axes: axes.plot([0, 1], color="red"),
        lambda axes: axes.plot([0, 1], "g-"),
        lambda axes: axes.bar([0], [1], color=(1, 0, 0)),
        lambda axes: axes.scatter([0], [1], c="red"),
        lambda axes: axes.text(0, 0, "red", color="red"),
        lambda axes: axes.imshow([[0, 1]], cmap="jet"),
    ],
)
def test_a_colour_outside_the_palette_is_refused(draw):
    figure = plots.new_figure()
    draw(figure.axes[0])
    with pytest.raises(ValueError, match=r"Okabe-Ito|shades of grey"):
        show.picture(figure, "something in a colour of its own")


def test_every_look_differs_from_every_other_by_more_than_its_colour():
    looks = [*plots.LOOKS, *plots.MEANINGS.values()]
    for one, look in enumerate(looks):
        for other in looks[:one]:
            assert look["marker"] != other["marker"] and look["hatch"] != other["hatch"]
        assert look["color"].lower() in plots.OKABE_ITO


# The equations


LEDGER = ROOT / "notebooks" / "equations.md"


def ledger(text=None):
    """Rows of the page: (number, words, function, notebook, test). Every line of its table must be one."""
    lines = (text or LEDGER.read_text(encoding="utf-8")).splitlines()
    table = [line for line in lines if line.startswith("|")][2:]
    rows = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in table]
    assert all(len(row) == 5 and re.fullmatch(r"\(A?\d+\.\d+\)", row[0]) for row in rows), rows
    numbers = [row[0] for row in rows]
    assert len(set(numbers)) == len(numbers), "an equation has two rows"
    return rows


def dangling(number, words, function, notebook, test):
    """What in this row points at nothing."""
    found = []
    dotted = re.fullmatch(r"`(smatch_edu\.[\w.]+)`", function)
    try:
        found += [] if callable(pkgutil.resolve_name(dotted[1])) else [f"{number}: {function} is no function"]
    except (ImportError, AttributeError, ValueError, TypeError):
        found.append(f"{number}: no function {function}")
    link = re.fullmatch(r"\[(\w+)\]\((\w+)\.ipynb\)", notebook)
    tag = rf"\tag{{{number.strip('()')}}}"
    if not link or link[2] not in NOTEBOOKS or link[2].split("_")[0] != link[1] or tag not in prose(NOTEBOOKS[link[2]]):
        found.append(f"{number}: {notebook} has no such equation")
    place = re.fullmatch(r"`(tests/[\w/]+\.py)::(\w+)`", test)
    if not place or f"\ndef {place[2]}(" not in (ROOT / place[1]).read_text(encoding="utf-8"):
        found.append(f"{number}: no test {test}")
    return found


def test_every_entry_of_the_ledger_points_at_something():
    rows = ledger()
    assert rows and not [complaint for row in rows for complaint in dangling(*row)]


def test_every_equation_of_the_course_is_in_the_ledger():
    tags = [tag for notebook in NOTEBOOKS.values() for tag in re.findall(r"\\tag\{([^}]+)\}", prose(notebook))]
    assert sorted(f"({tag})" for tag in tags) == sorted(row[0] for row in ledger())
    for name, notebook in WRITTEN.items():
        for equation in re.findall(r"(?s)\$\$(.+?)\$\$", prose(notebook)):
            assert r"\tag{" in equation, f"{name}: an equation without a number: {equation}"


@pytest.mark.parametrize(
    ("column", "broken"),
    [
        (2, "`smatch_edu.exact.mdp.StringMDP.visit`"),
        (2, "`smatch_edu.pictures.plots.STYLE`"),
        (2, "`smatch_edu.exact.mdp`"),
        (2, "`smatch_edu.exact.mdp.StringMDP` `smatch_edu.exact.mdp.Keys`"),
        (3, "[02](02_nothing.ipynb)"),
        (3, "[01](02_occupancy.ipynb)"),
        (3, "[01](01_figure_1.ipynb)"),
        (4, "`tests/exact/test_mdp.py::test_nothing`"),
    ],
)
def test_the_ledger_test_sees(column, broken):
    row = next(row for row in ledger() if row[0] == "(2.1)")
    assert not dangling(*row)
    assert dangling(*row[:column], broken, *row[column + 1 :])


@pytest.mark.parametrize("line", ["| 2.1 | a | b | c | d |", "| (2.1) | a | b | c | d |", "| (9.9) | a | b |"])
def test_every_line_of_the_ledger_must_be_a_row_of_its_own(line):
    with pytest.raises(AssertionError):
        ledger(LEDGER.read_text(encoding="utf-8") + line + "\n")


# The symbols


SYMBOLS = ROOT / "notebooks" / "symbols.md"


def symbols():
    """Rows of the page: (symbol, name, what it is, in code, notebook)."""
    table = [line for line in SYMBOLS.read_text(encoding="utf-8").splitlines() if line.startswith("|")][2:]
    rows = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in table]
    assert rows and all(len(row) == 5 and all(row) for row in rows), rows
    return rows


@every_notebook
def test_its_head_leads_to_the_symbols(name):
    page = "../symbols.md" if name in PROBLEM_SETS else "symbols.md"
    assert f"[symbols]({page})" in source(WRITTEN[name]["cells"][0])


@pytest.mark.parametrize("row", symbols(), ids=lambda row: row[0])
def test_a_symbol_has_one_name_and_is_built_where_the_page_says(row):
    _, name, _, code, notebook = row
    assert [other[0] for other in symbols() if other[1] == name] == [row[0]]
    number, stem = re.fullmatch(r"\[(\w+)\]\((\w+)\.ipynb\)", notebook).groups()
    assert stem in NOTEBOOKS and stem.startswith(number)
    lesson = prose(NOTEBOOKS[stem]) + "\n".join(map(source, code_cells(NOTEBOOKS[stem])))
    words = [word for word in re.findall(r"[a-zχ²-]{4,}", name.split(",")[0]) if word != "from"]
    assert all(word.lower() in lesson.lower() for word in words), f"{stem} does not speak of {name!r}"
    assert re.match(r"`(\w+)", code)[1] in lesson or "`Divergence" in code, f"{stem} has no {code}"
