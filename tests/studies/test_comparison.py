"""`smatch compare`: three models side by side, on the terminal and on a page."""

import dataclasses
import importlib
import json
import re
import shutil
from pathlib import Path

import pytest

from smatch_edu.cli import MADE, main
from smatch_edu.configs.training import METHODS
from smatch_edu.network.generation import Trace
from smatch_edu.pictures import show
from smatch_edu.studies.comparison import BASE, CONDITIONS, FIGURES, TITLES, load_models, typing_lines
from smatch_edu.studies.experiments import settings
from smatch_edu.support.files import check_writable, packaged
from smatch_edu.tasks import get_task
from smatch_edu.training.evaluation import Condition, evaluate, generate_answers
from smatch_edu.training.loop import load_policy

TINY = ["--family", "addition", "--fresh", "--steps", "6", "--warmup-steps", "3", "--num-layers", "1", "--width", "16"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("three")
    for method in (BASE, *METHODS):
        out = ["--out", str(made / method), "--weights-only", "--evaluate-every", "3"]
        assert (
            main(["train", "--method", "mle" if method == BASE else method, "--batch-tokens", "60", *TINY, *out]) == 0
        )
    return made


def test_the_three_are_printed_side_by_side_and_put_on_a_page(folder, tmp_path, capsys):
    page = tmp_path / "page.html"
    command = ["compare", "--checkpoints", str(folder), "--split", "test", "--shown", "2", "--steps", "4"]
    command += ["--out", str(page), "--figures", str(tmp_path / "figures")]
    assert main(command) == 0
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [f"{name}.svg" for name in FIGURES]
    for path, mark in ((page, show.MARK), *((path, MADE) for path in (tmp_path / "figures").iterdir())):
        check_writable(path, mark)  # what we wrote is written over
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if re.search(r"\[0\.\d+, [01]\.\d+\]", line)]
    assert len(rows) == len(METHODS) * len(CONDITIONS)
    assert [sum(line.startswith(title) for line in rows) for title in TITLES.values()] == [len(CONDITIONS)] * 3
    assert sum(line.endswith(("✓", "✗")) for line in lines) == 2 * 3 * 2
    assert any(line.startswith("Trained before your eyes for 4 updates, from where all three began") for line in lines)
    text = page.read_text()
    assert text.count('class="player typing"') == 3 and text.count("<img alt=") == 2
    assert "before your eyes for 4 updates" in text and "$" not in re.sub(r"<script>.*?</script>", "", text, flags=re.S)


def test_models_whose_training_was_never_looked_at_have_a_page_without_a_warning(folder, tmp_path, recwarn):
    for method in METHODS:
        (tmp_path / method).mkdir()
        for path in (folder / method).iterdir():
            if path.name == "log.jsonl":
                steps = [json.loads(line)["step"] for line in path.read_text().splitlines()]
                text = "".join(json.dumps({"step": step}) + "\n" for step in steps)
                (tmp_path / method / path.name).write_text(text)
            else:
                shutil.copy(path, tmp_path / method)
    command = ["compare", "--checkpoints", str(tmp_path), "--split", "test", "--shown", "1", "--steps", "0"]
    assert main([*command, "--out", str(tmp_path / "page.html")]) == 0
    assert [str(one.message) for one in recwarn if "empty slice" in str(one.message)] == []


def test_a_line_of_typing_shows_every_key_and_the_verdict():
    task = get_task("arithmetic", family="addition")
    keys, example = task.vocabulary, task.split("test")[0]
    wrong = (int(example.answer[0] == 1) + 1) % 10  # another first digit
    typed = [wrong, keys.backspace, *example.answer, keys.eos]
    right = Trace(typed, typed, [0.0] * len(typed), list(example.answer), "eos")
    cut = dataclasses.replace(right, ended="max_actions")
    lines = typing_lines(task, [example], {"bc": {True: [right], False: [cut]}})
    answer = task.show(example.answer)
    assert lines[0] == task.show(example.prompt) + answer
    assert lines[1].split() == ["behavioural", "cloning", "⌫", f"{wrong}⌫{answer}⏎", "✓"]
    assert lines[2].endswith("✗")  # right so far, and not finished


def test_what_is_missing_is_named(folder, tmp_path, capsys):
    assert main(["compare", "--checkpoints", str(tmp_path), "--out", str(tmp_path / "page.html")]) == 2
    assert "mle has no checkpoint.safetensors" in capsys.readouterr().err
    assert main(["compare", "--checkpoints", str(folder), "--split", "tset", "--out", str(tmp_path / "page.html")]) == 2
    assert "did you mean 'test'" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


def test_the_data_page_has_the_command_that_made_each_checkpoint():
    page = (Path(__file__).parents[2] / "data" / "README.md").read_text(encoding="utf-8")
    lines = [line.strip() for line in page.splitlines() if "smatch train" in line]
    configs = {method: model.config for method, model in load_models().items()}
    configs[BASE] = load_policy(packaged("checkpoints", BASE))[1]
    for name, config in configs.items():
        assert f"smatch train {settings(config)} --weights-only --out data/checkpoints/{name}" in lines
        assert config.init == ("" if name == BASE else f"data/checkpoints/{BASE}")


def test_the_shipped_models_add():
    """Each of them was trained to be right in most of its answers; a guess is right once in a thousand."""
    models = load_models()
    assert list(models) == list(METHODS)
    for method, model in models.items():
        assert model.config.method == method and model.log[-1]["step"] == model.config.steps - 1
        examples = model.policy.task.split("test")
        found = evaluate([model.policy], examples, [Condition(0.0, False)])[0]
        assert found.accuracy.low > 0.7
        backspace = model.policy.task.vocabulary.backspace
        typed = generate_answers(model.policy, examples, CONDITIONS[0])
        assert any(backspace in trace.actions for trace in typed) == (method != "mle")


def test_places_are_tried_before_the_work_and_files_of_somebody_else_are_kept(tmp_path, capsys, monkeypatch):
    for job in ("compare", "walkthrough", "typists"):
        module = importlib.import_module(f"smatch_edu.studies.{'comparison' if job == 'compare' else job}")
        monkeypatch.setattr(module, job, lambda *given: pytest.fail("the work has begun"))
    drawn = {"compare": "accuracies", "walkthrough": "words_typed", "typists": "words_against_noise"}
    (tmp_path / "thesis.html").write_text("mine")
    for job, name in drawn.items():
        folder = tmp_path / job
        folder.mkdir()
        (folder / f"{name}.svg").write_text("mine")
        (folder / "other.svg").write_text("mine")
        for arguments, wanted in (
            (["--out", str(tmp_path / "thesis.html")], "thesis.html was not written by smatch"),
            (["--out", str(tmp_path / "page.html"), "--figures", str(folder)], f"{name}.svg was not written by smatch"),
            (["--out", str(tmp_path / "page.html"), "--figures", str(tmp_path / "thesis.html")], "is a file"),
        ):
            assert main([job, *arguments]) == 2
            assert wanted in capsys.readouterr().err
        for place in ("--out", "--figures"):  # an empty name does not mean the current folder
            with pytest.raises(SystemExit):
                main([job, place, ""])
            assert "name of a file or folder is empty" in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert {path.read_text() for path in tmp_path.rglob("*.*")} == {"mine"}
