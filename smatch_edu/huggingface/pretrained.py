"""A pretrained language model with its tokenizer: SmolLM2 from the package index, a folder, or a name on the hub.

What is missing is said at once. `from_pretrained` alone would try an unreachable hub again and again, and would give
random numbers to weights that a folder lacks.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants, try_to_load_from_cache
from huggingface_hub.utils import get_session
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from smatch_edu.huggingface.convert import to_hugging_face, tokenizer_of
from smatch_edu.huggingface.smollm2 import smollm2_folder
from smatch_edu.support.files import as_path
from smatch_edu.training.loop import CHECKPOINT, load_policy

SMOLLM2 = "smollm2"
ADAPTER = (
    "is an adapter of PEFT, and a base model was wanted; load that one, and put the adapter on it with "
    "peft.PeftModel.from_pretrained(model, adapter)"
)
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
OF_BOTH = ("cache_dir", "local_files_only", "revision", "token", "trust_remote_code")  # options of the tokenizer, too
PATIENCE = 5.0  # seconds for the hub to answer at all


def load_pretrained(
    name: str | Path, dtype: torch.dtype | str | None = None, **options: Any
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A causal language model, in eval mode, and its tokenizer.

    Args:
        name: "smollm2"; or a folder, as `save_pretrained` or `smatch train` writes it; or a name on the hub, as
            "owner/name". The copy in the hub's own cache is used if there is one, however old.
        dtype: of the weights; "auto" is the one in which they were saved. float32 if left out.
        options: of `from_pretrained`: quantization_config, attn_implementation, revision, ...

    Raises:
        ValueError: there is no such model, something is missing in it, or the hub cannot be reached.
    """
    given = {**options, "dtype": torch.float32 if dtype is None else dtype}
    if name == SMOLLM2:
        model, tokenizer = _read(smollm2_folder(), given)
        model.name_or_path = model.config.name_or_path = SMOLLM2  # for cards and adapters; caches differ
        return model, tokenizer
    if (folder := as_path(name)).is_dir():
        if (folder / CHECKPOINT).exists():
            policy, _ = load_policy(folder)
            own: Any = to_hugging_face(policy.transformer, policy.keys.eos).to(given["dtype"])
            own.name_or_path = own.config.name_or_path = str(folder)
            return own, tokenizer_of(policy.task.vocabulary)
        if missing := _missing(folder):
            raise ValueError(f"{folder} {missing}")
        return _read(folder, given)
    if isinstance(name, Path) or folder.exists() or not HUB_NAME.fullmatch(name):
        found = "is a file" if folder.exists() else "is not there"
        raise ValueError(f"{name} {found}; a folder, a name on the hub like owner/name, or {SMOLLM2} was wanted")
    return _from_hub(name, given)


def _missing(folder: Path) -> str:
    """What keeps a folder from being a model with its tokenizer; "" if nothing does."""
    if (folder / "adapter_config.json").exists():
        return ADAPTER
    if not (folder / "config.json").exists():
        return "has no config.json; the folder of a model was wanted, as save_pretrained writes it"
    if not any(any(folder.glob(names)) for names in ("tokenizer*", "vocab*", "*.model")):
        return "has no tokenizer (tokenizer.json, say); tokenizer.save_pretrained writes it there"
    weights = [path.name for names in ("model*.safetensors", "pytorch_model*.bin") for path in folder.glob(names)]
    counts = [int(found[1]) for name in weights if (found := re.search(r"-of-(\d+)\.", name))]
    if len(weights) < max(counts, default=1):
        return f"has {len(weights)} of {max(counts, default=1)} files of weights (model.safetensors, say)"
    return ""


def _from_hub(name: str, given: dict[str, Any]) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """From the hub's cache, or else from the hub."""
    where = {key: given[key] for key in ("cache_dir", "revision") if key in given}
    cached = try_to_load_from_cache(name, "config.json", **where)
    if isinstance(cached, str) and not _missing(Path(cached).parent):
        return _read(Path(cached).parent, given)
    offline = constants.HF_HUB_OFFLINE or given.get("local_files_only")
    if why := "HF_HUB_OFFLINE or local_files_only is set" if offline else _unreachable():
        raise ValueError(
            f"{name} is no folder here and not whole in the hub's cache, and {constants.ENDPOINT} cannot be reached "
            f"({why}); {SMOLLM2} (--model {SMOLLM2}) and a folder need no hub"
        )
    return _read(name, given)


def _unreachable() -> str:
    """Why the hub cannot be reached; "" if it answers, whatever it says."""
    try:
        get_session().head(constants.ENDPOINT, timeout=PATIENCE)
    except Exception as error:  # of whichever client the hub's library has
        return type(error).__name__
    return ""


def _read(source: str | Path, given: dict[str, Any]) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    if isinstance(source, Path):
        given = {**given, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **{key: given[key] for key in OF_BOTH if key in given})
        loaded: Any = AutoModelForCausalLM.from_pretrained(source, output_loading_info=True, **given)
    except (OSError, ValueError, LookupError, AttributeError, RuntimeError, SafetensorError) as error:
        why = str(error).strip().split("\n")[0]
        raise ValueError(f"{source} cannot be read as a language model with its tokenizer: {why}") from error
    model, found = loaded
    if getattr(model, "_hf_peft_config_loaded", False):
        raise ValueError(f"{source} {ADAPTER}")
    if missing := sorted(found["missing_keys"]):
        raise ValueError(f"{source} has no weights for {missing[0]} ({len(missing)} are missing in all)")
    return model.eval(), tokenizer
