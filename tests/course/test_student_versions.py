"""Student versions: stubs for solutions, and a student's work that is never overwritten."""

import json
from pathlib import Path

import nbformat
import pytest

from lessons import WRITTEN, code_cells, source
from smatch_edu.cli import main
from smatch_edu.course import student_versions as course
from smatch_edu.course.student_versions import RECORD, generate, student_version, without_solution


def test_a_solution_becomes_nbgraders_stub_and_keeps_its_indentation():
    solved = (
        "def f(x):\n    '''Doc.'''\n    ### BEGIN SOLUTION\n    y = 2\n    return x * y\n    ### END SOLUTION\nprint(1)"
    )
    stub = "def f(x):\n    '''Doc.'''\n    # YOUR CODE HERE\n    raise NotImplementedError()\nprint(1)"
    assert without_solution(solved, "here") == stub
    assert without_solution("print(1)\n", "here") == "print(1)"
    twice = "### BEGIN SOLUTION\na\n### END SOLUTION\nb\n### BEGIN SOLUTION\nc\n### END SOLUTION"
    assert without_solution(twice, "here").count("raise NotImplementedError()") == 2


@pytest.mark.parametrize(
    "source",
    [
        "### BEGIN SOLUTION\nx",
        "x\n### END SOLUTION",
        "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION",
        "### BEGIN SOLUTION\nx\n### END SOLUTION\n### END SOLUTION",
    ],
)
def test_markers_that_do_not_match_are_an_error_that_names_the_cell(source):
    notebook = {"cells": [{"cell_type": "markdown", "source": "hi"}, {"cell_type": "code", "source": source}]}
    with pytest.raises(ValueError, match=r"lesson\.ipynb, cell 1"):
        student_version(notebook, "lesson.ipynb")


@pytest.mark.parametrize("name", WRITTEN)
def test_a_student_version_differs_only_in_solutions_and_outputs(name):
    solved, student = WRITTEN[name], student_version(WRITTEN[name], name)
    nbformat.validate(nbformat.from_dict(student))
    assert [cell["id"] for cell in student["cells"]] == [cell["id"] for cell in solved["cells"]]
    for mine, theirs in zip(solved["cells"], student["cells"], strict=True):
        assert mine["metadata"] == theirs["metadata"]
        assert ("BEGIN SOLUTION" in source(mine)) == ("NotImplementedError" in source(theirs))
        if "BEGIN SOLUTION" not in source(mine):
            assert source(mine) == source(theirs)
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code_cells(student))


def write(folder, name, text):
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": 1, "source": text}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(notebook), encoding="utf-8")


def said(source, target):
    return dict(line.rsplit(": ", 1) for line in generate(source, target))


@pytest.fixture
def folders(tmp_path):
    """Two lessons, and where the student versions go."""
    write(tmp_path / "notebooks", "01_one.ipynb", "one = 1")
    write(tmp_path / "notebooks", "02_two.ipynb", "two = 2")
    return tmp_path / "notebooks", tmp_path / "learn"


def test_new_files_are_made_and_made_again_only_when_the_lesson_changed(folders):
    source, learn = folders
    assert set(said(source, learn).values()) == {"new"}
    assert set(said(source, learn).values()) == {"up to date"}
    write(source, "02_two.ipynb", "two = 3")
    assert list(said(source, learn).values()) == ["up to date", "brought up to date (you had not changed it)"]
    assert "two = 3" in (learn / "02_two.ipynb").read_text()


def test_pages_come_along_as_they_are(folders):
    source, learn = folders
    (source / "equations.md").write_text("# Équations\n", encoding="utf-8")
    assert said(source, learn)[str(learn / "equations.md")] == "new"
    assert (learn / "equations.md").read_text(encoding="utf-8") == "# Équations\n"


def test_what_a_student_changed_is_never_overwritten_and_that_is_said(folders):
    source, learn = folders
    said(source, learn)
    mine = learn / "01_one.ipynb"
    mine.write_text(mine.read_text() + " ")
    before = mine.read_bytes()
    assert said(source, learn)[str(mine)] == "yours, kept as it is"
    write(source, "01_one.ipynb", "one = 11")
    for _ in range(2):
        assert (
            said(source, learn)[str(mine)] == "yours, kept as it is; the course has a newer one, rename yours to get it"
        )
    assert mine.read_bytes() == before
    mine.rename(learn / "my_one.ipynb")
    assert said(source, learn)[str(mine)] == "new"
    assert (learn / "my_one.ipynb").read_bytes() == before


def test_a_file_that_was_not_made_here_is_kept(folders):
    source, learn = folders
    learn.mkdir()
    (learn / "01_one.ipynb").write_text("my own")
    assert "kept" in said(source, learn)[str(learn / "01_one.ipynb")]
    assert (learn / "01_one.ipynb").read_text() == "my own"


def test_an_interruption_loses_nothing(folders, monkeypatch):
    source, learn = folders
    said(source, learn)
    before = {path.name: path.read_bytes() for path in learn.iterdir()}
    write(source, "01_one.ipynb", "one = 11")

    def interrupted(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            said(source, learn)
    assert {path.name: path.read_bytes() for path in learn.iterdir()} == before
    assert said(source, learn)[str(learn / "01_one.ipynb")].startswith("brought up to date")


def test_a_record_that_cannot_be_read_costs_no_work(folders):
    source, learn = folders
    said(source, learn)
    (learn / RECORD).write_text("{ broken")
    write(source, "01_one.ipynb", "one = 11")
    assert "kept" in said(source, learn)[str(learn / "01_one.ipynb")]


def test_the_record_of_somebody_else_is_not_touched(folders):
    source, learn = folders
    learn.mkdir()
    for record in ('["a", "b"]', '{"version": 1}', '{"01_one.ipynb": "mine"}'):
        (learn / RECORD).write_text(record)
        with pytest.raises(ValueError, match=r"\.generated\.json was not written by `smatch learn`"):
            said(source, learn)
        assert [(path.name, path.read_text()) for path in learn.iterdir()] == [(RECORD, record)]


def test_bad_sources_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no notebook"):
        list(generate(tmp_path, tmp_path / "learn"))
    for text in ("{", "{}", "[]", '{"cells": [{"cell_type": "code"}]}'):
        (tmp_path / "01_broken.ipynb").write_text(text)
        with pytest.raises(ValueError, match=r"01_broken\.ipynb is not a notebook"):
            list(generate(tmp_path, tmp_path / "learn"))
    with pytest.raises(ValueError, match="choose another one"):
        list(generate(tmp_path, tmp_path))
    assert not (tmp_path / RECORD).exists()


def test_a_folder_that_is_named_like_a_notebook_is_passed_over(folders):
    source, learn = folders
    (source / "00_folder.ipynb").mkdir()
    assert set(said(source, learn).values()) == {"new"}


def test_lines_end_alike_on_every_system(folders, monkeypatch):
    source, learn = folders
    real = Path.open

    def windows(path, mode="r", *more, **options):
        return real(path, mode, *more, **(options if "b" in mode else {"newline": "\r\n"} | options))

    monkeypatch.setattr(Path, "open", windows)
    said(source, learn)
    assert b"\r" not in (learn / "01_one.ipynb").read_bytes()
    assert set(said(source, learn).values()) == {"up to date"}


def test_smatch_learn_says_what_it_did(folders, capsys):
    source, learn = folders
    assert main(["learn", "--source", str(source), "--out", str(learn)]) == 0
    assert capsys.readouterr().out.count(": new") == 2
    assert main(["learn", "--source", str(learn.parent / "nowhere"), "--out", str(learn)]) == 2
    assert "holds no notebook" in capsys.readouterr().err


def test_problem_sets_go_beside_the_lessons(folders):
    source, learn = folders
    write(source / "assignments", "set_1.ipynb", "three = 3")
    assert [path for path in said(source, learn) if "assignments" in path] == [str(learn / "assignments/set_1.ipynb")]
    (learn / "assignments/set_1.ipynb").write_text("my work")
    assert said(source, learn)[str(learn / "assignments/set_1.ipynb")].startswith("yours")


def test_the_record_is_no_notebook():
    assert not course.RECORD.endswith(".ipynb") and course.RECORD.startswith(".")
