"""`smatch finetune` as it is used, on a small model in a folder."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

transformers = pytest.importorskip("transformers", reason="needs the extra [hf]")

sys.path.insert(0, str(Path(__file__).parent / "huggingface"))

from test_backspace import tokenizer_of  # noqa: E402
from test_visibility import MODELS, model_of  # noqa: E402
from trainers import rows_of  # noqa: E402

from smatch_edu.cli import main  # noqa: E402
from smatch_edu.configs import FinetuneConfig, FinetuneStudyConfig  # noqa: E402
from smatch_edu.huggingface import load_finetuned  # noqa: E402


@pytest.fixture
def model(tmp_path):
    """A folder with a model of random weights."""
    model_of(np.random.default_rng(0), *MODELS["llama"]).save_pretrained(tmp_path / "model")
    tokenizer_of().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def data(tmp_path):
    """A file of examples."""
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, rows_of(40))) + "\n\n")
    return path


def run(model, out, *options):
    small = {"--steps": 8, "--batch-size": 4, "--lora": 2, "--questions": 3, "--max-actions": 6}
    given = [str(one) for name, value in small.items() if name not in options for one in (name, value)]
    try:
        return main(["finetune", "--model", str(model), "--out", str(out), *given, *map(str, options)])
    except SystemExit as error:  # by the parser, for settings out of range
        return error.code


def test_a_model_is_finetuned_from_a_file_and_types(tmp_path, model, data, capsys):
    assert run(model, tmp_path / "out", "--data", data, "--accumulate", 2) == 0
    told = capsys.readouterr().out
    for line in ("accuracy no backspace", "accuracy slips", "Finetuned: "):
        assert line in told, told
    assert all(row["prompt"] in told for row in rows_of(40)[-4:])  # of the tenth that was kept
    policy, _ = load_finetuned(tmp_path / "out")
    assert policy.config.method == "sequencematch" and policy.config.noise == 0.1
    assert run(model, tmp_path / "out", "--data", data) == 2
    assert "out is not empty; go on with --resume" in capsys.readouterr().err
    assert run(model, tmp_path / "out", "--data", data, "--accumulate", 2, "--resume") == 0


def test_without_an_adapter_all_weights_are_trained(tmp_path, model, data):
    assert run(model, tmp_path / "out", "--data", data, "--eval-data", data, "--method", "mle", "--lora", 0) == 0
    assert (tmp_path / "out" / "model.safetensors").exists() and not (tmp_path / "out" / "adapter_config.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "data is None and task is ''; give exactly one of them"),
        (["--task", "sums"], "task"),
        (["--task", "addition", "--eval-data", "x"], "the task 'addition' has its own"),
        (["--task", "addition", "--method", "rl"], "method"),
        (["--task", "addition", "--preset", "papers"], "preset"),
        (["--task", "addition", "--terminal", "every"], "terminal"),
        (["--task", "addition", "--accumulate", "3"], "batch_size is 4, which cannot be cut into 3 equal parts"),
        (["--task", "addition", "--quantise", "True"], "quantise needs a GPU, and torch finds none here"),
        (["--task", "addition", "--gamma", "1.0"], "gamma is 1.0"),
        (["--data", "none.jsonl"], "none.jsonl"),
    ],
)
def test_what_cannot_be_is_said(tmp_path, model, options, message, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert run(model, tmp_path / "out", *options) == 2
    told = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert message in told and "Traceback" not in told, told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no example; at least one JSON object was wanted"),
        ('{"prompt": "w1", "completion": "w2"}\n{"prompt": ', "line 2 is no JSON"),
        ("[1, 2]", "line 1 is '[1, 2]'; a JSON object was wanted"),
        ('{"prompt": "w1", "completion": "w2"}', "has 1 examples, too few to keep a tenth; give eval_data"),
        ('{"question": "w1"}\n' * 20, "row 0 of train_dataset has question"),
    ],
)
def test_files_that_hold_no_examples_are_named(tmp_path, model, text, message, capsys):
    (tmp_path / "bad.jsonl").write_text(text)
    assert run(model, tmp_path / "out", "--data", tmp_path / "bad.jsonl") == 2
    assert message in capsys.readouterr().err


def test_a_preset_fills_in_what_is_left_out_and_nothing_else():
    paper = FinetuneConfig(Path("out"), task="addition", preset="paper", noise=0.2)
    told = {
        name: paper.setting(name) for name in ("model", "lora", "lora_alpha", "quantise", "gamma", "alpha", "noise")
    }
    assert told == {
        "model": "meta-llama/Llama-2-7b-hf",
        "lora": 64,
        "lora_alpha": 16.0,
        "quantise": True,
        "gamma": 0.998,
        "alpha": 0.01,
        "noise": 0.2,
    }
    assert FinetuneConfig(Path("out"), task="addition", lora=0).setting("lora") == 0


def test_the_experiment_has_a_row_a_run_and_runs_none_twice(tmp_path, model, capsys, monkeypatch):
    from smatch_edu.huggingface import finetune
    from smatch_edu.studies import finetuning

    for module in (finetune, finetuning):
        monkeypatch.setattr(module, "task_rows", lambda task, split, count=None: rows_of(24)[:count])
    out = tmp_path / "table.tsv"
    options = ["experiment", "finetune", "--out", str(out), "--model", str(model), "--steps", "4", "--questions", "3"]
    options += ["--tasks", "addition", "--arms", "mle", "undemonstrated", "--vary", "lora=2", "max_actions=6"]
    options += ["terminal=each"]
    assert main(options) == 0
    head, *rows = out.read_text().splitlines()
    assert len(rows) == 2 and {row.split("\t")[1] for row in rows} == {"mle", "undemonstrated"}
    named = dict(zip(head.split("\t"), rows[1].split("\t"), strict=True))
    assert named["settings"] == "lora=2 max_actions=6 terminal=each" and 0 <= float(named["accuracy_slips"]) <= 1
    monkeypatch.setattr(finetuning, "trainer_of", None)
    assert main(options) == 0 and out.read_text().splitlines()[1:] == rows
    assert not list(tmp_path.glob("run*"))
    with pytest.raises(ValueError, match="arm"):
        FinetuneStudyConfig(arms=("rl",))
