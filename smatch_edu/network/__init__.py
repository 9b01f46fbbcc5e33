"""The transformer, and typing with it.

One sampler in five rooms, where nanoGPT has twenty lines: those read the whole text again for every token, and all
rows end at once. Here `generation` decides what is pressed, and alone knows how (contrastive search included); `batch`
knows what stands where, since rows delete, end and make room one by one; `decoding` makes a pass, over the cache;
`compiled` makes the same pass in C, and `captured` has all of it on a GPU. For the idea without any of it read
`generation._sample` and `TextBatch.press`.

    flex         attention over deleted tokens on CUDA, without a matrix
    transformer  a GPT from scratch, whose inputs say where they stand and what they see
    decoding     the cache of keys and values as a stack, and a fast step through the transformer
    compiled     the same step in C (compiled.c)
    batch        the texts of a batch; who waits takes the place of who has ended
    sampling     how an action is chosen from logits
    captured     typing on a GPU: an action of all rows as one CUDA graph
    generation   sampling in which a backspace costs no forward pass; begin with `generate`
"""

from smatch_edu.network.batch import Trace
from smatch_edu.network.decoding import Model
from smatch_edu.network.generation import GenerationResult, generate
from smatch_edu.network.sampling import Sampling
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
