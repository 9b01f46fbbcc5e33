"""The folder of a finetuned model: it comes back as it was, here and where nobody knows this package."""

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

transformers = pytest.importorskip("transformers", reason="needs the extra [hf]")

from safetensors.torch import load_file  # noqa: E402
from test_backspace import tokenizer_of  # noqa: E402
from test_visibility import MODELS, model_of  # noqa: E402
from trainers import rows_of, trainer_of  # noqa: E402

from smatch_edu.huggingface import as_policy, generate_with_backspace, load_finetuned, save_finetuned  # noqa: E402
from smatch_edu.text import augment_batch  # noqa: E402

PLAIN = """
    import re, sys
    sys.modules["smatch_edu"] = None  # whoever needs it fails
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer
    folder, base, ids = sys.argv[1], sys.argv[2], [int(one) for one in sys.argv[4].split()]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if base == "none":
        model = AutoModelForCausalLM.from_pretrained(folder)
    else:
        from peft import PeftModel
        model = AutoModelForCausalLM.from_pretrained(base)
        told = re.search(r"resize_token_embeddings.(\\d+)", open(folder + "/README.md").read())
        model.resize_token_embeddings(int(told.group(1)), mean_resizing=False)
        model = PeftModel.from_pretrained(model, folder).merge_and_unload()
        assert type(model).__name__ == "LlamaForCausalLM"
    assert tokenizer.convert_tokens_to_ids("<backspace>") == len(tokenizer) - 1
    assert "<backspace>" in tokenizer.all_special_tokens or len(tokenizer(" <backspace>")["input_ids"]) == 1
    with torch.no_grad():
        logits = model.eval()(torch.tensor([ids])).logits
    text = model.generate(torch.tensor([ids]), max_new_tokens=3, do_sample=False)
    assert model.config.use_cache and text.shape[1] > len(ids)
    save_file({"logits": logits.contiguous()}, sys.argv[3])
"""


def plainly(folder, base, out, ids):
    """The logits in a session of `transformers` alone."""
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(PLAIN), str(folder), str(base), str(out)]
    done = subprocess.run([*command, " ".join(map(str, ids))], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return load_file(out)["logits"]


@pytest.mark.parametrize("adapter", [False, True])
def test_what_was_saved_comes_back_and_loads_in_a_plain_session(tmp_path, adapter):
    base = tmp_path / "base"
    model_of(np.random.default_rng(0), *MODELS["llama"]).save_pretrained(base)
    tokenizer_of().save_pretrained(base)
    options = {"adapter": adapter, "double": False, "value_head": True, "terminal": "each", "keyboard": "answers"}
    trainer = trainer_of(tmp_path / "run", model=str(base), **options)
    trainer.train()
    folder = tmp_path / "saved"
    trainer.save_model(str(folder))

    policy, tokenizer = load_finetuned(folder)
    assert policy.keys == trainer.policy.keys and policy.config == trainer.policy.config
    assert policy.ids.theirs.tolist() == trainer.policy.ids.theirs.tolist()
    keys, examples = policy.keys, trainer.examples[:4]
    prompts, answers = zip(*examples, strict=True)
    walked = augment_batch(prompts, answers, 0.3, keys.backspace, keys.eos, seed=1, num_tokens=keys.num_keys)
    with torch.no_grad():
        found, wanted = policy.on(walked), trainer.policy.eval().on(walked)
    torch.testing.assert_close(found.logits, wanted.logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.terminal_values, wanted.terminal_values)
    texts = [row["prompt"] for row in rows_of()[:3]]
    one, other = (generate_with_backspace(some, tokenizer, texts, max_actions=6) for some in (policy, trainer.policy))
    assert one.texts == other.texts

    ids = tokenizer(texts[0])["input_ids"]
    logits = plainly(folder, base if adapter else "none", tmp_path / "logits.safetensors", ids)
    with torch.no_grad():
        torch.testing.assert_close(logits, trainer.language_model(torch.tensor([ids])).logits, rtol=1e-4, atol=1e-5)


def test_the_card_says_what_was_done_and_how_to_load_it(tmp_path):
    model = model_of(np.random.default_rng(0), *MODELS["llama"])
    model.resize_token_embeddings(92)  # as many as the tokenizer has, before it has the key
    trainer = trainer_of(
        tmp_path, model=model, adapter=True, double=False, eval_rows=rows_of(4), eval_answers=2, data_name="words"
    )
    trainer.train()
    trainer.evaluate()
    trainer.save_model(str(tmp_path / "saved"))
    text = (tmp_path / "saved" / "README.md").read_text()
    for wanted in (
        "SequenceMatch (sampled_mixture)",
        "| γ | 0.9 |",
        "eval_accuracy",
        "ordinary token",
        "PeftModel",
        "| demonstrations | 24 |",
        "| data | words |",
    ):
        assert wanted in text, wanted
    assert "runtime" not in text and "flos" not in text
    weights = load_file(tmp_path / "saved" / "adapter_model.safetensors")
    tables = {name: part for name, part in weights.items() if "embed" in name or "lm_head" in name}
    assert tables and all(len(part) == 1 for part in tables.values()), list(tables)  # the row of the key alone


def test_a_checkpoint_is_such_a_folder_too(tmp_path):
    trainer = trainer_of(tmp_path, double=False, save_strategy="steps", save_steps=2.0)
    trainer.train()
    policy, _ = load_finetuned(tmp_path / "checkpoint-4")
    torch.testing.assert_close(policy.absorbing_value, trainer.policy.absorbing_value)
    assert json.loads((tmp_path / "checkpoint-4" / "config.json").read_text()).get("attn_implementation") is None


def test_the_tokens_of_an_adapter_are_those_with_which_it_was_trained(tmp_path):
    """Somebody has added words, and named another end."""
    base, rows = tmp_path / "base", [{"prompt": "w1", "completion": "new w2"}, {"prompt": "w3", "completion": "w2"}]
    model_of(np.random.default_rng(0), *MODELS["llama"]).save_pretrained(base)
    tokenizer_of().save_pretrained(base)
    tokenizer = tokenizer_of(eos_token="w9")
    tokenizer.add_tokens(["new", *(f"more{number}" for number in range(9))])
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    model.resize_token_embeddings(len(tokenizer))
    trainer = trainer_of(tmp_path / "run", model=model, adapter=True, double=False, rows=rows, tokenizer=tokenizer)
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    policy, found = load_finetuned(tmp_path / "saved")
    assert found.eos_token == "w9" and policy.ids.theirs.tolist() == trainer.policy.ids.theirs.tolist()
    one, other = (generate_with_backspace(some, found, ["w1", ""], max_actions=9) for some in (policy, trainer.policy))
    assert one == other


def test_folders_that_hold_no_finetuned_model_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"has no smatch\.safetensors; a folder of a finetuned model was wanted"):
        load_finetuned(tmp_path)
    policy, model = as_policy(model_of(np.random.default_rng(0), *MODELS["llama"]), (tokenizer := tokenizer_of()))
    save_finetuned(tmp_path / "saved", policy, model, tokenizer, {})
    whole = (tmp_path / "saved" / "smatch.safetensors").read_bytes()
    (tmp_path / "saved" / "smatch.safetensors").write_bytes(whole[:-9])
    with pytest.raises(ValueError, match=r"smatch\.safetensors"):
        load_finetuned(tmp_path / "saved")
