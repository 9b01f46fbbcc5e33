"""Answers to notebooks/06_backspace_masking.ipynb: right ones of many kinds, and wrong ones that students give."""

import math

import numpy as np
import torch

# -- 6.1, right ---------------------------------------------------------------------------------------------------


def weights_as_printed(scores, visible):
    shares = visible * np.exp(scores)
    return shares / shares.sum(axis=1, keepdims=True)


def weights_in_plain_python(scores, visible):
    rows = []
    for row, seen in zip(scores.tolist(), visible.tolist(), strict=True):
        shares = [math.exp(z) if m else 0.0 for z, m in zip(row, seen, strict=True)]
        rows.append([share / sum(shares) for share in shares])
    return rows


def weights_in_torch(scores, visible):
    return torch.tensor(scores).masked_fill(~torch.tensor(visible), -torch.inf).softmax(dim=1)


def weights_in_torch_single_precision(scores, visible):
    hidden = torch.tensor(~visible)
    return torch.softmax(torch.tensor(scores, dtype=torch.float32) + hidden * -1e9, dim=-1)


def weights_struck_out_then_shared_out_again(scores, visible):
    weights = np.exp(scores - scores.max())
    weights = np.where(visible, weights / weights.sum(axis=1, keepdims=True), 0)
    return weights / weights.sum(axis=1, keepdims=True)


def weights_one_input_at_a_time(scores, visible):
    """A running softmax: an input that joins takes its share from those before it."""
    weights = np.eye(len(scores))
    for q, (row, seen) in enumerate(zip(scores, visible, strict=True)):
        log_total = row[q]
        for k in np.flatnonzero(seen):
            if k != q:
                grown = np.logaddexp(log_total, row[k])
                weights[q] *= np.exp(log_total - grown)
                weights[q, k] = np.exp(row[k] - grown)
                log_total = grown
    return weights


def weights_by_pairs(scores, visible):
    """1 / Σ exp(z_j - z_k) over the visible j."""
    differences = scores[:, :, None] - scores[:, None, :]
    return visible / (np.exp(-differences) * visible[:, None, :]).sum(axis=2)


# -- 6.1, wrong ---------------------------------------------------------------------------------------------------


def softmax_first_then_zeros(scores, visible):
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    weights[~visible] = 0
    return weights


def scores_times_mask(scores, visible):
    return torch.softmax(torch.tensor(scores * visible), dim=1)


def scores_times_mask_and_weights_times_mask(scores, visible):
    return torch.softmax(torch.tensor(scores * visible), dim=1) * torch.tensor(visible)


def hides_where_true_with_a_large_number(scores, visible):
    return torch.softmax(torch.tensor(scores) - 1e9 * torch.tensor(visible), dim=1)


def mask_is_added(scores, visible):
    return torch.softmax(torch.tensor(scores + visible), dim=1)


def minus_five_for_minus_infinity(scores, visible):
    return torch.softmax(torch.tensor(np.where(visible, scores, -5.0)), dim=1)


def minus_forty_for_minus_infinity(scores, visible):
    return torch.softmax(torch.tensor(np.where(visible, scores, -40.0)), dim=1)


def axis_zero(scores, visible):
    raised = np.exp(np.where(visible, scores, -np.inf))
    return raised / raised.sum(axis=0)


def forgot_keepdims(scores, visible):
    raised = np.exp(np.where(visible, scores, -np.inf))
    return raised / raised.sum(axis=1)


def one_sum_for_all(scores, visible):
    raised = np.exp(np.where(visible, scores, -np.inf))
    return raised / raised.sum()


def no_denominator(scores, visible):
    return np.exp(scores) * visible


def no_exponential(scores, visible):
    return scores * visible / (scores * visible).sum(axis=1, keepdims=True)


def divided_by_how_many_are_seen(scores, visible):
    return np.exp(scores) * visible / visible.sum(axis=1, keepdims=True)


def scaled_by_the_root_of_n(scores, visible):
    scaled = scores / np.sqrt(scores.shape[-1])
    return weights_as_printed(scaled, visible)


def triangle_of_its_own(scores, visible):
    return weights_as_printed(scores, np.tril(np.ones_like(visible)))


def triangle_and_visible_transposed(scores, visible):
    return weights_as_printed(scores, visible.T)


def all_but_itself(scores, visible):
    others = visible & ~np.eye(len(scores), dtype=bool)
    shares = np.exp(scores) * others
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)


def scores_with_the_wrong_sign(scores, visible):
    return weights_as_printed(-scores, visible)


def sigmoid_for_softmax(scores, visible):
    return visible / (1 + np.exp(-scores))


def equal_shares(scores, visible):
    return visible / visible.sum(axis=1, keepdims=True)


def ignores_the_mask(scores, visible):
    return torch.softmax(torch.tensor(scores), dim=1)


def log_softmax(scores, visible):
    return torch.log_softmax(torch.tensor(np.where(visible, scores, -np.inf)), dim=1)


def winner_takes_all(scores, visible):
    best = np.where(visible, scores, -np.inf)
    return (best == best.max(axis=1, keepdims=True)).astype(float)


# -- 6.2, right ---------------------------------------------------------------------------------------------------


def positions_with_a_loop(actions, backspace, prompt_length):
    found = [prompt_length - 1]
    for action in actions:
        found.append(found[-1] - 1 if action == backspace else found[-1] + 1)
    return found


def positions_in_torch_single_precision(actions, backspace, prompt_length):
    back = torch.as_tensor(actions) == backspace
    return torch.cat([torch.zeros(1), torch.cumsum(1.0 - 2.0 * back, dim=0)]) + prompt_length - 1


def positions_from_the_screen_itself(actions, backspace, prompt_length):
    screen = "x" * prompt_length
    found = np.empty(len(actions) + 1, dtype=int)
    for i in range(len(found)):
        found[i] = len(screen) - 1
        if i < len(actions):
            screen = screen[:-1] if actions[i] == backspace else screen + "x"
    return found


def positions_counted_anew_each_time(actions, backspace, prompt_length):
    keys = list(actions)
    return np.array([prompt_length - 1 + i - 2 * keys[:i].count(backspace) for i in range(len(keys) + 1)])


def positions_with_a_triangle(actions, backspace, prompt_length):
    before = np.tril(np.ones((len(actions) + 1, len(actions))), k=-1)
    return before @ np.where(actions == backspace, -1.0, 1.0) + (prompt_length - 1)


# -- 6.2, wrong ---------------------------------------------------------------------------------------------------


def number_of_the_input(actions, backspace, prompt_length):
    return np.arange(prompt_length - 1, prompt_length + len(actions))


def backspace_ignored(actions, backspace, prompt_length):
    return prompt_length - 1 + np.concatenate([[0], np.cumsum(actions != backspace)])


def backspace_takes_itself_too(actions, backspace, prompt_length):
    return prompt_length - 1 + np.concatenate([[0], np.cumsum(np.where(actions == backspace, -2, 1))])


def counts_from_one(actions, backspace, prompt_length):
    return prompt_length + np.concatenate([[0], np.cumsum(np.where(actions == backspace, -1, 1))])


def starts_at_zero(actions, backspace, prompt_length):
    return np.concatenate([[0], np.cumsum(np.where(actions == backspace, -1, 1))])


def starts_below_zero(actions, backspace, prompt_length):
    return np.concatenate([[0], np.cumsum(np.where(actions == backspace, -1, 1))]) - 1


def first_letter_skips_a_place(actions, backspace, prompt_length):
    steps = np.where(actions == backspace, -1, 1)
    return np.concatenate([[prompt_length - 1], prompt_length + np.cumsum(steps)])


def run_of_backspaces_counts_once(actions, backspace, prompt_length):
    found, last = [prompt_length - 1], None
    for action in actions:
        step = 1 if action != backspace else 0 if last == backspace else -1
        found.append(found[-1] + step)
        last = action
    return found


def backspace_as_undo(actions, backspace, prompt_length):
    found = [prompt_length - 1]
    for action in actions:
        found.append(found[-2] if action == backspace else found[-1] + 1)
    return found


def backspace_is_always_five(actions, backspace, prompt_length):
    return positions_with_a_loop(actions, 5, prompt_length)


def backspace_to_the_prompt(actions, backspace, prompt_length):
    found = [prompt_length - 1]
    for action in actions:
        found.append(prompt_length - 1 if action == backspace else found[-1] + 1)
    return found


def backspace_stays_where_it_deletes(actions, backspace, prompt_length):
    right = np.array(positions_with_a_loop(actions, backspace, prompt_length))
    right[1:] += actions == backspace
    return right


def plus_and_minus_swapped(actions, backspace, prompt_length):
    return prompt_length - 1 + np.concatenate([[0], np.cumsum(np.where(actions == backspace, 1, -1))])


def forgot_the_cumsum(actions, backspace, prompt_length):
    return prompt_length - 1 + np.concatenate([[0], np.where(actions == backspace, -1, 1)])


def never_further_back(actions, backspace, prompt_length):
    return np.maximum.accumulate(positions_with_a_loop(actions, backspace, prompt_length))


def appends_before_the_step(actions, backspace, prompt_length):
    here, found = prompt_length - 1, [prompt_length - 1]
    for action in actions:
        found.append(here)
        here += -1 if action == backspace else 1
    return found


def adds_the_numbers_of_the_keys(actions, backspace, prompt_length):
    return prompt_length - 1 + np.concatenate([[0], np.cumsum(np.where(actions == backspace, -1, actions))])


def letters_below_backspace(actions, backspace, prompt_length):
    found = [prompt_length - 1]
    for action in actions:
        found.append(found[-1] + 1 if action < backspace else found[-1] - 1)
    return np.array(found)


def stops_behind_the_prompt(actions, backspace, prompt_length):
    found = [prompt_length - 1]
    for action in actions:
        found.append(max(found[-1] - 1, prompt_length) if action == backspace else found[-1] + 1)
    return np.array(found)


# -- 6.3, right ---------------------------------------------------------------------------------------------------


def mask_from_a_stack(actions, backspace, prompt_length):
    count = prompt_length + len(actions)
    mask = np.zeros((count, count), dtype=bool)
    stack = []
    for q in range(count):
        if q >= prompt_length and actions[q - prompt_length] == backspace:
            stack = stack[:-2]
        stack = [*stack, q]
        mask[q, stack] = True
    return mask


def mask_row_from_an_older_row(actions, backspace, prompt_length):
    """A letter adds itself to the row before it; ⌫ takes the two last off that row, and adds itself."""
    rows = [[k <= q for k in range(prompt_length + len(actions))] for q in range(prompt_length)]
    for q, action in enumerate(actions, start=prompt_length):
        row = list(rows[-1])
        if action == backspace:
            for _ in range(2):
                row[max(k for k, seen in enumerate(row) if seen)] = False
        row[q] = True
        rows.append(row)
    return rows


def mask_from_depths_alone(actions, backspace, prompt_length):
    """k is seen while no later input, up to q, stands at its depth or above it."""
    depth = np.append(np.arange(prompt_length - 1), positions_with_a_loop(actions, backspace, prompt_length))
    count = len(depth)
    return torch.tensor(
        [[k <= q and bool((depth[k + 1 : q + 1] > depth[k]).all()) for k in range(count)] for q in range(count)]
    )


def mask_from_one_number_each(actions, backspace, prompt_length):
    count = prompt_length + len(actions)
    expires = np.full(count, np.inf)
    stack = list(range(prompt_length))
    for q, action in enumerate(actions, start=prompt_length):
        if action == backspace:
            expires[[stack.pop(), stack.pop()]] = q
        stack.append(q)
    q, k = np.mgrid[:count, :count]
    return ((k <= q) & (q < expires[k])).astype(float)


def mask_from_linked_texts(actions, backspace, prompt_length):
    """Each text is a pair of its last input and the text below it."""
    text, texts = None, []
    for q in range(prompt_length):
        text = (q, text)
        texts.append(text)
    for q, action in enumerate(actions, start=prompt_length):
        text = (q, text[1][1]) if action == backspace else (q, text)
        texts.append(text)
    mask = torch.zeros(len(texts), len(texts), dtype=torch.int64)
    for q, text in enumerate(texts):
        while text is not None:
            mask[q, text[0]] = 1
            text = text[1]
    return mask


# -- 6.3, wrong ---------------------------------------------------------------------------------------------------


def plain_triangle(actions, backspace, prompt_length):
    count = prompt_length + len(actions)
    return np.tril(np.ones((count, count), dtype=bool))


def _mask_of_stacks(actions, backspace, prompt_length, press):
    """The mask of the stacks that `press` leaves behind, a key at a time; it returns the stack and who is seen."""
    count = prompt_length + len(actions)
    mask = np.tril(np.ones((count, count), dtype=bool))
    stack = list(range(prompt_length))
    for q, action in enumerate(actions, start=prompt_length):
        stack, seen = press(stack, q, action == backspace)
        mask[q] = False
        mask[q, seen] = True
    return mask


def pops_once_and_pushes(actions, backspace, prompt_length):
    def press(stack, q, back):
        stack = [*(stack[:-1] if back else stack), q]
        return stack, stack

    return _mask_of_stacks(actions, backspace, prompt_length, press)


def deletes_every_copy_and_replaces_none(actions, backspace, prompt_length):
    count = prompt_length + len(actions)
    mask = np.zeros((count, count), dtype=bool)
    screen = []
    for q in range(count):
        if q >= prompt_length and actions[q - prompt_length] == backspace:
            screen.pop()
            screen[-1].append(q)
        else:
            screen.append([q])
        for copies in screen:
            mask[q, copies] = True
    return mask


def hides_only_the_older_copy(actions, backspace, prompt_length):
    mask = mask_from_a_stack(actions, backspace, prompt_length)
    stack, deleted = list(range(prompt_length)), {}
    for q, action in enumerate(actions, start=prompt_length):
        if action == backspace:
            deleted[stack[-1]] = q
            stack = stack[:-2]
        stack.append(q)
    for k, q in deleted.items():
        mask[q:, k] = True
    return mask


def pops_once_and_pushes_nothing(actions, backspace, prompt_length):
    def press(stack, q, back):
        stack = stack[:-1] if back else [*stack, q]
        return stack, stack

    return _mask_of_stacks(actions, backspace, prompt_length, press)


def sees_the_old_input_and_itself_but_stacks_nothing(actions, backspace, prompt_length):
    def press(stack, q, back):
        stack = stack[:-1] if back else [*stack, q]
        return stack, [*stack, q]

    return _mask_of_stacks(actions, backspace, prompt_length, press)


def row_before_the_key(actions, backspace, prompt_length):
    def press(stack, q, back):
        after = [*(stack[:-2] if back else stack), q]
        return after, stack

    return _mask_of_stacks(actions, backspace, prompt_length, press)


def every_row_is_the_last_screen(actions, backspace, prompt_length):
    count = prompt_length + len(actions)
    rows, stack = [], []
    for q in range(count):
        if q >= prompt_length and actions[q - prompt_length] == backspace:
            del stack[-2:]
        stack.append(q)
        rows.append(stack)
    mask = np.zeros((count, count), dtype=bool)
    for q, row in enumerate(rows):
        mask[q, row] = True
    return mask


def last_screen_and_causal(actions, backspace, prompt_length):
    last = every_row_is_the_last_screen(actions, backspace, prompt_length)
    return np.tril(last) | np.eye(len(last), dtype=bool)


def prompt_sees_all_of_the_prompt(actions, backspace, prompt_length):
    mask = mask_from_a_stack(actions, backspace, prompt_length)
    mask[:prompt_length, :prompt_length] = True
    return mask


def prompt_sees_only_itself(actions, backspace, prompt_length):
    mask = mask_from_a_stack(actions, backspace, prompt_length)
    mask[:prompt_length, :prompt_length] = np.eye(prompt_length, dtype=bool)
    return mask


def prompt_rows_left_empty(actions, backspace, prompt_length):
    mask = mask_from_a_stack(actions, backspace, prompt_length)
    mask[:prompt_length] = False
    return mask


def prompt_always_visible(actions, backspace, prompt_length):
    mask = mask_from_a_stack(actions, backspace, prompt_length)
    mask[prompt_length:, :prompt_length] = True
    return mask


def prompt_never_seen_by_the_keys(actions, backspace, prompt_length):
    mask = mask_from_a_stack(actions, backspace, prompt_length)
    mask[prompt_length:, :prompt_length] = False
    return mask


def columns_say_whom_they_see(actions, backspace, prompt_length):
    return mask_from_a_stack(actions, backspace, prompt_length).T


def strictly_before(actions, backspace, prompt_length):
    return np.tril(mask_from_a_stack(actions, backspace, prompt_length), k=-1)


def true_where_hidden(actions, backspace, prompt_length):
    return ~mask_from_a_stack(actions, backspace, prompt_length)


def true_where_hidden_minus_infinity(actions, backspace, prompt_length):
    return np.where(mask_from_a_stack(actions, backspace, prompt_length), 0, -np.inf)


def only_the_row_of_backspace_is_changed(actions, backspace, prompt_length):
    mask = plain_triangle(actions, backspace, prompt_length)
    right = mask_from_a_stack(actions, backspace, prompt_length)
    for q, action in enumerate(actions, start=prompt_length):
        if action == backspace:
            mask[q] = right[q]
    return mask


def whole_columns_are_erased(actions, backspace, prompt_length):
    mask = plain_triangle(actions, backspace, prompt_length)
    stack = list(range(prompt_length))
    for q, action in enumerate(actions, start=prompt_length):
        if action == backspace:
            mask[:, stack.pop()] = False
            mask[:, stack.pop()] = False
        stack.append(q)
    return mask


def hidden_from_the_next_row_on(actions, backspace, prompt_length):
    def press(stack, q, back):
        after = [*(stack[:-2] if back else stack), q]
        return after, [*stack, q]

    return _mask_of_stacks(actions, backspace, prompt_length, press)


def hides_the_two_inputs_just_before(actions, backspace, prompt_length):
    """Right for a single ⌫; of a second one in a row it hides the wrong inputs."""
    mask = plain_triangle(actions, backspace, prompt_length)
    for q, action in enumerate(actions, start=prompt_length):
        if action == backspace:
            mask[q:, max(q - 2, 0) : q] = False
    return mask


def hides_the_first_of_the_typed(actions, backspace, prompt_length):
    def press(stack, q, back):
        if back:
            stack = (stack[:prompt_length] + stack[prompt_length + 1 :])[:-1]
        stack = [*stack, q]
        return stack, stack

    return _mask_of_stacks(actions, backspace, prompt_length, press)


def backspace_empties_the_stack(actions, backspace, prompt_length):
    def press(stack, q, back):
        stack = [*(stack[: prompt_length - 1] if back else stack), q]
        return stack, stack

    return _mask_of_stacks(actions, backspace, prompt_length, press)


def looks_ahead(actions, backspace, prompt_length):
    mask = mask_from_a_stack(actions, backspace, prompt_length)
    return mask | np.triu(np.ones_like(mask))


def hides_the_first_copy_each_time(actions, backspace, prompt_length):
    inputs = prompt_length + len(actions)
    mask, stack = np.tril(np.ones((inputs, inputs), dtype=bool)), list(range(prompt_length))
    for q, action in enumerate(actions, start=prompt_length):
        if action == backspace:
            mask[q:, stack.pop()] = False
            mask[q:, stack[-1]] = False
        else:
            stack.append(q)
    return mask


# -- 6.4, right ---------------------------------------------------------------------------------------------------


def books_with_one_stack(actions, backspace, prompt_length):
    stack, expires, asked = list(range(prompt_length)), [math.inf] * prompt_length, []
    for action in actions:
        asked += stack[-1:]
        if action == backspace:
            expires[stack.pop()] = len(expires)
        else:
            stack.append(len(expires))
            expires.append(math.inf)
    return {"expires": expires, "state_of_action": asked}


def books_from_parents(actions, backspace, prompt_length):
    """A tree without a stack: each input knows the one below it."""
    parent, expires, asked = list(range(-1, prompt_length - 1)), {}, []
    here = prompt_length - 1
    for action in actions.tolist():
        asked.append(here)
        if action == backspace:
            expires[here] = len(parent)
            here = parent[here]
        else:
            parent.append(here)
            here = len(parent) - 1
    numbers = np.array([expires.get(k, np.inf) for k in range(len(parent))])
    return {"expires": numbers, "state_of_action": np.array(asked)}


def books_from_depths(actions, backspace, prompt_length):
    """No stack and no tree: comparisons of depths and of counts."""
    letter = np.asarray(actions) != backspace
    fed = prompt_length + np.append(0, np.cumsum(letter))
    depth = prompt_length - 1 + np.append(0, np.cumsum(np.where(letter, 1, -1)))
    expires, fed_at, depths = np.full(fed[-1], np.inf), np.zeros(fed[-1]), np.arange(fed[-1])
    for i in np.flatnonzero(letter):
        fed_at[fed[i]], depths[fed[i]] = i + 1, depth[i + 1]
        below = np.flatnonzero((depth < depth[i + 1]) & (np.arange(len(depth)) > i))
        if len(below):
            expires[fed[i]] = fed[below[0]]
    asked = [np.flatnonzero((depths == depth[i]) & (fed_at <= i))[-1] for i in range(len(actions))]
    return {"expires": expires, "state_of_action": np.array(asked)}


def books_in_torch_single_precision(actions, backspace, prompt_length):
    found = books_with_one_stack(actions.tolist(), backspace, prompt_length)
    return {name: torch.tensor(numbers, dtype=torch.float32) for name, numbers in found.items()}


def books_of_screens(actions, backspace, prompt_length):
    """The screen is a tuple of inputs; who was on it when it is over?"""
    screens, fed = [tuple(range(prompt_length))], [prompt_length]
    for action in actions:
        back = action == backspace
        screens.append(screens[-1][:-1] if back else (*screens[-1], fed[-1]))
        fed.append(fed[-1] + (not back))
    expires = np.full(fed[-1], np.inf)
    for before, after, number in zip(screens, screens[1:], fed, strict=False):
        expires[list(set(before) - set(after))] = number
    return {"state_of_action": [screen[-1] for screen in screens[:-1]], "expires": expires}


# -- 6.4, wrong ---------------------------------------------------------------------------------------------------


def _books(actions, backspace, prompt_length, **changed):
    return {
        name: np.array(part)
        for name, part in (books_with_one_stack(actions, backspace, prompt_length) | changed).items()
    }


def clock_of_all_keys(actions, backspace, prompt_length):
    stack, numbers, expires = list(range(prompt_length)), prompt_length, [np.inf] * prompt_length
    for i, action in enumerate(actions):
        if action == backspace:
            expires[stack.pop()] = prompt_length + i
        else:
            stack.append(numbers)
            numbers += 1
            expires.append(np.inf)
    return _books(actions, backspace, prompt_length, expires=expires)


def number_of_the_key_that_deletes(actions, backspace, prompt_length):
    expires = clock_of_all_keys(actions, backspace, prompt_length)["expires"]
    return _books(actions, backspace, prompt_length, expires=expires - prompt_length)


def first_input_after_the_next(actions, backspace, prompt_length):
    found = _books(actions, backspace, prompt_length)
    return found | {"expires": found["expires"] + 1}


def last_input_that_sees_it(actions, backspace, prompt_length):
    found = _books(actions, backspace, prompt_length)
    return found | {"expires": found["expires"] - 1}


def letters_counted_without_the_prompt(actions, backspace, prompt_length):
    found = _books(actions, backspace, prompt_length)
    return found | {"expires": found["expires"] - prompt_length}


def hidden_only_when_its_place_is_taken(actions, backspace, prompt_length):
    expires, place = [np.inf] * prompt_length, {}
    here = prompt_length - 1
    for action in actions:
        if action == backspace:
            here -= 1
        else:
            here += 1
            if here in place:
                expires[place[here]] = len(expires)
            place[here] = len(expires)
            expires.append(np.inf)
    return _books(actions, backspace, prompt_length, expires=expires)


def backspace_deletes_the_last_fed(actions, backspace, prompt_length):
    expires = [np.inf] * prompt_length
    for action in actions:
        if action == backspace:
            expires[-1] = len(expires)
        else:
            expires.append(np.inf)
    return _books(actions, backspace, prompt_length, expires=expires)


def deletes_the_first_typed(actions, backspace, prompt_length):
    stack, expires, asked = list(range(prompt_length)), [np.inf] * prompt_length, []
    for action in actions:
        asked.append(stack[-1])
        if action == backspace:
            expires[stack.pop(prompt_length)] = len(expires)
        else:
            stack.append(len(expires))
            expires.append(np.inf)
    return {"expires": np.array(expires), "state_of_action": np.array(asked)}


def how_long_on_the_screen(actions, backspace, prompt_length):
    found = _books(actions, backspace, prompt_length)
    return found | {"expires": found["expires"] - np.arange(len(found["expires"]))}


def ones_where_deleted(actions, backspace, prompt_length):
    found = _books(actions, backspace, prompt_length)
    return found | {"expires": np.isfinite(found["expires"]).astype(int)}


def everything_lives_forever(actions, backspace, prompt_length):
    found = _books(actions, backspace, prompt_length)
    return found | {"expires": np.full_like(found["expires"], np.inf)}


def _never(actions, backspace, prompt_length, number):
    found = _books(actions, backspace, prompt_length)
    return found | {"expires": np.where(np.isinf(found["expires"]), number, found["expires"])}


def minus_one_for_never(actions, backspace, prompt_length):
    return _never(actions, backspace, prompt_length, -1)


def zero_for_never(actions, backspace, prompt_length):
    return _never(actions, backspace, prompt_length, 0)


def ninety_nine_for_never(actions, backspace, prompt_length):
    return _never(actions, backspace, prompt_length, 99)


def number_of_inputs_for_never(actions, backspace, prompt_length):
    return _never(actions, backspace, prompt_length, prompt_length + int((actions != backspace).sum()))


def asks_the_last_fed(actions, backspace, prompt_length):
    asked, fed = [], prompt_length
    for action in actions:
        asked.append(fed - 1)
        fed += action != backspace
    return _books(actions, backspace, prompt_length, state_of_action=asked)


def asks_after_the_key(actions, backspace, prompt_length):
    stack, asked, fed = list(range(prompt_length)), [], prompt_length
    for action in actions:
        if action == backspace:
            stack.pop()
        else:
            stack.append(fed)
            fed += 1
        asked.append(stack[-1])
    return _books(actions, backspace, prompt_length, state_of_action=asked)


def asks_after_popping(actions, backspace, prompt_length):
    stack, asked, fed = list(range(prompt_length)), [], prompt_length
    for action in actions:
        if action == backspace:
            stack.pop()
            asked.append(stack[-1])
        else:
            asked.append(stack[-1])
            stack.append(fed)
            fed += 1
    return _books(actions, backspace, prompt_length, state_of_action=asked)


def asks_for_the_position(actions, backspace, prompt_length):
    where = positions_with_a_loop(actions, backspace, prompt_length)[:-1]
    return _books(actions, backspace, prompt_length, state_of_action=where)


def asks_a_new_input_each_time(actions, backspace, prompt_length):
    each = prompt_length - 1 + np.arange(len(actions))
    return _books(actions, backspace, prompt_length, state_of_action=each)


def both_without_the_prompt(actions, backspace, prompt_length):
    return {name: part - prompt_length for name, part in _books(actions, backspace, prompt_length).items()}


def starts_with_an_empty_stack(actions, backspace, prompt_length):
    expires, stack, states = [], [], []
    for action in actions:
        states.append(stack[-1] if stack else 0)
        if action == backspace:
            expires[stack.pop()] = len(expires)
        else:
            stack.append(len(expires))
            expires.append(np.inf)
    return {"expires": np.array([np.inf] * prompt_length + expires), "state_of_action": np.array(states)}


def forgets_the_prompt_in_the_numbers(actions, backspace, prompt_length):
    books = _books(actions, backspace, prompt_length)
    typed = np.array(books["expires"][prompt_length:]) - prompt_length
    states = np.maximum(books["state_of_action"] - prompt_length, -1)
    return {"expires": np.append(np.full(prompt_length, np.inf), typed), "state_of_action": states}


def states_without_the_prompt(actions, backspace, prompt_length):
    found = _books(actions, backspace, prompt_length)
    return found | {"state_of_action": found["state_of_action"] - prompt_length}


def states_from_zero(actions, backspace, prompt_length):
    found = _books(actions, backspace, prompt_length)
    return found | {"state_of_action": found["state_of_action"] - (prompt_length - 1)}


def ends_what_comes_back(actions, backspace, prompt_length):
    stack, expires = list(range(prompt_length)), [np.inf] * prompt_length
    for action in actions:
        if action == backspace:
            stack.pop()
            expires[stack[-1]] = len(expires)
        else:
            stack.append(len(expires))
            expires.append(np.inf)
    return _books(actions, backspace, prompt_length, expires=expires)


def prompt_counted_as_one_input(actions, backspace, prompt_length):
    found = _books(actions, backspace, prompt_length)
    return {name: part - (prompt_length - 1) for name, part in found.items()}


def same_letter_again_asks_the_first_input(actions, backspace, prompt_length):
    """'A text that is met again is the same input', taken at its word."""
    stack, asked, known, fed = list(range(prompt_length)), [], {}, prompt_length
    for action in actions.tolist():
        asked.append(stack[-1])
        if action == backspace:
            stack.pop()
            continue
        stack.append(known.setdefault((stack[-1], action), fed))
        fed += 1
    return _books(actions, backspace, prompt_length, state_of_action=asked)


RIGHT = {
    "masked_attention_weights": [
        weights_as_printed,
        weights_in_plain_python,
        weights_in_torch,
        weights_in_torch_single_precision,
        weights_struck_out_then_shared_out_again,
        weights_one_input_at_a_time,
        weights_by_pairs,
    ],
    "positions_along_a_walk": [
        positions_with_a_loop,
        positions_in_torch_single_precision,
        positions_from_the_screen_itself,
        positions_counted_anew_each_time,
        positions_with_a_triangle,
    ],
    "refeed_mask": [
        mask_from_a_stack,
        mask_row_from_an_older_row,
        mask_from_depths_alone,
        mask_from_one_number_each,
        mask_from_linked_texts,
    ],
    "trie": [
        books_with_one_stack,
        books_from_parents,
        books_from_depths,
        books_in_torch_single_precision,
        books_of_screens,
    ],
}

WRONG = {  # answer → the mistake whose hint it must be told
    "masked_attention_weights": {
        softmax_first_then_zeros: "mask_after_softmax",
        scores_times_mask: "hidden_scores_are_zero",
        scores_times_mask_and_weights_times_mask: "hidden_scores_are_zero_then_masked",
        hides_where_true_with_a_large_number: "hidden_ones_alone_are_seen",
        mask_is_added: "hidden_scores_lowered_a_little",
        minus_five_for_minus_infinity: "hidden_scores_not_low_enough",
        minus_forty_for_minus_infinity: "hidden_scores_not_low_enough",
        axis_zero: "softmax_over_queries",
        forgot_keepdims: "row_sums_divide_columns",
        one_sum_for_all: "softmax_over_all",
        no_denominator: "not_normalised",
        no_exponential: "scores_divided_by_their_sum",
        divided_by_how_many_are_seen: "divided_by_how_many_are_visible",
        scaled_by_the_root_of_n: "scores_scaled_again",
        triangle_of_its_own: "causal_mask_only",
        triangle_and_visible_transposed: "keys_and_queries_exchanged",
        all_but_itself: "blind_to_oneself",
        scores_with_the_wrong_sign: "scores_negated",
        sigmoid_for_softmax: "sigmoid_of_each",
        equal_shares: "every_visible_alike",
        ignores_the_mask: "no_mask",
        log_softmax: "logs_of_the_weights",
        winner_takes_all: "only_the_best",
    },
    "positions_along_a_walk": {
        number_of_the_input: "index_instead_of_depth",
        backspace_ignored: "backspace_moves_nothing",
        backspace_takes_itself_too: "backspace_moves_two",
        counts_from_one: "length_instead_of_position",
        starts_at_zero: "prompt_forgotten",
        starts_below_zero: "nothing_before_the_first_key",
        first_letter_skips_a_place: "start_at_the_prompt_length",
        run_of_backspaces_counts_once: "run_of_backspaces_moves_one",
        backspace_as_undo: "second_backspace_undoes_the_first",
        backspace_is_always_five: "backspace_is_always_five",
        backspace_to_the_prompt: "backspace_clears_the_screen",
        backspace_stays_where_it_deletes: "backspace_at_the_place_of_the_deleted",
        plus_and_minus_swapped: "signs_exchanged",
        forgot_the_cumsum: "steps_not_added_up",
        never_further_back: "furthest_so_far",
        appends_before_the_step: "one_key_late",
        adds_the_numbers_of_the_keys: "numbers_of_the_keys_added",
        letters_below_backspace: "told_apart_by_size",
        stops_behind_the_prompt: "never_back_at_the_prompt",
    },
    "refeed_mask": {
        plain_triangle: "everything_before_is_seen",
        pops_once_and_pushes: "older_copy_left_visible",
        deletes_every_copy_and_replaces_none: "every_copy_left_until_deleted",
        hides_only_the_older_copy: "deleted_token_left_visible",
        pops_once_and_pushes_nothing: "copy_hidden_instead",
        sees_the_old_input_and_itself_but_stacks_nothing: "older_copy_seen_later",
        row_before_the_key: "screen_before_the_key",
        every_row_is_the_last_screen: "every_key_sees_the_last_screen",
        last_screen_and_causal: "hidden_from_the_past_as_well",
        prompt_sees_all_of_the_prompt: "prompt_seen_by_itself_at_once",
        prompt_sees_only_itself: "prompt_rows_alone_are_wrong",
        prompt_rows_left_empty: "prompt_rows_alone_are_wrong",
        prompt_always_visible: "prompt_never_replaced",
        prompt_never_seen_by_the_keys: "prompt_not_seen",
        columns_say_whom_they_see: "mask_transposed",
        strictly_before: "blind_to_itself",
        true_where_hidden: "mask_inverted",
        true_where_hidden_minus_infinity: "made_for_adding",
        only_the_row_of_backspace_is_changed: "hidden_from_one_input_only",
        whole_columns_are_erased: "columns_erased",
        hidden_from_the_next_row_on: "gone_one_input_late",
        hides_the_two_inputs_just_before: "two_inputs_before",
        hides_the_first_of_the_typed: "first_typed_is_deleted",
        backspace_empties_the_stack: "screen_is_cleared",
        looks_ahead: "later_inputs_seen",
        hides_the_first_copy_each_time: "second_copy_left_visible",
    },
    "trie": {
        clock_of_all_keys: "clock_of_actions",
        number_of_the_key_that_deletes: "number_of_the_key",
        first_input_after_the_next: "expires_one_late",
        last_input_that_sees_it: "expires_one_early",
        letters_counted_without_the_prompt: "expires_without_the_prompt",
        hidden_only_when_its_place_is_taken: "gone_when_its_place_is_taken",
        backspace_deletes_the_last_fed: "last_fed_is_deleted",
        deletes_the_first_typed: "queue_instead_of_stack",
        how_long_on_the_screen: "how_long_it_lived",
        ones_where_deleted: "whether_and_not_when",
        everything_lives_forever: "nothing_ever_goes",
        minus_one_for_never: "never_is_minus_one",
        zero_for_never: "never_is_zero",
        ninety_nine_for_never: "never_is_a_large_number",
        number_of_inputs_for_never: "never_is_the_end",
        asks_the_last_fed: "asked_at_the_last_input",
        asks_after_the_key: "asked_after_the_action",
        asks_after_popping: "backspace_asked_below",
        asks_for_the_position: "depth_instead_of_input",
        asks_a_new_input_each_time: "asked_as_in_refeed",
        both_without_the_prompt: "nothing_counts_the_prompt",
        starts_with_an_empty_stack: "nothing_counts_the_prompt",
        forgets_the_prompt_in_the_numbers: "nothing_counts_the_prompt",
        states_without_the_prompt: "asked_without_the_prompt",
        states_from_zero: "asked_without_the_prompt",
        ends_what_comes_back: "uncovered_one_goes",
        prompt_counted_as_one_input: "right_for_a_prompt_of_one",
        same_letter_again_asks_the_first_input: "same_letter_same_input",
    },
}
