"""A language model made ready: with the key, seeing what it should, and perhaps with an adapter."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from peft import PeftModel, get_peft_model, prepare_model_for_kbit_training

from smatch_edu.configs.training import TrainingConfig
from smatch_edu.huggingface.backspace import BACKSPACE, add_backspace, token_ids
from smatch_edu.huggingface.policy import LanguageModelPolicy
from smatch_edu.huggingface.visibility import NAME, make_visible


def as_policy(
    model: Any,
    tokenizer: Any,
    config: TrainingConfig | None = None,
    *,
    typed: Iterable[int] | None = None,
    max_length: int | None = None,
    peft_config: Any = None,
) -> tuple[LanguageModelPolicy, Any]:
    """A language model as a policy: with `<backspace>`, seeing what it should, and perhaps with an adapter.

    Args:
        model: a model of `transformers`, or one that PEFT gave an adapter.
        config: the learner's keyboard and the terminal states.
        typed: the tokenizer's ids of the tokens on the keyboard; all but the special ones if left out.
        max_length: of a text, prompt included.
        peft_config: of an adapter that shall be made. The row of `<backspace>` is trained and kept with it.

    Returns:
        The policy, and the model as `transformers` or PEFT sees it.

    Raises:
        ValueError: an adapter for a model that has one already; and as `add_backspace`, `make_visible` and
            `LanguageModelPolicy`.
    """
    base: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    if peft_config is not None and base is not model:
        raise ValueError("the model has an adapter already; give it without peft_config, or merge that first")
    key = add_backspace(base, tokenizer)
    if base.config._attn_implementation != NAME:
        make_visible(base)
    ids = token_ids(base, tokenizer, typed)
    if peft_config is not None:
        if getattr(base, "is_loaded_in_4bit", False) or getattr(base, "is_loaded_in_8bit", False):
            base = prepare_model_for_kbit_training(base, use_gradient_checkpointing=False)
        model = get_peft_model(base, _with_key(base, peft_config, key))
    return LanguageModelPolicy(base, ids, config or TrainingConfig(noise=0.0), max_length), model


def _with_key(model: Any, peft_config: Any, key: int) -> Any:
    """The adapter's config with a row for the key, in the embedding and, unless that is the same, in the head."""
    found = copy.deepcopy(peft_config)
    if not hasattr(found, "trainable_token_indices"):
        raise ValueError(
            f"peft_config is a {type(found).__name__}, which cannot train the row of {BACKSPACE}; LoRA can"
        )
    ends = [model.get_input_embeddings()]
    tied = ends[0].weight is model.get_output_embeddings().weight
    if not tied:
        ends.append(model.get_output_embeddings())
    names = [name.split(".")[-1] for name, part in model.named_modules() if any(part is end for end in ends)]
    whole = set(found.modules_to_save or ())
    if tied and whole & {*names, "lm_head", "embed_out"}:
        raise ValueError(
            f"modules_to_save has {', '.join(sorted(whole))}, and the embedding of {type(model).__name__} is its head "
            f"as well; leave it out (the row of {BACKSPACE} is trained anyway), or train all weights"
        )
    head = names[-1]
    if getattr(model.get_output_embeddings(), "bias", None) is not None and head not in whole:
        raise ValueError(
            f"the head of {type(model).__name__} has a bias, which PEFT leaves out where a row of it is trained; give "
            f"modules_to_save=[{head!r}], or train all weights"
        )
    given = found.trainable_token_indices or []
    each = dict(given) if isinstance(given, dict) else {names[0]: list(given)} if given else {}
    for name in names:
        if name not in whole:
            each[name] = [*each.get(name, []), *([] if key in each.get(name, []) else [key])]
    found.trainable_token_indices = each or None
    return found
