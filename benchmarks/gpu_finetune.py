"""What finetuning models of `transformers` costs on a GPU, in bf16: updates, their memory, and generation.

    python benchmarks/gpu_finetune.py                         # needs a CUDA build of torch and the extra [hf]
    python benchmarks/gpu_finetune.py --sizes "Llama 1 B, LoRA" --pairs 3 --out gpu_finetune.md

Sections, rows, medians and the self-test without a GPU are as in `gpu.py`. Random weights: nothing is downloaded. Of
GPT-2 and SmolLM2 all weights are trained; of the Llama (the shape of Llama-3.2-1B) an adapter as the paper has it.

An update of SequenceMatch is the trainer's own, typing every `sample_every` updates included. Likelihood (mle) is the
trainer's as well, on the very same trajectories: demonstrations, and texts that the model typed. So both rates are of
the same tokens. What SequenceMatch reads besides, one slip of the learner's keyboard for each press, is a row of its
own, and counts as work done in the fraction of the peak, where typing, attention and what is computed twice to save
memory do not. The memory is all that a training holds at its peak: weights, optimiser and passes.
"""

from __future__ import annotations

import copy
import gc
import itertools
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from gpu import HEADER, Bench, command, expect, peak_flops, peak_memory
from table import Table
from torch import nn

try:
    from peft import LoraConfig
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PreTrainedTokenizerFast, PrinterCallback
    from transformers.pytorch_utils import Conv1D

    from smatch_edu.huggingface import (
        SequenceMatchConfig,
        SequenceMatchTrainer,
        as_policy,
        check_visibility,
        generate_with_backspace,
    )
    from smatch_edu.huggingface.visibility import TOLERANCE
except ImportError as error:
    sys.exit(f"nothing was measured: this needs the extra [hf] ({error})")

from smatch_edu.text import TrajectoryBatch
from training import keep_what_is_read


class Shape(NamedTuple):
    """A model of random weights, and the adapter that is trained, if not all of it is."""

    config: Any
    adapter: Any = None


LORA = LoraConfig(r=64, lora_alpha=16, target_modules="all-linear")
STILL = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}  # FlexAttention has no dropout
SHAPES = {
    "GPT-2 124 M": Shape(GPT2Config(**STILL)),
    "SmolLM2 135 M": Shape(
        LlamaConfig(
            vocab_size=49_152,
            hidden_size=576,
            intermediate_size=1536,
            num_hidden_layers=30,
            num_attention_heads=9,
            num_key_value_heads=3,
            max_position_embeddings=8192,
            tie_word_embeddings=True,
        )
    ),
    "Llama 1 B, LoRA": Shape(
        LlamaConfig(
            vocab_size=128_256,
            hidden_size=2048,
            intermediate_size=8192,
            num_hidden_layers=16,
            num_attention_heads=32,
            num_key_value_heads=8,
            max_position_embeddings=131_072,
            tie_word_embeddings=True,
        ),
        LORA,
    ),
}


def model_of(bench: Bench, size: str) -> tuple[Any, Any]:
    """The model of a size, made where it will be, and a tokenizer of as many words."""
    config = copy.deepcopy(bench.sizes[size].config)
    config.bos_token_id, config.eos_token_id = None, config.vocab_size - 1
    torch.manual_seed(0)
    with torch.device(bench.device):
        model = AutoModelForCausalLM.from_config(config, dtype=bench.dtype)
    words = {f"w{number}": number for number in range(config.vocab_size - 1)} | {"<eos>": config.vocab_size - 1}
    whole = Tokenizer(models.WordLevel(words, unk_token="w0"))
    whole.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return model, PreTrainedTokenizerFast(tokenizer_object=whole, eos_token="<eos>")


def words_of(rng: np.random.Generator, count: int, size: int) -> str:
    return " ".join(f"w{word}" for word in rng.integers(size - 1, size=count))


def trainer_of(bench: Bench, size: str, method: str, out: str) -> Any:
    """A trainer with all settings left as they are but for rows, batches, and that it begins with the objective.

    Texts have an eighth of a row. An update takes so many that SequenceMatch has 16 rows to read: the demonstrations,
    as many texts of the model, and a slip for each press.
    """
    model, tokenizer = model_of(bench, size)
    rng, length, batch = np.random.default_rng(0), bench.inputs // 8, bench.inputs // 32
    words = partial(words_of, rng, size=model.config.vocab_size)
    data = [
        {"prompt": words(length // 8), "completion": words(int(count))}
        for count in rng.integers(length // 2, length - length // 8, size=4 * batch, endpoint=True)
    ]
    args = SequenceMatchConfig(
        output_dir=out,
        method=method,
        max_steps=2,
        per_device_train_batch_size=batch,
        row_length=bench.inputs,
        num_samples=2 * batch,
        cloning_steps=0,
        beta_steps=1,
        bf16=bench.dtype == torch.bfloat16,
        use_cpu=bench.device == "cpu",
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    trainer = SequenceMatchTrainer(model, args, data, None, tokenizer, bench.sizes[size].adapter)
    trainer.remove_callback(PrinterCallback)
    return trainer


def updates_of(trainer: Any) -> Callable[[], None]:
    """What makes the next update, of the pieces of which their loop makes it, which cannot be stopped in between. The
    loop runs before, for two updates, so that there is an optimiser, and what is compiled is compiled."""
    trainer.train()
    model, batches = trainer.model_wrapped, itertools.cycle(list(trainer.get_train_dataloader()))

    def update() -> None:
        loss = trainer.training_step(model, next(batches))
        assert torch.isfinite(loss), f"the loss is {loss}"  # their loop looks, too, and waits
        trainer.accelerator.clip_grad_norm_(model.parameters(), trainer.args.max_grad_norm)
        trainer.optimizer.step()
        model.zero_grad()
        trainer.state.global_step += 1

    return update


def flops_per_input(model: Any) -> int:
    """Of an update, in products with weights: 2 for each weight forwards, 2 for the gradient of what came in, and 2 for
    that of the weight, if it is trained."""
    tables = {id(part.weight): part.weight for part in model.modules() if isinstance(part, nn.Linear | Conv1D)}
    return sum((6 if weight.requires_grad else 4) * weight.numel() for weight in tables.values())


def keep_inputs(policy: Any, inputs: list[int]) -> None:
    """Let a policy append how many inputs each pass has, without padding."""
    hidden = policy.hidden

    def counting(laid: Any) -> Any:
        inputs.append(len(laid.at))
        return hidden(laid)

    policy.hidden = counting


def in_use(device: str) -> float:
    """MiB that are not free for others; on the CPU, where torch keeps no such account, none."""
    gc.collect()  # a trainer and what it holds are a circle
    return torch.cuda.memory_allocated() / 2**20 if device == "cuda" else 0.0


def update(bench: Bench, size: str) -> None:
    """SequenceMatch, all that belongs to it, against likelihood on the same trajectories."""
    read, inputs = list[TrajectoryBatch](), {"sequencematch": list[int](), "mle": list[int]()}
    with tempfile.TemporaryDirectory() as out:
        trainers, steps, held = [], [], [in_use(bench.device)]
        for method, counts in inputs.items():
            trainer = trainer_of(bench, size, method, out)
            steps.append(updates_of(trainer))
            trainers.append(trainer)
            keep_inputs(trainer.policy, counts)
            held.append(in_use(bench.device))
        run, plain = trainers
        keep_what_is_read(run, read)
        every = run.args.sample_every  # ten

        def several() -> None:
            for _ in range(every):
                steps[0]()

        def likelihood() -> None:
            for walked in read[-every:]:
                plain.demonstrations = lambda *_, walked=walked: walked
                steps[1]()

        ours, theirs, ratio = bench.times(several, likelihood, 1)
        each = [every * float(np.mean(counts)) for counts in inputs.values()]
        peak, tokens = peak_flops(torch.cuda.get_device_name() if bench.device == "cuda" else ""), each[1]
        done = [flops_per_input(run.policy.model) * count / peak for count in each]
        bench.row("update, tokens/s, SequenceMatch / mle", size, (tokens / ours, tokens / theirs, 1 / ratio), ">= 0.77")
        bench.row("update, of peak, SequenceMatch / mle", size, (done[0] / ours, done[1] / theirs), "reported")
        bench.row("inputs of ten updates, SequenceMatch / mle", size, each, "reported")
        over = [peak_memory(some, bench.device) for some in (several, likelihood)]
        peaks = [over[0] + held[1] - held[0], over[1] + held[2] - held[1]]
        bench.row("update, MiB at the peak, SequenceMatch / mle", size, peaks, "<= 1.3")
        allowed = TOLERANCE[bench.dtype]
        bench.row("packed pass off single texts / allowed", size, (check_visibility(run.policy.model), allowed), "< 1")


def generation(bench: Bench, size: str, rows: int = 64) -> None:
    """Keys a second of `generate_with_backspace` beside the model's own `generate`, both sampled from all of the
    vocabulary: where a fifth of the keys are <backspace>, and where none is."""

    def made() -> tuple[Any, Any]:
        model, tokenizer = model_of(bench, size)
        return as_policy(model, tokenizer, peft_config=bench.sizes[size].adapter)[0].eval(), tokenizer

    (policy, tokenizer), (theirs, _) = made(), made()
    theirs.model.set_attn_implementation("sdpa")  # as it came
    rng, keys, start = np.random.default_rng(0), bench.inputs // 8, bench.inputs // 32
    prompts = [words_of(rng, start, len(tokenizer) - 1) for _ in range(rows)]
    ids = torch.tensor([tokenizer(prompt)["input_ids"] for prompt in prompts], device=bench.device)
    offsets, head = torch.zeros(policy.keys.num_actions, device=bench.device), policy.head
    policy.head = lambda hidden: head(hidden) + offsets
    pressed = 0.0

    def typing(share: float) -> None:
        """Fresh weights give logits near 0, so that a constant, added to that of the key, sets its share."""
        offsets[-1] = np.log(policy.keys.num_keys * share / (1 - share)) if share else -60.0
        options = {"max_actions": keys, "banned": [policy.keys.eos], "seed": 1}
        found = [trace.actions for trace in generate_with_backspace(policy, tokenizer, prompts, **options).traces]
        assert [len(actions) for actions in found] == [keys] * rows, "a text has ended too early"
        nonlocal pressed
        pressed = sum(actions.count(policy.keys.backspace) for actions in found) / (rows * keys)

    def by_them() -> None:
        length = {"max_new_tokens": keys, "min_new_tokens": keys, "pad_token_id": 0}
        found = theirs.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=0, **length)
        assert found.shape == (rows, start + keys), f"theirs has {tuple(found.shape)} tokens"

    done = rows * keys
    for share in (0.2, 0.0):
        ours_s, theirs_s, ratio = bench.times(partial(typing, share), by_them, 1)
        what = f"keys/s, {pressed:.0%} backspaces, ours / their generate"
        bench.row(what, size, (done / ours_s, done / theirs_s, 1 / ratio), ">= 1")


SECTIONS = (update, generation)
TINY = {"vocab_size": 96, "tie_word_embeddings": True, "bos_token_id": 0, "eos_token_id": 95}
TINY_SHAPES = {
    "GPT-2": Shape(GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=64, **TINY, **STILL)),
    "Llama, LoRA": Shape(
        LlamaConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            **TINY,
        ),
        LORA,
    ),
}


def self_test() -> None:
    """Every section, small, and what must hold of it on any device."""
    bench = Bench("cpu", torch.bfloat16, 1, 64, TINY_SHAPES, Table(HEADER))
    counted, weights = flops_per_input(model_of(bench, "GPT-2")[0]), 2 * 12 * 32**2 + 96 * 32
    expect(counted == 6 * weights, f"{counted} operations for {weights} weights")
    for size in TINY_SHAPES:
        update(bench, size)
        generation(bench, size, 4)
    found = {f"{what.strip()}, {size}": (float(a), float(b)) for what, size, a, b, *_ in bench.table.rows}
    expect(len(found) == len(bench.table.rows) == 7 * len(TINY_SHAPES), f"{len(found)} rows in the table")
    for size in TINY_SHAPES:
        both, once = found[f"inputs of ten updates, SequenceMatch / mle, {size}"]
        expect(1.5 < both / once < 2, f"{size} reads {both} inputs by SequenceMatch, {once} by mle")
        off, allowed = found[f"packed pass off single texts / allowed, {size}"]
        expect(0 < off < allowed, f"a packed pass of {size} is {off} off, and {allowed} is allowed")


def main() -> None:
    command(__doc__, SECTIONS, SHAPES, self_test)


if __name__ == "__main__":
    main()
