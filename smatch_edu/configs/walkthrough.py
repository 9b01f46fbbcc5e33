"""What `smatch walkthrough` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smatch_edu.support.errors import check_seed


@dataclass(frozen=True)
class WalkthroughConfig:
    """Type real words at a noisy keyboard, and train the typist exactly.

    Attributes:
        out: the report, one HTML page that opens offline.
        figures: a folder into which each figure is written as SVG, too.
        words: a file of words and counts (a header `word<TAB>count`, then one a line); Shakespeare's if left out.
        max_length: longest word, in letters. 3 makes 18,279 texts, 4 makes 475,255.
        noise: how often the keyboard slips, a share of keystrokes; one column of results each.
        gamma: discount, in (0, 1).
        alpha: weight of the entropy, > 0.
        seed: of the typing shown in the report; the results do not depend on it.
    """

    out: Path = Path("walkthrough.html")
    figures: Path | None = None
    words: Path | None = None
    max_length: int = 3
    noise: tuple[float, ...] = (0.0, 0.05, 0.2)
    gamma: float = 0.9
    alpha: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if not self.noise:
            raise ValueError("noise is empty; at least one level was wanted, for instance 0.05")
        if twice := [level for number, level in enumerate(self.noise) if level in self.noise[:number]]:
            raise ValueError(f"noise has the level {twice[0]} twice; each makes a column of results")
