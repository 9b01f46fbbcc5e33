"""Every public function that takes a path takes its name as text, too, and does the same with it."""

import ast
import json
import shutil
from pathlib import Path

import pytest
import torch

import smatch_edu
from smatch_edu.configs import FinetuneStudyConfig
from smatch_edu.configs.training import METHODS
from smatch_edu.course import generate, grade_class, write_feedback, write_gradebook, write_grades
from smatch_edu.course.assignments import find_assignments, read_assignment, write_assignments
from smatch_edu.course.notebooks import read_file, read_notebook
from smatch_edu.course.submissions import find_submissions, read_submission
from smatch_edu.network import Transformer, TransformerConfig
from smatch_edu.sandbox.surroundings import environment, larger
from smatch_edu.studies.comparison import load_models, train_live
from smatch_edu.studies.typists import NETWORKS, load_networks
from smatch_edu.support.arrays import read_tensors
from smatch_edu.support.files import (
    as_path,
    check_folder,
    check_writable,
    naming,
    packaged,
    read_text,
    write_atomically,
)
from smatch_edu.support.results import extend_table, read_table
from smatch_edu.text import load_words
from smatch_edu.training import (
    TrainingConfig,
    load_checkpoint,
    load_policy,
    read_log,
    save_checkpoint,
    start_run,
    train,
)

TINY = TrainingConfig(family="addition", method="mle", steps=1, num_layers=1, num_heads=1, width=4, batch_tokens=30)

USED = (train, load_checkpoint, save_checkpoint, load_policy, read_log, load_models, train_live, read_tensors)
USED += (load_networks, grade_class, write_feedback, write_grades, write_gradebook, write_assignments)
USED += (find_assignments, read_assignment, find_submissions, read_submission, read_file, read_notebook)
USED += (environment, larger)
USED += (extend_table, read_table, check_writable, check_folder, naming, write_atomically, as_path, read_text)
USED += (Transformer.save, Transformer.load, generate, load_words)


OF_LANGUAGE_MODELS = {"load_pretrained", "save_finetuned", "load_finetuned", "load_heads", "read_jsonl", "runs"}


def taking_paths():
    """name → the annotations of its paths, of all public functions and methods but the commands themselves."""
    found = {}
    for path in Path(smatch_edu.__file__).parent.rglob("*.py"):
        if path.stem in ("cli", "__main__"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                paths = [text for one in taken if "Path" in (text := ast.unparse(one.annotation or ast.Constant("")))]
                if paths:
                    found[f"{path.stem}.{node.name}"] = paths
    return found


def test_a_path_may_be_text_wherever_one_is_taken():
    found = taking_paths()
    assert {name: paths for name, paths in found.items() if not all("str" in path for path in paths)} == {}
    called = {function.__name__ for function in USED} | OF_LANGUAGE_MODELS
    assert {name for name in found if name.split(".")[-1] not in called} == set(), "add a call of these below"


def test_text_does_what_a_path_does(tmp_path):
    run, table, page, network = (str(tmp_path / name) for name in ("run", "table.tsv", "page", "network.safetensors"))
    train(TINY, run, progress=False)
    live = start_run(TINY)
    load_checkpoint(live, run)
    save_checkpoint(live, run)
    assert (live.step, load_policy(run)[1], len(read_log(run))) == (1, TINY, 1)
    assert "policy.absorbing_value" in read_tensors(f"{run}/checkpoint.safetensors")[0]
    for method in METHODS:
        shutil.copytree(run, tmp_path / "models" / method)
    assert list(load_models(str(tmp_path / "models"))) == list(METHODS)
    assert "Trained before your eyes for 1 updates" in train_live(TINY, 1, run)
    assert list(load_networks(str(packaged("checkpoints")), 1)) == list(NETWORKS)

    extend_table(table, [{"size": 1}], ["value"], lambda one: [{"value": 2}])
    assert read_table(table) == [{"size": "1", "value": "2"}]
    check_writable(page)
    with naming(page):
        write_atomically(page, "page")
    assert as_path(page).read_text() == read_text(page) == "page"
    check_folder(f"{run}/pages")
    Transformer(TransformerConfig(5, 1, 1, 2)).save(network)
    assert Transformer.load(network).config.vocab_size == 5

    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": 1, "source": "x = 1"}
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_one.ipynb").write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4}))
    assert [line.split()[-1] for line in generate(str(tmp_path / "notebooks"), str(tmp_path / "learn"))] == ["new"]
    (tmp_path / "words.tsv").write_text("word\tcount\na\t3\n")
    assert load_words(1, str(tmp_path / "words.tsv")).words == ("a",)


def test_text_does_what_a_path_does_for_language_models(tmp_path):
    pytest.importorskip("transformers", reason="needs the extra [hf]")
    from smatch_edu.huggingface import as_policy, finetune, finetuned, load_pretrained

    saved, rows = str(tmp_path / "saved"), str(tmp_path / "rows.jsonl")
    model, tokenizer = load_pretrained(str(packaged("checkpoints", "base")))
    policy, model = as_policy(model, tokenizer)
    finetuned.save_finetuned(saved, policy, model, tokenizer, {})
    again, _ = finetuned.load_finetuned(saved)
    finetuned.load_heads(again, saved)
    assert torch.equal(again.absorbing_value, policy.absorbing_value)
    (tmp_path / "rows.jsonl").write_text('{"text": "1"}')
    assert finetune.read_jsonl(rows) == [{"text": "1"}]
    runs = FinetuneStudyConfig().runs(str(tmp_path))
    assert all(one.out.parent == tmp_path for one in runs.values())


def test_text_does_what_a_path_does_for_grading(tmp_path):
    notebooks = Path(__file__).parents[1] / "notebooks"
    (tmp_path / "submitted" / "ann" / "00_start_here").mkdir(parents=True)
    handed_in = str(tmp_path / "submitted" / "ann" / "00_start_here" / "00_start_here.ipynb")
    shutil.copy(notebooks / "00_start_here.ipynb", handed_in)
    out, submitted = str(tmp_path / "graded"), str(tmp_path / "submitted")
    rows = list(grade_class(submitted, str(notebooks), out, 0))
    for row in rows:
        write_feedback(out, row)
    write_grades(out, rows)
    assert "ann" in (tmp_path / "graded" / "grades.csv").read_text(encoding="utf-8")
    assert find_submissions(submitted, ["00_start_here"]) == find_submissions(Path(submitted), ["00_start_here"])
    for function in (read_file, read_notebook, read_submission, read_assignment):
        assert function(handed_in) == function(Path(handed_in))
    assert find_assignments(str(notebooks)) == find_assignments(notebooks)
    assert list(write_assignments(str(tmp_path / "submitted" / "ann" / "00_start_here"), str(tmp_path / "made")))
    assert environment(out) == environment(Path(out)) and larger(out, 1) and not larger(out, 10**9)


def test_text_does_what_a_path_does_for_a_gradebook(tmp_path):
    pytest.importorskip("nbgrader", reason="needs nbgrader")
    write_gradebook(str(tmp_path / "gradebook.db"), [])
    assert (tmp_path / "gradebook.db").exists()
