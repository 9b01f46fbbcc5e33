"""A pretrained model finetuned in several ways, each for as many updates: what does the key do, and what the objective?

The table has a row a run; a run that was interrupted goes on from its last checkpoint.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from smatch_edu.configs.finetune import FinetuneStudyConfig
from smatch_edu.huggingface.finetune import task_rows, trainer_of
from smatch_edu.support.results import Row, extend_table
from smatch_edu.training.metrics import share_interval

SETTINGS = ("task", "arm", "seed", "model", "steps", "batch_size", "noise", "learning_rate", "settings")
CONDITIONS = ("accuracy", "accuracy_no_backspace", "accuracy_slips", "accuracy_slips_no_backspace")
MEASURED = ("split", "questions", "seconds", *(part for name in CONDITIONS for part in (name, f"{name}_interval")))


def finetuning(config: FinetuneStudyConfig) -> None:
    """Finetune every arm, and add its row to the table.

    Raises:
        ValueError: a model that is not to be had, or a setting out of range, before anything is trained.
    """
    runs = config.runs(Path(tempfile.gettempdir()))

    def measure(row: Row) -> list[Row]:
        run = runs[tuple(str(row[name]) for name in SETTINGS)]
        asked = task_rows(run.task, config.split, config.questions)
        trainer, start = trainer_of(run, task_rows(run.task, "train"), asked), time.perf_counter()
        trainer.train(resume_from_checkpoint=any(run.out.glob("checkpoint-*")) or None)
        seconds = time.perf_counter() - start
        found = trainer.answer(asked)
        shutil.rmtree(run.out, ignore_errors=True)
        told: dict[str, object] = {"split": config.split, "questions": len(asked), "seconds": f"{seconds:.0f}"}
        for name in CONDITIONS:
            share = share_interval(round(found[name] * len(asked)), len(asked))
            told |= {name: f"{share.estimate:.4f}", f"{name}_interval": f"{share.low:.4f} {share.high:.4f}"}
        return [told]

    extend_table(config.out, [dict(zip(SETTINGS, key, strict=True)) for key in runs], MEASURED, measure)
