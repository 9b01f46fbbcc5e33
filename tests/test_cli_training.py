"""`smatch train`, `generate` and `evaluate`, as somebody at a terminal meets them."""

import json
import re
import shutil

import pytest
import torch

from smatch_edu.cli import main
from smatch_edu.support import files
from smatch_edu.training import loop as training

TRAIN = ["train", "--task", "arithmetic", "--family", "addition", "--method", "sequencematch", "--warmup-steps", "4"]
TRAIN += ["--num-layers", "1", "--num-heads", "2", "--width", "16", "--batch-tokens", "60", "--num-samples", "4"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "one"
    assert main([*TRAIN, "--steps", "8", "--seed", "3", "--out", str(out)]) == 0
    return out


def said(capsys):
    """What stands on stderr, in one line: the parser of the command line breaks it into a frame."""
    return " ".join(capsys.readouterr().err.replace("│", " ").split())


def refused(arguments):
    """Whether a command ends with 2, as it does for what the user can mend."""
    try:
        return main(arguments) == 2
    except SystemExit as error:  # by the parser, for settings out of range
        return error.code == 2


def test_a_run_leaves_a_folder_that_says_everything(trained):
    config = json.loads((trained / "config.json").read_text())
    assert (config["steps"], config["seed"], config["family"]) == (8, 3, "addition")
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert {"loss", "r2_data", "r2_model", "backspace_rate", "seconds"} <= set(lines[1]) and lines[1]["step"] == 4
    assert sorted(path.name for path in trained.iterdir()) == ["checkpoint.safetensors", "config.json", "log.jsonl"]


def test_the_size_of_the_rewards_is_said_when_sequencematch_is_switched_on(tmp_path, capsys):
    assert main([*TRAIN, "--steps", "6", "--out", str(tmp_path / "run")]) == 0
    found = re.search(
        r"is on: the mean of r² is (\S+) on demonstrations and (\S+) on the model's own texts", said(capsys)
    )
    line = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[1])
    assert line["step"] == 4
    assert [float(number) for number in found.groups()] == pytest.approx([line["r2_data"], line["r2_model"]], rel=0.01)


def test_looks_at_validation_questions_change_nothing(trained, tmp_path):
    out = tmp_path / "looked"
    looking = ["--evaluate-every", "3", "--weights-only"]
    assert main([*TRAIN, "--steps", "8", "--seed", "3", "--out", str(out), *looking]) == 0
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "accuracy" in line] == [2, 5]
    first, second = (training.load_policy(folder)[0].state_dict() for folder in (trained, out))
    assert all(torch.equal(part, second[name]) for name, part in first.items())
    assert 2 * (out / "checkpoint.safetensors").stat().st_size < (trained / "checkpoint.safetensors").stat().st_size
    assert main([*TRAIN, "--steps", "8", "--seed", "3", "--out", str(out), *looking, "--resume"]) == 0  # it has ended


def test_a_run_that_is_there_is_not_overwritten(trained, capsys):
    before = {path.name: path.read_bytes() for path in trained.iterdir()}
    assert main([*TRAIN, "--steps", "8", "--seed", "3", "--out", str(trained)]) == 2
    assert "holds a run already; resume it with --resume" in said(capsys)
    assert main([*TRAIN, "--steps", "8", "--seed", "4", "--out", str(trained), "--resume"]) == 2
    assert "was trained with seed = 3; 4 was given" in said(capsys)
    assert main([*TRAIN, "--steps", "9", "--seed", "3", "--out", str(trained), "--resume"]) == 2
    assert "was trained with steps = 8; 9 was given" in said(capsys)  # every learning rate would have been another
    assert {path.name: path.read_bytes() for path in trained.iterdir()} == before


def test_typing_is_shown_key_by_key_and_as_a_page(trained, tmp_path, capsys):
    page = tmp_path / "trace.html"
    command = ["generate", "--checkpoint", str(trained), "--prompt", "12+34=", "--count", "3"]
    assert main([*command, "--trace", str(page)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7 and all(line.strip().startswith("12+34=") for line in lines[:6])
    assert page.read_text().count("<li>") == 3 and "player" in page.read_text()
    assert main([*command, "--no-backspace", "--temperature", "0"]) == 0
    assert "⌫" not in capsys.readouterr().out


def test_evaluation_prints_eight_conditions(trained, capsys):
    assert main(["evaluate", "--checkpoint", str(trained), str(trained), "--split", "test"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("200 questions (test), 2 models") and out.count("[0.") == 8 and out.count("no ⌫") == 4
    assert main(["evaluate", "--checkpoint", str(trained), "--against", str(trained), "--split", "test"]) == 0
    out = capsys.readouterr().out
    assert out.count("no ⌫") == 4 * 3 and out.count(" 0.000 [-0.0") == 8  # the same model, and the same dice


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--task", "aritmetic"], "unknown task 'aritmetic'; did you mean 'arithmetic'?"),
        (["--method", "sequence"], "sequencematch"),
        (["--family", "adition"], "did you mean 'addition'"),
        (["--alpha", "-1"], "alpha is -1.0; it must be positive"),
    ],
)
def test_bad_settings_are_named_before_anything_is_written(arguments, wanted, tmp_path, capsys):
    assert refused(["train", *arguments, "--out", str(tmp_path / "run")])
    assert wanted in said(capsys)
    assert not (tmp_path / "run").exists()


def test_bad_places_are_named_before_training(tmp_path, capsys, monkeypatch, trained):
    monkeypatch.setattr(training.Run, "update", lambda run: pytest.fail("training has begun"))
    (tmp_path / "file").touch()
    assert main([*TRAIN, "--out", str(tmp_path / "file")]) == 2
    assert "is a file; a folder was wanted" in said(capsys)
    assert main([*TRAIN, "--out", str(tmp_path / "no" / "where")]) == 2
    assert "there is no folder 'no'" in said(capsys)
    full = shutil.disk_usage(tmp_path)._replace(free=10**4)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: full)
    assert main([*TRAIN, "--out", str(tmp_path / "run")]) == 2
    assert "the disk has 0.0 MB free and" in said(capsys)
    assert not list((tmp_path / "run").iterdir())


def test_bad_checkpoints_and_prompts_are_named(trained, tmp_path, capsys):
    def generate(folder, *more, prompt="1+1="):
        assert main(["generate", "--checkpoint", str(folder), "--prompt", prompt, *more]) == 2
        return said(capsys)

    assert "has no checkpoint.safetensors" in generate(tmp_path)
    broken = tmp_path / "broken"
    shutil.copytree(trained, broken)
    checkpoint = broken / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    assert "is no whole checkpoint of this package" in generate(broken)
    assert "has 'x' at position 1" in generate(trained, prompt="1x1=")
    assert "prompt 0 is empty" in generate(trained, prompt="")
    assert "max_length is 15" in generate(trained, prompt="1+1=" * 5)
    assert "temperature is -1.0" in generate(trained, "--temperature", "-1")
    assert "count is 0" in generate(trained, "--count", "0")
    assert "there is no folder" in generate(trained, "--trace", str(tmp_path / "no" / "page.html"))
    assert main(["evaluate", "--checkpoint", str(trained), "--against", *[str(trained)] * 2]) == 2
    assert "2 folders are given against 1" in capsys.readouterr().err
    assert main(["evaluate", "--checkpoint", str(trained), "--split", "tests"]) == 2
    assert "did you mean 'test'" in said(capsys)


def test_a_loss_that_is_no_number_is_said_in_one_line(tmp_path, capsys):
    assert main([*TRAIN, "--steps", "40", "--learning-rate", "1e30", "--out", str(tmp_path / "run")]) == 2
    assert "at step" in (text := said(capsys)) and "try a lower learning_rate" in text


def test_what_an_interrupted_training_keeps_is_said(tmp_path, capsys, monkeypatch):
    out, update = tmp_path / "run", training.Run.update

    def interrupted_at(step):
        def updated(run):
            if run.step == step:
                raise KeyboardInterrupt
            return update(run)

        return updated

    def interrupted(*more):
        before = torch.get_num_threads()
        assert main([*TRAIN, "--steps", "12", "--checkpoint-every", "6", "--out", str(out), *more]) == 130
        assert torch.get_num_threads() == before
        return said(capsys)

    monkeypatch.setattr(training, "check_folder", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    assert "interrupted; nothing was begun" in interrupted() and not out.exists()
    monkeypatch.undo()
    monkeypatch.setattr(training.Run, "update", interrupted_at(2))
    assert "no checkpoint yet, and the same command with --resume begins anew" in interrupted()
    monkeypatch.setattr(training.Run, "update", interrupted_at(8))
    assert f"the last checkpoint is in {out}, and the same command with --resume goes on" in interrupted("--resume")
    monkeypatch.undo()
    assert main([*TRAIN, "--steps", "12", "--checkpoint-every", "6", "--out", str(out), "--resume"]) == 0


@pytest.mark.parametrize("seed", ["-1", "99999999999999999999"])
@pytest.mark.parametrize("command", ["generate", "evaluate", "train", "compare", "walkthrough"])
def test_a_seed_out_of_range_is_named_before_the_work(command, seed, trained, tmp_path, capsys):
    needs = {
        "generate": ["--checkpoint", str(trained), "--prompt", "1+1="],
        "evaluate": ["--checkpoint", str(trained)],
        "train": ["--out", str(tmp_path / "run")],
    }
    assert refused([command, "--seed", seed, *needs.get(command, ["--out", str(tmp_path / "page.html")])])
    shown = capsys.readouterr()
    assert f"seed is {seed}; it must be at least 0" in " ".join(shown.err.replace("│", " ").split())
    assert shown.out == "" and list(tmp_path.iterdir()) == []
