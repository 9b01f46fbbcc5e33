"""The transformer, and typing with it.

One sampler in four rooms, since each can be read, tested and replaced alone: `generation` decides what is pressed,
`batch` knows what stands where, `decoding` makes the pass, and `compiled` makes the same pass in C.

    flex         attention over deleted tokens on CUDA, without a matrix
    transformer  a GPT from scratch, whose inputs say where they stand and what they see
    decoding     the cache of keys and values as a stack, and a fast step through the transformer
    compiled     the same step in C (compiled.c)
    batch        the texts of a batch; who waits takes the place of who has ended
    generation   sampling in which a backspace costs no forward pass; begin with `generate`
"""

from smatch_edu.network.batch import Trace
from smatch_edu.network.decoding import Model
from smatch_edu.network.generation import GenerationResult, Sampling, generate
from smatch_edu.network.transformer import Transformer, TransformerConfig, apply_rotary, attention, rotary_angles

__all__ = [
    "GenerationResult",
    "Model",
    "Sampling",
    "Trace",
    "Transformer",
    "TransformerConfig",
    "apply_rotary",
    "attention",
    "generate",
    "rotary_angles",
]
