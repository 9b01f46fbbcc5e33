"""What `smatch compare` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smatch_edu.support.errors import check_seed


@dataclass(frozen=True)
class ComparisonConfig:
    """Let three trained models answer the same questions, and train one for half a minute.

    Attributes:
        out: the report, one HTML page that opens offline.
        figures: a folder into which each figure is written as SVG, too.
        checkpoints: a folder with the runs mle, bc and sequencematch, and base, with which all three began; the
            package's own if left out.
        split: the questions of the table.
        shown: how many of them are typed before your eyes.
        steps: updates of the live training; 0 for none.
        seed: of the typing.
    """

    out: Path = Path("comparison.html")
    figures: Path | None = None
    checkpoints: Path | None = None
    split: str = "held_out"
    shown: int = 4
    steps: int = 400
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        for name in ("shown", "steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 0")
