"""Answers to notebooks/12_finetune_pretrained.ipynb, written from its text alone: right ones of many kinds, and wrong
ones that students give."""

import math

import numpy as np
import torch

# 12.1: the gap of each layout


def gaps_at_once(packed, asked, alone):
    apart = np.abs(packed[:, asked] - alone).max(axis=(1, 2))
    return np.where(np.isnan(apart), np.inf, apart) / alone.std()


def gaps_with_loops(packed, asked, alone):
    numbers = [float(x) for row in alone for x in row]
    mean = sum(numbers) / len(numbers)
    unit = math.sqrt(sum((x - mean) ** 2 for x in numbers) / len(numbers))
    found = []
    for layout in packed:
        worst = 0.0
        for place, row in zip(asked, alone):
            for one, other in zip(layout[place], row):
                worst = math.inf if math.isnan(one) else max(worst, abs(float(one) - float(other)))
        found.append(worst / unit)
    return found


def gaps_in_torch(packed, asked, alone):
    packed, alone = (torch.as_tensor(part, dtype=torch.float64) for part in (packed, alone))
    apart = (packed[:, torch.as_tensor(asked)] - alone).abs().nan_to_num(nan=torch.inf, posinf=torch.inf)
    return apart.amax(dim=(1, 2)) / alone.std(correction=0)


def gaps_as_a_list_of_maxima(packed, asked, alone):
    gaps = []
    for layout in packed:
        differences = (layout[asked] - alone) / alone.std()
        gaps.append(float("inf") if np.isnan(differences).any() else max(differences.max(), -differences.min()))
    return np.array(gaps)


def gaps_of_standardised_logits(packed, asked, alone):
    mean, unit = alone.mean(), alone.std()
    with np.errstate(invalid="ignore"):
        apart = abs((packed[:, asked, :] - mean) / unit - (alone - mean) / unit).reshape(len(packed), -1)
    return [np.inf if np.isnan(row).any() else row.max() for row in apart]


def mean_over_texts(packed, asked, alone):
    apart = np.nan_to_num(np.abs(packed[:, asked] - alone), nan=np.inf, posinf=np.inf)
    return apart.max(axis=2).mean(axis=1) / alone.std()


def mean_over_everything(packed, asked, alone):
    apart = np.abs(packed[:, asked] - alone).mean(axis=(1, 2))
    return np.where(np.isnan(apart), np.inf, apart) / alone.std()


def root_mean_square(packed, asked, alone):
    apart = np.sqrt(((packed[:, asked] - alone) ** 2).mean(axis=(1, 2)))
    return np.where(np.isnan(apart), np.inf, apart) / alone.std()


def norm(packed, asked, alone):
    apart = np.linalg.norm((packed[:, asked] - alone).reshape(len(packed), -1), axis=1)
    return np.where(np.isnan(apart), np.inf, apart) / alone.std()


def std_of_each_packed_pass(packed, asked, alone):
    spread = [np.where(np.isfinite(one), one, 0.0).std() for one in packed]
    return [gap * alone.std() / unit for gap, unit in zip(gaps_at_once(packed, asked, alone), spread, strict=True)]


def no_unit(packed, asked, alone):
    apart = np.abs(packed[:, asked] - alone).max(axis=(1, 2))
    return np.where(np.isnan(apart), np.inf, apart)


def relative(packed, asked, alone):
    apart = (np.abs(packed[:, asked] - alone) / np.abs(alone)).max(axis=(1, 2))
    return np.where(np.isnan(apart), np.inf, apart)


def torch_std(packed, asked, alone):
    apart = np.abs(packed[:, asked] - alone).max(axis=(1, 2))
    return np.where(np.isnan(apart), np.inf, apart) / float(torch.as_tensor(alone).std())


def std_of_each_text(packed, asked, alone):
    apart = (np.abs(packed[:, asked] - alone) / alone.std(axis=1, keepdims=True)).max(axis=(1, 2))
    return np.where(np.isnan(apart), np.inf, apart)


def variance(packed, asked, alone):
    apart = np.abs(packed[:, asked] - alone).max(axis=(1, 2))
    return np.where(np.isnan(apart), np.inf, apart) / np.var(alone)


def first_inputs(packed, asked, alone):
    apart = np.abs(packed[:, : len(asked)] - alone).max(axis=(1, 2))
    return np.where(np.isnan(apart), np.inf, apart) / alone.std()


def without_abs(packed, asked, alone):
    apart = (packed[:, asked] - alone).max(axis=(1, 2))
    return np.where(np.isnan(apart), np.inf, apart) / alone.std()


def of_probabilities(packed, asked, alone):
    def softmax(x):
        with np.errstate(invalid="ignore"):
            x = np.exp(x - x.max(axis=-1, keepdims=True))
        return x / x.sum(axis=-1, keepdims=True)

    apart = np.abs(softmax(packed[:, asked]) - softmax(alone)).max(axis=(1, 2))
    return np.where(np.isnan(apart), np.inf, apart) / alone.std()


def of_log_probabilities(packed, asked, alone):
    packed, alone = torch.as_tensor(packed)[:, asked], torch.as_tensor(alone)
    apart = (packed.log_softmax(-1) - alone.log_softmax(-1)).abs().nan_to_num(nan=torch.inf, posinf=torch.inf)
    return apart.amax((1, 2)) / alone.std(correction=0)


def at_the_end(packed, asked, alone):
    apart = np.abs(packed[:, asked[-1]] - alone[-1]).max(axis=1)
    return np.where(np.isnan(apart), np.inf, apart) / alone.std()


def of_the_favourite(packed, asked, alone):
    apart = [np.abs(one[asked, alone.argmax(axis=1)] - alone.max(axis=1)).max() for one in packed]
    return np.where(np.isnan(apart), np.inf, apart) / alone.std()


def nanmax(packed, asked, alone):
    apart = np.abs(packed[:, asked] - alone)
    return np.nanmax(np.where(np.isnan(apart), -1, apart), axis=(1, 2)).clip(0) / alone.std()


def max_of_python(packed, asked, alone):
    found = []
    for layout in packed:
        worst = 0.0
        for place, row in zip(asked, alone):
            for one, other in zip(layout[place], row):
                worst = max(worst, abs(one - other))
        found.append(worst / alone.std())
    return found


def nan_anywhere(packed, asked, alone):
    found = [np.abs(layout[asked] - alone).max() / alone.std() for layout in packed]
    return [np.inf if np.isnan(layout).any() else gap for layout, gap in zip(packed, found)]


def equal_or_not(packed, asked, alone):
    return np.array([np.allclose(layout[asked], alone) for layout in packed])


def mean_over_tokens(packed, asked, alone):
    apart = np.abs(packed[:, asked] - alone).mean(axis=2).max(axis=1)
    return np.where(np.isnan(apart), np.inf, apart) / alone.std()


def one_for_all(packed, asked, alone):
    apart = np.abs(packed[:, asked] - alone)
    if np.isnan(apart).any():
        return np.full(len(packed), np.inf)
    return apart.max(axis=(1, 2)) / alone.std()


# 12.2: logits with an adapter


def logits_by_the_formula(x, weight, down, up, lora_alpha, table, key, row):
    h = x @ weight.T + lora_alpha / down.shape[0] * x @ down.T @ up.T
    changed = table.copy()
    changed[key] = row
    return h @ changed.T


def logits_merged(x, weight, down, up, lora_alpha, table, key, row):
    merged = weight + lora_alpha / up.shape[1] * up @ down
    logits = x @ merged.T @ table.T
    logits[:, key] = x @ merged.T @ row
    return logits


def logits_with_loops(x, weight, down, up, lora_alpha, table, key, row):
    found = []
    for one in x:
        made = [sum(w * v for w, v in zip(line, one)) for line in weight]
        thin = [sum(d * v for d, v in zip(line, one)) for line in down]
        for place, line in enumerate(up):
            made[place] += lora_alpha / len(down) * sum(u * t for u, t in zip(line, thin))
        found.append([float(np.dot(made, row if number == key else table[number])) for number in range(len(table))])
    return found


def logits_in_torch(x, weight, down, up, lora_alpha, table, key, row):
    x, weight, down, up, table, row = (torch.as_tensor(part) for part in (x, weight, down, up, table, row))
    linear = torch.nn.functional.linear
    hidden = linear(x, weight) + linear(linear(x, down), up) * (lora_alpha / len(down))
    return linear(hidden, table).index_copy(1, torch.tensor([key]), (hidden @ row)[:, None])


def logits_by_einsum(x, weight, down, up, lora_alpha, table, key, row):
    hidden = np.einsum("nd,ed->ne", x, weight) + np.einsum("nd,kd,ek->ne", x, down, up) * lora_alpha / len(down)
    rows = np.where(np.arange(len(table))[:, None] == key, row, table)
    return np.einsum("ne,ae->na", hidden, rows)


def no_scale(x, weight, down, up, lora_alpha, table, key, row):
    return logits_merged(x, weight, down, up, up.shape[1], table, key, row)


def alpha_alone(x, weight, down, up, lora_alpha, table, key, row):
    return logits_merged(x, weight, down, up, lora_alpha * up.shape[1], table, key, row)


def by_the_width(x, weight, down, up, lora_alpha, table, key, row):
    h = x @ (weight + lora_alpha / down.shape[1] * up @ down).T
    logits = h @ table.T
    logits[:, key] = h @ row
    return logits


def update_only(x, weight, down, up, lora_alpha, table, key, row):
    return logits_merged(x, np.zeros_like(weight), down, up, lora_alpha, table, key, row)


def no_adapter(x, weight, down, up, lora_alpha, table, key, row):
    logits = x @ weight.T @ table.T
    logits[:, key] = x @ weight.T @ row
    return logits


def turned_round(x, weight, down, up, lora_alpha, table, key, row):
    return logits_merged(x, weight.T, down, up, lora_alpha, table, key, row)


def up_first(x, weight, down, up, lora_alpha, table, key, row):
    h = x @ weight.T + lora_alpha / len(down) * (x @ up) @ down
    logits = h @ table.T
    logits[:, key] = h @ row
    return logits


def table_as_it_was(x, weight, down, up, lora_alpha, table, key, row):
    return logits_merged(x, weight, down, up, lora_alpha, table, key, table[key])


def row_on_top(x, weight, down, up, lora_alpha, table, key, row):
    return logits_merged(x, weight, down, up, lora_alpha, table, key, table[key] + row)


def row_at_minus_one(x, weight, down, up, lora_alpha, table, key, row):
    return logits_merged(x, weight, down, up, lora_alpha, table, -1, row)


def row_appended(x, weight, down, up, lora_alpha, table, key, row):
    others = [one for number, one in enumerate(table) if number != key]
    return logits_merged(x, weight, down, up, lora_alpha, np.array([*others, row]), -1, row)


def frozen_for_the_key(x, weight, down, up, lora_alpha, table, key, row):
    logits = x @ (weight + lora_alpha / len(down) * up @ down).T @ table.T
    logits[:, key] = x @ weight.T @ row
    return logits


def frozen_for_the_others(x, weight, down, up, lora_alpha, table, key, row):
    logits = x @ weight.T @ table.T
    logits[:, key] = x @ (weight + lora_alpha / len(down) * up @ down).T @ row
    return logits


def probabilities(x, weight, down, up, lora_alpha, table, key, row):
    return torch.softmax(torch.as_tensor(logits_merged(x, weight, down, up, lora_alpha, table, key, row)), dim=1)


def on_top_of_w(x, weight, down, up, lora_alpha, table, key, row):
    made = x @ weight.T
    return logits_merged(made, np.eye(len(weight)), down, up, lora_alpha, table, key, row)


def by_whole_division(x, weight, down, up, lora_alpha, table, key, row):
    scale = lora_alpha // len(down)
    return logits_merged(x, weight, down, up, scale * len(down), table, key, row)


def scaled_as_a_whole(x, weight, down, up, lora_alpha, table, key, row):
    scale = lora_alpha / len(down)
    return scale * logits_merged(x, weight, down, up, len(down), table, key, row)


# 12.3: what the loss is divided by


def by_counts(sums, counts):
    return {"loss": sums.sum() / counts.sum(), "factor": len(counts) * counts / counts.sum()}


def by_counts_with_loops(sums, counts):
    total, loss = 0, 0.0
    for process in range(len(counts)):
        for part in range(len(counts[process])):
            total += int(counts[process][part])
            loss += float(sums[process][part])
    factor = [[float(count) * len(counts) / total for count in row] for row in counts]
    return {"factor": factor, "loss": loss / total}


def by_counts_in_torch(sums, counts):
    sums, counts = torch.as_tensor(sums), torch.as_tensor(counts)
    return {"loss": sums.sum() / counts.sum(), "factor": counts / counts.double().mean() / counts.shape[1]}


def as_weighted_means(sums, counts):
    with np.errstate(invalid="ignore"):
        means = np.where(counts > 0, sums / counts, 0.0)
    factor = counts / counts.sum() * counts.shape[0]
    return {"loss": (factor * means).sum(axis=1).mean(), "factor": factor}


def with_a_share(sums, counts):
    share = counts.ravel() / counts.sum()
    return dict(loss=np.float32(sums.sum() / counts.sum()), factor=(share * len(sums)).reshape(counts.shape))


def no_processes(sums, counts):
    return {"loss": sums.sum() / counts.sum(), "factor": counts / counts.sum()}


def over_the_processes(sums, counts):
    return {"loss": sums.sum() / counts.sum(), "factor": counts / counts.sum() / len(counts)}


def one_over_the_parts(sums, counts):
    return {"loss": sums.sum() / counts.sum(), "factor": (counts > 0) / counts.shape[1]}


def one_over_the_filled_parts(sums, counts):
    filled = counts > 0
    return {"loss": sums.sum() / counts.sum(), "factor": filled / filled.sum(axis=1, keepdims=True).clip(1)}


def share_of_the_process(sums, counts):
    return {"loss": sums.sum() / counts.sum(), "factor": counts / counts.sum(axis=1, keepdims=True).clip(1)}


def only_busy_processes(sums, counts):
    busy = (counts.sum(axis=1) > 0).sum()
    return {"loss": sums.sum() / counts.sum(), "factor": counts * busy / counts.sum()}


def all_parts(sums, counts):
    return {"loss": sums.sum() / counts.sum(), "factor": counts.size * counts / counts.sum()}


def for_sums(sums, counts):
    return {"loss": sums.sum() / counts.sum(), "factor": np.where(counts > 0, len(counts) / counts.sum(), 0)}


def for_sums_everywhere(sums, counts):
    return {"loss": sums.sum() / counts.sum(), "factor": np.ones_like(sums) * len(counts) / counts.sum()}


def inverse(sums, counts):
    factor = np.zeros(counts.shape)
    factor[counts > 0] = counts.sum() / (len(counts) * counts[counts > 0])
    return {"loss": sums.sum() / counts.sum(), "factor": factor}


def ones(sums, counts):
    return {"loss": sums.sum() / counts.sum(), "factor": (counts > 0).astype(float)}


def no_sum_no_part(sums, counts):
    factor = np.where(sums > 0, len(counts) * counts / counts.sum(), 0)
    return {"loss": sums.sum() / counts.sum(), "factor": factor}


def loss_over_each_mean(sums, counts):
    loss = sums.sum() / counts.sum()
    with np.errstate(all="ignore"):
        return {"loss": loss, "factor": np.where(counts > 0, loss / (sums / counts), 0)}


def means_of_means(sums, counts):
    means = sums[counts > 0] / counts[counts > 0]
    return {"loss": means.mean(), "factor": len(counts) * counts / counts.sum()}


def means_of_means_throughout(sums, counts):
    means = sums / counts.clip(1)
    return {"loss": means.mean(axis=1).mean(), "factor": np.full(counts.shape, 1 / counts.shape[1])}


def means_of_processes(sums, counts):
    means = sums.sum(axis=1) / counts.sum(axis=1).clip(1)
    return {"loss": means.mean(), "factor": counts / counts.sum(axis=1, keepdims=True).clip(1)}


def all_added_up(sums, counts):
    return {"loss": sums.sum(), "factor": (counts > 0) * 1.0}


def over_all_parts(sums, counts):
    return {"loss": sums.mean(), "factor": len(counts) * counts / counts.sum()}


def sums_times_counts(sums, counts):
    return {**by_counts(sums, counts), "loss": (sums * counts).sum() / counts.sum()}


def mean_over_processes_once_more(sums, counts):
    return {**by_counts(sums, counts), "loss": sums.sum() / counts.sum() / len(counts)}


RIGHT = {
    "gap_of_each_layout": [
        gaps_at_once,
        gaps_with_loops,
        gaps_in_torch,
        gaps_as_a_list_of_maxima,
        gaps_of_standardised_logits,
    ],
    "logits_with_an_adapter": [
        logits_by_the_formula,
        logits_merged,
        logits_with_loops,
        logits_in_torch,
        logits_by_einsum,
    ],
    "loss_of_the_whole_batch": [by_counts, by_counts_with_loops, by_counts_in_torch, as_weighted_means, with_a_share],
}

WRONG = {
    "gap_of_each_layout": {
        mean_over_texts: "mean_over_the_texts",
        mean_over_everything: "mean_of_all_differences",
        root_mean_square: "root_of_the_mean_square",
        norm: "length_of_all_differences",
        no_unit: "in_no_unit",
        relative: "relative_to_each_logit",
        torch_std: "one_less_in_the_spread",
        std_of_each_packed_pass: "unit_of_the_packed_pass",
        std_of_each_text: "unit_of_each_text",
        variance: "variance_as_a_unit",
        first_inputs: "asked_not_used",
        without_abs: "differences_with_their_sign",
        of_probabilities: "probabilities_compared",
        of_log_probabilities: "log_probabilities_compared",
        at_the_end: "last_text_only",
        of_the_favourite: "likeliest_token_only",
        nanmax: "no_number_left_out",
        max_of_python: "no_number_left_out",
        nan_anywhere: "every_input_looked_at",
        equal_or_not: "said_yes_or_no",
        mean_over_tokens: "mean_over_the_tokens",
        one_for_all: "all_layouts_lost",
    },
    "logits_with_an_adapter": {
        no_scale: "scale_forgotten",
        alpha_alone: "rank_forgotten",
        by_the_width: "divided_by_the_width",
        update_only: "frozen_weight_forgotten",
        no_adapter: "adapter_not_used",
        turned_round: "weight_from_the_other_side",
        up_first: "up_before_down",
        table_as_it_was: "row_not_used",
        row_on_top: "row_added",
        row_at_minus_one: "row_at_the_end",
        row_appended: "row_taken_out_and_put_at_the_end",
        frozen_for_the_key: "key_reads_the_frozen_vector",
        frozen_for_the_others: "others_read_the_frozen_vector",
        probabilities: "probabilities_of_the_keys",
        on_top_of_w: "update_squared",
        by_whole_division: "whole_division",
        scaled_as_a_whole: "scale_on_everything",
    },
    "loss_of_the_whole_batch": {
        no_processes: "processes_forgotten",
        over_the_processes: "divided_by_the_processes",
        one_over_the_parts: "every_part_alike",
        one_over_the_filled_parts: "parts_with_something_alike",
        share_of_the_process: "each_process_by_itself",
        only_busy_processes: "idle_processes_left_out",
        all_parts: "parts_counted_as_processes",
        for_sums: "factor_of_the_sum",
        for_sums_everywhere: "factor_of_the_sum_everywhere",
        inverse: "upside_down",
        ones: "nothing_to_correct",
        no_sum_no_part: "empty_by_its_sum",
        loss_over_each_mean: "as_the_losses_are",
        means_of_means: "mean_of_the_means",
        means_of_means_throughout: "mean_of_the_means",
        means_of_processes: "mean_of_the_processes",
        all_added_up: "sum_of_all",
        over_all_parts: "divided_by_parts_or_processes",
        sums_times_counts: "sums_taken_for_means",
        mean_over_processes_once_more: "averaged_once_more",
    },
}
