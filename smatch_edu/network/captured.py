"""Typing on a GPU: one action of every row is one step whose shapes never change, so that one CUDA graph serves all.

On a GPU a kernel takes less time than to ask for it, and to ask how a row has fared means to wait for all that was
asked for. So everything that `batch` knows of the rows is on the device, sampling too; a step is captured once and
replayed; and only now and then somebody looks whether all rows have ended. The chances of every row are drawn
beforehand, on the CPU: the texts are those that are typed there.

A deletion is a smaller depth, as everywhere. Its row reads the top of its text once more in the next pass, which is
made for all rows anyway, and writes what stands there already.

Source: this project's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from smatch_edu.network.batch import ENDINGS, Keys, Trace, traces
from smatch_edu.network.decoding import Decoder, Model, StackCache
from smatch_edu.network.sampling import Sampling
from smatch_edu.network.transformer import Transformer

LOOK_EVERY = 16  # steps between two looks at whether all rows have ended
WARM_UP = 3  # steps before one is captured: libraries make their choices and take their workspaces
EOS, MAX_ACTIONS, LENGTH = range(len(ENDINGS))
LOGITS = Transformer.logits


class CapturedTypist:
    """The rows of a batch that are typed at together, all of what is known of them on the model's device.

    Args:
        texts: the prompts.
        keys: `<eos>` and `<backspace>`, None where there is none.
        allowed: (vocab,), what may be typed.
        longest: no text is longer.
        chances: (rows, actions, 3), see `generation`.
    """

    def __init__(
        self,
        model: Transformer,
        texts: list[np.ndarray],
        keys: Keys,
        allowed: np.ndarray,
        longest: int,
        chances: np.ndarray,
        sampling: Sampling,
    ) -> None:
        self.model, self.sampling, self.longest = model, sampling, longest
        weight = model.embedding.weight
        rows, self.max_actions, device = len(texts), chances.shape[1], weight.device
        start = np.array([len(text) for text in texts])
        length = min(longest, int(start.max()) + self.max_actions)
        tokens = np.zeros((rows, length + 1), dtype=np.int64)  # in the last place stands what nobody reads
        for row, text in enumerate(texts):
            tokens[row, : len(text)] = text

        def put(part: np.ndarray) -> Tensor:
            return torch.from_numpy(part).to(device)

        self.tokens, self.start, self.allowed, self.chances = put(tokens), put(start), put(allowed), put(chances)
        self.depth, self.row = self.start.clone(), torch.arange(rows, device=device)
        self.count, self.ended, self.broken_at = torch.zeros_like(self.row), *torch.full((2, rows), -1, device=device)
        self.pressed, self.typed = torch.zeros(2, rows, self.max_actions + 1, dtype=torch.long, device=device)
        self.log_probs = torch.zeros(rows, self.max_actions + 1, device=device)
        self.hidden = weight.new_zeros(rows, length, model.config.width)
        self.cache = StackCache(model.config, rows, length, weight)
        self.places = torch.arange(length, device=device)

        ids = torch.arange(model.config.vocab_size, device=device)
        self.is_eos, self.is_backspace = (ids == (-1 if key is None else key) for key in keys)
        self.is_token = ~(self.is_eos | self.is_backspace)
        self.letters = (self.is_token & self.allowed).nonzero()[:, 0]
        self.rank = torch.searchsorted(self.letters, ids)

    def run(self, first: int = 0) -> tuple[list[Trace], int]:
        """Type until all rows have ended: what each did, and how many passes that took. ValueError for logits that are
        no numbers, naming row (`first` being the number of the first) and action."""
        passes = self._read_prompts()
        self._read_tops()
        act: Callable[[], None] = self.step
        steps = 0
        while steps < self.max_actions:
            if steps == WARM_UP or steps % LOOK_EVERY == 0:
                if steps and bool((self.ended >= 0).all()):
                    break
                if steps == WARM_UP and self.row.is_cuda and self.max_actions - steps > WARM_UP:
                    act = self._captured()
            act()
            steps += 1
        if not bool((self.ended >= 0).all()):
            raise RuntimeError("some rows have not ended; the captured step does nothing on this device")
        for row in np.flatnonzero(self.broken_at.cpu().numpy() >= 0):
            action = int(self.broken_at[row])
            raise ValueError(f"row {first + row} has NaN or infinite logits at action {action}; is it trained?")
        parts = (self.count, self.pressed, self.typed, self.log_probs, self.tokens, self.start, self.depth, self.ended)
        return traces(*(part.cpu().numpy() for part in parts)), passes + steps + 1

    def step(self) -> None:
        """One action of every row that has not ended, and the pass that reads what stands on top then."""
        logits = self.model.logits(self.hidden[self.row, self.depth - 1]).float()
        unwell = ~logits.isfinite().all(dim=1)
        self.broken_at.copy_(torch.where(unwell & (self.ended < 0), self.count, self.broken_at))
        self.ended.copy_(torch.where(unwell & (self.ended < 0), MAX_ACTIONS, self.ended))  # and `run` will complain
        logits = logits.masked_fill(unwell[:, None], 0.0)
        legal = self.is_token & (self.depth < self.longest)[:, None] | self.is_eos
        legal = (legal | self.is_backspace & (self.depth > self.start)[:, None]) & self.allowed
        self.ended.copy_(torch.where((self.ended < 0) & ~legal.any(dim=1), LENGTH, self.ended))
        live = self.ended < 0

        scores = self.sampling.log_probabilities(logits.masked_fill(~legal, -torch.inf))
        chance, slip, which = self.chances[self.row, self.count.clamp(max=self.max_actions - 1)].unbind(1)
        if self.sampling.greedy:
            pressed = scores.argmax(dim=1)
        else:  # see `generation`: the step of the ladder on which the chance falls
            ladder = scores.exp().cumsum(dim=1, dtype=torch.float64)
            pressed = torch.searchsorted(ladder, (1 - chance[:, None]) * ladder[:, -1:])[:, 0]
            pressed = pressed.clamp(max=len(self.is_token) - 1)  # a row that has ended may have nothing to press
        others = len(self.letters) - 1
        slipped = self.letters[(self.rank[pressed] + 1 + (which * others).long()) % (others + 1)]
        typed = torch.where(self.is_token[pressed] & (slip < self.sampling.noise), slipped, pressed)

        place = torch.where(live, self.count, self.max_actions)[:, None]
        self.pressed.scatter_(1, place, pressed[:, None])
        self.typed.scatter_(1, place, typed[:, None])
        self.log_probs.scatter_(1, place, scores.gather(1, pressed[:, None]))
        grows, deletes = live & self.is_token[typed], live & self.is_backspace[typed]
        self.tokens.scatter_(1, torch.where(grows, self.depth, self.tokens.shape[1] - 1)[:, None], typed[:, None])
        self.depth.add_(grows.long() - deletes.long())
        self.count.add_(live.long())
        spent = live & (self.count == self.max_actions)
        ended = torch.where(live & self.is_eos[typed], EOS, torch.where(spent, MAX_ACTIONS, self.ended))
        self.ended.copy_(ended)
        self._read_tops()

    def _read_tops(self) -> None:
        top = self.depth[:, None] - 1
        seen = rearrange(self.places <= top, "b k -> b 1 1 k")

        def attend(queries: Tensor, keys: Tensor, values: Tensor, layer: int) -> Tensor:
            stored = self.cache.stored[layer]
            stored[:, self.row, :, top[:, 0]] = rearrange([keys, values], "two b h 1 d -> b two h d")
            return F.scaled_dot_product_attention(queries, stored[0], stored[1], attn_mask=seen)

        found = self.model.hidden(self.tokens.gather(1, top), top, attend)
        self.hidden[self.row, top[:, 0]] = found[:, 0]

    def _read_prompts(self) -> int:
        """One pass over the prompts, all but their last tokens; how many passes that took."""
        width = int(self.start.max()) - 1
        if width:
            prompts = StackCache(self.model.config, len(self.row), width, self.hidden)
            positions = self.places[:width].expand(len(self.row), -1)
            self.hidden[:, :width] = self.model.hidden(
                self.tokens[:, :width], positions, prompts.attend(positions, positions)
            )
            self.cache.stored[..., :width, :] = prompts.stored
        return int(width > 0)

    def _captured(self) -> Callable[[], None]:
        """A step as a CUDA graph, captured on a stream of the model's own device."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self.row.device):
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                graph.capture_begin()
                self.step()
                graph.capture_end()
            torch.cuda.current_stream().wait_stream(stream)
        return graph.replay


def fits(model: Model) -> bool:
    """Whether a step of this model can be captured: a `Transformer` as it is written, with no Python of anybody else's
    in it, which a graph would not call."""
    kinds = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
    if Decoder.misfit(model, kinds) is not None:
        return False
    return type(model).logits is LOGITS and "logits" not in vars(model)
