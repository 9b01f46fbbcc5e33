"""Answers to notebooks/assignments/set_5_research.ipynb, written from its text alone: right ones of many kinds, and
wrong ones that students give."""

import itertools
import math
import random

import numpy as np
import torch

# Exercise S5.1, right


def words_one_by_one(seed, chances, sizes):
    rng = np.random.default_rng(seed)
    row = []
    for _ in range(max(sizes)):
        u, k, total = rng.random(), 0, chances[0]
        while u >= total and k + 1 < len(chances):
            k += 1
            total += chances[k]
        row.append(k)
    return [[row[:size].count(k) for k in range(len(chances))] for size in sizes]


def words_by_choice(seed, chances, sizes):
    row = np.random.default_rng(seed).choice(len(chances), size=max(sizes), p=chances)
    counts = np.zeros((len(sizes), len(chances)), dtype=int)
    for line, size in zip(counts, sizes, strict=True):
        np.add.at(line, row[:size], 1)
    return counts


def words_with_a_fresh_generator_each(seed, chances, sizes):
    ends = np.cumsum(chances) / np.sum(chances)
    rows = [np.digitize(np.random.default_rng(seed).random(size), ends) for size in sizes]
    return np.array([[np.sum(row == k) for k in range(len(chances))] for row in rows])


def words_in_torch(seed, chances, sizes):
    u = torch.tensor(np.random.default_rng(seed).random(max(sizes)))
    ends = torch.cumsum(torch.tensor(np.array(chances)), 0)
    row = torch.nn.functional.one_hot(torch.searchsorted(ends / ends[-1], u, right=True), len(chances))
    return torch.stack([row[:size].sum(0) for size in sizes])


# Exercise S5.1, wrong


def words_drawn_on(seed, chances, sizes):
    rng = np.random.default_rng(seed)
    return np.array(
        [np.bincount(rng.choice(len(chances), size=size, p=chances), minlength=len(chances)) for size in sizes]
    )


def words_by_multinomial(seed, chances, sizes):
    rng = np.random.default_rng(seed)
    return np.array([rng.multinomial(size, chances) for size in sizes])


def words_of_the_old_generator(seed, chances, sizes):
    np.random.seed(seed)
    row = np.random.choice(len(chances), size=max(sizes), p=chances)
    return np.array([np.bincount(row[:size], minlength=len(chances)) for size in sizes])


def words_without_a_seed(seed, chances, sizes):
    return words_by_choice(0, chances, sizes)


def words_as_shares(seed, chances, sizes):
    counts = words_by_choice(seed, chances, sizes)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def words_all_alike(seed, chances, sizes):
    return words_by_choice(seed, np.ones(len(chances)) / len(chances), sizes)


def words_in_sorted_sizes(seed, chances, sizes):
    return words_by_choice(seed, chances, sorted(sizes))


def words_up_to_the_edge(seed, chances, sizes):
    row = np.searchsorted(np.cumsum(chances), np.random.default_rng(seed).random(max(sizes)))
    return np.array([np.bincount(row[:size], minlength=len(chances))[: len(chances)] for size in sizes])


def words_of_a_hundred(seed, chances, sizes):
    row = np.random.default_rng(seed).choice(len(chances), size=100, p=chances)
    return np.array([np.bincount(row[:size], minlength=len(chances)) for size in sizes])


def words_as_they_are_expected(seed, chances, sizes):
    return [[round(size * chance) for chance in chances] for size in sizes]


def words_by_integers(seed, chances, sizes):
    row = np.random.default_rng(seed).integers(len(chances), size=max(sizes))
    return np.array([np.bincount(row[:size], minlength=len(chances)) for size in sizes])


def words_that_are_others_each_time(seed, chances, sizes):
    return words_by_choice(None, chances, sizes)


# Exercise S5.2, right


def test_by_product(first, second):
    d = [float(a) - float(b) for a, b in zip(first, second, strict=True)]
    mean = sum(d) / len(d)
    far = 0
    for signs in itertools.product([1, -1], repeat=len(d)):
        far += abs(sum(s * x for s, x in zip(signs, d, strict=True)) / len(d)) >= abs(mean) - 1e-9
    return {"difference": mean, "p": far / 2 ** len(d)}


def test_by_bits(first, second):
    d = np.asarray(first) - np.asarray(second)
    bits = (np.arange(2 ** len(d))[:, None] >> np.arange(len(d))) & 1
    means = ((1 - 2 * bits) * d).mean(axis=1)
    return {
        "p": np.mean((np.abs(means) > abs(d.mean())) | np.isclose(np.abs(means), abs(d.mean()), rtol=0, atol=1e-9)),
        "difference": d.mean(),
    }


def test_by_recursion(first, second):
    d = (np.asarray(first) - np.asarray(second)).tolist()
    goal = abs(sum(d))

    def count(rest, total):
        if not rest:
            return int(abs(total) >= goal - 1e-9 * len(d))
        return count(rest[1:], total + rest[0]) + count(rest[1:], total - rest[0])

    return {"difference": sum(d) / len(d), "p": count(d, 0.0) / 2 ** len(d)}


# Exercise S5.2, wrong


def test_upwards(first, second):
    d = np.asarray(first) - np.asarray(second)
    means = [np.mean(np.multiply(signs, d)) for signs in itertools.product([1, -1], repeat=len(d))]
    return {"difference": d.mean(), "p": np.mean(np.array(means) >= d.mean() - 1e-9)}


def test_without_ties(first, second):
    d = np.asarray(first) - np.asarray(second)
    means = [np.mean(np.multiply(signs, d)) for signs in itertools.product([1, -1], repeat=len(d))]
    return {"difference": d.mean(), "p": np.mean(np.abs(means) > abs(d.mean()) + 1e-9)}


def test_of_signs(first, second):
    d = np.asarray(first) - np.asarray(second)
    return {"difference": d.mean(), "p": test_by_product(np.sign(d), np.zeros(len(d)))["p"]}


def test_the_other_way_round(first, second):
    right = test_by_product(first, second)
    return {"difference": -right["difference"], "p": right["p"]}


def test_of_sums(first, second):
    right = test_by_product(first, second)
    return {"difference": np.sum(np.asarray(first) - np.asarray(second)), "p": right["p"]}


def test_of_medians(first, second):
    right = test_by_product(first, second)
    return {"difference": np.median(np.asarray(first) - np.asarray(second)), "p": right["p"]}


def test_of_confidence(first, second):
    right = test_by_product(first, second)
    return {"difference": right["difference"], "p": 1 - right["p"]}


def test_of_all_exchanges(first, second):
    both, size = np.concatenate([first, second]), len(first)
    seen = np.mean(first) - np.mean(second)
    if size <= 5:
        halves = itertools.combinations(range(2 * size), size)
        rows = [[*half, *(k for k in range(2 * size) if k not in half)] for half in halves]
    else:
        rows = np.random.default_rng(1).permuted(np.tile(np.arange(2 * size), (3000, 1)), axis=1)
    means = both[np.array(rows)][:, :size].mean(axis=1) - both[np.array(rows)][:, size:].mean(axis=1)
    return {"difference": seen, "p": np.mean(np.abs(means) >= abs(seen) - 1e-9)}


def test_by_a_bell_curve(first, second):
    d = np.asarray(first) - np.asarray(second)
    spread = d.std(ddof=1) / math.sqrt(len(d)) if len(d) > 1 else 0.0
    return {"difference": d.mean(), "p": math.erfc(abs(d.mean()) / spread / math.sqrt(2)) if spread > 0 else 1.0}


def test_of_half_the_patterns(first, second):
    right = test_by_product(first, second)
    return {"difference": right["difference"], "p": right["p"] / 2}


def test_by_drawing(first, second):
    d = np.asarray(first) - np.asarray(second)
    signs = np.random.default_rng(0).choice([-1, 1], size=(20_000, len(d)))
    return {"difference": d.mean(), "p": np.mean(np.abs((signs * d).mean(axis=1)) >= abs(d.mean()) - 1e-9)}


def test_with_a_room_of_its_own(first, second):
    d = np.asarray(first) - np.asarray(second)
    means = np.abs([np.mean(np.multiply(signs, d)) for signs in itertools.product([1, -1], repeat=len(d))])
    return {"difference": d.mean(), "p": np.mean((means > abs(d.mean())) | np.isclose(means, abs(d.mean())))}


def test_with_a_wide_room(first, second):
    d = np.asarray(first) - np.asarray(second)
    means = np.abs([np.mean(np.multiply(signs, d)) for signs in itertools.product([1, -1], repeat=len(d))])
    return {"difference": d.mean(), "p": np.mean(means >= abs(d.mean()) - 0.01)}


def test_in_whole_numbers(first, second):
    right = test_by_product(first, second)
    return {"difference": right["difference"], "p": right["p"] * 2 ** len(first)}


def test_of_seeds_that_differ(first, second):
    d = [a - b for a, b in zip(first, second, strict=True) if a != b]
    return {"difference": sum(d) / len(d) if d else 0.0, "p": test_by_product(first, second)["p"]}


def test_of_distances(first, second):
    right = test_by_product(first, second)
    return {"difference": abs(right["difference"]), "p": right["p"]}


def test_against_the_mean_distance(first, second):
    d = np.asarray(first) - np.asarray(second)
    means = [np.mean(np.multiply(signs, d)) for signs in itertools.product([1, -1], repeat=len(d))]
    return {"difference": d.mean(), "p": np.mean(np.abs(means) >= np.abs(d).mean() - 1e-9)}


def test_with_one_more(first, second):
    right, patterns = test_by_product(first, second), 2 ** len(first)
    return {"difference": right["difference"], "p": (round(right["p"] * patterns) + 1) / (patterns + 1)}


def test_rounded(first, second):
    right = test_by_product(first, second)
    return {"difference": right["difference"], "p": round(right["p"], 2)}


# Exercise S5.3, right


def sign_test(plus, count):
    far = abs(plus - count / 2)
    return sum(math.comb(count, k) for k in range(count + 1) if abs(k - count / 2) >= far) / 2**count


def peeks_with_a_dictionary(first, last, level, sign_test=sign_test):
    going, claimed = {0: 1.0}, 0.0
    for count in range(1, last + 1):
        new = {}
        for plus, chance in going.items():
            for k in (plus, plus + 1):
                new[k] = new.get(k, 0.0) + chance / 2
        if count >= first:
            out = [k for k in new if sign_test(k, count) <= level + 1e-12]
            claimed += sum(new.pop(k) for k in out)
        going = new
    once = sum(math.comb(last, k) for k in range(last + 1) if sign_test(k, last) <= level + 1e-12) / 2**last
    return {"once": once, "peeking": claimed}


def peeks_by_counting(first, last, level):
    """Whole numbers of runs instead of chances."""
    ways, claimed = [1], 0
    for count in range(1, last + 1):
        ways = [a + b for a, b in zip([*ways, 0], [0, *ways], strict=True)]
        for plus in range(count + 1):
            if count >= first and sign_test(plus, count) <= level + 1e-12:
                claimed += ways[plus] * 2 ** (last - count)
                ways[plus] = 0
    once = [math.comb(last, k) for k in range(last + 1) if sign_test(k, last) <= level + 1e-12]
    return {"once": sum(once) / 2**last, "peeking": claimed / 2**last}


def peeks_by_recursion(first, last, level):
    known = {}

    def ever(plus, count):
        if count >= first and sign_test(plus, count) <= level + 1e-12:
            return 1.0
        if count == last:
            return 0.0
        if (plus, count) not in known:
            known[plus, count] = (ever(plus, count + 1) + ever(plus + 1, count + 1)) / 2
        return known[plus, count]

    once = sum(math.comb(last, k) for k in range(last + 1) if sign_test(k, last) <= level + 1e-12) / 2**last
    return {"peeking": ever(0, 0), "once": once}


# Exercise S5.3, wrong


def once_at(last, level):
    return peeks_with_a_dictionary(last, last, level)["once"]


def peeks_added(first, last, level):
    return {"once": once_at(last, level), "peeking": sum(once_at(n, level) for n in range(first, last + 1))}


def peeks_independent(first, last, level):
    none = math.prod(1 - once_at(n, level) for n in range(first, last + 1))
    return {"once": once_at(last, level), "peeking": 1 - none}


def peeks_at_the_level(first, last, level):
    return peeks_with_a_dictionary(first, last, level) | {"once": level}


def peeks_from_one_on(first, last, level):
    return peeks_with_a_dictionary(1, last, level)


def peeks_at_most(first, last, level):
    return {"once": once_at(last, level), "peeking": max(once_at(n, level) for n in range(first, last + 1))}


def peeks_exchanged(first, last, level):
    right = peeks_with_a_dictionary(first, last, level)
    return {"once": right["peeking"], "peeking": right["once"]}


def peeks_without_the_last(first, last, level):
    right = peeks_with_a_dictionary(first, last, level)
    return right | {"peeking": peeks_with_a_dictionary(first, last - 1, level)["peeking"] if last > first else 0.0}


def peeks_bounded(first, last, level):
    return {"once": once_at(last, level), "peeking": min(1.0, level * (last - first + 1))}


def peeks_simulated(first, last, level):
    rng = np.random.default_rng(first + 100 * last)
    plus = np.cumsum(rng.integers(2, size=(1500, last)), axis=1)
    claims = np.array([[sign_test(k, n) <= level + 1e-12 for k in range(last + 1)] for n in range(1, last + 1)])
    seen = claims[np.arange(last), plus]
    return {"once": seen[:, -1].mean(), "peeking": seen[:, first - 1 :].any(axis=1).mean()}


def peeks_by_the_smaller_tail(first, last, level):
    return peeks_with_a_dictionary(
        first, last, level, lambda k, n: sum(math.comb(n, i) for i in range(min(k, n - k) + 1)) / 2**n
    )


def peeks_by_twice_a_tail(first, last, level):
    return peeks_with_a_dictionary(
        first, last, level, lambda k, n: 2 * sum(math.comb(n, i) for i in range(min(k, n - k) + 1)) / 2**n
    )


def peeks_at_half_the_level(first, last, level):
    return peeks_with_a_dictionary(first, last, level / 2)


def peeks_from_a_whole_middle(first, last, level):
    return peeks_with_a_dictionary(
        first,
        last,
        level,
        lambda k, n: sum(math.comb(n, i) for i in range(n + 1) if abs(i - n // 2) >= abs(k - n // 2)) / 2**n,
    )


def peeks_by_a_bell_curve(first, last, level):
    return peeks_with_a_dictionary(
        first, last, level, lambda k, n: math.erfc(abs(k - n / 2) / (math.sqrt(n) / 2) / math.sqrt(2))
    )


def peeks_beyond(first, last, level):
    return peeks_with_a_dictionary(
        first, last, level, lambda k, n: 2 * sum(math.comb(n, i) for i in range(min(k, n - k))) / 2**n
    )


def peeks_below_the_level(first, last, level):
    return peeks_with_a_dictionary(first, last, level - 1e-9)


def peeks_without_the_first(first, last, level):
    peeking = peeks_with_a_dictionary(first + 1, last, level)["peeking"]
    return {"once": once_at(last, level), "peeking": peeking}


def peeks_once_at_first(first, last, level):
    return peeks_with_a_dictionary(first, last, level) | {"once": once_at(first, level)}


def peeks_once_at_the_end(first, last, level):
    right, early = peeks_with_a_dictionary(first, last, level), peeks_with_a_dictionary(first, last - 1, level)
    return right | {"once": right["peeking"] - early["peeking"]}


def peeks_bounded_as_if_independent(first, last, level):
    return {"once": once_at(last, level), "peeking": 1 - (1 - level) ** (last - first + 1)}


def peeks_of_those_who_go_on(first, last, level):
    going, claimed = np.array([1.0]), 0.0
    for count in range(1, last + 1):
        going = np.convolve(going, [0.5, 0.5])
        if count >= first:
            out = np.array([sign_test(k, count) <= level + 1e-12 for k in range(count + 1)])
            claimed += going[out].sum()
            going = np.where(out, 0, going) / max(going[~out].sum(), 1e-300)
    return {"once": once_at(last, level), "peeking": claimed}


# Exercise S5.4, right


def choice_in_loops(scores):
    settings, seeds = scores.shape
    honest = 0.0
    for left in range(seeds):
        sums = [sum(scores[k, s] for s in range(seeds) if s != left) for k in range(settings)]
        honest += scores[sums.index(max(sums)), left] / seeds
    means = [sum(row) / seeds for row in scores.tolist()]
    return {"best": means.index(max(means)), "naive": max(means), "honest": honest}


def choice_by_masks(scores):
    seeds = scores.shape[1]
    others = np.einsum("ks,js->kj", scores, 1 - np.eye(seeds))
    chosen = others.argmax(axis=0)
    means = scores.mean(axis=1)
    return {"honest": scores[chosen, np.arange(seeds)].mean(), "best": means.argmax(), "naive": means.max()}


def choice_in_torch(scores):
    table = torch.tensor(np.array(scores))
    means = table.sum(1) / table.shape[1]
    best = int(np.argmax(means.numpy()))
    parts = []
    for seed in range(table.shape[1]):
        others = torch.cat([table[:, :seed], table[:, seed + 1 :]], dim=1).sum(1).numpy()
        parts.append(table[int(np.argmax(others)), seed])
    return {"best": torch.tensor(best), "naive": means[best], "honest": torch.stack(parts).mean()}


# Exercise S5.4, wrong


def choice_without_leaving_out(scores):
    best = scores.mean(axis=1).argmax()
    return {"best": best, "naive": scores[best].mean(), "honest": scores[best].mean()}


def choice_of_each_seed(scores):
    right = choice_by_masks(scores)
    return right | {"honest": scores.max(axis=0).mean()}


def choice_by_halves(scores):
    half = scores.shape[1] // 2
    best = scores[:, :half].sum(axis=1).argmax()
    return choice_by_masks(scores) | {"honest": scores[best, half:].mean()}


def choice_of_the_worst(scores):
    flipped = choice_by_masks(-scores)
    return {"best": flipped["best"], "naive": -flipped["naive"], "honest": -flipped["honest"]}


def choice_of_the_last(scores):
    flipped = choice_by_masks(scores[::-1])
    return flipped | {"best": len(scores) - 1 - flipped["best"]}


def choice_judged_by_those_who_chose(scores):
    parts = []
    for seed in range(scores.shape[1]):
        others = np.delete(scores, seed, axis=1)
        parts.append(others[others.sum(axis=1).argmax()].mean())
    return choice_by_masks(scores) | {"honest": np.mean(parts)}


def choice_of_all(scores):
    return choice_by_masks(scores) | {"honest": scores.mean()}


def choice_among_seeds(scores):
    means = scores.mean(axis=0)
    return {"best": means.argmax(), "naive": means.max(), "honest": scores.max(axis=1).mean()}


def choice_of_the_largest_score(scores):
    best = int(np.unravel_index(scores.argmax(), scores.shape)[0])
    return choice_by_masks(scores) | {"best": best, "naive": scores[best].mean()}


def choice_worth_its_largest_score(scores):
    return choice_by_masks(scores) | {"naive": scores.max()}


def choice_numbered_from_one(scores):
    right = choice_by_masks(scores)
    return right | {"best": right["best"] + 1}


def choice_above_zero(scores):
    def search(table):
        best, largest = 0, 0.0
        for k, mean in enumerate(table.mean(axis=1)):
            if mean > largest:
                best, largest = k, mean
        return best, largest

    best, naive = search(scores)
    chosen = [search(np.delete(scores, seed, axis=1))[0] for seed in range(scores.shape[1])]
    return {"best": best, "naive": naive, "honest": np.mean([scores[k, seed] for seed, k in enumerate(chosen)])}


# Exercise S5.5, right


def measured(seed):
    rng = np.random.default_rng(seed)
    skill = rng.normal()
    return {"first": skill + rng.normal() + 0.5, "second": skill + rng.normal()}


def experiment_of_numbers(seed, stated):
    found = measured(seed)
    return {name: round(value, 4) for name, value in found.items()} if stated else found


def experiment_in_torch(seed, stated):
    torch.manual_seed(seed)
    network = torch.nn.Linear(3, 2).double()
    first, second = network(torch.ones(3).double())
    return {"second": second, "first": first, "weights": torch.tensor(8)}


def experiment_with_random(seed, stated):
    throws = random.Random(seed)
    return {"first": sum(throws.random() < 0.6 for _ in range(50)) / 50, "second": throws.random()}


# Exercise S5.5, wrong

SHARED = np.random.default_rng(5)
RUNS = []


def experiment_with_a_shared_generator(seed, stated):
    return {"first": SHARED.normal(), "second": SHARED.normal()}


def experiment_that_remembers(seed, stated):
    RUNS.append(seed)
    return {name: value + len(RUNS) for name, value in measured(seed).items()}


def experiment_without_a_seed(seed, stated):
    return measured(12)


def experiment_of_one_arm(seed, stated):
    found = measured(seed)
    return {"first": found["first"], "second": found["first"]}


def experiment_reported_before_a_change(seed, stated):
    return measured(seed + 1) if stated else measured(seed)


def experiment_reported_to_two_digits(seed, stated):
    found = measured(seed)
    return {name: value + (0.003 if stated else 0.0) for name, value in found.items()}


def experiment_reported_by_its_mean(seed, stated):
    if not stated:
        return measured(seed)
    three = [measured(n) for n in range(3)]
    return {name: sum(run[name] for run in three) / 3 for name in ("first", "second")}


def experiment_reported_with_arms_exchanged(seed, stated):
    found = measured(seed)
    return {"first": found["second"], "second": found["first"]} if stated else found


RIGHT = {
    "demonstrations": [words_one_by_one, words_by_choice, words_with_a_fresh_generator_each, words_in_torch],
    "paired": [test_by_product, test_by_bits, test_by_recursion],
    "peeking": [peeks_with_a_dictionary, peeks_by_counting, peeks_by_recursion],
    "honest_choice": [choice_in_loops, choice_by_masks, choice_in_torch],
    "my_experiment": [experiment_of_numbers, experiment_in_torch, experiment_with_random],
}

WRONG = {
    "demonstrations": {
        words_drawn_on: "a_sample_of_its_own_for_each_size",
        words_by_multinomial: "counted_by_multinomial",
        words_of_the_old_generator: "old_generator",
        words_without_a_seed: "seed_left_out",
        words_as_shares: "shares_for_counts",
        words_all_alike: "uniform_words",
        words_in_sorted_sizes: "sizes_sorted",
        words_up_to_the_edge: "edge_belongs_to_the_word_before",
        words_of_a_hundred: "sizes_not_kept",
        words_as_they_are_expected: "expected_counts",
        words_by_integers: "words_without_a_chance",
        words_that_are_others_each_time: "other_words",
    },
    "paired": {
        test_upwards: "one_side_only",
        test_without_ties: "ties_not_counted",
        test_of_signs: "signs_alone",
        test_the_other_way_round: "order_of_the_arms",
        test_of_sums: "sum_for_the_mean",
        test_of_medians: "median_for_the_mean",
        test_of_confidence: "chance_of_being_right",
        test_by_drawing: "patterns_drawn",
        test_of_all_exchanges: "not_paired",
        test_by_a_bell_curve: "some_other_test",
        test_of_half_the_patterns: "half_of_the_patterns",
        test_with_a_room_of_its_own: "another_room",
        test_with_a_wide_room: "another_room",
        test_in_whole_numbers: "above_one",
        test_of_seeds_that_differ: "ties_left_out_of_the_mean",
        test_of_distances: "sign_lost",
        test_against_the_mean_distance: "bars_inside_the_mean",
        test_with_one_more: "one_added",
        test_rounded: "digits after the point. Return your numbers as they come",
    },
    "peeking": {
        peeks_added: "looks_added",
        peeks_independent: "looks_independent",
        peeks_at_the_level: "level_is_what_is_paid",
        peeks_from_one_on: "looks_from_the_first_seed",
        peeks_at_most: "largest_of_the_looks",
        peeks_exchanged: "names_of_the_two_exchanged",
        peeks_without_the_last: "last_look_forgotten",
        peeks_simulated: "simulated",
        peeks_bounded: "level_times_looks",
        peeks_bounded_as_if_independent: "level_times_looks",
        peeks_by_the_smaller_tail: "smaller_tail_alone",
        peeks_by_twice_a_tail: "middle_counted_twice",
        peeks_at_half_the_level: "level_halved_as_well",
        peeks_from_a_whole_middle: "middle_rounded_down",
        peeks_by_a_bell_curve: "bell_curve_for_the_tails",
        peeks_beyond: "part_of_the_tail",
        peeks_below_the_level: "at_the_level_not_counted",
        peeks_without_the_first: "first_look_forgotten",
        peeks_once_at_first: "once_after_the_first",
        peeks_once_at_the_end: "once_without_the_early_ones",
        peeks_of_those_who_go_on: "going_brought_back_to_one",
    },
    "honest_choice": {
        choice_without_leaving_out: "nothing_left_out",
        choice_of_each_seed: "best_of_each_seed",
        choice_by_halves: "two_halves",
        choice_of_the_worst: "worst_setting",
        choice_of_the_last: "last_of_the_best",
        choice_judged_by_those_who_chose: "chosen_setting_judged_by_the_others",
        choice_of_all: "mean_of_all_settings",
        choice_among_seeds: "seeds_for_settings",
        choice_of_the_largest_score: "best_by_a_single_score",
        choice_worth_its_largest_score: "largest_score_for_the_largest_mean",
        choice_numbered_from_one: "settings_counted_from_one",
        choice_above_zero: "nothing_below_zero_chosen",
    },
    "my_experiment": {
        experiment_with_a_shared_generator: "not_the_same_again",
        experiment_that_remembers: "not_the_same_again",
        experiment_without_a_seed: "seed_makes_no_difference",
        experiment_of_one_arm: "arms_alike",
        experiment_reported_before_a_change: "report_of_another_run",
        experiment_reported_to_two_digits: "rounded_in_the_report",
        experiment_reported_by_its_mean: "one_line_for_all_seeds",
        experiment_reported_with_arms_exchanged: "arms_exchanged_in_the_report",
    },
}
