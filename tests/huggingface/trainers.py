"""Small trainers, for the tests and for the processes that they start."""

import numpy as np
import torch
from peft import LoraConfig
from test_backspace import tokenizer_of
from test_visibility import MODELS, model_of

from smatch_edu.huggingface import SequenceMatchConfig, SequenceMatchTrainer

SMALL = {
    "max_steps": 4,
    "per_device_train_batch_size": 8,
    "optim": "sgd",  # so that weights show gradients, and not only their signs
    "learning_rate": 0.05,
    "lr_scheduler_type": "constant",
    "max_grad_norm": 0.0,
    "noise": 0.2,
    "alpha": 0.1,
    "gamma": 0.9,
    "cloning_steps": 1.0,
    "beta_steps": 2.0,
    "sample_every": 2,
    "num_samples": 5,
    "buffer_size": 9,
    "max_actions": 8,
    "max_length": 24,
    "logging_steps": 4.0,
    "report_to": "none",
    "use_cpu": True,
    "save_strategy": "no",
    "disable_tqdm": True,
}


def rows_of(count=24, seed=0):
    """Prompts and answers of a few words."""
    rng = np.random.default_rng(seed)
    texts = [
        " ".join(f"w{word}" for word in rng.integers(90, size=size)) for size in rng.integers(1, 5, size=2 * count)
    ]
    return [{"prompt": one, "completion": other} for one, other in zip(texts[::2], texts[1::2], strict=True)]


def trainer_of(
    out, kind="llama", adapter=False, double=True, rows=None, eval_rows=None, model=None, tokenizer=None, **options
):
    """A trainer on a small model of random weights; in float64, so that what is equal is equal."""
    model = model_of(np.random.default_rng(0), *MODELS[kind]) if model is None else model
    model = model.double() if double else model
    args = SequenceMatchConfig(output_dir=str(out), **{**SMALL, **options})
    lora = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear") if adapter else None
    torch.manual_seed(0)
    rows = rows_of() if rows is None else rows
    return SequenceMatchTrainer(model, args, rows, eval_rows, tokenizer or tokenizer_of(), peft_config=lora)


def weights_of(trainer):
    """Everything that is trained."""
    return {name: part.detach().clone() for name, part in trainer.policy.named_parameters() if part.requires_grad}
