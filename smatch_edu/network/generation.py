"""Generation with a backspace key that costs nothing.

Keys and values are written at each row's own depth of text, like a stack. So `<backspace>` only lowers a pointer: the
text under it is the one that was there before, its keys, values and last hidden vector are still in place, and the next
action is chosen from them at once, without a forward pass. Each row of a batch backtracks on its own.

Read `generate` first, then the two ways to choose, `_sample` and `_search`. At the end is what may come in, with its
refusals. Texts and what is known of them are in `batch`, the cache in `decoding`.

Source: Cundy & Ermon 2023; that a deletion needs no pass is this project's. Su et al. 2022 (contrastive search).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from smatch_edu.network import captured
from smatch_edu.network.batch import Keys, TextBatch, Trace
from smatch_edu.network.compiled import WORTH_A_THREAD, CompiledDecoder, torch_threads
from smatch_edu.network.decoding import Model
from smatch_edu.network.sampling import Sampling, likeliest
from smatch_edu.network.transformer import Transformer
from smatch_edu.support.arrays import as_ids, is_whole

FORWARD = Transformer.forward  # as it is when this is imported


class GenerationResult(NamedTuple):
    """Traces, one a prompt, and how many forward passes they took together."""

    traces: list[Trace]
    num_forward_passes: int


def _on_gpu(model: Model) -> bool:
    return isinstance(model, Transformer) and model.embedding.weight.is_cuda


@torch.no_grad()
def generate(
    model: Model,
    prompts: Sequence[Any] | np.ndarray | Tensor,
    eos: int | None,
    backspace: int | None = None,
    max_actions: int = 256,
    temperature: float = 1.0,
    seed: Any = 0,
    *,
    top_k: int | None = None,
    top_p: float = 1.0,
    greedy: bool = False,
    noise: float = 0.0,
    contrastive: float | None = None,
    exploration: float = 0.0,
    max_length: int | None = None,
    banned: Iterable[int] = (),
    batch_size: int | None = None,
    compiled: bool = False,
) -> GenerationResult:
    """Let the model type after each prompt, deleting where it wants to.

    A row's result depends on its prompt, the seed and its number, and not on the other rows (unless two numbers
    that decide, a chance and a border or two scores, differ by less than about 1e-5, or 1e-2 in bfloat16: sums over a
    batch may round differently).

    The passes are those that the model would make itself: with its hooks, with a part or method that was replaced, and
    under `torch.autocast` in the numbers that it chooses. Only of a `Transformer` as it is written there are faster
    ways: on a CPU, in float32 or float64, the passes that read one token a row are written out (`Decoder`); on a GPU
    an action of all rows is one CUDA graph (`captured`). Whatever the model's numbers, an action is chosen from its
    logits in float32.

    Args:
        model: see `Model`.
        prompts: rows of ids (lists, arrays or tensors), at least one each, of any lengths.
        eos, backspace: their ids; None if there is no such key.
        max_actions: after so many a row ends, also one that types and deletes for ever.
        seed: a whole number ≥ 0 for all rows, which then differ by their numbers; or one for each row.
        max_length: longest text, prompt included; the model's if left out. There only `<eos>` and `<backspace>` are
            legal.

        banned: ids that may stand in a prompt and are never typed: a start sign, or `<backspace>`, to see what a model
            does without it.
        batch_size: how many rows are typed at once; the others wait until some have ended, so that memory grows with it
            and not with the number of prompts. All at once if left out.
        compiled: whether the passes that read one token a row are made in C (see `compiled.py`), for a `Transformer` of
            float32 on a CPU. A C compiler must be there; compiling takes a second, once in a process. Rows type the
            same; in batches of more than 8, some wait a pass after deleting, so that there are a few passes more. Where
            other work runs on the machine, too, PyTorch's threads wait for one another many times as long as they
            compute: there this helps most, and without it `torch.set_num_threads(1)` does.

        The rest is that of `Sampling`. Who chooses without chance (greedy or contrastive, no noise) and deletes comes
        back to the same text and does the same again, until max_actions.

    Raises:
        ValueError: an empty prompt, an id outside the vocabulary, a prompt that is too long, a number out of range, or
            logits that are NaN or infinite, with the row and action; or `compiled` for another model, or together with
            contrastive search, whose passes read several candidates.
            Or the `forward` of the transformer as a whole was replaced, which is not called here.
        RuntimeError: `compiled` without a C compiler.
    """
    sampling = Sampling(temperature, top_k, top_p, greedy, noise, contrastive, exploration)
    _check_model(model)
    vocab, longest = model.config.vocab_size, model.config.max_length if max_length is None else max_length
    for name, number, optional in (
        ("max_length", longest, ""),
        ("max_actions", max_actions, ""),
        ("batch_size", batch_size, ", or None"),
    ):
        if not is_whole(number, 1) and not (optional and number is None):
            raise ValueError(f"{name} is {number!r}; a whole number, at least 1{optional} was wanted")
    if longest > model.config.max_length:
        raise ValueError(f"max_length is {longest}; the model has positions for {model.config.max_length}")
    if compiled and contrastive is not None:
        raise ValueError("compiled=True reads one input a row; contrastive search has several")
    keys = _checked_keys(eos, backspace, vocab)
    texts = _checked_prompts(prompts, keys, vocab, int(longest))
    chances = np.stack([np.random.default_rng(one).random((max_actions, 3)) for one in _seeds(seed, len(texts))])
    allowed = _allowed(banned, keys, vocab)
    if noise and len(np.setdiff1d(np.flatnonzero(allowed), [key for key in keys if key is not None])) < 2:
        raise ValueError(f"noise is {noise}, and there is no other token to slip to")
    if contrastive is None and not compiled and _on_gpu(model) and captured.fits(model):
        return _captured(cast(Transformer, model), texts, keys, allowed, int(longest), chances, sampling, batch_size)
    width = 0 if contrastive is None else top_k or 4
    at_once, threads = int(batch_size or len(texts)), torch.get_num_threads()
    # PyTorch's threads spin between two passes, on processors that the next pass in C needs, or another process. So
    # there is one where the logits, the only large product beside the passes, are not worth two.
    alone = compiled and at_once * vocab * model.config.width < 2 * WORTH_A_THREAD
    with torch_threads(1 if alone else threads):
        sizes = int(longest), int(max_actions), at_once, int(width)
        batch = TextBatch(model, texts, keys, allowed, *sizes, compiled, threads)
        (_sample if contrastive is None else _search)(batch, _Keyboard(batch, chances, noise), sampling)
    return GenerationResult(batch.traces(), batch.num_forward_passes)


def _captured(
    model: Transformer,
    texts: list[np.ndarray],
    keys: Keys,
    allowed: np.ndarray,
    longest: int,
    chances: np.ndarray,
    sampling: Sampling,
    batch_size: int | None = None,
) -> GenerationResult:
    """All rows on the model's device (see `captured`), so many at once."""
    found, passes, at_once = list[Trace](), 0, batch_size or len(texts)
    for first in range(0, len(texts), at_once):
        rows = slice(first, first + at_once)
        typist = captured.CapturedTypist(model, texts[rows], keys, allowed, longest, chances[rows], sampling)
        more, took = typist.run(first)
        found += more
        passes += took
    return GenerationResult(found, passes)


def _sample(batch: TextBatch, keyboard: _Keyboard, sampling: Sampling) -> None:
    """Draw actions until every row has ended. One pass reads what all rows have typed.

    Rows that delete come round again: the text below is known already. But a pass in C costs only a few such rounds; so
    there, when they are fewer than an eighth of the rows that grew, they wait for the pass that those need anyway."""
    live, waits = batch.admit(np.arange(0)), isinstance(batch.decoder, CompiledDecoder)
    while live.size:
        batch.read_tops(live)
        grown, ready = [], live
        while ready.size:
            scores = sampling.log_probabilities(batch.logits(ready))
            pressed = scores.numpy().argmax(axis=1) if sampling.greedy else keyboard.choose(ready, scores)
            grew, deleted = batch.press(ready, pressed, keyboard.type(ready, pressed), scores)
            grown.append(grew)
            ready = batch.not_stuck(deleted)
            if waits and 8 * len(ready) < sum(map(len, grown)):
                grown.append(ready)
                break
        live = batch.admit(batch.not_stuck(np.sort(np.concatenate(grown))))


def _search(batch: TextBatch, keyboard: _Keyboard, sampling: Sampling) -> None:
    """Contrastive search: of the likeliest actions v after a text x the one with the largest

        (1 - w) · p(v | x) - w · max_j cos(h_v, h_j),    h the last hidden vectors, j over the text that stands.

    p is the policy over legal actions, at the temperature. All candidates of a row are inputs of one pass: they stand
    at the same depth, see the text below, and not one another. What the chosen one wrote is kept, so that an action
    costs one pass (and a slip of the keyboard a second one). A key is no token and has no vector of its own:
    `<backspace>` is judged by the top of the text it leads to, `<eos>` by the top of the text it leaves standing, each
    compared with what is below that top (0 if nothing is).

    Source: Su et al. 2022; for the keys, this project's.
    """
    weight, live, unread = sampling.contrastive or 0.0, batch.admit(np.arange(0)), True
    while live.size:
        if unread:
            batch.read_tops(live)
        scores = sampling.log_probabilities(batch.logits(live))
        kept = likeliest(scores, min(sampling.top_k or 4, scores.shape[1]))
        theirs = scores[kept].view(len(live), -1)  # (rows, k), and their ids
        candidates = kept.nonzero()[:, 1].view(len(live), -1).numpy()
        places, vectors, penalty = _read_candidates(batch, live, candidates)
        worth = (1 - weight) * theirs.exp() - weight * penalty
        best = worth.masked_fill(theirs.isneginf(), -math.inf).numpy().argmax(axis=1)  # -∞ is illegal
        pressed = candidates[np.arange(len(live)), best]
        typed = keyboard.type(live, pressed)
        _keep_candidates(batch, live, best, places, vectors, batch.is_token[typed] & (typed == pressed))
        standing = batch.not_stuck(np.sort(np.concatenate(batch.press(live, pressed, typed, scores))))
        live = batch.admit(standing)
        unread = (typed != pressed).any() or len(live) > len(standing)


def _read_candidates(batch: TextBatch, live: np.ndarray, candidates: np.ndarray) -> tuple[np.ndarray, Tensor, Tensor]:
    """Where candidates (rows, k) stand in the cache, the vectors by which they are judged, and the largest cosine of
    each with those below it. One pass, unless no candidate is a token that has room."""
    batch.drop_ended(live)
    tokens, depth, slots = batch.is_token[candidates], batch.depth[live][:, None], batch.slot[live]
    below = depth - np.where(tokens, 0, np.where(candidates == batch.backspace, 2, 1))
    vectors = batch.hidden[slots[:, None], np.minimum(below, batch.hidden.shape[1] - 1)]  # right for keys
    places = batch.depth[batch.slots].max() + np.arange(candidates.shape[1])  # above every text, so in nobody's use
    if (tokens & (depth < batch.longest)).any():
        fed = np.zeros((len(batch.slots), candidates.shape[1]), dtype=np.int64)
        fed[slots] = np.where(tokens, candidates, 0)
        positions = np.minimum(batch.depth[batch.slots], batch.longest - 1)[:, None].repeat(fed.shape[1], axis=1)
        found = batch.read(batch.cache, fed, positions, places + np.zeros_like(fed))[slots]
        vectors = torch.where(torch.from_numpy(tokens)[:, :, None].to(found.device), found, vectors)
    text = batch.hidden[slots, : int(depth.max())]
    exact = torch.promote_types(text.dtype, torch.float32)
    with torch.autocast(text.device.type, enabled=False):  # what is compared is ours, and needs its digits
        each, all_below = (F.normalize(part.to(exact), dim=2) for part in (vectors, text))
        cosines = each @ rearrange(all_below, "b n w -> b w n")
    unseen = torch.from_numpy(np.arange(text.shape[1]) >= below[:, :, None])
    largest = cosines.float().cpu().masked_fill(unseen, -math.inf).amax(dim=2)
    return places, vectors, largest.masked_fill(torch.from_numpy(below == 0), 0.0)


def _keep_candidates(
    batch: TextBatch, live: np.ndarray, best: np.ndarray, places: np.ndarray, vectors: Tensor, kept: np.ndarray
) -> None:
    """What was computed for these candidates is what is on top of the text once they are typed."""
    rows, chosen = live[kept], best[kept]
    slots, depth = batch.slot[rows], batch.depth[rows]
    if len(rows):
        batch.cache.stored[:, :, slots, :, depth] = batch.cache.stored[:, :, slots, :, places[chosen]]
    batch.hidden[slots, depth] = vectors[np.flatnonzero(kept), chosen]


class _Keyboard:
    """What each row's chances make of it: three numbers in [0, 1) for every action, drawn before anything is typed, so
    that no other row can change them: (rows, actions, 3)."""

    def __init__(self, batch: TextBatch, chances: np.ndarray, noise: float) -> None:
        self.batch, self.chances, self.noise = batch, chances, noise
        self.letters = np.flatnonzero(batch.is_token & batch.allowed)

    def choose(self, rows: np.ndarray, scores: Tensor) -> np.ndarray:
        """The action on whose step of the ladder p_0, p_0 + p_1, ... the first chance falls."""
        ladder = scores.exp().cumsum(dim=1, dtype=torch.float64)
        # 1 - chance is in (0, 1]: at neither end is an action of probability 0 met.
        aim = (1 - self.chances[rows, self.batch.count[rows], :1]) * ladder[:, -1:].numpy()
        return torch.searchsorted(ladder, torch.from_numpy(aim))[:, 0].numpy()

    def type(self, rows: np.ndarray, pressed: np.ndarray) -> np.ndarray:
        """What appears when these keys are pressed: with probability η another token, if they are tokens."""
        if not self.noise:
            return pressed
        _, slip, which = self.chances[rows, self.batch.count[rows]].T
        shift = 1 + (which * (len(self.letters) - 1)).astype(np.int64)
        other = self.letters[(np.searchsorted(self.letters, pressed) + shift) % len(self.letters)]
        return np.where(self.batch.is_token[pressed] & (slip < self.noise), other, pressed)


def _check_model(model: Any) -> None:
    if not isinstance(model, Model):
        raise ValueError(
            f"model is a {type(model).__name__}; one with config, hidden and logits was wanted (of a model that "
            "DataParallel or its kind wraps, hand in .module)"
        )
    if isinstance(model, Transformer) and ("forward" in vars(model) or Transformer.forward is not FORWARD):
        raise ValueError(
            "the model's forward was replaced; typing calls hidden and logits, and would pass it by. Replace those, or "
            "hand in the model as it was before (`del model.forward`)"
        )
    if isinstance(model, Transformer) and len(model.blocks) > model.config.num_layers:
        raise ValueError(f"the model has {len(model.blocks)} blocks; its config says {model.config.num_layers}")
    for name, weight in model.named_parameters() if isinstance(model, torch.nn.Module) else ():
        if weight.is_meta:
            raise ValueError(f"{name} is {weight.dtype} on meta, which holds no numbers; weights were wanted")


def _checked_keys(eos: Any, backspace: Any, vocab: int) -> Keys:
    for name, key in (("eos", eos), ("backspace", backspace)):
        if key is not None and not (is_whole(key, 0) and key < vocab):
            raise ValueError(f"{name} is {key!r}; an id in 0..{vocab - 1}, or None, was wanted")
    if eos is not None and eos == backspace:
        raise ValueError(f"eos and backspace are both {eos}; two keys were wanted")
    return eos if eos is None else int(eos), backspace if backspace is None else int(backspace)


def _checked_prompts(prompts: Any, keys: Keys, vocab: int, longest: int) -> list[np.ndarray]:
    """The prompts as rows of ids, each of which has a token, has room, and has no key."""
    if not hasattr(prompts, "__len__") or getattr(prompts, "ndim", 1) == 0:
        raise ValueError(f"prompts is a {type(prompts).__name__}; rows of ids, one a prompt, were wanted")
    if not len(prompts):
        raise ValueError("there is no prompt; at least one was wanted")
    texts = []
    for row, prompt in enumerate(prompts):
        ids = as_ids(f"prompt {row}", prompt)
        if not len(ids):
            raise ValueError(f"prompt {row} is empty; at least one token must stand before the first action")
        if len(ids) > longest:
            raise ValueError(f"prompt {row} has {len(ids)} tokens; max_length is {longest}")
        for place in np.flatnonzero((ids >= vocab) | np.isin(ids, [key for key in keys if key is not None])):
            raise ValueError(f"prompt {row} has id {ids[place]} at position {place}; tokens below {vocab} were wanted")
        texts.append(ids)
    return texts


def _seeds(seed: Any, rows: int) -> list[Any]:
    """What the chances of each row are drawn from: of one seed for all, the seed and the row's number."""
    listed: Any = seed.tolist() if hasattr(seed, "tolist") and not getattr(seed, "is_meta", False) else seed
    if is_whole(listed, 0):
        return [[int(listed), row] for row in range(rows)]
    if isinstance(listed, Sequence) and len(listed) == rows and all(is_whole(one, 0) for one in listed):
        return [int(one) for one in listed]
    raise ValueError(f"seed is {seed!r}; a whole number ≥ 0, or one for each of {rows} prompts, was wanted")


def _allowed(banned: Any, keys: Keys, vocab: int) -> np.ndarray:
    """(vocab,), what may be typed."""
    ids = as_ids("banned", list(banned) if isinstance(banned, Set | Mapping) else banned)
    for key in ids[ids >= vocab]:
        raise ValueError(f"banned has id {key}; ids are 0..{vocab - 1}")
    allowed = ~np.isin(np.arange(vocab), ids)
    tokens = np.setdiff1d(np.arange(vocab), [key for key in keys if key is not None])
    if not allowed[tokens].any():
        raise ValueError(f"banned has all {len(tokens)} tokens; one must be left to type")
    return allowed
