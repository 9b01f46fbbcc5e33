"""The folder in which a finetuned model is kept.

It is one of `transformers` or PEFT, which need nothing of this package to load it. Beside their files stand a
model card and `smatch.safetensors`, with what the library knows besides: V of what follows the end, heads, settings.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import SafetensorError
from safetensors.torch import save
from transformers import AutoTokenizer

from smatch_edu.configs.training import TrainingConfig
from smatch_edu.huggingface.backspace import BACKSPACE, token_ids
from smatch_edu.huggingface.policy import LanguageModelPolicy, without_rows
from smatch_edu.huggingface.preparation import as_policy
from smatch_edu.huggingface.pretrained import load_pretrained
from smatch_edu.support.arrays import read_tensors
from smatch_edu.support.files import as_path, write_atomically

HEADS, CARD, ADAPTER = "smatch.safetensors", "README.md", "adapter_config.json"


def save_finetuned(
    out: str | Path,
    policy: LanguageModelPolicy,
    model: Any,
    tokenizer: Any,
    about: Mapping[str, Any],
    state_dict: Mapping[str, Any] | None = None,
) -> None:
    """Write a finetuned model: weights or adapter, tokenizer, what the library knows besides, and a card.

    Args:
        model: the policy's, as `transformers` or PEFT sees it.
        about: for the card: the data, and whatever was measured.
        state_dict: the weights, where they had to be gathered from several processes.
    """
    out = as_path(out)
    given: dict[str, Any] = {}
    if isinstance(model, PeftModel):  # else the whole table, which has one row more than the base's, would be saved
        given["save_embedding_layers"] = False
    if state_dict is not None:
        prefix = "base_model.model." if isinstance(model, PeftModel) else ""
        given["state_dict"] = {
            prefix + name.removeprefix("policy.model."): part
            for name, part in state_dict.items()
            if name.startswith("policy.model.")
        }
    cached, policy.model.config.use_cache = policy.model.config.use_cache, True  # training needs no cache; its users do
    try:
        model.save_pretrained(out, **given)
    finally:
        policy.model.config.use_cache = cached
    tokenizer.save_pretrained(out)
    added = sorted({*tokenizer.added_tokens_encoder.values()} & {*range(len(policy.ids.theirs) - 1)})
    heads = {name: part.detach().cpu().contiguous() for name, part in _heads(policy).items()}
    heads |= {f"added.{end}": table[added].detach().cpu() for end, table in _tables(policy.model).items()}
    keys, every = policy.keys, token_ids(policy.model, tokenizer).num_keys
    kept = {
        "config": dataclasses.asdict(policy.config),
        "max_length": keys.max_length,
        "rows": len(policy.ids.theirs) - 1,
        "added": added,
        "typed": policy.ids.theirs[: keys.num_keys].tolist() if keys.num_keys < every else None,
    }
    write_atomically(out / HEADS, save(heads, metadata={"about": json.dumps(kept)}))
    write_atomically(out / CARD, card(policy, model, about))


def load_finetuned(folder: str | Path, **options: Any) -> tuple[LanguageModelPolicy, Any]:
    """The policy in a folder that `save_finetuned` wrote, and its tokenizer.

    Args:
        options: for `load_pretrained`: dtype, say.

    Raises:
        ValueError: no such folder; or what it was made from is not to be had.
    """
    folder = as_path(folder)
    if not (folder / HEADS).exists():
        raise ValueError(f"{folder} has no {HEADS}; a folder of a finetuned model was wanted")
    about = _about(folder)
    if (folder / ADAPTER).exists():
        base = json.loads((folder / ADAPTER).read_text(encoding="utf-8"))["base_model_name_or_path"]
        if not base:
            raise ValueError(f"{folder} is an adapter of a model without a name; load that, and give it to PeftModel")
        plain: Any = load_pretrained(base, **options)[0]
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if about["rows"] > (rows := plain.get_input_embeddings().weight.shape[0]):
            plain.resize_token_embeddings(about["rows"], mean_resizing=False)
            _put_back_added(plain, rows, about["added"], _tensors(folder))
        model: Any = PeftModel.from_pretrained(plain, str(folder))
    else:
        model, tokenizer = load_pretrained(folder, **options)
    config = TrainingConfig(**about["config"])
    policy, _ = as_policy(model, tokenizer, config, typed=about["typed"], max_length=about["max_length"])
    load_heads(policy, folder)
    return policy.eval(), tokenizer


def load_heads(policy: LanguageModelPolicy, folder: str | Path) -> None:
    """Put back what is no weight of the language model."""
    tensors = _tensors(as_path(folder))
    with torch.no_grad():
        for name, part in _heads(policy).items():
            part.copy_(tensors[name])


def _heads(policy: LanguageModelPolicy) -> dict[str, torch.Tensor]:
    return {name: part for name, part in policy.named_parameters() if not name.startswith("model.")}


def _tables(model: Any) -> dict[str, torch.Tensor]:
    """The embedding and the head; what an adapter makes of single rows is not in them."""
    ends = {"embedding": model.get_input_embeddings(), "head": model.get_output_embeddings()}
    return {name: without_rows(end)[0].weight for name, end in ends.items()}


@torch.no_grad()
def _put_back_added(model: Any, rows: int, added: list[int], tensors: dict[str, torch.Tensor]) -> None:
    """Give tokens that the base has no rows for those that they had: an adapter holds none but that of the key."""
    new = [place for place, token in enumerate(added) if token >= rows]
    for name, table in _tables(model).items():
        table[[added[place] for place in new]] = tensors[f"added.{name}"][new].to(table.dtype)


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    try:
        return read_tensors(folder / HEADS)[0]
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{folder / HEADS} is missing or cut short: {error}") from None


def _about(folder: Path) -> dict[str, Any]:
    try:
        _, texts = read_tensors(folder / HEADS)
        return json.loads(texts["about"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{folder / HEADS} was changed or cut short: {error}") from None


def card(policy: LanguageModelPolicy, model: Any, about: Mapping[str, Any]) -> str:
    """The model card: what it is, how it was trained, what was measured, and how it is used."""
    config, adapter = policy.config, isinstance(model, PeftModel)
    base = getattr(policy.model, "name_or_path", "") or type(policy.model).__name__
    told = {
        "mle": "maximum likelihood",
        "bc": "behavioural cloning (slips and their deletion are shown)",
        "sequencematch": f"SequenceMatch ({config.divergence})",
    }[config.method]
    settings = {
        "method": config.method,
        "γ": config.gamma,
        "α": config.weight_of_entropy,
        "η of the learner's keyboard": config.noise,
        "η of the demonstrations": config.typed_noise,
        "wrong tokens from": config.noise_mode,
        "β at the end": config.beta_end,
        "terminal states": config.terminal,
        "tokens on the keyboard": policy.keys.num_keys,
        "longest text": policy.keys.max_length,
    }
    loading = (
        [
            "base = AutoModelForCausalLM.from_pretrained(BASE)",
            f"base.resize_token_embeddings({len(policy.ids.theirs) - 1})",
            "model = PeftModel.from_pretrained(base, FOLDER)  # .merge_and_unload() gives a plain model",
        ]
        if adapter
        else ["model = AutoModelForCausalLM.from_pretrained(FOLDER)"]
    )
    table = [f"| {name} | {_shown(value)} |" for name, value in settings.items()]
    numbers = [f"| {name} | {_shown(value)} |" for name, value in about.items()]
    return "\n".join(
        [
            "---",
            f"library_name: {'peft' if adapter else 'transformers'}",
            f"base_model: {base}",
            "tags: [sequencematch, backspace, smatch_edu]",
            "---",
            "",
            f"# {base}, finetuned by {told}",
            "",
            f"It can press `{BACKSPACE}` (id {int(policy.ids.theirs[-1])}), which deletes the token before it "
            "(Cundy and Ermon 2023, arXiv 2306.05426). Made with smatch_edu.",
            "",
            "| setting | |",
            "|---|---|",
            *table,
            "",
            "| data and measurements | |",
            "|---|---|",
            *numbers,
            "",
            "With smatch_edu, deletions are carried out:",
            "",
            "    from smatch_edu.huggingface import generate_with_backspace, load_finetuned",
            "    policy, tokenizer = load_finetuned(FOLDER)",
            '    generate_with_backspace(policy, tokenizer, ["..."], max_actions=64).texts',
            "",
            "Without it the model loads as any other, and the key is an ordinary token, of the special ones that most"
            " programs do not show: it deletes nothing, and what follows was not trained to stand behind it.",
            "",
            *(f"    {line}" for line in ["tokenizer = AutoTokenizer.from_pretrained(FOLDER)", *loading]),
            "",
        ]
    )


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
