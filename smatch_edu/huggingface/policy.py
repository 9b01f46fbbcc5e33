"""Any causal language model of `transformers` as a policy: the library's own objective on it, and nothing copied.

The library numbers what can be pressed from 0: tokens that can be typed, then those that stand in prompts alone,
`<eos>` and `<backspace>`. A tokenizer has its special tokens anywhere. `TokenIds` goes from one to the other. The end
of a text may stand in a prompt as well, as in a chat: there it is a token like others, and here two ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from smatch_edu.configs.training import TrainingConfig
from smatch_edu.huggingface.visibility import NAME
from smatch_edu.network.flex import flex_attention_over
from smatch_edu.text.tree import TreePass
from smatch_edu.training.policy import Keys, TextPolicy


class TokenIds:
    """The library's ids, and those of a tokenizer.

    Args:
        vocab_size: of the model.
        eos, backspace: the tokenizer's ids of the two keys.
        never_typed: the tokenizer's ids of what stands in prompts alone: its other special tokens.

    Raises:
        ValueError: an id outside of the vocabulary, or both keys the same.
    """

    def __init__(self, vocab_size: int, eos: int, backspace: int, never_typed: Iterable[int] = ()) -> None:
        special = sorted({*never_typed, eos} - {backspace})
        for name, key in (("eos", eos), ("backspace", backspace), *(("never_typed", key) for key in special)):
            if not 0 <= key < vocab_size:
                raise ValueError(f"{name} is {key}; ids are 0..{vocab_size - 1}")
        if eos == backspace:
            raise ValueError(f"eos and backspace are both {eos}; two keys were wanted")
        typed = np.setdiff1d(np.arange(vocab_size), [*special, backspace])
        self.theirs = np.array([*typed, *special, eos, backspace])
        self.num_keys, self.eos, self.backspace = len(typed), len(self.theirs) - 2, len(self.theirs) - 1
        self._ours = np.zeros(vocab_size, dtype=np.int64)
        self._ours[self.theirs[:-2]] = np.arange(len(self.theirs) - 2)
        self._ours[backspace] = self.backspace

    def ours(self, ids: Sequence[int] | Int[np.ndarray, " ids"]) -> Int[np.ndarray, " ids"]:
        """The library's ids of tokens, in a prompt or typed; an `<eos>` among them is a token of a prompt."""
        return self._ours[np.asarray(ids, dtype=np.int64)]


class LanguageModelPolicy(TextPolicy):
    """A causal language model as a policy.

    Args:
        model: after `make_visible`; with a row for `<backspace>` in its embeddings.
        ids: what can be pressed.
        config: the learner's keyboard and the terminal states; its task and the shape of a network are not looked at.
        max_length: of a text, prompt included; the model's if left out.

    Raises:
        ValueError: the model does not see what it should (`make_visible` was not called), or its logits are not its
            head on its last hidden vectors.
    """

    model: PreTrainedModel

    def __init__(
        self, model: PreTrainedModel, ids: TokenIds, config: TrainingConfig, max_length: int | None = None
    ) -> None:
        shape = model.config.get_text_config()
        if model.config._attn_implementation != NAME:
            raise ValueError(f"the attention of the model is {model.config._attn_implementation!r}; call make_visible")
        positions = getattr(shape, "max_position_embeddings", None) or 2**31 - 1
        longest = max_length or positions
        if longest > positions:
            raise ValueError(f"max_length is {longest}; the model has positions for {positions}")
        head, _ = without_rows(model.get_output_embeddings())
        if not isinstance(getattr(head, "in_features", None), int):
            raise ValueError(f"{type(model).__name__} has no linear head; its logits cannot be computed text by text")
        keys = Keys(ids.num_keys, ids.eos, ids.backspace, longest)
        super().__init__(keys, config, head.in_features, model=model)
        self.absorbing_value = nn.Parameter(torch.zeros(1))  # who shards weights over processes wants an axis
        self.ids, self.cap = ids, getattr(shape, "final_logit_softcapping", None)
        self.theirs: Tensor
        self.register_buffer("theirs", torch.from_numpy(ids.theirs), persistent=False)
        self.to(model.device)
        self._check_head()

    def hidden(self, laid: TreePass) -> Float[Tensor, "rows inputs width"]:
        device = self.theirs.device
        depths, expires = (part.to(device) for part in (laid.positions, laid.expires))
        over = flex_attention_over(laid.expires, device) if device.type == "cuda" else None  # once, not in each layer
        return self.read(laid.tokens, depths, depths=depths, expires=expires, over=over)

    def read(self, tokens: Tensor, positions: Tensor, **given: Any) -> Float[Tensor, "rows inputs width"]:
        """The last hidden vectors of one pass over the library's ids; what is given besides is for the attention."""
        ids = self.theirs[tokens.to(self.theirs.device)]
        embedding, rows = without_rows(self.model.get_input_embeddings())
        if rows is None or rows[0] != [int(self.ids.theirs[-1])]:
            read = {"input_ids": ids}
        else:  # the row of <backspace> alone, which no text has
            read = {"inputs_embeds": embedding(ids)}
        return self.model.base_model(**read, position_ids=positions, use_cache=False, **given).last_hidden_state

    def head(self, hidden: Float[Tensor, "*texts width"]) -> Float[Tensor, "*texts actions"]:
        return self._logits(hidden)[..., self.theirs]

    def _logits(self, hidden: Tensor) -> Tensor:
        head, rows = without_rows(self.model.get_output_embeddings())
        logits = head(hidden)
        if rows is not None:
            numbers, weights = rows
            own = hidden @ weights.to(hidden.dtype).T
            logits = logits.index_copy(-1, torch.tensor(numbers, device=logits.device), own.to(logits.dtype))
        return logits if self.cap is None else self.cap * torch.tanh(logits / self.cap)

    @torch.no_grad()
    def _check_head(self) -> None:
        tokens, was_training = self.theirs[None, : min(self.keys.num_keys, 8)], self.model.training
        self.model.eval()  # else dropout would make the two differ
        wanted = self.model(tokens, use_cache=False).logits
        found = self._logits(self.model.base_model(tokens, use_cache=False).last_hidden_state)
        self.model.train(was_training)
        apart = float((found - wanted).abs().max() / wanted.float().std())
        if not apart < 1e-3:
            raise ValueError(
                f"the head of {type(self.model).__name__} does more than multiply: its logits are {apart:.2g} standard "
                "deviations off those of its output embeddings"
            )


def without_rows(table: Any) -> tuple[Any, tuple[list[int], Tensor] | None]:
    """An embedding or a head as it was before PEFT gave some tokens rows of their own that are trained, and those rows.

    PEFT copies the whole table in every pass to put them in. Here they are mostly that of `<backspace>`, which no text
    has, and of the logits they are a column each.
    """
    adapter = getattr(table, "token_adapter", None)
    if adapter is None:
        return table, None
    if adapter.disable_adapters or adapter.merged or not adapter.active_adapters:
        return adapter.base_layer, None
    (name,) = adapter.active_adapters
    return adapter.base_layer, (adapter.token_indices[name], adapter.trainable_tokens_delta[name])
