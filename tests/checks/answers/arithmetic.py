"""Answers to notebooks/10_arithmetic.ipynb, written from its text alone: right ones of many kinds, and wrong ones that
students give."""

import math

import numpy as np
import torch

# 10.1: where a carry arrives


def carries_by_remainders(p, q, base, num_digits):
    return np.array([int(p % base**k + q % base**k >= base**k) for k in range(num_digits)][::-1])


def carries_by_hand(p, q, base, num_digits):
    arrives, carry = [], 0
    for _ in range(num_digits):
        arrives.insert(0, carry)
        carry = (p % base + q % base + carry) // base
        p, q = p // base, q // base
    return arrives


def carries_vectorised(p, q, base, num_digits):
    power = base ** np.arange(num_digits)[::-1]
    return (p % power + q % power >= power).astype(float)


def carries_by_quotients(p, q, base, num_digits):
    return [(p + q) // base**k - p // base**k - q // base**k for k in reversed(range(num_digits))]


def carries_in_torch(p, q, base, num_digits):
    power = torch.tensor([base**k for k in range(num_digits - 1, -1, -1)])
    return (p + q) % power < p % power


def carries_where_the_digit_is_one_more(p, q, base, num_digits):
    def digits(number):
        return np.array([number // base**k % base for k in range(num_digits)])

    return ((digits(p + q) - digits(p) - digits(q)) % base)[::-1]


def lowest_digit_first(p, q, base, num_digits):
    return carries_by_remainders(p, q, base, num_digits)[::-1]


def how_many_carries_so_far(p, q, base, num_digits):
    marks, carry, carries = [], 0, 0
    for _ in range(num_digits):
        marks.append(carries)
        carry = int(p % base + q % base + carry >= base)
        carries += carry
        p, q = p // base, q // base
    return marks[::-1]


def where_a_carry_leaves(p, q, base, num_digits):
    return np.array([int(p % base**k + q % base**k >= base**k) for k in range(num_digits, 0, -1)])


def chains_cut(p, q, base, num_digits):
    out = np.zeros(num_digits, dtype=int)
    for k in range(1, num_digits):
        out[-1 - k] = p // base ** (k - 1) % base + q // base ** (k - 1) % base >= base
    return out


def always_in_base_ten(p, q, base, num_digits):
    return carries_by_remainders(p, q, 10, num_digits)


def more_than_the_base(p, q, base, num_digits):
    return np.array([int(p % base**k + q % base**k > base**k) for k in range(num_digits)][::-1])


def _by_hand(p, q, base, num_digits, full):
    arrives, carry = [], 0
    for _ in range(num_digits):
        arrives.insert(0, carry)
        carry = int(p % base + q % base + carry >= full)
        p, q = p // base, q // base
    return np.array(arrives)


def by_hand_and_more_than_the_base(p, q, base, num_digits):
    return _by_hand(p, q, base, num_digits, base + 1)


def by_hand_and_one_too_early(p, q, base, num_digits):
    return _by_hand(p, q, base, num_digits, base - 1)


def by_hand_up_to_ten(p, q, base, num_digits):
    return _by_hand(p, q, base, num_digits, 10)


def zipped_to_the_shorter_number(p, q, base, num_digits):
    def digits(number):
        found = []
        while number:
            found.append(number % base)
            number //= base
        return found

    arrives, carry = [0], 0
    for one, two in zip(digits(p), digits(q)):
        carry = int(one + two + carry >= base)
        arrives.append(carry)
    return (arrives + [0] * num_digits)[:num_digits][::-1]


def from_the_first_carry_on(p, q, base, num_digits):
    return np.maximum.accumulate(carries_by_remainders(p, q, base, num_digits)[::-1])[::-1]


def nothing_before_the_first_digit(p, q, base, num_digits):
    out = carries_by_remainders(p, q, base, num_digits)
    if base ** (num_digits - 1) > max(p, q):
        out[0] = 0
    return out


def one_too_much_to_reach(p, q, base, num_digits):
    return np.array([int(p % base**k + q % base**k >= base**k - 1) for k in range(num_digits)][::-1])


def the_digits_of_the_sum(p, q, base, num_digits):
    return np.array([(p + q) // base**k % base for k in range(num_digits)][::-1])


def one_for_no_carry(p, q, base, num_digits):
    return 1 - carries_by_remainders(p, q, base, num_digits)


def digits_compared_with_the_sum_of_two(p, q, base, num_digits):
    def digits(number):
        return np.array([number // base**k % base for k in range(num_digits)])

    return (digits(p) + digits(q) != digits(p + q)).astype(int)[::-1]


def what_stands_to_the_left(p, q, base, num_digits):
    return [int(p // base**k + q // base**k >= base) for k in reversed(range(num_digits))]


def last_digit_to_a_power(p, q, base, num_digits):
    return [int((p % base) ** k + (q % base) ** k >= base**k) for k in reversed(range(num_digits))]


def until_p_is_used_up(p, q, base, num_digits):
    out, carry = np.zeros(num_digits, dtype=int), 0
    for place in range(num_digits - 1, -1, -1):
        out[place] = carry
        if not p:
            break
        carry = (p % base + q % base + carry) // base
        p, q = p // base, q // base
    return out


def remainders_of_floats(p, q, base, num_digits):
    powers = [float(base) ** k for k in reversed(range(num_digits))]
    return [int(math.fmod(p, power) + math.fmod(q, power) >= power) for power in powers]


# 10.2: the bootstrap


def ends_by_indexing(scores, picks, level):
    return np.quantile(scores[picks].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])


def ends_with_loops(scores, picks, level):
    means = sorted(sum(float(scores[i]) for i in exam) / len(exam) for exam in picks)
    ends = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        place = share * (len(means) - 1)
        below = min(math.floor(place), len(means) - 2)
        ends.append(means[below] + (place - below) * (means[below + 1] - means[below]))
    return ends


def ends_in_torch(scores, picks, level):
    means = torch.as_tensor(scores, dtype=torch.float64)[torch.as_tensor(picks)].mean(dim=1)
    return torch.quantile(means, torch.tensor([(1 - level) / 2, 1 - (1 - level) / 2], dtype=torch.float64))


def ends_in_torch_float32(scores, picks, level):
    means = torch.as_tensor(scores, dtype=torch.float32)[torch.as_tensor(picks)].mean(dim=1)
    return torch.quantile(means, torch.tensor([(1 - level) / 2, 1 - (1 - level) / 2]))


def ends_by_how_often_each_was_drawn(scores, picks, level):
    n = len(scores)
    times = np.stack([np.bincount(exam, minlength=n) for exam in picks])
    cut = 50 * (1 - level)
    return tuple(np.percentile(times @ scores / n, [cut, 100 - cut]))


def one_sided(scores, picks, level):
    return np.quantile(scores[picks].mean(axis=1), [1 - level, level])


def the_middle_left_out(scores, picks, level):
    return np.quantile(scores[picks].mean(axis=1), [level / 2, 1 - level / 2])


def of_the_scores_themselves(scores, picks, level):
    return np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])


def of_all_that_was_drawn(scores, picks, level):
    return np.quantile(scores[picks], [(1 - level) / 2, (1 + level) / 2])


def mean_of_each_column(scores, picks, level):
    return np.quantile(scores[picks].mean(axis=0), [(1 - level) / 2, (1 + level) / 2])


def numbers_right(scores, picks, level):
    return np.quantile(scores[picks].sum(axis=1), [(1 - level) / 2, (1 + level) / 2])


def always_95(scores, picks, level):
    return np.quantile(scores[picks].mean(axis=1), [0.025, 0.975])


def upper_end_first(scores, picks, level):
    return ends_by_indexing(scores, picks, level)[::-1]


def worst_and_best(scores, picks, level):
    means = scores[picks].mean(axis=1)
    return np.array([means.min(), means.max()])


def of_the_picks(scores, picks, level):
    return np.quantile(picks.mean(axis=1), [(1 - level) / 2, (1 + level) / 2])


def each_question_once(scores, picks, level):
    means = [scores[np.unique(exam)].mean() for exam in picks]
    return np.quantile(means, [(1 - level) / 2, (1 + level) / 2])


def from_zero_up(scores, picks, level):
    return np.quantile(scores[picks].mean(axis=1), [0, level])


def distances_from_the_mean(scores, picks, level):
    return ends_by_indexing(scores, picks, level) - scores.mean()


def mean_and_two_standard_deviations(scores, picks, level):
    means = scores[picks].mean(axis=1)
    return np.array([means.mean() - 1.96 * means.std(), means.mean() + 1.96 * means.std()])


def standard_error_of_the_means(scores, picks, level):
    means = scores[picks].mean(axis=1)
    return means.mean() + np.array([-1.96, 1.96]) * means.std() / np.sqrt(len(means))


def medians(scores, picks, level):
    return np.quantile(np.median(scores[picks], axis=1), [(1 - level) / 2, (1 + level) / 2])


def own_draws(scores, picks, level):
    mine = np.random.default_rng().integers(len(scores), size=picks.shape)
    return ends_by_indexing(scores, mine, level)


def all_that_is_left_out_at_the_bottom(scores, picks, level):
    return np.quantile(scores[picks].mean(axis=1), [1 - level, 1])


def percent_taken_for_shares(scores, picks, level):
    return np.percentile(scores[picks].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])


def clipped_like_a_share(scores, picks, level):
    return np.clip(ends_by_indexing(scores, picks, level), 0, 1)


def above_a_half_is_right(scores, picks, level):
    return ends_by_indexing((scores > 0.5).astype(float), picks, level)


# 10.3: temperature and forbidden keys


def policy_of_the_allowed(logits, temperature, allowed):
    out = np.zeros(len(logits))
    left = np.where(allowed, logits, -np.inf)
    if temperature == 0:
        out[left.argmax()] = 1
        return out
    out = np.exp((left - left.max()) / temperature)
    return out / out.sum()


def policy_with_loops(logits, temperature, allowed):
    best = max(float(x) for x, ok in zip(logits, allowed) if ok)
    weights = []
    for x, ok in zip(logits, allowed):
        if not ok:
            weights.append(0.0)
        elif temperature == 0:
            weights.append(1.0 if x == best else 0.0)
        else:
            weights.append(math.exp((float(x) - best) / temperature))
    return [w / sum(weights) for w in weights]


def policy_in_torch(logits, temperature, allowed):
    left = torch.as_tensor(logits, dtype=torch.float64).masked_fill(~torch.as_tensor(allowed), -torch.inf)
    if temperature == 0:
        return torch.nn.functional.one_hot(left.argmax(), len(left))
    return torch.softmax(left / temperature, dim=0)


def policy_in_torch_float32(logits, temperature, allowed):
    left = torch.as_tensor(logits, dtype=torch.float32).masked_fill(~torch.as_tensor(allowed), -torch.inf)
    return torch.softmax((left - left.max()) / max(temperature, 1e-9), dim=0)


def policy_by_the_formula_as_it_stands(logits, temperature, allowed):
    if temperature == 0:
        return (logits == logits[allowed].max()) & allowed
    weights = allowed * np.exp(logits / temperature)
    return weights / weights.sum()


def policy_by_pairs(logits, temperature, allowed):
    out = np.zeros(len(logits))
    with np.errstate(over="ignore"):
        gaps = (logits[allowed][:, None] - logits[allowed][None, :]) / max(temperature, 1e-12)
        out[allowed] = 1 / np.exp(gaps).sum(axis=0)
    return out


def times_the_temperature(logits, temperature, allowed):
    return policy_of_the_allowed(logits, 1 / temperature if temperature else 0, allowed)


def forbidden_keep_their_share(logits, temperature, allowed):
    return policy_of_the_allowed(logits, temperature, np.ones_like(allowed)) * allowed


def forbidden_by_logit_zero(logits, temperature, allowed):
    return policy_of_the_allowed(np.where(allowed, logits, 0.0), temperature, np.ones_like(allowed))


def nothing_forbidden(logits, temperature, allowed):
    return policy_of_the_allowed(logits, temperature, np.ones_like(allowed))


def allowed_and_forbidden_swapped(logits, temperature, allowed):
    if allowed.all():
        return np.zeros(len(logits))
    return policy_of_the_allowed(logits, temperature, ~allowed)


def temperature_forgotten(logits, temperature, allowed):
    return policy_of_the_allowed(logits, 1.0, allowed)


def divided_after_the_softmax(logits, temperature, allowed):
    out = policy_of_the_allowed(logits, 1.0, allowed)
    return out / temperature if temperature else policy_of_the_allowed(logits, 0, allowed)


def greedy_before_forbidding(logits, temperature, allowed):
    if temperature == 0:
        out = np.zeros(len(logits))
        out[logits.argmax()] = 1
        return out * allowed
    return policy_of_the_allowed(logits, temperature, allowed)


def greedy_on_a_forbidden_key(logits, temperature, allowed):
    return (
        np.eye(len(logits))[logits.argmax()]
        if temperature == 0
        else policy_of_the_allowed(logits, temperature, allowed)
    )


def greedy_counted_among_the_allowed(logits, temperature, allowed):
    if temperature == 0:
        return np.eye(len(logits))[logits[allowed].argmax()]
    return policy_of_the_allowed(logits, temperature, allowed)


def uniform_at_zero(logits, temperature, allowed):
    return allowed / allowed.sum() if temperature == 0 else policy_of_the_allowed(logits, temperature, allowed)


def no_temperature_at_zero(logits, temperature, allowed):
    return policy_of_the_allowed(logits, temperature or 1.0, allowed)


def share_given_out_evenly(logits, temperature, allowed):
    out = policy_of_the_allowed(logits, temperature, np.ones_like(allowed))
    return np.where(allowed, out + out[~allowed].sum() / allowed.sum(), 0)


def share_given_to_the_best(logits, temperature, allowed):
    out = policy_of_the_allowed(logits, temperature, np.ones_like(allowed))
    lost = out[~allowed].sum()
    out[~allowed] = 0
    out[np.where(allowed, logits, -np.inf).argmax()] += lost
    return out


def logarithms(logits, temperature, allowed):
    with np.errstate(divide="ignore"):
        return np.log(policy_of_the_allowed(logits, temperature, allowed))


def not_divided_by_the_sum(logits, temperature, allowed):
    return policy_of_the_allowed(logits, 0, allowed) if temperature == 0 else allowed * np.exp(logits / temperature)


def always_greedy(logits, temperature, allowed):
    return policy_of_the_allowed(logits, 0, allowed)


def hot_and_not_made_up(logits, temperature, allowed):
    if temperature == 0:
        return policy_of_the_allowed(logits, 0, allowed)
    return policy_of_the_allowed(logits, temperature, np.ones_like(allowed)) * allowed


def hot_and_forbidden_by_logit_zero(logits, temperature, allowed):
    if temperature == 0:
        return policy_of_the_allowed(logits, 0, allowed)
    return policy_of_the_allowed(logits * allowed, temperature, np.ones_like(allowed))


def greedy_on_a_product(logits, temperature, allowed):
    if temperature == 0:
        return np.eye(len(logits))[np.argmax(logits * allowed)]
    return policy_of_the_allowed(logits, temperature, allowed)


def swapped_and_even_without_any(logits, temperature, allowed):
    if allowed.all():
        return np.full(len(logits), 1 / len(logits))
    return policy_of_the_allowed(logits, temperature, ~allowed)


def divided_and_made_to_sum_to_one(logits, temperature, allowed):
    out = policy_of_the_allowed(logits, 1.0 if temperature else 0, allowed)
    out = out / (temperature or 1.0)
    return out / out.sum()


def logarithms_of_no_less_than_a_little(logits, temperature, allowed):
    return np.log(np.maximum(policy_of_the_allowed(logits, temperature, allowed), 1e-12))


def nearly_zero(logits, temperature, allowed):
    return policy_of_the_allowed(logits, max(temperature, 0.01), allowed)


# 10.4: what the key was used for


def counts_with_a_stack(right, keys):
    deleted = wrong_deleted = wrong_typed = 0
    screen, marks = "", []
    for key in keys:
        if key == "⌫":
            deleted += 1
            wrong_deleted += marks.pop()
            screen = screen[:-1]
        elif key.isdigit():
            screen += key
            marks.append(not right.startswith(screen))
            wrong_typed += marks[-1]
    return deleted, wrong_deleted, wrong_typed


def counts_by_the_screen(right, keys):
    counts, screen = np.zeros(3), ""
    for key in keys.rstrip("⏎"):
        if key == "⌫":
            counts += [1, not right.startswith(screen), 0]
            screen = screen[:-1]
        else:
            screen += key
            counts[2] += not right.startswith(screen)
    return counts


def counts_with_two_lengths(right, keys):
    length = good = deleted = wrong_deleted = wrong_typed = 0
    for key in keys:
        if key == "⌫":
            deleted += 1
            wrong_deleted += length > good
            length -= 1
            good = min(good, length)
        elif key != "⏎":
            if length == good and good < len(right) and key == right[good]:
                good += 1
            else:
                wrong_typed += 1
            length += 1
    return [deleted, wrong_deleted, wrong_typed]


def counts_from_all_screens(right, keys):
    screens = [""]
    for key in keys.replace("⏎", ""):
        screens.append(screens[-1][:-1] if key == "⌫" else screens[-1] + key)
    wrong = np.array([not right.startswith(screen) for screen in screens])
    longer = np.diff([len(screen) for screen in screens])
    return torch.tensor([np.sum(longer < 0), np.sum(wrong[:-1] & (longer < 0)), np.sum(wrong[1:] & (longer > 0))])


def counts_by_recursion(right, keys, screen=""):
    if not keys or keys[0] == "⏎":
        return np.zeros(3, dtype=int)
    if keys[0] == "⌫":
        return np.array([1, int(right[: len(screen)] != screen), 0]) + counts_by_recursion(right, keys[1:], screen[:-1])
    screen += keys[0]
    return np.array([0, 0, int(right[: len(screen)] != screen)]) + counts_by_recursion(right, keys[1:], screen)


def _counts(keys, wrong_when_typed, wrong_when_deleted=None, digits="0123456789"):
    deleted = wrong_deleted = wrong_typed = 0
    screen, marks = "", []
    for place, key in enumerate(keys):
        if key == "⌫":
            mark = marks.pop() if marks else False
            deleted += 1
            wrong_deleted += mark if wrong_when_deleted is None else wrong_when_deleted(screen)
            screen = screen[:-1]
        elif key in digits:
            screen += key
            marks.append(bool(wrong_when_typed(screen, place)))
            wrong_typed += marks[-1]
    return np.array([deleted, wrong_deleted, wrong_typed])


def each_place_by_itself(right, keys):
    return _counts(keys, lambda screen, _: right[len(screen) - 1 : len(screen)] != screen[-1])


def counted_by_keystroke(right, keys):
    return _counts(keys, lambda screen, place: right[place : place + 1] != screen[-1])


def every_deletion_of_a_wrong_one(right, keys):
    deleted, _, wrong_typed = counts_with_a_stack(right, keys)
    return np.array([deleted, deleted, wrong_typed])


def enter_is_a_digit(right, keys):
    return _counts(keys, lambda screen, _: not right.startswith(screen), digits="0123456789⏎")


def another_order(right, keys):
    return np.array(counts_with_a_stack(right, keys)[::-1])


def wrong_ones_first(right, keys):
    deleted, wrong_deleted, wrong_typed = counts_with_a_stack(right, keys)
    return np.array([wrong_deleted, deleted, wrong_typed])


def only_the_first_wrong_one(right, keys):
    return _counts(keys, lambda screen, _: right.startswith(screen[:-1]) and not right.startswith(screen))


def judged_after_the_deletion(right, keys):
    return _counts(
        keys, lambda screen, _: not right.startswith(screen), lambda screen: not right.startswith(screen[:-1])
    )


def wrong_ones_that_stay(right, keys):
    deleted, wrong_deleted, wrong_typed = counts_with_a_stack(right, keys)
    return np.array([deleted, wrong_deleted, wrong_typed - wrong_deleted])


def wrong_until_complete(right, keys):
    return _counts(keys, lambda screen, _: screen != right)


def anywhere_in_the_answer(right, keys):
    return _counts(keys, lambda screen, _: screen not in right)


def startswith_the_wrong_way_round(right, keys):
    return _counts(keys, lambda screen, _: not screen.startswith(right))


def too_many_digits_are_fine(right, keys):
    return _counts(keys, lambda screen, _: not right.startswith(screen[: len(right)]))


def wrong_for_ever(right, keys):
    deleted = wrong_deleted = wrong_typed = 0
    typed, marks = "", []
    for key in keys:
        if key == "⌫":
            deleted += 1
            wrong_deleted += marks.pop()
        elif key != "⏎":
            typed += key
            marks.append(not right.startswith(typed))
            wrong_typed += marks[-1]
    return np.array([deleted, wrong_deleted, wrong_typed])


def forgiven_at_the_first_backspace(right, keys):
    deleted = wrong_deleted = wrong_typed = 0
    screen, wrong = "", False
    for key in keys:
        if key == "⌫":
            deleted += 1
            wrong_deleted += wrong
            wrong = False
            screen = screen[:-1]
        elif key != "⏎":
            wrong = wrong or right[len(screen) : len(screen) + 1] != key
            screen += key
            wrong_typed += wrong
    return np.array([deleted, wrong_deleted, wrong_typed])


def right_ones_counted(right, keys):
    return _counts(keys, lambda screen, _: right.startswith(screen))


def rows_of_backspaces(right, keys):
    _, wrong_deleted, wrong_typed = counts_with_a_stack(right, keys)
    return np.array([sum(a == "⌫" != b for a, b in zip(keys, keys[1:] + " ")), wrong_deleted, wrong_typed])


def digits_typed_for_digits_deleted(right, keys):
    _, wrong_deleted, wrong_typed = counts_with_a_stack(right, keys)
    return np.array([sum(key.isdigit() for key in keys), wrong_deleted, wrong_typed])


def any_digit_of_the_answer_is_right(right, keys):
    return _counts(keys, lambda screen, _: screen[-1] not in right)


def backspace_is_typed_like_a_digit(right, keys):
    deleted = wrong_deleted = wrong_typed = 0
    screen = ""
    for key in keys.replace("⏎", ""):
        if key == "⌫":
            deleted += 1
            wrong_deleted += not right.startswith(screen)
        screen += key
        wrong_typed += key != "⌫" and not right.startswith(screen)
    return np.array([deleted, wrong_deleted, wrong_typed])


def precision_and_recall(right, keys):
    deleted, deleted_wrong, wrong = counts_with_a_stack(right, keys)
    return [deleted, deleted_wrong / max(deleted, 1), deleted_wrong / max(wrong, 1)]


def key_by_key_and_the_next_one_looked_at(right, keys):
    keys = keys.rstrip("⏎")
    wrong = [n for n, key in enumerate(keys) if key != "⌫" and right[n : n + 1] != key]
    return [keys.count("⌫"), sum(keys[n + 1 : n + 2] == "⌫" for n in wrong), len(wrong)]


def every_digit_typed(right, keys):
    deleted, deleted_wrong, _ = counts_with_a_stack(right, keys)
    return [deleted, deleted_wrong, sum(key.isdigit() for key in keys)]


RIGHT = {
    "where_a_carry_arrives": [
        carries_by_remainders,
        carries_by_hand,
        carries_vectorised,
        carries_by_quotients,
        carries_in_torch,
        carries_where_the_digit_is_one_more,
    ],
    "mean_by_bootstrap": [
        ends_by_indexing,
        ends_with_loops,
        ends_in_torch,
        ends_in_torch_float32,
        ends_by_how_often_each_was_drawn,
    ],
    "policy_with_keys_forbidden": [
        policy_of_the_allowed,
        policy_with_loops,
        policy_in_torch,
        policy_in_torch_float32,
        policy_by_the_formula_as_it_stands,
        policy_by_pairs,
    ],
    "what_the_key_was_used_for": [
        counts_with_a_stack,
        counts_by_the_screen,
        counts_with_two_lengths,
        counts_from_all_screens,
        counts_by_recursion,
    ],
}
WRONG = {  # answer → the mistake whose hint it must be told
    "where_a_carry_arrives": {
        lowest_digit_first: "lowest_digit_first",
        where_a_carry_leaves: "where_it_is_made",
        how_many_carries_so_far: "carries_counted",
        chains_cut: "two_digits_alone",
        always_in_base_ten: "base_ten_always",
        more_than_the_base: "just_full_is_not_enough",
        by_hand_and_more_than_the_base: "just_full_is_not_enough",
        by_hand_and_one_too_early: "carried_too_early",
        by_hand_up_to_ten: "base_ten_always",
        zipped_to_the_shorter_number: "lost_where_the_shorter_one_ends",
        from_the_first_carry_on: "once_and_for_all",
        nothing_before_the_first_digit: "nothing_before_both_numbers",
        one_too_much_to_reach: "carried_too_early",
        the_digits_of_the_sum: "digits_of_the_answer",
        one_for_no_carry: "zeros_and_ones_exchanged",
        digits_compared_with_the_sum_of_two: "digit_unlike_the_sum_of_two",
        what_stands_to_the_left: "looked_to_the_left",
        last_digit_to_a_power: "power_of_a_digit",
        until_p_is_used_up: "lost_where_the_shorter_one_ends",
        remainders_of_floats: "digits_lost_in_a_float",
    },
    "mean_by_bootstrap": {
        one_sided: "all_on_one_side",
        the_middle_left_out: "level_taken_for_the_rest",
        of_the_scores_themselves: "picks_not_used",
        of_all_that_was_drawn: "means_not_taken",
        mean_of_each_column: "rows_and_columns_exchanged",
        numbers_right: "sums_instead_of_means",
        always_95: "level_ignored",
        upper_end_first: "upper_end_first",
        worst_and_best: "all_means_between",
        of_the_picks: "numbers_of_questions_averaged",
        each_question_once: "each_question_once",
        from_zero_up: "from_the_bottom_up",
        distances_from_the_mean: "ends_about_zero",
        mean_and_two_standard_deviations: "a_bell_drawn",
        standard_error_of_the_means: "divided_once_more",
        medians: "medians",
        own_draws: "drawn_again",
        all_that_is_left_out_at_the_bottom: "from_the_top_down",
        percent_taken_for_shares: "shares_for_percent",
        clipped_like_a_share: "kept_between_0_and_1",
        above_a_half_is_right: "scores_made_right_or_wrong",
    },
    "policy_with_keys_forbidden": {
        times_the_temperature: "multiplied_by_the_temperature",
        forbidden_keep_their_share: "forbidden_and_not_made_up",
        forbidden_by_logit_zero: "logit_of_zero",
        nothing_forbidden: "nothing_forbidden",
        allowed_and_forbidden_swapped: "allowed_for_forbidden",
        temperature_forgotten: "temperature_ignored",
        divided_after_the_softmax: "divided_by_the_temperature_afterwards",
        greedy_before_forbidding: "all_forbidden_if_the_likeliest_is",
        greedy_on_a_forbidden_key: "greedy_takes_what_is_forbidden",
        greedy_counted_among_the_allowed: "place_among_the_allowed",
        uniform_at_zero: "any_key_at_zero",
        no_temperature_at_zero: "zero_taken_for_one",
        share_given_out_evenly: "shared_evenly",
        share_given_to_the_best: "given_to_the_likeliest",
        logarithms: "logarithms",
        not_divided_by_the_sum: "above_the_line_only",
        always_greedy: "greedy_always",
        hot_and_not_made_up: "forbidden_and_not_made_up",
        hot_and_forbidden_by_logit_zero: "logit_of_zero",
        greedy_on_a_product: "logit_of_zero",
        swapped_and_even_without_any: "allowed_for_forbidden",
        divided_and_made_to_sum_to_one: "temperature_ignored",
        logarithms_of_no_less_than_a_little: "logarithms",
        nearly_zero: "a_small_number_for_zero",
    },
    "what_the_key_was_used_for": {
        each_place_by_itself: "digit_by_digit",
        counted_by_keystroke: "place_in_the_row_of_keys",
        every_deletion_of_a_wrong_one: "every_deleted_one_was_wrong",
        enter_is_a_digit: "enter_is_a_digit",
        another_order: "another_order",
        wrong_ones_first: "another_order",
        only_the_first_wrong_one: "only_where_it_went_wrong",
        judged_after_the_deletion: "looked_after_deleting",
        wrong_ones_that_stay: "only_what_stands_at_the_end",
        wrong_until_complete: "not_complete_yet",
        anywhere_in_the_answer: "found_anywhere",
        startswith_the_wrong_way_round: "the_other_way_round",
        too_many_digits_are_fine: "too_long_is_fine",
        wrong_for_ever: "nothing_taken_away",
        forgiven_at_the_first_backspace: "one_deletion_heals",
        right_ones_counted: "right_for_wrong",
        rows_of_backspaces: "runs_counted",
        digits_typed_for_digits_deleted: "typed_for_deleted",
        any_digit_of_the_answer_is_right: "anywhere_will_do",
        backspace_is_typed_like_a_digit: "nothing_taken_away",
        precision_and_recall: "shares_instead_of_counts",
        key_by_key_and_the_next_one_looked_at: "place_in_the_row_of_keys",
        every_digit_typed: "every_digit_is_wrong",
    },
}
