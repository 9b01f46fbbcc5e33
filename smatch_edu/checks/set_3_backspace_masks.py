"""The exercises of notebooks/assignments/set_3_backspace_masks.ipynb."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from smatch_edu.checks.exercise import exercise

# -- S3.1 --------------------------------------------------------------------------------------------------------


def _mask_and_layers(rng: np.random.Generator) -> dict[str, Any]:
    """Any mask: causal ones and others, long chains, inputs that do not see themselves; 0 to 5 layers."""
    count = int(rng.integers(1, 10))
    mask = rng.random((count, count)) < rng.uniform(0.05, 0.4)
    if rng.random() < 0.4:  # each sees one other
        mask = np.eye(count, k=-1, dtype=bool)[np.ix_(*[rng.permutation(count)] * 2)]
        return {"mask": mask, "layers": int(rng.integers(0, 6))}
    if rng.random() < 0.6:
        mask = np.tril(mask)
    if rng.random() < 0.6:
        mask |= np.eye(count, dtype=bool)
    return {"mask": mask, "layers": int(rng.integers(0, 6))}


def _reached(mask: np.ndarray, layers: int) -> np.ndarray:
    """Who is reached in at most so many steps."""
    steps = np.asarray(mask, dtype=bool) | np.eye(len(mask), dtype=bool)
    found = np.eye(len(mask), dtype=bool)
    for _ in range(layers):
        found = steps.astype(int) @ found.astype(int) > 0
    return found


def one_layer_only(mask, layers):
    """You look at the mask alone, as if there were one layer. What does an input know that was itself told something, a
    layer before?"""
    return np.asarray(mask, dtype=bool) | np.eye(len(mask), dtype=bool)


def own_vector_lost(mask, layers):
    """An input that does not see itself forgets what it holds in your answer. A layer *adds* what was taken home: what
    becomes of the vector that was there?"""
    found = np.eye(len(mask), dtype=bool)
    for _ in range(layers):
        found = np.asarray(mask, dtype=int) @ found.astype(int) > 0
    return found


def seeing_read_backwards(mask, layers):
    """You have the columns look at the rows. Who sees whom in `mask[q, k]`?"""
    return _reached(np.asarray(mask).T, layers)


def every_number_of_layers(mask, layers):
    """Your answer does not change with the number of layers: you go on until nothing new comes. How far can a word
    travel in one layer?"""
    return _reached(mask, len(mask))


def one_layer_too_many(mask, layers):
    """Your words travel one layer too far. Before the first layer, what does an input know?"""
    return _reached(mask, layers + 1)


def one_layer_too_few(mask, layers):
    """Your words travel one layer less than they can. With a single layer, does an input know what it sees?"""
    return _reached(mask, max(layers - 1, 0))


def causal_at_all_costs(mask, layers):
    """You leave out all that comes later. This mask may let an input see a later one: where does it say so?"""
    return _reached(np.tril(mask), layers)


def ways_counted(mask, layers):
    """You count the ways on which a word can come. True or False is wanted: is there one?"""
    steps = np.asarray(mask, dtype=int) | np.eye(len(mask), dtype=int)
    return np.linalg.matrix_power(steps, layers)


def hidden_ones(mask, layers):
    """You return who is *not* reached. What does True stand for?"""
    return ~_reached(mask, layers)


def doubled_each_layer(mask, layers):
    """You square the table for each layer, so that after two layers a word has gone four steps. How many does each
    layer add?"""
    found = _reached(mask, 1) if layers else np.eye(len(mask), dtype=bool)
    for _ in range(layers - 1):
        found = found.astype(int) @ found.astype(int) > 0
    return found


@exercise(
    "S3.1",
    draw=_mask_and_layers,
    inputs="random masks",
    mistakes=[
        one_layer_only,
        own_vector_lost,
        seeing_read_backwards,
        every_number_of_layers,
        one_layer_too_many,
        one_layer_too_few,
        causal_at_all_costs,
        ways_counted,
        hidden_ones,
        doubled_each_layer,
    ],
)
def influence(mask, layers):
    """Whether there is a way from q to k of at most so many steps, each from an input to one that it sees."""
    return _reached(mask, layers)


# -- walks and layouts -------------------------------------------------------------------------------------------


def _some_walks(rng: np.random.Generator, most: int, least: int = 0) -> tuple[list[list[int]], int, list[int]]:
    """Walks over a small alphabet, so that texts come again; some are empty, some go back to the prompt."""
    backspace = int(rng.integers(2, 5))
    prompt = [int(token) for token in rng.integers(0, backspace, size=rng.integers(1, 4))]
    walks = []
    for _ in range(rng.integers(1, most + 1)):
        walk: list[int] = []
        standing, deletes = 0, rng.uniform(0.1, 0.6)
        for _ in range(rng.integers(least, 9)):
            back = standing > 0 and rng.random() < deletes
            walk.append(backspace if back else int(rng.integers(backspace)))
            standing += -1 if back else 1
        walks.append(walk)
    return walks, backspace, prompt


def _walks(rng: np.random.Generator) -> dict[str, Any]:
    walks, backspace, prompt = _some_walks(rng, 4)
    return {"walks": walks, "backspace": backspace, "prompt": prompt}


def _screens(walk: Sequence[int], backspace: int, prompt: Sequence[int]) -> list[list[int]]:
    """The text on the screen before each key, and after the last one."""
    texts = [list(prompt)]
    for key in walk:
        texts.append(texts[-1][:-1] if key == backspace else [*texts[-1], key])
    return texts


# -- S3.2 --------------------------------------------------------------------------------------------------------


def _visible(expires: Any) -> np.ndarray:
    """k ≤ q < expires[k]."""
    index = np.arange(len(expires))
    return (index <= index[:, None]) & (index[:, None] < np.asarray(expires))


def _fed_again(walk: Sequence[int], backspace: int, prompt: Sequence[int]) -> tuple[list, list, list, list]:
    """tokens, positions, expires, asked: one input for each key, the token on top once more after ⌫."""
    texts = _screens(walk, backspace, prompt)
    tokens, stack = list(prompt), list(range(len(prompt)))
    positions, expires = list(range(len(prompt))), [10**6] * len(prompt)
    asked = []
    for text, key in zip(texts[1:], walk, strict=True):
        asked.append(len(tokens) - 1)
        new = len(tokens)
        for _ in range(2 * (key == backspace)):
            expires[stack.pop()] = new
        stack.append(new)
        tokens.append(text[-1])
        positions.append(len(text) - 1)
        expires.append(10**6)
    return tokens, positions, expires, asked


def _layout(rng: np.random.Generator) -> dict[str, Any]:
    """A right layout of one walk: fed again or a trie, sometimes in another order, and asked at some of its keys."""
    while True:
        (walk, *_), backspace, prompt = _some_walks(rng, 1, least=1)
        if rng.random() < 0.5:
            tokens, positions, expires, asked = _fed_again(walk, backspace, prompt)
        else:
            books = _packed([walk], backspace, prompt)
            tokens, positions, expires = (list(books[name]) for name in ("tokens", "positions", "expires"))
            asked = _asked_in_trie(walk, backspace, len(prompt))
        texts = _screens(walk, backspace, prompt)[:-1]
        kept = sorted(rng.choice(len(walk), size=rng.integers(1, len(walk) + 1), replace=False))
        layout = {
            "tokens": np.array(tokens, dtype=int),
            "positions": np.array(positions, dtype=int),
            "mask": _visible(expires),
            "asked": np.array([asked[step] for step in kept], dtype=int),
            "texts": [texts[step] for step in kept],
        }
        return layout


def _asked_in_trie(walk: Sequence[int], backspace: int, prompt_length: int) -> list[int]:
    stack, count, asked = list(range(prompt_length)), prompt_length, []
    for key in walk:
        asked.append(stack[-1])
        if key == backspace:
            stack.pop()
        else:
            stack.append(count)
            count += 1
    return asked


def _reordered(layout: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """The same inputs in another order: who sees whom goes with them."""
    order = rng.permutation(len(layout["tokens"]))
    place = np.argsort(order)
    mask = layout["mask"][np.ix_(order, order)]
    moved = {name: layout[name][order] for name in ("tokens", "positions")}
    return layout | moved | {"mask": mask, "asked": place[layout["asked"]]}


def _with_a_stranger(layout: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """One more input that nobody sees, as padding is; it may see whom it will."""
    count = len(layout["tokens"])
    mask = np.zeros((count + 1, count + 1), dtype=bool)
    mask[:count, :count] = layout["mask"]
    mask[count] = rng.random(count + 1) < 0.5
    tokens, positions = (np.append(layout[name], int(rng.integers(3))) for name in ("tokens", "positions"))
    return layout | {"tokens": tokens, "positions": positions, "mask": mask}


def _numbered_through(layout: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    return layout | {"positions": np.arange(len(layout["tokens"]))}


def _all_seen(layout: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    return layout | {"mask": np.tril(np.ones_like(layout["mask"]))}


def _one_more_seen(layout: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """A hole in the mask at any place: often at an input that is never asked, such as the prompt's."""
    mask = layout["mask"].copy()
    holes = np.argwhere(~mask)
    for q, k in holes[rng.permutation(len(holes))[:1]]:
        mask[q, k] = True
    return layout | {"mask": mask}


def _prompt_read_both_ways(layout: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """The prompt's inputs see each other, also those that come later."""
    mask = layout["mask"].copy()
    length = min(map(len, layout["texts"]))
    mask[:length, :length] |= layout["mask"][:length, :length].T
    return layout | {"mask": mask}


def _one_less_seen(layout: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    mask = layout["mask"].copy()
    seen = np.argwhere(mask)
    q, k = seen[rng.integers(len(seen))]
    mask[q, k] = False
    return layout | {"mask": mask}


def _other_token(layout: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    tokens = layout["tokens"].copy()
    tokens[rng.integers(len(tokens))] += 1
    return layout | {"tokens": tokens}


def _asked_elsewhere(layout: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    asked = layout["asked"].copy()
    asked[rng.integers(len(asked))] = rng.integers(len(layout["tokens"]))
    return layout | {"asked": asked}


def _copy_seen_too(layout: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """A second copy of an input, which sees what it sees, and is seen by whoever sees it."""
    count = len(layout["tokens"])
    twin = int(rng.integers(count))
    mask = np.zeros((count + 1, count + 1), dtype=bool)
    mask[:count, :count] = layout["mask"]
    mask[:, count], mask[count, :count] = mask[:, twin], mask[twin, :count]
    mask[count, twin], mask[count, count] = False, True
    tokens, positions = (np.append(layout[name], layout[name][twin]) for name in ("tokens", "positions"))
    return layout | {"tokens": tokens, "positions": positions, "mask": mask}


def _wrong_copy_below(layout: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """One who is seen takes home the vector of another copy, and that one sees double: three layers show it."""
    mask, q = layout["mask"], int(rng.choice(layout["asked"]))
    below = [(k, j) for k in np.flatnonzero(mask[q]) for j in np.flatnonzero(mask[k]) if j != k != q]
    if not below:
        return layout
    k, j = below[rng.integers(len(below))]
    count = len(mask)
    wider = np.zeros((count + 1, count + 1), dtype=bool)
    wider[:count, :count], wider[count, :count] = mask, mask[j]
    wider[count, count], wider[k, j], wider[k, count] = True, False, True
    tokens, positions = (np.append(layout[name], layout[name][j]) for name in ("tokens", "positions"))
    return layout | {"tokens": tokens, "positions": positions, "mask": wider}


Change = Callable[[dict[str, Any], np.random.Generator], dict[str, Any]]
FAULTS: list[Change] = [
    _numbered_through,
    _all_seen,
    _one_more_seen,
    _prompt_read_both_ways,
    _one_less_seen,
    _other_token,
    _asked_elsewhere,
    _copy_seen_too,
    _wrong_copy_below,
    _wrong_copy_below,  # twice, since it often finds no room
]


def _perhaps_wrong(rng: np.random.Generator) -> dict[str, Any]:
    """Right layouts, and layouts with one fault (which now and then does no harm)."""
    layout = _layout(rng)
    if rng.random() < 0.6:
        layout = FAULTS[rng.integers(len(FAULTS))](layout, rng)
    if rng.random() < 0.3:
        layout = _with_a_stranger(layout, rng)
    return _reordered(layout, rng) if rng.random() < 0.3 else layout


def _spelled(q, tokens, positions, mask):
    """The text that input q sees, if it spells one with its own token at the end; None otherwise."""
    seen = sorted((int(positions[k]), int(tokens[k])) for k in np.flatnonzero(mask[q]))
    ends = bool(seen) and seen[-1] == (int(positions[q]), int(tokens[q]))
    return [token for _, token in seen] if ends and [place for place, _ in seen] == list(range(len(seen))) else None


def _exact(tokens, positions, mask, asked, texts, deep=99, spelled=_spelled, everyone=False):
    """Each input that is asked spells its text, and so does everyone whom it sees, directly or through others."""
    found = {q: spelled(q, tokens, positions, mask) for q in range(len(tokens))}
    if any(found[int(q)] != list(text) for q, text in zip(asked, texts, strict=True)):
        return False
    reached: Any = np.flatnonzero(_reached(mask, deep - 1)[np.asarray(asked)].any(axis=0)) if deep else []
    for q in range(len(tokens)) if everyone else reached:
        text = found[int(q)]
        if text is None:
            return False
        for k in np.flatnonzero(mask[q]):
            if found[int(k)] != text[: int(positions[k]) + 1]:
                return False
    return True


def second_layer_trusted(tokens, positions, mask, asked, texts):
    """You look at those who are *asked*: each of them sees its screen. But what they see are vectors, and these come
    from others. What had those seen, a layer before?"""
    return _exact(tokens, positions, mask, asked, texts, deep=0)


def third_layer_trusted(tokens, positions, mask, asked, texts):
    """You look at whom an input sees, and stop there. With one more layer the next ones have their say: for how long
    must one go on asking?"""
    return _exact(tokens, positions, mask, asked, texts, deep=1)


def _without_positions(q, tokens, positions, mask):
    return [int(tokens[k]) for k in np.flatnonzero(mask[q])]


def positions_ignored(tokens, positions, mask, asked, texts):
    """You read the tokens that an input sees, from left to right, and do not ask where they stand. To a transformer
    `he` and `eh` differ by their positions alone: must the inputs lie in the order of the screen, and need they?"""
    return all(
        _without_positions(int(q), tokens, positions, mask) == list(text) for q, text in zip(asked, texts, strict=True)
    )


def _as_a_set(q, tokens, positions, mask):
    seen = sorted({(int(positions[k]), int(tokens[k])) for k in np.flatnonzero(mask[q])})
    ends = bool(seen) and seen[-1] == (int(positions[q]), int(tokens[q]))
    return [token for _, token in seen] if ends and [place for place, _ in seen] == list(range(len(seen))) else None


def copies_overlooked(tokens, positions, mask, asked, texts):
    """You collect what an input sees in a set, where two copies are one. In a softmax two copies get two shares: how do
    you notice them?"""
    return _exact(tokens, positions, mask, asked, texts, spelled=_as_a_set)


def copies_and_second_layer(tokens, positions, mask, asked, texts):
    """Two things slip through: an input that is seen in two copies, and one that is seen by somebody who is seen. Begin
    with the second: whose vectors does an input take home?"""
    return _exact(tokens, positions, mask, asked, texts, deep=0, spelled=_as_a_set)


def tokens_ignored(tokens, positions, mask, asked, texts):
    """You count who is seen, and where they stand, and not which letter they are. Which input says it?"""
    return all(
        sorted(int(positions[k]) for k in np.flatnonzero(mask[int(q)])) == list(range(len(text)))
        for q, text in zip(asked, texts, strict=True)
    )


def strangers_judged(tokens, positions, mask, asked, texts):
    """You want every input of the row to be right, also one that nobody sees and nobody asks, such as padding. Whom
    does it harm?"""
    return _exact(tokens, positions, mask, asked, texts, everyone=True)


def order_wanted(tokens, positions, mask, asked, texts):
    """You want every input to come after those that it sees. A network does not know in which order its inputs lie in
    the row: what tells it where a token stands?"""
    return bool(_exact(tokens, positions, mask, asked, texts) and not np.triu(mask, 1).any())


def last_text_only(tokens, positions, mask, asked, texts):
    """You judge by the last text alone. The network is asked at all of them."""
    return _exact(tokens, positions, mask, asked[-1:], texts[-1:])


def one_right_text_is_enough(tokens, positions, mask, asked, texts):
    """One right text makes the whole layout right for you. What was asked: any of them, or all?"""
    return any(_exact(tokens, positions, mask, asked[n : n + 1], texts[n : n + 1]) for n in range(len(texts)))


def words_exchanged(tokens, positions, mask, asked, texts):
    """You say True where there is a fault. What does True stand for?"""
    return not _exact(tokens, positions, mask, asked, texts)


def always_content(tokens, positions, mask, asked, texts):
    """You have found no fault in any of them. A test that cannot fail is worse than none: break a layout by hand, and
    watch your test say so."""
    return True


def too_lenient(returned, tokens, positions, mask, asked, texts):
    """You pass layouts that are wrong; the right ones you pass as well. Here is one of them: which of its inputs sees
    what is not on its screen, twice, not at all, or at another place?"""
    return bool(returned)


def too_strict(returned, tokens, positions, mask, asked, texts):
    """You find fault with layouts that are right; the wrong ones you find as well. What do you ask of them that a
    network does not?"""
    return not bool(returned)


@exercise(
    "S3.2",
    draw=_perhaps_wrong,
    inputs="random layouts",
    num_cases=200,
    mistakes=[
        second_layer_trusted,
        third_layer_trusted,
        positions_ignored,
        copies_overlooked,
        copies_and_second_layer,
        tokens_ignored,
        strangers_judged,
        order_wanted,
        last_text_only,
        one_right_text_is_enough,
        words_exchanged,
        always_content,
    ],
    signs=[too_lenient, too_strict],
)
def layout_is_exact(tokens, positions, mask, asked, texts):
    """Whether each input that is asked sees its screen, each sign once and at its place, and each whom it sees, too."""
    return _exact(tokens, positions, mask, asked, texts)


# -- S3.3 --------------------------------------------------------------------------------------------------------


def _packed(walks, backspace, prompt, ends=True, own=True, shift=True):
    """Walks one behind the other. Whoever is not deleted expires where the walk ends (ends), ⌫ where it was (own)."""
    tokens: list[int] = []
    positions: list[int] = []
    expires: list[float] = []
    for walk in walks:
        first = len(tokens)
        stack: list[int] = []
        for key in [*prompt, *walk]:
            if key == backspace:
                if own:
                    expires[stack[-1]] = len(tokens) - (0 if shift else first)
                stack.pop()
            else:
                positions.append(len(stack))
                stack.append(len(tokens))
                tokens.append(int(key))
                expires.append(-1)
        for k in range(first, len(tokens)):
            if expires[k] == -1:
                expires[k] = len(tokens) if ends else np.inf
    return {"tokens": np.array(tokens), "positions": np.array(positions), "expires": np.array(expires)}


def neighbours_seen(walks, backspace, prompt):
    """What is never deleted lives for ever in your row, so the second walk sees the first one's text. When must a walk
    be gone?"""
    return _packed(walks, backspace, prompt, ends=False)


def nothing_deleted(walks, backspace, prompt):
    """Your ⌫ takes nothing off the screen: everything lives until its walk ends. When does a deleted letter expire?"""
    return _packed(walks, backspace, prompt, own=False)


def numbers_from_each_start(walks, backspace, prompt):
    """In every walk but the first, your deleted letters expire too early: you count the inputs of their own walk. The
    numbers run through the whole row."""
    return _packed(walks, backspace, prompt, shift=False)


def positions_run_on(walks, backspace, prompt):
    """Your positions run on from one walk to the next. Each walk has a screen of its own: where does its prompt
    stand?"""
    right, found = _packed(walks, backspace, prompt), []
    base = 0
    for walk in walks:
        part = _packed([walk], backspace, prompt)["positions"]
        found += list(base + part)
        base = found[-1] + 1
    return right | {"positions": np.array(found)}


def positions_are_numbers(walks, backspace, prompt):
    """Your positions are the numbers of the inputs. After a ⌫ the next letter takes the place of the deleted one: which
    is it?"""
    right = _packed(walks, backspace, prompt)
    return right | {"positions": np.arange(len(right["tokens"]))}


def positions_within_the_walk(walks, backspace, prompt):
    """Your positions count the inputs since the walk began. After a ⌫ the next letter takes the place of the deleted
    one: which is it?"""
    right = _packed(walks, backspace, prompt)
    counted = [np.arange(len(_packed([walk], backspace, prompt)["tokens"])) for walk in walks]
    return right | {"positions": np.concatenate(counted)}


def expires_one_late(walks, backspace, prompt):
    """Your inputs live for one input too long: they are still seen by the first one that should not see them. Look at
    the sign in (6.3): q < e."""
    right = _packed(walks, backspace, prompt)
    return right | {"expires": right["expires"] + 1}


def last_walk_for_ever(walks, backspace, prompt):
    """What remains of the *last* walk never expires in your row. It would do no harm, and yet the text settled on a
    number for it: which one?"""
    right = _packed(walks, backspace, prompt)
    return right | {"expires": np.where(right["expires"] == len(right["tokens"]), np.inf, right["expires"])}


def keys_counted(walks, backspace, prompt):
    """You count keys where inputs should be counted: each ⌫ makes your numbers larger by one. Is a ⌫ an input here?"""
    right, keys = _packed(walks, backspace, prompt), 0
    found: list[int] = []
    for walk in walks:
        first = len(found)
        stack: list[int] = []
        for key in [*prompt, *walk]:
            if key == backspace:
                found[stack.pop()] = keys
            else:
                stack.append(len(found))
                found.append(-1)
            keys += 1
        found[first:] = [keys if e == -1 else e for e in found[first:]]
    return right | {"expires": np.array(found)}


def oldest_deleted(walks, backspace, prompt):
    """Your ⌫ deletes the *first* typed letter that still stands. Which one does it take?"""
    right = _packed(walks, backspace, prompt)
    found: list[int] = []
    for walk in walks:
        first = len(found)
        queue: list[int] = []
        for key in [*prompt, *walk]:
            if key == backspace:
                found[queue.pop(len(prompt))] = len(found)
            else:
                queue.append(len(found))
                found.append(-1)
        found[first:] = [len(found) if e == -1 else e for e in found[first:]]
    return right | {"expires": np.array(found)}


@exercise(
    "S3.3",
    draw=_walks,
    inputs="random rows of walks",
    mistakes=[
        neighbours_seen,
        nothing_deleted,
        numbers_from_each_start,
        positions_run_on,
        positions_are_numbers,
        positions_within_the_walk,
        expires_one_late,
        last_walk_for_ever,
        keys_counted,
        oldest_deleted,
    ],
)
def packed_walks(walks, backspace, prompt):
    """The trie of each walk, one behind the other; what is not deleted expires where the next walk begins."""
    return _packed(walks, backspace, prompt)


# -- S3.4 --------------------------------------------------------------------------------------------------------

Text = tuple[int, ...]


def _tree(walks, backspace, prompt, name=lambda text: text, late=0, depth_first=True):
    """Each text once, depth first, children in the order in which they were first typed."""
    texts: list[Text] = [tuple(prompt[: n + 1]) for n in range(len(prompt))]
    asked: list[Text] = []
    for walk in walks:
        for before, after in zip(*(_screens(walk, backspace, prompt)[n:] for n in (0, 1)), strict=False):
            asked.append(tuple(after if late else before))
            texts.append(tuple(after))
    first: dict[Any, Text] = {}
    for text in texts:
        first.setdefault(name(text), text)
    nodes = list(first.values())
    below: dict[Text, list[Text]] = {}
    for text in nodes:
        below.setdefault(text[:-1], []).append(text)
    order: list[Text] = []

    def visit(text: Text) -> None:
        order.append(text)
        for child in below.get(text, []):
            visit(child)

    if depth_first:
        visit(nodes[0])
    else:
        order = nodes
    number = {text: n for n, text in enumerate(order)}
    last = {text: max([number[other] for other in order if other[: len(text)] == text]) for text in order}
    return {
        "tokens": np.array([text[-1] for text in order]),
        "positions": np.array([len(text) - 1 for text in order]),
        "expires": np.array([last[text] + 1 for text in order]),
        "asked": np.array([number[first[name(text)]] for text in asked], dtype=int),
    }


def numbered_as_typed(walks, backspace, prompt):
    """You number the texts in the order in which they were first typed. Then strangers come to lie between a text and
    what begins with it, and no single number keeps them apart. Which order leaves no gap?"""
    return _tree(walks, backspace, prompt, depth_first=False)


def asked_a_key_late(walks, backspace, prompt):
    """You ask at the text that a key *leads to*. At which text does she choose it?"""
    return _tree(walks, backspace, prompt, late=1)


def unread_texts_expire_never(walks, backspace, prompt):
    """Texts at the right edge of your tree never expire. In this layout e is a number at every text: where do the texts
    end that begin with this one?"""
    right = _tree(walks, backspace, prompt)
    return right | {"expires": np.where(right["expires"] == len(right["tokens"]), np.inf, right["expires"])}


def expires_at_the_next_child(walks, backspace, prompt):
    """Your texts expire at the next input, so that each sees itself alone. For how long does a text stand below those
    that begin with it?"""
    right = _tree(walks, backspace, prompt)
    return right | {"expires": np.arange(len(right["tokens"])) + 1}


def last_one_counted_out(walks, backspace, prompt):
    """Your e is the number of the *last* text that begins with this one. That one must still see it: q < e."""
    right = _tree(walks, backspace, prompt)
    return right | {"expires": right["expires"] - 1}


def newest_child_first(walks, backspace, prompt):
    """You visit the children from the last one typed to the first, as a stack gives them back. The text asks for the
    order in which they were first typed."""
    right = _tree(walks, backspace, prompt)
    children = _children(right)
    order: list[int] = []
    todo = [0]
    while todo:
        order.append(todo.pop())
        todo += children[order[-1]]
    place = np.argsort(order)
    ends = right["expires"] - np.arange(len(order))  # how many begin with it
    return {
        "tokens": right["tokens"][order],
        "positions": right["positions"][order],
        "expires": np.arange(len(order)) + ends[order],
        "asked": place[right["asked"]],
    }


def _children(tree):
    """The children of each text of a tree that is laid out depth first."""
    children: list[list[int]] = [[] for _ in tree["tokens"]]
    stack: list[int] = []
    for n, position in enumerate(tree["positions"]):
        stack = stack[:position]
        if stack:
            children[stack[-1]].append(n)
        stack.append(n)
    return children


def children_sorted(walks, backspace, prompt):
    """You visit the children in the order of their letters. The text asks for the order in which they were first
    typed."""
    right = _tree(walks, backspace, prompt)
    children = _children(right)
    order: list[int] = []

    def visit(n: int) -> None:
        order.append(n)
        for child in sorted(children[n], key=lambda c: int(right["tokens"][c])):
            visit(child)

    visit(0)
    place = np.argsort(order)
    ends = right["expires"] - np.arange(len(order))
    return {
        "tokens": right["tokens"][order],
        "positions": right["positions"][order],
        "expires": np.arange(len(order)) + ends[order],
        "asked": place[right["asked"]],
    }


@exercise(
    "S3.4",
    draw=_walks,
    inputs="random rows of walks",
    mistakes=[
        numbered_as_typed,
        asked_a_key_late,
        unread_texts_expire_never,
        expires_at_the_next_child,
        last_one_counted_out,
        newest_child_first,
        children_sorted,
    ],
)
def text_tree(walks, backspace, prompt):
    """Each text once, depth first; e is where the texts end that begin with it."""
    return _tree(walks, backspace, prompt)


# -- S3.5 --------------------------------------------------------------------------------------------------------

EVERY, AGAIN, TRIE, TREE = "a run for each text", "fed again", "packed", "tree"


def _typing(rng: np.random.Generator) -> dict[str, Any]:
    """From an empty text and a keyboard without slips, to long ones that slip most of the time."""
    return {
        "length": int(rng.integers(0, 30)),
        "prompt_length": int(rng.integers(1, 6)),
        "num_letters": int(rng.integers(2, 12)),
        "noise": 0.0 if rng.random() < 0.1 else float(rng.uniform(0.01, 0.9)),
        "num_walks": int(rng.integers(1, 20)),
    }


def _counts(length, prompt_length, num_letters, noise, num_walks, slips=None, never=None, power=None):
    """Expected numbers of inputs, with this many slips before each right letter."""
    slips = noise / (1 - noise) if slips is None else slips
    others = num_letters - 1
    never = (1 - noise) / (1 - noise * (1 - 1 / others)) if never is None else never
    before = prompt_length + np.arange(length)  # the length of the text at which a letter is wanted
    every = ((1 + slips) * before + slips * (before + 1)).sum() + prompt_length + length
    once = never ** (num_walks if power is None else power)
    return {
        EVERY: float(num_walks * every),
        AGAIN: float(num_walks * (prompt_length + length * (1 + 2 * slips))),
        TRIE: float(num_walks * (prompt_length + length * (1 + slips))),
        TREE: float(prompt_length + length * (1 + others * (1 - once))),
    }


def one_slip_at_most(length, prompt_length, num_letters, noise, num_walks):
    """You let her slip once before each letter, or not at all. After the ⌫ she tries again, on the same keyboard: how
    many slips are there on average?"""
    others = num_letters - 1
    never = 1 - noise / others
    return _counts(length, prompt_length, num_letters, noise, num_walks, noise, never)


def _slips(noise):
    return noise / (1 - noise)


def backspaces_fed_in_the_trie(length, prompt_length, num_letters, noise, num_walks):
    """You feed something for each ⌫ in the packed row, too. What is fed there?"""
    right = _counts(length, prompt_length, num_letters, noise, num_walks)
    return right | {TRIE: right[AGAIN]}


def backspaces_not_fed_again(length, prompt_length, num_letters, noise, num_walks):
    """In "fed again" you count the letters alone. What is fed after a ⌫?"""
    right = _counts(length, prompt_length, num_letters, noise, num_walks)
    return right | {AGAIN: right[TRIE]}


def all_slips_different(length, prompt_length, num_letters, noise, num_walks):
    """In your tree every slip is a text of its own. There are only so many wrong letters: what if one is typed twice at
    the same place?"""
    right = _counts(length, prompt_length, num_letters, noise, num_walks)
    return right | {TREE: prompt_length + length * (1 + num_walks * _slips(noise))}


def mean_in_the_exponent(length, prompt_length, num_letters, noise, num_walks):
    """You raise the chance that one slip is another letter to the *mean* number of slips. The number is random: is the
    mean of a power the power of the mean?"""
    others = num_letters - 1
    with np.errstate(divide="ignore"):
        never = float((1 - 1 / others) ** _slips(noise)) if others > 1 or noise else 1.0
    return _counts(length, prompt_length, num_letters, noise, num_walks, never=never)


def any_letter_is_a_slip(length, prompt_length, num_letters, noise, num_walks):
    """In your tree a slip may also type the letter that was meant. How many *other* letters are there?"""
    never = (1 - noise) / (1 - noise * (1 - 1 / num_letters))
    right = _counts(length, prompt_length, num_letters, noise, num_walks)
    return right | {
        TREE: prompt_length + length * (1 + (num_letters - 1) * (1 - never**num_walks)),
    }


def one_walk_in_the_tree(length, prompt_length, num_letters, noise, num_walks):
    """Your tree is that of a single walk. Each further walk may bring a wrong letter that was not there before: when is
    one missing in *all* of them?"""
    return _counts(length, prompt_length, num_letters, noise, num_walks, power=1)


def a_tree_for_each_walk(length, prompt_length, num_letters, noise, num_walks):
    """You plant a tree for each walk. They all begin with the same prompt and hold the same right text: how often is
    that read?"""
    right = _counts(length, prompt_length, num_letters, noise, num_walks)
    alone = _counts(length, prompt_length, num_letters, noise, num_walks, power=1)
    return right | {TREE: num_walks * alone[TREE]}


def all_wrong_letters_there(length, prompt_length, num_letters, noise, num_walks):
    """Your tree holds every wrong letter at every place, however seldom she slips. How likely is it that one of them
    was never typed?"""
    return _counts(length, prompt_length, num_letters, noise, num_walks, never=0.0)


def one_walk_only(length, prompt_length, num_letters, noise, num_walks):
    """You count the inputs of one walk. There are several of them."""
    return _counts(length, prompt_length, num_letters, noise, 1)


def prompt_shared_everywhere(length, prompt_length, num_letters, noise, num_walks):
    """In the two rows of walks your prompt is fed once. Only the tree shares it: what does each walk bring along
    there?"""
    right = _counts(length, prompt_length, num_letters, noise, num_walks)
    saved = (num_walks - 1) * prompt_length
    return right | {AGAIN: right[AGAIN] - saved, TRIE: right[TRIE] - saved}


def last_text_forgotten(length, prompt_length, num_letters, noise, num_walks):
    """With a run for each text you leave out the last one, at which she presses ⏎. Is the network not asked there?"""
    right = _counts(length, prompt_length, num_letters, noise, num_walks)
    return right | {EVERY: right[EVERY] - num_walks * (prompt_length + length)}


def wrong_texts_not_run(length, prompt_length, num_letters, noise, num_walks):
    """With a run for each text you leave out those that end with a slip. She chooses a key there as well: which one?"""
    right = _counts(length, prompt_length, num_letters, noise, num_walks)
    before = prompt_length + np.arange(length)
    every = ((1 + _slips(noise)) * before).sum() + prompt_length + length
    return right | {EVERY: float(num_walks * every)}


def returns_not_run(length, prompt_length, num_letters, noise, num_walks):
    """With a run for each text you run a right text once. After each ⌫ she stands there again, and here it is run
    again."""
    right = _counts(length, prompt_length, num_letters, noise, num_walks)
    before = prompt_length + np.arange(length)
    every = (before + _slips(noise) * (before + 1)).sum() + prompt_length + length
    return right | {EVERY: float(num_walks * every)}


@exercise(
    "S3.5",
    draw=_typing,
    inputs="random typists",
    mistakes=[
        one_slip_at_most,
        backspaces_fed_in_the_trie,
        backspaces_not_fed_again,
        all_slips_different,
        mean_in_the_exponent,
        any_letter_is_a_slip,
        one_walk_in_the_tree,
        a_tree_for_each_walk,
        all_wrong_letters_there,
        one_walk_only,
        prompt_shared_everywhere,
        last_text_forgotten,
        wrong_texts_not_run,
        returns_not_run,
    ],
)
def expected_inputs(length, prompt_length, num_letters, noise, num_walks):
    """With s = η/(1-η) slips before each letter, and a wrong letter missing in a walk with (1-η)/(1-η(1-1/(A-1)))."""
    return _counts(length, prompt_length, num_letters, noise, num_walks)
