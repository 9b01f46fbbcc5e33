"""The trainer: the library's own loss however a batch is cut, resumed to the same weights, and what may come in."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

transformers = pytest.importorskip("transformers", reason="needs the extra [hf]")

from safetensors.torch import load_file  # noqa: E402
from test_backspace import tokenizer_of  # noqa: E402
from test_visibility import MODELS, model_of  # noqa: E402
from trainers import SMALL, rows_of, trainer_of, weights_of  # noqa: E402

from smatch_edu.huggingface import BACKSPACE, SequenceMatchConfig, SequenceMatchTrainer  # noqa: E402
from smatch_edu.huggingface.trainer import Demonstrations  # noqa: E402
from smatch_edu.text import TrajectoryBatch, augment_batch  # noqa: E402
from smatch_edu.training import log_likelihood, training_objective  # noqa: E402

HERE = Path(__file__).parent


def assert_same(one, other, tolerance):
    assert one.keys() == other.keys()
    for name, part in one.items():
        torch.testing.assert_close(other[name], part, rtol=tolerance, atol=tolerance)


# -- the loss ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["mle", "sequencematch"])
def test_the_loss_of_one_big_batch_is_that_of_its_parts(tmp_path, method):
    found = []
    for batch, parts in ((8, 1), (4, 2), (2, 4), (3, 3)):
        options = {"per_device_train_batch_size": batch, "gradient_accumulation_steps": parts, "method": method}
        trainer = trainer_of(tmp_path, **options, **({"max_steps": 2} if batch == 3 else {}))
        trainer.train()
        found.append((weights_of(trainer), trainer.state.log_history[0]))
    for weights, log in found[1:3]:
        assert_same(found[0][0], weights, 1e-6)
        for name in set(log) - {"epoch", "grad_norm"}:
            assert log[name] == pytest.approx(found[0][1][name], rel=1e-5, abs=1e-6), name
    assert any(not torch.equal(found[3][0][name], part) for name, part in found[0][0].items())  # other batches


def test_a_part_that_is_smaller_counts_for_less(tmp_path):
    """Seven examples in parts of four: the last part has three, and every trajectory weighs the same."""
    rows, found = rows_of(7), []
    for batch, parts in ((7, 1), (4, 2)):
        options = {"per_device_train_batch_size": batch, "gradient_accumulation_steps": parts, "max_steps": 1}
        trainer = trainer_of(tmp_path, rows=rows, **options)
        trainer.train()
        found.append(weights_of(trainer))
    assert_same(*found, 1e-6)


def test_two_processes_train_as_one_does_also_where_each_has_half_of_the_weights(tmp_path):
    trainer = trainer_of(tmp_path / "one")
    trainer.train()
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=0", "--standalone"]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE)]),
    }
    out = tmp_path / "two.safetensors"
    command += [str(HERE / "two_processes.py"), str(tmp_path / "two"), str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = load_file(out)
    held = {name.removeprefix("buffer."): part for name, part in found.items() if name.startswith("buffer.")}
    assert_same(trainer.buffer.to_tensors(), held, 0)  # the same texts, typed half by each
    weights = {name: part.detach() for name, part in trainer.policy.named_parameters()}
    assert_same(weights, {name: found[name] for name in weights}, 1e-6)
    log = trainer.state.log_history[0]
    for name in set(log) - {"epoch"}:
        assert float(found[f"log.{name}"]) == pytest.approx(log[name], rel=1e-5, abs=1e-6), name


def test_the_loss_is_that_of_the_library_on_the_same_trajectories(tmp_path):
    trainer = trainer_of(tmp_path, max_steps=4)
    trainer.train()
    trainer.state.global_step = step = 3  # as if a step more were to come
    rows = [3, 8, 5]
    examples = [trainer.examples[row] for row in rows]
    inputs = {"rows": rows, "examples": [tuple(one) for one in examples]}
    found, _ = trainer.compute_loss(trainer.model.train(), inputs, return_outputs=True)

    config, policy, keys = trainer.config_now(), trainer.policy, trainer.policy.keys
    typed = [
        augment_batch(
            [one.prompt],
            [one.answer],
            0.2,
            keys.backspace,
            keys.eos,
            seed=np.random.default_rng([config.seed, 1, step, row]),
            num_tokens=keys.num_keys,
        )
        for one, row in zip(examples, rows, strict=True)
    ]
    held = [trainer.buffer.sample(1, np.random.default_rng([config.seed, 3, step, row]))[0] for row in rows]
    data, sampled = TrajectoryBatch.of(*typed), TrajectoryBatch.of(*held)
    leads = [
        policy.draw(TrajectoryBatch.of(one), np.random.default_rng([config.seed, 4, step, row, which]))
        for which, some in enumerate((data, sampled))
        for row, one in zip(rows, some, strict=True)
    ]
    whole = policy.on(TrajectoryBatch.of(data, sampled), slips=np.concatenate(leads))
    shown, model = whole.rows(0, 3), whole.rows(3, 6)
    options = {"divergence": "sampled_mixture", "gamma": 0.9, "alpha": 0.1}
    terms = training_objective(shown, policy.absorbing_value.squeeze(), model=model, **options)
    beta = config.beta(step)
    assert 0 < beta < 1
    wanted = -beta * log_likelihood(shown, 0.9) - (1 - beta) * terms.objective
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("divergence", ["chi2", "js"])
def test_every_divergence_can_be_trained(tmp_path, divergence):
    """js has a domain, and so looks at what the model types; chi2 has none, and does not."""
    trainer = trainer_of(tmp_path, divergence=divergence)
    trainer.train()
    assert np.isfinite(trainer.state.log_history[0]["objective"])
    assert bool(len(trainer.buffer)) == (divergence == "js")


@pytest.mark.parametrize("option", [{"gradient_checkpointing": True}, {"value_head": True}, {"terminal": "each"}])
def test_options_that_change_the_network_train_as_well(tmp_path, option):
    plain, other = trainer_of(tmp_path), trainer_of(tmp_path, **option)
    for trainer in (plain, other):
        trainer.train()
    if "gradient_checkpointing" in option:
        assert_same(weights_of(plain), weights_of(other), 1e-12)
    else:
        (head,) = (
            part
            for name, part in other.policy.named_parameters()
            if name in ("value_head.weight", "terminal_head.weight")
        )
        assert head.abs().sum() > 0 and np.isfinite(other.state.log_history[0]["loss"])


def test_in_16_bits_the_loss_is_about_the_same(tmp_path):
    plain, coarse = (trainer_of(tmp_path, double=False, max_steps=4, bf16=bf16) for bf16 in (False, True))
    for trainer in (plain, coarse):
        trainer.train()
    one, other = plain.state.log_history[0], coarse.state.log_history[0]
    assert other["log_likelihood"] == pytest.approx(one["log_likelihood"], rel=0.02)


def test_noise_of_the_model_types_what_it_would_write_itself(tmp_path):
    trainer = trainer_of(tmp_path, noise_mode="model", demonstration_noise=0.5, method="bc", double=False)
    policy, chosen = trainer.policy, trainer.examples[:6]
    wanted = policy.proposals(chosen)
    with torch.no_grad():
        favourite = [int(np.argsort(rows[0])[-1]) for rows in wanted]
        # One token far ahead of all others: every slip is that one.
        policy.model.get_output_embeddings().weight.zero_()
    flat = policy.proposals(chosen)
    assert all(np.allclose(rows[:, : policy.keys.num_keys], rows[0, 0]) for rows in flat)
    assert all(0 <= token < policy.keys.num_keys for token in favourite)
    typed = trainer.demonstrations(range(6), chosen, 0)
    assert any(one.slipped.any() for one in typed)
    trainer.train()


@pytest.mark.parametrize("method", ["mle", "bc", "sequencematch"])
def test_training_makes_the_demonstrations_likelier(tmp_path, method):
    options = {"method": method, "max_steps": 30, "optim": "adamw_torch", "learning_rate": 0.01, "logging_steps": 1.0}
    trainer = trainer_of(tmp_path, double=False, eval_rows=rows_of()[:8], **options)
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    after = trainer.evaluate()
    assert after["eval_loss"] < before - 1 and set(after) >= {"eval_loss", "eval_runtime"}
    told = trainer.state.log_history[20]
    assert ("objective" in told) == (method == "sequencematch") and told["beta"] == (0.5 if "objective" in told else 1)
    assert (
        all(not one.slipped.any() for one in trainer.demonstrations([1], trainer.examples[1:2], 2)) or method != "mle"
    )


def test_answers_are_counted_with_the_key_and_without_it(tmp_path):
    """A model that knows four answers by heart is right in all of them, with or without the key."""
    rows = rows_of(4)
    options = {"method": "bc", "max_steps": 150, "optim": "adamw_torch", "learning_rate": 0.02, "eval_answers": 4}
    trainer = trainer_of(tmp_path, double=False, rows=rows, eval_rows=rows, noise=0.05, keyboard="answers", **options)
    trainer.train()
    told = trainer.evaluate()
    assert told["eval_accuracy"] >= 0.75 and told["eval_accuracy_no_backspace"] >= 0.75
    assert set(told) >= {"eval_accuracy_slips", "eval_accuracy_slips_no_backspace"}
    assert trainer.answer(rows[:2]).keys() == {name.removeprefix("eval_") for name in told if "accuracy" in name}
    of_all = {token for row in rows for token in row["completion"].split()}
    typed = trainer.policy.ids.theirs[: trainer.policy.keys.num_keys]
    assert set(trainer.tokenizer.convert_ids_to_tokens(typed.tolist())) == of_all


# -- adapters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_an_adapter_trains_its_layers_and_the_row_of_the_key_and_nothing_else(tmp_path, kind):
    trainer = trainer_of(tmp_path, kind, adapter=True, double=False)
    key = trainer.tokenizer.convert_tokens_to_ids(BACKSPACE)
    before = {name: part.detach().clone() for name, part in trainer.policy.named_parameters()}
    trainer.train()
    for name, part in trainer.policy.named_parameters():
        trained = "lora_" in name or "trainable_tokens_delta" in name or name == "absorbing_value"
        assert part.requires_grad == trained, name
        assert trained or torch.equal(part, before[name]), name
    rows = [part for name, part in trainer.policy.named_parameters() if "trainable_tokens_delta" in name]
    assert rows and all(part.shape[0] == 1 for part in rows)
    moved = trainer.policy.model.get_output_embeddings().weight[key]
    base = trainer.policy.model.get_output_embeddings().token_adapter.base_layer.weight[key]
    assert not torch.allclose(moved, base)


def test_the_logits_under_an_adapter_are_those_of_peft(tmp_path, rng):
    trainer = trainer_of(tmp_path, adapter=True, double=False)
    trainer.train()
    policy = trainer.policy.eval()
    prompt = policy.ids.ours(rng.integers(90, size=5))
    typed = augment_batch(
        [prompt], [rng.integers(80, size=4)], 0.0, policy.keys.backspace, policy.keys.eos, seed=0, num_tokens=90
    )
    with torch.no_grad():
        found = policy.on(typed).logits[0, len(typed.typed) - 1]
        text = policy.ids.theirs[[*prompt, *typed.typed[:-1]]]
        wanted = trainer.language_model(torch.from_numpy(text)[None]).logits[0, -1][policy.ids.theirs]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


# -- stopping and going on -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("adapter", [False, True])
def test_a_training_that_was_stopped_goes_on_to_the_same_weights_and_the_same_buffer(tmp_path, adapter):
    options = {"adapter": adapter, "save_strategy": "steps", "save_steps": 3.0, "max_steps": 7, "optim": "adamw_torch"}
    whole = trainer_of(tmp_path / "whole", **options)
    whole.train()

    class Stop(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            control.should_training_stop = state.global_step == 3

    first = trainer_of(tmp_path / "parts", **options)
    first.add_callback(Stop())
    first.train()
    second = trainer_of(tmp_path / "parts", **options)
    second.train(resume_from_checkpoint=True)
    assert second.state.global_step == 7
    assert_same(weights_of(whole), weights_of(second), 1e-12)
    assert_same(whole.buffer.to_tensors(), second.buffer.to_tensors(), 0)


def test_the_best_model_is_loaded_at_the_end_if_that_is_wanted(tmp_path):
    options = {"save_strategy": "steps", "save_steps": 1.0, "eval_strategy": "steps", "eval_steps": 1.0, "max_steps": 3}
    trainer = trainer_of(tmp_path, eval_rows=rows_of(4), load_best_model_at_end=True, learning_rate=2.0, **options)
    trainer.train()
    losses = [line["eval_loss"] for line in trainer.state.log_history if "eval_loss" in line]
    assert trainer.evaluate()["eval_loss"] == pytest.approx(min(losses), rel=1e-6)


# -- what may come in ----------------------------------------------------------------------------------------------


def test_settings_out_of_range_are_named_with_their_own_names(tmp_path):
    for given, message in (
        ({"method": "rl"}, "method.*'rl'"),
        ({"gamma": 1.0}, "gamma is 1.0"),
        ({"noise_mode": "ground_truth"}, "data name no plausible mistakes"),
        ({"cloning_steps": -1.0}, "cloning_steps is -1"),
        ({"max_length": 1}, "max_length is 1"),
        ({"keyboard": "digits"}, "keyboard"),
        ({"divergence": "kl"}, "divergence"),
    ):
        with pytest.raises(ValueError, match=message):
            SequenceMatchConfig(output_dir=str(tmp_path), use_cpu=True, **given)


def test_shares_of_all_updates_become_numbers_of_them():
    args = SequenceMatchConfig(use_cpu=True, cloning_steps=0.25, beta_steps=10.0)
    config = args.training_config(200)
    assert (config.warmup_steps, config.beta_steps, config.branches) == (50, 10, 1)
    assert args.to_dict()["cloning_steps"] == 0.25
    shared = {one.name for one in dataclasses.fields(config)} & {one.name for one in dataclasses.fields(args)}
    for name in shared - {"warmup_steps", "max_actions", "branches", "beta_steps", "learning_rate", "weight_decay"}:
        assert getattr(config, name) == getattr(args, name), name


def test_what_cannot_be_trained_is_refused_before_anything_is_trained(tmp_path, rng):
    args = SequenceMatchConfig(output_dir=str(tmp_path), **SMALL)
    model = model_of(rng, *MODELS["mistral"])
    with pytest.raises(ValueError, match="sliding_window"):
        SequenceMatchTrainer(model, args, rows_of(), None, tokenizer_of())
    likelihood = SequenceMatchConfig(output_dir=str(tmp_path), **{**SMALL, "method": "mle", "noise": 0.0})
    SequenceMatchTrainer(model, likelihood, rows_of(), None, tokenizer_of()).train()
    with pytest.raises(ValueError, match="train_dataset is None"):
        SequenceMatchTrainer(model, args, None, None, tokenizer_of())
    with pytest.raises(ValueError, match="processing_class is None"):
        SequenceMatchTrainer(model, args, rows_of())
    with pytest.raises(ValueError, match="args is a TrainingArguments; a SequenceMatchConfig was wanted"):
        SequenceMatchTrainer(model, transformers.TrainingArguments(use_cpu=True), rows_of(), None, tokenizer_of())
    from peft import IA3Config, LoraConfig, get_peft_model

    model = model_of(rng, *MODELS["llama"])
    with pytest.raises(ValueError, match="IA3Config, which cannot train the row of <backspace>"):
        SequenceMatchTrainer(model, args, rows_of(), None, tokenizer_of(), peft_config=IA3Config())
    adapter = LoraConfig(r=2, target_modules="all-linear")
    model = get_peft_model(model_of(rng, *MODELS["llama"]), adapter)
    with pytest.raises(ValueError, match="has an adapter already"):
        SequenceMatchTrainer(model, args, rows_of(), None, tokenizer_of(), peft_config=adapter)


def test_what_a_row_may_not_hold_is_named_before_anything_is_trained(tmp_path):
    for rows, message in (
        ([{"prompt": "w1", "completion": f"w2 {BACKSPACE}"}], "answer in row 0 of train_dataset has '<backspace>'"),
        ([{"prompt": BACKSPACE, "completion": "w2"}], "prompt in row 0 of train_dataset has <backspace>"),
        ([{"prompt": "w1 " * 600, "completion": "w2"}], "1 of 1 rows of train_dataset have more than 128 tokens"),
    ):
        with pytest.raises(ValueError, match=message):
            trainer_of(tmp_path, rows=rows, max_length=None)
    with pytest.raises(ValueError, match="no end token"):
        trainer_of(tmp_path, tokenizer=tokenizer_of(eos_token=None))
    with pytest.raises(ValueError, match="max_length is 600; the model has positions for 128"):
        trainer_of(tmp_path, max_length=600)


def test_what_would_change_the_loss_is_refused(tmp_path, rng):
    for name, value in (("label_smoothing_factor", 0.1), ("torch_compile", True), ("neftune_noise_alpha", 5.0)):
        with pytest.raises(ValueError, match=f"{name} is {value}, which this trainer does not take"):
            SequenceMatchConfig(output_dir=str(tmp_path), use_cpu=True, **{name: value})
    args = SequenceMatchConfig(output_dir=str(tmp_path), **SMALL)
    assert '"noise": 0.2' in args.to_json_string() and "gamma" in args.to_dict()
    model = model_of(rng, *MODELS["llama"])
    with pytest.raises(ValueError, match="compute_metrics is not taken here; of theirs are callbacks"):
        SequenceMatchTrainer(model, args, rows_of(), None, tokenizer_of(), compute_metrics=len)
    with pytest.raises(ValueError, match="use answer or evaluate"):
        trainer_of(tmp_path).predict(rows_of())


def test_an_adapter_that_does_not_train_the_key_is_refused(tmp_path, rng):
    from peft import LoraConfig, PeftModel, get_peft_model

    args = SequenceMatchConfig(output_dir=str(tmp_path), **SMALL)
    adapted = get_peft_model(model_of(rng, *MODELS["llama"]), LoraConfig(r=2, target_modules="all-linear"))
    with pytest.raises(ValueError, match="does not train the row of <backspace>"):
        SequenceMatchTrainer(adapted, args, rows_of(), None, tokenizer_of())
    adapted.save_pretrained(tmp_path / "adapter")
    loaded = PeftModel.from_pretrained(model_of(rng, *MODELS["llama"]), tmp_path / "adapter")
    with pytest.raises(ValueError, match="no weight of the model is trained; load an adapter with is_trainable"):
        SequenceMatchTrainer(loaded, args, rows_of(), None, tokenizer_of())


def test_weights_of_four_bits_are_trained_through_an_adapter_only(tmp_path, rng):
    """What theirs asks of a model, without the weights themselves, for which a GPU is wanted."""
    from transformers.trainer_utils import validate_quantization_for_training

    for adapter in (True, False):
        module = trainer_of(tmp_path, adapter=adapter, double=False).model
        module.policy.model.is_quantized = True
        module.policy.model.hf_quantizer = type("Quantizer", (), {"is_trainable": True})()
        if adapter:
            validate_quantization_for_training(module)
        else:
            with pytest.raises(ValueError, match="purely quantized"):
                validate_quantization_for_training(module)


def test_early_stopping_sees_the_accuracies(tmp_path):
    stop = transformers.EarlyStoppingCallback(early_stopping_patience=1)
    options = {"save_strategy": "steps", "save_steps": 1.0, "eval_strategy": "steps", "eval_steps": 1.0}
    options |= {"load_best_model_at_end": True, "metric_for_best_model": "accuracy", "max_steps": 9, "eval_answers": 2}
    trainer = trainer_of(tmp_path, eval_rows=rows_of(4), learning_rate=0.0, **options)
    trainer.add_callback(stop)
    trainer.train()
    assert trainer.state.global_step == 2  # no better than before
    lines = [line for line in trainer.state.log_history if "eval_loss" in line]
    assert all("eval_accuracy" in line for line in lines)


def test_the_loss_of_an_evaluation_is_the_mean_over_its_rows(tmp_path):
    rows, found = rows_of(7), []
    for size in (7, 3, 64):
        trainer = trainer_of(tmp_path, eval_rows=rows, per_device_eval_batch_size=size, noise=0.0)
        found.append(trainer.evaluate()["eval_loss"])
    alone = [trainer_of(tmp_path, eval_rows=[row], noise=0.0).evaluate()["eval_loss"] for row in rows]
    assert found == pytest.approx([np.mean(alone)] * 3, rel=1e-6)


def test_a_checkpoint_that_was_cut_short_is_passed_by_or_named(tmp_path):
    options = {"save_strategy": "steps", "save_steps": 2.0, "keyboard": "answers"}
    trainer_of(tmp_path, **options).train()
    (tmp_path / "checkpoint-4" / "trainer_state.json").unlink()
    again = trainer_of(tmp_path, **options)
    again.train(resume_from_checkpoint=True)
    assert again._initial_global_step == 2
    with pytest.raises(ValueError, match="was made on another keyboard"):
        trainer_of(tmp_path, rows=rows_of(24, seed=3), **options).train(str(tmp_path / "checkpoint-2"))
    buffer = tmp_path / "checkpoint-2" / "replay_buffer.safetensors"
    buffer.write_bytes(buffer.read_bytes()[:50])
    with pytest.raises(ValueError, match=r"replay_buffer\.safetensors was changed or cut short"):
        trainer_of(tmp_path, **options).train(str(tmp_path / "checkpoint-2"))
    with pytest.raises(ValueError, match="has no whole checkpoint to go on from"):
        trainer_of(tmp_path / "none", **options).train(resume_from_checkpoint=True)


def test_a_loss_that_is_no_number_ends_the_training(tmp_path):
    with pytest.raises(FloatingPointError, match="is nan in the updates up to"):
        trainer_of(tmp_path, method="mle", double=False, learning_rate=1e30, max_steps=8, logging_steps=1.0).train()


def test_several_data_sets_are_evaluated_each_under_its_name(tmp_path):
    trainer = trainer_of(tmp_path, eval_rows={"near": rows_of(4), "far": rows_of(4, seed=1)}, eval_answers=2)
    found = trainer.evaluate()
    assert {"eval_near_loss", "eval_far_loss", "eval_far_accuracy", "eval_near_accuracy_slips"} <= set(found)
    assert len(Demonstrations(trainer.examples)) == 24
