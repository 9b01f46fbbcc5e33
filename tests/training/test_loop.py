"""Training: what an update looks at, what it minimises, and that a run which was killed ends with the same bits."""

import dataclasses
import itertools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from smatch_edu.configs.training import TrainingConfig
from smatch_edu.network import Transformer
from smatch_edu.support.arrays import read_tensors
from smatch_edu.tasks import get_task
from smatch_edu.text import Trajectory, TrajectoryBatch
from smatch_edu.training import policy as policies
from smatch_edu.training.loop import (
    CHECKPOINT,
    CONFIG,
    LOG,
    load_checkpoint,
    load_policy,
    read_log,
    save_checkpoint,
    start_run,
    train,
)
from smatch_edu.training.policy import Policy
from smatch_edu.training.updates import Batcher, Run, loss_of

SMALL = TrainingConfig(
    family="addition",
    steps=12,
    warmup_steps=4,
    beta_steps=4,
    sample_every=3,
    num_samples=6,
    buffer_size=16,
    batch_tokens=120,
    num_layers=1,
    num_heads=2,
    width=16,
    log_every=1,
    checkpoint_every=5,
    noise=0.3,
)


def with_options(**options):
    return dataclasses.replace(SMALL, **options)


# -- the policy ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value_head", [False, True])
def test_logits_at_every_text_are_those_of_a_fresh_run(rng, value_head):
    task = get_task("arithmetic", family="addition")
    policy, keys = Policy(task, with_options(value_head=value_head)).double(), task.vocabulary
    for parameter in policy.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    example = task.split("train")[int(rng.integers(100))]
    typed = [1, keys.backspace, 2, 3, keys.backspace, keys.backspace, 4]
    for last in ([], [keys.eos]):
        walked = Trajectory(np.array(example.prompt), np.array(typed + last), np.array(typed + last))
        found, text = policy.on([walked]), list(example.prompt)
        for step, action in enumerate([*typed, keys.eos]):
            legal = torch.ones(len(keys) + 2, dtype=torch.bool)
            legal[keys.backspace] = len(text) > len(example.prompt)
            legal[: len(keys)] = len(text) < task.max_length
            fresh = policy.transformer(torch.tensor([text]))[0, -1]
            wanted = fresh.float()[legal].log_softmax(0) if value_head else fresh.float()[legal]
            got = found.logits[0, step][legal]
            difference = got - wanted
            assert torch.equal(found.legal[0, step], legal)
            torch.testing.assert_close(difference, difference[:1].expand_as(difference), atol=1e-5, rtol=0)
            if not value_head:
                assert abs(difference[0]) < 1e-5
            text = text[:-1] if action == keys.backspace else [*text, action]
        assert found.ended.item() == bool(last)


def test_what_was_pressed_is_the_action_and_a_slip_can_be_masked():
    task = get_task("arithmetic", family="addition")
    policy, keys, example = Policy(task, SMALL), task.vocabulary, task.split("train")[0]
    walked = Trajectory(
        np.array(example.prompt), np.array([1, keys.backspace, 1, keys.eos]), np.array([2, keys.backspace, 1, keys.eos])
    )
    kept, masked = policy.on([walked]), policy.on([walked], "masked")
    assert kept.actions[0, :4].tolist() == [1, keys.backspace, 1, keys.eos]
    assert kept.weights[0, :4].tolist() == [1, 1, 1, 1]
    assert masked.weights[0, :4].tolist() == [0, 1, 1, 1]


# -- what an update looks at ---------------------------------------------------------------------------------------


def test_every_turn_shows_every_example_once_in_another_order():
    batcher = Batcher(get_task("arithmetic", family="addition"), SMALL)
    count = len(batcher.examples)
    steps = 2 * math.ceil(count / batcher.size) + 1
    seen = [example for step in range(steps) for example in batcher.chosen(step)]
    assert sorted(seen[:count]) == sorted(batcher.examples) == sorted(seen[count : 2 * count])
    assert seen[:count] != seen[count : 2 * count]


def test_endless_examples_are_new_in_every_step_and_depend_on_nothing_but_the_step():
    config = with_options(fresh=True)
    one, other = (Batcher(config.make_task(), config) for _ in range(2))
    seen = [one.chosen(step) for step in range(6)]
    assert seen[4] == other.chosen(4)
    unseen = {example for name in ("validation", "test", "held_out") for example in one.task.split(name)}
    assert not unseen & {example for examples in seen for example in examples}
    assert len({example for examples in seen for example in examples}) > 0.9 * sum(map(len, seen))


@pytest.mark.parametrize("mode", ["random", "ground_truth", "model"])
def test_demonstrations_slip_as_often_as_they_should_and_end_with_the_right_answer(mode):
    config = with_options(noise_mode=mode, noise=0.25, batch_tokens=8000)
    task = get_task("arithmetic", family="addition")
    batcher, policy = Batcher(task, config), Policy(task, config)
    found = batcher.demonstrations(3, policy)
    presses = slips = 0
    for example, one in zip(batcher.chosen(3), found, strict=True):
        text = []
        for key in one.typed.tolist():
            text = text[:-1] if key == task.vocabulary.backspace else [*text, key]
        assert tuple(text) == (*example.answer, task.vocabulary.eos)
        slips += int(one.slipped.sum())
        presses += int((one.pressed < len(task.vocabulary)).sum())
    assert abs(slips / presses - 0.25) < 0.05
    assert all(not one.slipped.any() for one in Batcher(task, with_options(method="mle")).demonstrations(0, policy))


def test_off_the_data_is_all_but_the_next_token_and_a_backspace_on_one_wrong_one():
    batcher = Batcher(get_task("arithmetic", family="addition"), SMALL)
    keys, example = batcher.task.vocabulary, batcher.examples[0]
    right, wrong = example.answer, (example.answer[0] + 1) % 10
    typed = [wrong, wrong, keys.backspace, keys.backspace, right[0], keys.backspace, *right, keys.eos]
    wanted = [True, True, True, False, False, True, *([False] * len(right)), False]
    one = Trajectory(np.array(example.prompt), np.array(typed), np.array(typed))
    assert batcher.shown.off_data(TrajectoryBatch.of(one), len(wanted) + 2)[0].tolist() == [*wanted, False, False]
    clean = Batcher(batcher.task, with_options(demonstration_noise=0.0))
    wanted[3] = True  # nobody slipped, so nobody took a slip back
    assert clean.shown.off_data(TrajectoryBatch.of(one), len(wanted))[0].tolist() == wanted


def off_data_by_hand(batcher, one):
    """One trajectory, one step at a time, every text as a tuple."""
    keys, right = batcher.task.vocabulary, set()
    for prompt, answer in batcher.examples:
        whole = (*prompt, *answer, keys.eos)
        right |= {whole[:end] for end in range(len(prompt), len(whole) + 1)}
    text, off = one.prompt.tolist(), []
    for pressed, happened in zip(one.pressed.tolist(), one.typed.tolist(), strict=True):
        if pressed == keys.backspace:
            others = [token for token in range(10) if token != text[-1] and (*text[:-1], token) in right]
            off.append(not (others and batcher.config.typed_noise > 0))
        else:
            off.append((*text, pressed) not in right)
        text = text[:-1] if happened == keys.backspace else [*text, happened]
    return off


@pytest.mark.parametrize("clean", [False, True])
def test_off_the_data_is_what_one_finds_step_by_step(rng, clean):
    """Right answers, wrong ones, slips deep in a wrong text, and a prompt that nobody was asked."""
    batcher = Batcher(
        get_task("arithmetic", family="addition"), with_options(demonstration_noise=0.0 if clean else 0.2)
    )
    batcher.examples = batcher.examples[:300]
    keys, typed = batcher.task.vocabulary, []
    for number in rng.integers(300, size=40).tolist():
        (prompt, answer), walked, standing = batcher.examples[number], [], 0
        for _ in range(int(rng.integers(1, 14))):
            what = rng.random()
            if what < 0.35 and standing:
                walked, standing = [*walked, keys.backspace], standing - 1
            else:
                right = answer[standing] if standing < len(answer) and what < 0.8 else int(rng.integers(10))
                walked, standing = [*walked, right], standing + 1
        walked += [keys.eos] * int(rng.random() < 0.5)
        pressed = [key if key >= 10 or rng.random() < 0.8 else int(rng.integers(10)) for key in walked]
        typed.append(
            Trajectory(np.array(prompt if rng.random() < 0.9 else (*prompt, 10)), np.array(pressed), np.array(walked))
        )
    columns = max(len(one.typed) for one in typed) + 1
    found = batcher.shown.off_data(TrajectoryBatch.of(*typed), columns)
    for row, one in zip(found.tolist(), typed, strict=True):
        wanted = off_data_by_hand(batcher, one)
        assert row == [*wanted, *([False] * (columns - len(wanted)))]


def test_demonstrations_are_never_off_the_data():
    """On the keyboard a slip may lead to another word's beginning, and its ⌫ is pressed all the same."""
    for options in (
        {"family": "addition"},
        {"task": "keyboard", "letters": "aehnost", "longest_word": 3, "family": ""},
    ):
        config = with_options(noise=0.3, batch_tokens=4000, **options)
        batcher = Batcher(config.make_task(), config)
        typed = batcher.demonstrations(1, Policy(batcher.task, config))
        assert not batcher.shown.off_data(typed, int(typed.lengths.max())).any()
        assert (typed.pressed == batcher.task.vocabulary.backspace).sum() > 100


def test_a_proposal_is_something_that_can_be_typed(rng):
    config = with_options(task="keyboard", letters="aehnost", longest_word=3, family="", noise_mode="model", noise=0.4)
    task = config.make_task()
    made = Batcher(task, config).demonstrations(0, Policy(task, config))
    assert (made.typed < task.vocabulary.eos).any() and not (made.typed == task.num_keys).any()


def test_a_key_pressed_where_it_is_illegal_is_named():
    task = get_task("arithmetic", family="addition")
    policy, keys, example = (
        Policy(task, with_options(backspace=False, noise=0.0)),
        task.vocabulary,
        task.split("train")[0],
    )
    walked = Trajectory(np.array(example.prompt), np.array([1, keys.backspace]), np.array([1, keys.backspace]))
    with pytest.raises(ValueError, match=f"trajectory 1 takes action {keys.backspace} at step 1, where it is illegal"):
        policy.on([Trajectory(walked.prompt, walked.pressed[:1], walked.typed[:1]), walked])
    far = Trajectory(walked.prompt, np.array([99]), np.array([1]))
    with pytest.raises(ValueError, match="trajectory 0 takes action 99 at step 0, where it is illegal"):
        policy.on([far])


# -- the loss ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("divergence", ["sampled_mixture", "js", "chi2_mixture", "skew_kl", "chi2"])
def test_the_loss_mixes_cloning_and_the_objective_by_beta(divergence):
    config = with_options(divergence=divergence, beta_end=0.25, beta_steps=1)
    run = Run(config)
    for _ in range(config.warmup_steps):
        run.update()
    run.type_texts()
    data, sampled = run.batcher.demonstrations(9, run.policy), TrajectoryBatch.of(*run.buffer.trajectories[:4])
    loss, parts = loss_of(run.policy, run.config, data, sampled, 9, run.batcher.shown)
    assert config.beta(9) == 0.25
    mixed = -0.25 * parts["log_likelihood"] - 0.75 * parts["objective"]
    assert loss.item() == pytest.approx(mixed.item(), rel=1e-5)
    short = [one for one in sampled if len(one.typed) < max(len(one.typed) for one in data)]
    few = TrajectoryBatch.of(*short) if short else sampled
    assert loss_of(run.policy, run.config, data, few, 9, run.batcher.shown)[0].isfinite()
    warm, parts = loss_of(run.policy, run.config, data, sampled, 0, run.batcher.shown)
    assert warm.item() == pytest.approx(-parts["log_likelihood"].item()) and "objective" not in parts


def test_with_kept_labels_the_mixture_is_the_whole_likelihood_and_a_penalty_in_which_beta_and_alpha_are_one_knob():
    """Where V is that of the text reached: its linear terms telescope along the demonstrations."""
    run = Run(with_options(beta_steps=1, next_value="reached"))
    for _ in range(run.config.warmup_steps):
        run.update()
    run.type_texts()
    data, sampled = run.batcher.demonstrations(9, run.policy), TrajectoryBatch.of(*run.buffer.trajectories[:4])
    penalties = []
    for beta, alpha in ((0.0, 0.1), (0.25, 0.1), (0.5, 0.4), (0.9, 0.02)):
        batcher = Batcher(run.task, with_options(beta_steps=1, beta_end=beta, alpha=alpha, next_value="reached"))
        with torch.no_grad():
            loss, parts = loss_of(run.policy, batcher.config, data, sampled, 9, batcher.shown)
        assert batcher.config.beta(9) == beta
        penalties.append((loss + parts["log_likelihood"]).item() / ((1 - beta) * alpha / 4))
    assert penalties == pytest.approx([penalties[0]] * 4, rel=1e-3) and penalties[0] > 0


@pytest.mark.parametrize("method", ["mle", "bc", "sequencematch"])
def test_training_makes_the_demonstrations_likelier(method):
    run = Run(with_options(method=method, steps=60, warmup_steps=30, learning_rate=1e-2))
    lines = [run.update() for _ in range(60)]
    same = lines[:30] if method == "sequencematch" else lines  # from the switch on it is a discounted one
    first, last = (np.mean([line["log_likelihood"] for line in part]) for part in (same[:5], same[-5:]))
    assert last > first + 1
    switched = [step for step, line in enumerate(lines) if "r2_model" in line]
    assert switched == (list(range(30, 60)) if method == "sequencematch" else [])


def test_a_loss_that_is_no_number_stops_the_run_and_says_what_to_try():
    runs = {reason: Run(SMALL) for reason in ("the loss is nan", "its gradient has the norm")}
    broken, steep = (run.policy.transformer.norm for run in runs.values())
    with torch.no_grad():
        broken.bias[0] = math.inf
    steep.bias.register_hook(lambda gradient: gradient * math.inf)
    for reason, run in runs.items():
        before = {name: part.clone() for name, part in run.policy.state_dict().items()}
        with pytest.raises(FloatingPointError, match=rf"{reason}.* step 0 .*examples 0 to.*try a lower learning_rate"):
            run.update()
        assert all(torch.equal(part, before[name]) for name, part in run.policy.state_dict().items())


COMPILED = """
import dataclasses, json, sys
import torch
from smatch_edu.network.transformer import Blocks
from smatch_edu.training import Run, TrainingConfig

compile_module = torch.nn.Module.compile
Blocks.compile = lambda self, **given: compile_module(self, backend="eager", **given)
config = TrainingConfig(**json.loads(sys.argv[1]))
plain, compiled = Run(config), Run(dataclasses.replace(config, compiled=True))
apart = [compiled.update()["loss"] / plain.update()["loss"] - 1 for _ in range(config.warmup_steps + 4)]
print(max(map(abs, apart)) < 1e-4 and compiled.policy.transformer.blocks._compiled_call_impl is not None)
"""


@pytest.mark.parametrize("method", ["bc", "sequencematch"])
@pytest.mark.parametrize("value_head", [False, True])
def test_a_loss_in_parts_of_the_texts_is_the_loss(monkeypatch, method, value_head):
    run = Run(with_options(method=method, value_head=value_head, steps=20, warmup_steps=2))
    run.type_texts()
    data = run.batcher.demonstrations(9, run.policy)
    sampled = TrajectoryBatch.of(*run.buffer.sample(5, np.random.default_rng(0)))
    found = []
    for at_once in (10**9, 70, 1):
        monkeypatch.setattr(policies, "AT_ONCE", at_once)
        loss, _ = loss_of(run.policy, run.config, data, sampled, 9, run.batcher.shown)
        run.optimiser.zero_grad()
        loss.backward()
        found.append([loss.detach(), *(part.grad.clone() for part in run.policy.parameters() if part.grad is not None)])
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            torch.testing.assert_close(same, one, rtol=1e-4, atol=1e-6)


def test_compiled_updates_are_those_of_the_run_that_is_not():
    """Traced as one graph, and not compiled: batches of other shapes, both sides of the switch."""
    settings = json.dumps(dataclasses.asdict(SMALL))
    done = subprocess.run([sys.executable, "-c", COMPILED, settings], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


@pytest.mark.parametrize(("device", "missing"), [("cpu", r"a C\+\+ compiler on a CPU"), ("cuda", "triton on a GPU")])
def test_what_compiling_needs_and_does_not_find_is_named(monkeypatch, device, missing):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(ValueError, match=f"compiled needs {missing}.*leave compiled out"):
        Run(with_options(compiled=True, device=device))


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            "smatch_edu.training.updates.loss_of",
            r"\d+ texts are \d+ rows of \d+ inputs.* GB .*batch_tokens \(\d+\), bran",
        ),
        ("smatch_edu.training.updates.generate", r"\d+ texts are typed at once; lower num_samples or max_actions"),
        ("torch.optim.AdamW.step", r"\d+ texts are \d+ rows"),
        ("torch.nn.utils.clip_grad_norm_", r"take dtype 'bfloat16'"),
    ],
)
def test_what_there_is_no_memory_for_says_what_to_lower(monkeypatch, tmp_path, where, message):
    run = Run(SMALL)
    for _ in range(SMALL.warmup_steps):
        run.update()

    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(where, full)
    with pytest.raises(
        MemoryError, match=rf"the cpu device has no memory left at step {SMALL.warmup_steps}: .*{message}"
    ):
        run.update()
    with pytest.raises(MemoryError):
        train(SMALL, tmp_path / "run", progress=False)


# -- files ---------------------------------------------------------------------------------------------------------


def log_of(folder):
    lines = [json.loads(line) for line in (folder / LOG).read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of SMALL that nothing interrupted."""
    out = tmp_path_factory.mktemp("small") / "whole"
    train(SMALL, out, progress=False)
    return out


def interrupt(monkeypatch, out, config, at, because=KeyboardInterrupt):
    """Train until the update of a step begins."""
    original = Run.update

    def interrupted(self):
        if self.step == at:
            raise because
        return original(self)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "update", interrupted)
        with pytest.raises(because):
            train(config, out, progress=False)


def assert_same(one, other):
    assert (one / CHECKPOINT).read_bytes() == (other / CHECKPOINT).read_bytes()
    assert (one / CONFIG).read_bytes() == (other / CONFIG).read_bytes()
    assert log_of(one) == log_of(other)
    assert sorted(os.listdir(one)) == sorted(os.listdir(other)) == sorted((CONFIG, LOG, CHECKPOINT))


@pytest.mark.parametrize("method", ["mle", "bc", "sequencematch"])
def test_a_run_that_was_interrupted_anywhere_ends_with_the_same_bits(tmp_path, method, monkeypatch, rng):
    config = with_options(method=method)
    train(config, tmp_path / "whole", progress=False)
    interrupt(monkeypatch, tmp_path / "parts", config, at=int(rng.integers(1, 12)))
    train(config, tmp_path / "parts", resume=True, progress=False)
    assert_same(tmp_path / "whole", tmp_path / "parts")
    assert len(log_of(tmp_path / "whole")) == config.steps


def test_a_run_is_not_overwritten_and_not_resumed_with_another_config(tmp_path):
    train(SMALL, tmp_path / "run", progress=False)
    before = (tmp_path / "run" / CHECKPOINT).read_bytes()
    with pytest.raises(ValueError, match=r"holds a run already; resume it with --resume"):
        train(SMALL, tmp_path / "run", progress=False)
    with pytest.raises(ValueError, match=r"was trained with width = 16; 32 was given"):
        train(with_options(width=32), tmp_path / "run", resume=True, progress=False)
    assert (tmp_path / "run" / CHECKPOINT).read_bytes() == before
    with pytest.raises(ValueError, match="there is no folder"):
        train(SMALL, tmp_path / "no" / "where", progress=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        train(SMALL, tmp_path / "file", progress=False)


OTHERS = {  # of somebody else's: what stands in a folder
    "a config": {CONFIG: b'{"model_type": "gpt2", "steps": 5}'},
    "a config that is a list": {CONFIG: b'["method"]'},
    "a config that is no JSON": {CONFIG: b"method: mle"},
    "a log and a checkpoint": {LOG: b'{"step": 1, "loss": 2}\n', CHECKPOINT: save({"weights": torch.zeros(3)})},
    "a log": {LOG: b"12:00 started\n"},
    "a checkpoint": {CHECKPOINT: save({"weights": torch.zeros(3)}, metadata={"format": "pt"})},
    "a checkpoint that is none": {CHECKPOINT: b"weights"},
}


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("kind", OTHERS)
def test_files_that_no_run_wrote_are_not_touched(tmp_path, kind, resume):
    for name, content in OTHERS[kind].items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"was not written by `smatch train`; move it away, or choose another place"):
        train(SMALL, tmp_path, resume=resume, progress=False)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == OTHERS[kind]


def test_files_of_other_names_are_no_hindrance_and_the_current_folder_is_not_meant_by_nothing(tmp_path, monkeypatch):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / LOG).touch()
    train(with_options(steps=1, method="mle"), tmp_path, progress=False)
    assert (tmp_path / "notes.txt").read_text() == "mine" and len(log_of(tmp_path)) == 1
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="name of a file or folder is empty"):
        train(SMALL, "", progress=False)


def test_from_the_checkpoint_alone_a_run_goes_on(tmp_path, monkeypatch, whole):
    interrupt(monkeypatch, tmp_path / "parts", SMALL, at=8)
    (tmp_path / "parts" / CONFIG).unlink()
    with pytest.raises(ValueError, match="holds a run already"):
        train(SMALL, tmp_path / "parts", progress=False)
    log = (tmp_path / "parts" / LOG).read_text()
    (tmp_path / "parts" / LOG).write_text("12:00 started\n")
    with pytest.raises(ValueError, match=r"log\.jsonl was not written by `smatch train`"):
        train(SMALL, tmp_path / "parts", resume=True, progress=False)
    (tmp_path / "parts" / LOG).write_text(log)
    train(SMALL, tmp_path / "parts", resume=True, progress=False)
    assert_same(whole, tmp_path / "parts")
    shutil.copytree(whole, tmp_path / "lost")
    (tmp_path / "lost" / CHECKPOINT).unlink()
    with pytest.raises(ValueError, match=r"has lost its checkpoint\.safetensors, and a log up to step 11"):
        train(SMALL, tmp_path / "lost", resume=True, progress=False)
    assert log_of(tmp_path / "lost") == log_of(whole)


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(tmp_path, monkeypatch, whole):
    interrupt(monkeypatch, tmp_path / "parts", SMALL, at=4)
    assert len(log_of(tmp_path / "parts")) == 4 and not (tmp_path / "parts" / CHECKPOINT).exists()
    train(SMALL, tmp_path / "parts", resume=True, progress=False)
    assert_same(whole, tmp_path / "parts")


@pytest.mark.parametrize(
    "tail", [b"\0" * 4096, b'{"step": 8, "lo', b'{"step": 8, "lo' + b"\0" * 99 + b"\n", b"\xff\xfe\n"]
)
def test_a_log_whose_end_is_broken_is_cut_back_to_what_is_whole(tmp_path, monkeypatch, whole, tail):
    interrupt(monkeypatch, tmp_path / "parts", SMALL, at=8)
    with (tmp_path / "parts" / LOG).open("ab") as log:
        log.write(tail)
    assert [line["step"] for line in read_log(tmp_path / "parts")] == list(range(8))
    train(SMALL, tmp_path / "parts", resume=True, progress=False)
    assert_same(whole, tmp_path / "parts")


def test_the_log_is_json_and_what_is_no_number_is_read_back_as_such(tmp_path, capsys):
    config = with_options(divergence="chi2")  # its loss looks at no text of the model's own
    train(config, tmp_path / "run", progress=True)
    assert "r² is" in (told := capsys.readouterr().err) and "nan" not in told
    assert "– on the model's own texts" in told

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    text = (tmp_path / "run" / LOG).read_text()
    lines = [json.loads(line, parse_constant=refuse) for line in text.splitlines()]
    assert [line["r2_model"] for line in lines[config.warmup_steps :]] == [None] * 8
    found = read_log(tmp_path / "run")
    assert all(math.isnan(line["r2_model"]) for line in found[config.warmup_steps :])
    assert [line["loss"] for line in found] == [line["loss"] for line in lines]
    (tmp_path / "run" / LOG).write_text(text.replace("null", "NaN"))  # as it was written once
    assert str(read_log(tmp_path / "run")) == str(found)
    train(config, tmp_path / "run", resume=True, progress=False)
    assert (tmp_path / "run" / LOG).read_text() == text


@pytest.mark.parametrize("limit", [700, 20_000])  # bytes in a file: the log breaks off, or the checkpoint
def test_a_disk_that_is_full_in_the_middle_costs_the_updates_since_the_last_checkpoint(
    tmp_path, monkeypatch, whole, limit
):
    resource = pytest.importorskip("resource")
    before, original = resource.getrlimit(resource.RLIMIT_FSIZE), Run.update

    def filling(self):
        if self.step == 7:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        return original(self)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "update", filling)
        try:
            with pytest.raises(OSError, match=LOG if limit < 1000 else CHECKPOINT):
                train(SMALL, tmp_path / "parts", progress=False)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    fresh = Run(SMALL)
    load_checkpoint(fresh, tmp_path / "parts")
    assert fresh.step == 5 and sorted(os.listdir(tmp_path / "parts")) == sorted((CONFIG, LOG, CHECKPOINT))
    train(SMALL, tmp_path / "parts", resume=True, progress=False)
    assert_same(whole, tmp_path / "parts")


def test_of_a_run_that_has_ended_the_weights_alone_are_kept_if_that_is_asked(tmp_path, whole):
    train(SMALL, tmp_path / "light", progress=False, weights_only=True)
    shutil.copytree(whole, tmp_path / "later")
    for _ in range(2):
        train(SMALL, tmp_path / "later", resume=True, progress=False, weights_only=True)
        assert_same(tmp_path / "light", tmp_path / "later")
    assert 2 * (tmp_path / "light" / CHECKPOINT).stat().st_size < (whole / CHECKPOINT).stat().st_size


def test_a_run_of_more_steps_is_not_called_one_of_fewer(tmp_path):
    config = with_options(schedule="constant", method="mle")
    train(config, tmp_path / "run", progress=False)
    before = (tmp_path / "run" / CHECKPOINT).read_bytes()
    shorter = dataclasses.replace(config, steps=6)
    with pytest.raises(ValueError, match="has been trained for 12 steps already; 6 were given"):
        train(shorter, tmp_path / "run", resume=True, progress=False)
    assert (tmp_path / "run" / CHECKPOINT).read_bytes() == before
    train(dataclasses.replace(config, steps=14), tmp_path / "run", resume=True, progress=False)
    assert len(log_of(tmp_path / "run")) == 14


def test_a_setting_that_was_left_out_and_cannot_be_any_more_has_its_default(tmp_path, whole):
    tensors, about = read_tensors(whole / CHECKPOINT)
    told = json.loads(about["about"])
    told["config"] |= {"row_length": None, "warp": 9}
    save_file(tensors, tmp_path / CHECKPOINT, metadata={"about": json.dumps(told)})
    policy, config = load_policy(tmp_path)
    assert config.row_length == TrainingConfig().row_length
    for name, part in load_policy(whole)[0].state_dict().items():
        assert torch.equal(part, policy.state_dict()[name])


def test_the_settings_of_another_version_are_named(tmp_path, whole):
    shutil.copytree(whole, tmp_path / "run")
    tensors, about = read_tensors(whole / CHECKPOINT)
    settings = json.loads(about["about"])["config"]

    def of_version(**changed):
        config = {name: value for name, value in (settings | changed).items() if value != "gone"}
        text = json.dumps({"step": 12, "config": config})
        save_file(tensors, tmp_path / "run" / CHECKPOINT, metadata={"about": text})
        with pytest.raises(ValueError) as raised:
            train(SMALL, tmp_path / "run", resume=True, progress=False)
        return str(raised.value)

    assert "another version of smatch_edu, which has the setting 'warp'" in of_version(warp=9)
    assert load_policy(tmp_path / "run")[1] == SMALL  # the weights fit
    assert "another version of smatch_edu, which lacks the setting 'gamma'" in of_version(gamma="gone")
    assert load_policy(tmp_path / "run")[1].gamma == TrainingConfig().gamma
    assert "was trained with divergence = 'warp'; 'sampled_mixture' was given" in of_version(divergence="warp")
    with pytest.raises(ValueError, match=r"run was trained with settings that this version does not take: .*'warp'"):
        load_policy(tmp_path / "run")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux says what is mapped")
def test_no_file_stays_mapped_so_that_it_can_be_replaced_everywhere(tmp_path, whole):
    shutil.copytree(whole, tmp_path / "mapped")
    run = Run(SMALL)
    load_checkpoint(run, tmp_path / "mapped")
    policy, begun = load_policy(tmp_path / "mapped")[0], start_run(with_options(init=str(tmp_path / "mapped")))
    policy.transformer.save(tmp_path / "mapped" / "transformer.safetensors")
    network = Transformer.load(tmp_path / "mapped" / "transformer.safetensors")
    maps = Path("/proc/self/maps").read_text()
    assert str(tmp_path) not in maps
    for path in (tmp_path / "mapped").iterdir():
        path.write_bytes(b"")  # cut short: a bus error, if it were mapped
    weights = policy.transformer.state_dict()
    for other in (run.policy.transformer, begun.policy.transformer, network):
        assert all(torch.equal(part, weights[name]) for name, part in other.state_dict().items())
    assert run.update()["step"] == 12


def test_a_checkpoint_gives_back_the_policy_and_a_broken_one_is_named(tmp_path):
    policy = train(SMALL, tmp_path / "run", progress=False)
    loaded, config = load_policy(tmp_path / "run")
    assert config == SMALL
    for name, part in policy.state_dict().items():
        assert torch.equal(part, loaded.state_dict()[name])
    path = tmp_path / "run" / CHECKPOINT
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="no whole checkpoint"):
        load_policy(tmp_path / "run")
    path.unlink()
    with pytest.raises(ValueError, match=r"has no checkpoint\.safetensors"):
        load_policy(tmp_path / "run")


def test_weights_of_another_vocabulary_are_refused_with_the_difference(tmp_path):
    (tmp_path / "run").mkdir()
    run = Run(SMALL)
    run.policy = Policy(get_task("keyboard"), SMALL)
    save_checkpoint(run, tmp_path / "run")
    with pytest.raises(ValueError, match=r"embedding\.weight of shape .*another vocabulary or config"):
        load_policy(tmp_path / "run")
    with pytest.raises(ValueError, match="another vocabulary or config"):
        load_checkpoint(Run(SMALL), tmp_path / "run")


def test_a_run_may_begin_with_the_weights_of_another(tmp_path):
    first = train(SMALL, tmp_path / "first", progress=False)
    config = with_options(init=str(tmp_path / "first"), value_head=True, seed=5, method="bc")
    weights = first.transformer.state_dict()
    assert all(
        torch.equal(part, weights[name]) for name, part in start_run(config).policy.transformer.state_dict().items()
    )
    whole = train(config, tmp_path / "whole", progress=False).state_dict()
    assert any(not torch.equal(part, whole[f"transformer.{name}"]) for name, part in weights.items())
    with pytest.raises(ValueError, match=r"embedding.weight of shape \(14, 16\); \(14, 32\) was wanted"):
        start_run(with_options(init=str(tmp_path / "first"), width=32))
    with pytest.raises(ValueError, match=r"nowhere has no checkpoint.safetensors"):
        start_run(with_options(init=str(tmp_path / "nowhere")))


def test_a_run_goes_on_without_the_weights_that_it_began_with(tmp_path, monkeypatch):
    train(SMALL, tmp_path / "base", progress=False)
    config = with_options(init=str(tmp_path / "base"), seed=5)
    train(config, tmp_path / "whole", progress=False)
    interrupt(monkeypatch, tmp_path / "parts", config, at=7)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "base").rename(tmp_path / "elsewhere" / "moved")
    for name in (str(tmp_path / "base"), "moved", "../base"):
        shutil.copytree(tmp_path / "parts", tmp_path / "copy")
        train(dataclasses.replace(config, init=name), tmp_path / "copy", resume=True, progress=False)
        assert_same(tmp_path / "whole", tmp_path / "copy")  # its config, too: the name that is true
        shutil.rmtree(tmp_path / "copy")
    with pytest.raises(ValueError, match=r"was trained with init = '.*base'; '' was given"):
        train(dataclasses.replace(config, init=""), tmp_path / "parts", resume=True, progress=False)
    with pytest.raises(ValueError, match=r"base has no checkpoint\.safetensors"):  # nothing there yet to go on with
        train(config, tmp_path / "new", resume=True, progress=False)
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_killed_at_twenty_moments_a_run_ends_with_the_same_bits(tmp_path, rng):
    config = with_options(steps=400, checkpoint_every=7)
    train(config, tmp_path / "whole", progress=False)
    (tmp_path / "config.json").write_text(json.dumps(dataclasses.asdict(config)))
    code = (
        "import json, sys, torch; torch.set_num_threads(1); from pathlib import Path; "
        "from smatch_edu.training.loop import TrainingConfig, train; "
        "train(TrainingConfig(**json.load(open(sys.argv[1]))), Path(sys.argv[2]), resume=True, progress=False)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "config.json"), str(tmp_path / "killed")]
    kills = 0
    for _ in range(20):
        process = subprocess.Popen(command)
        time.sleep(4 + float(rng.uniform(0, 3)))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
        if Path(tmp_path / "killed" / CHECKPOINT).exists():
            load_policy(tmp_path / "killed")
    subprocess.run(command, check=True)
    assert kills > 0
    assert_same(tmp_path / "whole", tmp_path / "killed")


# -- settings ------------------------------------------------------------------------------------------------------


def test_settings_are_checked_and_the_nearest_name_is_suggested():
    with pytest.raises(ValueError, match="did you mean 'sequencematch'"):
        TrainingConfig(method="sequencmatch")
    with pytest.raises(ValueError, match="did you mean 'arithmetic'"):
        TrainingConfig(task="arithmatic").make_task()
    for options, message in [
        ({"gamma": 1.0}, r"gamma is 1\.0; it must be in \(0, 1\)"),
        ({"noise": 1.0}, "noise is"),
        ({"steps": 0}, "steps is 0"),
        ({"batch_tokens": 0}, "batch_tokens is 0"),
        ({"alpha": None}, "give exactly one of them"),
        ({"coefficient": 1.0}, "give exactly one of them"),
        ({"alpha": -1.0}, r"alpha is -1\.0"),
        ({"exploration": 1.5}, r"exploration is 1\.5; it must be in \[0, 1\]"),
        ({"exploration_end": -0.1}, r"exploration_end is -0\.1; it must be in \[0, 1\]"),
        ({"terminal": "ech"}, "did you mean 'each'"),
        ({"next_value": "expected"}, "did you mean 'expectation'"),
        ({"branches": 0}, "branches is 0; it must be at least 1"),
        ({"row_length": 0}, "row_length is 0; it must be at least 1"),
        ({"branches": 2, "next_value": "reached"}, "branches is 2, with next_value 'reached'.* leave it out"),
        ({"branches": 2, "noise": 0.0}, "branches is 2, .* nothing to average over"),
        ({"method": "mle", "demonstration_noise": 0.1}, "demonstration_noise is 0.1, and mle learns from clean texts"),
        ({"backspace": False}, "demonstrations slip with 0.1, and without backspace no slip can be taken back"),
        ({"method": "bc", "exploration": 0.1}, "exploration is 0.1, and bc never types texts of its own"),
        ({"task": "keyboard", "family": "addition"}, "family is 'addition', and the task 'keyboard' has none"),
        ({"letters": "ab"}, "letters and longest_word are of the task 'keyboard'"),
    ]:
        with pytest.raises(ValueError, match=message):
            TrainingConfig(**options)
    assert TrainingConfig(alpha=None, coefficient=0.25).weight_of_entropy == 1.0
    few = TrainingConfig(task="keyboard", letters="abc", branches=3)
    with pytest.raises(ValueError, match="branches is 3; a press on 3 keys has 2 slips"):
        Policy(few.make_task(), few)


def test_the_demonstrations_keyboard_is_the_learners_unless_it_is_said_to_be_another():
    assert TrainingConfig(method="bc", noise=0.2).typed_noise == 0.2
    assert TrainingConfig(noise=0.2, demonstration_noise=0.0).typed_noise == 0.0
    assert TrainingConfig(method="mle", noise=0.2).typed_noise == 0.0
    config = with_options(demonstration_noise=0.0, noise=0.5)
    run = Run(config)
    assert not any(one.slipped.any() for one in run.batcher.demonstrations(0, run.policy))
    run.type_texts()
    assert any(one.slipped.any() for one in run.buffer.trajectories)


def test_exploring_presses_fall_to_their_end_and_reach_the_buffer():
    config = with_options(exploration=1.0, exploration_end=0.5, steps=12, noise=0.0, num_samples=16)
    assert [config.explored(step) for step in (0, 6, 12)] == [1.0, 0.75, 0.5]
    assert with_options(exploration=0.3).explored(11) == 0.3
    run = Run(config)
    with torch.no_grad():
        run.policy.transformer.norm.bias += 5 * run.policy.transformer.embedding.weight[3]  # presses 3 and nothing else
        run.policy.transformer.norm.weight.zero_()
    run.type_texts()
    pressed = np.concatenate([one.pressed for one in run.buffer.trajectories])
    assert len(np.unique(pressed)) == len(run.task.vocabulary) + 2


@pytest.mark.parametrize("backspace", [True, False])
def test_what_cannot_be_typed_is_never_typed(backspace):
    config = TrainingConfig(
        task="keyboard", letters="aeht", longest_word=3, backspace=backspace, demonstration_noise=0.0, exploration=1.0
    )
    run = Run(dataclasses.replace(config, num_layers=1, num_heads=2, width=16, num_samples=64))
    run.type_texts()
    pressed = np.concatenate([one.pressed for one in run.buffer.trajectories])
    keys = run.task.vocabulary
    space = keys.encode(" ")[0]
    assert space not in pressed and (keys.backspace in pressed) == backspace
    assert all(one.typed.max() <= keys.backspace and space not in one.typed for one in run.buffer.trajectories)
    assert not run.policy.on(run.buffer.trajectories[:5], slips=np.random.default_rng(0)).legal[..., space].any()


@pytest.mark.parametrize("terminal", ["one", "each"])
def test_each_finished_text_has_a_value_of_its_own_or_all_have_one(terminal):
    config = with_options(terminal=terminal, beta_end=0.0, steps=6, warmup_steps=1, beta_steps=1)
    run = Run(config)
    for _ in range(3):
        run.update()
    found = run.policy.on(run.batcher.demonstrations(3, run.policy))
    tails = found.tail_rewards(run.policy.absorbing_value, config.gamma)
    assert found.ended.all() and (tails != 0).all()
    assert (len(torch.unique(tails)) == 1) == (terminal == "one")
    assert (run.policy.absorbing_value.item() != 0) == (terminal == "one")


def test_beta_falls_from_one_after_the_warm_up_and_the_rate_rises_and_falls():
    config = TrainingConfig(steps=1000, warmup_steps=100, beta_steps=200, beta_end=0.4)
    betas = [config.beta(step) for step in range(1000)]
    assert betas[:100] == [1.0] * 100 and betas[299:] == pytest.approx([0.4] * 701)
    assert all(a >= b for a, b in itertools.pairwise(betas)) and betas[100] < 1
    for schedule in ("constant", "linear", "cosine"):
        rates = [dataclasses.replace(config, schedule=schedule).rate(step) for step in range(1000)]
        assert max(rates) <= config.learning_rate and rates[0] < 0.02 * config.learning_rate
        assert (rates[-1] < 0.01 * config.learning_rate) == (schedule != "constant")
