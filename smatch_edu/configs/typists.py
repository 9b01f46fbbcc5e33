"""What `smatch typists` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smatch_edu.support.errors import check_seed


@dataclass(frozen=True)
class TypistsConfig:
    """Three trained networks type words on a keyboard that slips, beside what all runs of the experiment did.

    Attributes:
        out: the report, one HTML page that opens offline.
        figures: a folder into which each figure is written as SVG, too.
        checkpoints: a folder with the runs typist_mle, typist_sequencematch and typist_shown; the package's own if left
            out.
        table: that of `smatch experiment keyboard`; the package's own if left out.
        shown: how many words each types before your eyes.
        seed: of the typing.
    """

    out: Path = Path("typists.html")
    figures: Path | None = None
    checkpoints: Path | None = None
    table: Path | None = None
    shown: int = 12
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.shown < 1:
            raise ValueError(f"shown is {self.shown}; it must be at least 1")
