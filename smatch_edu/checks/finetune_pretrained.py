"""The exercises of notebooks/12_finetune_pretrained.ipynb."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import log_softmax, softmax

from smatch_edu.checks.exercise import exercise

# -- 12.1 --------------------------------------------------------------------------------------------------------


def _layouts(rng: np.random.Generator) -> dict[str, Any]:
    """Logits under several layouts: right ones, and ones that are wrong at one text, at one token, by the same number
    at all tokens, below the right ones only, where nobody asks, or no number at all."""
    inputs, tokens = int(rng.integers(6, 14)), int(rng.integers(3, 9))
    texts = int(rng.integers(1, inputs - 1))
    asked = rng.integers(1, inputs, size=texts)  # input 0 is never asked
    right = rng.normal(rng.normal(0, 3), float(rng.choice([0.2, 1.0, 8.0])), size=(inputs, tokens))
    alone, packed = right[asked], np.repeat(right[None], int(rng.integers(2, 6)), axis=0)
    for layout in packed:
        where = asked[int(rng.choice([0, texts - 1, int(rng.integers(texts))]))]
        size = float(rng.choice([1e-3, 0.5, 3.0])) * alone.std()
        token, kind = int(rng.integers(tokens)), rng.random()
        if kind < 0.15:
            layout += rng.normal(0, 1e-13, size=layout.shape)
        elif kind < 0.35:
            layout[where, token] += rng.choice([-1, 1]) * size
        elif kind < 0.5:
            layout[where] += rng.choice([-1, 1]) * size
        elif kind < 0.6:
            layout -= np.abs(rng.normal(0, size, size=layout.shape))
        elif kind < 0.7:
            layout[np.setdiff1d(np.arange(inputs), asked)] += rng.choice([size, np.nan])
        elif kind < 0.8:
            layout[where, token] = rng.choice([np.nan, np.nan, np.inf, -np.inf])
        elif kind < 0.9:
            layout[asked.min() :] = rng.permuted(layout[asked.min() :], axis=1)
        else:
            layout += rng.normal(0, size, size=layout.shape)
    return {"packed": packed, "asked": asked, "alone": alone}


def _apart(packed, asked, alone):
    """|ℓ - ℓ alone| of each layout at each text and token; ∞ where a logit is no number."""
    apart = np.abs(packed[:, asked] - alone)
    return np.where(np.isnan(apart), np.inf, apart)


def _largest(apart):
    return apart.max(axis=(1, 2))


def mean_over_the_texts(packed, asked, alone):
    """You take the mean of the texts' largest differences. One text in twenty that is wrong would hardly be seen:
    should a test forgive that?"""
    return _apart(packed, asked, alone).max(axis=2).mean(axis=1) / alone.std()


def mean_of_all_differences(packed, asked, alone):
    """You take the mean over all texts and tokens. A mistake in a single place drowns in all that is right: which
    number cannot drown?"""
    return _apart(packed, asked, alone).mean(axis=(1, 2)) / alone.std()


def mean_over_the_tokens(packed, asked, alone):
    """You take the mean over the tokens of each text, and the worst of these. ⌫ is one token of many: how far off must
    its logit be until you see it?"""
    return _apart(packed, asked, alone).mean(axis=2).max(axis=1) / alone.std()


def root_of_the_mean_square(packed, asked, alone):
    """You take the root of the mean square. That is a mean, too: how large is it if one logit of a thousand is
    wrong?"""
    return np.sqrt((_apart(packed, asked, alone) ** 2).mean(axis=(1, 2))) / alone.std()


def length_of_all_differences(packed, asked, alone):
    """You take the length of all differences together. With more texts it grows, although no logit got worse: which
    single difference says how bad it may be?"""
    return np.sqrt((_apart(packed, asked, alone) ** 2).sum(axis=(1, 2))) / alone.std()


def in_no_unit(packed, asked, alone):
    """You return differences as they are. Is a difference of 0.1 large? That depends on how far the logits lie apart
    among themselves: which number on the card says so?"""
    return _largest(_apart(packed, asked, alone))


def relative_to_each_logit(packed, asked, alone):
    """You divide each difference by the logit itself. One that happens to be near 0 then looks wrong whatever happens:
    which one number do all of them share as their unit?"""
    return _largest(_apart(packed, asked, alone) / np.abs(alone))


def in_units_of_the_largest_logit(packed, asked, alone):
    """Your unit is the size of the largest logit. Add 100 to all of them: no probability changes, and your differences
    look a hundred times smaller. What does a standard deviation do then?"""
    return _largest(_apart(packed, asked, alone)) / np.abs(alone).max()


def unit_of_each_text(packed, asked, alone):
    """You have a unit of its own for each text. Where a model is unsure, its logits lie close together there: would a
    difference count for more at such a text?"""
    return _largest(_apart(packed, asked, alone) / alone.std(axis=1)[:, None])


def unit_of_the_packed_pass(returned, packed, asked, alone):
    """Your unit is the spread of the packed pass. If that pass is wrong, so is your unit: which logits can be
    trusted?"""
    apart = _largest(_apart(packed, asked, alone))
    units = [np.where(np.isfinite(own), own, 0).std(axis=(1, 2)) for own in (packed[:, asked], packed)]
    return any(np.allclose(returned, apart / unit, rtol=1e-4) for unit in units)


def variance_as_a_unit(packed, asked, alone):
    """You divide by the variance, a square. Double all logits, and your differences are halved: which root is
    missing?"""
    return _largest(_apart(packed, asked, alone)) / alone.var()


def one_less_in_the_spread(packed, asked, alone):
    """Your unit is a little too large, and more so where there are few numbers. torch's `std` divides by one less than
    there are numbers, numpy's by all of them: which of the two does the card name?"""
    return _largest(_apart(packed, asked, alone)) / alone.std(ddof=1)


def asked_not_used(packed, asked, alone):
    """You compare the first inputs, one after the other. After a ⌫ an old input is asked, and a deleted one never
    again: which argument says which?"""
    return _largest(_apart(packed, np.arange(len(asked)), alone)) / alone.std()


def differences_with_their_sign(packed, asked, alone):
    """Logits that are too low count as fine in your answer. What is the distance between two numbers?"""
    apart = np.where(np.isnan(packed[:, asked]), np.inf, packed[:, asked] - alone)
    return _largest(apart) / alone.std()


def probabilities_compared(packed, asked, alone):
    """You compare probabilities. Add the same number to all logits of a text, and none of them changes. Likelihood
    would never notice; but who reads V(s), which does?"""
    with np.errstate(invalid="ignore"):
        return _largest(_apart(softmax(packed, axis=2), asked, softmax(alone, axis=1))) / alone.std()


def log_probabilities_compared(packed, asked, alone):
    """You compare logs of probabilities. Add the same number to all logits of a text, and none of them changes.
    Likelihood would never notice; but who reads V(s), which does?"""
    with np.errstate(invalid="ignore"):
        return _largest(_apart(log_softmax(packed, axis=2), asked, log_softmax(alone, axis=1))) / alone.std()


def last_text_only(packed, asked, alone):
    """You look at the last text only. A layout may be right there and wrong on the way: how many texts were asked?"""
    return _largest(_apart(packed, asked[-1:], alone[-1:])) / alone.std()


def likeliest_token_only(packed, asked, alone):
    """You look at the likeliest token of each text only. And ⌫, which is unlikely nearly everywhere: when would you
    find that it is wrong?"""
    best = alone.argmax(axis=1)
    apart = _apart(packed, asked, alone)[:, np.arange(len(asked)), best]
    return apart.max(axis=1) / alone.std()


def best_text(packed, asked, alone):
    """You take the text at which the layout does best. Which text tells whether it may be used?"""
    return _apart(packed, asked, alone).max(axis=2).min(axis=1) / alone.std()


def no_number_left_out(packed, asked, alone):
    """You leave out what is no number. A pass that gives NaN would be let through, and the better the more of it is
    NaN: what does the card want there? (In Python `max(0.0, nan)` is 0.0.)"""
    apart = np.abs(packed[:, asked] - alone)
    return _largest(np.where(np.isnan(apart), 0, apart)) / alone.std()


def every_input_looked_at(packed, asked, alone):
    """You call a layout no number if any of its logits is. Does it matter what stands at an input that nobody asks?"""
    lost = np.isnan(packed).any(axis=(1, 2))
    return np.where(lost, np.inf, _largest(_apart(packed, asked, alone)) / alone.std())


def all_layouts_lost(packed, asked, alone):
    """As soon as one layout gives NaN you call all of them infinite. Is one layout to blame for what another one
    does?"""
    if np.isnan(packed[:, asked]).any():
        return np.full(len(packed), np.inf)
    return _largest(_apart(packed, asked, alone)) / alone.std()


def said_yes_or_no(returned, packed, asked, alone):
    """You return yes or no. Whoever reads it cannot see whether a layout is wrong by rounding or by a mile: which
    number did you compare?"""
    return len(packed) > 1 and bool(np.isin(returned, (0, 1)).all())


@exercise(
    "12.1",
    draw=_layouts,
    inputs="random layouts of a walk",
    mistakes=[
        mean_over_the_texts,
        mean_of_all_differences,
        mean_over_the_tokens,
        root_of_the_mean_square,
        length_of_all_differences,
        in_no_unit,
        relative_to_each_logit,
        in_units_of_the_largest_logit,
        unit_of_each_text,
        variance_as_a_unit,
        one_less_in_the_spread,
        asked_not_used,
        differences_with_their_sign,
        probabilities_compared,
        log_probabilities_compared,
        last_text_only,
        likeliest_token_only,
        best_text,
        no_number_left_out,
        every_input_looked_at,
        all_layouts_lost,
    ],
    signs=[said_yes_or_no, unit_of_the_packed_pass],
)
def gap_of_each_layout(packed, asked, alone):
    """The largest difference of a logit from that of a fresh run, in standard deviations of these; ∞ for no number."""
    return _largest(_apart(packed, asked, alone)) / alone.std()


# -- 12.2 --------------------------------------------------------------------------------------------------------


def _adapter(rng: np.random.Generator) -> dict[str, Any]:
    """Any rank; an adapter that was not trained yet, too; the key's row anywhere, also at its beginning, the mean."""
    width, rank, texts, keys = (int(rng.integers(*ends)) for ends in ((2, 7), (1, 5), (1, 6), (3, 9)))
    table, key = rng.normal(size=(keys, width)), int(rng.integers(keys))
    row = rng.normal(size=width)
    if rng.random() < 0.2:
        row = np.delete(table, key, axis=0).mean(axis=0)
    return {
        "x": rng.normal(size=(texts, width)),
        "weight": rng.normal(size=(width, width)),
        "down": rng.normal(size=(rank, width)),
        "up": rng.normal(size=(width, rank)) * (rng.random() > 0.15),
        "lora_alpha": float(rng.choice([0.5, 1, 2, 8, 16])),
        "table": table,
        "key": key,
        "row": row,
    }


def _adapted(x, weight, down, up, lora_alpha):
    """The hidden vectors."""
    return x @ weight.T + lora_alpha / len(down) * (x @ down.T) @ up.T


def _with_row(table, key, row):
    table = table.copy()
    table[key] = row
    return table


def scale_forgotten(x, weight, down, up, lora_alpha, table, key, row):
    """You add U D x as it is. Which factor stands before it in (12.3)?"""
    return _adapted(x, weight, down, up, len(down)) @ _with_row(table, key, row).T


def rank_forgotten(x, weight, down, up, lora_alpha, table, key, row):
    """Your update is multiplied with `lora_alpha`. With twice the rank there are twice as many terms in it: what in
    (12.3) keeps it from growing?"""
    return _adapted(x, weight, down, up, lora_alpha * len(down)) @ _with_row(table, key, row).T


def divided_by_the_width(x, weight, down, up, lora_alpha, table, key, row):
    """You divide by the width. The rank is another number: of which of the two thin tables is it a side that the other
    tables do not have?"""
    return _adapted(x, weight, down, up, lora_alpha * len(down) / len(up)) @ _with_row(table, key, row).T


def root_of_the_rank(x, weight, down, up, lora_alpha, table, key, row):
    """You divide by the root of the rank. There is such a kind of LoRA, too; which one does (12.3) have?"""
    return _adapted(x, weight, down, up, lora_alpha * np.sqrt(len(down))) @ _with_row(table, key, row).T


def rank_over_alpha(x, weight, down, up, lora_alpha, table, key, row):
    """Your factor is upside down. Should the update grow with `lora_alpha`, or shrink?"""
    return _adapted(x, weight, down, up, len(down) ** 2 / lora_alpha) @ _with_row(table, key, row).T


def whole_division(x, weight, down, up, lora_alpha, table, key, row):
    """Your factor is cut off to a whole number. With a rank above `lora_alpha` nothing is left of the update: which
    division leaves nothing out?"""
    scale = lora_alpha // len(down)
    return _adapted(x, weight, down, up, scale * len(down)) @ _with_row(table, key, row).T


def scale_on_everything(x, weight, down, up, lora_alpha, table, key, row):
    """Your factor multiplies W x as well. What the model knew would fade with a higher rank: before which of the two
    terms of (12.3) does the factor stand?"""
    scale = lora_alpha / len(down)
    return _adapted(x, scale * weight, down, up, lora_alpha) @ _with_row(table, key, row).T


def frozen_weight_forgotten(x, weight, down, up, lora_alpha, table, key, row):
    """You have the update alone. Frozen does not mean gone: what else reaches the head?"""
    return _adapted(x, 0 * weight, down, up, lora_alpha) @ _with_row(table, key, row).T


def adapter_not_used(x, weight, down, up, lora_alpha, table, key, row):
    """Your hidden vectors are those of the model as it came. Where do `up` and `down` come in?"""
    return x @ weight.T @ _with_row(table, key, row).T


def update_squared(x, weight, down, up, lora_alpha, table, key, row):
    """You let the update work on what W has made of x. In (12.3) both look at the same vector: which one?"""
    made = x @ weight.T
    return (made + lora_alpha / len(down) * (made @ down.T) @ up.T) @ _with_row(table, key, row).T


def weight_from_the_other_side(x, weight, down, up, lora_alpha, table, key, row):
    """You multiply with W from the wrong side: `x @ weight` adds over W's rows. In W x each *row* of W makes one
    number: what has to be turned round?"""
    return _adapted(x, weight.T, down, up, lora_alpha) @ _with_row(table, key, row).T


def up_before_down(x, weight, down, up, lora_alpha, table, key, row):
    """You go up first, and down afterwards. In U D x, which of the two meets x?"""
    return (x @ weight.T + lora_alpha / len(down) * x @ up @ down) @ _with_row(table, key, row).T


def row_not_used(x, weight, down, up, lora_alpha, table, key, row):
    """Your ⌫ still has its row of the frozen table. Which row was trained in its place?"""
    return _adapted(x, weight, down, up, lora_alpha) @ table.T


def row_added(x, weight, down, up, lora_alpha, table, key, row):
    """You add the trained row to the one of the table. It was not trained as a change of that one: in whose place does
    it stand?"""
    return _adapted(x, weight, down, up, lora_alpha) @ _with_row(table, key, table[key] + row).T


def row_at_the_end(x, weight, down, up, lora_alpha, table, key, row):
    """You put the trained row at the end of the table. A new token often stands there, and not always: which argument
    says where?"""
    return _adapted(x, weight, down, up, lora_alpha) @ _with_row(table, -1, row).T


def row_taken_out_and_put_at_the_end(x, weight, down, up, lora_alpha, table, key, row):
    """You take the old row of ⌫ out and put the trained one at the end, so that all tokens behind it move. What number
    has ⌫?"""
    moved = np.vstack([np.delete(table, key, axis=0), row])
    return _adapted(x, weight, down, up, lora_alpha) @ moved.T


def key_reads_the_frozen_vector(x, weight, down, up, lora_alpha, table, key, row):
    """The logit of ⌫ is that of the vector *without* the adapter. There is one hidden vector at a text: do all keys
    look at the same one?"""
    logits = _adapted(x, weight, down, up, lora_alpha) @ table.T
    logits[:, key] = x @ weight.T @ row
    return logits


def others_read_the_frozen_vector(x, weight, down, up, lora_alpha, table, key, row):
    """Only the logit of ⌫ has heard of the adapter. Which logits change if the hidden vector does?"""
    logits = x @ weight.T @ table.T
    logits[:, key] = _adapted(x, weight, down, up, lora_alpha) @ row
    return logits


def head_forgotten_for_the_key(x, weight, down, up, lora_alpha, table, key, row):
    """At ⌫ you write the mean of its trained row. That row is a direction: how does it become a logit?"""
    logits = _adapted(x, weight, down, up, lora_alpha) @ table.T
    logits[:, key] = row.mean()
    return logits


def probabilities_of_the_keys(x, weight, down, up, lora_alpha, table, key, row):
    """These are probabilities. Whoever computes V(s) needs what a softmax forgets: what goes into it?"""
    return softmax(_adapted(x, weight, down, up, lora_alpha) @ _with_row(table, key, row).T, axis=1)


@exercise(
    "12.2",
    draw=_adapter,
    inputs="random adapters",
    mistakes=[
        scale_forgotten,
        rank_forgotten,
        divided_by_the_width,
        root_of_the_rank,
        rank_over_alpha,
        whole_division,
        scale_on_everything,
        frozen_weight_forgotten,
        adapter_not_used,
        update_squared,
        weight_from_the_other_side,
        up_before_down,
        row_not_used,
        row_added,
        row_at_the_end,
        row_taken_out_and_put_at_the_end,
        key_reads_the_frozen_vector,
        others_read_the_frozen_vector,
        head_forgotten_for_the_key,
        probabilities_of_the_keys,
    ],
)
def logits_with_an_adapter(x, weight, down, up, lora_alpha, table, key, row):
    """(W x + lora_alpha/rank U D x) · E_a, with the trained row in the place of that of ⌫."""
    return _adapted(x, weight, down, up, lora_alpha) @ _with_row(table, key, row).T


# -- 12.3 --------------------------------------------------------------------------------------------------------


def _parts(rng: np.random.Generator) -> dict[str, Any]:
    """Parts of any sizes, of equal ones, with empty ones among them, and processes that have nothing at all. Now and
    then all losses of one of several parts are 0."""
    processes, parts = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    kind = rng.random()
    counts = rng.integers(1, 7, size=(processes, parts))
    if kind < 0.15:
        counts[:] = counts[0, 0]
    elif kind < 0.3:
        counts[:] = counts[:, :1]  # a process has as many in each of its parts
    elif kind < 0.6:
        counts *= rng.random(counts.shape) < 0.7
    elif kind < 0.75:
        counts[int(rng.integers(processes))] = 0
    if not counts.any():
        counts[-1, -1] = 3
    losses = rng.gamma(3.0, float(rng.choice([0.5, 2.0])), size=(processes, parts, 6))
    if rng.random() < 0.15 and np.count_nonzero(counts) > 1:
        losses[tuple(rng.choice(np.argwhere(counts)))] = 0
    inside = np.arange(6) < counts[..., None]
    return {"sums": (losses * inside).sum(axis=2), "counts": counts}


def _answer(sums, counts, factor):
    """The right loss, with these factors; 0 for an empty part."""
    return {"loss": float(sums.sum() / counts.sum()), "factor": np.where(counts > 0, factor, 0.0)}


def _divided(one, other):
    """one/other, and 0 where other is 0."""
    return np.divide(one, other, out=np.zeros(np.broadcast(one, other).shape), where=np.asarray(other) != 0)


def processes_forgotten(sums, counts):
    """Your factors are each part's share of all trajectories. Added up that is right; but the processes' sums are
    *averaged* afterwards. By what does that divide?"""
    return _answer(sums, counts, counts / counts.sum())


def divided_by_the_processes(sums, counts):
    """You divide by the number of processes. The averaging does that already, and you do it once more: what undoes
    it?"""
    return _answer(sums, counts, counts / counts.sum() / len(counts))


def every_part_alike(sums, counts):
    """In your answer every part counts alike. Does a trajectory weigh as much in a part of two as in a part of
    eight?"""
    return _answer(sums, counts, 1 / counts.shape[1])


def parts_with_something_alike(sums, counts):
    """In your answer every part that has something counts alike. Does a trajectory weigh as much in a part of two as in
    a part of eight?"""
    return _answer(sums, counts, _divided(1.0, (counts > 0).sum(axis=1, keepdims=True)))


def each_process_by_itself(sums, counts):
    """You divide by the trajectories of the process alone. One that has few would count for as much as one that has
    many: of whom is the mean to be taken?"""
    return _answer(sums, counts, _divided(counts, counts.sum(axis=1, keepdims=True)))


def idle_processes_left_out(sums, counts):
    """You count the processes that have something. The average is taken over all of them: what does an idle one
    send?"""
    return _answer(sums, counts, counts * counts.any(axis=1).sum() / counts.sum())


def parts_counted_as_processes(sums, counts):
    """You multiply with the number of all parts. Are the parts of one process averaged, too, or added up?"""
    return _answer(sums, counts, counts * counts.size / counts.sum())


def parts_for_processes(sums, counts):
    """You multiply with the number of parts in a process. What is averaged afterwards, parts or processes?"""
    return _answer(sums, counts, counts * counts.shape[1] / counts.sum())


def factor_of_the_sum(sums, counts):
    """With your factors the parts' *sums* would be right. Each part hands over its mean: by what has it divided
    already?"""
    return _answer(sums, counts, len(counts) / counts.sum())


def factor_of_the_sum_everywhere(sums, counts):
    """You have one factor for all parts, as if each handed over a *sum*. It hands over its mean: what does that no
    longer know?"""
    return {**_answer(sums, counts, 0.0), "factor": np.full(counts.shape, len(counts) / counts.sum())}


def upside_down(sums, counts):
    """Your factors are upside down: the more trajectories a part has, the less it counts. Which way should it be?"""
    return _answer(sums, counts, _divided(counts.sum(), counts * len(counts)))


def made_to_sum_to_one(sums, counts):
    """You make the factors of each part, over the processes, sum to 1. Nothing is averaged over one part alone: which
    sum must come out right?"""
    return _answer(sums, counts, _divided(counts, counts.sum(axis=0, keepdims=True)))


def nothing_to_correct(sums, counts):
    """All your factors are 1. Then the loss grows with every part that is added: is it a sum or a mean that is
    wanted?"""
    return _answer(sums, counts, 1.0)


def empty_by_its_sum(sums, counts):
    """You take a part for empty where its sum is 0. Trajectories whose losses are 0 are trajectories as well: which of
    your inputs says whether there are any?"""
    return _answer(sums, counts, len(counts) * counts * (sums != 0) / counts.sum())


def _says(returned, *ways):
    return any(np.isclose(float(returned["loss"]), way, rtol=1e-4) for way in ways)


def mean_of_the_means(returned, sums, counts):
    """Your loss is the mean of the parts' means. A part of one trajectory weighs as much as a part of eight there: what
    is the mean over all trajectories?"""
    means, filled = _divided(sums, counts), counts > 0
    by_process = _divided(means.sum(axis=1), filled.sum(axis=1))
    busy = by_process[filled.any(axis=1)]
    return _says(returned, means[filled].mean(), means.mean(), by_process.mean(), busy.mean())


def mean_of_the_processes(returned, sums, counts):
    """Your loss is the mean of the processes' means. One that has few trajectories would count for as much as one that
    has many: over what should the mean be taken?"""
    means = _divided(sums.sum(axis=1), counts.sum(axis=1))
    return _says(returned, means.mean(), means[counts.any(axis=1)].mean())


def sum_of_all(returned, sums, counts):
    """Your loss is the sum over all trajectories. Twice the batch would be twice the loss, and twice the step: what is
    it to be divided by?"""
    return _says(returned, sums.sum())


def divided_by_parts_or_processes(returned, sums, counts):
    """You divide the sum by the number of parts, or of processes. How many trajectories are in it?"""
    return _says(returned, *(sums.sum() / many for many in (counts.size, *counts.shape, (counts > 0).sum())))


def sums_taken_for_means(returned, sums, counts):
    """Your loss multiplies `sums` with `counts`. The losses of a part are added up there already: how often is a
    trajectory counted in your answer?"""
    return _says(returned, (sums * counts).sum() / counts.sum())


def as_the_losses_are(returned, sums, counts):
    """Your factors depend on the losses. They are to be right for every gradient, too, and a gradient is not in `sums`:
    of what alone may they be made?"""
    some = sums > 0  # what a loss of 0 makes of them may be anything
    factors = sums.sum() / counts.sum() * counts[some] / sums[some]
    return bool(np.allclose(np.asarray(returned["factor"])[some], factors, rtol=1e-4)) if some.any() else None


def averaged_once_more(returned, sums, counts):
    """You divide the loss by the number of processes, or of parts, after it was divided by n. The first of the two
    forms in (12.4) has all that is needed: what stands before its sum?"""
    right = sums.sum() / counts.sum()
    return _says(returned, *(right / many for many in {counts.size, *counts.shape} - {1}))


@exercise(
    "12.3",
    draw=_parts,
    inputs="random batches in parts",
    mistakes=[
        processes_forgotten,
        divided_by_the_processes,
        every_part_alike,
        parts_with_something_alike,
        each_process_by_itself,
        idle_processes_left_out,
        parts_counted_as_processes,
        parts_for_processes,
        factor_of_the_sum,
        factor_of_the_sum_everywhere,
        upside_down,
        made_to_sum_to_one,
        nothing_to_correct,
        empty_by_its_sum,
    ],
    signs=[
        sum_of_all,
        divided_by_parts_or_processes,
        mean_of_the_processes,
        mean_of_the_means,
        sums_taken_for_means,
        averaged_once_more,
        as_the_losses_are,
    ],
)
def loss_of_the_whole_batch(sums, counts):
    """The mean over all trajectories, and P n_pm / n for each part."""
    return _answer(sums, counts, len(counts) * counts / counts.sum())
