"""The blocks that FlexAttention visits are those that its own counting over the whole matrix finds."""

import pytest
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from smatch_edu.network.flex import BLOCK, blocks_in_sight, flex_attention_over
from smatch_edu.text.packing import NEVER, visible


def random_expires(rng, batch, inputs):
    """Some inputs are never deleted, some soon, some late."""
    index = torch.arange(inputs)
    soon = index + torch.from_numpy(rng.integers(1, 40, size=(batch, inputs)))
    late = index + torch.from_numpy(rng.integers(1, 3 * BLOCK, size=(batch, inputs)))
    kind = torch.from_numpy(rng.choice(3, p=rng.dirichlet([1, 1, 1]), size=(batch, inputs)))
    return torch.where(kind == 0, NEVER, torch.where(kind == 1, soon, late))


@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_blocks_are_those_that_counting_over_the_whole_matrix_finds(rng, blocks):
    expires = random_expires(rng, 3, blocks * BLOCK)

    def mask_mod(batch, head, query, key):
        return (key <= query) & (query < expires[batch, key])

    counted = create_block_mask(mask_mod, 3, None, blocks * BLOCK, blocks * BLOCK, device="cpu", BLOCK_SIZE=BLOCK)
    found = blocks_in_sight(expires)
    for name in ("kv_num_blocks", "full_kv_num_blocks", "q_num_blocks", "full_q_num_blocks"):
        assert torch.equal(getattr(found, name), getattr(counted, name))
        places = name.replace("num_blocks", "indices")  # each as many as are counted, the rest is never read
        counts = getattr(found, name).flatten().tolist()
        rows = zip(getattr(found, places).flatten(0, 2), getattr(counted, places).flatten(0, 2), counts, strict=True)
        assert all(one[:count].tolist() == other[:count].tolist() for one, other, count in rows)
    dense, wanted = found.to_dense(), counted.to_dense()
    assert torch.equal(dense, wanted)
    seen = visible(expires).unflatten(2, (blocks, BLOCK)).unflatten(1, (blocks, BLOCK)).any(dim=4).any(dim=2)
    assert torch.equal(dense[:, 0].bool(), seen)


@pytest.mark.parametrize("inputs", [40, 128, 200])
def test_the_kernel_gives_what_the_dense_mask_gives(rng, inputs, monkeypatch):
    """Uncompiled, on the CPU: the same blocks and the same mask, without the fused kernel."""
    monkeypatch.setattr("smatch_edu.network.flex._compiled", lambda: flex_attention)
    expires = random_expires(rng, 2, inputs)
    queries, keys, values = torch.from_numpy(rng.normal(size=(3, 2, 2, inputs, 16))).float()
    found = flex_attention_over(expires)(queries, keys, values, 0)
    mask = visible(expires)[:, None]
    wanted = torch.nn.functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_expires_beyond_32_bits_are_never():
    found, wanted = (blocks_in_sight(torch.full((1, 3 * BLOCK), expires)) for expires in (2**40 + 5, NEVER))
    for name in ("kv_num_blocks", "full_kv_num_blocks"):
        assert torch.equal(getattr(found, name), getattr(wanted, name))
