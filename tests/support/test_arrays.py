"""What counts as a row of ids, and as a sum of 1."""

import numpy as np
import pytest
import torch

from smatch_edu.support.arrays import as_ids, is_whole, sum_tolerance
from smatch_edu.text import Trajectory, pack
from smatch_edu.text.vocabulary import Vocabulary

KINDS = ("uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
NO_IDS = {
    "bool": ([True, False], r"shape \(2,\) and kind bool"),
    "bool tensor": (torch.tensor([True]), r"shape \(1,\) and kind torch.bool"),
    "float": ([1.0], r"shape \(1,\) and kind float64"),
    "bfloat16": (torch.ones(2, dtype=torch.bfloat16), r"kind torch.bfloat16"),
    "complex": (torch.ones(2, dtype=torch.complex64), r"kind torch.complex64"),
    "with gradient": (torch.ones(2, requires_grad=True), r"kind torch.float32"),
    "in a list, with gradient": ([torch.tensor(1.0, requires_grad=True)], ""),
    "no numbers": (torch.ones(2, dtype=torch.long, device="meta"), "on meta"),
    "one number": (3, r"shape \(\)"),
    "a table": ([[1, 2]], r"shape \(1, 2\)"),
    "ragged": ([1, [2]], "no shape and kind"),
    "none": ([None], "kind object"),
    "text": ("ab", r"shape \(\) and kind <U2"),
    "in no order": ({1, 2}, r"shape \(\) and kind object"),
    "too large for an array": ([2**70], "kind object"),
}
every_wrong_kind = pytest.mark.parametrize(("given", "message"), NO_IDS.values(), ids=NO_IDS)


@pytest.mark.parametrize("kind", KINDS)
def test_whole_numbers_of_any_width_are_ids(rng, kind):
    letters, ids = Vocabulary(), rng.integers(26, size=9)
    array, tensor = ids.astype(kind), torch.from_numpy(ids).to(getattr(torch, kind))
    for given in (array, tensor, array[::-1][::-1], tensor.repeat_interleave(2)[::2], list(array), list(tensor)):
        found = as_ids("ids", given)
        assert found.dtype == np.int64 and (found == ids).all()
        signs = given if isinstance(given, np.ndarray | torch.Tensor) else [int(one) for one in given]
        assert letters.decode(signs) == letters.show(signs) == "".join(letters.characters[i] for i in ids)
    for given in (array, tensor):
        trajectory = object.__new__(Trajectory)  # as outside of tests, where nothing looks at annotations
        for name in ("prompt", "pressed", "typed"):
            object.__setattr__(trajectory, name, given)
        trajectory.__post_init__()
        assert trajectory.typed.dtype == np.int64 and (trajectory.typed == ids).all()
    assert (pack(array.astype(np.int64), array, letters.backspace, letters.eos).tokens == [*ids, *ids]).all()
    assert (as_ids("ids", iter(ids.tolist())) == ids).all() and as_ids("ids", torch.tensor([])).size == 0


@every_wrong_kind
def test_what_is_no_row_of_ids_is_named(given, message):
    with pytest.raises(ValueError, match=f"(?s)^banned has .*{message}.*; one row of whole numbers was wanted$"):
        as_ids("banned", given)


@every_wrong_kind
def test_no_text_is_made_of_it(given, message):
    for use in (Vocabulary().decode, Vocabulary().show):
        said = r"one row of whole numbers was wanted|is no character|does not exist|Type-check error"
        with pytest.raises((ValueError, TypeError), match=said):
            use(given)


def test_ids_out_of_range_are_named():
    for given, message in (([1, -2], "has id -2 at position 1"), (np.array([2**63], np.uint64), "has id 92233720")):
        with pytest.raises(ValueError, match=f"prompt 3 {message}.*; ids are ≥ 0"):
            as_ids("prompt 3", given)


@pytest.mark.parametrize("key", [6.0, True, -1, "6", None])
def test_a_key_that_is_no_id_is_named(key):
    with pytest.raises((ValueError, TypeError), match=r"backspace is .*; an id, a whole number|Type-check error"):
        pack([1], [2], key, 5)


def test_whole_numbers_are_pythons_and_numpys():
    assert all(is_whole(number, 1) for number in (1, 2**70, np.int8(1), np.uint64(1)))
    assert not any(is_whole(number, 1) for number in (0, -1, True, np.bool_(True), 1.0, np.float64(1), "1", None))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("terms", [3, 100, 100_000])
def test_sums_of_rounded_probabilities_are_within_what_is_tolerated(rng, dtype, terms):
    exact = torch.from_numpy(rng.dirichlet(np.ones(terms)))
    for shares in (exact.to(dtype), (exact.log() * 2).to(dtype).softmax(dim=0)):
        tolerated = sum_tolerance(shares, terms)
        assert abs(shares.sum(dtype=torch.float64).item() - 1) < tolerated
        assert tolerated <= max(1e-6, torch.finfo(dtype).eps * terms)
    assert sum_tolerance([0.5, 0.5], terms) == sum_tolerance(np.ones(3), terms) == 1e-6
    assert sum_tolerance(np.ones(3, np.float16), 4) == 2 * np.finfo(np.float16).eps
