"""The library's own checkpoint goes on through its own loop, and through the trainer for models of `transformers`.

Both begin with the model in data/checkpoints/mle, a GPT-NeoX by another name, and train by SequenceMatch for as many
updates on the same questions. They draw other slips, and their learning rates fall a little differently; the answers
should be as good, within what seeds differ. `python benchmarks/finetune.py` runs it; it needs the extra `[hf]`.
"""

from __future__ import annotations

import argparse
import tempfile
from typing import Any

import torch
from table import machine

from smatch_edu.huggingface import SequenceMatchConfig, SequenceMatchTrainer, from_hugging_face, load_pretrained
from smatch_edu.huggingface.finetune import task_rows
from smatch_edu.support import packaged, text_table
from smatch_edu.training import Condition, Policy, TrainingConfig, evaluate, start_run

CONDITIONS = tuple(Condition(1.0, allowed, noise) for noise in (0.0, 0.1) for allowed in (True, False))
SHARED: dict[str, Any] = {
    "method": "sequencematch",
    "gamma": 0.95,
    "alpha": 0.01,
    "noise": 0.1,
    "demonstration_noise": 0.3,
    "beta_end": 0.5,
    "learning_rate": 1e-3,
    "weight_decay": 0.01,
}


def own_loop(seed: int, steps: int, start: str) -> Policy:
    """The policy after so many updates of the library's loop."""
    config = TrainingConfig(
        family="addition",
        init=start,
        steps=steps,
        warmup_steps=steps // 2,
        beta_steps=steps // 4,
        branches=1,
        batch_tokens=384,
        num_layers=3,
        width=96,
        seed=seed,
        **SHARED,
    )
    run = start_run(config)
    while run.step < steps:
        run.update()
    return run.policy.eval()


def their_loop(seed: int, steps: int, start: str) -> Policy:
    """The same through the trainer, put back into a policy of the library."""
    model, tokenizer = load_pretrained(start)
    with tempfile.TemporaryDirectory() as out:
        args = SequenceMatchConfig(
            output_dir=out,
            max_steps=steps,
            per_device_train_batch_size=34,
            warmup_steps=float(steps // 10),
            adam_beta2=0.98,
            row_length=64,
            max_actions=64,
            max_length=15,
            keyboard="all",  # as the library's task has it: + and = are keys as well
            seed=seed,
            report_to="none",
            save_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
            logging_strategy="no",
            **SHARED,
        )
        trainer = SequenceMatchTrainer(model, args, task_rows("addition", "train"), None, tokenizer)
        trainer.train()
    config = TrainingConfig(family="addition", num_layers=3, width=96, noise=0.1)
    policy = Policy(config.make_task(), config)
    policy.transformer.load_state_dict(from_hugging_face(trainer.policy.model).state_dict())
    return policy.eval()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--questions", type=int, default=1000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    start = str(packaged("checkpoints", "mle"))
    print(machine())
    print(f"{given.steps} updates of SequenceMatch from {given.seeds} seeds, {given.questions} held-out questions")
    loops, found = {"own loop": own_loop, "trainer": their_loop}, {}
    for name, loop in loops.items():
        runs = [loop(seed, given.steps, start) for seed in range(given.seeds)]
        asked = runs[0].task.split("held_out")[: given.questions]
        found[name] = evaluate(runs, asked, CONDITIONS)
    rows = []
    for number, condition in enumerate(CONDITIONS):
        for name in loops:
            right = found[name][number].right.mean(axis=1)
            spread = f"{right.min():.3f} to {right.max():.3f}"
            rows.append([str(condition), name, str(found[name][number].accuracy), spread])
    print(text_table(("answers", "through", "accuracy", "seeds"), rows, words=2, group=1))


if __name__ == "__main__":
    main()
