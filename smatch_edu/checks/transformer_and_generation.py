"""The exercises of notebooks/07_transformer_and_generation.ipynb."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.special import log_softmax, softmax

from smatch_edu.checks.exercise import exercise

# -- 7.1 ---------------------------------------------------------------------------------------------------------

NEAR = 40


def _vectors(rng: np.random.Generator) -> dict[str, Any]:
    """Two inputs may stand at the same position, and none need stand at its own number. Some stand far out, in vectors
    of two numbers, for there single precision is good enough as well."""
    count, width, end = int(rng.integers(1, 6)), 2 * int(rng.integers(1, 5)), NEAR
    if rng.random() < 0.15:
        width, end = 2, 5000
    return {"x": rng.normal(size=(count, width)), "positions": rng.integers(0, end, size=count)}


def _angles(x, positions, speed: Callable[[np.ndarray, int], np.ndarray] = lambda i, d: 10000.0 ** (-2 * i / d)):
    """(inputs, pairs), the angle of each pair. `speed` takes the number of the pair and the width."""
    width = x.shape[1]
    return np.asarray(positions)[:, None] * speed(np.arange(width // 2), width)


def _turned(x, angles):
    """Pair i with i + width/2, and turn."""
    first, second = np.split(x, 2, axis=1)
    cos, sin = np.cos(angles), np.sin(angles)
    return np.concatenate([first * cos - second * sin, first * sin + second * cos], axis=1)


def index_instead_of_position(x, positions):
    """You turn each vector by its number in the row. Two inputs may stand at the same depth, and a deleted one in
    between moves nobody: which of your arguments says where they stand?"""
    return _turned(x, _angles(x, np.arange(len(x))))


def positions_counted_from_one(x, positions):
    """Every vector is turned one position too far. What is the angle of the one at position 0?"""
    return _turned(x, _angles(x, positions + 1))


def every_position_alike(x, positions):
    """Your vectors are all turned by the same angles, wherever they stand. What should tell position 3 from position
    7?"""
    return _turned(x, _angles(x, np.ones(len(x))))


def neighbours_paired(x, positions):
    """You make pairs of neighbours, 0 with 1 and 2 with 3. That would do as well, but the equation pairs others: which
    number goes with number 0?"""
    turned = _turned(np.concatenate([x[:, 0::2], x[:, 1::2]], axis=1), _angles(x, positions))
    return np.stack(np.split(turned, 2, axis=1), axis=2).reshape(x.shape)


def pairs_shuffled_at_the_end(x, positions):
    """Each number is right, but you put the two of a pair side by side. Where did the second one of a pair stand
    before?"""
    turned = _turned(x, _angles(x, positions))
    return np.stack(np.split(turned, 2, axis=1), axis=2).reshape(x.shape)


def halves_exchanged(x, positions):
    """Your numbers are right, and the two halves have changed places. Which half comes first?"""
    turned = _turned(x, _angles(x, positions))
    return np.roll(turned, x.shape[1] // 2, axis=1)


def turned_backwards(x, positions):
    """You turn the other way round. If all did so, no score would change; but the library turns like the equation:
    which of the two sines has the minus?"""
    return _turned(x, -_angles(x, positions))


def one_speed_for_all(x, positions):
    """All of your pairs turn at the speed of the first one. How fast is pair i?"""
    return _turned(x, _angles(x, positions, lambda i, d: np.ones(len(i))))


def half_the_exponent(x, positions):
    """Your pairs slow down only half as much, from one to the next, as they should. Is it the number of the pair that
    stands in the exponent?"""
    return _turned(x, _angles(x, positions, lambda i, d: 10000.0 ** (-i / d)))


def exponent_by_number_of_pairs(x, positions):
    """Your pairs slow down twice as much, from one to the next, as they should. By what is the exponent divided: by the
    width, or by the number of pairs?"""
    return _turned(x, _angles(x, positions, lambda i, d: 10000.0 ** (-4 * i / d)))


def faster_and_faster(x, positions):
    """Your later pairs turn faster than the first, not slower. Which sign has the exponent?"""
    return _turned(x, _angles(x, positions, lambda i, d: 10000.0 ** (2 * i / d)))


def pairs_counted_from_one(x, positions):
    """Your first pair is already slowed down. What is its number, i?"""
    return _turned(x, _angles(x, positions, lambda i, d: 10000.0 ** (-2 * (i + 1) / d)))


def in_degrees(x, positions):
    """You take the angles for degrees. In what do `np.cos` and the equation measure them?"""
    return _turned(x, np.deg2rad(_angles(x, positions)))


def sine_and_cosine_exchanged(x, positions):
    """At position 0 nothing should turn, and yours does, by a quarter. Which of sine and cosine is 1 at 0?"""
    angles = _angles(x, positions)
    first, second = np.split(x, 2, axis=1)
    cos, sin = np.sin(angles), np.cos(angles)
    return np.concatenate([first * cos - second * sin, first * sin + second * cos], axis=1)


def first_half_overwritten(x, positions):
    """The first half is right. For the second one you use what the first has *become*. What must be kept until both are
    computed?"""
    angles = _angles(x, positions)
    first, second = np.split(x, 2, axis=1)
    first = first * np.cos(angles) - second * np.sin(angles)
    return np.concatenate([first, first * np.sin(angles) + second * np.cos(angles)], axis=1)


def second_half_left_alone(x, positions):
    """Only your first half has moved. When an arrow is turned in the plane, does its second number stay?"""
    return np.concatenate([np.split(_turned(x, _angles(x, positions)), 2, axis=1)[0], x[:, x.shape[1] // 2 :]], axis=1)


def both_signs_plus(x, positions):
    """Two pluses make no rotation: your arrows change their length. Draw the arrow (0, 1) and turn it a little: which
    way does its first number go?"""
    angles = _angles(x, positions)
    first, second = np.split(x, 2, axis=1)
    cos, sin = np.cos(angles), np.sin(angles)
    return np.concatenate([first * cos + second * sin, first * sin + second * cos], axis=1)


def angle_added(x, positions):
    """You add something to the vectors. Other networks do add their positions; here they only turn. What happens to the
    length of a vector that is turned?"""
    return x + np.tile(_angles(x, positions), 2)


def waves_added(returned, x, positions):
    """You add sines and cosines to the vectors, as the first transformers did. Here nothing is added, and what turns is
    the vector itself: what must the sines and cosines be multiplied with?"""
    angles = _angles(x, positions)
    waves = np.sort(np.concatenate([np.cos(angles), np.sin(angles)], axis=1), axis=1)
    return np.allclose(np.sort(returned - x, axis=1), waves, atol=1e-4)


def lengths_have_changed(returned, x, positions):
    """A rotation keeps the length of each vector, and yours does not. Take one pair by itself: do your two lines turn
    it?"""
    kept = np.allclose(np.linalg.norm(returned, axis=1), np.linalg.norm(x, axis=1))
    # A vector at position 0 may keep its length in spite of it; one of two at the same place may have been lost.
    return None if kept or len(np.unique(positions)) < len(positions) else True


def far_positions_alone_are_wrong(returned, x, positions):
    """You are right for small positions, and wrong for vectors that stand far from the start. Texts may be long, and
    (7.1) holds for all positions alike: which line of yours treats a large one in another way?"""
    off = np.abs(returned - rotary_positions.oracle(x, positions)).max(axis=1) > 1e-4
    return bool(off.any() and (positions[off] >= NEAR).all())


def some_other_rotation(returned, x, positions):
    """Every length is kept, so you do turn, by some other angle or in other pairs. Try a single vector of two numbers
    at position 1, and then one of four: which is the first that goes wrong?"""
    return np.allclose(np.linalg.norm(returned, axis=1), np.linalg.norm(x, axis=1))


@exercise(
    "7.1",
    draw=_vectors,
    inputs="random rows of vectors",
    mistakes=[
        index_instead_of_position,
        positions_counted_from_one,
        every_position_alike,
        neighbours_paired,
        pairs_shuffled_at_the_end,
        halves_exchanged,
        turned_backwards,
        one_speed_for_all,
        half_the_exponent,
        exponent_by_number_of_pairs,
        faster_and_faster,
        pairs_counted_from_one,
        in_degrees,
        sine_and_cosine_exchanged,
        first_half_overwritten,
        second_half_left_alone,
        both_signs_plus,
        angle_added,
    ],
    signs=[waves_added, far_positions_alone_are_wrong],
    guesses=[lengths_have_changed, some_other_rotation],
)
def rotary_positions(x, positions):
    """Pair i with i + width/2, turned by position · 10000^(-2i/width)."""
    return _turned(x, _angles(x, positions))


# -- 7.2 ---------------------------------------------------------------------------------------------------------

NEVER = 2**40


def _expiries(rng: np.random.Generator) -> dict[str, Any]:
    """When inputs are hidden: after they were fed, some in the next moment, some never; all of a row, or none. A batch
    may have a single row, and a row a single input."""
    rows, inputs = int(rng.integers(1, 4)), int(rng.integers(1, 7))
    expires = np.arange(inputs) + rng.integers(1, inputs + 2, size=(rows, inputs))
    expires[rng.random(expires.shape) < rng.choice([0.0, 0.4, 0.4, 1.0], size=(rows, 1))] = NEVER
    expires[0, 0] = 1  # one is hidden for certain
    return {"expires": torch.tensor(expires)}


def _places(expires):
    place = torch.arange(expires.shape[1])
    return place[None, :, None], place[None, None, :]


def nothing_hidden(expires):
    """Your mask is that of a plain text: nothing that was deleted is ever hidden. *Whose* `expires` counts, that of the
    one who looks or of the one who is looked at?"""
    q, k = _places(expires)
    return (k <= q).expand(*expires.shape, expires.shape[1])


def the_future_seen(expires):
    """Your inputs see what comes after them, as long as it is not deleted. Who stands before whom?"""
    q, _ = _places(expires)
    return q < expires[:, None, :]


def only_the_future_seen(expires):
    """Your inputs see those that come after them, and none that came before. In (6.3), which of q and k is the
    smaller?"""
    q, k = _places(expires)
    return (k >= q) & (q < expires[:, None, :])


def blind_to_oneself(expires):
    """Nobody sees herself in your mask. With k = q, does (6.3) hold?"""
    q, k = _places(expires)
    return (k < q) & (q < expires[:, None, :])


def hidden_one_too_late(expires):
    """Your inputs are seen once more after they should be hidden. Is q = e_k still in time?"""
    q, k = _places(expires)
    return (k <= q) & (q <= expires[:, None, :])


def hidden_one_too_early(expires):
    """Your inputs are hidden one moment too early. e_k is the *first* input that does not see k: and the one before
    it?"""
    q, k = _places(expires)
    return (k <= q) & (q < expires[:, None, :] - 1)


def rows_and_columns_exchanged(expires):
    """Your table is turned: its second index is who is seen. Which index looks, and which is looked at?"""
    return who_sees_whom.oracle(expires).transpose(1, 2)


def hidden_marked(expires):
    """True and False are the wrong way round: you mark what is hidden."""
    return ~who_sees_whom.oracle(expires)


def one_mask_for_all_rows(expires):
    """Every row of the batch gets the mask of the first one. Does each of them not have an `expires` of its own?"""
    return who_sees_whom.oracle(expires)[:1].expand(*expires.shape, expires.shape[1])


def older_ones_only_if_never_deleted(returned, expires):
    """You hide what is deleted some day from everybody, also from those who came while it was on the screen. From when
    on is it unseen?"""
    q, k = _places(expires)
    others = (k < q) & (expires[:, None, :] >= expires.shape[1])
    return np.array_equal(np.where(q == k, 0, returned), others)


@exercise(
    "7.2",
    draw=_expiries,
    inputs="random rows of inputs",
    mistakes=[
        nothing_hidden,
        the_future_seen,
        only_the_future_seen,
        blind_to_oneself,
        hidden_one_too_late,
        hidden_one_too_early,
        rows_and_columns_exchanged,
        hidden_marked,
        one_mask_for_all_rows,
    ],
    signs=[older_ones_only_if_never_deleted],
)
def who_sees_whom(expires):
    """k ≤ q < e_k."""
    q, k = _places(expires)
    return (k <= q) & (q < expires[:, None, :])


# -- 7.3 ---------------------------------------------------------------------------------------------------------


def _queries_keys_values(rng: np.random.Generator) -> dict[str, Any]:
    """Rows of inputs, some hidden from others, with as many heads as there may be, and positions that come again. There
    may be a single row, input, head or pair; some scores are large, some exactly 0."""
    rows, inputs, heads, pairs = (int(rng.integers(1, high)) for high in (4, 6, 4, 4))
    qkv = rng.normal(scale=rng.choice([1.2, 3.5], p=[0.8, 0.2]), size=(rows, inputs, 3 * heads * 2 * pairs))
    if rng.random() < 0.2:
        qkv[:, -1, : heads * 2 * pairs] = 0
    positions = rng.integers(0, inputs, size=(rows, inputs))
    angles = positions[..., None] * 10000.0 ** (-np.arange(pairs) / pairs)
    expires = np.arange(inputs) + rng.integers(1, inputs + 1, size=(rows, inputs))
    mask = who_sees_whom.oracle(torch.tensor(expires))
    return {"qkv": torch.tensor(qkv), "angles": torch.tensor(angles), "mask": mask, "num_heads": heads}


def _heads(part, num_heads):
    """(B, P, W) → (B, heads, P, d)."""
    return part.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def _side_by_side(seen):
    return seen.transpose(1, 2).flatten(-2)


def _turned_heads(x, angles):
    first, second = x.chunk(2, dim=-1)
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def _turned_neighbours(x, angles):
    first, second = x[..., 0::2], x[..., 1::2]
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]
    return torch.stack([first * cos - second * sin, first * sin + second * cos], dim=-1).flatten(-2)


def _attended(parts, mask, scale=None):
    """Queries, keys and values, (B, heads, P, d) each."""
    queries, keys, values = parts
    scores = queries @ keys.transpose(-1, -2) / (math.sqrt(queries.shape[-1]) if scale is None else scale)
    return scores.masked_fill(~mask[:, None], -torch.inf).softmax(dim=-1) @ values


def _parts_of(qkv, num_heads):
    return (_heads(part, num_heads) for part in qkv.chunk(3, dim=-1))


def nothing_turned(qkv, angles, mask, num_heads):
    """Your scores do not know where anybody stands. What are the angles for?"""
    return _side_by_side(_attended(_parts_of(qkv, num_heads), mask))


def values_turned_too(qkv, angles, mask, num_heads):
    """You turn the values as well. The score is to feel the distance; what is taken home should be what is there: which
    two are turned?"""
    return _side_by_side(_attended([_turned_heads(part, angles) for part in _parts_of(qkv, num_heads)], mask))


def queries_turned_alone(qkv, angles, mask, num_heads):
    """You turn queries and leave keys as they are. Then the score feels where the query stands, and not how far
    apart the two are: see (7.2)."""
    queries, keys, values = _parts_of(qkv, num_heads)
    return _side_by_side(_attended([_turned_heads(queries, angles), keys, values], mask))


def keys_turned_alone(qkv, angles, mask, num_heads):
    """You turn keys and leave queries as they are. Then the score feels where the key stands, and not how far apart
    the two are: see (7.2)."""
    queries, keys, values = _parts_of(qkv, num_heads)
    return _side_by_side(_attended([queries, _turned_heads(keys, angles), values], mask))


def turned_the_other_way(qkv, angles, mask, num_heads):
    """You turn both, the wrong way round. Look at the sign of the sine in (7.1)."""
    return attention_of_many_heads.oracle(qkv, -angles, mask, num_heads)


def neighbours_turned(qkv, angles, mask, num_heads):
    """Your pairs are neighbours, numbers 0 and 1, 2 and 3. Which number is the partner of x_i in (7.1)?"""
    queries, keys, values = _parts_of(qkv, num_heads)
    turned = (_turned_neighbours(part, angles) for part in (queries, keys))
    return _side_by_side(_attended([*turned, values], mask))


def _with_scale(scale_of):
    def answer(qkv, angles, mask, num_heads):
        queries, keys, values = _parts_of(qkv, num_heads)
        turned = (_turned_heads(part, angles) for part in (queries, keys))
        return _side_by_side(_attended([*turned, values], mask, scale_of(queries.shape[-1], num_heads)))

    return answer


def scores_not_divided(qkv, angles, mask, num_heads):
    """Your scores are as large as the products come. By what are they divided, so that they do not grow with d?"""
    return _with_scale(lambda d, heads: 1.0)(qkv, angles, mask, num_heads)


def divided_by_d(qkv, angles, mask, num_heads):
    """You divide the scores by d. A sum of d random products grows as its root: what is wanted?"""
    return _with_scale(lambda d, heads: d)(qkv, angles, mask, num_heads)


def divided_by_the_root_of_the_width(qkv, angles, mask, num_heads):
    """You divide by the root of the whole width W. How many numbers does the product of one head add up?"""
    return _with_scale(lambda d, heads: math.sqrt(d * heads))(qkv, angles, mask, num_heads)


def divided_by_the_root_of_the_pairs(qkv, angles, mask, num_heads):
    """You divide by the root of the number of angles. There is one for each *pair* of numbers: how many numbers has a
    head?"""
    return _with_scale(lambda d, heads: math.sqrt(d / 2))(qkv, angles, mask, num_heads)


def everybody_seen(qkv, angles, mask, num_heads):
    """Everybody sees everybody. Where does the mask come in?"""
    return attention_of_many_heads.oracle(qkv, angles, torch.ones_like(mask), num_heads)


def causal_mask_only(qkv, angles, mask, num_heads):
    """You hide what comes later, and nothing else: what was deleted is still seen. What does `mask` know that the order
    of the inputs does not?"""
    return attention_of_many_heads.oracle(qkv, angles, torch.ones_like(mask).tril(), num_heads)


def mask_turned_over(qkv, angles, mask, num_heads):
    """Your inputs look at those who see *them*. Which index of the mask is the one who looks?"""
    eye = torch.eye(mask.shape[1], dtype=torch.bool)
    return attention_of_many_heads.oracle(qkv, angles, mask.transpose(1, 2) | eye, num_heads)


def hidden_scored_zero(qkv, angles, mask, num_heads):
    """Where an input is hidden your score becomes 0, and a score of 0 has a share in a softmax. Which has none?"""
    queries, keys, values = _parts_of(qkv, num_heads)
    scores = _turned_heads(queries, angles) @ _turned_heads(keys, angles).transpose(-1, -2)
    scores = scores / math.sqrt(queries.shape[-1]) * mask[:, None]
    return _side_by_side(scores.softmax(dim=-1) @ values)


def mask_after_the_softmax(qkv, angles, mask, num_heads):
    """You strike the hidden ones out after the softmax, when they have had their share. What do the weights of a row
    sum to then?"""
    queries, keys, values = _parts_of(qkv, num_heads)
    scores = _turned_heads(queries, angles) @ _turned_heads(keys, angles).transpose(-1, -2)
    weights = (scores / math.sqrt(queries.shape[-1])).softmax(dim=-1) * mask[:, None]
    return _side_by_side(weights @ values)


def one_head_for_all(qkv, angles, mask, num_heads):
    """You do it all with a single softmax, as if there were one head. What can several do that one cannot?"""
    queries, keys, values = _parts_of(qkv, num_heads)
    turned = (_side_by_side(_turned_heads(part, angles))[:, None] for part in (queries, keys))
    return _attended([*turned, _side_by_side(values)[:, None]], mask)[:, 0]


def heads_before_thirds(qkv, angles, mask, num_heads):
    """You cut `qkv` into heads first, and each head into queries, keys and values. What lies next to the queries of the
    first head: its keys, or the queries of the second?"""
    queries, keys, values = _heads(qkv, num_heads).chunk(3, dim=-1)
    return _side_by_side(_attended([_turned_heads(queries, angles), _turned_heads(keys, angles), values], mask))


def turned_before_they_are_cut(qkv, angles, mask, num_heads):
    """You turn all W numbers at once and then cut them into heads, so the partner of a number may belong to another
    head. How many numbers does one head have to make its pairs of?"""
    queries, keys, values = qkv.chunk(3, dim=-1)
    wide = angles.repeat(1, 1, num_heads)
    turned = (_turned_heads(part[:, None], wide)[:, 0] for part in (queries, keys))
    return _side_by_side(_attended([_heads(part, num_heads) for part in (*turned, values)], mask))


def heads_put_together_the_other_way(qkv, angles, mask, num_heads):
    """Each head is right, and then they are mixed: number by number, and not head by head. Which of the W numbers does
    the first head write?"""
    queries, keys, values = _parts_of(qkv, num_heads)
    seen = _attended([_turned_heads(queries, angles), _turned_heads(keys, angles), values], mask)
    return seen.movedim(1, -1).flatten(-2)


def inputs_and_heads_confused(qkv, angles, mask, num_heads):
    """Each head is right, but what you lay side by side comes from different inputs. Which axis must stand last but one
    before two are joined?"""
    queries, keys, values = _parts_of(qkv, num_heads)
    seen = _attended([_turned_heads(queries, angles), _turned_heads(keys, angles), values], mask)
    return seen.reshape(seen.shape[0], seen.shape[2], -1)


def softmax_over_those_who_look(qkv, angles, mask, num_heads):
    """Your softmax runs over those who look, and not over those who are seen. Whose weights sum to one in (6.1)?"""
    queries, keys, values = _parts_of(qkv, num_heads)
    scores = _turned_heads(queries, angles) @ _turned_heads(keys, angles).transpose(-1, -2)
    scores = (scores / math.sqrt(queries.shape[-1])).masked_fill(~mask[:, None], -torch.inf)
    return _side_by_side(scores.softmax(dim=-2) @ values)


def keys_and_queries_exchanged(qkv, angles, mask, num_heads):
    """You take the first third for keys and the second for queries. In which order do they lie in `qkv`?"""
    keys, queries, values = qkv.chunk(3, dim=-1)
    return attention_of_many_heads.oracle(torch.cat([queries, keys, values], dim=-1), angles, mask, num_heads)


def _is_one_of(returned, *several) -> bool:
    """As far as single precision goes."""
    return any(np.allclose(returned, one, rtol=1e-4, atol=1e-4) for one in several)


def heads_interleaved(returned, qkv, angles, mask, num_heads):
    """Your heads take every `num_heads`-th number. Which numbers of each W belong to the first head?"""
    queries, keys, values = (part.unflatten(-1, (-1, num_heads)).movedim(-1, 1) for part in qkv.chunk(3, dim=-1))
    seen = _attended([_turned_heads(queries, angles), _turned_heads(keys, angles), values], mask)
    return _is_one_of(returned, seen.movedim(1, -1).flatten(-2), _side_by_side(seen))


def first_row_for_all(returned, qkv, angles, mask, num_heads):
    """Every row of the batch gets the mask or the angles of the first one. Does each of them not have its own?"""
    one_mask, one_place = mask[:1].expand_as(mask), angles[:1].expand_as(angles)
    changed = (angles, one_mask), (one_place, mask), (one_place, one_mask)
    return _is_one_of(returned, *(attention_of_many_heads.oracle(qkv, *both, num_heads) for both in changed))


def hidden_ones_alone_are_seen(returned, qkv, angles, mask, num_heads):
    """Your inputs look at those who are hidden from them, and at nobody else. What does True stand for in `mask`? (In
    some libraries it is the other way round.)"""
    some_hidden = ~mask.all(dim=-1).numpy()
    others = attention_of_many_heads.oracle(qkv, angles, ~mask, num_heads).numpy()
    return _is_one_of(returned[some_hidden], others[some_hidden]) if some_hidden.any() else None


@exercise(
    "7.3",
    draw=_queries_keys_values,
    inputs="random rows of inputs",
    gradient="qkv",
    mistakes=[
        nothing_turned,
        values_turned_too,
        queries_turned_alone,
        keys_turned_alone,
        turned_the_other_way,
        neighbours_turned,
        scores_not_divided,
        divided_by_d,
        divided_by_the_root_of_the_width,
        divided_by_the_root_of_the_pairs,
        everybody_seen,
        causal_mask_only,
        mask_turned_over,
        hidden_scored_zero,
        mask_after_the_softmax,
        one_head_for_all,
        heads_before_thirds,
        turned_before_they_are_cut,
        heads_put_together_the_other_way,
        inputs_and_heads_confused,
        softmax_over_those_who_look,
        keys_and_queries_exchanged,
    ],
    signs=[heads_interleaved, first_row_for_all, hidden_ones_alone_are_seen],
)
def attention_of_many_heads(qkv, angles, mask, num_heads):
    """softmax(R q · R k / √d over what is seen) v, head by head."""
    queries, keys, values = _parts_of(qkv, num_heads)
    turned = (_turned_heads(part, angles) for part in (queries, keys))
    return _side_by_side(_attended([*turned, values], mask))


# -- 7.4 ---------------------------------------------------------------------------------------------------------


def _walk_with_logits(rng: np.random.Generator) -> dict[str, Any]:
    """A text with slips, packed, and logits at its inputs; what is illegal may well have the highest. Now and then she
    takes back what had come out right, and presses the same key again, or another; and some of the keys that she
    presses are very unlikely."""
    letters, longest = int(rng.integers(2, 5)), int(rng.integers(1, 5))
    eos, backspace = letters, letters + 1
    pressed, typed, asked, depths = [], [], [], [0]
    stack = [0]  # the inputs on the screen; the prompt is number 0
    for meant in rng.integers(0, letters, size=rng.integers(1, longest + 1)).tolist():
        while True:
            slips = rng.random() < 0.35
            pressed.append(meant)
            typed.append((meant + int(rng.integers(1, letters))) % letters if slips else meant)
            asked.append(stack[-1])
            stack.append(len(depths))
            depths.append(len(stack) - 1)
            if not slips and rng.random() < 0.85:
                break
            pressed.append(backspace)
            typed.append(backspace)
            asked.append(stack.pop())
            if not slips and rng.random() < 0.5:
                meant = int(rng.integers(letters))
    legal = np.ones((len(depths), letters + 2), dtype=bool)
    legal[np.array(depths) == 0, backspace] = False
    legal[np.array(depths) == longest, :letters] = False
    return {
        "logits": rng.normal(0, rng.choice([1.5, 6], p=[0.8, 0.2]), legal.shape) + 1.5 * ~legal,
        "legal": legal,
        "state_of_action": np.array([*asked, stack[-1]]),
        "pressed": np.array([*pressed, eos]),
        "typed": np.array([*typed, eos]),
    }


def _log_policy(logits, legal):
    return log_softmax(np.where(legal, logits, -np.inf), axis=1)


def _steps(logits, legal, state_of_action, pressed, typed):
    """log π of every key that was pressed, (time,)."""
    return _log_policy(logits, legal)[state_of_action, pressed]


def typed_instead_of_pressed(logits, legal, state_of_action, pressed, typed):
    """You take the key that the keyboard *typed*. Where it slipped, the network would learn to make that mistake. Which
    key should it learn?"""
    return _log_policy(logits, legal)[state_of_action, typed].sum()


def one_input_for_each_key(logits, legal, state_of_action, pressed, typed):
    """You read the i-th input for the i-th key. A ⌫ feeds nothing, so keys and inputs do not go in step: who says at
    which input each key was decided?"""
    inputs = np.minimum(np.arange(len(pressed)), len(logits) - 1)
    return _log_policy(logits, legal)[inputs, pressed].sum()


def asked_after_the_key(logits, legal, state_of_action, pressed, typed):
    """You ask at the text that a key leads to, one step late. On which screen did she look when she decided?"""
    later = np.append(state_of_action[1:], state_of_action[-1])
    return _log_policy(logits, legal)[later, pressed].sum()


def mean_over_keys(logits, legal, state_of_action, pressed, typed):
    """You return a mean over the keys. Then each key of a long text would count less than one of a short text. What is
    wanted for the whole walk?"""
    return _steps(logits, legal, state_of_action, pressed, typed).mean()


def loss_instead_of_likelihood(logits, legal, state_of_action, pressed, typed):
    """The sign is that of a loss, which falls while the network learns. Can the logarithm of a probability be
    positive?"""
    return -_steps(logits, legal, state_of_action, pressed, typed).sum()


def illegal_not_masked(logits, legal, state_of_action, pressed, typed):
    """Your policy gives a share to keys that are illegal: a ⌫ on the empty screen, a letter on a full one. Over which
    keys does the softmax run?"""
    return _steps(logits, np.ones_like(legal), state_of_action, pressed, typed).sum()


def illegal_logits_are_zero(logits, legal, state_of_action, pressed, typed):
    """You set illegal logits to 0, and e⁰ is 1, which is a share like any other. Which logit leaves no share at all?"""
    return _steps(np.where(legal, logits, 0.0), np.ones_like(legal), state_of_action, pressed, typed).sum()


def softmax_over_inputs(logits, legal, state_of_action, pressed, typed):
    """Your softmax runs over the inputs, as if the texts shared one key among them. What is it that sums to 1 at each
    text?"""
    masked = np.where(legal, logits, -np.inf)
    masked = np.where(legal.any(axis=0), masked, 0.0)
    return log_softmax(masked, axis=0)[state_of_action, pressed].sum()


def softmax_over_everything(logits, legal, state_of_action, pressed, typed):
    """Your whole table sums to 1. But there is a policy at *every* input: along which axis is it a distribution?"""
    return log_softmax(np.where(legal, logits, -np.inf))[state_of_action, pressed].sum()


def logits_taken_for_logs(logits, legal, state_of_action, pressed, typed):
    """You add up the logits as they are. They are scores: adding 5 to all of them changes no policy, and it would
    change your sum. What turns scores into log-probabilities?"""
    return logits[state_of_action, pressed].sum()


def probabilities_added(logits, legal, state_of_action, pressed, typed):
    """You add probabilities. All of these keys were pressed, one *and* the next: what is added then?"""
    return np.exp(_steps(logits, legal, state_of_action, pressed, typed)).sum()


def probability_of_the_walk(logits, legal, state_of_action, pressed, typed):
    """You return the probability of the walk itself. For a long text that is too small for a computer, so something
    else is asked for. What?"""
    return np.exp(_steps(logits, legal, state_of_action, pressed, typed).sum())


def only_letters_counted(logits, legal, state_of_action, pressed, typed):
    """Your sum has the letters only. From whom should the network learn ⌫ and ⏎?"""
    steps = _steps(logits, legal, state_of_action, pressed, typed)
    return steps[pressed < logits.shape[1] - 2].sum()


def backspaces_left_out(logits, legal, state_of_action, pressed, typed):
    """Your sum leaves out the ⌫. The expert pressed them, and they are what we want the network to learn: are they no
    keys?"""
    steps = _steps(logits, legal, state_of_action, pressed, typed)
    return steps[pressed != logits.shape[1] - 1].sum()


def last_key_left_out(logits, legal, state_of_action, pressed, typed):
    """The last key is missing from your sum. It is the ⏎: how will the network learn to stop?"""
    return _steps(logits, legal, state_of_action, pressed, typed)[:-1].sum()


def slips_left_out(logits, legal, state_of_action, pressed, typed):
    """You leave out the keys on which the keyboard slipped. The hand was right, only the letter came out wrong: was
    nothing pressed?"""
    steps = _steps(logits, legal, state_of_action, pressed, typed)
    return steps[pressed == typed].sum()


def logarithm_to_base_two(logits, legal, state_of_action, pressed, typed):
    """Your sum is right but for a factor, the same in every case. Which logarithm do you take, and which one belongs to
    the exponential of a softmax?"""
    return _steps(logits, legal, state_of_action, pressed, typed).sum() / np.log(2)


def logarithm_to_base_ten(logits, legal, state_of_action, pressed, typed):
    """Your numbers are less than half as large as they should be, all of them: you count in powers of ten. Of which
    number does a softmax take the powers?"""
    return _steps(logits, legal, state_of_action, pressed, typed).sum() / np.log(10)


def log_of_the_sum(logits, legal, state_of_action, pressed, typed):
    """You take one logarithm, of a sum of probabilities. In the equation, which comes first, the logarithm or the
    sum?"""
    return np.log(np.exp(_steps(logits, legal, state_of_action, pressed, typed)).sum())


def the_likeliest_instead_of_the_pressed(logits, legal, state_of_action, pressed, typed):
    """You take the key that the network likes best at each text. How good is its guess about what the *expert*
    pressed?"""
    return _log_policy(logits, legal).max(axis=1)[state_of_action].sum()


def first_key_left_out(logits, legal, state_of_action, pressed, typed):
    """The first key is missing from your sum. She pressed it on an empty screen, after the prompt alone: at which input
    was that?"""
    return _steps(logits, legal, state_of_action, pressed, typed)[1:].sum()


def each_text_once(returned, logits, legal, state_of_action, pressed, typed):
    """When she comes back to a text, you do not count it again. She pressed a key there each time: over what does the
    sum run, over texts or over keys?"""
    steps = _steps(logits, legal, state_of_action, pressed, typed)
    walk = list(zip(state_of_action.tolist(), pressed.tolist(), steps, strict=True))
    last, first = ({state: step for state, _, step in order} for order in (walk, walk[::-1]))
    pairs = {(state, key): step for state, key, step in walk}
    return any(np.isclose(returned, sum(kept.values())) for kept in (pairs, last, first))


def small_chances_cut_off(returned, logits, legal, state_of_action, pressed, typed):
    """Where a key is very unlikely your sum is too large: something keeps its probability away from 0, a small number
    that is added, or a bound. Is it needed, and is it in (7.5)?"""
    chances = np.exp(_steps(logits, legal, state_of_action, pressed, typed))
    kept = (away for e in range(3, 17) for away in (chances + 10.0**-e, np.maximum(chances, 10.0**-e)))
    return any(np.isclose(returned, np.log(away).sum(), rtol=1e-6, atol=1e-6) for away in kept)


def above_zero(returned, logits, legal, state_of_action, pressed, typed):
    """You return a positive number. A probability is at most 1: what does that say about its logarithm, and about a sum
    of such?"""
    return bool(returned > 0)


def impossible(returned, logits, legal, state_of_action, pressed, typed):
    """Your sum is minus infinity: at some text you ask for a key that is illegal there. Is it the text at which that
    key was pressed, and the key that was pressed at that text?"""
    return True if np.isneginf(returned) else None


@exercise(
    "7.4",
    draw=_walk_with_logits,
    inputs="random walks",
    mistakes=[
        typed_instead_of_pressed,
        one_input_for_each_key,
        asked_after_the_key,
        mean_over_keys,
        loss_instead_of_likelihood,
        illegal_not_masked,
        illegal_logits_are_zero,
        softmax_over_inputs,
        softmax_over_everything,
        logits_taken_for_logs,
        probabilities_added,
        probability_of_the_walk,
        only_letters_counted,
        backspaces_left_out,
        last_key_left_out,
        first_key_left_out,
        slips_left_out,
        logarithm_to_base_two,
        logarithm_to_base_ten,
        log_of_the_sum,
        the_likeliest_instead_of_the_pressed,
    ],
    signs=[above_zero, impossible, each_text_once, small_chances_cut_off],
)
def log_likelihood_of_a_walk(logits, legal, state_of_action, pressed, typed):
    """Σ_i log π(pressed_i | s_i)."""
    return _steps(logits, legal, state_of_action, pressed, typed).sum()


# -- 7.5 ---------------------------------------------------------------------------------------------------------


def _logits_of_some_texts(rng: np.random.Generator) -> dict[str, Any]:
    """Two texts or more, every key legal at one of them at least, the first one at all. No key alone reaches top_p,
    none of the sums comes near it, and a legal key is left where illegal ones had been let into the cut: so that known
    mistakes are told their hints, and not that they divide by 0. Some rows are higher than others as a whole.
    Where top_p is 1, every key is legal."""
    everything = rng.random() < 0.2
    while True:
        shape = int(rng.integers(2, 5)), int(rng.integers(3, 8))
        legal = (rng.random(shape) < 0.7) | everything
        legal[:, 0] = True
        logits = rng.normal(0, 1.5, shape) + 1.5 * ~legal + rng.normal(0, 3, (shape[0], 1))
        hot = rng.uniform(1.3, 2.5) if rng.random() < 0.7 else rng.uniform(10, 50)
        cold = rng.uniform(0.4, 0.8) if rng.random() < 0.7 else rng.uniform(0.15, 0.4)
        temperature = float(rng.choice([cold, hot]))
        if everything:
            return {"logits": logits, "legal": legal, "temperature": temperature, "top_p": 1.0}
        if not (legal.any(axis=0).all() and (legal.sum(axis=1) >= 2).all()):
            continue
        shares = _softmax(logits, legal, temperature)
        top_p = float(shares.max() + (1 - shares.max()) * rng.beta(1, 3))  # low more often than high
        sums = -np.sort(-shares, axis=1).cumsum(axis=1)
        left = _nucleus(_softmax(logits, np.ones_like(legal), temperature), top_p) * legal
        if top_p < 0.99 and np.abs(sums - top_p).min() > 1e-3 and left.any(axis=1).all():
            return {"logits": logits, "legal": legal, "temperature": temperature, "top_p": top_p}


def _softmax(logits, legal, temperature):
    return softmax(np.where(legal, logits, -np.inf) / temperature, axis=1)


def _nucleus(shares, top_p, more: int = 0):
    """The likeliest that together reach top_p, and so many more of them; 0 elsewhere, not normalised."""
    order = np.argsort(-shares, axis=1)
    sums = np.take_along_axis(shares, order, axis=1).cumsum(axis=1)
    rank = np.argsort(order, axis=1)
    needed = (sums < top_p).sum(axis=1, keepdims=True) + 1 + more
    return np.where(rank < needed, shares, 0.0)


def _normalised(shares):
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)


def one_key_too_many(logits, legal, temperature, top_p):
    """You keep one key more than you need: without the last one they had top_p already. When do you look at the sum,
    before you take a key or after?"""
    return _normalised(_nucleus(_softmax(logits, legal, temperature), top_p, more=1))


def temperature_multiplied(logits, legal, temperature, top_p):
    """A high temperature makes your typist *more* certain. Which way round should it go: is heat order, or disorder?"""
    return _normalised(_nucleus(_softmax(logits, legal, 1 / temperature), top_p))


def temperature_without_effect(logits, legal, temperature, top_p):
    """Your answer is the same at every temperature. Is it used? And if you divide the *probabilities* by it: what is
    left of that after they are normalised?"""
    return _normalised(_nucleus(_softmax(logits, legal, 1), top_p))


def probabilities_divided_by_temperature(logits, legal, temperature, top_p):
    """You divide the probabilities by the temperature, so they no longer sum to 1 when top-p looks at them, and one is
    as much above another as before. What is divided in the equation?"""
    return _normalised(_nucleus(_softmax(logits, legal, 1) / temperature, top_p))


def temperature_after_top_p(logits, legal, temperature, top_p):
    """You choose the likeliest keys before the temperature has changed the probabilities. Which of the two comes
    first?"""
    kept = _nucleus(_softmax(logits, legal, 1), top_p) > 0
    return _softmax(logits, kept, temperature)


def illegal_not_masked_at_all(logits, legal, temperature, top_p):
    """Illegal keys have a chance in your answer: she would press ⌫ on an empty screen. Where do you use `legal`?"""
    return _normalised(_nucleus(_softmax(logits, np.ones_like(legal), temperature), top_p))


def illegal_struck_out_at_the_end(logits, legal, temperature, top_p):
    """You strike out the illegal keys when top-p has chosen already, and they had taken part of it. When must they
    go?"""
    return _normalised(_nucleus(_softmax(logits, np.ones_like(legal), temperature), top_p) * legal)


def illegal_has_logit_zero(logits, legal, temperature, top_p):
    """Your illegal keys have logit 0, which is a chance like any other. Which logit is no chance at all?"""
    return _normalised(_nucleus(_softmax(np.where(legal, logits, 0), np.ones_like(legal), temperature), top_p))


def illegal_masked_after_the_softmax(logits, legal, temperature, top_p):
    """You strike out illegal keys after the softmax, and look at top_p at once. What do the legal ones sum to by
    then?"""
    return _normalised(_nucleus(_softmax(logits, np.ones_like(legal), temperature) * legal, top_p))


def not_normalised_again(logits, legal, temperature, top_p):
    """You keep the right keys, but your rows no longer sum to 1. What becomes of the share of those that were left
    out?"""
    return _nucleus(_softmax(logits, legal, temperature), top_p)


def top_p_without_effect(logits, legal, temperature, top_p):
    """You keep all of the legal keys, whatever top_p is. Which ones should go?"""
    return _softmax(logits, legal, temperature)


def least_likely_kept(logits, legal, temperature, top_p):
    """You start to add with the *least* likely key. With which one should one start, so that few are enough?"""
    shares = _softmax(logits, legal, temperature)
    order = np.argsort(shares, axis=1)
    sums = np.take_along_axis(shares, order, axis=1).cumsum(axis=1)
    needed = (sums < top_p).sum(axis=1, keepdims=True) + 1
    return _normalised(np.where(np.argsort(order, axis=1) < needed, shares, 0.0))


def in_the_order_of_the_keyboard(logits, legal, temperature, top_p):
    """You add up the keys in the order in which they stand on the keyboard. In which order do few of them reach
    top_p?"""
    shares = _softmax(logits, legal, temperature)
    needed = (shares.cumsum(axis=1) < top_p).sum(axis=1, keepdims=True) + 1
    return _normalised(np.where(np.arange(shares.shape[1]) < needed, shares, 0.0))


def sorted_and_not_put_back(logits, legal, temperature, top_p):
    """Your probabilities are the right ones, sorted. Whose are they? Each must go back to the place of its key."""
    return -np.sort(-temperature_and_top_p.oracle(logits, legal, temperature, top_p), axis=1)


def sorted_cut_on_unsorted_keys(logits, legal, temperature, top_p):
    """You find in the sorted list who is kept, and then keep the keys that stand at these places *before* sorting.
    Which key is the second of the sorted list?"""
    shares = _softmax(logits, legal, temperature)
    kept = -np.sort(-_nucleus(shares, top_p), axis=1) > 0
    return _normalised(np.where(kept, shares, 0.0))


def softmax_over_texts(logits, legal, temperature, top_p):
    """Your softmax runs down the columns: the texts divide each key among them. What sums to 1 at one text?"""
    shares = softmax(np.where(legal, logits, -np.inf) / temperature, axis=0)
    return _normalised(_nucleus(shares, top_p))


def softmax_over_the_whole_table(logits, legal, temperature, top_p):
    """Your softmax runs over the whole table, as if one key were chosen for all texts together. How many choices are
    there?"""
    shares = softmax(np.where(legal, logits, -np.inf) / temperature)
    return _normalised(_nucleus(shares, top_p))


def always_the_likeliest(logits, legal, temperature, top_p):
    """You give everything to the likeliest key of each text. Do its competitors, down to top_p, get no share?"""
    return np.eye(logits.shape[1])[np.where(legal, logits, -np.inf).argmax(axis=1)]


def wrong_at_one_alone(returned, logits, legal, temperature, top_p):
    """You go wrong at top_p = 1 alone. There all keys are needed, and rounding may leave the sum of all a little below
    1: what does your line do when *no* sum reaches top_p?"""
    return top_p == 1


def crossing_key_left_out(returned, logits, legal, temperature, top_p):
    """The keys that you keep do not have top_p together: you stop before the one that crosses it. Does it belong to
    them?"""
    if top_p == 1:
        return None  # it depends on rounding whether any is left out
    return _is_one_of(returned, _normalised(_nucleus(_softmax(logits, legal, temperature), top_p, more=-1)))


def as_many_as_another_text(returned, logits, legal, temperature, top_p):
    """You keep the same number of keys at every text, as many as one of them needs. Does a text with one clear
    favourite need as many as one where all are alike?"""
    shares = _softmax(logits, legal, temperature)
    needed = (_nucleus(shares, top_p) > 0).sum(axis=1)
    ranks = np.argsort(np.argsort(-shares, axis=1), axis=1)
    return _is_one_of(returned, *(_normalised(np.where(ranks < many, shares, 0.0)) for many in set(needed.tolist())))


def large_enough_alone(returned, logits, legal, temperature, top_p):
    """You keep every key that has at least 1 - top_p for itself. It is the *sum* that decides: who is needed until it
    is large enough?"""
    shares = _softmax(logits, legal, temperature)
    kept = np.where(shares >= 1 - top_p, shares, 0.0)
    some = kept.any(axis=1)
    return _is_one_of(returned[some], _normalised(kept)[some]) if some.any() else None


def softmax_of_what_is_kept(returned, logits, legal, temperature, top_p):
    """You take a softmax of *probabilities*, to make them sum to 1 again. It makes them much more alike than they were:
    what is done to them in the text?"""
    kept = _nucleus(_softmax(logits, legal, temperature), top_p)
    return _is_one_of(
        returned, *(softmax(np.where(who, kept, -np.inf), axis=1) for who in (kept > 0, legal, kept >= 0))
    )


def columns_sum_to_one(returned, logits, legal, temperature, top_p):
    """Your columns sum to 1, and the rows do not. A row is one text: which axis holds its keys?"""
    sums = returned.sum(axis=0), returned.sum(axis=1)
    return bool(np.allclose(sums[0], 1, atol=1e-4) and not np.allclose(sums[1], 1, atol=1e-4))


def share_of_the_number(returned, logits, legal, temperature, top_p):
    """You keep a share top_p of the *number* of keys. But what is p a share of: of the keys, or of the probability?"""
    shares = _softmax(logits, legal, temperature)
    ranks = np.argsort(np.argsort(-shares, axis=1), axis=1)
    for many in (np.full((len(legal), 1), legal.shape[1]), legal.sum(axis=1, keepdims=True)):
        for whole in (np.ceil, np.floor, np.round):
            kept = np.where(ranks < np.maximum(1, whole(top_p * many)), shares, 0.0)
            if np.allclose(returned, _normalised(kept), atol=1e-4):
                return True
    return False


def logarithms(returned, logits, legal, temperature, top_p):
    """These look like logarithms: none is above 0. Probabilities are wanted."""
    return bool((returned <= 0).all())


def rows_do_not_sum_to_one(returned, logits, legal, temperature, top_p):
    """A row of your answer does not sum to 1, so it is no distribution. Which step should be the last one?"""
    return not np.allclose(returned.sum(axis=1), 1, atol=1e-4)


def illegal_have_a_chance(returned, logits, legal, temperature, top_p):
    """Some illegal key has a chance in your answer. At which step do you mask it, and is anything computed from it
    before?"""
    return True if (returned[~legal] > 1e-6).any() else None


@exercise(
    "7.5",
    draw=_logits_of_some_texts,
    inputs="random tables of logits",
    mistakes=[
        one_key_too_many,
        temperature_multiplied,
        temperature_without_effect,
        probabilities_divided_by_temperature,
        temperature_after_top_p,
        illegal_not_masked_at_all,
        illegal_struck_out_at_the_end,
        illegal_has_logit_zero,
        illegal_masked_after_the_softmax,
        not_normalised_again,
        top_p_without_effect,
        least_likely_kept,
        in_the_order_of_the_keyboard,
        sorted_and_not_put_back,
        sorted_cut_on_unsorted_keys,
        softmax_over_texts,
        softmax_over_the_whole_table,
        always_the_likeliest,
    ],
    signs=[
        wrong_at_one_alone,
        crossing_key_left_out,
        large_enough_alone,
        softmax_of_what_is_kept,
        columns_sum_to_one,
        logarithms,
        illegal_have_a_chance,
        rows_do_not_sum_to_one,
    ],
    guesses=[as_many_as_another_text, share_of_the_number],
)
def temperature_and_top_p(logits, legal, temperature, top_p):
    """softmax(ℓ/T) over the legal keys, cut to the likeliest that reach top_p, normalised again."""
    return _normalised(_nucleus(_softmax(logits, legal, temperature), top_p))


# -- 7.6 ---------------------------------------------------------------------------------------------------------


def _walk_in_a_cache(rng: np.random.Generator) -> dict[str, Any]:
    """Letters and ⌫ after a prompt; room for all of them, so that wrong places exist too. Sometimes ⌫ does not have the
    largest number, a few walks end before the first key, an empty word, and some are long."""
    letters, prompt = int(rng.integers(2, 6)), int(rng.integers(1, 4))
    backspace, actions, standing = letters + 1, [], 0
    tokens = np.append(np.arange(letters), backspace + 1 + np.arange(rng.choice([0, 3], p=[0.85, 0.15])))
    chance = rng.random()
    longest, deletes = (11, 0.45) if chance < 0.93 else (320, 0.25)
    for _ in range(int(rng.integers(1, longest)) * (chance > 0.03)):
        back = standing > 0 and rng.random() < deletes
        actions.append(backspace if back else int(rng.choice(tokens)))
        standing += -1 if back else 1
    return {
        "prompt": rng.choice(tokens, size=prompt),
        "actions": np.array(actions, dtype=np.int64),
        "backspace": backspace,
        "room": prompt + len(actions) + 1,
    }


def _run(prompt, actions, backspace, room, key: Callable[[np.ndarray, int, int, int], int], passes=None):
    """Follow a walk. `key` changes the cache for one action, and returns the new depth; it is given the cache, the
    depth, the action and the number of the step."""
    cache, depth = np.full(room, -1), len(prompt)
    cache[:depth] = prompt
    rows, depths = [cache.copy()], [depth]
    for step, action in enumerate(actions.tolist()):
        depth = key(cache, depth, action, step)
        rows.append(cache.copy())
        depths.append(depth)
    counted = np.append(1, 1 + np.cumsum(actions != backspace)) if passes is None else passes
    return {"cache": np.array(rows), "depth": np.array(depths), "passes": np.asarray(counted)}


def _right_key(backspace) -> Callable[[np.ndarray, int, int, int], int]:
    def key(cache, depth, action, step):
        if action == backspace:
            return depth - 1
        cache[depth] = action
        return depth + 1

    return key


def _stack(prompt, actions, backspace, room, passes=None):
    return _run(prompt, actions, backspace, room, _right_key(backspace), passes)


def not_rolled_back(prompt, actions, backspace, room):
    """⌫ changes nothing in your cache, not even how much of it counts: what was deleted is still seen, and the next
    letter is written above it. What must ⌫ do to the depth?"""

    def key(cache, depth, action, step):
        if action == backspace:
            return depth
        cache[depth] = action
        return depth + 1

    return _run(prompt, actions, backspace, room, key)


def written_at_the_step(prompt, actions, backspace, room):
    """You write each letter at the place of its *step*. After a ⌫ steps and depths go different ways: where on the
    screen does the letter stand?"""

    def key(cache, depth, action, step):
        if action == backspace:
            return depth - 1
        cache[len(prompt) + step] = action
        return depth + 1

    return _run(prompt, actions, backspace, room, key)


def written_one_after_the_other(prompt, actions, backspace, room):
    """Your depth goes down with a ⌫, but the next letter is written behind all that was written before it. Over what
    should it be written?"""
    written = [len(prompt)]

    def key(cache, depth, action, step):
        if action == backspace:
            return depth - 1
        cache[written[0]] = action
        written[0] += 1
        return depth + 1

    return _run(prompt, actions, backspace, room, key)


def backspace_written_like_a_letter(prompt, actions, backspace, room):
    """⌫ stands in your cache like a letter, and the text gets longer by it. Should anybody ever see it?"""

    def key(cache, depth, action, step):
        cache[depth] = action
        return depth + 1

    passes = np.arange(1, len(actions) + 2)
    return _run(prompt, actions, backspace, room, key, passes)


def backspace_written_over_the_deleted(prompt, actions, backspace, room):
    """Your ⌫ writes itself over the letter that it deletes. Is there anything to write, when nothing is fed?"""

    def key(cache, depth, action, step):
        depth -= action == backspace
        cache[depth] = action
        return depth + (action != backspace)

    return _run(prompt, actions, backspace, room, key)


def deleted_wiped_out(prompt, actions, backspace, room):
    """You clear the place of what is deleted. It does no harm, but it is work, and a ⌫ should not need any: who would
    see what stands above the depth?"""

    def key(cache, depth, action, step):
        if action == backspace:
            cache[depth - 1] = -1
            return depth - 1
        cache[depth] = action
        return depth + 1

    return _run(prompt, actions, backspace, room, key)


def first_one_deleted(prompt, actions, backspace, room):
    """Your ⌫ takes the letter at the bottom, and the others move down. Which end of a stack is the one that is
    touched?"""

    def key(cache, depth, action, step):
        if action == backspace:
            cache[len(prompt) : depth - 1] = cache[len(prompt) + 1 : depth].copy()
            return depth - 1
        cache[depth] = action
        return depth + 1

    return _run(prompt, actions, backspace, room, key)


def rows_are_one_array(prompt, actions, backspace, room):
    """All rows of your cache are the same, that of the end. Do you put one and the same array into a list again and
    again?"""
    found = _stack(prompt, actions, backspace, room)
    return found | {"cache": np.repeat(found["cache"][-1:], len(found["cache"]), axis=0)}


def one_above_is_read(prompt, actions, backspace, room):
    """Your depth is one too large: with it the next key would look at a place above the text, where something deleted
    may stand. How many tokens are on the screen?"""
    found = _stack(prompt, actions, backspace, room)
    return found | {"depth": found["depth"] + 1}


def place_of_the_top(prompt, actions, backspace, room):
    """Your depth is the *place* of the last token, counted from 0. How many tokens are that, all together?"""
    found = _stack(prompt, actions, backspace, room)
    return found | {"depth": found["depth"] - 1}


def prompt_not_counted(prompt, actions, backspace, room):
    """Your depth counts what she typed herself. Does the next key not look at the prompt?"""
    found = _stack(prompt, actions, backspace, room)
    return found | {"depth": found["depth"] - len(prompt)}


def told_apart_by_size(prompt, actions, backspace, room):
    """You tell letters from ⌫ by which number is the smaller. On some keyboards a letter has a larger number than ⌫: by
    what can you know ⌫ for certain?"""
    return _stack(prompt, np.minimum(actions, backspace), backspace, room)


def pass_for_each_key(prompt, actions, backspace, room):
    """You count a forward pass for each key, ⌫ included. What is on the screen after a ⌫, and has the network seen it
    before?"""
    return _stack(prompt, actions, backspace, room, np.arange(1, len(actions) + 2))


def prompt_costs_nothing(prompt, actions, backspace, room):
    """Your count starts at 0. Before the first key can be chosen somebody must have read the prompt: how many passes
    has that taken?"""
    found = _stack(prompt, actions, backspace, room)
    return found | {"passes": found["passes"] - 1}


def pass_for_each_token_of_the_prompt(prompt, actions, backspace, room):
    """You count a pass for each token of the prompt. They are all known from the start: can they not go through
    together?"""
    found = _stack(prompt, actions, backspace, room)
    return found | {"passes": found["passes"] + len(prompt) - 1}


def passes_taken_back(prompt, actions, backspace, room):
    """Your count of passes goes down with a ⌫. Work that was done is done; does a ⌫ give it back?"""
    found = _stack(prompt, actions, backspace, room)
    return found | {"passes": 1 + found["depth"] - len(prompt)}


def fed_with_the_next_key(prompt, actions, backspace, room):
    """Your count is one key behind: a letter is fed only when the key after it is chosen. When was it said to be
    fed?"""
    found = _stack(prompt, actions, backspace, room)
    return found | {"passes": np.append(1, found["passes"][:-1])}


def passes_of_each_step(prompt, actions, backspace, room):
    """Your `passes` says for each key whether it took one. How many were it *so far*?"""
    return _stack(prompt, actions, backspace, room, np.append(1, actions != backspace).astype(int))


def nothing_is_zero(prompt, actions, backspace, room):
    """Where nothing was ever written your cache has 0, and that is the number of a letter. Which number was agreed
    on?"""
    found = _stack(prompt, actions, backspace, room)
    return found | {"cache": np.maximum(found["cache"], 0)}


def one_step_behind(prompt, actions, backspace, room):
    """Everything in your answer comes one step late: row i shows the cache before key i. Which row is the one after the
    prompt?"""
    found = _stack(prompt, actions, backspace, room)
    empty = {"cache": np.full((1, room), -1), "depth": np.zeros(1, dtype=int), "passes": np.zeros(1, dtype=int)}
    return {name: np.concatenate([empty[name], values[:-1]]) for name, values in found.items()}


def _wrong_parts(returned, *inputs) -> set[str]:
    right = _stack(*inputs)
    return {name for name in right if not np.array_equal(np.asarray(returned[name], dtype=np.float64), right[name])}


def prompt_not_written(returned, prompt, actions, backspace, room):
    """The prompt is missing from your cache: its places are empty, or others stand there. It was fed before the first
    key: what does the cache hold after that?"""
    found, without = _stack(prompt, actions, backspace, room), _stack(prompt[:0], actions, backspace, room)
    empty = found["cache"].copy()
    empty[:, : len(prompt)] = -1
    cache = np.asarray(returned["cache"], dtype=np.float64)
    return np.array_equal(cache, empty) or np.array_equal(cache, without["cache"])


def cache_alone_is_wrong(returned, prompt, actions, backspace, room):
    """Depths and passes are right, the cache is not. Go through a short walk by hand: at which place is each letter
    written, and who writes when a ⌫ comes?"""
    return _wrong_parts(returned, prompt, actions, backspace, room) == {"cache"}


def depth_alone_is_wrong(returned, prompt, actions, backspace, room):
    """Only your depths are wrong. Count the tokens on the screen after each key, prompt included: what do you get?"""
    return _wrong_parts(returned, prompt, actions, backspace, room) == {"depth"}


def passes_alone_are_wrong(returned, prompt, actions, backspace, room):
    """Only your passes are wrong. Which events feed something to the network?"""
    return _wrong_parts(returned, prompt, actions, backspace, room) == {"passes"}


@exercise(
    "7.6",
    draw=_walk_in_a_cache,
    inputs="random walks",
    mistakes=[
        not_rolled_back,
        written_at_the_step,
        written_one_after_the_other,
        backspace_written_like_a_letter,
        backspace_written_over_the_deleted,
        deleted_wiped_out,
        first_one_deleted,
        rows_are_one_array,
        one_above_is_read,
        place_of_the_top,
        prompt_not_counted,
        told_apart_by_size,
        pass_for_each_key,
        prompt_costs_nothing,
        pass_for_each_token_of_the_prompt,
        passes_taken_back,
        fed_with_the_next_key,
        passes_of_each_step,
        nothing_is_zero,
        one_step_behind,
    ],
    signs=[prompt_not_written, cache_alone_is_wrong, depth_alone_is_wrong, passes_alone_are_wrong],
)
def stack_cache(prompt, actions, backspace, room):
    """Written at the depth; ⌫ lowers the depth, and nothing else."""
    return _stack(prompt, actions, backspace, room)
