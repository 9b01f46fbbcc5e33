"""Answers to notebooks/assignments/set_3_backspace_masks.ipynb, written from its text alone: right ones of many kinds,
and wrong ones that students give."""

import functools
import itertools
import math

import numpy as np
import torch

# Exercise S3.1, right


def influence_by_products(mask, layers):
    heard = np.eye(len(mask), dtype=bool)
    for _ in range(layers):
        heard = heard | (np.asarray(mask, dtype=int) @ heard.astype(int) > 0)
    return heard


def influence_by_a_power(mask, layers):
    steps = np.asarray(mask, dtype=float) + np.eye(len(mask))
    return np.linalg.matrix_power(steps, layers) > 0


def influence_by_search(mask, layers):
    found = []
    for q in range(len(mask)):
        heard = {q}
        for _ in range(layers):
            heard |= {k for one in heard for k in range(len(mask)) if mask[one][k]}
        found.append([k in heard for k in range(len(mask))])
    return found


def influence_in_torch(mask, layers):
    steps = torch.as_tensor(np.array(mask)) | torch.eye(len(mask), dtype=torch.bool)
    found = torch.eye(len(mask), dtype=torch.bool)
    for _ in range(layers):
        found = (steps.float() @ found.float()) > 0.5
    return found


# Exercise S3.1, wrong


def influence_of_one_layer(mask, layers):
    return np.asarray(mask) | np.eye(len(mask), dtype=bool)


def influence_without_memory(mask, layers):
    return np.linalg.matrix_power(np.asarray(mask, dtype=int), layers) > 0


def influence_transposed(mask, layers):
    return influence_by_products(mask, layers).T


def influence_for_ever(mask, layers):
    return influence_by_products(mask, 50)


def influence_a_layer_ahead(mask, layers):
    found = np.asarray(mask) | np.eye(len(mask), dtype=bool)
    for _ in range(layers):
        found = found | (np.asarray(mask, dtype=int) @ found.astype(int) > 0)
    return found


def influence_a_layer_behind(mask, layers):
    return influence_by_products(mask, max(0, layers - 1))


def influence_of_the_past(mask, layers):
    return influence_by_products(np.asarray(mask) & np.tri(len(mask), dtype=bool), layers)


def influence_counted(mask, layers):
    return np.linalg.matrix_power(np.where(np.eye(len(mask), dtype=bool), 1, np.asarray(mask, dtype=int)), layers)


def influence_negated(mask, layers):
    return np.logical_not(influence_by_products(mask, layers))


def influence_squared(mask, layers):
    found = np.eye(len(mask), dtype=int) if layers == 0 else np.asarray(mask, dtype=int) | np.eye(len(mask), dtype=int)
    for _ in range(1, layers):
        found = (found @ found > 0).astype(int)
    return found


def influence_in_a_byte(mask, layers):
    return np.linalg.matrix_power((np.asarray(mask) | np.eye(len(mask), dtype=bool)).astype(np.uint8), layers) > 0


def influence_in_whole_numbers(mask, layers):
    return np.linalg.matrix_power(np.asarray(mask, dtype=int) + np.eye(len(mask), dtype=int), layers) > 0


def influence_from_the_mask_on(mask, layers):
    found = np.asarray(mask) if layers else np.eye(len(mask), dtype=bool)
    for _ in range(layers - 1):
        found = found | (np.asarray(mask, dtype=int) @ found.astype(int) > 0)
    return found


def influence_from_nothing(mask, layers):
    return influence_by_products(mask, layers) if layers else np.zeros((len(mask), len(mask)), dtype=bool)


def influence_in_place(mask, layers):
    found = np.eye(len(mask), dtype=bool)
    for _ in range(layers):
        for q in range(len(mask)):
            for k in range(len(mask)):
                if mask[q][k]:
                    found[q] |= found[k]
    return found


# Exercise S3.2, right


def exact_with_a_list(tokens, positions, mask, asked, texts):
    waiting = [(int(q), tuple(text)) for q, text in zip(asked, texts)]
    done = set()
    while waiting:
        q, text = waiting.pop()
        if (q, text) in done:
            continue
        done.add((q, text))
        seen = np.flatnonzero(mask[q])
        if sorted((positions[k], tokens[k]) for k in seen) != list(enumerate(text)):
            return False
        if positions[q] != len(text) - 1 or tokens[q] != text[-1]:
            return False
        waiting += [(int(k), text[: positions[k] + 1]) for k in seen]
    return True


def exact_by_recursion(tokens, positions, mask, asked, texts):
    started = set()

    def fine(q, text):
        if (q, text) in started:
            return True
        started.add((q, text))
        seen = [k for k in range(len(tokens)) if mask[q][k]]
        spelled = len(seen) == len(text) and {(int(positions[k]), int(tokens[k])) for k in seen} == set(enumerate(text))
        ends = int(positions[q]) + 1 == len(text) and int(tokens[q]) == text[-1]
        return spelled and ends and all(fine(k, text[: int(positions[k]) + 1]) for k in seen)

    return all(fine(int(q), tuple(map(int, text))) for q, text in zip(asked, texts))


def exact_by_layers(tokens, positions, mask, asked, texts):
    """Every vector by what it was made of, layer by layer, beside that of a fresh run: the same words?"""

    @functools.lru_cache(None)
    def fed(q, layer):
        if layer == 0:
            return ("token", int(tokens[q]))
        parts = sorted((int(positions[k]), hash(fed(k, layer - 1))) for k in map(int, np.flatnonzero(mask[q])))
        return (hash(fed(q, layer - 1)), int(positions[q]), tuple(parts))

    @functools.lru_cache(None)
    def alone(text, layer):
        if layer == 0:
            return ("token", text[-1])
        parts = sorted((n, hash(alone(text[: n + 1], layer - 1))) for n in range(len(text)))
        return (hash(alone(text, layer - 1)), len(text) - 1, tuple(parts))

    layers = len(tokens) + 1
    return all(fed(int(q), layers) == alone(tuple(map(int, text)), layers) for q, text in zip(asked, texts))


# Exercise S3.2, wrong


def pairs_seen(q, tokens, positions, mask):
    return sorted((int(positions[k]), int(tokens[k])) for k in np.flatnonzero(mask[q]))


def ends_with_itself(q, tokens, positions, text):
    return (int(positions[q]), int(tokens[q])) == (len(text) - 1, text[-1])


def exact_row_by_row(tokens, positions, mask, asked, texts):
    return all(
        pairs_seen(q, tokens, positions, mask) == list(enumerate(text)) and ends_with_itself(q, tokens, positions, text)
        for q, text in zip(asked, texts)
    )


def exact_one_step_further(tokens, positions, mask, asked, texts):
    below, prefixes = [], []
    for q, text in zip(asked, texts):
        for k in np.flatnonzero(mask[q]):
            below.append(k)
            prefixes.append(text[: positions[k] + 1])
    return exact_row_by_row(tokens, positions, mask, asked, texts) and exact_row_by_row(
        tokens, positions, mask, below, prefixes
    )


def exact_by_tokens_alone(tokens, positions, mask, asked, texts):
    return all(list(np.asarray(tokens)[mask[q]]) == list(text) for q, text in zip(asked, texts))


def exact_with_sets(tokens, positions, mask, asked, texts):
    started = set()

    def fine(q, text):
        if (q, text) in started:
            return True
        started.add((q, text))
        spelled = set(pairs_seen(q, tokens, positions, mask)) == set(enumerate(text))
        below = map(int, np.flatnonzero(mask[q]))
        return (
            spelled
            and ends_with_itself(q, tokens, positions, text)
            and all(fine(k, text[: positions[k] + 1]) for k in below)
        )

    return all(fine(int(q), tuple(text)) for q, text in zip(asked, texts))


def exact_with_sets_row_by_row(tokens, positions, mask, asked, texts):
    return all(
        set(pairs_seen(q, tokens, positions, mask)) == set(enumerate(text))
        and ends_with_itself(q, tokens, positions, text)
        for q, text in zip(asked, texts)
    )


def exact_in_length(tokens, positions, mask, asked, texts):
    return all(sorted(np.asarray(positions)[mask[q]]) == list(range(len(t))) for q, t in zip(asked, texts))


def exact_for_padding_too(tokens, positions, mask, asked, texts):
    if not exact_with_a_list(tokens, positions, mask, asked, texts):
        return False
    for q in range(len(tokens)):
        seen = pairs_seen(q, tokens, positions, mask)
        text = tuple(token for _, token in seen)
        if not seen or not exact_with_a_list(tokens, positions, mask, [q], [text]):
            return False
    return True


def exact_if_causal(tokens, positions, mask, asked, texts):
    return exact_with_a_list(tokens, positions, mask, asked, texts) and bool((np.tril(mask) == mask).all())


def exact_at_the_end(tokens, positions, mask, asked, texts):
    return exact_with_a_list(tokens, positions, mask, [asked[-1]], [texts[-1]])


def exact_somewhere(tokens, positions, mask, asked, texts):
    return any(exact_with_a_list(tokens, positions, mask, [q], [text]) for q, text in zip(asked, texts))


def faulty(tokens, positions, mask, asked, texts):
    return not exact_with_a_list(tokens, positions, mask, asked, texts)


def exact_always(tokens, positions, mask, asked, texts):
    return True


def exact_unless_something_repeats(tokens, positions, mask, asked, texts):
    """Wants each pair of a token and a position once in the whole row."""
    pairs = list(zip(map(int, tokens), map(int, positions)))
    return exact_with_a_list(tokens, positions, mask, asked, texts) and len(set(pairs)) == len(pairs)


def exact_whatever_is_asked(tokens, positions, mask, asked, texts, itself=False, own=False, ends=True):
    """Goes on to whoever is seen, but for what its arguments leave out or add."""
    waiting, done = [(int(q), tuple(text)) for q, text in zip(asked, texts)], set()
    while waiting:
        q, text = waiting.pop()
        if (q, text) in done:
            continue
        done.add((q, text))
        if pairs_seen(q, tokens, positions, mask) != list(enumerate(text)):
            return False
        if (own and not ends_with_itself(q, tokens, positions, text)) or (itself and not mask[q][q]):
            return False
        waiting += [(int(k), text[: int(positions[k]) + 1]) for k in np.flatnonzero(mask[q])]
    return True


def exact_but_for_its_own_token(tokens, positions, mask, asked, texts):
    return exact_whatever_is_asked(tokens, positions, mask, asked, texts)


def exact_if_each_sees_itself(tokens, positions, mask, asked, texts):
    return exact_whatever_is_asked(tokens, positions, mask, asked, texts, itself=True, own=True)


def exact_with_any_beginning(tokens, positions, mask, asked, texts):
    if not exact_row_by_row(tokens, positions, mask, asked, texts):
        return False
    counts, waiting = set(), list(map(int, asked))
    while waiting:
        q = waiting.pop()
        if q in counts:
            continue
        counts.add(q)
        text = [token for _, token in pairs_seen(q, tokens, positions, mask)]
        if not text or not exact_row_by_row(tokens, positions, mask, [q], [text]):
            return False
        waiting += map(int, np.flatnonzero(mask[q]))
    return True


def exact_the_wrong_way_round(tokens, positions, mask, asked, texts):
    return exact_with_a_list(tokens, positions, np.asarray(mask).T, asked, texts)


def exact_at_the_beginning(tokens, positions, mask, asked, texts):
    for q, text in zip(asked, texts):
        return exact_with_a_list(tokens, positions, mask, [q], [text])


def exact_if_causal_for_those_who_count(tokens, positions, mask, asked, texts):
    counts = influence_by_products(mask, len(mask))[asked].any(axis=0)
    return exact_with_a_list(tokens, positions, mask, asked, texts) and not np.triu(mask, 1)[counts].any()


# Exercise S3.3, right


def row_with_one_loop(walks, backspace, prompt):
    tokens, positions, expires = [], [], []
    for walk in walks:
        stack = []
        for key in [*prompt, *walk]:
            if key == backspace:
                expires[stack.pop()] = len(tokens)
            else:
                positions.append(len(stack))
                stack.append(len(tokens))
                tokens.append(key)
                expires.append(None)
        for left in stack:
            expires[left] = len(tokens)
    return {"tokens": np.array(tokens), "positions": np.array(positions), "expires": np.array(expires)}


def row_as_one_long_walk(walks, backspace, prompt):
    """Whatever is left is deleted, the prompt too, before the next walk."""
    keys = []
    for walk in walks:
        keys += [*prompt, *walk]
        standing = len(prompt) + sum(-1 if key == backspace else 1 for key in walk)
        keys += [backspace] * standing
    stack, tokens, positions, expires = [], [], [], {}
    for key in keys:
        if key == backspace:
            expires[stack.pop()] = len(tokens)
        else:
            stack.append(len(tokens))
            positions.append(len(stack) - 1)
            tokens.append(key)
    return {"tokens": tokens, "positions": positions, "expires": [expires[k] for k in range(len(tokens))]}


def row_in_torch(walks, backspace, prompt):
    found = {name: torch.empty(0, dtype=torch.long) for name in ("tokens", "positions", "expires")}
    for walk in walks:
        part = row_with_one_loop([walk], backspace, prompt)
        part["expires"] = part["expires"] + len(found["tokens"])
        found = {name: torch.cat([found[name], torch.as_tensor(part[name])]) for name in found}
    return found


# Exercise S3.3, wrong


def row_of_immortals(walks, backspace, prompt):
    found, count = row_with_one_loop(walks, backspace, prompt), 0
    expires = []
    for walk in walks:
        inputs = len(prompt) + sum(key != backspace for key in walk)
        part = found["expires"][count : count + inputs]
        count += inputs
        expires += [math.inf if e == count and not _deleted_last(walk, backspace, n - len(prompt)) else e
                    for n, e in enumerate(part)]  # fmt: skip
    return found | {"expires": np.array(expires, dtype=float)}


def _deleted_last(walk, backspace, letter):
    """Whether this letter of the walk (by its number) is deleted at all."""
    stack, count = [], 0
    for key in walk:
        if key == backspace:
            if stack.pop() == letter:
                return True
        else:
            stack.append(count)
            count += 1
    return False


def row_where_nothing_is_deleted(walks, backspace, prompt):
    expires = []
    for walk in walks:
        inputs = len(prompt) + sum(key != backspace for key in walk)
        expires += [len(expires) + inputs] * inputs
    return row_with_one_loop(walks, backspace, prompt) | {"expires": np.array(expires)}


def row_with_local_numbers(walks, backspace, prompt):
    tokens, positions, expires = [], [], []
    for walk in walks:
        begin, stack = len(tokens), []
        for key in [*prompt, *walk]:
            if key == backspace:
                expires[stack.pop()] = len(tokens) - begin
            else:
                positions.append(len(stack))
                stack.append(len(tokens))
                tokens.append(key)
                expires.append(None)
        for left in stack:
            expires[left] = len(tokens)
    return {"tokens": np.array(tokens), "positions": np.array(positions), "expires": np.array(expires)}


def row_with_positions_that_run_on(walks, backspace, prompt):
    found, positions = row_with_one_loop(walks, backspace, prompt), []
    for walk in walks:
        begin = positions[-1] + 1 if positions else 0
        positions += [begin + p for p in row_with_one_loop([walk], backspace, prompt)["positions"]]
    return found | {"positions": np.array(positions)}


def row_numbered_through(walks, backspace, prompt):
    found = row_with_one_loop(walks, backspace, prompt)
    return found | {"positions": np.arange(len(found["tokens"]))}


def row_numbered_walk_by_walk(walks, backspace, prompt):
    found = row_with_one_loop(walks, backspace, prompt)
    counts = [len(prompt) + sum(key != backspace for key in walk) for walk in walks]
    return found | {"positions": np.array(list(itertools.chain(*map(range, counts))))}


def row_one_late(walks, backspace, prompt):
    found = row_with_one_loop(walks, backspace, prompt)
    return found | {"expires": found["expires"] + 1}


def row_whose_end_is_open(walks, backspace, prompt):
    found = row_with_one_loop(walks, backspace, prompt)
    expires = found["expires"].astype(float)
    expires[expires == len(expires)] = np.inf
    return found | {"expires": expires}


def row_that_counts_keys(walks, backspace, prompt):
    found, expires, keys = row_with_one_loop(walks, backspace, prompt), [], 0
    for walk in walks:
        stack = []
        for key in [*prompt, *walk]:
            if key == backspace:
                expires[stack.pop()] = keys
            else:
                stack.append(len(expires))
                expires.append(None)
            keys += 1
        for left in stack:
            expires[left] = keys
    return found | {"expires": np.array(expires)}


def row_that_deletes_the_oldest(walks, backspace, prompt):
    found, expires = row_with_one_loop(walks, backspace, prompt), []
    for walk in walks:
        queue = []
        expires += [None] * len(prompt)
        begin = len(expires) - len(prompt)
        for key in walk:
            if key == backspace:
                expires[queue.pop(0)] = len(expires)
            else:
                queue.append(len(expires))
                expires.append(None)
        expires[begin:] = [len(expires) if e is None else e for e in expires[begin:]]
    return found | {"expires": np.array(expires)}


def row_with_late_ends(walks, backspace, prompt, end=None):
    """What stands when its walk ends expires at `end`, or at the end of the row."""
    tokens, positions, expires = [], [], []
    for walk in walks:
        stack = []
        for key in [*prompt, *walk]:
            if key == backspace:
                expires[stack.pop()] = len(tokens)
            else:
                positions.append(len(stack))
                stack.append(len(tokens))
                tokens.append(key)
                expires.append(-1)
    end = len(tokens) if end is None else end
    return {"tokens": tokens, "positions": positions, "expires": [end if e == -1 else e for e in expires]}


def row_with_the_librarys_never(walks, backspace, prompt):
    return row_with_late_ends(walks, backspace, prompt, 2**31 - 1)


def row_in_pieces(walks, backspace, prompt):
    parts = [row_with_one_loop([walk], backspace, prompt) for walk in walks]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def row_one_early(walks, backspace, prompt):
    found = row_with_one_loop(walks, backspace, prompt)
    return found | {"expires": found["expires"] - 1}


def row_with_deletions_one_early(walks, backspace, prompt):
    found = row_with_one_loop(walks, backspace, prompt)
    kept = row_where_nothing_is_deleted(walks, backspace, prompt)
    return found | {"expires": found["expires"] - (found["expires"] < kept["expires"])}


def row_with_deletions_one_late(walks, backspace, prompt):
    found = row_with_one_loop(walks, backspace, prompt)
    kept = row_where_nothing_is_deleted(walks, backspace, prompt)
    return found | {"expires": found["expires"] + (found["expires"] < kept["expires"])}


def row_one_late_within_the_row(walks, backspace, prompt):
    found = row_with_one_loop(walks, backspace, prompt)
    return found | {"expires": np.minimum(found["expires"] + 1, len(found["tokens"]))}


def row_with_one_stack(walks, backspace, prompt):
    tokens, positions, expires, stack = [], [], [], []
    for walk in walks:
        for key in [*prompt, *walk]:
            if key == backspace:
                expires[stack.pop()] = len(tokens)
            else:
                positions.append(len(stack))
                stack.append(len(tokens))
                tokens.append(key)
                expires.append(-1)
    return {"tokens": tokens, "positions": positions, "expires": [len(tokens) if e == -1 else e for e in expires]}


def row_that_hides_at_once(walks, backspace, prompt):
    tokens, positions, expires = [], [], []
    for walk in walks:
        stack = []
        for key in [*prompt, *walk]:
            if key == backspace:
                gone = stack.pop()
                expires[gone] = gone + 1
            else:
                positions.append(len(stack))
                stack.append(len(tokens))
                tokens.append(key)
                expires.append(-1)
        for left in stack:
            expires[left] = len(tokens)
    return {"tokens": tokens, "positions": positions, "expires": expires}


# Exercise S3.4, right


def screens(walk, backspace, prompt):
    found = [tuple(prompt)]
    for key in walk:
        found.append(found[-1][:-1] if key == backspace else (*found[-1], key))
    return found


def tree_by_recursion(walks, backspace, prompt):
    children, stood = {}, []
    for n in range(1, len(prompt)):
        children.setdefault(tuple(prompt[:n]), []).append(tuple(prompt[: n + 1]))
    for walk in walks:
        texts = screens(walk, backspace, prompt)
        stood += texts[:-1]
        for text in texts[1:]:
            if len(text) > len(prompt) and text not in children.setdefault(text[:-1], []):
                children[text[:-1]].append(text)
    order, expires = [], {}

    def visit(text):
        order.append(text)
        for child in children.get(text, []):
            visit(child)
        expires[text] = len(order)

    visit(tuple(prompt[:1]))
    return {
        "tokens": [text[-1] for text in order],
        "positions": [len(text) - 1 for text in order],
        "expires": [expires[text] for text in order],
        "asked": [order.index(text) for text in stood],
    }


def tree_by_sorting(walks, backspace, prompt):
    """Texts sorted by the moments at which each of their beginnings was first typed: that is depth first."""
    first, stood = {}, []
    for n in range(len(prompt)):
        first.setdefault(tuple(prompt[: n + 1]), len(first))
    for walk in walks:
        texts = screens(walk, backspace, prompt)
        stood += texts[:-1]
        for text in texts:
            first.setdefault(text, len(first))
    order = sorted(first, key=lambda text: [first[text[: n + 1]] for n in range(len(text))])
    ends = []
    for n, text in enumerate(order):
        ends.append(next((m for m in range(n, len(order)) if order[m][: len(text)] != text), len(order)))
    return {
        "tokens": np.array([text[-1] for text in order]),
        "positions": np.array([len(text) - 1 for text in order]),
        "expires": np.array(ends),
        "asked": np.array([order.index(text) for text in stood]),
    }


def tree_of_nodes(walks, backspace, prompt):
    nodes, asked = [{"token": prompt[0], "parent": None, "children": {}}], []

    def child(node, token):
        if token not in nodes[node]["children"]:
            nodes[node]["children"][token] = len(nodes)
            nodes.append({"token": token, "parent": node, "children": {}})
        return nodes[node]["children"][token]

    root = 0
    for token in prompt[1:]:
        root = child(root, token)
    for walk in walks:
        here = root
        for key in walk:
            asked.append(here)
            here = nodes[here]["parent"] if key == backspace else child(here, key)
    order, ends, depth = [], {}, {}
    todo = [(0, 0, False)]
    while todo:
        node, level, left = todo.pop()
        if left:
            ends[node] = len(order)
            continue
        order.append(node)
        depth[node] = level
        todo.append((node, level, True))
        todo += [(c, level + 1, False) for c in reversed(nodes[node]["children"].values())]
    place = {node: n for n, node in enumerate(order)}
    return {
        "tokens": torch.tensor([nodes[node]["token"] for node in order]),
        "positions": torch.tensor([depth[node] for node in order]),
        "expires": torch.tensor([ends[node] for node in order]),
        "asked": torch.tensor([place[node] for node in asked]),
    }


# Exercise S3.4, wrong


def tree_in_order_of_typing(walks, backspace, prompt):
    order, stood = [tuple(prompt[: n + 1]) for n in range(len(prompt))], []
    for walk in walks:
        texts = screens(walk, backspace, prompt)
        stood += texts[:-1]
        order += [text for text in dict.fromkeys(texts) if text not in order]
    ends = [1 + max(m for m, other in enumerate(order) if other[: len(text)] == text) for text in order]
    return {
        "tokens": np.array([text[-1] for text in order]),
        "positions": np.array([len(text) - 1 for text in order]),
        "expires": np.array(ends),
        "asked": np.array([order.index(text) for text in stood]),
    }


def tree_as_typed_to_the_letter(walks, backspace, prompt):
    """In the order of typing, `expires` as the text says: the first later text that does not begin with this one."""
    found = tree_in_order_of_typing(walks, backspace, prompt)
    order = [tuple(prompt[: n + 1]) for n in range(len(prompt))]
    order += [text for walk in walks for text in screens(walk, backspace, prompt)]
    order = list(dict.fromkeys(order))
    ends = [
        next((m for m in range(n + 1, len(order)) if order[m][: len(text)] != text), len(order))
        for n, text in enumerate(order)
    ]
    return found | {"expires": ends}


def tree_by_levels(walks, backspace, prompt):
    found = tree_by_recursion(walks, backspace, prompt)
    order = sorted(range(len(found["tokens"])), key=lambda n: found["positions"][n])
    return {name: np.array(found[name])[order] for name in ("tokens", "positions", "expires")} | {
        "asked": [order.index(n) for n in found["asked"]]
    }


def tree_of_children_alone(walks, backspace, prompt):
    found = tree_by_recursion(walks, backspace, prompt)
    ends = []
    for n, (position, end) in enumerate(zip(found["positions"], found["expires"])):
        ends.append(n + 1 + found["positions"][n:end].count(position + 1))
    return found | {"expires": ends}


def tree_asked_too_soon(walks, backspace, prompt):
    return tree_by_recursion(walks, backspace, prompt) | {
        "asked": tree_in_order_of_typing(walks, backspace, prompt)["asked"]
    }


def tree_with_lengths(walks, backspace, prompt):
    found = tree_by_recursion(walks, backspace, prompt)
    return found | {"positions": np.array(found["positions"]) + 1}


def tree_with_positions_after_the_prompt(walks, backspace, prompt):
    found = tree_by_recursion(walks, backspace, prompt)
    return found | {"positions": np.maximum(np.array(found["positions"]) - len(prompt) + 1, 0)}


def tree_asked_after_the_key(walks, backspace, prompt):
    found = tree_by_recursion(walks, backspace, prompt)
    order = sorted(
        {text[: n + 1] for walk in walks for text in screens(walk, backspace, prompt) for n in range(len(text))},
        key=len,
    )
    place = {text: number_in(found, text) for text in order}
    return found | {"asked": [place[text] for walk in walks for text in screens(walk, backspace, prompt)[1:]]}


def number_in(tree, text):
    """The number of a text in a tree that is laid out depth first."""
    here = 0
    for token in text[1:]:
        n, depth = here + 1, tree["positions"][here] + 1
        while not (tree["positions"][n] == depth and tree["tokens"][n] == token):
            n += 1
        here = n
    return here


def tree_whose_edge_is_open(walks, backspace, prompt):
    found = tree_by_recursion(walks, backspace, prompt)
    count = len(found["tokens"])
    return found | {"expires": [math.inf if e == count else e for e in found["expires"]]}


def tree_of_lonely_texts(walks, backspace, prompt):
    found = tree_by_recursion(walks, backspace, prompt)
    return found | {"expires": [n + 1 for n in range(len(found["tokens"]))]}


def tree_with_the_last_one_out(walks, backspace, prompt):
    found = tree_by_recursion(walks, backspace, prompt)
    return found | {"expires": [e - 1 for e in found["expires"]]}


def tree_in_another_order(walks, backspace, prompt, order_of):
    """Depth first, the children of each text put in order by `order_of`."""
    found, children = tree_by_recursion(walks, backspace, prompt), {}
    count = len(found["tokens"])
    for n in range(1, count):
        parent = max(m for m in range(n) if found["positions"][m] == found["positions"][n] - 1)
        children.setdefault(parent, []).append(n)
    order, ends = [], {}

    def visit(n):
        order.append(n)
        for c in order_of(children.get(n, []), found):
            visit(c)
        ends[n] = len(order)

    visit(0)
    return {
        "tokens": [found["tokens"][n] for n in order],
        "positions": [found["positions"][n] for n in order],
        "expires": [ends[n] for n in order],
        "asked": [order.index(n) for n in found["asked"]],
    }


def tree_with_a_plain_stack(walks, backspace, prompt):
    return tree_in_another_order(walks, backspace, prompt, lambda below, found: reversed(below))


def tree_with_sorted_letters(walks, backspace, prompt):
    return tree_in_another_order(
        walks, backspace, prompt, lambda below, found: sorted(below, key=lambda n: found["tokens"][n])
    )


# Exercise S3.5, right


def inputs_by_formula(length, prompt_length, num_letters, noise, num_walks):
    slips = noise / (1 - noise)
    standing = prompt_length + np.arange(length)
    runs = ((1 + slips) * standing + slips * (standing + 1)).sum() + prompt_length + length
    wrong = num_letters - 1
    missing = (1 - noise) / (1 - noise * (1 - 1 / wrong))
    return {
        "a run for each text": num_walks * runs,
        "fed again": num_walks * (prompt_length + length * (1 + 2 * slips)),
        "packed": num_walks * (prompt_length + length * (1 + slips)),
        "tree": prompt_length + length * (1 + wrong * (1 - missing**num_walks)),
    }


def inputs_by_series(length, prompt_length, num_letters, noise, num_walks):
    """Everything as sums over the number of slips."""
    j = np.arange(2000)
    chance = (1 - noise) * noise**j
    slips = float(chance @ j)
    missing = float(chance @ (1 - 1 / (num_letters - 1)) ** j)
    runs = prompt_length + length
    for i in range(length):
        runs += (1 + slips) * (prompt_length + i) + slips * (prompt_length + i + 1)
    row = prompt_length + length + length * slips
    tree = prompt_length + length + length * (num_letters - 1) * (1 - missing**num_walks)
    again = row + length * slips
    return {
        "tree": tree,
        "packed": num_walks * row,
        "fed again": num_walks * again,
        "a run for each text": num_walks * runs,
    }


def inputs_by_first_steps(length, prompt_length, num_letters, noise, num_walks):
    """A certain wrong letter is missing if the right one comes before it."""
    certain = noise / (num_letters - 1)
    missing = (1 - noise) / (1 - noise + certain)
    per_letter = 1 / (1 - noise)
    total = length * prompt_length + length * (length - 1) / 2
    runs = total * (2 * per_letter - 1) + length * (per_letter - 1) + prompt_length + length
    return {
        "a run for each text": torch.tensor(num_walks * runs),
        "fed again": num_walks * (prompt_length + length * (2 * per_letter - 1)),
        "packed": num_walks * (prompt_length + length * per_letter),
        "tree": prompt_length + length * num_letters - length * (num_letters - 1) * missing**num_walks,
    }


# Exercise S3.5, wrong


def inputs_changed(change):
    """An answer that is right but for what `change` computes of the inputs and the right numbers."""

    @functools.wraps(change)
    def answer(length, prompt_length, num_letters, noise, num_walks):
        right = inputs_by_formula(length, prompt_length, num_letters, noise, num_walks)
        return right | change(length, prompt_length, num_letters, noise, num_walks, right)

    del answer.__wrapped__
    return answer


def inputs_with_one_slip(length, prompt_length, num_letters, noise, num_walks):
    missing = 1 - noise / (num_letters - 1)
    standing = prompt_length + np.arange(length)
    return {
        "a run for each text": num_walks
        * (((1 + noise) * standing + noise * (standing + 1)).sum() + prompt_length + length),
        "fed again": num_walks * (prompt_length + length * (1 + 2 * noise)),
        "packed": num_walks * (prompt_length + length * (1 + noise)),
        "tree": prompt_length + length * (1 + (num_letters - 1) * (1 - missing**num_walks)),
    }


@inputs_changed
def inputs_with_backspaces_packed(n, p, letters, noise, walks, right):
    return {"packed": right["fed again"]}


@inputs_changed
def inputs_with_nothing_fed_again(n, p, letters, noise, walks, right):
    return {"fed again": right["packed"]}


@inputs_changed
def inputs_with_all_slips_in_the_tree(n, p, letters, noise, walks, right):
    return {"tree": p + n + n * walks * noise / (1 - noise)}


@inputs_changed
def inputs_with_the_mean_as_power(n, p, letters, noise, walks, right):
    missing = (1 - 1 / (letters - 1)) ** (walks * noise / (1 - noise))
    return {"tree": p + n * (1 + (letters - 1) * (1 - missing))}


@inputs_changed
def inputs_with_the_right_letter_as_a_slip(n, p, letters, noise, walks, right):
    missing = (1 - noise) / (1 - noise + noise / letters)
    return {"tree": p + n * (1 + (letters - 1) * (1 - missing**walks))}


@inputs_changed
def inputs_with_a_tree_of_one(n, p, letters, noise, walks, right):
    return {"tree": inputs_by_formula(n, p, letters, noise, 1)["tree"]}


@inputs_changed
def inputs_with_many_trees(n, p, letters, noise, walks, right):
    return {"tree": walks * inputs_by_formula(n, p, letters, noise, 1)["tree"]}


@inputs_changed
def inputs_with_a_full_tree(n, p, letters, noise, walks, right):
    return {"tree": p + n * letters}


@inputs_changed
def inputs_of_one_walk(n, p, letters, noise, walks, right):
    return inputs_by_formula(n, p, letters, noise, 1)


@inputs_changed
def inputs_with_one_prompt(n, p, letters, noise, walks, right):
    return {name: right[name] - (walks - 1) * p for name in ("packed", "fed again")}


@inputs_changed
def inputs_without_the_finished_text(n, p, letters, noise, walks, right):
    return {"a run for each text": right["a run for each text"] - walks * (p + n)}


@inputs_changed
def inputs_without_wrong_texts(n, p, letters, noise, walks, right):
    return {"a run for each text": walks * (sum((p + i) / (1 - noise) for i in range(n)) + p + n)}


@inputs_changed
def inputs_without_returns(n, p, letters, noise, walks, right):
    slips = noise / (1 - noise)
    return {"a run for each text": walks * (sum(p + i + slips * (p + i + 1) for i in range(n)) + p + n)}


@inputs_changed
def inputs_with_too_few_slips(n, p, letters, noise, walks, right):
    return {"packed": walks * (p + n * (1 + noise)), "fed again": walks * (p + n * (1 + 2 * noise))}


@inputs_changed
def inputs_with_tries_for_slips(n, p, letters, noise, walks, right):
    tries = 1 / (1 - noise)
    return {"packed": walks * (p + n * (1 + tries)), "fed again": walks * (p + n * (1 + 2 * tries))}


@inputs_changed
def inputs_with_all_letters_wrong(n, p, letters, noise, walks, right):
    missing = (1 - noise) / (1 - noise + noise / letters)
    return {"tree": p + n * (1 + letters * (1 - missing**walks))}


@inputs_changed
def inputs_with_a_tree_that_is_full_or_bare(n, p, letters, noise, walks, right):
    return {"tree": p + n * (letters if noise else 1)}


@inputs_changed
def inputs_without_the_prompt_of_the_tree(n, p, letters, noise, walks, right):
    return {"tree": right["tree"] - p}


@inputs_changed
def inputs_with_an_end(n, p, letters, noise, walks, right):
    return {name: right[name] + walks for name in ("packed", "fed again")}


@inputs_changed
def inputs_with_short_slips(n, p, letters, noise, walks, right):
    slips = noise / (1 - noise)
    return {"a run for each text": walks * (sum((p + i) * (1 + 2 * slips) for i in range(n)) + p + n)}


@inputs_changed
def inputs_from_the_first_letter_on(n, p, letters, noise, walks, right):
    slips = noise / (1 - noise)
    runs = sum((p + i) * (1 + slips) + (p + i + 1) * slips for i in range(1, n + 1))
    return {"a run for each text": walks * (runs + p + n)}


@inputs_changed
def inputs_of_forty_slips(n, p, letters, noise, walks, right):
    chance = [(1 - noise) * noise**j for j in range(40)]
    slips = sum(j * c for j, c in enumerate(chance))
    missing = sum((1 - 1 / (letters - 1)) ** j * c for j, c in enumerate(chance))
    runs = sum((p + i) * (1 + slips) + (p + i + 1) * slips for i in range(n)) + p + n
    return {
        "a run for each text": walks * runs,
        "fed again": walks * (p + n * (1 + 2 * slips)),
        "packed": walks * (p + n * (1 + slips)),
        "tree": p + n * (1 + (letters - 1) * (1 - missing**walks)),
    }


RIGHT = {
    "influence": [influence_by_products, influence_by_a_power, influence_by_search, influence_in_torch],
    "layout_is_exact": [exact_with_a_list, exact_by_recursion, exact_by_layers],
    "packed_walks": [row_with_one_loop, row_as_one_long_walk, row_in_torch],
    "text_tree": [tree_by_recursion, tree_by_sorting, tree_of_nodes],
    "expected_inputs": [inputs_by_formula, inputs_by_series, inputs_by_first_steps],
}

WRONG = {
    "influence": {
        influence_of_one_layer: "one_layer_only",
        influence_without_memory: "own_vector_lost",
        influence_transposed: "seeing_read_backwards",
        influence_for_ever: "every_number_of_layers",
        influence_a_layer_ahead: "one_layer_too_many",
        influence_a_layer_behind: "one_layer_too_few",
        influence_of_the_past: "causal_at_all_costs",
        influence_counted: "ways_counted",
        influence_negated: "hidden_ones",
        influence_squared: "doubled_each_layer",
        influence_in_a_byte: "ways_run_over",
        influence_in_whole_numbers: "ways_run_over",
        influence_from_the_mask_on: "own_token_unknown",
        influence_from_nothing: "own_token_unknown",
        influence_in_place: "written_over",
    },
    "layout_is_exact": {
        exact_row_by_row: "second_layer_trusted",
        exact_one_step_further: "third_layer_trusted",
        exact_by_tokens_alone: "positions_ignored",
        exact_with_sets: "copies_overlooked",
        exact_with_sets_row_by_row: "copies_and_second_layer",
        exact_in_length: "tokens_ignored",
        exact_for_padding_too: "strangers_judged",
        exact_if_causal: "order_wanted",
        exact_at_the_end: "last_text_only",
        exact_somewhere: "one_right_text_is_enough",
        faulty: "words_exchanged",
        exact_always: "always_content",
        exact_unless_something_repeats: "too_strict",
        exact_but_for_its_own_token: "own_token_overlooked",
        exact_if_each_sees_itself: "must_see_itself",
        exact_with_any_beginning: "any_text_will_do",
        exact_the_wrong_way_round: "seen_read_backwards",
        exact_at_the_beginning: "first_text_only",
        exact_if_causal_for_those_who_count: "row_order_trusted",
    },
    "packed_walks": {
        row_of_immortals: "neighbours_seen",
        row_with_late_ends: "neighbours_seen",
        row_with_the_librarys_never: "neighbours_seen",
        row_in_pieces: "numbers_from_each_start",
        row_one_early: "expires_one_early",
        row_with_deletions_one_early: "expires_one_early",
        row_one_late_within_the_row: "expires_one_late",
        row_with_one_stack: "one_stack_for_all",
        row_that_hides_at_once: "gone_at_once",
        row_where_nothing_is_deleted: "nothing_deleted",
        row_with_local_numbers: "numbers_from_each_start",
        row_with_positions_that_run_on: "positions_run_on",
        row_numbered_through: "positions_are_numbers",
        row_numbered_walk_by_walk: "positions_within_the_walk",
        row_one_late: "expires_one_late",
        row_with_deletions_one_late: "expires_one_late",
        row_whose_end_is_open: "last_walk_for_ever",
        row_that_counts_keys: "keys_counted",
        row_that_deletes_the_oldest: "oldest_deleted",
    },
    "text_tree": {
        tree_in_order_of_typing: "numbered_as_typed",
        tree_as_typed_to_the_letter: "numbered_as_typed",
        tree_by_levels: "level_by_level",
        tree_of_children_alone: "direct_children_only",
        tree_asked_too_soon: "asked_by_the_old_numbers",
        tree_with_lengths: "positions_from_elsewhere",
        tree_with_positions_after_the_prompt: "positions_from_elsewhere",
        tree_asked_after_the_key: "asked_a_key_late",
        tree_whose_edge_is_open: "unread_texts_expire_never",
        tree_of_lonely_texts: "expires_at_the_next_child",
        tree_with_the_last_one_out: "last_one_counted_out",
        tree_with_a_plain_stack: "newest_child_first",
        tree_with_sorted_letters: "children_sorted",
    },
    "expected_inputs": {
        inputs_with_one_slip: "one_slip_at_most",
        inputs_with_backspaces_packed: "backspaces_fed_in_the_trie",
        inputs_with_nothing_fed_again: "backspaces_not_fed_again",
        inputs_with_all_slips_in_the_tree: "all_slips_different",
        inputs_with_the_mean_as_power: "mean_in_the_exponent",
        inputs_with_the_right_letter_as_a_slip: "any_letter_is_a_slip",
        inputs_with_a_tree_of_one: "one_walk_in_the_tree",
        inputs_with_many_trees: "a_tree_for_each_walk",
        inputs_with_a_full_tree: "all_wrong_letters_there",
        inputs_of_one_walk: "one_walk_only",
        inputs_with_one_prompt: "prompt_shared_everywhere",
        inputs_without_the_finished_text: "last_text_forgotten",
        inputs_without_wrong_texts: "wrong_texts_not_run",
        inputs_without_returns: "returns_not_run",
        inputs_with_too_few_slips: "one_slip_at_most",
        inputs_with_tries_for_slips: "right_letter_counted_in",
        inputs_with_all_letters_wrong: "any_letter_is_a_slip",
        inputs_with_a_tree_that_is_full_or_bare: "all_wrong_letters_there",
        inputs_without_the_prompt_of_the_tree: "prompt_forgotten",
        inputs_with_an_end: "end_of_text_fed",
        inputs_with_short_slips: "wrong_texts_too_short",
        inputs_from_the_first_letter_on: "letters_counted_from_one",
        inputs_of_forty_slips: "series_cut_short",
    },
}
