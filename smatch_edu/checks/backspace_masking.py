"""The exercises of notebooks/06_backspace_masking.ipynb."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import softmax

from smatch_edu.checks.exercise import exercise

# -- 6.1 ---------------------------------------------------------------------------------------------------------


def _scores_and_mask(rng: np.random.Generator) -> dict[str, Any]:
    """Every input sees itself, and some of those before it; hidden ones may have the highest scores. In some tables
    some rows are far lower or higher than others as a whole; now and then a score is 0."""
    count = int(rng.integers(1, 7))
    visible = np.tril(rng.random((count, count)) < 0.6) | np.eye(count, dtype=bool)
    height = rng.uniform(-110, 40, (count, 1)) * (rng.random() < 0.25)
    scores = rng.normal(0, 2, (count, count)) + 2.0 * ~visible + height
    if count > 1 and visible[-1, 0]:
        scores[-1, 0] *= rng.random() < 0.7
    return {"scores": scores, "visible": visible}


def mask_after_softmax(scores, visible):
    """Your hidden weights are 0, but what is left of a row no longer sums to 1: the hidden inputs took their share of
    the softmax before you struck them out. In which order do the two steps come?"""
    return np.where(visible, softmax(scores, axis=1), 0)


def no_mask(scores, visible):
    """Your weights do not depend on who is visible. What would an input learn about tokens that come after it?"""
    return softmax(scores, axis=1)


def hidden_scores_are_zero(scores, visible):
    """You set hidden scores to 0, and e⁰ is 1: such an input still gets a weight. Which score gives no weight at
    all?"""
    return softmax(np.where(visible, scores, 0), axis=1)


def hidden_scores_are_zero_then_masked(scores, visible):
    """Your hidden weights are 0 in the end, but a score of 0 had taken part in the softmax before. What should stand
    there so that it takes nothing?"""
    return np.where(visible, hidden_scores_are_zero(scores, visible), 0)


def hidden_scores_lowered_a_little(scores, visible):
    """You lower hidden scores by 1, so the hidden inputs get less weight, and not none. How far down must a score go
    until nothing is left?"""
    return softmax(scores - ~visible, axis=1)


def softmax_over_queries(scores, visible):
    """Your columns sum to 1. Each *query* divides its attention among the keys: along which axis is that?"""
    raised = np.where(visible, np.exp(scores), 0)
    return raised / raised.sum(axis=0)


def softmax_over_all(scores, visible):
    """Your whole matrix sums to 1. Every query has a unit of attention of its own: what must each row sum to?"""
    raised = np.where(visible, np.exp(scores), 0)
    return raised / raised.sum()


def not_normalised(scores, visible):
    """You return e to the scores of the visible inputs. These are no weights of a mean yet: what is missing?"""
    return np.where(visible, np.exp(scores), 0)


def scores_divided_by_their_sum(scores, visible):
    """You divide the scores themselves by their sum, so a negative score becomes a strange weight. What makes every
    score positive first?"""
    kept = np.where(visible, scores, 0)
    return kept / kept.sum(axis=1, keepdims=True)


def every_visible_alike(scores, visible):
    """Every visible input gets the same weight in your answer. What are the scores for?"""
    return visible / visible.sum(axis=1, keepdims=True)


def causal_mask_only(scores, visible):
    """You hide what comes later, and nothing else: what `visible` hides among the earlier inputs is still seen. Where
    do you use it?"""
    return softmax(np.where(np.tril(np.ones_like(visible)), scores, -np.inf), axis=1)


def keys_and_queries_exchanged(scores, visible):
    """You read the mask the wrong way round. Does a row say whom an input sees, or by whom it is seen?"""
    return softmax(np.where(visible.T, scores, -np.inf), axis=1)


def only_the_best(scores, visible):
    """You give all the weight to the highest visible score. A soft maximum leaves something to the others: how much?"""
    return np.eye(len(scores))[np.where(visible, scores, -np.inf).argmax(axis=1)]


def row_sums_divide_columns(scores, visible):
    """You sum each row, and then divide the *columns* by these sums: numpy lines up a plain vector with the last axis.
    Which shape should the sums have so that each divides its own row?"""
    raised = np.where(visible, np.exp(scores), 0)
    return raised / raised.sum(axis=1)


def divided_by_how_many_are_visible(scores, visible):
    """You divide by the *number* of visible inputs. Do your rows sum to 1 then? What must they be divided by?"""
    return np.where(visible, np.exp(scores), 0) / visible.sum(axis=1, keepdims=True)


def scores_scaled_again(scores, visible):
    """You divide the scores by the root of how many inputs there are. Transformers divide by the root of the *vectors'*
    length, and these are scores already: what does (6.1) do with them?"""
    return softmax(np.where(visible, scores / np.sqrt(len(scores)), -np.inf), axis=1)


def scores_negated(scores, visible):
    """In your answer the lowest score gets the most weight. Look at the sign in the exponent: whom does a query want to
    hear?"""
    return softmax(np.where(visible, -scores, -np.inf), axis=1)


def sigmoid_of_each(scores, visible):
    """You squeeze each score between 0 and 1 on its own. Inputs *share* a query's attention: how does one of them learn
    of the others?"""
    return np.where(visible, 1 / (1 + np.exp(-scores)), 0)


def logs_of_the_weights(returned, scores, visible):
    """You return logarithms. A weight of 0 has none that is finite; weights are wanted here, not their logs."""
    right = masked_attention_weights.oracle(scores, visible)
    return bool(np.isneginf(returned[~visible]).all() and np.allclose(returned[visible], np.log(right[visible])))


def hidden_ones_alone_are_seen(returned, scores, visible):
    """You hide what is visible, and look at the rest. What does True stand for in `visible`? (In some libraries a mask
    is the other way round.)"""
    some_hidden = ~visible.all(axis=1)
    return bool(np.allclose(returned[some_hidden][visible[some_hidden]], 0)) if some_hidden.any() else None


def blind_to_oneself(returned, scores, visible):
    """Nobody gives a weight to itself in your answer. Look at the diagonal of `visible`: does an input see itself?"""
    return bool(np.allclose(np.diag(returned), 0))


def hidden_scores_not_low_enough(returned, scores, visible):
    """Your rows are those of a softmax, and the hidden inputs get little, but not nothing. Is there a score so low that
    *nothing* is left of it, however low the others are?"""
    seen = np.where(visible, returned, 0)
    shares = softmax(np.where(visible, scores, -np.inf), axis=1) * seen.sum(axis=1, keepdims=True)
    return bool((returned >= 0).all() and np.allclose(returned.sum(axis=1), 1) and np.allclose(seen, shares))


@exercise(
    "6.1",
    draw=_scores_and_mask,
    inputs="random masks",
    mistakes=[
        mask_after_softmax,
        no_mask,
        hidden_scores_are_zero,
        hidden_scores_are_zero_then_masked,
        hidden_scores_lowered_a_little,
        softmax_over_queries,
        softmax_over_all,
        not_normalised,
        scores_divided_by_their_sum,
        every_visible_alike,
        causal_mask_only,
        keys_and_queries_exchanged,
        only_the_best,
        row_sums_divide_columns,
        divided_by_how_many_are_visible,
        scores_scaled_again,
        scores_negated,
        sigmoid_of_each,
    ],
    signs=[logs_of_the_weights, hidden_ones_alone_are_seen, blind_to_oneself],
    guesses=[hidden_scores_not_low_enough],
)
def masked_attention_weights(scores, visible):
    """The softmax of each row over its visible entries."""
    return softmax(np.where(visible, scores, -np.inf), axis=1)


# -- 6.2, 6.3, 6.4: a walk ---------------------------------------------------------------------------------------


def _walk(rng: np.random.Generator, longest: int = 12, least: int = 1) -> dict[str, Any]:
    """Tokens and runs of ⌫, often down to the prompt; the first action is a token. Sometimes ⌫ does not have the
    largest number."""
    backspace = int(rng.integers(3, 9))
    tokens = np.delete(np.arange(backspace + int(rng.choice([1, 4], p=[0.85, 0.15]))), backspace)
    actions: list[int] = []
    standing = 0
    deletes = float(rng.uniform(0.2, 0.7 if longest < 100 else 0.4))
    for _ in range(rng.integers(least, longest + 1)):
        back = standing > 0 and rng.random() < deletes
        actions.append(backspace if back else int(rng.choice(tokens)))
        standing += -1 if back else 1
    return {
        "actions": np.array(actions, dtype=np.int64),
        "backspace": backspace,
        "prompt_length": int(rng.integers(1, 5)),
    }


def _walk_or_long_walk(rng: np.random.Generator) -> dict[str, Any]:
    """Some have no key at all, and some may have hundreds."""
    chance = rng.random()
    return _walk(rng, 0, 0) if chance < 0.12 else _walk(rng, longest=600 if chance > 0.75 else 12)


def _steps(actions, backspace, back=-1):
    return np.where(actions == backspace, back, 1)


# -- 6.2 ---------------------------------------------------------------------------------------------------------


def index_instead_of_depth(actions, backspace, prompt_length):
    """You count the keys that were pressed. After a ⌫ the screen is shorter: does its last token stand further to the
    right then?"""
    return prompt_length - 1 + np.arange(len(actions) + 1)


def backspace_moves_nothing(actions, backspace, prompt_length):
    """You count the tokens that were typed, and ⌫ leaves your position as it is. What does it do to the text?"""
    return prompt_length - 1 + np.append(0, np.cumsum(_steps(actions, backspace, 0)))


def backspace_moves_two(actions, backspace, prompt_length):
    """Each of your ⌫ goes back by two. How many tokens does it delete?"""
    return prompt_length - 1 + np.append(0, np.cumsum(_steps(actions, backspace, -2)))


def length_instead_of_position(actions, backspace, prompt_length):
    """You return how many tokens stand on the screen. The first of them stands at position 0: where does the last one
    stand?"""
    return positions_along_a_walk.oracle(actions, backspace, prompt_length) + 1


def prompt_forgotten(actions, backspace, prompt_length):
    """Your walk starts at position 0, whatever the prompt is. Its tokens stand on the screen as well: where does the
    last of them stand?"""
    return positions_along_a_walk.oracle(actions, backspace, 1)


def nothing_before_the_first_key(actions, backspace, prompt_length):
    """You count what was typed and leave the prompt out, so that the first text has position -1 at its end. What stands
    on the screen before the first key?"""
    return positions_along_a_walk.oracle(actions, backspace, 0)


def start_at_the_prompt_length(actions, backspace, prompt_length):
    """Your first position is right, and every later one is too far to the right by one. Where does the first token
    after the prompt stand?"""
    right = positions_along_a_walk.oracle(actions, backspace, prompt_length)
    return right + (np.arange(len(right)) > 0)


def furthest_so_far(actions, backspace, prompt_length):
    """Your position never goes back: it is the longest text so far. What about the text that stands *now*?"""
    return np.maximum.accumulate(positions_along_a_walk.oracle(actions, backspace, prompt_length))


def backspace_clears_the_screen(actions, backspace, prompt_length):
    """Your ⌫ deletes everything that was typed. It is a small key: how much does it take back?"""
    found = [prompt_length - 1]
    for action in actions:
        found.append(prompt_length - 1 if action == backspace else found[-1] + 1)
    return np.array(found)


def signs_exchanged(actions, backspace, prompt_length):
    """Your text grows with ⌫ and shrinks with a token. Which of them adds?"""
    return prompt_length - 1 - np.append(0, np.cumsum(_steps(actions, backspace)))


def one_key_late(actions, backspace, prompt_length):
    """Your positions are those of one key before. Entry i is the text *after* i keys: what has the first key done to
    it?"""
    right = positions_along_a_walk.oracle(actions, backspace, prompt_length)
    return np.append(right[0], right[:-1])


def steps_not_added_up(actions, backspace, prompt_length):
    """Each of your positions is one step away from the prompt. Every step starts where the last one ended: how do you
    add them up?"""
    return prompt_length - 1 + np.append(0, _steps(actions, backspace))


def backspace_at_the_place_of_the_deleted(actions, backspace, prompt_length):
    """After ⌫ you give the position of the token that has just been deleted. Which token is the last one on the screen
    now?"""
    right = positions_along_a_walk.oracle(actions, backspace, prompt_length)
    return right + np.append(0, actions == backspace)


def run_of_backspaces_moves_one(actions, backspace, prompt_length):
    """A run of ⌫ moves you back by one in all. Press it twice: how many tokens are gone?"""
    again = np.append(False, (actions[1:] == backspace) & (actions[:-1] == backspace))
    return prompt_length - 1 + np.append(0, np.cumsum(np.where(again, 0, _steps(actions, backspace))))


def second_backspace_undoes_the_first(actions, backspace, prompt_length):
    """Your ⌫ goes back to where you were one *key* ago, so the second of two ⌫ brings a token back. Is ⌫ an undo, or
    does it delete what stands there now?"""
    found = [prompt_length - 1]
    for action in actions:
        found.append(found[-2] if action == backspace else found[-1] + 1)
    return np.array(found)


def backspace_is_always_five(actions, backspace, prompt_length):
    """You look for the number 5, which is ⌫ among the typist's letters above. Another keyboard has another number for
    it: who tells your function which?"""
    return positions_along_a_walk.oracle(actions, 5, prompt_length)


def told_apart_by_size(actions, backspace, prompt_length):
    """You tell letters from ⌫ by which number is the smaller. On some keyboards a letter has a larger number than ⌫: by
    what can you know ⌫ for certain?"""
    return prompt_length - 1 + np.append(0, np.cumsum(np.where(actions < backspace, 1, -1)))


def never_back_at_the_prompt(actions, backspace, prompt_length):
    """When all that was typed is deleted, your position stops one too soon. Which token is the last one on the screen
    then, and where does it stand?"""
    found = [prompt_length - 1]
    for action in actions:
        found.append(max(found[-1] - 1, prompt_length) if action == backspace else found[-1] + 1)
    return np.array(found)


def numbers_of_the_keys_added(actions, backspace, prompt_length):
    """A letter moves you by its own number in your answer. That number only says which letter it is: how many places
    does one letter take?"""
    return prompt_length - 1 + np.append(0, np.cumsum(np.where(actions == backspace, -1, actions)))


@exercise(
    "6.2",
    draw=_walk_or_long_walk,
    inputs="random walks",
    mistakes=[
        index_instead_of_depth,
        backspace_moves_nothing,
        backspace_moves_two,
        length_instead_of_position,
        prompt_forgotten,
        nothing_before_the_first_key,
        start_at_the_prompt_length,
        furthest_so_far,
        backspace_clears_the_screen,
        signs_exchanged,
        one_key_late,
        steps_not_added_up,
        backspace_at_the_place_of_the_deleted,
        run_of_backspaces_moves_one,
        second_backspace_undoes_the_first,
        backspace_is_always_five,
        told_apart_by_size,
        numbers_of_the_keys_added,
        never_back_at_the_prompt,
    ],
)
def positions_along_a_walk(actions, backspace, prompt_length):
    """prompt_length - 1, then one more for each token and one less for each ⌫."""
    return prompt_length - 1 + np.append(0, np.cumsum(_steps(actions, backspace)))


# -- 6.3 ---------------------------------------------------------------------------------------------------------


def _refeed_expiries(actions, backspace, prompt_length):
    """When each input of the re-feed layout is deleted, and when it is replaced by a copy; ∞ if never."""
    inputs = prompt_length + len(actions)
    deleted, replaced = np.full((2, inputs), np.inf)
    stack = list(range(prompt_length))
    for q, action in enumerate(actions, start=prompt_length):
        if action == backspace:
            deleted[stack.pop()] = q
            replaced[stack.pop()] = q
        stack.append(q)
    return deleted, replaced


def _mask(expires):
    """k ≤ q < expires[k]."""
    index = np.arange(len(expires))
    return (index <= index[:, None]) & (index[:, None] < expires)


def everything_before_is_seen(actions, backspace, prompt_length):
    """In your mask each input sees everything before it, as if nothing were ever deleted. Whom should an input not see
    once a ⌫ was pressed?"""
    inputs = prompt_length + len(actions)
    return np.tril(np.ones((inputs, inputs), dtype=bool))


def older_copy_left_visible(actions, backspace, prompt_length):
    """The deleted tokens are hidden, but after a ⌫ the token on top is seen twice: its older copy is still there. How
    often does it stand on the screen?"""
    return _mask(_refeed_expiries(actions, backspace, prompt_length)[0])


def every_copy_left_until_deleted(actions, backspace, prompt_length):
    """What is deleted is hidden, each copy of it; but a token that still stands is seen once for every time that it was
    fed. How often does it stand on the screen?"""
    inputs = prompt_length + len(actions)
    mask = np.tril(np.ones((inputs, inputs), dtype=bool))
    copies = [[k] for k in range(prompt_length)]
    for q, action in enumerate(actions, start=prompt_length):
        if action == backspace:
            mask[q:, copies.pop()] = False
            copies[-1].append(q)
        else:
            copies.append([q])
    return mask


def deleted_token_left_visible(actions, backspace, prompt_length):
    """The older copies are hidden, but the deleted tokens themselves can still be seen. What does ⌫ take off the
    screen?"""
    return _mask(_refeed_expiries(actions, backspace, prompt_length)[1])


def hidden_from_one_input_only(actions, backspace, prompt_length):
    """You hide what is gone from the input of ⌫ itself, and the inputs after it see it again. For how long is a deleted
    token gone?"""
    mask = refeed_mask.oracle(actions, backspace, prompt_length)
    fed_again = np.append(np.zeros(prompt_length, dtype=bool), actions == backspace)
    return np.where(fed_again[:, None], mask, everything_before_is_seen(actions, backspace, prompt_length))


def seen_again_by_later_tokens(actions, backspace, prompt_length):
    """A run of ⌫ hides what it should, but the next *token* that is typed sees the deleted ones again. Which text does
    it stand on?"""
    mask = refeed_mask.oracle(actions, backspace, prompt_length)
    everything = everything_before_is_seen(actions, backspace, prompt_length)
    token_after = np.append(np.zeros(prompt_length + 1, dtype=bool), (actions[:-1] == backspace))
    token_after &= np.append(np.zeros(prompt_length, dtype=bool), actions != backspace)
    return np.where(token_after[:, None], everything, mask)


def hidden_from_the_past_as_well(actions, backspace, prompt_length):
    """What is deleted later is hidden in your mask from the start, also from inputs that were fed while it still stood
    there. From which input on should it be gone?"""
    mask = refeed_mask.oracle(actions, backspace, prompt_length)
    gone = np.isfinite(np.minimum(*_refeed_expiries(actions, backspace, prompt_length)))
    return mask & (~gone | np.eye(len(mask), dtype=bool))


def later_inputs_seen(actions, backspace, prompt_length):
    """Your inputs see what comes after them. A network that looks at the next key need not predict it: which half of
    the matrix must be empty?"""
    expires = np.minimum(*_refeed_expiries(actions, backspace, prompt_length))
    return np.arange(len(expires))[:, None] < expires


def only_later_inputs_seen(actions, backspace, prompt_length):
    """In your mask each input sees itself and everything *after* it. Which triangle of the matrix holds what was fed
    before?"""
    return everything_before_is_seen(actions, backspace, prompt_length).T


def mask_transposed(actions, backspace, prompt_length):
    """Your rows and columns have changed places. Does row q say whom q sees, or who sees q?"""
    return refeed_mask.oracle(actions, backspace, prompt_length).T


def gone_one_input_late(actions, backspace, prompt_length):
    """The input of ⌫ still sees what that ⌫ took away; only the next one does not. For which text is this input there:
    the one before ⌫, or the one after it?"""
    return _mask(np.minimum(*_refeed_expiries(actions, backspace, prompt_length)) + 1)


def blind_to_itself(actions, backspace, prompt_length):
    """Your inputs do not see themselves. Is its own token not part of the text that an input stands for?"""
    mask = refeed_mask.oracle(actions, backspace, prompt_length)
    return mask & ~np.eye(len(mask), dtype=bool)


def copy_hidden_instead(actions, backspace, prompt_length):
    """You keep the older copy and hide the new one, from itself too. The screen would be right; but this input is
    asked for a policy, and does not see its own token. Which of the two copies should stay?"""
    inputs = prompt_length + len(actions)
    mask = np.zeros((inputs, inputs), dtype=bool)
    stack: list[int] = []
    for q in range(inputs):
        if q >= prompt_length and actions[q - prompt_length] == backspace:
            stack.pop()
        else:
            stack.append(q)
        mask[q, stack] = True
    return mask


def older_copy_seen_later(actions, backspace, prompt_length):
    """The input of ⌫ sees itself, and nobody after it does: later inputs see the older copy in its place. The rule
    hides the older one, for good. Which of the two goes onto your stack?"""
    return copy_hidden_instead(actions, backspace, prompt_length) | np.eye(prompt_length + len(actions), dtype=bool)


def two_inputs_before(actions, backspace, prompt_length):
    """One ⌫ after a token comes out right, a run of ⌫ does not: you always hide the two inputs just before. Where is
    the older copy when the input before was fed again itself?"""
    inputs = prompt_length + len(actions)
    expires = np.full(inputs, np.inf)
    for q in prompt_length + np.flatnonzero(actions == backspace):
        for gone in (q - 1, q - 2):
            expires[gone] = min(expires[gone], q)
    return _mask(expires)


def second_copy_left_visible(actions, backspace, prompt_length):
    """After ⌫ you hide the input at which the token on top was fed *first*. When it is fed again for the second time,
    which copy was the last one to be seen?"""
    expires = np.full(prompt_length + len(actions), np.inf)
    stack = list(range(prompt_length))
    for q, action in enumerate(actions, start=prompt_length):
        if action == backspace:
            for gone in (stack.pop(), stack[-1]):
                expires[gone] = min(expires[gone], q)
        else:
            stack.append(q)
    return _mask(expires)


def prompt_never_replaced(actions, backspace, prompt_length):
    """When all that was typed is deleted again, the last token of the prompt is seen twice. It is fed again, as any
    other token is: what becomes of its older copy?"""
    deleted, replaced = _refeed_expiries(actions, backspace, prompt_length)
    replaced[:prompt_length] = np.inf
    return _mask(np.minimum(deleted, replaced))


def prompt_not_seen(actions, backspace, prompt_length):
    """What is typed does not see the prompt in your mask. It stands on the screen all the time: who else should
    remember it?"""
    mask = refeed_mask.oracle(actions, backspace, prompt_length)
    mask[prompt_length:, :prompt_length] = False
    return mask


def prompt_seen_by_itself_at_once(actions, backspace, prompt_length):
    """The tokens of the prompt all see each other, also those that come later. They stand there before the first key;
    but what does the first of them see in a fresh run from left to right?"""
    mask = refeed_mask.oracle(actions, backspace, prompt_length)
    mask[:prompt_length, :prompt_length] = True
    return mask


def mask_inverted(actions, backspace, prompt_length):
    """Your mask is True where the right one is False, everywhere. What does True stand for here: seen, or hidden?"""
    return ~refeed_mask.oracle(actions, backspace, prompt_length)


def screen_before_the_key(actions, backspace, prompt_length):
    """Your row q is the screen *before* its key, so that no key sees its own input. For which text is an input fed: the
    one before its key, or the one after it?"""
    right = refeed_mask.oracle(actions, backspace, prompt_length)
    before = np.vstack([right[:1], right[:-1]])
    return np.where(np.arange(len(right))[:, None] < prompt_length, right, before)


def columns_erased(actions, backspace, prompt_length):
    """What is deleted or replaced has an empty column in your mask: nobody ever sees it, not even itself. Was it not on
    the screen for a while?"""
    mask = refeed_mask.oracle(actions, backspace, prompt_length)
    return mask & np.isinf(np.minimum(*_refeed_expiries(actions, backspace, prompt_length)))


def first_typed_is_deleted(actions, backspace, prompt_length):
    """Your ⌫ hides the token that was typed *first*. From which end of the screen does it delete?"""
    inputs = prompt_length + len(actions)
    expires = np.full(inputs, np.inf)
    stack = list(range(prompt_length))
    for q, action in enumerate(actions, start=prompt_length):
        if action == backspace:
            expires[[stack.pop(prompt_length), stack.pop()]] = q
        stack.append(q)
    return _mask(expires)


def screen_is_cleared(actions, backspace, prompt_length):
    """Your ⌫ hides everything that was typed, all at once. How many tokens does one ⌫ take back?"""
    inputs = prompt_length + len(actions)
    expires = np.full(inputs, np.inf)
    for q in prompt_length + np.flatnonzero(actions == backspace):
        expires[prompt_length - 1 : q] = np.minimum(expires[prompt_length - 1 : q], q)
    return _mask(expires)


def prompt_rows_alone_are_wrong(returned, actions, backspace, prompt_length):
    """All your keys see what they should; only the rows of the prompt are wrong. It is a plain text, fed from left to
    right: whom does each of its tokens see?"""
    right = refeed_mask.oracle(actions, backspace, prompt_length)
    return np.array_equal(returned[prompt_length:], right[prompt_length:])


def every_key_sees_the_last_screen(returned, actions, backspace, prompt_length):
    """All keys see the same in your mask: the screen at the end. Do you keep one list and let every row point at it? It
    goes on changing: when should a row be filled in?"""
    right = refeed_mask.oracle(actions, backspace, prompt_length)
    return bool((returned[prompt_length:] == right[-1]).all())


def made_for_adding(returned, actions, backspace, prompt_length):
    """You return numbers to be added to the scores, 0 and -∞. They are made of the mask, later; here the mask itself is
    wanted: what should stand where you have 0?"""
    right = refeed_mask.oracle(actions, backspace, prompt_length)
    return bool((returned[right] == 0).all() and (returned[~right] < -100).all())


@exercise(
    "6.3",
    draw=_walk,
    inputs="random walks",
    mistakes=[
        everything_before_is_seen,
        older_copy_left_visible,
        every_copy_left_until_deleted,
        deleted_token_left_visible,
        hidden_from_one_input_only,
        seen_again_by_later_tokens,
        hidden_from_the_past_as_well,
        later_inputs_seen,
        only_later_inputs_seen,
        mask_transposed,
        gone_one_input_late,
        blind_to_itself,
        copy_hidden_instead,
        older_copy_seen_later,
        two_inputs_before,
        second_copy_left_visible,
        prompt_never_replaced,
        prompt_not_seen,
        prompt_seen_by_itself_at_once,
        mask_inverted,
        screen_before_the_key,
        columns_erased,
        first_typed_is_deleted,
        screen_is_cleared,
    ],
    signs=[prompt_rows_alone_are_wrong, every_key_sees_the_last_screen, made_for_adding],
)
def refeed_mask(actions, backspace, prompt_length):
    """k ≤ q < the first input at which k is deleted or replaced."""
    return _mask(np.minimum(*_refeed_expiries(actions, backspace, prompt_length)))


# -- 6.4 ---------------------------------------------------------------------------------------------------------


def _follow(
    actions: np.ndarray,
    backspace: int,
    prompt_length: int,
    gone: Callable[[int, int], float] = lambda fed, _: fed,
    take: int = -1,
) -> dict[str, np.ndarray]:
    """The trie's two vectors. `gone` says when an input expires, from the number fed so far and its own number; `take`
    which end of the stack ⌫ deletes."""
    expires, states = [np.inf] * prompt_length, []
    stack = list(range(prompt_length))
    for action in actions.tolist():
        states.append(stack[-1])
        if action == backspace:
            k = stack.pop(take if take == -1 else prompt_length)
            expires[k] = gone(len(expires), k)
        else:
            stack.append(len(expires))
            expires.append(np.inf)
    return {"expires": np.array(expires), "state_of_action": np.array(states)}


def _changed(part: str, actions, backspace, prompt_length, value) -> dict[str, np.ndarray]:
    return _follow(actions, backspace, prompt_length) | {part: value}


def _right(part: str, actions, backspace, prompt_length) -> np.ndarray:
    return _follow(actions, backspace, prompt_length)[part]


def expires_one_late(actions, backspace, prompt_length):
    """Your `expires` is one too large: the first input that is fed after the ⌫ still sees what was deleted. Read q <
    expires[k] again: is q = expires[k] seen?"""
    return _follow(actions, backspace, prompt_length, lambda fed, _: fed + 1)


def expires_one_early(actions, backspace, prompt_length):
    """Your `expires` is one too small: the last input that was fed before the ⌫ is hidden too early. It saw the token,
    so for which q must q < expires[k] still hold?"""
    return _follow(actions, backspace, prompt_length, lambda fed, _: fed - 1)


def gone_at_once(actions, backspace, prompt_length):
    """What is deleted later is gone in your `expires` right after it was fed, so that its own children never see it.
    When is it deleted: then, or when the ⌫ comes?"""
    return _follow(actions, backspace, prompt_length, lambda _, k: k + 1)


def never_there(actions, backspace, prompt_length):
    """What is deleted later does not even see itself: your `expires` is its own number. Some input was asked while it
    stood on the screen; did that one not see it?"""
    return _follow(actions, backspace, prompt_length, lambda _, k: k)


def how_long_it_lived(actions, backspace, prompt_length):
    """Your `expires` is the *number* of inputs that a token lived through. A mask compares q with it: from where are
    the q counted?"""
    return _follow(actions, backspace, prompt_length, lambda fed, k: fed - k)


def clock_of_actions(actions, backspace, prompt_length):
    """Your clock ticks with every action, ⌫ included. In the trie ⌫ feeds nothing: what does `expires` count?"""
    expires = _right("expires", actions, backspace, prompt_length)
    stack, fed = list(range(prompt_length)), prompt_length
    for tick, action in enumerate(actions.tolist(), start=prompt_length):
        if action == backspace:
            expires[stack.pop()] = tick
        else:
            stack.append(fed)
            fed += 1
    return _changed("expires", actions, backspace, prompt_length, expires)


def expires_without_the_prompt(actions, backspace, prompt_length):
    """Your `expires` counts from the first key on. The prompt was fed as well, before everything else: with which
    number does the first token after it start?"""
    return _follow(actions, backspace, prompt_length, lambda fed, _: fed - prompt_length)


def queue_instead_of_stack(actions, backspace, prompt_length):
    """Your ⌫ takes away the *first* token that was typed. Which one does the key delete?"""
    return _follow(actions, backspace, prompt_length, take=0)


def last_fed_is_deleted(actions, backspace, prompt_length):
    """A second ⌫ in a row deletes nothing more in your `expires`: each of them takes the input that was fed last. Which
    token is on top after the first ⌫?"""
    expires = np.full(prompt_length + int((actions != backspace).sum()), np.inf)
    fed = prompt_length
    for action in actions.tolist():
        if action == backspace:
            expires[fed - 1] = min(expires[fed - 1], fed)
        else:
            fed += 1
    return _changed("expires", actions, backspace, prompt_length, expires)


def never_is_zero(actions, backspace, prompt_length):
    """What is never deleted has 0 in your `expires`, and q < 0 is never true: nobody sees it, not even itself. When
    does it expire?"""
    expires = _right("expires", actions, backspace, prompt_length)
    return _changed("expires", actions, backspace, prompt_length, np.where(np.isinf(expires), 0, expires))


def never_is_minus_one(actions, backspace, prompt_length):
    """What is never deleted has -1 in your `expires`. Put it into q < expires[k]: who would still see it?"""
    expires = _right("expires", actions, backspace, prompt_length)
    return _changed("expires", actions, backspace, prompt_length, np.where(np.isinf(expires), -1, expires))


def never_is_the_end(actions, backspace, prompt_length):
    """What is never deleted expires at the end in your answer. That gives the same mask, but it reads as if a ⌫ had
    come; `np.inf` was asked for. Is it still on the screen after the last key?"""
    expires = _right("expires", actions, backspace, prompt_length)
    return _changed("expires", actions, backspace, prompt_length, np.where(np.isinf(expires), len(expires), expires))


def asked_at_the_last_input(actions, backspace, prompt_length):
    """After a ⌫ your `state_of_action` points at the input that was fed last, and that is the token just deleted. Which
    text is on the screen, and which input stands for it?"""
    fed = prompt_length + np.append(0, np.cumsum(actions != backspace)[:-1])
    return _changed("state_of_action", actions, backspace, prompt_length, fed - 1)


def asked_after_the_action(actions, backspace, prompt_length):
    """Your `state_of_action` points at the text that an action leads *to*. At which text was she when she decided on
    it?"""
    longer = _right("state_of_action", np.append(actions, 0), backspace, prompt_length)
    return _changed("state_of_action", actions, backspace, prompt_length, longer[1:])


def depth_instead_of_input(actions, backspace, prompt_length):
    """Your `state_of_action` holds positions in the text. Two inputs can stand at the same position, one of them
    deleted: which *input* is on top?"""
    depth = positions_along_a_walk.oracle(actions, backspace, prompt_length)[:-1]
    return _changed("state_of_action", actions, backspace, prompt_length, depth)


def asked_as_in_refeed(actions, backspace, prompt_length):
    """Your `state_of_action` moves on by one with each action, as when something is fed every time. Which actions of
    the trie feed nothing?"""
    index = prompt_length - 1 + np.arange(len(actions))
    return _changed("state_of_action", actions, backspace, prompt_length, index)


def numbered_as_in_refeed(actions, backspace, prompt_length):
    """In both of your lists each action has a number of its own, ⌫ included. In the trie ⌫ feeds nothing: what is the
    number of the next token after it?"""
    found = _follow(actions, backspace, prompt_length)
    pushes = prompt_length + np.flatnonzero(actions != backspace)
    numbers = np.append(np.arange(prompt_length), pushes)
    expires = clock_of_actions(actions, backspace, prompt_length)["expires"]
    return {"expires": expires, "state_of_action": numbers[found["state_of_action"]]}


def backspace_asked_below(actions, backspace, prompt_length):
    """Where ⌫ is pressed, your `state_of_action` points one too far down: at what the ⌫ will uncover. What is on top
    when she decides to delete it?"""
    after = asked_after_the_action(actions, backspace, prompt_length)["state_of_action"]
    states = np.where(actions == backspace, after, _right("state_of_action", actions, backspace, prompt_length))
    return _changed("state_of_action", actions, backspace, prompt_length, states)


def number_of_the_key(actions, backspace, prompt_length):
    """Your `expires` is the number of the ⌫ among the keys. A mask compares it with numbers of *inputs*, and ⌫ is none,
    while the prompt's tokens are: what has been fed when the ⌫ comes?"""
    expires = clock_of_actions(actions, backspace, prompt_length)["expires"]
    return _changed("expires", actions, backspace, prompt_length, expires - prompt_length)


def gone_when_its_place_is_taken(actions, backspace, prompt_length):
    """In your `expires` a token is gone when another one is fed at its position. If none ever is, does the deleted one
    stay on the screen? And if it comes later, who sees it until then?"""
    depth = positions_along_a_walk.oracle(actions, backspace, prompt_length)[1:][actions != backspace]
    expires = np.full(prompt_length + len(depth), np.inf)
    for k, place in enumerate(depth):
        later = np.flatnonzero(depth[k + 1 :] == place)
        if len(later):
            expires[prompt_length + k] = prompt_length + k + 1 + later[0]
    return _changed("expires", actions, backspace, prompt_length, expires)


def uncovered_one_goes(actions, backspace, prompt_length):
    """Your ⌫ writes down when the text *below* is gone, the one that comes back. Which input does it take off the
    screen?"""
    expires, stack = [np.inf] * prompt_length, list(range(prompt_length))
    for action in actions.tolist():
        if action == backspace:
            stack.pop()
            expires[stack[-1]] = len(expires)
        else:
            stack.append(len(expires))
            expires.append(np.inf)
    return _changed("expires", actions, backspace, prompt_length, np.array(expires))


def nothing_ever_goes(actions, backspace, prompt_length):
    """Nothing is ever deleted in your `expires`, it is ∞ throughout. Which input does a ⌫ take off the stack?"""
    expires = np.full_like(_right("expires", actions, backspace, prompt_length), np.inf)
    return _changed("expires", actions, backspace, prompt_length, expires)


def whether_and_not_when(actions, backspace, prompt_length):
    """Your `expires` says *whether* an input is deleted, with 0 and 1. It should say when: from which input on is it no
    longer seen?"""
    expires = np.isfinite(_right("expires", actions, backspace, prompt_length))
    return _changed("expires", actions, backspace, prompt_length, expires)


def right_for_a_prompt_of_one(actions, backspace, prompt_length):
    """Both of your lists are right for a prompt of a single token like `>`, and too small for a longer one. From where
    do you count its tokens?"""
    return {name: part - (prompt_length - 1) for name, part in _follow(actions, backspace, prompt_length).items()}


def same_letter_same_input(actions, backspace, prompt_length):
    """A letter that is typed once more after ⌫ gets its old input in your `state_of_action`. That one is deleted, and
    hidden from all that comes now: which input has just been fed for this letter?"""
    known: dict[tuple[int, int], int] = {}
    states, stack, fed = [], list(range(prompt_length)), prompt_length
    for action in actions.tolist():
        states.append(stack[-1])
        if action == backspace:
            stack.pop()
        else:
            stack.append(known.setdefault((stack[-1], action), fed))
            fed += 1
    return _changed("state_of_action", actions, backspace, prompt_length, np.array(states))


def never_is_a_large_number(returned, actions, backspace, prompt_length):
    """What is never deleted expires at some large number in your answer. In a program that is a good choice, and the
    library does the same. Here the number that is never reached was asked for: how is infinity written in numpy?"""
    right = _follow(actions, backspace, prompt_length)
    never, found = np.isinf(right["expires"]), _floats(returned["expires"])
    states = np.array_equal(_floats(returned["state_of_action"]), right["state_of_action"])
    rest = np.array_equal(found[~never], right["expires"][~never])
    return bool(states and rest and (found[never] > 50).all())


def asked_without_the_prompt(returned, actions, backspace, prompt_length):
    """Your `state_of_action` does not count the tokens of the prompt, or not all of them. They are inputs with numbers,
    like any other: which number has the last of them?"""
    right = _follow(actions, backspace, prompt_length)
    missing = np.unique(right["state_of_action"] - _floats(returned["state_of_action"])).tolist()
    expires = np.array_equal(_floats(returned["expires"]), right["expires"])
    return expires and missing in ([prompt_length], [prompt_length - 1])


def nothing_counts_the_prompt(returned, actions, backspace, prompt_length):
    """Both of your lists number the inputs from the first key on. The prompt is fed before it: which number does the
    first token after it get?"""
    right, checked = _follow(actions, backspace, prompt_length), 0
    for part, numbers in right.items():
        typed = (numbers >= prompt_length) & np.isfinite(numbers)  # what stands for the prompt may be anything
        if not np.array_equal(_floats(returned[part])[typed], numbers[typed] - prompt_length):
            return False
        checked += typed.sum()
    return True if checked else None


def expires_alone_is_wrong(returned, actions, backspace, prompt_length):
    """Only your `expires` is wrong. Go through a short walk by hand, and write down how many inputs have been fed when
    each ⌫ comes."""
    right = _follow(actions, backspace, prompt_length)
    return np.array_equal(_floats(returned["state_of_action"]), right["state_of_action"])


def states_alone_are_wrong(returned, actions, backspace, prompt_length):
    """Only your `state_of_action` is wrong. Before each action, ask your stack: which input is on top?"""
    return np.array_equal(_floats(returned["expires"]), _right("expires", actions, backspace, prompt_length))


def _floats(values):
    return np.asarray(values, dtype=np.float64)


@exercise(
    "6.4",
    draw=_walk,
    inputs="random walks",
    mistakes=[
        expires_one_late,
        expires_one_early,
        gone_at_once,
        never_there,
        how_long_it_lived,
        clock_of_actions,
        expires_without_the_prompt,
        queue_instead_of_stack,
        last_fed_is_deleted,
        never_is_zero,
        never_is_minus_one,
        never_is_the_end,
        asked_at_the_last_input,
        asked_after_the_action,
        depth_instead_of_input,
        asked_as_in_refeed,
        numbered_as_in_refeed,
        backspace_asked_below,
        number_of_the_key,
        gone_when_its_place_is_taken,
        uncovered_one_goes,
        nothing_ever_goes,
        whether_and_not_when,
        right_for_a_prompt_of_one,
        same_letter_same_input,
    ],
    signs=[
        never_is_a_large_number,
        asked_without_the_prompt,
        nothing_counts_the_prompt,
        expires_alone_is_wrong,
        states_alone_are_wrong,
    ],
)
def trie(actions, backspace, prompt_length):
    """When each input expires, and which input is on top before each action."""
    return _follow(actions, backspace, prompt_length)
