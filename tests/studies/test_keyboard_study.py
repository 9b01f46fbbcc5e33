"""Networks on keyboards that slip: what they are measured by is exact, and the table goes on where it was."""

import dataclasses

import numpy as np
import pytest
import torch

from smatch_edu.cli import main
from smatch_edu.configs import KeyboardConfig
from smatch_edu.configs.experiments import arm_config
from smatch_edu.exact.mdp import TERMINALS
from smatch_edu.exact.tabular import maximise_objective
from smatch_edu.studies import keyboard
from smatch_edu.studies.keyboard import KEYS, Problem, limit_of_likelihood, typed_measures
from smatch_edu.support.results import read_table
from smatch_edu.tasks.keyboard import Keyboard
from smatch_edu.training.neural import ExactOptimum, NeuralConfig
from smatch_edu.training.policy import Policy
from smatch_edu.training.updates import Run

LETTERS = "aehnorst"


def problem(rng, **given):
    letters = "".join(rng.choice(list(LETTERS), size=4, replace=False)) + "a"
    given = {"letters": "".join(dict.fromkeys(letters)), "longest_word": 2, **given}
    config = arm_config("8x3", "learner", float(rng.uniform(0.05, 0.3)), given=given)
    return Problem.of(config), config


def test_the_limit_of_likelihood_is_that_of_the_keyboard_with_all_texts(rng):
    for letters in ("aehnorst", "".join(rng.permutation(list("aehnorst"))[:5]) + "a"):
        noise = float(rng.uniform(0, 0.4))
        task = Keyboard(3, "".join(dict.fromkeys(letters)))
        config = arm_config("8x3", "mle", noise, given={"letters": task.letters})
        held = Problem.of(config)
        assert limit_of_likelihood(task, noise) == pytest.approx(held.measure(held.limit()).real_word, abs=1e-12)


def test_typing_estimates_what_is_exact(rng, monkeypatch):
    monkeypatch.setattr(keyboard, "TYPED", 4000)
    for backspace in (True, False):
        held, config = problem(rng, backspace=backspace, width=8, num_layers=1)
        policy = Policy(config.make_task(), config)
        for part in policy.transformer.parameters():  # somebody who presses ⌫ now and then
            torch.nn.init.normal_(part, std=0.3)
        logits = policy.table(held.mdp, policy.task.split("test")[0].prompt)
        legal = torch.tensor(held.mdp.legal)
        exact = held.measure(torch.softmax(logits.double().masked_fill(~legal, -torch.inf), dim=1).numpy())
        found = typed_measures(policy)
        for name, within in (("real_word", 0.05), ("off_data", 0.02), ("backspace_off", 0.05), ("backspace_on", 0.05)):
            assert getattr(found, name) == pytest.approx(getattr(exact, name), abs=within)


def test_cloning_clean_demonstrations_is_maximum_likelihood_to_the_bit():
    mle = arm_config("8x3", "mle", 0.1, given={"steps": 5, "width": 16, "num_layers": 1})
    runs = [Run(mle), Run(dataclasses.replace(mle, method="bc", demonstration_noise=0.0))]
    for run in runs:
        for _ in range(5):
            run.update()
    first, second = (run.policy.state_dict() for run in runs)
    assert all(torch.equal(part, second[name]) for name, part in first.items())


@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.parametrize("backspace", [True, False])
def test_at_the_exact_optimum_nothing_is_left_to_go(rng, terminal, backspace):
    held, config = problem(rng, terminal=terminal, backspace=backspace)
    solution = maximise_objective(held.mdp, held.expert, "skew_kl", held.gamma, config.weight_of_entropy)
    yardstick = ExactOptimum(held.mdp, held.expert, NeuralConfig(gamma=held.gamma, alpha=config.weight_of_entropy))
    found = yardstick.measure_logits(torch.as_tensor(solution.logits), 0)
    assert abs(found.shortfall) < 1e-6 and abs(found.cost_shortfall) < 1e-6
    uniform = np.log(np.where(held.mdp.legal, held.mdp.uniform(), 1.0))
    assert yardstick.measure_logits(torch.as_tensor(uniform), 0).shortfall == pytest.approx(1.0)


@pytest.mark.parametrize("terminal", TERMINALS)
def test_where_the_key_is_shown_cloning_is_the_optimum_and_nothing_is_left_to_win(rng, terminal):
    """Cloning an expert who was watched on the learner's keyboard gives D_f = 0, the least there is, so the optimum of
    any divergence nears it as α → 0. Clean demonstrations cannot be matched so: there something is left."""
    held, _ = problem(rng, terminal=terminal)
    shown = held.mdp.occupancy(held.shown(), held.gamma)
    for name in ("skew_kl", "js"):
        excess, change = [], []
        for alpha in (0.1, 0.01, 0.001):
            best = maximise_objective(held.mdp, shown, name, held.gamma, alpha)
            assert best.converged and best.divergence >= -1e-9
            excess.append(best.divergence)
            real = held.measure(best.policy).real_word
            change.append(abs(real - held.measure(held.shown()).real_word))
        assert excess[2] < 1e-4 and excess[2] < excess[0] + 1e-9
        assert change[2] < 5e-3
    matched = maximise_objective(held.mdp, held.expert, "skew_kl", held.gamma, 0.001)
    limit = held.limit()
    undecided = -(held.mdp.occupancy(limit, held.gamma) * np.log(np.where(limit > 0, limit, 1.0))).sum()
    assert matched.divergence > 1e-4  # and likelihood's limit is no better
    assert held.divergence(limit) - 0.001 * undecided > matched.value - 1e-9


def test_the_grid_has_every_kind_of_run_once_and_the_first_seeds_first():
    runs = KeyboardConfig(seeds=2).runs()
    kinds = {tuple(key[i] for i in (2, 3, 4)) for key in runs}
    wanted = {("mle", "one"), ("reached", "one"), ("learner", "one"), ("learner", "each")}
    assert kinds == {(arm, key, end) for arm, end in wanted for key in ("yes", "no")} | {("shown", "yes", "one")}
    assert len(runs) == 3 * 3 * 9 * 2
    order = [(key[1], key[5]) for key in runs]
    assert list(dict.fromkeys(order)) == [(noise, seed) for noise in ("0.1", "0.05", "0.2") for seed in ("0", "1")]
    updates = {(config.steps, config.batch_tokens) for config in runs.values()}
    assert len(updates) == 1
    for key, config in runs.items():
        assert config.typed_noise == (config.noise if key[2] == "shown" else 0.0)


def test_the_command_goes_on_with_its_table(tmp_path, monkeypatch):
    monkeypatch.setattr(keyboard, "TYPED", 20)
    path = tmp_path / "keyboard.tsv"
    small = ["--vary", "steps=2", "width=8", "num_layers=1"]
    command = ["experiment", "keyboard", "--out", str(path), "--seeds", "1", "--noise", "0.1", *small]
    assert main([*command, "--keyboards", "8x3", "--arms", "mle", "--backspace", "True"]) == 0
    first = path.read_text()
    assert main([*command, "--keyboards", "8x3", "26x6", "--backspace", "True"]) == 0
    assert path.read_text().startswith(first)
    rows = read_table(path)
    assert len({tuple(row[name] for name in KEYS) for row in rows}) == len(rows) == 5 + 5
    trained = [row for row in rows if row["seed"] == "0"]
    assert {row["settings"] for row in trained} == {"steps=2 width=8 num_layers=1"}
    for row in trained:
        assert 0 <= float(row["real_word"]) <= 1 and 0 <= float(row["off_data"]) <= 1
        assert (row["divergence"] == "nan") == (row["keyboard"] == "26x6")


def test_the_exact_rows_stand_beside_runs_with_the_settings_of_their_arms(tmp_path, monkeypatch):
    nothing = dict.fromkeys(keyboard.MEASURED, "0")
    monkeypatch.setattr(keyboard, "_train_and_measure", lambda row, runs: [nothing])
    command = ["experiment", "keyboard", "--keyboards", "8x3", "26x6", "--seeds", "1", "--noise", "0.1"]
    command += ["--backspace", "True"]
    for vary, exact in ((["--vary", "steps=2"], 0), ([], 6)):
        path = tmp_path / f"{exact}.tsv"
        assert main([*command, "--out", str(path), "--arms", "mle", "learner", *vary]) == 0
        rows = read_table(path)
        found = {(r["keyboard"], r["arm"], r["terminal"]): float(r["real_word"]) for r in rows if r["seed"] == "exact"}
        assert len(found) == exact and len(rows) == exact + 6
    assert found["8x3", "limit", "one"] == found["8x3", "limit", "each"] > found["26x6", "limit", "each"] > 0.8
    assert found["8x3", "limit", "one"] < found["8x3", "optimum", "one"] < found["8x3", "optimum", "each"] <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--keyboards", "8x4"], "did you mean '8x3'"),
        (["--arms", "leaner"], "did you mean 'learner'"),
        (["--noise", "1.5"], "noise is 1.5"),
        (["--vary", "alpah=1"], "did you mean 'alpha'"),
        (["--arms", "mle", "--vary", "exploration=0.1"], "mle never types texts of its own"),
        (["--seeds", "0"], "seeds is 0"),
        (["--first-seed", "-1"], "first_seed is -1"),
    ],
)
def test_a_mistake_is_named_before_the_work(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(keyboard, "extend_table", lambda *_: pytest.fail("the work has begun"))
    try:
        status = main(["experiment", "keyboard", *arguments, "--out", str(tmp_path / "t.tsv")])
    except SystemExit as error:  # by the parser
        status = error.code
    assert status == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())
