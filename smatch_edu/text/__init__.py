"""What is typed: characters as ids, and what became of them.

vocabulary    characters to ids, `<eos>` and `<backspace>`; the real words
trajectories  typed, meant and deleted; noise; packed for one parallel pass, with who sees whom
"""

from smatch_edu.text.trajectories import ABSORBING, NEVER, PackedBatch, Trajectory, augment, pack, pack_batch, visible
from smatch_edu.text.vocabulary import Vocabulary, Words, load_words

__all__ = [
    "ABSORBING",
    "NEVER",
    "PackedBatch",
    "Trajectory",
    "Vocabulary",
    "Words",
    "augment",
    "load_words",
    "pack",
    "pack_batch",
    "visible",
]
