"""Values as data: what goes in comes out, and nothing that is read can do anything."""

import io
import json
import struct
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smatch_edu.sandbox.framing import ALTOGETHER, LARGEST, Channel, FrameError, decode, encode


def sent(value):
    """A value on the other side."""
    pipe = io.BytesIO()
    Channel(pipe, pipe).send({"value": encode(value)})
    pipe.seek(0)
    return decode(Channel(pipe, pipe).receive()["value"])


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(plain)
def test_plain_values_come_out_as_they_went_in(value):
    assert repr(sent(value)) == repr(value)


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "i4", "u1", "?", ">f8", ">i4"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_arrays_come_out_bit_by_bit(rng, dtype, shape):
    value = (rng.normal(size=shape) * 100).astype(dtype)
    back = sent(value)
    assert back.dtype == value.dtype and back.shape == shape and back.tobytes() == value.tobytes()
    strided = np.asarray(value).T[..., ::-1] if shape else value
    assert np.array_equal(sent(strided), strided)


def test_what_becomes_numbers_arrives_as_numbers(rng):
    numbers = rng.normal(size=3)
    for tensor in (torch.tensor(numbers, requires_grad=True), torch.tensor(numbers).to_sparse()):
        assert np.array_equal(sent(tensor), numbers)
    for kind in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool):
        tensor = torch.tensor(numbers * 9).to(kind)
        assert sent(tensor).dtype == kind and torch.equal(sent(tensor), tensor)
    assert sent([Fraction(1, 4), Decimal("0.5")]) == [0.25, 0.5]
    assert sent(np.array([Fraction(1, 4), 2], dtype=object)) == [0.25, 2]
    assert sent((1, np.float64(2))) == [1, 2.0]
    assert np.array_equal(sent(np.ma.masked_array(numbers, numbers < 0)), np.maximum(numbers, 0))


class Named:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class Failing:
    def __array__(self, *_):
        raise RuntimeError

    def __reduce__(self):
        raise AssertionError("nobody may pickle this")


@pytest.mark.parametrize(
    "value",
    [Named(), Failing(), print, 1j, {1, 2}, np.array(["a"]), np.array([1j]), 10**5000],
    ids=lambda value: type(value).__name__,
)
def test_of_what_is_no_data_only_the_kind_arrives(value):
    assert type(sent(value)).__name__ == type(value).__name__ and type(sent(value)) is not type(value)


def test_a_list_that_holds_itself_arrives_with_an_end():
    own = []
    own.append(own)
    assert "list" in repr(sent(own))


@pytest.mark.parametrize(
    "data",
    [
        {"array": "AAAA", "dtype": "O", "shape": [1], "tensor": ""},
        {"array": "AAAA", "dtype": "f8", "shape": [1], "tensor": ""},
        {"array": "AAAAAAAAAAA=", "dtype": "f8", "shape": [10**12], "tensor": ""},
        {"array": "AAAAAAAAAAA=", "dtype": "f8", "shape": ["1"] * 3 + [None], "tensor": ""},
        {"array": "AAAAAAAAAAA=", "dtype": "V8,O", "shape": [1], "tensor": ""},
        {"array": "€", "dtype": "f8", "shape": [], "tensor": ""},
        {"items": [[[1], 2]]},
        {"items": [1]},
        {"items": [[n * (2**61 - 1), 0] for n in range(1001)]},
        {"array": "AAAAAAAAAAA=", "dtype": "f8," * 10**5, "shape": [1], "tensor": ""},
        {"pickle": "gASVKAAAAAAA"},
        {},
    ],
)
def test_what_nobody_encoded_is_refused(data):
    with pytest.raises(FrameError):
        decode(data)


@pytest.mark.parametrize("content", [b"[]", b"{", b"[" * 10**5, b"\xff\xfe", b'{"a": 1e' + b"9" * 10 + b"}x"])
def test_a_frame_that_is_no_object_is_refused(content):
    with pytest.raises(FrameError):
        Channel(io.BytesIO(struct.pack(">I", len(content)) + content), io.BytesIO()).receive()


def test_what_is_too_large_is_neither_sent_nor_read():
    with pytest.raises(FrameError, match="MB"):
        encode(np.zeros(LARGEST))
    with pytest.raises(FrameError, match="at most 1000"):
        encode(dict.fromkeys(range(1001)))
    with pytest.raises(FrameError, match="MB"):
        Channel(io.BytesIO(), io.BytesIO()).send({"text": "x" * LARGEST})
    with pytest.raises(FrameError, match="MB"):
        Channel(io.BytesIO(struct.pack(">I", 2**32 - 1)), io.BytesIO()).receive()


def test_many_small_messages_have_an_end_too():
    content = b'{"a": "' + b"x" * (LARGEST - 20) + b'"}'
    pipe = io.BytesIO((struct.pack(">I", len(content)) + content) * (ALTOGETHER // LARGEST + 2))
    channel = Channel(pipe, pipe)
    with pytest.raises(FrameError, match="34 MB altogether"):
        for _ in range(ALTOGETHER // LARGEST + 2):
            channel.receive()


def test_the_end_in_the_middle_of_a_frame_is_an_end():
    whole = json.dumps({"a": 1}).encode()
    for cut in (0, 2, 4, 7):
        with pytest.raises(EOFError):
            Channel(io.BytesIO((struct.pack(">I", len(whole)) + whole)[:cut]), io.BytesIO()).receive()
