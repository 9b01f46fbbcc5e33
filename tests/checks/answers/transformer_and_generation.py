"""Answers to notebooks/07_transformer_and_generation.ipynb, written from its text alone: right ones and wrong ones."""

import math

import numpy as np
import torch

# 7.1 rotary(x, positions)


def angles(positions, d):
    return np.outer(positions, 10000.0 ** (-2 * np.arange(d // 2) / d))


def two_halves(x, positions):
    half = x.shape[1] // 2
    phi = angles(positions, x.shape[1])
    first, second = x[:, :half], x[:, half:]
    return np.hstack([first * np.cos(phi) - second * np.sin(phi), first * np.sin(phi) + second * np.cos(phi)])


def number_by_number_in_lists(x, positions):
    turned = []
    for vector, p in zip(x, positions):
        d = len(vector)
        row = [0.0] * d
        for i in range(d // 2):
            phi = p * 10000 ** (-2 * i / d)
            row[i] = vector[i] * math.cos(phi) - vector[i + d // 2] * math.sin(phi)
            row[i + d // 2] = vector[i] * math.sin(phi) + vector[i + d // 2] * math.cos(phi)
        turned.append(row)
    return turned


def complex_numbers(x, positions):
    half = x.shape[1] // 2
    turned = (x[:, :half] + 1j * x[:, half:]) * np.exp(1j * angles(positions, x.shape[1]))
    return np.concatenate([turned.real, turned.imag], axis=1)


def torch_in_double(x, positions):
    x, positions = torch.as_tensor(x, dtype=torch.float64), torch.as_tensor(positions, dtype=torch.float64)
    d = x.shape[1]
    phi = positions[:, None] * 10000 ** (-2 * torch.arange(d // 2, dtype=torch.float64) / d)
    first, second = x.chunk(2, dim=1)
    cos, sin = phi.cos().repeat(1, 2), phi.sin().repeat(1, 2)
    return x * cos + torch.cat([-second, first], dim=1) * sin


def torch_in_single(x, positions):
    x, positions = torch.as_tensor(x).float(), torch.as_tensor(positions).float()
    d = x.shape[1]
    phi = torch.outer(positions, 1.0 / 10000 ** (torch.arange(0, d, 2).float() / d))
    first, second = x.chunk(2, dim=1)
    return torch.cat([first * phi.cos() - second * phi.sin(), second * phi.cos() + first * phi.sin()], dim=1)


def powers_of_one_step(x, positions):
    d = x.shape[1]
    step = np.zeros((d, d))
    for i in range(d // 2):
        phi = 10000 ** (-2 * i / d)
        step[i, i] = step[i + d // 2, i + d // 2] = math.cos(phi)
        step[i + d // 2, i] = math.sin(phi)
        step[i, i + d // 2] = -math.sin(phi)
    return np.array([np.linalg.matrix_power(step, int(p)) @ vector for vector, p in zip(x, positions)])


def turned_by(x, phi):
    half = x.shape[1] // 2
    first, second = x[:, :half], x[:, half:]
    return np.hstack([first * np.cos(phi) - second * np.sin(phi), first * np.sin(phi) + second * np.cos(phi)])


def neighbours_as_pairs(x, positions):
    phi = angles(positions, x.shape[1])
    out = np.empty(x.shape)
    out[:, 0::2] = x[:, 0::2] * np.cos(phi) - x[:, 1::2] * np.sin(phi)
    out[:, 1::2] = x[:, 0::2] * np.sin(phi) + x[:, 1::2] * np.cos(phi)
    return out


def turned_clockwise(x, positions):
    return turned_by(x, -angles(positions, x.shape[1]))


def row_numbers_as_positions(x, positions):
    return turned_by(x, angles(np.arange(len(x)), x.shape[1]))


def angles_in_degrees(x, positions):
    return turned_by(x, np.radians(angles(positions, x.shape[1])))


def exponent_without_its_two(x, positions):
    d = x.shape[1]
    return turned_by(x, np.outer(positions, 10000.0 ** (-np.arange(d // 2) / d)))


def speeds_that_grow(x, positions):
    d = x.shape[1]
    return turned_by(x, np.outer(positions, 10000.0 ** (2 * np.arange(d // 2) / d)))


def one_speed_for_all_pairs(x, positions):
    return turned_by(x, np.asarray(positions, dtype=float)[:, None])


def pairs_counted_from_one(x, positions):
    d = x.shape[1]
    return turned_by(x, np.outer(positions, 10000.0 ** (-2 * np.arange(1, d // 2 + 1) / d)))


def positions_counted_from_one(x, positions):
    return turned_by(x, angles(np.asarray(positions) + 1, x.shape[1]))


def first_half_overwritten(x, positions):
    out = np.array(x)
    half = out.shape[1] // 2
    cos, sin = np.cos(angles(positions, out.shape[1])), np.sin(angles(positions, out.shape[1]))
    out[:, :half] = out[:, :half] * cos - out[:, half:] * sin
    out[:, half:] = out[:, :half] * sin + out[:, half:] * cos
    return out


def pairs_put_side_by_side(x, positions):
    half = x.shape[1] // 2
    return np.stack(np.split(two_halves(x, positions), [half], axis=1), axis=-1).reshape(x.shape)


def no_minus_sign(x, positions):
    phi = angles(positions, x.shape[1])
    half = x.shape[1] // 2
    first, second = x[:, :half], x[:, half:]
    return np.hstack([first * np.cos(phi) + second * np.sin(phi), first * np.sin(phi) + second * np.cos(phi)])


def minus_in_both_lines(x, positions):
    half = x.shape[1] // 2
    phi = angles(positions, x.shape[1])
    first, second = x[:, :half], x[:, half:]
    return np.hstack([first * np.cos(phi) - second * np.sin(phi), first * np.sin(phi) - second * np.cos(phi)])


def waves_added(x, positions):
    phi = angles(positions, x.shape[1])
    return x + np.hstack([np.cos(phi), np.sin(phi)])


def pairs_in_the_exponent(x, positions):
    half = x.shape[1] // 2
    return turned_by(x, np.outer(positions, 10000.0 ** (-2 * np.arange(half) / half)))


def only_cosine_and_sine(x, positions):
    phi = angles(positions, x.shape[1])
    return x * np.hstack([np.cos(phi), np.sin(phi)])


def positions_that_start_anew(x, positions):
    half = x.shape[1] // 2
    angles = np.outer(positions % 1024, 10000.0 ** (-np.arange(half) / half))
    a, b = x[:, :half], x[:, half:]
    return np.hstack([a * np.cos(angles) - b * np.sin(angles), a * np.sin(angles) + b * np.cos(angles)])


def only_the_first_pair(x, positions):
    phi = angles(positions, x.shape[1])
    phi[:, 1:] = 0
    return turned_by(x, phi)


# 7.2: who sees whom in a batch


def seen_by_two_comparisons(expires):
    q = torch.arange(expires.shape[-1]).unsqueeze(1)
    return (q >= q.T) & (q < expires.unsqueeze(1))


def seen_by_tril(expires):
    size = expires.shape[1]
    causal = torch.tril(torch.ones(size, size, dtype=torch.bool))
    alive = torch.arange(size)[None, :, None] < expires[:, None, :]
    return causal & alive


def seen_by_loops(expires):
    rows, size = expires.shape
    mask = torch.zeros(rows, size, size, dtype=torch.bool)
    for b in range(rows):
        for q in range(size):
            for k in range(q + 1):
                mask[b, q, k] = q < int(expires[b, k])
    return mask


def seen_in_numpy(expires):
    e = np.asarray(expires)
    index = np.arange(e.shape[1])
    return np.stack([(index[None] <= index[:, None]) & (index[:, None] < row[None]) for row in e])


def seen_causally(expires):
    size = expires.shape[1]
    return torch.tril(torch.ones(len(expires), size, size, dtype=torch.bool))


def seen_without_causality(expires):
    return torch.arange(expires.shape[1])[None, :, None] < expires[:, None, :]


def seen_strictly_before(expires):
    q = torch.arange(expires.shape[-1]).unsqueeze(1)
    return (q > q.T) & (q < expires.unsqueeze(1))


def seen_until_and_with_the_expiry(expires):
    q = torch.arange(expires.shape[-1]).unsqueeze(1)
    return (q >= q.T) & (q <= expires.unsqueeze(1))


def seen_transposed(expires):
    return seen_by_two_comparisons(expires).mT


def seen_inverted(expires):
    return torch.logical_not(seen_by_two_comparisons(expires))


def deleted_seen_by_nobody(expires):
    size = expires.shape[1]
    return torch.ones(size, size, dtype=torch.bool).tril() & (expires[:, None, :] >= size)


def seen_by_the_expiry_of_the_row(expires):
    q = torch.arange(expires.shape[-1])
    return (q[None, None, :] <= q[None, :, None]) & (q[None, :, None] < expires[:, :, None])


# 7.3: attention with many heads


def _rotate(x, angles):
    cos, sin = torch.cos(angles).unsqueeze(1), torch.sin(angles).unsqueeze(1)
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def _split(qkv, num_heads):
    rows, inputs, width = qkv.shape
    parts = qkv.reshape(rows, inputs, 3, num_heads, width // 3 // num_heads)
    return parts.permute(2, 0, 3, 1, 4)


def heads_with_sdpa(qkv, angles, mask, num_heads):
    q, k, v = _split(qkv, num_heads)
    seen = torch.nn.functional.scaled_dot_product_attention(
        _rotate(q, angles), _rotate(k, angles), v, attn_mask=mask.unsqueeze(1)
    )
    return seen.permute(0, 2, 1, 3).reshape(qkv.shape[0], qkv.shape[1], -1)


def heads_one_by_one(qkv, angles, mask, num_heads):
    q, k, v = qkv.chunk(3, dim=-1)
    d = q.shape[-1] // num_heads
    found = []
    for h in range(num_heads):
        part = slice(h * d, (h + 1) * d)
        qh, kh = (_rotate(x[..., part].unsqueeze(1), angles).squeeze(1) for x in (q, k))
        scores = torch.bmm(qh, kh.transpose(1, 2)) / d**0.5
        scores = torch.where(mask, scores, torch.tensor(float("-inf"), dtype=scores.dtype))
        found.append(torch.bmm(torch.softmax(scores, dim=-1), v[..., part]))
    return torch.cat(found, dim=-1)


def heads_by_einsum(qkv, angles, mask, num_heads):
    q, k, v = _split(qkv, num_heads)
    scores = torch.einsum("bhqd,bhkd->bhqk", _rotate(q, angles), _rotate(k, angles)) * q.shape[-1] ** -0.5
    raised = torch.exp(scores - scores.amax(dim=-1, keepdim=True)) * mask[:, None]
    weights = raised / raised.sum(dim=-1, keepdim=True)
    return torch.einsum("bhqk,bhkd->bqhd", weights, v).flatten(2)


def heads_by_complex_numbers(qkv, angles, mask, num_heads):
    q, k, v = _split(qkv, num_heads)
    turn = torch.polar(torch.ones_like(angles), angles)[:, None]

    def turned(x):
        first, second = x.chunk(2, dim=-1)
        return torch.complex(first, second) * turn

    scores = (turned(q) @ turned(k).mH).real / math.sqrt(q.shape[-1])
    weights = torch.softmax(scores - 1e9 * (~mask[:, None]).double(), dim=-1)
    return (weights @ v).transpose(1, 2).reshape(*qkv.shape[:2], -1)


def heads_without_turning(qkv, angles, mask, num_heads):
    q, k, v = _split(qkv, num_heads)
    seen = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask.unsqueeze(1))
    return seen.permute(0, 2, 1, 3).reshape(qkv.shape[0], qkv.shape[1], -1)


def _with_parts(qkv, angles, mask, num_heads, turn=(True, True, False), scale=None):
    parts = [_rotate(x, angles) if yes else x for x, yes in zip(_split(qkv, num_heads), turn)]
    seen = torch.nn.functional.scaled_dot_product_attention(*parts, attn_mask=mask.unsqueeze(1), scale=scale)
    return seen.permute(0, 2, 1, 3).reshape(qkv.shape[0], qkv.shape[1], -1)


def heads_with_values_turned(qkv, angles, mask, num_heads):
    return _with_parts(qkv, angles, mask, num_heads, turn=(True, True, True))


def heads_with_queries_turned(qkv, angles, mask, num_heads):
    return _with_parts(qkv, angles, mask, num_heads, turn=(True, False, False))


def heads_without_scale(qkv, angles, mask, num_heads):
    return _with_parts(qkv, angles, mask, num_heads, scale=1.0)


def heads_scaled_by_the_width(qkv, angles, mask, num_heads):
    return _with_parts(qkv, angles, mask, num_heads, scale=(qkv.shape[-1] // 3) ** -0.5)


def heads_that_see_all(qkv, angles, mask, num_heads):
    return _with_parts(qkv, angles, mask | True, num_heads)


def heads_masked_after_the_softmax(qkv, angles, mask, num_heads):
    q, k, v = _split(qkv, num_heads)
    weights = torch.softmax(_rotate(q, angles) @ _rotate(k, angles).mT / math.sqrt(q.shape[-1]), dim=-1)
    return ((weights * mask[:, None]) @ v).transpose(1, 2).flatten(-2)


def heads_joined_in_the_wrong_order(qkv, angles, mask, num_heads):
    q, k, v = _split(qkv, num_heads)
    seen = torch.nn.functional.scaled_dot_product_attention(
        _rotate(q, angles), _rotate(k, angles), v, attn_mask=mask.unsqueeze(1)
    )
    return seen.reshape(qkv.shape[0], qkv.shape[1], -1)


def heads_as_one(qkv, angles, mask, num_heads):
    q, k, v = _split(qkv, num_heads)
    flat = [x.transpose(1, 2).flatten(-2) for x in (_rotate(q, angles), _rotate(k, angles), v)]
    return torch.nn.functional.scaled_dot_product_attention(*flat, attn_mask=mask)


def heads_turned_backwards(qkv, angles, mask, num_heads):
    return _with_parts(qkv, -angles, mask, num_heads)


def _with_heads(queries, keys, values, mask, divisor=None):
    """Queries, keys and values as (B, heads, P, d); the heads are laid side by side."""
    scores = queries @ keys.mT / (divisor or math.sqrt(queries.shape[-1]))
    taken = scores.masked_fill(~mask[:, None], -1e9).softmax(dim=-1) @ values
    return taken.transpose(1, 2).flatten(2)


def heads_divided_by_the_root_of_the_pairs(qkv, angles, mask, num_heads):
    queries, keys, values = _split(qkv, num_heads)
    turned = _rotate(queries, angles), _rotate(keys, angles)
    return _with_heads(*turned, values, mask, math.sqrt(angles.shape[-1]))


def heads_that_see_all_before(qkv, angles, mask, num_heads):
    return heads_with_sdpa(qkv, angles, torch.ones_like(mask).tril(), num_heads)


def heads_cut_before_the_thirds(qkv, angles, mask, num_heads):
    rows, inputs, _ = qkv.shape
    queries, keys, values = qkv.view(rows, inputs, num_heads, -1).transpose(1, 2).chunk(3, dim=-1)
    return _with_heads(_rotate(queries, angles), _rotate(keys, angles), values, mask)


def heads_turned_before_the_cut(qkv, angles, mask, num_heads):
    queries, keys, values = qkv.chunk(3, dim=-1)
    wide = angles.repeat(1, 1, num_heads)
    turned = (_rotate(part[:, None], wide)[:, 0] for part in (queries, keys))
    return _with_heads(*_split(torch.cat([*turned, values], dim=-1), num_heads), mask)


def heads_of_every_so_manieth_number(qkv, angles, mask, num_heads):
    rows, inputs, _ = qkv.shape
    parts = (part.view(rows, inputs, -1, num_heads).permute(0, 3, 1, 2) for part in qkv.chunk(3, dim=-1))
    queries, keys, values = parts
    return _with_heads(_rotate(queries, angles), _rotate(keys, angles), values, mask)


def heads_with_the_first_mask(qkv, angles, mask, num_heads):
    return heads_with_sdpa(qkv, angles, mask[:1].expand_as(mask), num_heads)


def heads_that_see_the_hidden(qkv, angles, mask, num_heads):
    queries, keys, values = _split(qkv, num_heads)
    return _with_heads(_rotate(queries, angles), _rotate(keys, angles), values, ~mask)


# 7.4 walk_log_likelihood(logits, legal, state_of_action, pressed, typed)


def step_by_step(logits, legal, state_of_action, pressed, typed):
    total = 0.0
    for state, key in zip(state_of_action, pressed):
        sum_legal = sum(math.exp(z) for z, may in zip(logits[state], legal[state]) if may)
        total += logits[state][key] - math.log(sum_legal)
    return total


def log_softmax_at_once(logits, legal, state_of_action, pressed, typed):
    scores = np.where(legal, logits, -np.inf)
    top = scores.max(axis=1, keepdims=True)
    log_policy = scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
    return log_policy[np.asarray(state_of_action), np.asarray(pressed)].sum()


def cross_entropy_in_torch(logits, legal, state_of_action, pressed, typed):
    scores = torch.as_tensor(logits).masked_fill(~torch.as_tensor(legal), -torch.inf)
    states, keys = torch.as_tensor(state_of_action), torch.as_tensor(pressed)
    return -torch.nn.functional.cross_entropy(scores[states], keys, reduction="sum")


def gathered_in_single(logits, legal, state_of_action, pressed, typed):
    scores = torch.as_tensor(logits).float().masked_fill(~torch.as_tensor(legal), -torch.inf)
    chosen = scores.log_softmax(dim=-1)[list(state_of_action)].gather(1, torch.as_tensor(pressed)[:, None])
    return chosen.sum().item()


def log_of_the_product(logits, legal, state_of_action, pressed, typed):
    weights = np.exp(logits) * legal
    policy = weights / weights.sum(axis=1, keepdims=True)
    return np.log(np.prod([policy[state, key] for state, key in zip(state_of_action, pressed)]))


def policy_of(logits, legal):
    weights = np.exp(logits) * legal
    return weights / weights.sum(axis=1, keepdims=True)


def what_was_typed(logits, legal, state_of_action, pressed, typed):
    return np.log(policy_of(logits, legal)[state_of_action, typed]).sum()


def all_keys_in_the_softmax(logits, legal, state_of_action, pressed, typed):
    policy = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return np.log(policy[state_of_action, pressed]).sum()


def illegal_logits_set_to_zero(logits, legal, state_of_action, pressed, typed):
    raised = np.exp(np.where(legal, logits, 0))
    return np.log((raised / raised.sum(axis=1, keepdims=True))[state_of_action, pressed]).sum()


def inputs_in_their_order(logits, legal, state_of_action, pressed, typed):
    with np.errstate(divide="ignore"):
        return sum(row[key] for row, key in zip(np.log(policy_of(logits, legal)), pressed))


def mean_over_keys(logits, legal, state_of_action, pressed, typed):
    return np.log(policy_of(logits, legal)[state_of_action, pressed]).mean()


def a_loss(logits, legal, state_of_action, pressed, typed):
    return -np.log(policy_of(logits, legal)[state_of_action, pressed]).sum()


def in_bits(logits, legal, state_of_action, pressed, typed):
    return np.log2(policy_of(logits, legal)[state_of_action, pressed]).sum()


def in_base_ten(logits, legal, state_of_action, pressed, typed):
    return np.log10(policy_of(logits, legal)[state_of_action, pressed]).sum()


def probabilities_added(logits, legal, state_of_action, pressed, typed):
    return policy_of(logits, legal)[state_of_action, pressed].sum()


def probabilities_multiplied(logits, legal, state_of_action, pressed, typed):
    return policy_of(logits, legal)[state_of_action, pressed].prod()


def log_of_the_sum(logits, legal, state_of_action, pressed, typed):
    return np.log(policy_of(logits, legal)[state_of_action, pressed].sum())


def without_the_last_key(logits, legal, state_of_action, pressed, typed):
    return np.log(policy_of(logits, legal)[state_of_action, pressed])[:-1].sum()


def slips_left_out(logits, legal, state_of_action, pressed, typed):
    logs = np.log(policy_of(logits, legal)[state_of_action, pressed])
    return logs[np.asarray(pressed) == np.asarray(typed)].sum()


def logits_added(logits, legal, state_of_action, pressed, typed):
    return np.asarray(logits)[state_of_action, pressed].sum()


def input_after_the_key(logits, legal, state_of_action, pressed, typed):
    with np.errstate(divide="ignore"):
        return np.log(policy_of(logits, legal))[state_of_action[1:], pressed[:-1]].sum()


def softmax_over_the_inputs(logits, legal, state_of_action, pressed, typed):
    weights = np.exp(logits) * legal
    policy = weights / np.maximum(weights.sum(axis=0, keepdims=True), 1e-9)
    return np.log(policy[state_of_action, pressed]).sum()


def every_input_once(logits, legal, state_of_action, pressed, typed):
    last = dict(zip(state_of_action, pressed))
    return sum(math.log(policy_of(logits, legal)[state, key]) for state, key in last.items())


def a_billionth_added(logits, legal, state_of_action, pressed, typed):
    return np.log(policy_of(logits, legal)[state_of_action, pressed] + 1e-9).sum()


# 7.5 next_key(logits, legal, temperature, top_p)


def tempered(logits, legal, temperature):
    scores = np.where(legal, np.asarray(logits) / temperature, -np.inf)
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def normalised(kept):
    return kept / kept.sum(axis=1, keepdims=True)


def row_by_row_in_lists(logits, legal, temperature, top_p):
    table = []
    for scores, may in zip(logits, legal):
        raised = [math.exp(z / temperature) if ok else 0.0 for z, ok in zip(scores, may)]
        chances = [r / sum(raised) for r in raised]
        kept, together = [0.0] * len(chances), 0.0
        for key in sorted(range(len(chances)), key=lambda key: -chances[key]):
            if together >= top_p:
                break
            kept[key] = chances[key]
            together += chances[key]
        table.append([chance / sum(kept) for chance in kept])
    return table


def sorted_and_put_back(logits, legal, temperature, top_p):
    policy = tempered(logits, legal, temperature)
    order = np.argsort(-policy, axis=1)
    ranked = np.take_along_axis(policy, order, axis=1)
    ranked = np.where(np.cumsum(ranked, axis=1) - ranked < top_p, ranked, 0)
    kept = np.zeros_like(policy)
    np.put_along_axis(kept, order, ranked, axis=1)
    return normalised(kept)


def mass_of_the_likelier_keys(logits, legal, temperature, top_p):
    policy = tempered(logits, legal, temperature)
    likelier = policy[:, None, :] > policy[:, :, None]
    before = (likelier * policy[:, None, :]).sum(axis=2)
    return normalised(np.where(before < top_p, policy, 0))


def least_likely_thrown_out_one_by_one(logits, legal, temperature, top_p):
    policy = tempered(logits, legal, temperature)
    for row in policy:
        for key in np.argsort(row):
            if row.sum() - row[key] < top_p:
                break
            row[key] = 0
    return normalised(policy)


def sorted_in_torch(logits, legal, temperature, top_p):
    scores = torch.as_tensor(logits).masked_fill(~torch.as_tensor(legal), -torch.inf) / temperature
    ranked, order = scores.softmax(dim=-1).sort(dim=-1, descending=True)
    ranked[ranked.cumsum(dim=-1) - ranked >= top_p] = 0
    kept = torch.zeros_like(ranked).scatter(-1, order, ranked)
    return kept / kept.sum(dim=-1, keepdim=True)


def second_softmax_in_single(logits, legal, temperature, top_p):
    scores = torch.as_tensor(logits).float().masked_fill(~torch.as_tensor(legal), -torch.inf) / temperature
    ranked, order = scores.sort(dim=-1, descending=True)
    chances = ranked.softmax(dim=-1)
    cut = chances.cumsum(dim=-1) - chances >= top_p
    return scores.masked_fill(cut.gather(-1, order.argsort(dim=-1)), -torch.inf).softmax(dim=-1)


def cut_at(policy, top_p):
    order = np.argsort(-policy, axis=1)
    ranked = np.take_along_axis(policy, order, axis=1)
    keep = np.zeros(policy.shape, dtype=bool)
    np.put_along_axis(keep, order, np.cumsum(ranked, axis=1) - ranked < top_p, axis=1)
    return np.where(keep, policy, 0)


def multiplied_by_the_temperature(logits, legal, temperature, top_p):
    return normalised(cut_at(tempered(logits, legal, 1 / temperature), top_p))


def without_the_key_that_crosses(logits, legal, temperature, top_p):
    policy = tempered(logits, legal, temperature)
    order = np.argsort(-policy, axis=1)
    keep = np.zeros(policy.shape, dtype=bool)
    np.put_along_axis(keep, order, np.cumsum(np.take_along_axis(policy, order, axis=1), axis=1) <= top_p, axis=1)
    keep |= policy == policy.max(axis=1, keepdims=True)
    return normalised(np.where(keep, policy, 0))


def one_key_too_many(logits, legal, temperature, top_p):
    table = []
    for row in tempered(logits, legal, temperature):
        order = np.argsort(-row)
        count = int((np.cumsum(row[order]) < top_p).sum()) + 2
        kept = np.zeros(len(row))
        kept[order[:count]] = row[order[:count]]
        table.append(kept / kept.sum())
    return np.array(table)


def not_divided_by_the_sum(logits, legal, temperature, top_p):
    return cut_at(tempered(logits, legal, temperature), top_p)


def cut_before_the_temperature(logits, legal, temperature, top_p):
    kept = cut_at(tempered(logits, legal, 1.0), top_p) > 0
    return tempered(logits, kept, temperature)


def illegal_keys_drawn_too(logits, legal, temperature, top_p):
    return normalised(cut_at(tempered(logits, np.ones_like(legal), temperature), top_p))


def probabilities_divided_by_temperature(logits, legal, temperature, top_p):
    return normalised(cut_at(normalised(tempered(logits, legal, 1.0) / temperature), top_p))


def illegal_logits_are_zero(logits, legal, temperature, top_p):
    scores = np.where(legal, logits, 0)
    return normalised(cut_at(tempered(scores, np.ones_like(legal), temperature), top_p))


def likelier_than_p(logits, legal, temperature, top_p):
    policy = tempered(logits, legal, temperature)
    keep = (policy >= top_p) | (policy == policy.max(axis=1, keepdims=True))
    return normalised(np.where(keep, policy, 0))


def share_of_the_keys(logits, legal, temperature, top_p):
    table = []
    for row in tempered(logits, legal, temperature):
        best = np.argsort(-row)[: math.ceil(top_p * len(row))]
        kept = np.zeros(len(row))
        kept[best] = row[best]
        table.append(kept / kept.sum())
    return np.array(table)


def share_of_the_legal_keys(logits, legal, temperature, top_p):
    policy = tempered(logits, legal, temperature)
    rank = np.argsort(np.argsort(-policy, axis=1), axis=1)
    return normalised(np.where(rank < np.round(top_p * legal.sum(axis=1, keepdims=True)).clip(1), policy, 0))


def illegal_keys_out_before_the_cut(logits, legal, temperature, top_p):
    return normalised(cut_at(tempered(logits, np.ones_like(legal), temperature) * legal, top_p))


def least_likely_first(logits, legal, temperature, top_p):
    policy = tempered(logits, legal, temperature)
    order = np.argsort(policy, axis=1)
    ranked = np.take_along_axis(policy, order, axis=1)
    keep = np.zeros(policy.shape, dtype=bool)
    np.put_along_axis(keep, order, np.cumsum(ranked, axis=1) - ranked < top_p, axis=1)
    return normalised(np.where(keep, policy, 0))


def one_softmax_for_all_texts(logits, legal, temperature, top_p):
    raised = np.exp(np.where(legal, np.asarray(logits) / temperature, -np.inf))
    return normalised(cut_at(raised / raised.sum(), top_p))


def left_in_sorted_order(logits, legal, temperature, top_p):
    ranked = -np.sort(-tempered(logits, legal, temperature), axis=1)
    return normalised(np.where(np.cumsum(ranked, axis=1) - ranked < top_p, ranked, 0))


def sorted_mask_on_unsorted_keys(logits, legal, temperature, top_p):
    policy = tempered(logits, legal, temperature)
    ranked = -np.sort(-policy, axis=1)
    return normalised(np.where(np.cumsum(ranked, axis=1) - ranked < top_p, policy, 0))


def keys_not_sorted(logits, legal, temperature, top_p):
    policy = tempered(logits, legal, temperature)
    return normalised(np.where(np.cumsum(policy, axis=1) - policy < top_p, policy, 0))


def illegal_keys_out_after_the_cut(logits, legal, temperature, top_p):
    return normalised(cut_at(tempered(logits, np.ones_like(legal), temperature), top_p) * legal)


def no_cut_at_all(logits, legal, temperature, top_p):
    return tempered(logits, legal, temperature)


def no_temperature(logits, legal, temperature, top_p):
    return normalised(cut_at(tempered(logits, legal, 1.0), top_p))


def only_the_likeliest(logits, legal, temperature, top_p):
    policy = tempered(logits, legal, temperature)
    return (policy == policy.max(axis=1, keepdims=True)).astype(float)


def as_many_as_the_first_text(logits, legal, temperature, top_p):
    policy = tempered(logits, legal, temperature)
    count = int((cut_at(policy, top_p)[0] > 0).sum())
    ranks = np.argsort(np.argsort(-policy, axis=1), axis=1)
    return normalised(np.where(ranks < count, policy, 0))


def as_many_as_the_neediest_text(logits, legal, temperature, top_p):
    policy = tempered(logits, legal, temperature)
    count = int((cut_at(policy, top_p) > 0).sum(axis=1).max())
    ranks = np.argsort(np.argsort(-policy, axis=1), axis=1)
    return normalised(np.where(ranks < count, policy, 0))


def first_sum_that_reaches_p(logits, legal, temperature, top_p):
    policy = tempered(logits, legal, temperature)
    for row in policy:
        order = np.argsort(-row)
        needed = np.argmax(np.cumsum(row[order]) >= top_p) + 1
        row[order[needed:]] = 0
    return normalised(policy)


def at_least_one_minus_p(logits, legal, temperature, top_p):
    policy = tempered(logits, legal, temperature)
    return normalised(np.where(policy >= np.minimum(1 - top_p, policy.max(axis=1, keepdims=True)), policy, 0))


def softmax_at_the_end(logits, legal, temperature, top_p):
    kept = cut_at(tempered(logits, legal, temperature), top_p)
    return tempered(kept, kept > 0, 1)


# 7.6 stack_cache(prompt, actions, backspace, room)


def one_loop_with_copies(prompt, actions, backspace, room):
    cache = np.full(room, -1)
    cache[: len(prompt)] = prompt
    depth, passes = len(prompt), 1
    caches, depths, all_passes = [cache.copy()], [depth], [passes]
    for action in actions:
        if action == backspace:
            depth -= 1
        else:
            cache[depth] = action
            depth += 1
            passes += 1
        caches.append(cache.copy())
        depths.append(depth)
        all_passes.append(passes)
    return {"cache": np.array(caches), "depth": np.array(depths), "passes": np.array(all_passes)}


def python_lists(prompt, actions, backspace, room):
    cache = [[int(token) for token in prompt] + [-1] * (room - len(prompt))]
    depth, passes = [len(prompt)], [1]
    for action in actions:
        row = list(cache[-1])
        if int(action) != backspace:
            row[depth[-1]] = int(action)
        cache.append(row)
        depth.append(depth[-1] + (-1 if action == backspace else 1))
        passes.append(passes[-1] + (action != backspace))
    return {"cache": cache, "depth": depth, "passes": passes}


def sums_then_one_column_each(prompt, actions, backspace, room):
    actions = np.asarray(actions, dtype=int)
    letters = actions != backspace
    depth = len(prompt) + np.append(0, np.cumsum(np.where(letters, 1, -1))).astype(int)
    passes = 1 + np.append(0, np.cumsum(letters)).astype(int)
    cache = np.full((len(actions) + 1, room), -1)
    for place in range(room):
        last = prompt[place] if place < len(prompt) else -1
        for moment in range(len(actions) + 1):
            if moment and letters[moment - 1] and depth[moment - 1] == place:
                last = actions[moment - 1]
            cache[moment, place] = last
    return {"cache": cache, "depth": depth, "passes": passes}


def torch_tensors(prompt, actions, backspace, room):
    prompt, actions = torch.as_tensor(prompt), torch.as_tensor(actions)
    cache = torch.full((len(actions) + 1, room), -1)
    cache[:, : len(prompt)] = prompt
    steps = torch.where(actions == backspace, -1, 1)
    depth = len(prompt) + torch.cat([torch.zeros(1, dtype=torch.long), steps.cumsum(0)])
    for moment, action in enumerate(actions):
        if action != backspace:
            cache[moment + 1 :, depth[moment]] = action
    passes = 1 + torch.cat([torch.zeros(1, dtype=torch.long), (actions != backspace).cumsum(0)])
    return {"cache": cache, "depth": depth, "passes": passes}


def every_moment_from_the_start(prompt, actions, backspace, room):
    def at(moment):
        cache, screen, passes = {}, [], 1
        for token in [*prompt, *actions[:moment]]:
            if token == backspace:
                screen.pop()
            else:
                cache[len(screen)] = token
                screen.append(token)
        passes += sum(action != backspace for action in actions[:moment])
        return [cache.get(place, -1) for place in range(room)], len(screen), passes

    cache, depth, passes = zip(*(at(moment) for moment in range(len(actions) + 1)))
    return {"cache": np.array(cache), "depth": np.array(depth), "passes": np.array(passes)}


def walk_through(prompt, actions, backspace, room, write, first_pass=1, pass_for=None):
    """The right loop with another way to write: write(cache, depth, action, step) is called at each key."""
    cache = np.full(room, -1)
    cache[: len(prompt)] = prompt
    caches, depths, passes = [cache.copy()], [len(prompt)], [first_pass]
    for step, action in enumerate(actions):
        write(cache, depths[-1], action, step)
        depths.append(depths[-1] + (-1 if action == backspace else 1))
        passes.append(passes[-1] + int(action != backspace if pass_for is None else pass_for(action)))
        caches.append(cache.copy())
    return {"cache": np.array(caches), "depth": np.array(depths), "passes": np.array(passes)}


def writes_letters(backspace):
    def write(cache, depth, action, step):
        if action != backspace:
            cache[depth] = action

    return write


def erased_by_backspace(prompt, actions, backspace, room):
    def write(cache, depth, action, step):
        if action == backspace:
            cache[depth - 1] = -1
        else:
            cache[depth] = action

    return walk_through(prompt, actions, backspace, room, write)


def a_pass_for_each_key(prompt, actions, backspace, room):
    return walk_through(prompt, actions, backspace, room, writes_letters(backspace), pass_for=lambda action: True)


def a_pass_for_each_token_of_the_prompt(prompt, actions, backspace, room):
    return walk_through(prompt, actions, backspace, room, writes_letters(backspace), first_pass=len(prompt))


def no_pass_for_the_prompt(prompt, actions, backspace, room):
    return walk_through(prompt, actions, backspace, room, writes_letters(backspace), first_pass=0)


def depth_without_the_prompt(prompt, actions, backspace, room):
    books = one_loop_with_copies(prompt, actions, backspace, room)
    return {**books, "depth": books["depth"] - len(prompt)}


def depth_of_the_last_token(prompt, actions, backspace, room):
    books = one_loop_with_copies(prompt, actions, backspace, room)
    return {**books, "depth": books["depth"] - 1}


def cache_that_only_grows(prompt, actions, backspace, room):
    books = one_loop_with_copies(prompt, actions, backspace, room)
    place = len(prompt)
    for moment, action in enumerate(actions):
        books["cache"][moment + 1] = books["cache"][moment]
        if action != backspace:
            books["cache"][moment + 1, min(place, room - 1)] = action
            place += 1
    return books


def text_never_gets_shallower(prompt, actions, backspace, room):
    cache, depth, passes = list(prompt), [len(prompt)], [1]
    rows = [cache + [-1] * (room - len(cache))]
    for action in actions:
        if action != backspace:
            cache = [*cache, action]
        rows.append((cache + [-1] * room)[:room])
        depth.append(len(cache))
        passes.append(passes[-1] + (action != backspace))
    return {"cache": rows, "depth": depth, "passes": passes}


def written_at_the_number_of_the_step(prompt, actions, backspace, room):
    def write(cache, depth, action, step):
        if action != backspace:
            cache[min(len(prompt) + step, room - 1)] = action

    return walk_through(prompt, actions, backspace, room, write)


def backspace_fed_like_a_letter(prompt, actions, backspace, room):
    cache = (list(prompt) + list(actions) + [-1] * room)[:room]
    rows = [
        [token if place < len(prompt) + t else -1 for place, token in enumerate(cache)] for t in range(len(actions) + 1)
    ]
    moments = np.arange(len(actions) + 1)
    return {"cache": rows, "depth": len(prompt) + moments, "passes": 1 + moments}


def backspace_written_over_the_letter(prompt, actions, backspace, room):
    def write(cache, depth, action, step):
        cache[depth - (action == backspace)] = action

    return walk_through(prompt, actions, backspace, room, write)


def written_one_place_too_high(prompt, actions, backspace, room):
    def write(cache, depth, action, step):
        if action != backspace:
            cache[min(depth + 1, room - 1)] = action

    return walk_through(prompt, actions, backspace, room, write)


def written_one_place_too_low(prompt, actions, backspace, room):
    def write(cache, depth, action, step):
        if action != backspace:
            cache[depth - 1] = action

    return walk_through(prompt, actions, backspace, room, write)


def the_same_list_each_time(prompt, actions, backspace, room):
    books = one_loop_with_copies(prompt, actions, backspace, room)
    return {**books, "cache": [books["cache"][-1]] * (len(actions) + 1)}


def passes_for_what_is_on_the_screen(prompt, actions, backspace, room):
    books = one_loop_with_copies(prompt, actions, backspace, room)
    return {**books, "passes": books["depth"] - len(prompt) + 1}


def fed_only_when_the_next_key_comes(prompt, actions, backspace, room):
    books = one_loop_with_copies(prompt, actions, backspace, room)
    passes = books["passes"]
    return {**books, "passes": np.append(passes[:1], passes[:-1])}


def tokens_fed_instead_of_passes(prompt, actions, backspace, room):
    books = one_loop_with_copies(prompt, actions, backspace, room)
    return {**books, "passes": books["passes"] - 1 + len(prompt)}


def prompt_not_in_the_cache(prompt, actions, backspace, room):
    cache = np.full(room, -1)
    rows, depth = [cache.copy()], 0
    for action in actions:
        if action != backspace:
            cache[depth] = action
        depth += -1 if action == backspace else 1
        rows.append(cache.copy())
    return {**one_loop_with_copies(prompt, actions, backspace, room), "cache": np.array(rows)}


def prompt_places_left_empty(prompt, actions, backspace, room):
    books = one_loop_with_copies(prompt, actions, backspace, room)
    books["cache"][:, : len(prompt)] = -1
    return books


def letters_below_backspace(prompt, actions, backspace, room):
    return one_loop_with_copies(prompt, np.minimum(actions, backspace), backspace, room)


def empty_places_are_zero(prompt, actions, backspace, room):
    books = one_loop_with_copies(prompt, actions, backspace, room)
    return {**books, "cache": np.where(books["cache"] < 0, 0, books["cache"])}


def everything_above_deleted_for_good(prompt, actions, backspace, room):
    books = one_loop_with_copies(prompt, actions, backspace, room)
    above = np.arange(room) >= books["depth"][:, None]
    return {**books, "cache": np.where(above, -1, books["cache"])}


RIGHT = {
    "rotary_positions": [
        two_halves,
        number_by_number_in_lists,
        complex_numbers,
        torch_in_double,
        torch_in_single,
        powers_of_one_step,
    ],
    "who_sees_whom": [seen_by_two_comparisons, seen_by_tril, seen_by_loops, seen_in_numpy],
    "attention_of_many_heads": [heads_with_sdpa, heads_one_by_one, heads_by_einsum, heads_by_complex_numbers],
    "log_likelihood_of_a_walk": [
        step_by_step,
        log_softmax_at_once,
        cross_entropy_in_torch,
        gathered_in_single,
        log_of_the_product,
    ],
    "temperature_and_top_p": [
        row_by_row_in_lists,
        sorted_and_put_back,
        mass_of_the_likelier_keys,
        least_likely_thrown_out_one_by_one,
        sorted_in_torch,
        second_softmax_in_single,
    ],
    "stack_cache": [
        one_loop_with_copies,
        python_lists,
        sums_then_one_column_each,
        torch_tensors,
        every_moment_from_the_start,
    ],
}
WRONG = {  # answer → the mistake whose hint it must be told
    "rotary_positions": {
        neighbours_as_pairs: "neighbours_paired",
        turned_clockwise: "turned_backwards",
        row_numbers_as_positions: "index_instead_of_position",
        angles_in_degrees: "in_degrees",
        exponent_without_its_two: "half_the_exponent",
        speeds_that_grow: "faster_and_faster",
        one_speed_for_all_pairs: "one_speed_for_all",
        pairs_counted_from_one: "pairs_counted_from_one",
        positions_counted_from_one: "positions_counted_from_one",
        first_half_overwritten: "first_half_overwritten",
        pairs_put_side_by_side: "pairs_shuffled_at_the_end",
        no_minus_sign: "both_signs_plus",
        waves_added: "waves_added",
        pairs_in_the_exponent: "exponent_by_number_of_pairs",
        only_cosine_and_sine: "lengths_have_changed",
        minus_in_both_lines: "lengths_have_changed",
        only_the_first_pair: "some_other_rotation",
        positions_that_start_anew: "far_positions_alone_are_wrong",
    },
    "who_sees_whom": {
        seen_causally: "nothing_hidden",
        seen_without_causality: "the_future_seen",
        seen_strictly_before: "blind_to_oneself",
        seen_until_and_with_the_expiry: "hidden_one_too_late",
        seen_transposed: "rows_and_columns_exchanged",
        seen_inverted: "hidden_marked",
        seen_by_the_expiry_of_the_row: "nothing_hidden",
        deleted_seen_by_nobody: "older_ones_only_if_never_deleted",
    },
    "attention_of_many_heads": {
        heads_without_turning: "nothing_turned",
        heads_with_values_turned: "values_turned_too",
        heads_with_queries_turned: "queries_turned_alone",
        heads_without_scale: "scores_not_divided",
        heads_scaled_by_the_width: "divided_by_the_root_of_the_width",
        heads_that_see_all: "everybody_seen",
        heads_masked_after_the_softmax: "mask_after_the_softmax",
        heads_joined_in_the_wrong_order: "inputs_and_heads_confused",
        heads_as_one: "one_head_for_all",
        heads_turned_backwards: "turned_the_other_way",
        heads_divided_by_the_root_of_the_pairs: "divided_by_the_root_of_the_pairs",
        heads_that_see_all_before: "causal_mask_only",
        heads_cut_before_the_thirds: "heads_before_thirds",
        heads_turned_before_the_cut: "turned_before_they_are_cut",
        heads_of_every_so_manieth_number: "heads_interleaved",
        heads_with_the_first_mask: "first_row_for_all",
        heads_that_see_the_hidden: "hidden_ones_alone_are_seen",
    },
    "log_likelihood_of_a_walk": {
        what_was_typed: "typed_instead_of_pressed",
        all_keys_in_the_softmax: "illegal_not_masked",
        illegal_logits_set_to_zero: "illegal_logits_are_zero",
        inputs_in_their_order: "impossible",
        mean_over_keys: "mean_over_keys",
        a_loss: "loss_instead_of_likelihood",
        in_bits: "logarithm_to_base_two",
        in_base_ten: "logarithm_to_base_ten",
        probabilities_added: "probabilities_added",
        probabilities_multiplied: "probability_of_the_walk",
        log_of_the_sum: "log_of_the_sum",
        without_the_last_key: "last_key_left_out",
        slips_left_out: "slips_left_out",
        logits_added: "logits_taken_for_logs",
        input_after_the_key: "impossible",
        softmax_over_the_inputs: "softmax_over_inputs",
        every_input_once: "each_text_once",
        a_billionth_added: "small_chances_cut_off",
    },
    "temperature_and_top_p": {
        multiplied_by_the_temperature: "temperature_multiplied",
        without_the_key_that_crosses: "crossing_key_left_out",
        one_key_too_many: "one_key_too_many",
        not_divided_by_the_sum: "not_normalised_again",
        cut_before_the_temperature: "temperature_after_top_p",
        illegal_keys_drawn_too: "illegal_not_masked_at_all",
        probabilities_divided_by_temperature: "temperature_without_effect",
        illegal_logits_are_zero: "illegal_has_logit_zero",
        likelier_than_p: "always_the_likeliest",
        share_of_the_keys: "share_of_the_number",
        share_of_the_legal_keys: "share_of_the_number",
        illegal_keys_out_before_the_cut: "illegal_masked_after_the_softmax",
        least_likely_first: "least_likely_kept",
        one_softmax_for_all_texts: "softmax_over_the_whole_table",
        left_in_sorted_order: "sorted_and_not_put_back",
        sorted_mask_on_unsorted_keys: "sorted_cut_on_unsorted_keys",
        keys_not_sorted: "in_the_order_of_the_keyboard",
        illegal_keys_out_after_the_cut: "illegal_struck_out_at_the_end",
        no_cut_at_all: "top_p_without_effect",
        no_temperature: "temperature_without_effect",
        only_the_likeliest: "always_the_likeliest",
        as_many_as_the_first_text: "as_many_as_another_text",
        as_many_as_the_neediest_text: "as_many_as_another_text",
        first_sum_that_reaches_p: "wrong_at_one_alone",
        at_least_one_minus_p: "large_enough_alone",
        softmax_at_the_end: "softmax_of_what_is_kept",
    },
    "stack_cache": {
        erased_by_backspace: "deleted_wiped_out",
        a_pass_for_each_key: "pass_for_each_key",
        a_pass_for_each_token_of_the_prompt: "pass_for_each_token_of_the_prompt",
        no_pass_for_the_prompt: "prompt_costs_nothing",
        depth_without_the_prompt: "prompt_not_counted",
        depth_of_the_last_token: "place_of_the_top",
        cache_that_only_grows: "written_one_after_the_other",
        text_never_gets_shallower: "not_rolled_back",
        written_at_the_number_of_the_step: "written_at_the_step",
        backspace_fed_like_a_letter: "backspace_written_like_a_letter",
        backspace_written_over_the_letter: "backspace_written_over_the_deleted",
        written_one_place_too_high: "cache_alone_is_wrong",
        written_one_place_too_low: "cache_alone_is_wrong",
        the_same_list_each_time: "rows_are_one_array",
        passes_for_what_is_on_the_screen: "passes_taken_back",
        fed_only_when_the_next_key_comes: "fed_with_the_next_key",
        tokens_fed_instead_of_passes: "pass_for_each_token_of_the_prompt",
        prompt_not_in_the_cache: "prompt_not_written",
        prompt_places_left_empty: "prompt_not_written",
        letters_below_backspace: "told_apart_by_size",
        empty_places_are_zero: "nothing_is_zero",
        everything_above_deleted_for_good: "deleted_wiped_out",
    },
}
