"""A language model is found by its name, or it is said at once what is missing."""

import json
import shutil
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

transformers = pytest.importorskip("transformers", reason="needs the extra [hf]")

from huggingface_hub import constants  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from test_backspace import tokenizer_of  # noqa: E402

from smatch_edu.huggingface import pretrained  # noqa: E402
from smatch_edu.huggingface.pretrained import load_pretrained  # noqa: E402

TOKENS = torch.arange(12).reshape(2, 6)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A random Llama and its tokenizer, in bfloat16."""
    config = transformers.LlamaConfig(
        vocab_size=92, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2
    )
    folder = tmp_path_factory.mktemp("saved") / "tiny"
    transformers.LlamaForCausalLM(config).bfloat16().save_pretrained(folder)
    tokenizer_of().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """One that may be damaged."""
    return Path(shutil.copytree(saved, tmp_path / "tiny"))


def refusal(*arguments, **options):
    with pytest.raises(ValueError) as error:
        load_pretrained(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


# -- a folder ------------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_a_folder_is_read_as_it_was_saved(saved):
    wanted = transformers.AutoModelForCausalLM.from_pretrained(saved, dtype=torch.float32)(TOKENS).logits
    for name in (saved, str(saved)):
        model, tokenizer = load_pretrained(name)
        assert model.dtype == torch.float32 and not model.training
        assert torch.equal(model(TOKENS).logits, wanted)
        assert tokenizer("w3 w1")["input_ids"] == [3, 1] and tokenizer.eos_token == "<eos>"


@pytest.mark.parametrize(
    ("dtype", "found"), [("auto", torch.bfloat16), ("float64", torch.float64), (torch.float16, torch.float16)]
)
def test_weights_have_the_type_that_was_asked_for(saved, dtype, found):
    assert load_pretrained(saved, dtype)[0].dtype == found


def test_options_reach_the_model(saved):
    model, _ = load_pretrained(saved, attn_implementation="eager", local_files_only=False)
    assert model.config._attn_implementation == "eager"
    assert "attn_implementation" in refusal(saved, attn_implementation="none of them")
    assert "quantization" in refusal(saved, quantization_config={"quant_method": "none of them"})


def test_a_folder_goes_before_the_hub_and_smollm2_before_a_folder(saved, tmp_path, monkeypatch):
    shutil.copytree(saved, tmp_path / "owner" / "name")
    monkeypatch.chdir(tmp_path)
    assert load_pretrained("owner/name")
    monkeypatch.setattr(pretrained, "smollm2_folder", lambda: saved)
    assert load_pretrained("smollm2")[0].dtype == torch.float32
    assert refusal(Path("smollm2")).startswith("smollm2 is not there")


def shards(folder):
    (folder / "model.safetensors").unlink()
    transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.from_pretrained(folder)).save_pretrained(
        folder, max_shard_size="1KB"
    )
    assert load_pretrained(folder)
    return sorted(folder.glob("model-*.safetensors"))


def test_what_a_folder_lacks_is_named(folder):
    files = shards(folder)
    files[1].unlink()
    assert refusal(folder) == (
        f"{folder} has {len(files) - 1} of {len(files)} files of weights (model.safetensors, say)"
    )
    for path in folder.glob("model-*"):
        path.unlink()
    assert refusal(folder) == f"{folder} has 0 of 1 files of weights (model.safetensors, say)"
    for path in folder.glob("tokenizer*"):
        path.unlink()
    assert refusal(folder) == (
        f"{folder} has no tokenizer (tokenizer.json, say); tokenizer.save_pretrained writes it there"
    )
    (folder / "config.json").unlink()
    assert refusal(folder) == (
        f"{folder} has no config.json; the folder of a model was wanted, as save_pretrained writes it"
    )


def test_an_adapter_is_told_from_a_model(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    assert refusal(tmp_path) == (
        f"{tmp_path} is an adapter of PEFT, and a base model was wanted; load that one, and put the adapter on it with "
        "peft.PeftModel.from_pretrained(model, adapter)"
    )


def cut(name):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-40])


def reconfigured(**changes):
    def change(folder):
        told = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**told, **changes}))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut("model.safetensors"), "metadata"),
        (cut("config.json"), "config.json"),
        (cut("tokenizer.json"), "line"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "added_tokens"),
        (reconfigured(model_type="none of them"), "none of them"),
        (reconfigured(hidden_size=16), "."),
    ],
)
def test_a_folder_that_is_damaged_is_named_with_the_reason(folder, change, message):
    change(folder)
    said = refusal(folder)
    assert said.startswith(f"{folder} cannot be read as a language model with its tokenizer: ")
    assert message in said.split("tokenizer: ")[1]


def test_weights_that_are_missing_are_not_drawn_at_random(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"], weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert refusal(folder) == f"{folder} has no weights for lm_head.weight (2 are missing in all)"


def test_an_unknown_type_of_weights_is_named(saved):
    assert "bf16" in refusal(saved, "bf16")


# -- a name --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["no/such/folder", "/no", "./no", "two words", "~/model", "owner/", "-x", Path("no")])
def test_a_name_that_can_be_none_is_named(name):
    wanted = "a folder, a name on the hub like owner/name, or smollm2 was wanted"
    assert refusal(name) == f"{name} is not there; {wanted}"


def test_a_file_and_an_empty_name_are_no_models(tmp_path, monkeypatch):
    (tmp_path / "model").write_text("")
    monkeypatch.chdir(tmp_path)
    assert refusal("model").startswith("model is a file; a folder, a name on the hub like owner/name, or smollm2")
    assert "is empty" in refusal("")


# -- the hub -------------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(monkeypatch):
    """A hub on this machine: what it is asked, and what it answers (nothing, if that is empty)."""

    found = SimpleNamespace(
        asked=[], answer=b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    kept = []

    def serve():
        while True:
            try:
                line, _ = server.accept()
            except OSError:
                return
            found.asked.append(line.recv(4096))
            if found.answer:
                line.sendall(found.answer)
                line.close()
            else:
                kept.append(line)

    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        threading.Thread(target=serve, daemon=True).start()
        yield found
        server.shutdown(socket.SHUT_RDWR)
    for line in kept:
        line.close()


def in_cache(saved, cache, revision="main"):
    """The model as the hub's own library keeps it."""
    copy = cache / "models--owner--tiny"
    (copy / "refs").mkdir(parents=True)
    (copy / "refs" / revision).write_text("c0ffee" * 6 + "c0ff")
    return Path(shutil.copytree(saved, copy / "snapshots" / ("c0ffee" * 6 + "c0ff")))


def test_what_the_hub_has_given_before_is_used_without_asking_it(saved, tmp_path, hub, monkeypatch):
    in_cache(saved, tmp_path, "v2")
    found = load_pretrained("owner/tiny", cache_dir=tmp_path, revision="v2")[0](TOKENS).logits
    assert torch.equal(found, load_pretrained(saved)[0](TOKENS).logits)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert load_pretrained("owner/tiny", cache_dir=tmp_path, revision="v2", local_files_only=True)
    assert not hub.asked
    assert "not whole in the hub's cache" in refusal("owner/tiny", cache_dir=tmp_path)  # another revision


@pytest.mark.parametrize("name", ["owner/tiny", "tiny"])
def test_a_hub_that_cannot_be_reached_is_named_at_once(tmp_path, monkeypatch, hub, name):
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"http://127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", closed)
    start = time.monotonic()
    said = refusal(name, cache_dir=tmp_path)
    assert time.monotonic() - start < 3
    assert said.startswith(
        f"{name} is no folder here and not whole in the hub's cache, and {closed} cannot be reached ("
    )
    assert said.endswith("); smollm2 (--model smollm2) and a folder need no hub")


def test_a_hub_that_says_nothing_is_waited_for_so_long_and_no_longer(tmp_path, monkeypatch, hub):
    hub.answer = b""
    monkeypatch.setattr(pretrained, "PATIENCE", 0.3)
    start = time.monotonic()
    assert "cannot be reached (" in refusal("owner/tiny", cache_dir=tmp_path)
    assert 0.2 < time.monotonic() - start < 5


def test_whoever_is_offline_asks_nobody(tmp_path, monkeypatch, hub):
    assert "(HF_HUB_OFFLINE or local_files_only is set)" in refusal(
        "owner/tiny", cache_dir=tmp_path, local_files_only=True
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "(HF_HUB_OFFLINE or local_files_only is set)" in refusal("owner/tiny", cache_dir=tmp_path)
    assert not hub.asked


@pytest.fixture
def online(monkeypatch, hub, saved):
    """What is read from a hub that answers."""
    calls, real = [], transformers.AutoModelForCausalLM.from_pretrained

    def model(source, **options):
        calls.append((source, options))
        return real(saved, output_loading_info=True, dtype=options["dtype"])

    monkeypatch.setattr(pretrained.AutoModelForCausalLM, "from_pretrained", model)
    monkeypatch.setattr(
        pretrained.AutoTokenizer,
        "from_pretrained",
        lambda source, **options: calls.append((source, options)) or tokenizer_of(),
    )
    return calls


def test_from_a_hub_that_answers_model_and_tokenizer_are_read_in_one_revision(saved, tmp_path, hub, online):
    (next(in_cache(saved, tmp_path).glob("*.safetensors"))).unlink()  # a part of it came before
    model, _ = load_pretrained("owner/tiny", cache_dir=tmp_path, revision="main", attn_implementation="eager")
    assert model.dtype == torch.float32
    of_both = {"cache_dir": tmp_path, "revision": "main"}
    assert online[0] == ("owner/tiny", of_both)
    given = {**of_both, "attn_implementation": "eager", "dtype": torch.float32, "output_loading_info": True}
    assert online[1] == ("owner/tiny", given)
    assert len(hub.asked) == 1 and hub.asked[0].startswith(b"HEAD / ")


def test_a_folder_is_read_without_the_hub(saved, hub, online):
    assert load_pretrained(saved, local_files_only=False)
    assert [options["local_files_only"] for _, options in online] == [True, True]
    assert not hub.asked


def test_what_the_hub_does_not_have_is_said_in_one_line(tmp_path, hub, online, monkeypatch):
    def none(source, **options):
        raise OSError(f"{source} is not a local folder and is not a model identifier\nIf this is a private one, ...")

    monkeypatch.setattr(pretrained.AutoModelForCausalLM, "from_pretrained", none)
    assert refusal("owner/none", cache_dir=tmp_path) == (
        "owner/none cannot be read as a language model with its tokenizer: owner/none is not a local folder and is not "
        "a model identifier"
    )


def test_an_adapter_on_the_hub_is_told_from_a_model(tmp_path, hub, online, monkeypatch):
    monkeypatch.setattr(transformers.LlamaForCausalLM, "_hf_peft_config_loaded", True)
    assert refusal("owner/adapter", cache_dir=tmp_path).startswith("owner/adapter is an adapter of PEFT")
