"""Answers to notebooks/A1_reading_the_summary.ipynb, written from its text alone: right ones of many kinds, and wrong
ones that students give."""

import math

import numpy as np
import torch

# A1.1: the price of both terms


def both_in_one_product(u):
    return (u - 1) * np.log(u)


def both_prices_added(u):
    return -np.log(u) + u * np.log(u)


def both_with_a_loop(u):
    return [float(one) * math.log(one) - math.log(one) for one in u]


def both_in_torch(u):
    u = torch.as_tensor(u)
    return torch.xlogy(u, u) - torch.log(u)


def both_levelled_and_added(u):
    return (u - 1 - np.log(u)) + (u * np.log(u) - u + 1)


def only_the_first(u):
    return -np.log(u)


def only_the_second(u):
    return u * np.log(u)


def only_the_second_levelled(u):
    return u * np.log(u) - (u - 1)


def mean_of_the_two(u):
    return 0.5 * (u - 1) * np.log(u)


def price_in_bits(u):
    return (u - 1) * np.log2(u)


def price_turned_over(u):
    return (1 - u) * np.log(u)


def price_of_the_other_ratio(u):
    return (1 - 1 / u) * np.log(u)


def price_of_one_against_the_other(u):
    return np.log(1 / u) + u * np.log(1 / u)


def price_of_jensen_shannon(u):
    return u * np.log(u) - (u + 1) * np.log((u + 1) / 2)


def price_in_powers_of_ten(u):
    return (u - 1) * np.log10(u)


def price_with_ratios_cut_off(u):
    u = np.clip(u, 1e-3, 1e3)
    return (u - 1) * np.log(u)


def price_of_two_equal_fractions(u):
    return np.log(u) + u * np.log(u)


def price_of_two_equal_weights(u):
    return u * np.log(1 / u) + u * np.log(u)


def price_of_chi2(u):
    return (u - 1) ** 2


def price_that_is_not_level(u):
    return (u - 1) * (np.log(u) + 1)


def product_where_it_happens(joint):
    joint = np.asarray(joint)
    happens = joint > 0
    apart = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    return (joint[happens] * np.log(joint[happens] / apart[happens])).sum()


def product_with_loops(joint):
    rows = [sum(row) for row in joint]
    columns = [sum(column) for column in zip(*joint, strict=True)]
    total = 0.0
    for x, row in enumerate(joint):
        for y, weight in enumerate(row):
            if weight > 0:
                total += weight * math.log(weight / (rows[x] * columns[y]))
    return total


def product_from_three_entropies(joint):
    def entropy(shares):
        return torch.special.entr(shares).sum()

    joint = torch.as_tensor(joint)
    return entropy(joint.sum(1)) + entropy(joint.sum(0)) - entropy(joint)


def product_in_single_precision(joint):
    joint = torch.as_tensor(joint).float()
    apart = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    return (torch.xlogy(joint, joint) - torch.xlogy(joint, apart)).sum()


def product_leaving_out_what_is_not_a_number(joint):
    with np.errstate(all="ignore"):
        return np.nansum(joint * np.log(joint / np.outer(joint.sum(axis=1), joint.sum(axis=0))))


def product_row_by_row(joint):
    joint = np.asarray(joint)
    columns, total = joint.sum(axis=0), 0.0
    for row in joint:
        if row.sum() > 0:
            given = row / row.sum()
            total += row.sum() * sum(a * np.log(a / b) for a, b in zip(given, columns, strict=True) if a > 0)
    return total


def product_with_a_tiny_number_added(joint):
    apart = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    return (joint * (np.log(joint + 1e-300) - np.log(apart + 1e-300))).sum()


def apart_from(joint):
    return np.outer(joint.sum(axis=1), joint.sum(axis=0))


def safe_ratio(above, below):
    return np.where(above > 0, above, 1.0) / np.where(above > 0, np.where(below > 0, below, 1.0), 1.0)


def joint_taken_for_the_product(joint):
    return 0.0


def rows_and_columns_exchanged(joint):
    happens = joint > 0
    apart = np.outer(joint.sum(axis=0), joint.sum(axis=1))
    with np.errstate(divide="ignore"):
        return (joint[happens] * np.log(joint[happens] / apart[happens])).sum()


def rows_and_columns_exchanged_without_infinities(joint):
    apart = np.outer(joint.sum(axis=0), joint.sum(axis=1))
    happens = (joint > 0) & (apart > 0)
    return (joint[happens] * np.log(joint[happens] / apart[happens])).sum()


def weighted_with_the_product(joint):
    return (apart_from(joint) * np.log(safe_ratio(joint, apart_from(joint)))).sum()


def fraction_of_the_joint_upside_down(joint):
    return -(joint * np.log(safe_ratio(joint, apart_from(joint)))).sum()


def divergence_of_the_product_from_the_joint(joint):
    apart = apart_from(joint)
    with np.errstate(all="ignore"):
        return np.nansum(apart * np.log(apart / joint))


def same_key_only(joint):
    return np.diag(joint * np.log(safe_ratio(joint, apart_from(joint)))).sum()


def product_in_bits(joint):
    return (joint * np.log2(safe_ratio(joint, apart_from(joint)))).sum()


def against_all_pairs_alike(joint):
    return (joint * np.log(safe_ratio(joint, np.full_like(joint, 1 / joint.size)))).sum()


def against_the_rows_only(joint):
    return (joint * np.log(safe_ratio(joint, joint.sum(axis=1, keepdims=True) + 0 * joint))).sum()


def against_the_columns_only(joint):
    return (joint * np.log(safe_ratio(joint, joint.sum(axis=0, keepdims=True) + 0 * joint))).sum()


def entropy_of_the_joint(joint):
    return -(joint * np.log(np.where(joint > 0, joint, 1.0))).sum()


def same_margin_twice(joint):
    rows = joint.sum(axis=1)
    with np.errstate(all="ignore"):
        return np.nansum(joint * np.log(joint / np.outer(rows, rows)))


def same_margin_twice_without_infinities(joint):
    columns = joint.sum(axis=0)
    apart = np.outer(columns, columns)
    happens = (joint > 0) & (apart > 0)
    return (joint[happens] * np.log(joint[happens] / apart[happens])).sum()


def margins_multiplied_without_a_table(joint):
    with np.errstate(all="ignore"):
        return np.nansum(joint * np.log(joint / (joint.sum(axis=1) * joint.sum(axis=0))))


def mean_of_the_table(joint):
    return (joint * np.log(safe_ratio(joint, apart_from(joint)))).mean()


def logs_of_pairs_without_weights(joint):
    return np.log(safe_ratio(joint, apart_from(joint))).sum()


def rows_with_a_zero_left_out(joint):
    full = (joint > 0).all(axis=1)
    return (joint * np.log(safe_ratio(joint, apart_from(joint))))[full].sum()


def a_ten_thousandth_added_to_both(joint):
    return (joint * np.log((joint + 1e-4) / (apart_from(joint) + 1e-4))).sum()


def a_millionth_added_to_both(joint):
    return (joint * np.log((joint + 1e-6) / (apart_from(joint) + 1e-6))).sum()


def zeros_replaced_by_a_hundredth(joint):
    filled = np.where(joint > 0, joint, 0.01)
    apart = np.where(apart_from(joint) > 0, apart_from(joint), 0.01)
    return (filled * np.log(filled / apart)).sum()


def weighted_with_the_product_and_its_infinities(joint):
    apart = apart_from(joint)
    with np.errstate(all="ignore"):
        return np.nansum(apart * np.log(joint / apart))


def product_without_a_logarithm(joint):
    return (joint * safe_ratio(joint, apart_from(joint))).sum()


def log_of_the_expected_fraction(joint):
    return np.log((joint * safe_ratio(joint, apart_from(joint))).sum())


def squares_added(p, q):
    return ((p - q) ** 2).sum()


def squares_with_a_loop(p, q):
    total = 0
    for a, b in zip(p, q, strict=True):
        if a * b > 0:
            total += a * b * (a - b) ** 2 / (a * b)
        else:
            total += max(a, b) ** 2
    return total


def squares_with_zeros_made_tiny(p, q):
    p, q = (np.where(np.asarray(x) == 0, 1e-12, x) for x in (p, q))
    return (p * q * ((p - q) ** 2 / (p * q))).sum()


def squares_multiplied_out(p, q):
    p, q = torch.as_tensor(p), torch.as_tensor(q)
    return p @ p - 2 * (p @ q) + q @ q


def squared_length_in_single_precision(p, q):
    return torch.linalg.vector_norm(torch.as_tensor(p).float() - torch.as_tensor(q).float()) ** 2


def zeros_made_a_thousandth(p, q):
    p, q = (np.where(x == 0, 1e-3, x) for x in (p, q))
    return (p * q * ((p - q) ** 2 / (p * q))).sum()


def summand_of_one_at_the_edge(p, q):
    alone = (p > 0) != (q > 0)
    return np.where(alone, 1.0, (p - q) ** 2).sum()


def summand_not_squared_at_the_edge(p, q):
    alone = (p > 0) != (q > 0)
    return np.where(alone, p + q, (p - q) ** 2).sum()


def divided_by_the_data(p, q):
    with np.errstate(all="ignore"):
        return np.nansum((p - q) ** 2 / p)


def divided_by_the_data_where_there_are_some(p, q):
    return ((p - q)[p > 0] ** 2 / p[p > 0]).sum()


def divided_by_the_learner(p, q):
    with np.errstate(all="ignore"):
        return np.nansum(p * (p - q) ** 2 / (p * q))


def divided_by_the_product_and_its_infinities(p, q):
    with np.errstate(all="ignore"):
        return np.nansum((p - q) ** 2 / (p * q))


def only_the_weight_scaled_and_zeros_left_out(p, q):
    both = p * q > 0
    return ((p - q)[both] ** 2).sum() / (p @ q)


def only_what_both_can_do(p, q):
    both = (p > 0) & (q > 0)
    return ((p - q)[both] ** 2).sum()


def not_a_number_left_out(p, q):
    with np.errstate(all="ignore"):
        return np.nansum(p * q * (p - q) ** 2 / (p * q))


def only_what_the_demonstrator_does(p, q):
    return ((p - q)[p > 0] ** 2).sum()


def only_what_the_learner_does(p, q):
    return ((p - q)[q > 0] ** 2).sum()


def infinite_where_one_is_zero(p, q):
    if np.any((p > 0) != (q > 0)):
        return np.inf
    return ((p - q) ** 2).sum()


def divided_by_the_sum(p, q):
    some = p + q > 0
    return ((p - q)[some] ** 2 / (p + q)[some]).sum()


def divided_by_the_product_without_weight(p, q):
    both = p * q > 0
    return ((p - q)[both] ** 2 / (p * q)[both]).sum()


def weighted_and_not_divided(p, q):
    return (p * q * (p - q) ** 2).sum()


def only_the_weight_scaled(p, q):
    return ((p - q) ** 2).sum() / (p @ q)


def only_the_divisor_scaled(p, q):
    return ((p - q) ** 2).sum() * (p @ q)


def root_of_the_squares(p, q):
    return np.sqrt(((p - q) ** 2).sum())


def mean_of_the_squares(p, q):
    return ((p - q) ** 2).mean()


def sizes_without_a_square(p, q):
    return np.abs(p - q).sum()


def pairs_of_different_outcomes(p, q):
    return ((p[:, None] - q[None, :]) ** 2).sum()


def square_of_the_sum(p, q):
    return (p - q).sum() ** 2


def squares_subtracted(p, q):
    return (p**2 - q**2).sum()


def toll_with_a_loop(learner_visits, learner_backspace, expert_backspace):
    total = 0.0
    for visits, hers, theirs in zip(learner_visits, learner_backspace, expert_backspace, strict=True):
        if visits == 0 or hers == 0:
            continue
        if theirs == 0:
            return math.inf
        total += visits * hers * math.log(hers / theirs)
    return total


def toll_where_it_happens(learner_visits, learner_backspace, expert_backspace):
    weight = np.asarray(learner_visits) * np.asarray(learner_backspace)
    happens = weight > 0
    if (np.asarray(expert_backspace)[happens] == 0).any():
        return np.inf
    return weight[happens] @ np.log(learner_backspace[happens] / expert_backspace[happens])


def toll_in_torch(learner_visits, learner_backspace, expert_backspace):
    visits, hers, theirs = map(torch.as_tensor, (learner_visits, learner_backspace, expert_backspace))
    weight = visits * hers
    return (torch.xlogy(weight, hers) - torch.xlogy(weight, theirs)).sum()


def toll_in_single_precision(learner_visits, learner_backspace, expert_backspace):
    given = (learner_visits, learner_backspace, expert_backspace)
    return toll_in_torch(*(torch.as_tensor(x).float() for x in given))


def toll_leaving_out_what_is_not_a_number(learner_visits, learner_backspace, expert_backspace):
    with np.errstate(all="ignore"):
        return np.nansum(learner_visits * learner_backspace * np.log(learner_backspace / expert_backspace))


def toll_from_two_occupancies(learner_visits, learner_backspace, expert_backspace):
    hers = [v * b for v, b in zip(learner_visits, learner_backspace, strict=True)]
    theirs = [v * b for v, b in zip(learner_visits, expert_backspace, strict=True)]
    return sum(
        0.0 if a == 0 else math.inf if b == 0 else a * math.log(a / b) for a, b in zip(hers, theirs, strict=True)
    )


def ratio_of_backspace(learner_backspace, expert_backspace, instead=1.0):
    """learner/expert, and `instead` where one of them is zero."""
    both = (learner_backspace > 0) & (expert_backspace > 0)
    return np.where(both, learner_backspace, instead) / np.where(both, expert_backspace, 1.0)


def edge(learner_visits, learner_backspace, expert_backspace):
    return bool(((learner_visits * learner_backspace > 0) & (expert_backspace == 0)).any())


def never_infinite(learner_visits, learner_backspace, expert_backspace):
    return learner_visits * learner_backspace @ np.log(ratio_of_backspace(learner_backspace, expert_backspace))


def expert_kept_above_zero(learner_visits, learner_backspace, expert_backspace):
    hers, theirs = np.maximum(learner_backspace, 1e-12), np.maximum(expert_backspace, 1e-12)
    return (learner_visits * learner_backspace * np.log(hers / theirs)).sum()


def a_thousandth_added_to_both_policies(learner_visits, learner_backspace, expert_backspace):
    ratio = (learner_backspace + 1e-3) / (expert_backspace + 1e-3)
    return (learner_visits * learner_backspace * np.log(ratio)).sum()


def infinite_for_any_zero_of_the_expert(learner_visits, learner_backspace, expert_backspace):
    if (expert_backspace == 0).any():
        return np.inf
    return never_infinite(learner_visits, learner_backspace, expert_backspace)


def infinite_at_texts_that_she_never_sees(learner_visits, learner_backspace, expert_backspace):
    if ((learner_backspace > 0) & (expert_backspace == 0)).any():
        return np.inf
    return never_infinite(learner_visits, learner_backspace, expert_backspace)


def infinite_at_texts_where_neither_deletes(learner_visits, learner_backspace, expert_backspace):
    if ((learner_visits > 0) & (expert_backspace == 0)).any():
        return np.inf
    return never_infinite(learner_visits, learner_backspace, expert_backspace)


def expectation_over_texts_only(learner_visits, learner_backspace, expert_backspace):
    if edge(learner_visits, learner_backspace, expert_backspace):
        return np.inf
    return learner_visits @ np.log(ratio_of_backspace(learner_backspace, expert_backspace))


def texts_all_alike(learner_visits, learner_backspace, expert_backspace):
    if edge(learner_visits, learner_backspace, expert_backspace):
        return np.inf
    return learner_backspace @ np.log(ratio_of_backspace(learner_backspace, expert_backspace))


def texts_all_alike_with_their_edges(learner_visits, learner_backspace, expert_backspace):
    if ((learner_backspace > 0) & (expert_backspace == 0)).any():
        return np.inf
    return learner_backspace @ np.log(ratio_of_backspace(learner_backspace, expert_backspace))


def toll_upside_down(learner_visits, learner_backspace, expert_backspace):
    return -toll_with_a_loop(learner_visits, learner_backspace, expert_backspace)


def visits_scaled_to_one(learner_visits, learner_backspace, expert_backspace):
    return toll_with_a_loop(learner_visits / learner_visits.sum(), learner_backspace, expert_backspace)


def other_keys_counted_too(learner_visits, learner_backspace, expert_backspace):
    total = toll_with_a_loop(learner_visits, learner_backspace, expert_backspace)
    return total + toll_with_a_loop(learner_visits, 1 - learner_backspace, 1 - expert_backspace)


def weighted_with_the_expert(learner_visits, learner_backspace, expert_backspace):
    if edge(learner_visits, learner_backspace, expert_backspace):
        return np.inf
    return learner_visits * expert_backspace @ np.log(ratio_of_backspace(learner_backspace, expert_backspace))


def expert_against_learner(learner_visits, learner_backspace, expert_backspace):
    return toll_with_a_loop(learner_visits, expert_backspace, learner_backspace)


def toll_in_bits(learner_visits, learner_backspace, expert_backspace):
    return toll_with_a_loop(learner_visits, learner_backspace, expert_backspace) / math.log(2)


def mean_over_the_texts(learner_visits, learner_backspace, expert_backspace):
    return toll_with_a_loop(learner_visits, learner_backspace, expert_backspace) / len(learner_visits)


def negative_texts_forgiven(learner_visits, learner_backspace, expert_backspace):
    if edge(learner_visits, learner_backspace, expert_backspace):
        return np.inf
    summands = learner_visits * learner_backspace * np.log(ratio_of_backspace(learner_backspace, expert_backspace))
    return np.maximum(summands, 0).sum()


def negative_totals_forgiven(learner_visits, learner_backspace, expert_backspace):
    return max(toll_with_a_loop(learner_visits, learner_backspace, expert_backspace), 0.0)


def sizes_of_the_logarithms(learner_visits, learner_backspace, expert_backspace):
    if edge(learner_visits, learner_backspace, expert_backspace):
        return np.inf
    return learner_visits * learner_backspace @ abs(np.log(ratio_of_backspace(learner_backspace, expert_backspace)))


def one_share_for_all_texts(learner_visits, learner_backspace, expert_backspace):
    if edge(learner_visits, learner_backspace, expert_backspace):
        return np.inf
    hers, theirs = learner_visits @ learner_backspace, learner_visits @ expert_backspace
    return hers * math.log(hers / theirs) if hers > 0 else 0.0


def one_share_for_all_texts_without_edges(learner_visits, learner_backspace, expert_backspace):
    hers, theirs = learner_visits @ learner_backspace, learner_visits @ expert_backspace
    return hers * math.log(hers / theirs) if theirs > 0 else math.inf


def mean_over_her_deletions(learner_visits, learner_backspace, expert_backspace):
    total = toll_with_a_loop(learner_visits, learner_backspace, expert_backspace)
    return total / (learner_visits @ learner_backspace)


def only_the_demonstrators_logarithm(learner_visits, learner_backspace, expert_backspace):
    if edge(learner_visits, learner_backspace, expert_backspace):
        return np.inf
    instead = np.where(expert_backspace > 0, expert_backspace, 1.0)
    return -(learner_visits * learner_backspace) @ np.log(instead)


def visits_inside_the_logarithm(learner_visits, learner_backspace, expert_backspace):
    if edge(learner_visits, learner_backspace, expert_backspace):
        return np.inf
    weight = learner_visits * learner_backspace
    return weight @ np.log(ratio_of_backspace(weight, expert_backspace))


def toll_without_a_logarithm(learner_visits, learner_backspace, expert_backspace):
    if edge(learner_visits, learner_backspace, expert_backspace):
        return np.inf
    return learner_visits * learner_backspace @ ratio_of_backspace(learner_backspace, expert_backspace)


RIGHT = {
    "price_of_both_terms": [
        both_in_one_product,
        both_prices_added,
        both_with_a_loop,
        both_in_torch,
        both_levelled_and_added,
    ],
    "product_term": [
        product_where_it_happens,
        product_with_loops,
        product_from_three_entropies,
        product_in_single_precision,
        product_leaving_out_what_is_not_a_number,
        product_row_by_row,
        product_with_a_tiny_number_added,
    ],
    "squared_term": [
        squares_added,
        squares_with_a_loop,
        squares_with_zeros_made_tiny,
        squares_multiplied_out,
        squared_length_in_single_precision,
    ],
    "backspace_term": [
        toll_with_a_loop,
        toll_where_it_happens,
        toll_in_torch,
        toll_in_single_precision,
        toll_leaving_out_what_is_not_a_number,
        toll_from_two_occupancies,
    ],
}

WRONG = {  # answer → the mistake whose hint it must be told
    "price_of_both_terms": {
        only_the_first: "first_term_alone",
        only_the_second: "second_term_alone",
        only_the_second_levelled: "second_term_levelled",
        mean_of_the_two: "half_of_it",
        price_in_bits: "in_another_base",
        price_in_powers_of_ten: "in_another_base",
        price_with_ratios_cut_off: "wrong_at_the_extremes",
        price_of_two_equal_fractions: "added",
        price_of_two_equal_weights: "second_term_not_weighed",
        price_of_chi2: "price_of_chi2",
        price_turned_over: "below_the_line",
        price_of_the_other_ratio: "price_ratio_upside_down",
        price_of_one_against_the_other: "subtracted",
        price_of_jensen_shannon: "to_the_mixture",
        price_that_is_not_level: "tilted",
    },
    "product_term": {
        joint_taken_for_the_product: "joint_replaced_by_product",
        rows_and_columns_exchanged: "margins_exchanged",
        rows_and_columns_exchanged_without_infinities: "margins_exchanged",
        weighted_with_the_product: "weights_of_the_product",
        fraction_of_the_joint_upside_down: "ratio_upside_down",
        divergence_of_the_product_from_the_joint: "product_under_itself",
        same_key_only: "same_key_only",
        product_in_bits: "in_bits_too",
        against_all_pairs_alike: "all_pairs_alike",
        against_the_rows_only: "divided_by_the_rows_alone",
        against_the_columns_only: "divided_by_the_columns_alone",
        entropy_of_the_joint: "entropy_of_the_joint",
        same_margin_twice: "one_margin_twice",
        same_margin_twice_without_infinities: "one_margin_twice",
        margins_multiplied_without_a_table: "product_is_no_table",
        mean_of_the_table: "mean_over_cells",
        logs_of_pairs_without_weights: "logs_without_weights",
        rows_with_a_zero_left_out: "rows_with_zeros_left_out",
        a_ten_thousandth_added_to_both: "something_tiny_added",
        a_millionth_added_to_both: "something_tiny_added",
        zeros_replaced_by_a_hundredth: "wrong_with_zeros",
        weighted_with_the_product_and_its_infinities: "weights_of_the_product",
        product_without_a_logarithm: "ratios_themselves",
        log_of_the_expected_fraction: "logarithm_of_the_mean",
    },
    "squared_term": {
        zeros_made_a_thousandth: "not_tiny_enough",
        summand_of_one_at_the_edge: "wrong_with_one_zero",
        summand_not_squared_at_the_edge: "wrong_with_one_zero",
        divided_by_the_data: "weighted_with_q_alone",
        divided_by_the_data_where_there_are_some: "weighted_with_q_alone",
        divided_by_the_learner: "weighted_with_p_alone",
        divided_by_the_product_and_its_infinities: "never_weighted",
        only_the_weight_scaled_and_zeros_left_out: "weights_scaled_once",
        only_what_both_can_do: "zeros_left_out",
        not_a_number_left_out: "zeros_left_out",
        only_what_the_demonstrator_does: "off_the_data_left_out",
        only_what_the_learner_does: "never_by_the_learner_left_out",
        infinite_where_one_is_zero: "is_infinite",
        divided_by_the_sum: "divided_by_the_sum",
        divided_by_the_product_without_weight: "never_weighted",
        weighted_and_not_divided: "weighted_and_never_divided",
        only_the_weight_scaled: "weights_scaled_once",
        only_the_divisor_scaled: "weights_scaled_once",
        root_of_the_squares: "root_taken",
        mean_of_the_squares: "mean_of_summands",
        sizes_without_a_square: "not_squared",
        pairs_of_different_outcomes: "all_pairs",
        square_of_the_sum: "square_of_the_sum",
        squares_subtracted: "squares_subtracted",
    },
    "backspace_term": {
        never_infinite: "finite_where_infinite",
        expert_kept_above_zero: "finite_where_infinite",
        a_thousandth_added_to_both_policies: "finite_where_infinite",
        infinite_for_any_zero_of_the_expert: "infinite_where_finite",
        infinite_at_texts_that_she_never_sees: "infinite_where_finite",
        infinite_at_texts_where_neither_deletes: "infinite_where_finite",
        expectation_over_texts_only: "key_weight_left_out",
        texts_all_alike: "visits_left_out",
        texts_all_alike_with_their_edges: "visits_left_out",
        toll_upside_down: "upside_down",
        visits_scaled_to_one: "shared_among_visits",
        other_keys_counted_too: "other_keys_as_well",
        weighted_with_the_expert: "weighted_with_the_expert",
        expert_against_learner: "expectation_under_the_expert",
        toll_in_bits: "counted_in_bits",
        mean_over_the_texts: "mean_over_texts",
        negative_texts_forgiven: "negative_texts_cut",
        negative_totals_forgiven: "negative_total_cut",
        sizes_of_the_logarithms: "no_summand_negative",
        one_share_for_all_texts: "one_share_for_all_texts",
        one_share_for_all_texts_without_edges: "one_share_for_all_texts",
        mean_over_her_deletions: "shared_among_deletions",
        only_the_demonstrators_logarithm: "own_log_left_out",
        visits_inside_the_logarithm: "visits_inside_the_logarithm",
        toll_without_a_logarithm: "no_logarithm_taken",
    },
}
