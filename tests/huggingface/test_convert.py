"""The library's transformer and GPT-NeoX are one network."""

import pytest
import torch

transformers = pytest.importorskip("transformers", reason="needs the extra [hf]")

from smatch_edu.huggingface import as_policy, generate_with_backspace, load_pretrained  # noqa: E402
from smatch_edu.huggingface.convert import from_hugging_face, to_hugging_face, tokenizer_of  # noqa: E402
from smatch_edu.network import generate  # noqa: E402
from smatch_edu.network.transformer import Transformer, TransformerConfig  # noqa: E402
from smatch_edu.support import packaged  # noqa: E402
from smatch_edu.text import Vocabulary  # noqa: E402
from smatch_edu.training import load_policy  # noqa: E402


def random_model(rng):
    heads = int(rng.integers(1, 4))
    shape = TransformerConfig(int(rng.integers(9, 40)), int(rng.integers(1, 4)), heads, 8 * heads, 50)
    torch.manual_seed(int(rng.integers(2**31)))
    model = Transformer(shape).eval()
    for part in model.parameters():
        torch.nn.init.normal_(part, std=0.3)
    return model


def test_there_and_back_and_the_same_logits(rng, tmp_path):
    model = random_model(rng)
    theirs = to_hugging_face(model, eos=1)
    tokens = torch.from_numpy(rng.integers(9, size=(4, 20)))
    with torch.no_grad():
        wanted = model(tokens)
        torch.testing.assert_close(theirs(tokens).logits, wanted, atol=1e-5, rtol=1e-5)
        theirs.save_pretrained(tmp_path)  # and opened by whoever has transformers alone
        again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
        torch.testing.assert_close(again(tokens).logits, wanted, atol=1e-5, rtol=1e-5)
    back = from_hugging_face(again)
    assert back.config == model.config
    for name, part in model.state_dict().items():
        assert torch.equal(part, back.state_dict()[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_parallel_residual": True}, "use_parallel_residual of the model is True; the library's .* has False"),
        ({"hidden_act": "gelu"}, "hidden_act of the model is 'gelu'"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings of the model is False"),
        ({"intermediate_size": 24}, "intermediate_size is 24"),
    ],
)
def test_what_ours_does_not_have_is_named(rng, change, message):
    config = to_hugging_face(random_model(rng)).config
    other = transformers.GPTNeoXForCausalLM(transformers.GPTNeoXConfig(**{**config.to_dict(), **change}))
    with pytest.raises(ValueError, match=message):
        from_hugging_face(other)
    with pytest.raises(ValueError, match="a GPT2LMHeadModel; a GPTNeoXForCausalLM was wanted"):
        from_hugging_face(transformers.GPT2LMHeadModel(transformers.GPT2Config(n_layer=1, n_embd=8, n_head=1)))


def test_a_vocabulary_as_a_tokenizer_has_the_same_ids():
    vocabulary = Vocabulary("0123456789+= abc?")
    tokenizer = tokenizer_of(vocabulary)
    text = "12+7= ?ab  c"
    assert tokenizer(text)["input_ids"] == list(vocabulary.encode(text))
    assert tokenizer.decode(vocabulary.encode(text)) == text
    assert (tokenizer.eos_token_id, len(tokenizer)) == (vocabulary.eos, len(vocabulary) + 2)
    assert tokenizer.convert_tokens_to_ids("<backspace>") == vocabulary.backspace
    assert tokenizer("1<eos>")["input_ids"] == [1, vocabulary.eos]
    assert tokenizer.decode([1, vocabulary.backspace, vocabulary.eos], skip_special_tokens=True) == "1"


def test_a_run_of_this_package_is_a_model_by_its_folder():
    folder = packaged("checkpoints", "bc")
    model, tokenizer = load_pretrained(folder)
    policy, _ = load_policy(folder)
    options = {"typed": range(policy.keys.num_keys), "max_length": policy.keys.max_length}
    theirs, _ = as_policy(model, tokenizer, policy.config, **options)
    questions = ["491+893=", "5+27="]
    found = generate_with_backspace(theirs, tokenizer, questions, max_actions=12, seed=4).traces
    prompts = [policy.task.vocabulary.encode(question) for question in questions]
    keys = policy.task.vocabulary
    wanted = generate(policy.transformer, prompts, keys.eos, keys.backspace, 12, seed=4, banned=policy.banned()).traces
    as_text = [[int(theirs.ids.theirs[key]) for key in trace.actions] for trace in found]
    assert as_text == [trace.actions for trace in wanted]
