"""Who sees whom in a packed pass, for causal language models of the `transformers` library.

The library lets one register a function that does the attention of any model. Ours reads keyword arguments of the
model's call, which reach it untouched: `expires` (see `text.packing`) and `depths`, the positions. So

    model(tokens, position_ids=depths, depths=depths, expires=expires)

is a packed pass, and without `expires` the model does what it always did. No code of any model is copied, and whether
an architecture honours it is tried on the model itself (`check_visibility`): one with recurrent layers, say, cannot.

Source: this project's.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from smatch_edu.network.flex import flex_attention_over
from smatch_edu.network.transformer import Attend
from smatch_edu.text.packing import visible
from smatch_edu.text.trajectories import Trajectory, TrajectoryBatch
from smatch_edu.text.tree import as_tree, read_once

NAME = "smatch"
TRIED = 24  # actions of a walk in the self-test
TOLERANCE = {
    torch.float32: 1e-4,
    torch.float64: 1e-9,
    torch.bfloat16: 0.5,  # it is .06 with 124 M weights and .12 with 1.2 billion; with a wrong mask 4 and more
    torch.float16: 0.06,
}  # of the logits' spread


def attention_of_a_layer(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    *,
    expires: Int[Tensor, "rows inputs"] | None = None,
    attend: Attend | None = None,
    over: Attend | None = None,
    depths: Int[Tensor, "rows inputs"] | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """The attention of one layer: (rows, heads, inputs, head) → (rows, inputs, heads, head). What a model hands over
    besides is its own: fewer heads of keys than of queries, a window, a cap on the scores. With `attend` the caller
    has the keys and values, and does the rest (`network.decoding.StackCache`). `over` is `flex_attention_over` of
    `expires`, where it was made for all layers at once."""
    if attend is not None:
        factor = 1.0 if scaling is None else scaling * query.shape[-1] ** 0.5  # theirs, by ours
        return attend(query * factor, key, value, int(cast(int, module.layer_idx))).transpose(1, 2).contiguous(), None
    if expires is None:
        given = {"sliding_window": sliding_window, **others}
        found, _ = sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **given)
        return found, None
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    if (over is not None or query.is_cuda) and softcap is None and sliding_window is None and not dropout:
        factor = scale * query.shape[-1] ** 0.5
        found = (over or flex_attention_over(expires))(query * factor, key, value, 0)
        return found.transpose(1, 2).contiguous(), None
    seen = _seen(expires, depths, sliding_window)[:, None]
    if softcap is None:
        found = F.scaled_dot_product_attention(query, key, value, seen, dropout, scale=scale)
    else:
        scores = softcap * torch.tanh(query @ key.mT * (scale / softcap))
        shares = scores.float().masked_fill(~seen, -math.inf).softmax(dim=-1).to(query.dtype)
        found = F.dropout(shares, dropout) @ value
    return found.transpose(1, 2).contiguous(), None


def _seen(expires: Tensor, depths: Tensor | None, window: int | None) -> Bool[Tensor, "rows inputs inputs"]:
    """k ≤ q < expires[k], and where a layer has a window, not further back in the text than that."""
    seen = visible(expires)
    if window is not None and depths is not None:
        seen = seen & (depths[:, :, None] - depths[:, None, :] < window)
    return seen


AttentionInterface.register(NAME, attention_of_a_layer)
AttentionMaskInterface.register(NAME, sdpa_mask)


@contextlib.contextmanager
def _as_it_came(model: PreTrainedModel, implementation: str) -> Iterator[None]:
    ours = model.config._attn_implementation
    model.set_attn_implementation(implementation)
    try:
        yield
    finally:
        model.set_attn_implementation(ours)


def make_visible(model: PreTrainedModel) -> PreTrainedModel:
    """Let a model take `expires` and `depths`, and try whether it honours them; without them it is as it was.

    Raises:
        ValueError: it does not, saying by how much and from which layer on.
    """
    before = model.config._attn_implementation
    try:
        model.set_attn_implementation(NAME)
    except (ValueError, AttributeError, KeyError) as error:
        raise ValueError(f"{type(model).__name__} takes no attention function of another's: {error}") from None
    try:
        check_visibility(model, before)
    except ValueError:
        model.set_attn_implementation(before)
        raise
    return model


@torch.no_grad()
def check_visibility(model: PreTrainedModel, before: str = "sdpa", seed: int = 0) -> float:
    """Type and delete at random, and compare the logits of one packed pass with those of a run on each text alone.

    Args:
        before: the attention with which the model came, for the runs on single texts.

    Returns:
        The largest difference, as a share of the standard deviation of the logits.

    Raises:
        ValueError: it is more than `TOLERANCE`, naming the first layer whose outputs differ.
    """
    rng, vocab = np.random.default_rng(seed), model.config.get_text_config().vocab_size
    batch = TrajectoryBatch.of(*(_random_walk(rng, vocab) for _ in range(3)))
    tree = as_tree(batch, vocab, None).tree
    laid = read_once(tree, 4 * TRIED)
    was_training, device = model.training, model.device
    model.eval()
    try:
        tokens, depths, expires = (part.to(device) for part in laid[:3])
        together = model(
            tokens, position_ids=depths, depths=depths, expires=expires, use_cache=False, output_hidden_states=True
        )
        worst, layers = 0.0, np.zeros(len(together.hidden_states or ()))
        spread = float(together.logits.float().std())
        with _as_it_came(model, before):
            for text in rng.choice(len(tree.token), size=min(16, len(tree.token)), replace=False).tolist():
                alone = model(_text(tree, text, device), use_cache=False, output_hidden_states=True)
                row, place = divmod(int(laid.at[text]), tokens.shape[1])
                worst = max(worst, float((together.logits[row, place] - alone.logits[0, -1]).abs().max()) / spread)
                for layer, (one, other) in enumerate(zip(together.hidden_states, alone.hidden_states, strict=True)):
                    difference = (one[row, place] - other[0, -1]).float().norm() / other[0, -1].float().norm()
                    layers[layer] = max(layers[layer], float(difference))
    finally:
        model.train(was_training)
    allowed = TOLERANCE.get(model.dtype, 0.5)
    if not worst <= allowed:
        wrong = np.flatnonzero(~(layers <= allowed))
        suspect = f"; the first layer that differs is number {wrong[0]} of {len(layers) - 1}" if len(wrong) else ""
        raise ValueError(
            f"{type(model).__name__} does not see what it should: the logits of a packed pass are {worst:.2g} standard "
            f"deviations off those of the same text alone, and {allowed:g} is allowed{suspect}. It may have recurrent "
            "layers, or positions of its own; it cannot be trained on texts with deletions in one pass"
        )
    return worst


def _random_walk(rng: np.random.Generator, backspace: int) -> Trajectory:
    typed, standing = list[int](), 0
    for _ in range(TRIED):
        back = standing > 0 and rng.random() < 0.35
        typed.append(backspace if back else int(rng.integers(backspace)))
        standing += -1 if back else 1
    return Trajectory(rng.integers(backspace, size=int(rng.integers(1, 5))), np.array(typed), np.array(typed))


def _text(tree: Any, number: int, device: torch.device) -> Tensor:
    tokens = list[int]()
    while number >= 0:
        tokens.insert(0, int(tree.token[number]))
        number = int(tree.parent[number])
    return torch.tensor([tokens], device=device)
