"""What is typed: characters as ids, and what became of them.

vocabulary    characters to ids, `<eos>` and `<backspace>`; the real words
trajectories  typed, meant and deleted, one or many; demonstrations typed with slips
packing       a walk laid out for one parallel pass, and who sees whom
tree          all texts of a batch, each of them read once
"""

from smatch_edu.text.packing import ABSORBING, NEVER, PackedBatch, pack, pack_batch, visible
from smatch_edu.text.trajectories import Trajectory, TrajectoryBatch, augment, augment_batch
from smatch_edu.text.tree import TextTree, as_tree, read_once
from smatch_edu.text.vocabulary import Vocabulary, Words, load_words

__all__ = [
    "ABSORBING",
    "NEVER",
    "PackedBatch",
    "TextTree",
    "Trajectory",
    "TrajectoryBatch",
    "Vocabulary",
    "Words",
    "as_tree",
    "augment",
    "augment_batch",
    "load_words",
    "pack",
    "pack_batch",
    "read_once",
    "visible",
]
