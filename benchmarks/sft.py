"""Finetuning by likelihood, through `SequenceMatchTrainer` and through TRL's `SFTTrainer`: as good, and as fast?

    python -m pip install trl
    python benchmarks/sft.py --model smollm2 --steps 60      # or the small checkpoint of this package, in seconds

Both see the same rows in the same order, with the same adapter, optimiser and learning rates. Their losses differ in
one thing: theirs is a mean over tokens, ours over answers. So after every few updates both are asked for the same
number, nats per held-out answer, by one function that belongs to neither. Times are those of training without it, and
tokens those of prompts and answers without padding; the trainers run in turn, for each seed.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from table import machine, median
from transformers import TrainerCallback

from smatch_edu.huggingface import SequenceMatchConfig, SequenceMatchTrainer, load_pretrained
from smatch_edu.huggingface.finetune import Rows, task_rows
from smatch_edu.support import packaged, text_table

NO_TRL = "TRL is not installed: run `python -m pip install trl`"
LOOKS = 4  # at the held-out answers, besides the one before training


def tokens_of(tokenizer: Any, row: dict[str, Any]) -> tuple[list[int], int]:
    """A prompt, its answer and the end, and how many tokens the prompt has."""
    prompt = tokenizer(row["prompt"])["input_ids"]
    return [*tokenizer(row["prompt"] + row["completion"])["input_ids"], tokenizer.eos_token_id], len(prompt)


@torch.no_grad()
def nats_per_answer(model: Any, tokenizer: Any, rows: Rows) -> float:
    """Minus the log-likelihood of an answer and its end, after its prompt; the mean over the rows. Each text has a pass
    of its own."""
    total = 0.0
    for row in rows:
        tokens, given = tokens_of(tokenizer, row)
        log_probabilities = model(torch.tensor([tokens]), use_cache=False).logits[0].log_softmax(-1)
        places = torch.arange(given, len(tokens))
        total -= log_probabilities[places - 1, torch.tensor(tokens)[places]].sum().item()
    return total / len(rows)


class Watch(TrainerCallback):
    """Looks at the held-out answers, and takes the time that this takes."""

    def __init__(self, rows: Rows, every: int) -> None:
        self.rows, self.every, self.curve, self.seconds = rows, every, list[float](), 0.0
        self.model: Any = None
        self.tokenizer: Any = None

    def look(self) -> None:
        started, training = time.perf_counter(), self.model.training
        self.model.eval()
        self.curve.append(nats_per_answer(self.model, self.tokenizer, self.rows))
        self.model.train(training)
        self.seconds += time.perf_counter() - started

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.look()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step % self.every == 0:
            self.look()


def trained(ours: bool, given: argparse.Namespace, seed: int, out: str) -> tuple[list[float], float]:
    """The held-out curve of one training, and its tokens a second."""
    model, tokenizer = load_pretrained(given.model)
    rows, held_out = task_rows(given.task, "train"), task_rows(given.task, "validation", given.questions)
    watch = Watch(held_out, max(1, given.steps // LOOKS))
    adapter = LoraConfig(r=16, lora_alpha=16, target_modules="all-linear")
    shared: dict[str, Any] = {
        "output_dir": out,
        "max_steps": given.steps,
        "per_device_train_batch_size": given.batch_size,
        "learning_rate": given.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": given.steps // 10,
        "max_grad_norm": 0.0,  # it would see a mean over answers and one over tokens as of other lengths
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "seed": seed,
        "report_to": "none",
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
    }
    torch.manual_seed(seed)
    trainer: Any
    if ours:
        args = SequenceMatchConfig(**shared, method="mle")
        trainer = SequenceMatchTrainer(model, args, rows, None, tokenizer, adapter, callbacks=[watch])
        watch.model = trainer.language_model
    else:
        from datasets import Dataset
        from trl import SFTConfig, SFTTrainer

        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
        trainer = SFTTrainer(
            model,
            SFTConfig(**shared, max_length=None),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            peft_config=adapter,
            callbacks=[watch],
        )
        watch.model = trainer.model
    watch.tokenizer = tokenizer
    started = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - started - watch.seconds
    some = rows[:200]
    in_a_row = sum(len(tokens_of(tokenizer, row)[0]) for row in some) / len(some)
    return watch.curve, given.steps * given.batch_size * in_a_row / seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default=str(packaged("checkpoints", "mle")))
    parser.add_argument("--task", default="addition")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--questions", type=int, default=50)
    given = parser.parse_args()
    if importlib.util.find_spec("trl") is None:
        sys.exit(NO_TRL)
    torch.set_num_threads(1)
    print(machine())
    print(
        f"{Path(given.model).name}, {given.task}: {given.steps} updates of {given.batch_size} rows, {given.seeds} seeds"
    )
    curves: dict[str, list[list[float]]] = {"SequenceMatchTrainer": [], "SFTTrainer": []}
    ratios = []
    with tempfile.TemporaryDirectory() as out:
        for seed in range(given.seeds):
            fast = []
            for name, some in curves.items():
                curve, speed = trained(name == "SequenceMatchTrainer", given, seed, out)
                some.append(curve)
                fast.append(speed)
                print(f"seed {seed}, {name}: {speed:.0f} tokens/s", flush=True)
            ratios.append(fast[0] / fast[1])
    every = max(1, given.steps // LOOKS)
    looks = range(len(curves["SFTTrainer"][0]))
    rows = [
        [name, *(f"{min(c[at] for c in some):.3f} to {max(c[at] for c in some):.3f}" for at in looks)]
        for name, some in curves.items()
    ]
    print("Nats per held-out answer, the range of the seeds, after so many updates:")
    print(text_table(("", *(str(every * at) for at in looks)), rows, words=1, group=0))
    print(f"Tokens a second, SequenceMatchTrainer / SFTTrainer: {median(ratios):.2f} (median of {len(ratios)} pairs)")


if __name__ == "__main__":
    main()
