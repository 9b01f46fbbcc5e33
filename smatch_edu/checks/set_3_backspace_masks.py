"""The exercises of notebooks/assignments/set_3_backspace_masks.ipynb."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from smatch_edu.checks.exercise import exercise
from smatch_edu.checks.values import numbers

# -- S3.1 --------------------------------------------------------------------------------------------------------


def _mask_and_layers(rng: np.random.Generator) -> dict[str, Any]:
    """Any mask: causal ones and others, long chains, inputs that do not see themselves; 0 to 5 layers, or many layers
    and everybody sees nearly everybody, or many before herself."""
    count = int(rng.integers(1, 10))
    if rng.random() < 0.1:
        return {"mask": rng.random((8, 8)) < rng.choice([0.7, 1.0]), "layers": int(rng.integers(10, 60))}
    if rng.random() < 0.15:  # the last hears of the first by few ways of many
        mask = np.tril(rng.random((12, 12)) < 0.6) | np.eye(12, k=-1, dtype=bool)
        return {"mask": mask, "layers": int(rng.integers(5, 12))}
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


def written_over(mask, layers):
    """Within a layer you read rows that this layer has already changed, so that news travels on. What does a layer
    read: what it makes, or what the one before it made?"""
    found = np.eye(len(mask), dtype=bool)
    for _ in range(layers):
        for q in range(len(mask)):
            found[q] |= found[np.asarray(mask, dtype=bool)[q]].any(axis=0)
    return found


def _most_ways(mask, layers):
    """The largest number of ways from one input to another."""
    return np.linalg.matrix_power(np.asarray(mask, dtype=float) + np.eye(len(mask)), layers).max()


def own_vector_lost(returned, mask, layers):
    """An input that does not see itself forgets what it holds in your answer. A layer *adds* what was taken home: what
    becomes of the vector that was there?"""
    if _most_ways(mask, layers) > 100:
        return None  # a product of whole numbers may have run over
    forgetful = np.linalg.matrix_power(np.asarray(mask, dtype=float), layers) > 0
    return np.array_equal(np.asarray(returned, dtype=float), forgetful)


def ways_counted(returned, mask, layers):
    """You count the ways on which a word can come. True or False is wanted: is there one?"""
    counted = (np.abs(np.asarray(returned, dtype=float)) > 1.5).any()
    return bool(counted) or (None if _most_ways(mask, layers) > 100 else False)


def ways_run_over(returned, mask, layers):
    """You are right where few ways lead from one input to another, and miss some where there are very many. Which is
    the largest number that your table can hold? Whether there is a way at all can be settled after each layer."""
    few = _most_ways(mask, layers) <= 100
    return not few and not (np.asarray(returned, dtype=bool) & ~_reached(mask, layers)).any()


def own_token_unknown(returned, mask, layers):
    """An input that does not see itself does not know its own token in your answer. Before the first layer a vector
    depends on nothing else, and a layer adds: what does everybody know from the start?"""
    missing = _reached(mask, layers) & ~np.asarray(returned, dtype=bool)
    found = np.asarray(returned, dtype=bool) & ~_reached(mask, layers)
    blind = np.diag(np.diag(~np.asarray(mask, dtype=bool)))  # those who do not see themselves
    own_alone = bool(missing.any()) and not found.any() and not (missing & ~blind).any()
    return own_alone or (None if layers == 0 else False)


@exercise(
    "S3.1",
    draw=_mask_and_layers,
    inputs="random masks",
    mistakes=[
        one_layer_only,
        seeing_read_backwards,
        every_number_of_layers,
        one_layer_too_many,
        one_layer_too_few,
        causal_at_all_costs,
        hidden_ones,
        doubled_each_layer,
        written_over,
    ],
    signs=[ways_counted, own_vector_lost, own_token_unknown, ways_run_over],
)
def influence(mask, layers):
    """Whether there is a way from q to k of at most so many steps, each from an input to one that it sees."""
    return _reached(mask, layers)


# -- walks and layouts -------------------------------------------------------------------------------------------


def _some_walks(
    rng: np.random.Generator, most: int, least: int = 0, longest: int = 8
) -> tuple[list[list[int]], int, list[int]]:
    """Walks over a small alphabet, so that texts come again; some are empty, some go back to the prompt. Now and then
    the letters are numbers of several digits, and ⌫ is not the largest."""
    backspace = int(rng.integers(2, 5))
    prompt = [int(token) for token in rng.integers(0, backspace, size=rng.integers(1, 4))]
    walks = []
    for _ in range(rng.integers(1, most + 1)):
        walk: list[int] = []
        standing, deletes = 0, rng.uniform(0.1, 0.6)
        for _ in range(rng.integers(least, longest + 1)):
            back = standing > 0 and rng.random() < deletes
            walk.append(backspace if back else int(rng.integers(backspace)))
            standing += -1 if back else 1
        walks.append(walk)
    if rng.random() < 0.15:
        number = [1, 11, 111, 10][:backspace] + [int(rng.choice([0, 3]))]
        walks, prompt = [[number[key] for key in walk] for walk in walks], [number[token] for token in prompt]
        backspace = number[-1]
    return walks, backspace, prompt


def _walks(rng: np.random.Generator) -> dict[str, Any]:
    """Now and then the same walk twice, or more inputs than one byte counts."""
    walks, backspace, prompt = _some_walks(rng, 4, longest=100 if rng.random() < 0.12 else 8)
    if rng.random() < 0.2:
        walks.append(list(walks[0]))
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


def _asked_at_a_copy(layout: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """A second copy of an input that is asked is asked in its place. It does not see itself but the first one, and
    perhaps the first one sees it in return, which is all right; or else its own token or position is another one."""
    count, step = len(layout["tokens"]), int(rng.integers(len(layout["asked"])))
    first, kind = int(layout["asked"][step]), rng.random()
    mask = np.zeros((count + 1, count + 1), dtype=bool)
    mask[:count, :count], mask[count, :count] = layout["mask"], layout["mask"][first]
    if kind < 0.3:
        mask[first, first], mask[first, count] = False, True
    token, position = layout["tokens"][first] + (0.5 < kind < 0.8), layout["positions"][first] + (kind > 0.8)
    asked = layout["asked"].copy()
    asked[step] = count
    grown = {"tokens": np.append(layout["tokens"], token), "positions": np.append(layout["positions"], position)}
    return layout | grown | {"mask": mask, "asked": asked}


def _other_beginning_below(layout: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """One who is seen has the right token at the right position, and spells another text: its beginning differs."""
    mask, q = layout["mask"], int(rng.choice(layout["asked"]))
    text = {int(layout["positions"][k]): int(k) for k in np.flatnonzero(mask[q])}
    if len(text) < 3 or sorted(text) != list(range(len(text))):
        return layout
    place = int(rng.integers(1, len(text) - 1))
    above, below, count = text[place], text[place - 1], len(mask)
    wider = np.zeros((count + 2, count + 2), dtype=bool)
    wider[:count, :count], wider[count, :count], wider[count + 1, :count] = mask, mask[below], mask[above]
    wider[count, below], wider[count, count] = False, True
    wider[count + 1, [above, below]], wider[count + 1, [count, count + 1]] = False, True
    wider[q, above], wider[q, count + 1] = False, True
    tokens = np.append(layout["tokens"], [layout["tokens"][below] + 1, layout["tokens"][above]])
    positions = np.append(layout["positions"], [place - 1, place])
    return layout | {"tokens": tokens, "positions": positions, "mask": wider}


def _asked_for_two_texts(layout: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """An input that is asked is asked once more, for a text of the others or a longer one."""
    step = int(rng.integers(len(layout["texts"])))
    other = (
        layout["texts"][int(rng.integers(len(layout["texts"])))] if rng.random() < 0.5 else [*layout["texts"][step], 0]
    )
    at = int(rng.integers(len(layout["texts"]) + 1))
    texts = [*layout["texts"][:at], list(other), *layout["texts"][at:]]
    return layout | {"asked": np.insert(layout["asked"], at, layout["asked"][step]), "texts": texts}


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
    _asked_at_a_copy,
    _asked_at_a_copy,  # twice, since it comes in several kinds
    _other_beginning_below,
    _asked_for_two_texts,
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


def _without_its_own(q, tokens, positions, mask):
    seen = sorted((int(positions[k]), int(tokens[k])) for k in np.flatnonzero(mask[q]))
    return [token for _, token in seen] if [place for place, _ in seen] == list(range(len(seen))) else None


def own_token_overlooked(tokens, positions, mask, asked, texts):
    """You compare what an input sees, and not what it is itself. Its own vector is at the bottom of what comes out at
    the top: what must its own token be, and its position?"""
    return _exact(tokens, positions, mask, asked, texts, spelled=_without_its_own)


def must_see_itself(tokens, positions, mask, asked, texts):
    """You want every input to see itself. It may as well see a copy of itself: what does condition 1 ask for?"""

    def spelled(q, tokens, positions, mask):
        return _spelled(q, tokens, positions, mask) if mask[q, q] else None

    return _exact(tokens, positions, mask, asked, texts, spelled=spelled)


def any_text_will_do(tokens, positions, mask, asked, texts):
    """You are content if whoever is seen spells *some* text that ends with its own token. Of which text must it be the
    beginning?"""
    found = {q: _spelled(q, tokens, positions, mask) for q in range(len(tokens))}
    counts = np.flatnonzero(_reached(mask, len(mask))[np.asarray(asked)].any(axis=0))
    told = all(found[int(q)] == list(text) for q, text in zip(asked, texts, strict=True))
    return told and all(found[int(q)] is not None for q in counts)


def seen_read_backwards(tokens, positions, mask, asked, texts):
    """You collect the inputs that see q, where those that q sees are wanted. What does `mask[q, k]` say?"""
    return _exact(tokens, positions, np.asarray(mask).T, asked, texts)


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


def first_text_only(tokens, positions, mask, asked, texts):
    """You judge by the first text alone. Is there a `return` inside of your loop?"""
    return _exact(tokens, positions, mask, asked[:1], texts[:1])


def row_order_trusted(returned, tokens, positions, mask, asked, texts):
    """You refuse right layouts whose inputs lie in another order. Both conditions speak of positions: look for the line
    where you go by the place in the row."""
    if returned or not np.triu(mask, 1).any():
        return False
    pairs = list(zip(map(int, tokens), map(int, positions), strict=True))
    return len(set(pairs)) == len(pairs) or None  # copies may be what it stumbles over


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
        own_token_overlooked,
        must_see_itself,
        any_text_will_do,
        seen_read_backwards,
        first_text_only,
        last_text_only,
        one_right_text_is_enough,
        words_exchanged,
        always_content,
    ],
    signs=[row_order_trusted, too_lenient, too_strict],
)
def layout_is_exact(tokens, positions, mask, asked, texts):
    """Whether each input that is asked sees its screen, each sign once and at its place, and each whom it sees, too."""
    return _exact(tokens, positions, mask, asked, texts)


# -- S3.3 --------------------------------------------------------------------------------------------------------


def _packed(walks, backspace, prompt, own=True):
    """Walks one behind the other. Whoever is not deleted, or never is (own), expires where the walk ends."""
    tokens: list[int] = []
    positions: list[int] = []
    expires: list[int] = []
    for walk in walks:
        first = len(tokens)
        stack: list[int] = []
        for key in [*prompt, *walk]:
            if key == backspace:
                if own:
                    expires[stack[-1]] = len(tokens)
                stack.pop()
            else:
                positions.append(len(stack))
                stack.append(len(tokens))
                tokens.append(int(key))
                expires.append(-1)
        for k in range(first, len(tokens)):
            if expires[k] == -1:
                expires[k] = len(tokens)
    return {"tokens": np.array(tokens), "positions": np.array(positions), "expires": np.array(expires)}


def nothing_deleted(walks, backspace, prompt):
    """Your ⌫ takes nothing off the screen: everything lives until its walk ends. When does a deleted letter expire?"""
    return _packed(walks, backspace, prompt, own=False)


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


def one_stack_for_all(walks, backspace, prompt):
    """You go on with the stack of the walk before. When the next walk begins, the screen is empty: what must the stack
    be?"""
    rest = [[*prompt, *walk] for walk in walks[1:]]
    return _packed([[*walks[0], *(key for walk in rest for key in walk)]], backspace, prompt)


def gone_at_once(walks, backspace, prompt):
    """A letter that is deleted later on is hidden at once in your row. Who typed on it before the ⌫ came still sees it:
    which is the first input that does not?"""
    right, number = _packed(walks, backspace, prompt), 0
    for walk in walks:
        stack: list[int] = []
        for key in [*prompt, *walk]:
            if key == backspace:
                right["expires"][stack[-1]] = stack[-1] + 1
                stack.pop()
            else:
                stack.append(number)
                number += 1
    return right


def _walk_of_each(walks, backspace, prompt):
    """For each input, the number at which its walk begins, and the one at which it ends."""
    sizes = [len(prompt) + sum(key != backspace for key in walk) for walk in walks]
    ends = np.cumsum(sizes)
    return np.repeat(ends - sizes, sizes), np.repeat(ends, sizes)


def _expires(returned, walks, backspace, prompt):
    """What was returned and what is right; None if tokens or positions are wrong."""
    right = _packed(walks, backspace, prompt)
    same = all(np.array_equal(numbers(returned[name]), right[name]) for name in ("tokens", "positions"))
    return (numbers(returned["expires"]), right["expires"]) if same else None


def numbers_from_each_start(returned, walks, backspace, prompt):
    """In every walk but the first your inputs expire too early: you count the inputs of their own walk. The numbers run
    through the whole row."""
    pair, (begins, _) = _expires(returned, walks, backspace, prompt), _walk_of_each(walks, backspace, prompt)
    if pair is None:
        return False
    found, right = pair
    return bool(((found == right) | (found == right - begins)).all())


def neighbours_seen(returned, walks, backspace, prompt):
    """What is still there when a walk ends lives on in your row, so the second walk sees the first one's text. When
    must a walk be gone?"""
    pair, (begins, ends) = _expires(returned, walks, backspace, prompt), _walk_of_each(walks, backspace, prompt)
    if pair is None:
        return False
    found, right = pair
    wrong = found != right
    prompts = (begins == np.arange(len(right))) & (ends < len(right))  # the first input of a walk is never deleted
    if not wrong[prompts].all():
        return False
    if not (right[wrong] == ends[wrong]).all() or not (found[wrong] >= len(right)).all():
        return False
    return bool((ends[wrong] < len(right)).any()) or None


def expires_one_late(returned, walks, backspace, prompt):
    """Your inputs live for one input too long: they are still seen by the first one that should not see them. Look at
    the sign in (6.3): q < e."""
    pair, (_, ends) = _expires(returned, walks, backspace, prompt), _walk_of_each(walks, backspace, prompt)
    return pair is not None and bool(((pair[0] == pair[1] + 1) | ((pair[0] == pair[1]) & (pair[1] == ends))).all())


def expires_one_early(returned, walks, backspace, prompt):
    """Your e is the number of the *last* input that sees this one. That one must still see it: q < e."""
    pair = _expires(returned, walks, backspace, prompt)
    return pair is not None and bool(((pair[0] == pair[1] - 1) | (pair[0] == pair[1])).all())


@exercise(
    "S3.3",
    draw=_walks,
    inputs="random rows of walks",
    mistakes=[
        nothing_deleted,
        positions_run_on,
        positions_are_numbers,
        positions_within_the_walk,
        last_walk_for_ever,
        keys_counted,
        oldest_deleted,
        one_stack_for_all,
        gone_at_once,
    ],
    signs=[numbers_from_each_start, neighbours_seen, expires_one_late, expires_one_early],
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


def direct_children_only(walks, backspace, prompt):
    """Your e counts a text's own children, and not what begins with these. How far does its part of the row reach?"""
    right = _tree(walks, backspace, prompt)
    children = np.array([len(below) for below in _children(right)])
    return right | {"expires": np.arange(len(children)) + 1 + children}


def asked_by_the_old_numbers(walks, backspace, prompt):
    """Your `asked` holds the numbers that the texts had when they were first typed. They have been numbered anew since:
    when can `asked` be looked up?"""
    typed = _tree(walks, backspace, prompt, depth_first=False)
    return _tree(walks, backspace, prompt) | {"asked": typed["asked"]}


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


def _lies(returned, tree, order):
    """Whether tokens and positions are those of the tree in another order, whatever is said of them."""
    return all(np.array_equal(numbers(returned[name]), tree[name][order]) for name in ("tokens", "positions"))


def _depth_first(tree, sort):
    """The order in which the texts lie, their children sorted by `sort`."""
    children, order, todo = _children(tree), list[int](), [0]
    while todo:
        order.append(todo.pop())
        todo += reversed(sort(children[order[-1]]))
    return order


def numbered_as_typed(returned, walks, backspace, prompt):
    """You number the texts in the order in which they were first typed. Then strangers come to lie between a text and
    what begins with it, and no single number keeps them apart. Which order leaves no gap?"""
    typed = _tree(walks, backspace, prompt, depth_first=False)
    return _lies(returned, typed, slice(None))


def level_by_level(returned, walks, backspace, prompt):
    """You number the texts level by level, the short ones first. Then strangers come to lie between a text and what
    begins with it: what comes right after a text, depth first?"""
    right = _tree(walks, backspace, prompt)
    children, order = _children(right), [0]
    for n in order:
        order += children[n]
    return _lies(returned, right, order)


def newest_child_first(returned, walks, backspace, prompt):
    """You visit the children from the last one typed to the first, as a stack gives them back. The text asks for the
    order in which they were first typed."""
    right = _tree(walks, backspace, prompt)
    return _lies(returned, right, _depth_first(right, lambda below: below[::-1]))


def children_sorted(returned, walks, backspace, prompt):
    """You visit the children in the order of their letters. The text asks for the order in which they were first
    typed."""
    right = _tree(walks, backspace, prompt)
    return _lies(returned, right, _depth_first(right, lambda below: sorted(below, key=lambda n: right["tokens"][n])))


def positions_from_elsewhere(returned, walks, backspace, prompt):
    """Your positions are all too large or too small by the same number. The first token of the prompt stands at 0, and
    how many stand before the last token of a text?"""
    right = _tree(walks, backspace, prompt)
    typed = right["positions"] >= len(prompt)
    off = numbers(returned["positions"]) - right["positions"]
    return bool(off[typed | (off != 0)].any() and len(np.unique(off[typed])) <= 1) if typed.any() else None


@exercise(
    "S3.4",
    draw=_walks,
    inputs="random rows of walks",
    mistakes=[
        asked_a_key_late,
        unread_texts_expire_never,
        expires_at_the_next_child,
        last_one_counted_out,
        direct_children_only,
        asked_by_the_old_numbers,
    ],
    signs=[
        numbered_as_typed,
        level_by_level,
        newest_child_first,
        children_sorted,
        positions_from_elsewhere,
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
        "noise": 0.0 if rng.random() < 0.1 else float(rng.uniform(0.01, 0.9) ** rng.choice([1.0, 0.1], p=[0.9, 0.1])),
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


def wrong_texts_too_short(length, prompt_length, num_letters, noise, num_walks):
    """With a run for each text yours are as long as before the slip. How many signs stand there when the wrong letter
    has been typed?"""
    right = _counts(length, prompt_length, num_letters, noise, num_walks)
    return right | {EVERY: right[EVERY] - num_walks * length * _slips(noise)}


def letters_counted_from_one(length, prompt_length, num_letters, noise, num_walks):
    """With a run for each text you begin when one letter is right already. How many are right when she begins to
    type?"""
    right = _counts(length, prompt_length, num_letters, noise, num_walks)
    return right | {EVERY: right[EVERY] + num_walks * length * (1 + 2 * _slips(noise))}


def _each(returned, right, other):
    """Whether each of the four is right or the other one, and at least one is the other."""
    found = {way: float(returned[way]) for way in right}
    near = {
        way: (np.isclose(found[way], right[way], 1e-5, 1e-5), np.isclose(found[way], other[way], 1e-5, 1e-5))
        for way in right
    }
    return all(map(any, near.values())) and not all(is_right for is_right, _ in near.values())


def one_slip_at_most(returned, length, prompt_length, num_letters, noise, num_walks):
    """You let her slip once before each letter, or not at all. After the ⌫ she tries again, on the same keyboard: how
    many slips are there on average?"""
    right = _counts(length, prompt_length, num_letters, noise, num_walks)
    return _each(
        returned,
        right,
        _counts(length, prompt_length, num_letters, noise, num_walks, noise, 1 - noise / (num_letters - 1)),
    )


def right_letter_counted_in(returned, length, prompt_length, num_letters, noise, num_walks):
    """You take the number of *tries* for that of the slips. The last try is right: how many are there before it?"""
    right = _counts(length, prompt_length, num_letters, noise, num_walks)
    return _each(returned, right, _counts(length, prompt_length, num_letters, noise, num_walks, 1 / (1 - noise)))


def any_letter_is_a_slip(returned, length, prompt_length, num_letters, noise, num_walks):
    """In your tree a slip may also type the letter that was meant. How many *other* letters are there?"""
    never = (1 - noise) / (1 - noise * (1 - 1 / num_letters))
    trees = [
        prompt_length + length * (1 + others * (1 - never**num_walks)) for others in (num_letters - 1, num_letters)
    ]
    return any(np.isclose(float(returned[TREE]), tree, 1e-5, 1e-5) for tree in trees)


def all_wrong_letters_there(returned, length, prompt_length, num_letters, noise, num_walks):
    """Your tree holds every wrong letter at every place, however seldom she slips. How likely is it that one of them
    was never typed?"""
    return bool(np.isclose(float(returned[TREE]), prompt_length + length * num_letters, 1e-5, 1e-5))


def prompt_forgotten(returned, length, prompt_length, num_letters, noise, num_walks):
    """In at least one of the four your prompt is missing. Its tokens are read, too: where do you add them?"""
    right = _counts(length, prompt_length, num_letters, noise, num_walks)
    return _each(returned, right, _counts(length, 0, num_letters, noise, num_walks))


def end_of_text_fed(returned, length, prompt_length, num_letters, noise, num_walks):
    """You feed ⏎ as well, one input too many for each walk. After ⏎ no key is chosen: is it an input here?"""
    right = _counts(length, prompt_length, num_letters, noise, num_walks)
    return _each(returned, right, {way: count + (1 if way == TREE else num_walks) for way, count in right.items()})


def series_cut_short(returned, length, prompt_length, num_letters, noise, num_walks):
    """You are right while slips are rare, and too low where they are frequent. If you add up a series: how many of its
    terms matter then? It has a closed form."""
    right = _counts(length, prompt_length, num_letters, noise, num_walks)
    return noise > 0.4 and all(0 < float(returned[way]) <= right[way] * (1 + 1e-9) for way in (EVERY, AGAIN, TRIE))


@exercise(
    "S3.5",
    draw=_typing,
    inputs="random typists",
    mistakes=[
        backspaces_fed_in_the_trie,
        backspaces_not_fed_again,
        all_slips_different,
        mean_in_the_exponent,
        one_walk_in_the_tree,
        a_tree_for_each_walk,
        one_walk_only,
        prompt_shared_everywhere,
        last_text_forgotten,
        wrong_texts_not_run,
        returns_not_run,
        wrong_texts_too_short,
        letters_counted_from_one,
    ],
    signs=[
        one_slip_at_most,
        right_letter_counted_in,
        any_letter_is_a_slip,
        all_wrong_letters_there,
        prompt_forgotten,
        end_of_text_fed,
    ],
    guesses=[series_cut_short],
)
def expected_inputs(length, prompt_length, num_letters, noise, num_walks):
    """With s = η/(1-η) slips before each letter, and a wrong letter missing in a walk with (1-η)/(1-η(1-1/(A-1)))."""
    return _counts(length, prompt_length, num_letters, noise, num_walks)
