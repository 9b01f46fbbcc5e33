"""The transformer: one packed pass says what fresh runs on every visible text say; its parts, its size, its file."""

import inspect
import math
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
import torch
from test_trajectories import BACK, EOS, K, stacks, trajectory

from smatch_edu.network.transformer import (
    RotaryHeads,
    Transformer,
    TransformerConfig,
    apply_rotary,
    attention,
    rotary_angles,
)
from smatch_edu.text.packing import NEVER, pack, pack_batch, visible

SMALL = TransformerConfig(vocab_size=K + 2, num_layers=2, num_heads=2, width=16, max_length=64)


def model_of(rng, config=SMALL, dtype=torch.float64):
    """A transformer with weights large enough that everything matters."""
    torch.manual_seed(int(rng.integers(2**31)))
    model = Transformer(config).to(dtype)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model


def walk(rng, length=25, deletes=0.4):
    """A prompt and a random walk after it."""
    typed, standing = [], 0
    for _ in range(length):
        back = standing > 0 and rng.random() < deletes
        typed.append(BACK if back else int(rng.integers(K)))
        standing += -1 if back else 1
    return rng.integers(K, size=rng.integers(1, 6)).tolist(), typed


def outputs(model, packed, mask="expires"):
    tokens, positions, expires = (torch.from_numpy(part)[None] for part in packed[:3])
    return model(tokens, positions, {"expires": expires, "bool": visible(expires), "causal": None}[mask])[0]


@pytest.mark.parametrize("layout", ["trie", "refeed"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_packed_logits_are_those_of_a_fresh_run_on_the_visible_text(rng, layout, dtype, tolerance):
    model = model_of(rng, dtype=dtype)
    for _ in range(5):
        prompt, typed = walk(rng)
        packed = pack(prompt, typed, BACK, EOS, layout)
        found = outputs(model, packed)
        for state, text in zip(packed.state_of_action, stacks(prompt, typed), strict=False):
            fresh = model(torch.tensor([text]))[0, -1]
            size = fresh.abs().max().item()
            torch.testing.assert_close(found[state], fresh, atol=tolerance * max(1.0, size), rtol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("layout", ["trie", "refeed"])
def test_gradients_are_those_of_fresh_runs_too(rng, layout, dtype, tolerance):
    model = model_of(rng, dtype=dtype)
    prompt, typed = walk(rng)
    packed = pack(prompt, typed, BACK, EOS, layout)
    chosen = torch.from_numpy(packed.actions)

    def gradients(log_probs):
        grads = torch.autograd.grad(log_probs.sum(), list(model.parameters()))
        return torch.cat([g.flatten() for g in grads])

    together = outputs(model, packed)[packed.state_of_action].log_softmax(dim=1)
    fresh = torch.stack([model(torch.tensor([text]))[0, -1] for text in stacks(prompt, typed)[:-1]]).log_softmax(dim=1)
    one = gradients(together.gather(1, chosen[:, None]))
    two = gradients(fresh.gather(1, chosen[:, None]))
    torch.testing.assert_close(one, two, atol=tolerance * max(1.0, two.abs().max().item()), rtol=0)


def test_padding_and_neighbours_change_nothing(rng):
    model = model_of(rng)
    walks = [walk(rng, length) for length in (3, 20, 11)]
    batch = pack_batch([trajectory(*one) for one in walks], BACK, EOS)
    logits = batch.at_actions(model(batch.tokens, batch.positions, batch.expires))
    for number, (prompt, typed) in enumerate(walks):
        alone = pack(prompt, typed, BACK, EOS)
        torch.testing.assert_close(
            logits[number, : len(typed)], outputs(model, alone)[alone.state_of_action], atol=1e-10, rtol=1e-10
        )


def test_bool_mask_integers_and_the_causal_path_agree(rng):
    model = model_of(rng)
    packed = pack(*walk(rng), BACK, EOS)
    torch.testing.assert_close(outputs(model, packed), outputs(model, packed, "bool"))
    straight = pack([0], rng.integers(K, size=12).tolist(), BACK, EOS)
    torch.testing.assert_close(outputs(model, straight), outputs(model, straight, "causal"), atol=1e-12, rtol=0)
    deleted = pack([0], [1, BACK, 2], BACK, EOS)
    assert (outputs(model, deleted) - outputs(model, deleted, "causal")).abs().max() > 1e-3


def test_nothing_deleted_takes_the_causal_path(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "torch.nn.functional.scaled_dot_product_attention", lambda q, k, v, **options: asked.append(options) or v
    )
    x = torch.zeros(1, 1, 3, 2)
    attention(torch.full((1, 3), NEVER), torch.Size([1, 3]))(x, x, x, 0)
    attention(torch.tensor([[NEVER, 2, NEVER]]), torch.Size([1, 3]))(x, x, x, 0)
    assert asked[0] == {"is_causal": True} and set(asked[1]) == {"attn_mask"}


TRACED = """
import sys
import numpy as np
import torch
from torch._dynamo.testing import CompileCounter
from torch.nn.attention.flex_attention import flex_attention
from smatch_edu.network import Transformer, TransformerConfig, attention, flex
from smatch_edu.text import Trajectory, pack_batch

rng = np.random.default_rng(int(sys.argv[1]))
_ = torch.manual_seed(int(sys.argv[1]))
flex._compiled = lambda: flex_attention
model = Transformer(TransformerConfig(vocab_size=7, num_layers=2, num_heads=2, width=32, max_length=400))
for part in model.parameters():
    torch.nn.init.normal_(part, std=0.4)
same = Transformer(model.config)
same.load_state_dict(model.state_dict())
counter = CompileCounter()
same.blocks.compile(fullgraph=True, backend=counter)
for rows in (2, 3, 4):
    walks = [np.where(rng.permutation(150) < 60, 6, rng.integers(5, size=150)) for _ in range(rows)]
    walks = [np.concatenate([rng.integers(5, size=60), walk]) for walk in walks]  # which are 60 deletions
    batch = pack_batch([Trajectory(np.array([0]), walk, walk) for walk in walks], 6, 5)
    for mask in ("causal", "dense", "blocks"):
        found = []
        for one in (model, same):
            with torch.set_grad_enabled(mask != "blocks"):  # on a CPU flex has no gradient
                seen = None if mask == "causal" else batch.expires
                shape = batch.tokens.shape
                attend = flex.flex_attention_over(seen) if mask == "blocks" else attention(seen, shape)
                logits = one.logits(one.hidden(batch.tokens, batch.positions, attend))
            value = logits[:, :20].square().mean()
            slopes = () if mask == "blocks" else torch.autograd.grad(value, list(one.parameters()))
            found.append([logits, *slopes])
        for first, second in zip(*found, strict=True):
            torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4 * first.abs().max().item())
print(counter.frame_count <= 6)
"""


def test_compiled_blocks_are_one_graph_with_the_same_numbers_and_gradients(rng):
    """Traced, and not compiled, which would take a minute; in a process of its own, since checked types are no part of
    a graph. Two graphs for each mask at most: the second time other numbers of rows are foreseen."""
    seed = str(int(rng.integers(2**31)))
    done = subprocess.run([sys.executable, "-c", TRACED, seed], capture_output=True, text=True)
    assert done.stdout == "True\n", f"seed {seed}: {done.stderr}"


def test_the_network_is_what_its_equations_say(rng):
    """Block by block: x + attention(norm x), x + perceptron(norm x), a norm, and the embedding once more."""
    model = model_of(rng)
    tokens, heads = torch.from_numpy(rng.integers(0, K, size=(1, 9))), model.config.num_heads
    x = model.embedding.weight[tokens[0]]

    def norm(layer, x):
        centred = x - x.mean(dim=1, keepdim=True)
        return centred / (centred.square().mean(dim=1, keepdim=True) + 1e-5).sqrt() * layer.weight + layer.bias

    for block in model.blocks:
        queries, keys, values = (norm(block.norm_attention, x) @ block.to_qkv.weight.T + block.to_qkv.bias).chunk(3, 1)
        found = []
        for q, k, v in zip(*(part.chunk(heads, dim=1) for part in (queries, keys, values)), strict=True):
            half = q.shape[1] // 2
            angle = torch.arange(9)[:, None] * 10000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
            turned = [torch.complex(part[:, :half], part[:, half:]) * torch.exp(1j * angle) for part in (q, k)]
            scores = (turned[0] @ turned[1].conj().T).real / math.sqrt(q.shape[1])
            weights = scores.exp() * torch.ones(9, 9).tril()
            found.append(weights / weights.sum(dim=1, keepdim=True) @ v)
        x = x + torch.cat(found, dim=1) @ block.from_heads.weight.T + block.from_heads.bias
        wide = norm(block.norm_perceptron, x) @ block.widen.weight.T + block.widen.bias
        bent = wide / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)))
        x = x + bent @ block.narrow.weight.T + block.narrow.bias
    logits = norm(model.norm, x) @ model.embedding.weight.T
    torch.testing.assert_close(model(tokens)[0], logits, rtol=0, atol=1e-10)


def test_the_gradient_of_turned_heads_is_that_of_finite_differences_of_either_order(rng):
    turn = rotary_angles(torch.from_numpy(rng.integers(50, size=(2, 3))), 4, torch.float64)
    x = torch.from_numpy(rng.normal(size=(2, 3, 3 * 2 * 4))).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: RotaryHeads.apply(x, 2, *turn), (x,))
    assert torch.autograd.gradgradcheck(lambda x: [part.square() for part in RotaryHeads.apply(x, 2, *turn)], (x,))
    vectors = torch.from_numpy(rng.normal(size=(2, 2, 3, 4))).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: apply_rotary(x, turn), (vectors,))


def test_a_rotation_keeps_lengths_and_feels_only_the_distance(rng):
    x, y = torch.from_numpy(rng.normal(size=(2, 1, 1, 1, 8)))
    at = lambda vector, position: apply_rotary(vector, rotary_angles(torch.tensor([[position]]), 8, torch.float64))  # noqa: E731
    assert torch.allclose(at(x, 5).norm(), x.norm())
    assert torch.equal(at(x, 0), x)
    products = [(at(x, 3 + shift) * at(y, 7 + shift)).sum() for shift in (0, 1, 50)]
    assert torch.allclose(products[0], products[1]) and torch.allclose(products[0], products[2])
    assert not torch.allclose(products[0], (at(x, 3) * at(y, 8)).sum())


INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.uint16, torch.uint32, torch.uint64)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_ids_positions_and_expires_may_be_whole_numbers_of_any_width(rng, dtype):
    model, packed = model_of(rng), pack(*walk(rng), BACK, EOS)
    tokens, positions, expires = (torch.from_numpy(part)[None] for part in packed[:3])
    expires = expires.clamp(max=99)  # longer than the text, and within 7 bits
    found = model(*(part.to(dtype) for part in (tokens, positions, expires)))
    assert torch.equal(found, model(tokens, positions, expires))
    with pytest.raises(ValueError, match=f"tokens has {K + 2} at row 0, place 0"):
        model(torch.full((1, 2), K + 2).to(dtype))


def test_on_meta_there_are_shapes_alone():
    model, like = Transformer(SMALL).to("meta"), {"dtype": torch.long, "device": "meta"}
    for visible_of in (None, torch.ones(2, 9, **like), torch.ones(2, 9, 9, dtype=torch.bool, device="meta")):
        assert model(torch.ones(2, 9, **like), visible=visible_of).shape == (2, 9, K + 2)
    with pytest.raises(ValueError, match="visible has shape"):
        model(torch.ones(2, 9, **like), visible=torch.ones(2, 9, 8, dtype=torch.bool, device="meta"))


def test_a_shape_may_be_given_in_numpys_numbers_and_is_written_all_the_same(tmp_path):
    made = object.__new__(TransformerConfig)
    for name, value in {**asdict(SMALL), "width": np.int64(16), "num_heads": np.uint8(2)}.items():
        object.__setattr__(made, name, value)
    made.__post_init__()
    assert made == SMALL and type(made.width) is type(made.num_heads) is int
    Transformer(made).save(tmp_path / "model.safetensors")
    assert Transformer.load(tmp_path / "model.safetensors").config == SMALL


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_logits_and_gradients_are_near_the_exact_ones(rng, dtype):
    model = model_of(rng, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter /= 2
    packed = pack(*walk(rng), BACK, EOS)

    def run():
        model.zero_grad()
        logits = outputs(model, packed)
        logits.float().log_softmax(dim=1)[:, 0].sum().backward()
        return logits, torch.cat([parameter.grad.flatten() for parameter in model.parameters()])

    with torch.autocast("cpu", dtype=dtype):
        logits, gradient = run()
    assert logits.dtype == dtype
    for found, wanted in zip((logits, gradient), run(), strict=True):
        assert (found - wanted).abs().max() < 0.05 * wanted.abs().max()


def test_size_and_operations_are_counted(rng):
    model = Transformer(SMALL)
    width, layers, vocab = SMALL.width, SMALL.num_layers, SMALL.vocab_size
    per_layer = 12 * width**2 + 9 * width + 2 * 2 * width  # weights, biases, two norms
    assert model.num_parameters() == vocab * width + layers * per_layer + 2 * width
    from torch.utils.flop_counter import FlopCounterMode

    inputs = 32
    with FlopCounterMode(display=False) as counted:
        model(torch.zeros(1, inputs, dtype=torch.long), visible=torch.ones(1, inputs, inputs, dtype=torch.bool).tril())
    assert counted.get_total_flops() == inputs * model.flops_per_token(0)  # the counter does not see fused attention
    # Attention: q·k and weights·v, 2 operations each for half of the inputs, in every layer.
    assert model.flops_per_token(inputs) - model.flops_per_token(0) == layers * 2 * (2 * width * inputs // 2)


def test_initial_weights_are_gpt2s():
    torch.manual_seed(0)  # only for the spread of a sample
    model = Transformer(TransformerConfig(vocab_size=500, num_layers=8, num_heads=4, width=128))
    block = model.blocks[3]
    assert model.embedding.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert block.to_qkv.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert block.narrow.weight.std().item() == pytest.approx(0.02 / math.sqrt(16), rel=0.05)
    assert block.from_heads.weight.std().item() == pytest.approx(0.02 / math.sqrt(16), rel=0.05)
    assert not block.widen.bias.any()
    loss = torch.nn.functional.cross_entropy(
        model(torch.randint(500, (4, 64))).flatten(0, 1), torch.randint(500, (256,))
    )
    assert loss.item() == pytest.approx(math.log(500), rel=0.02)


def test_a_file_gives_the_model_back(rng, tmp_path):
    model = model_of(rng, dtype=torch.float32)
    model.save(tmp_path / "model.safetensors")
    again = Transformer.load(tmp_path / "model.safetensors")
    tokens = torch.from_numpy(rng.integers(K, size=(2, 9)))
    assert again.config == SMALL and torch.equal(again(tokens), model(tokens))
    whole = (tmp_path / "model.safetensors").read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"no model at all"):
        (tmp_path / "broken.safetensors").write_bytes(broken)
        with pytest.raises(ValueError, match="is not a transformer saved by this package"):
            Transformer.load(tmp_path / "broken.safetensors")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_file_keeps_the_precision_and_loading_draws_nothing(rng, tmp_path, dtype):
    model, path = model_of(rng, dtype=dtype), tmp_path / "model.safetensors"
    model.save(path)
    before = torch.random.get_rng_state()
    again = Transformer.load(path)
    assert torch.equal(before, torch.random.get_rng_state())
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        assert one.dtype == other.dtype == dtype and torch.equal(one, other) and other.requires_grad


def test_who_is_interrupted_while_saving_keeps_the_file_of_before(rng, tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    model_of(rng, dtype=torch.float32).save(path)
    before = path.read_bytes()

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model_of(rng, dtype=torch.float32).save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocab_size": 0}, "vocab_size is 0"),
        ({"num_layers": -1}, "num_layers is -1"),
        ({"width": 18, "num_heads": 4}, "width is 18; it must be a multiple of 2 · num_heads = 8"),
    ],
)
def test_a_shape_that_cannot_be_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        TransformerConfig(**({"vocab_size": 7} | options))


@pytest.mark.parametrize(
    ("tokens", "positions", "seen", "message"),
    [
        ([[1, 7]], None, None, "tokens has 7 at row 0, place 1; wanted 0..6, since vocab_size is 7"),
        ([[1, -1]], None, None, "tokens has -1"),
        ([[1, 2]], [[0, 64]], None, "positions has 64 at row 0, place 1; wanted 0..63, since max_length is 64"),
        ([[]], None, None, r"tokens has shape \(1, 0\) and dtype torch.int64; ids of shape"),
        ([[1] * 65], None, None, "positions has 64 at row 0, place 64; wanted 0..63, since max_length is 64"),
        ([[1, 2]], [[0, -1]], None, "positions has -1 at row 0, place 1"),
        ([[1, 2]], None, np.ones((1, 2, 3), dtype=bool), r"visible has shape \(1, 2, 3\); \(1, 2, 2\) was wanted"),
        ([[1, 2]], None, np.ones((1, 3), dtype=np.int64), r"expires has shape \(1, 3\)"),
        ([[1, 2]], None, np.zeros((1, 2, 2)), "visible has dtype torch.float64; bool, or the whole numbers `expires`"),
    ],
)
def test_inputs_that_do_not_fit_are_named(tokens, positions, seen, message):
    model = Transformer(SMALL)
    with pytest.raises(ValueError, match=message):
        model(
            torch.tensor(tokens, dtype=torch.long),
            None if positions is None else torch.tensor(positions),
            None if seen is None else torch.from_numpy(seen),
        )


@pytest.mark.parametrize(
    ("tokens", "positions", "message"),
    [
        (torch.tensor([1, 2]), torch.tensor([0, 1]), r"tokens has shape \(2,\) and dtype torch.int64; ids of shape"),
        (torch.ones(1, 2), torch.tensor([[0, 1]]), r"tokens has shape \(1, 2\) and dtype torch.float32; ids of shape"),
        (torch.ones(0, 2, dtype=torch.long), torch.ones(0, 2, dtype=torch.long), r"tokens has shape \(0, 2\)"),
        (torch.ones(1, 2).bool(), torch.tensor([[0, 1]]), r"tokens has shape \(1, 2\) and dtype torch.bool; ids of"),
        (torch.tensor([[1, 2]]), torch.tensor([[0.0, 1.0]]), "positions has dtype torch.float32; whole numbers were"),
        (torch.tensor([[1, 2]]), torch.tensor([[0]]), r"positions has shape \(1, 1\); that of tokens, \(1, 2\), was"),
    ],
)
def test_shapes_that_do_not_fit_are_named_also_where_nothing_checks_annotations(tokens, positions, message):
    with pytest.raises(ValueError, match=message):
        inspect.unwrap(Transformer.check)(Transformer(SMALL), tokens, positions)
