"""`smatch finetune`: from a file of examples, or a task of this package, to a folder with a finetuned model."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig

from smatch_edu.configs.finetune import FinetuneConfig
from smatch_edu.huggingface.arguments import SequenceMatchConfig
from smatch_edu.huggingface.pretrained import load_pretrained
from smatch_edu.huggingface.trainer import SequenceMatchTrainer
from smatch_edu.huggingface.typing import generate_with_backspace
from smatch_edu.support.errors import shortened
from smatch_edu.support.files import as_path, read_text
from smatch_edu.tasks import get_task

HELD_OUT = 200  # rows of a file that has no other beside it to measure on, and at most a tenth

Rows = list[dict[str, Any]]


def read_jsonl(path: str | Path) -> Rows:
    """The objects of a file, one a line; empty lines are left out.

    Raises:
        FileNotFoundError: no such file.
        ValueError: naming the line that is no JSON object, or not UTF-8.
    """
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path} line {number} is no JSON: {error}") from None
            if not isinstance(row, dict):
                raise ValueError(f"{path} line {number} is {shortened(line)}; a JSON object was wanted")
            rows.append(row)
    if not rows:
        raise ValueError(f"{path} has no example; at least one JSON object was wanted")
    return rows


def task_rows(task: str, split: str, count: int | None = None) -> Rows:
    """Examples of a task of this package as text: sums, or words letter by letter, since a tokenizer has a token for
    each letter behind a space."""
    if task == "words":
        words = get_task("keyboard", letters="aehnorst", longest_word=3)
        spelled = ("".join(f" {letter}" for letter in words.show(one.answer)) for one in words.split(split)[:count])
        return [{"prompt": "A word, spelled:", "completion": text} for text in spelled]
    sums = get_task("arithmetic", family=task)
    return [{"prompt": sums.show(one.prompt), "completion": sums.show(one.answer)} for one in sums.split(split)[:count]]


def rows_of(config: FinetuneConfig) -> tuple[Rows, Rows]:
    """Examples to learn from, and those to measure on. ValueError for a file that holds none to measure on."""
    if config.task:
        return task_rows(config.task, "train"), task_rows(config.task, "test", max(config.questions, 1))
    assert config.data is not None
    rows = read_jsonl(config.data)
    if config.eval_data is not None:
        return rows, read_jsonl(config.eval_data)
    kept = min(HELD_OUT, len(rows) // 10)
    if not kept:
        raise ValueError(f"{config.data} has {len(rows)} examples, too few to keep a tenth; give eval_data")
    return rows[:-kept], rows[-kept:]


def trainer_of(config: FinetuneConfig, rows: Rows, measured: Rows, **options: Any) -> SequenceMatchTrainer:
    """The trainer that `smatch finetune` runs.

    Args:
        options: of `SequenceMatchConfig`, on top of what the config says.

    Raises:
        ValueError: 4 bits without a GPU or without bitsandbytes; and as the trainer.
    """
    on_gpu, load = torch.cuda.is_available(), dict[str, Any]()
    if config.setting("quantise"):
        load |= {"quantization_config": _four_bits(), "device_map": {"": int(os.environ.get("LOCAL_RANK", "0"))}}
    if on_gpu:
        load["dtype"] = torch.bfloat16 if config.setting("lora") else torch.float32
    args = SequenceMatchConfig(
        output_dir=str(config.out),
        max_steps=config.steps,
        per_device_train_batch_size=config.batch_size // config.accumulate,
        gradient_accumulation_steps=config.accumulate,
        per_device_eval_batch_size=64,
        learning_rate=config.setting("learning_rate"),
        lr_scheduler_type="cosine",
        warmup_steps=float(min(10, config.steps // 10)),
        max_grad_norm=1.0,
        bf16=on_gpu,
        use_cpu=not on_gpu,
        logging_steps=float(max(1, config.steps // 20)),
        save_steps=float(max(1, config.steps // 4)),
        save_total_limit=1,
        method=config.method,
        gamma=config.setting("gamma"),
        alpha=config.setting("alpha"),
        noise=config.setting("noise"),
        demonstration_noise=config.demonstration_noise,
        beta_end=config.beta_end,
        cloning_steps=config.cloning_steps,
        beta_steps=config.beta_steps,
        terminal=config.terminal,
        keyboard=config.keyboard or ("answers" if config.task else "all"),
        max_length=config.max_length,
        max_actions=config.max_actions,
        data_name=f"the task {config.task} of smatch_edu" if config.task else Path(config.data or "").name,
        eval_answers=config.questions,
        seed=config.seed,
        **{"report_to": "none", **options},
    )
    model, tokenizer = load_pretrained(config.setting("model"), **load)
    rank = config.setting("lora")
    adapter = LoraConfig(r=rank, lora_alpha=config.setting("lora_alpha"), target_modules="all-linear") if rank else None
    return SequenceMatchTrainer(model, args, rows, measured, tokenizer, peft_config=adapter)


def finetune(config: FinetuneConfig) -> tuple[SequenceMatchTrainer, dict[str, float]]:
    """Finetune, save, and measure; a folder that holds a run is gone on with only if that is wanted.

    Returns:
        The trainer, and what was measured: the share of answers that are right, with the key and without.
    """
    out, rows, first = as_path(config.out), rows_of(config), os.environ.get("RANK", "0") == "0"
    begun = sorted(out.glob("checkpoint-*")) if out.exists() else []
    if first and out.exists() and any(out.iterdir()) and not config.resume:
        raise ValueError(f"{out} is not empty; go on with --resume, or choose another place with --out")
    trainer = trainer_of(config, *rows)
    trainer.train(resume_from_checkpoint=True if begun and config.resume else None)
    measured = trainer.evaluate()
    trainer.save_model()
    return trainer, {name.removeprefix("eval_"): value for name, value in measured.items() if "accuracy" in name}


def shown(trainer: SequenceMatchTrainer, rows: Sequence[dict[str, Any]], count: int = 4) -> list[str]:
    """Some prompts, and the keys that the model presses after them, on the keyboard on which it learned."""
    config = trainer.config_now()
    options = {"max_actions": config.max_actions, "noise": config.noise, "seed": config.seed}
    prompts = [row["prompt"] for row in rows[:count] if isinstance(row.get("prompt"), str)]
    if not prompts:
        return []
    typed = generate_with_backspace(trainer.policy, trainer.tokenizer, prompts, **options)
    keys, lines = trainer.policy.ids, []
    for prompt, trace in zip(prompts, typed.traces, strict=True):
        strokes = [
            "⌫" if key == keys.backspace else "⏎" if key == keys.eos else trainer.tokenizer.decode([keys.theirs[key]])
            for key in trace.actions
        ]
        lines.append(f"{prompt}{''.join(strokes)}")
    return lines


def _four_bits() -> Any:
    from transformers import BitsAndBytesConfig
    from transformers.utils import is_bitsandbytes_available

    if not torch.cuda.is_available():
        raise ValueError("quantise needs a GPU, and torch finds none here; leave it out (--quantise False)")
    if not is_bitsandbytes_available():
        raise ValueError(
            "quantise needs bitsandbytes: run `pip install bitsandbytes`, or leave it out (--quantise False)"
        )
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
