"""Typing with a language model: the library's own `generate`.

That asks a model for hidden vectors under an attention that is handed in, and for logits. So its sampler, its
stack-shaped cache and its free deletions serve any model here, and nothing is written again.

Source: this project's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from smatch_edu.huggingface.backspace import prompt_ids
from smatch_edu.huggingface.policy import LanguageModelPolicy
from smatch_edu.huggingface.preparation import as_policy
from smatch_edu.network.batch import Trace
from smatch_edu.network.generation import generate
from smatch_edu.network.transformer import Attend, TransformerConfig

# Options of their `generate`, and why or by what name they are not taken.
THEIRS = {
    "stopping_criteria": "theirs look at texts that only grow; max_actions and the end key stop a text",
    "streamer": "what was typed may be deleted; the traces tell every key",
    "logits_processor": "theirs look at texts that only grow; banned, top_k and top_p choose what may be typed",
    "max_new_tokens": "a deletion counts as well; give max_actions",
    "do_sample": "give greedy",
    "num_beams": "beams are not built",
}


class TypingModel(nn.Module):
    """A policy as `generate` wants it (`network.decoding.Model`).

    Raises:
        ValueError: layers with a sliding window, or a cap on scores, which the cache does not have.
    """

    def __init__(self, policy: LanguageModelPolicy) -> None:
        super().__init__()
        self.language_model = policy.model  # first: the cache has the numbers of a module's first weight
        self.policy, shape = policy, policy.model.config.get_text_config()
        for name in ("sliding_window", "attn_logit_softcapping"):
            given = getattr(shape, name, None)
            if given and (name != "sliding_window" or getattr(shape, "use_sliding_window", True)):
                raise ValueError(f"{type(policy.model).__name__} has {name} {given}; typing with it is not built")
        heads = shape.num_attention_heads
        keys = getattr(shape, "num_key_value_heads", None) or heads
        head = getattr(shape, "head_dim", None) or shape.hidden_size // heads
        layers, longest = shape.num_hidden_layers, policy.keys.max_length
        self.config = TransformerConfig(policy.keys.num_actions, layers, keys, keys * head, longest)

    def hidden(self, tokens: Tensor, positions: Tensor, attend: Attend) -> Float[Tensor, "rows inputs width"]:
        return self.policy.read(tokens, positions, attend=attend)

    def logits(self, hidden: Float[Tensor, "*texts width"]) -> Float[Tensor, "*texts actions"]:
        return self.policy.head(hidden)


class Typed(NamedTuple):
    """Answers as text, and what was typed for each, in the library's ids."""

    texts: list[str]
    traces: list[Trace]


def generate_with_backspace(model: Any, tokenizer: Any, prompts: Sequence[str], **options: Any) -> Typed:
    """Let a language model type after each prompt, deleting where it wants to.

    Args:
        model: a policy (`load_finetuned`, or `policy` of a trainer), or a model of `transformers` or PEFT, of which one
            is made.
        prompts: text, of any lengths: each row has its own positions, and nothing is padded.
        options: those of `network.generate`: max_actions, temperature, top_k, top_p, greedy, noise, seed, batch_size.
            Special tokens are never typed.

    Raises:
        ValueError: an option of their `generate` that is not taken here: a stopping criterion or a streamer, say, since
            a text that can become shorter has no stream, and no criterion was written for it.
    """
    for name in sorted(options):
        if name in THEIRS:
            raise ValueError(f"{name} is not taken: {THEIRS[name]}")
    policy = model if isinstance(model, LanguageModelPolicy) else as_policy(model, tokenizer)[0].eval()
    ids = policy.ids
    given = [ids.ours(prompt_ids(tokenizer, prompt)).tolist() for prompt in prompts]
    banned = [*policy.keys.banned(policy.config.backspace), *options.pop("banned", ())]
    found = generate(TypingModel(policy), given, ids.eos, ids.backspace, banned=banned, **options)
    return Typed([tokenizer.decode(ids.theirs[trace.text].tolist()) for trace in found.traces], found.traces)
