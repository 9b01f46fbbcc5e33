"""The exercises of notebooks/A1_reading_the_summary.ipynb."""

from __future__ import annotations

from typing import Any

import numpy as np

from smatch_edu.checks.exercise import exercise


def _weighted_logs(weight, above, below):
    """weight · log(above/below) entry by entry: 0 where there is no weight, ∞ where there is and below is 0, -∞ where
    above is."""
    weight, above, below = np.broadcast_arrays(weight, above, below)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(weight > 0, weight * (np.log(above) - np.log(below)), 0.0)


def _expected_log_ratio(weight, above, below):
    with np.errstate(invalid="ignore"):  # ∞ - ∞, in some of the mistakes
        return float(_weighted_logs(weight, above, below).sum())


def _is_one_of(returned, *others):
    """Whether a number is one of these. Single precision suffices."""
    return any(bool(np.isclose(returned, other, rtol=1e-4, atol=1e-7)) for other in others)


def _is_expected_log(returned, weight, above, below):
    """Whether a number is the expectation of this log ratio, with the infinities at zeros or without."""
    both = (above > 0) & (below > 0)
    return _is_one_of(
        returned, _expected_log_ratio(weight, above, below), _expected_log_ratio(weight * both, above, below)
    )


# -- A1.1 --------------------------------------------------------------------------------------------------------


def _ratios(rng: np.random.Generator) -> dict[str, Any]:
    """Ratios above 0: ordinary ones, tiny and huge ones, and 1."""
    u = np.exp(rng.normal(scale=1.5, size=rng.integers(3, 9)))
    u[0] = rng.choice([1.0, 1e-8, 1e-4, 1e3, 1e8])
    return {"u": rng.permutation(u)}


def first_term_alone(u):
    """That is a price of the first term alone. Which ratio does the second expectation weigh, if it is to be a sum over
    the expert's shares?"""
    return -np.log(u)


def first_term_levelled(u):
    """That is the level price of the first term alone. What does the second one add?"""
    return u - 1 - np.log(u)


def second_term_alone(u):
    """That is a price of the second term alone. What does the first one add?"""
    return u * np.log(u)


def second_term_levelled(u):
    """That is the level price of the second term alone. What does the first one add?"""
    return u * np.log(u) - u + 1


def second_term_not_weighed(u):
    """Your two logarithms have the same weight, so they cancel. One expectation is under p, the other under q: what is
    q, in terms of p and u?"""
    return 0.0 * u


def subtracted(u):
    """One of your terms has the wrong sign: both logarithms are of the same ratio. Which of p and q is on top in
    the second one?"""
    return -np.log(u) - u * np.log(u)


def added(u):
    """Both of your logarithms are of q/p. What stands on top in the first term?"""
    return np.log(u) + u * np.log(u)


def below_the_line(u):
    """Your price is nowhere positive. Of which fraction is the logarithm under p?"""
    return -(u - 1) * np.log(u)


def price_ratio_upside_down(u):
    """That would be right for u = p/q. Whose share is divided by whose, in notebook 03?"""
    return (1 / u - 1) * np.log(1 / u)


def half_of_it(u):
    """You take the average of the two terms. What stands between them in (A1.1)?"""
    return (u - 1) * np.log(u) / 2


def price_of_chi2(u):
    """That is the price of χ². Which function of the ratio stands in both of the two terms here?"""
    return (u - 1) ** 2


def to_the_mixture(u):
    """That is the price of Jensen-Shannon. The summary compares p and q with each other, and not with what lies halfway
    between them."""
    return u * np.log(u) - (u + 1) * np.log((u + 1) / 2)


def logarithm_of_the_price(u):
    """You take the sum of the ratios first and one logarithm afterwards. How many logarithms are in the two terms, and
    what stands inside them?"""
    return np.log(u) - np.log1p(u**2)


def in_another_base(returned, u):
    """Your price is off by one constant factor, as if counted in bits or in powers of ten. Which logarithm is meant by
    `log` in this course?"""
    return any(np.allclose(returned, (u - 1) * log(u), atol=1e-5) for log in (np.log2, np.log10))


def wrong_at_the_extremes(returned, u):
    """Your price is right for ordinary ratios, and wrong for very small or very large ones. Is something cut off there,
    or added to u? Every ratio above 0 has a logarithm."""
    apart = ~np.isclose(returned, price_of_both_terms.oracle(u), rtol=1e-5, atol=1e-5)
    return bool((np.abs(np.log(u[apart])) > 3).all())


def tilted(returned, u):
    """Your price measures the right thing, but it is not level at u = 1: a multiple of u - 1 too much or too little
    (exercise 3.2). Which slope has it there?"""
    away = np.abs(u - 1) > 1e-9
    left = (returned - (u - 1) * np.log(u))[away] / (u - 1)[away]
    return bool(np.ptp(left) < 1e-3 * (1 + np.abs(left).max()) and np.allclose(returned[~away], 0, atol=1e-5))


@exercise(
    "A1.1",
    draw=_ratios,
    inputs="random ratios",
    mistakes=[
        first_term_alone,
        first_term_levelled,
        second_term_alone,
        second_term_levelled,
        second_term_not_weighed,
        subtracted,
        added,
        below_the_line,
        price_ratio_upside_down,
        half_of_it,
        price_of_chi2,
        to_the_mixture,
        logarithm_of_the_price,
    ],
    signs=[in_another_base, wrong_at_the_extremes, tilted],
)
def price_of_both_terms(u):
    """-log u + u log u, which is level at u = 1 as it is."""
    return (u - 1) * np.log(u)


# -- A1.2 --------------------------------------------------------------------------------------------------------


def _joint_table(rng: np.random.Generator) -> dict[str, Any]:
    size = int(rng.integers(2, 6))
    table = rng.dirichlet(np.ones(size * size)).reshape(size, size)
    table = np.where(rng.random((size, size)) < rng.choice([0.0, 0.3]), 0.0, table)
    if rng.random() < 0.2:
        table[rng.integers(size)] = 0.0  # an outcome that never happens
    if rng.random() < 0.2:
        table[-1], table[:, -1], table[-1, -1] = 0.0, 0.0, 0.01  # rare, and always both at once
    table[0, 0] += 0.1
    return {"joint": table / table.sum()}


def _margins(joint):
    return joint.sum(axis=1, keepdims=True), joint.sum(axis=0, keepdims=True)


def margins_exchanged(returned, joint):
    """Your two margins have changed places. p belongs to the rows: over what must you sum to get the chance of one
    row?"""
    p, q = _margins(joint)
    return _is_expected_log(returned, joint, joint, p.T * q.T)


def one_margin_twice(returned, joint):
    """You multiply a margin with itself. A table has two sides, the demonstrator's and the learner's: along which axis
    do you sum for each?"""
    p, q = _margins(joint)
    return _is_expected_log(returned, joint, joint, p * p.T) or _is_expected_log(returned, joint, joint, q * q.T)


def product_is_no_table(returned, joint):
    """You multiply the margins number by number, which gives n products. There are n·n pairs: which product belongs to
    row x and column y?"""
    p, q = _margins(joint)
    products = p.T * q
    return _is_expected_log(returned, joint, joint, products) or _is_expected_log(returned, joint, joint, products.T)


def joint_replaced_by_product(joint):
    """You return 0 for every table. You compare the product of the margins with itself: where did the table go? (Keep
    this 0 in mind all the same.)"""
    return 0.0


def weights_of_the_product(returned, joint):
    """You weight the logs with the product of the margins. Under which distribution is this expectation taken?"""
    p, q = _margins(joint)
    return _is_expected_log(returned, p * q, joint, p * q)


def product_under_itself(returned, joint):
    """You have the margins' product as weights and on top of the ratio. Which of the two sides is the expectation
    under, and which stands below the bar?"""
    p, q = _margins(joint)
    return _is_expected_log(returned, p * q, p * q, joint)


def ratio_upside_down(joint):
    """Right but for its sign. In your log ratio, what stands on top?"""
    return -product_term.oracle(joint)


def entropy_of_the_joint(joint):
    """That is the entropy of the table: how uncertain it is. How far it is from *independent* is another question; what
    is it compared with?"""
    return -_expected_log_ratio(joint, joint, np.ones_like(joint))


def nothing_below_the_bar(joint):
    """Your log is that of the table alone, so nothing is compared. What would the table be if its two sides had nothing
    to do with each other?"""
    return _expected_log_ratio(joint, joint, np.ones_like(joint))


def in_bits_too(joint):
    """Too large by one constant factor: you count in bits. The log of this course is another one; which?"""
    return product_term.oracle(joint) / np.log(2)


def logs_without_weights(joint):
    """You add up the logs as if all pairs happened equally often. What turns a sum into an expectation?"""
    p, q = _margins(joint)
    return _expected_log_ratio((joint > 0) * 1.0, joint, p * q)


def divided_by_the_rows_alone(joint):
    """You divide by the chance of the row only. A pair has a column as well: what becomes of q?"""
    return _expected_log_ratio(joint, joint, _margins(joint)[0])


def divided_by_the_columns_alone(joint):
    """You divide by the chance of the column only. A pair has a row as well: what becomes of p?"""
    return _expected_log_ratio(joint, joint, _margins(joint)[1])


def margins_are_means(joint):
    """Your margins do not sum to 1: they are averages along a row or a column. What is the chance of a whole row?"""
    p, q = (margin / len(joint) for margin in _margins(joint))
    return _expected_log_ratio(joint, joint, p * q)


def same_key_only(joint):
    """You add up the diagonal only, the pairs in which both press the same key. Which other pairs happen?"""
    p, q = _margins(joint)
    return _expected_log_ratio(joint * np.eye(len(joint)), joint, p * q)


def all_pairs_alike(joint):
    """You compare the table with one in which all pairs are equally likely. Two people who know nothing of each other
    still have their favourite keys: where do those show in the table?"""
    return _expected_log_ratio(joint, joint, np.full_like(joint, 1 / joint.size))


def ratios_themselves(joint):
    """For a table of two independents your answer is 1: you average the ratios. What is done to a ratio before it is
    averaged?"""
    p, q = _margins(joint)
    return float((joint * joint / np.where(joint > 0, p * q, 1.0)).sum())


def logarithm_of_the_mean(joint):
    """You average the ratios and take one logarithm at the end. In the formula, is the log inside the expectation or
    around it?"""
    return float(np.log(ratios_themselves(joint)))


def rows_with_zeros_left_out(joint):
    """You leave out a whole row as soon as there is one zero in it. Its other pairs do happen: how could you leave out
    single cells?"""
    p, q = _margins(joint)
    return _expected_log_ratio(joint * (joint > 0).all(axis=1, keepdims=True), joint, p * q)


def mean_over_cells(joint):
    """You divide by the number of cells. The table's entries are weights already: what do they sum to?"""
    return product_term.oracle(joint) / joint.size


def is_negative(returned, joint):
    """Your answer is negative, and no comparison of one distribution with another can be. Look at the weights and at
    what is on top of the ratio: are they the same?"""
    return bool(returned < -1e-6)


def something_tiny_added(returned, joint):
    """Very near, and not quite there. Is a small number added to escape from log 0, or are rare pairs left out? Only
    those that *never* happen may be, and nothing need be added to the others."""
    return bool(abs(returned - product_term.oracle(joint)) < 0.01)


def wrong_with_zeros(returned, joint):
    """Your answer is wrong only for tables that have a zero. What does your code add for a pair that never happens, and
    for a row or a column of such pairs?"""
    return bool((joint == 0).any())


@exercise(
    "A1.2",
    draw=_joint_table,
    inputs="random joint tables",
    mistakes=[
        joint_replaced_by_product,
        ratio_upside_down,
        entropy_of_the_joint,
        nothing_below_the_bar,
        in_bits_too,
        logs_without_weights,
        divided_by_the_rows_alone,
        divided_by_the_columns_alone,
        margins_are_means,
        mean_over_cells,
        same_key_only,
        all_pairs_alike,
        ratios_themselves,
        logarithm_of_the_mean,
        rows_with_zeros_left_out,
    ],
    signs=[
        margins_exchanged,
        one_margin_twice,
        product_is_no_table,
        weights_of_the_product,
        product_under_itself,
        is_negative,
        something_tiny_added,
        wrong_with_zeros,
    ],
)
def product_term(joint):
    """E_joint[log joint/(p·q)], p and q the margins of the joint."""
    p, q = _margins(joint)
    return _expected_log_ratio(joint, joint, p * q)


# -- A1.3 --------------------------------------------------------------------------------------------------------


def _two_with_zeros(rng: np.random.Generator) -> dict[str, Any]:
    size = int(rng.integers(3, 8))
    draw = rng.dirichlet(np.ones(size), size=2)
    if rng.random() < 0.6:
        draw = np.where(rng.random((2, size)) < 0.3, 0.0, draw)
    draw[:, int(rng.integers(size))] += 0.05  # something that both can do
    draw /= draw.sum(axis=1, keepdims=True)
    return {"p": draw[0], "q": draw[1]}


def _squares(p, q, above, below):
    """Σ above·(p-q)²/below where below > 0."""
    present = below > 0
    return float((above * (p - q) ** 2 * present / np.where(present, below, 1.0)).sum())


def _is_divided(returned, p, q, below):
    """Whether a number is Σ (p-q)²/below, infinite where only `below` is zero, or without some zeros."""
    mild = _squares(p, q, 1.0, below)
    endless = np.inf if ((below == 0) & (p != q)).any() else mild
    return _is_one_of(returned, mild, _squares(p, q, p * q > 0, below), endless)


def never_weighted(returned, p, q):
    """You divide by p·q and never multiply by the weights of the expectation. What does E with the index pq do to each
    summand?"""
    return _is_divided(returned, p, q, p * q)


def divided_by_the_sum(p, q):
    """That is the χ²-mixture divergence of notebook 03, the one that the paper uses. The summary has something else
    below the fraction bar, and weights before it."""
    return _squares(p, q, 1.0, p + q)


def weighted_and_never_divided(p, q):
    """You multiply by p·q and never divide. Which part of each summand undoes the weights?"""
    return _squares(p, q, p * q, np.ones_like(p))


def weighted_with_p_alone(returned, p, q):
    """Only q is left below your bar. Do you take the expectation under p? The index of this one is pq: which weight is
    that for one outcome?"""
    return _is_divided(returned, p, q, q)


def weighted_with_q_alone(returned, p, q):
    """Only p is left below your bar. Pearson's χ² has it there; here the expectation's index has two letters: which
    weight has an outcome then?"""
    return _is_divided(returned, p, q, p)


def weights_scaled_once(returned, p, q):
    """You scale pq to sum one in one of the two places, and leave it as it is in the other. It is the same pq in both:
    what becomes of the scale?"""
    every, both, scale = ((p - q) ** 2).sum(), _squares(p, q, p * q, p * q), p @ q
    return _is_one_of(returned, every / scale, both / scale, every * scale, both * scale)


def zeros_left_out(p, q):
    """You leave out what only one of the two does. Replace its 0 by a tiny number: what is the summand, and does it
    depend on how tiny that number is?"""
    return _squares(p, q, p * q, p * q)


def off_the_data_left_out(p, q):
    """You leave out what the demonstrator never does. The learner does it: what does its summand tend to when p is a
    tiny number instead of 0?"""
    return _squares(p, q, 1.0, (p > 0) * 1.0)


def never_by_the_learner_left_out(p, q):
    """You leave out what the learner never does. The demonstrator does it: what does its summand tend to when q is a
    tiny number instead of 0?"""
    return _squares(p, q, 1.0, (q > 0) * 1.0)


def all_pairs(p, q):
    """You compare each outcome of p with every outcome of q. Here pq is about one and the same outcome: how many
    summands are there then?"""
    return float(((p[:, None] - q) ** 2).sum())


def squares_subtracted(p, q):
    """You subtract one square from another, and your answer changes its sign when p and q change places. In which order
    does the formula square and subtract?"""
    return float((p**2 - q**2).sum())


def root_taken(p, q):
    """You return a distance, as by Pythagoras. Which last step is not in the formula?"""
    return float(np.sqrt(((p - q) ** 2).sum()))


def mean_of_summands(p, q):
    """You average over the outcomes. The formula's expectation has weights, and they are used up: what is left in front
    of each summand?"""
    return float(((p - q) ** 2).mean())


def not_squared(p, q):
    """You add up absolute differences. Look at the power in the formula: how does a small difference count then?"""
    return float(np.abs(p - q).sum())


def square_of_the_sum(p, q):
    """You add up the differences first, and get zero: those of two distributions cancel. In which order does the
    formula square and add up?"""
    return float((p - q).sum() ** 2)


def is_infinite(returned, p, q):
    """Your answer is infinite for some pair: you divide by a zero there, with nothing to make up for it. What
    multiplies that summand?"""
    return bool(np.isinf(returned))


def not_tiny_enough(returned, p, q):
    """Very near. Is a small number left in place of the zeros, or is something small taken for zero? Look on paper at
    what the summand tends to: is any of that needed?"""
    return bool(abs(returned - squared_term.oracle(p, q)) < 0.01)


def wrong_with_one_zero(returned, p, q):
    """Your answer is wrong only when one of them does something that the other never does. Cancel first: what is left
    of that summand?"""
    return bool(((p > 0) != (q > 0)).any())


@exercise(
    "A1.3",
    draw=_two_with_zeros,
    inputs="random pairs of distributions",
    mistakes=[
        divided_by_the_sum,
        weighted_and_never_divided,
        zeros_left_out,
        off_the_data_left_out,
        never_by_the_learner_left_out,
        all_pairs,
        squares_subtracted,
        root_taken,
        mean_of_summands,
        not_squared,
        square_of_the_sum,
    ],
    signs=[
        is_infinite,
        never_weighted,
        weighted_with_p_alone,
        weighted_with_q_alone,
        weights_scaled_once,
        not_tiny_enough,
        wrong_with_one_zero,
    ],
)
def squared_term(p, q):
    """Σ (p-q)² over what either can do."""
    return float(((p - q) ** 2).sum())


# -- A1.4 --------------------------------------------------------------------------------------------------------


def _two_who_delete(rng: np.random.Generator) -> dict[str, Any]:
    size = int(rng.integers(3, 7))
    visits = rng.dirichlet(np.ones(size + 1))[:-1]  # the rest of the time she has finished
    learner, expert = rng.uniform(0.05, 0.9, size=(2, size))
    visits[rng.random(size) < 0.25] = 0.0
    learner[rng.random(size) < 0.25] = 0.0
    some = int(rng.integers(size))
    visits[some], learner[some] = max(visits[some], 0.05), max(learner[some], 0.1)
    never = rng.random(size) < 0.3
    if rng.random() < 0.6:  # only where it does not matter
        never &= (visits == 0) | (learner == 0)
    expert[never] = 0.0
    return {"learner_visits": visits, "learner_backspace": learner, "expert_backspace": expert}


def visits_left_out(returned, learner_visits, learner_backspace, expert_backspace):
    """Every text counts alike in your sum, however often the learner stands there. Which of the three inputs is missing
    from your weights?"""
    weights = learner_backspace, learner_backspace * (learner_visits > 0)
    return any(_is_expected_log(returned, weight, learner_backspace, expert_backspace) for weight in weights)


def key_weight_left_out(returned, learner_visits, learner_backspace, expert_backspace):
    """You weight the log ratio with the visits of the text alone. The expectation is over texts *and* keys: how often
    is the key in question ⌫?"""
    weights = learner_visits, learner_visits * (learner_backspace > 0)
    return any(_is_expected_log(returned, weight, learner_backspace, expert_backspace) for weight in weights)


def visits_inside_the_logarithm(returned, learner_visits, learner_backspace, expert_backspace):
    """You put her visits into the ratio as well, and the demonstrator's have none: when both press ⌫ equally often,
    your answer is not zero. What does the log compare, once she stands at a text?"""
    weight = learner_visits * learner_backspace
    return _is_expected_log(returned, weight, weight, expert_backspace)


def one_share_for_all_texts(returned, learner_visits, learner_backspace, expert_backspace):
    """You add up each typist's ⌫ over all the texts, and compare the two totals. Too many at one text and too few at
    another cancel then: where does the sum over s stand in the formula?"""
    hers, theirs = learner_visits @ learner_backspace, learner_visits @ expert_backspace
    return _is_one_of(returned, _expected_log_ratio(hers, hers, theirs))


def no_logarithm_taken(returned, learner_visits, learner_backspace, expert_backspace):
    """You average the ratios themselves, so that a learner like the demonstrator does not get 0. What is done to each
    ratio first?"""
    below = np.where(expert_backspace > 0, expert_backspace, np.inf)
    return _is_one_of(returned, (learner_visits * learner_backspace * learner_backspace / below).sum())


def expectation_under_the_expert(learner_visits, learner_backspace, expert_backspace):
    """Your log ratio is upside down, and weighted with the demonstrator's ⌫. Whose expectation is E_q?"""
    return _expected_log_ratio(learner_visits * expert_backspace, expert_backspace, learner_backspace)


def upside_down(learner_visits, learner_backspace, expert_backspace):
    """Your weights are right and your sign is not. Who is on top of the ratio?"""
    return -backspace_term.oracle(learner_visits, learner_backspace, expert_backspace)


def weighted_with_the_expert(returned, learner_visits, learner_backspace, expert_backspace):
    """The ratio is right; its weight is how often the *demonstrator* presses ⌫. Who is it that types under E_q?"""
    told = _is_expected_log(returned, learner_visits * expert_backspace, learner_backspace, expert_backspace)
    return None if told and np.isinf(returned) else told  # an infinity alone has other reasons


def shared_among_visits(learner_visits, learner_backspace, expert_backspace):
    """You divide by the sum of the visits. They are shares of the time already; where is she for the rest of it, and
    does she delete there?"""
    return backspace_term.oracle(learner_visits, learner_backspace, expert_backspace) / learner_visits.sum()


def shared_among_deletions(learner_visits, learner_backspace, expert_backspace):
    """You average over her deletions, so it does not matter how many they are. Does the formula divide by
    anything?"""
    deletions = (learner_visits * learner_backspace).sum()
    return backspace_term.oracle(learner_visits, learner_backspace, expert_backspace) / deletions


def mean_over_texts(learner_visits, learner_backspace, expert_backspace):
    """You take the mean over the texts, as if she stood at all of them equally often *after* the weights have been
    applied. What do the weights do already?"""
    return backspace_term.oracle(learner_visits, learner_backspace, expert_backspace) / len(learner_visits)


def other_keys_as_well(learner_visits, learner_backspace, expert_backspace):
    """You also compare how often the two press any *other* key. That would be a sound divergence; does the summary's
    term have it?"""
    others = _expected_log_ratio(learner_visits * (1 - learner_backspace), 1 - learner_backspace, 1 - expert_backspace)
    return backspace_term.oracle(learner_visits, learner_backspace, expert_backspace) + others


def own_log_left_out(learner_visits, learner_backspace, expert_backspace):
    """There is only one log in your sum, the demonstrator's. What happens when the two press ⌫ equally often?"""
    weight = learner_visits * learner_backspace
    return _expected_log_ratio(weight, np.ones_like(weight), expert_backspace)


def no_summand_negative(learner_visits, learner_backspace, expert_backspace):
    """You make every summand positive. Where she deletes less often than the demonstrator, what is the sign of the
    log?"""
    logs = _weighted_logs(learner_visits * learner_backspace, learner_backspace, expert_backspace)
    return float(np.abs(logs).sum())


def negative_texts_cut(learner_visits, learner_backspace, expert_backspace):
    """You drop the texts at which she deletes less often than the demonstrator. What do such texts add to the sum as it
    is written?"""
    return float(_weighted_logs(learner_visits * learner_backspace, learner_backspace, expert_backspace).clip(0).sum())


def negative_total_cut(learner_visits, learner_backspace, expert_backspace):
    """You cut the total off at 0, as if it were a divergence. It has only one key's summands, those of ⌫: is anything
    there to keep it from sinking?"""
    return max(backspace_term.oracle(learner_visits, learner_backspace, expert_backspace), 0.0)


def counted_in_bits(learner_visits, learner_backspace, expert_backspace):
    """All your finite answers are off by the same factor. Which base has the log of this course?"""
    return backspace_term.oracle(learner_visits, learner_backspace, expert_backspace) / np.log(2)


def finite_where_infinite(returned, learner_visits, learner_backspace, expert_backspace):
    """You return a finite number although the learner deletes at a text where the demonstrator never does. A zero that
    is clipped, or left out, hides the very thing that we want to see: what is log(x/0)?"""
    right = backspace_term.oracle(learner_visits, learner_backspace, expert_backspace)
    if np.isinf(right):
        return bool(np.isfinite(returned))
    return None if abs(returned - right) < 0.02 else False  # a tiny number in the log does a little harm everywhere


def infinite_where_finite(returned, learner_visits, learner_backspace, expert_backspace):
    """You return an infinity because of a text at which the learner never stands, or never deletes. How much does
    something weigh that never happens?"""
    right = backspace_term.oracle(learner_visits, learner_backspace, expert_backspace)
    return bool(np.isfinite(right) and np.isinf(returned))


@exercise(
    "A1.4",
    draw=_two_who_delete,
    inputs="random pairs of typists",
    mistakes=[
        expectation_under_the_expert,
        upside_down,
        shared_among_visits,
        shared_among_deletions,
        mean_over_texts,
        other_keys_as_well,
        own_log_left_out,
        no_summand_negative,
        negative_texts_cut,
        negative_total_cut,
        counted_in_bits,
    ],
    signs=[
        finite_where_infinite,
        infinite_where_finite,
        visits_left_out,
        key_weight_left_out,
        weighted_with_the_expert,
        visits_inside_the_logarithm,
        one_share_for_all_texts,
        no_logarithm_taken,
    ],
)
def backspace_term(learner_visits, learner_backspace, expert_backspace):
    """Σ_s v(s) π(b|s) log(π(b|s)/π_E(b|s)): 0 where nothing happens, ∞ where only the learner deletes."""
    return _expected_log_ratio(learner_visits * learner_backspace, learner_backspace, expert_backspace)
