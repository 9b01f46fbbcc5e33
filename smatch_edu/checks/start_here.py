"""The exercises of notebooks/00_start_here.ipynb."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from smatch_edu.checks.exercise import exercise

# -- 0.1 ---------------------------------------------------------------------------------------------------------


def _keys(rng: np.random.Generator) -> dict[str, Any]:
    """Some keyboards have capitals, accents, digits and signs as well; some texts are words and rows of ⌫ in turn."""
    letters = "the⌫⌫" if rng.random() < 0.75 else "tTéÜ7?. ⌫⌫⌫"
    keys = rng.choice(list(letters), size=rng.integers(0, 13))
    if rng.random() < 0.4:
        keys = np.repeat(keys, rng.integers(1, 6, size=len(keys)))
    return {"keys": "".join(keys)}


def sign_stays(keys):
    """The sign ⌫ itself stands on your screen. It is a key, not a letter: what should it do instead of showing up?"""
    return keys


def nothing_deleted(keys):
    """Your ⌫ disappears, and so does its effect: every letter is still there. Which letter should go with it?"""
    return keys.replace("⌫", "")


def deletes_at_the_front(keys):
    """Your ⌫ takes the first letter away. Where does the cursor stand?"""
    text = ""
    for key in keys:
        text = text[1:] if key == "⌫" else text + key
    return text


def pairs_found_once(keys):
    """You take away each letter that stands directly before a ⌫. What do two ⌫ in a row do?"""
    return re.sub("[^⌫]⌫", "", keys).replace("⌫", "")


def clears_the_screen(keys):
    """Your ⌫ clears the whole screen. How much does one press take back?"""
    return keys.rpartition("⌫")[2]


def pairs_found_once_and_signs_left(keys):
    """You take away each letter together with the ⌫ directly after it, and the other ⌫ stay on the screen. Which letter
    does the second of two ⌫ reach, and what if there is none?"""
    return re.sub("[^⌫]⌫", "", keys)


def sign_deleted_as_a_letter(keys):
    """Your ⌫ takes away whatever key was pressed just before it, be it another ⌫. What is there on the *screen* for it
    to take?"""
    return re.sub(".⌫", "", keys)


def deleted_and_sign_stays(keys):
    """Your ⌫ takes a letter away, and then puts its own sign there. Which keys add something to the screen?"""
    text = ""
    for key in keys:
        text = (text[:-1] if key == "⌫" else text) + key
    return text


def deletion_owed(keys):
    """When the screen is empty your ⌫ waits, and swallows a letter that is typed later. What does ⌫ do on an empty
    screen?"""
    text, owed = "", 0
    for key in keys:
        if key != "⌫":
            text, owed = (text, owed - 1) if owed else (text + key, 0)
        else:
            text, owed = (text[:-1], owed) if text else (text, owed + 1)
    return text


def every_such_letter_deleted(keys):
    """Your ⌫ takes away every letter that looks like the last one. What if the same letter stands there twice?"""
    text = ""
    for key in keys:
        text = text.replace(text[-1:], "") if key == "⌫" and text else text + key.replace("⌫", "")
    return text


def last_letter_first(keys):
    """The right letters stand on your screen, in the wrong order. At which end does she type?"""
    return what_stands_on_the_screen.oracle(keys)[::-1]


def stopped_at_the_first_deletion(keys):
    """You stop reading at the first ⌫. What becomes of the keys after it?"""
    before, deleted, _ = keys.partition("⌫")
    return before[:-1] if deleted else before


def stopped_after_one_key(keys):
    """You are done after a single key. Does your `return` stand inside the loop, or below it?"""
    return keys[:1].replace("⌫", "")


def equal_letters_deleted_together(keys):
    """When several equal letters stand at the end, your ⌫ takes all of them away at once (`rstrip` does so). How many
    letters does one press take?"""
    text = ""
    for key in keys:
        text = text.rstrip(text[-1:]) if key == "⌫" and text else text + key.replace("⌫", "")
    return text


def one_letter_kept(keys):
    """When a single letter is left on the screen, your ⌫ does not take it. From how many letters on is there something
    to delete?"""
    text = ""
    for key in keys:
        text = (text[:-1] if len(text) > 1 else text) if key == "⌫" else text + key
    return text


def only_counted(returned, keys):
    """You count the ⌫ and cut as many letters off the end of everything that was typed. But what was typed *after* a
    ⌫ was not there to be deleted. Can you go through the keys one after the other?"""
    deleted, letters = keys.count("⌫"), keys.replace("⌫", "")
    cut = []
    for text, count in (letters, deleted), (keys, deleted), (keys, 2 * deleted):
        left = len(text) - count
        cut += [text[: max(0, left)], text[:left], text[:-count]]  # below 0 a slice counts from the end
    return returned in cut or returned in [text.replace("⌫", "") for text in cut]


def deletes_forward(returned, keys):
    """Your ⌫ swallows the letter typed after it. When it is pressed that letter is not there yet, is it?"""
    one_each = keys
    while re.search("⌫+[^⌫]", one_each):
        one_each = re.sub("⌫[^⌫]", "", one_each)
    swallowed = re.sub("⌫.", "", keys), re.sub("⌫+[^⌫]", "", keys), one_each
    return returned in [text.replace("⌫", "") for text in swallowed]


def a_key_not_read(returned, keys):
    """One key is not read, the last or the first. From where to where does your loop run?"""
    return returned in (what_stands_on_the_screen.oracle(keys[:-1]), what_stands_on_the_screen.oracle(keys[1:]))


def sign_on_an_empty_screen(returned, keys):
    """The right letters stand on your screen, and a ⌫ among them. What does ⌫ do when there is nothing to delete, and
    which line of yours takes care of that?"""
    return "⌫" in returned and returned.replace("⌫", "") == what_stands_on_the_screen.oracle(keys)


def some_letters_stay(returned, keys):
    """Your ⌫ takes small letters from a to z, but not all else that stands on the screen. Capitals, accents, digits and
    signs are typed, too: which of them stay?"""
    return re.search("[^a-z⌫]", keys) is not None and len(returned) > len(what_stands_on_the_screen.oracle(keys))


def wrong_on_an_empty_screen(returned, keys):
    """You are right as long as there is a letter for each ⌫ to take. What does ⌫ do when the screen is empty, and what
    does your code do then?"""
    height = 0
    for key in keys:
        height += -1 if key == "⌫" else 1
        if height < 0:
            return True
    return False


@exercise(
    "0.1",
    draw=_keys,
    inputs="random rows of keys",
    mistakes=[
        sign_stays,
        nothing_deleted,
        deletes_at_the_front,
        pairs_found_once,
        clears_the_screen,
        pairs_found_once_and_signs_left,
        sign_deleted_as_a_letter,
        deleted_and_sign_stays,
        deletion_owed,
        every_such_letter_deleted,
        last_letter_first,
        stopped_at_the_first_deletion,
        stopped_after_one_key,
        equal_letters_deleted_together,
        one_letter_kept,
    ],
    signs=[only_counted, deletes_forward, sign_on_an_empty_screen, wrong_on_an_empty_screen],
    guesses=[a_key_not_read, some_letters_stay],
)
def what_stands_on_the_screen(keys):
    """The text after all keys: a letter is put on top of a stack, ⌫ takes the top one off."""
    stack: list[str] = []
    for key in keys:
        if key != "⌫":
            stack.append(key)
        elif stack:
            stack.pop()
    return "".join(stack)


# -- 0.2 ---------------------------------------------------------------------------------------------------------


def _keyboard(rng: np.random.Generator) -> dict[str, Any]:
    num_keys = int(rng.integers(2, 9))
    noise = float(rng.choice([0.0, rng.uniform(0.05, 0.95)], p=[0.1, 0.9]))
    return {"pressed": int(rng.integers(num_keys)), "num_keys": num_keys, "noise": noise}


def _spread(pressed, num_keys, right, other):
    chances = np.full(num_keys, other)
    chances[pressed] = right
    return chances


def slip_may_stay(pressed, num_keys, noise):
    """When your keyboard slips, it may still hit the right key. A slip means *another* key: how many are there?"""
    return _spread(pressed, num_keys, 1 - noise + noise / num_keys, noise / num_keys)


def shared_by_all_keys(pressed, num_keys, noise):
    """Your chances do not sum to 1: the slip is shared by all keys, one of which gets nothing of it. By how many
    should you divide?"""
    return _spread(pressed, num_keys, 1 - noise, noise / num_keys)


def every_slip_full(pressed, num_keys, noise):
    """Each wrong key has the chance of the whole slip. Several of them share it."""
    return _spread(pressed, num_keys, 1 - noise, noise)


def right_and_wrong_swapped(pressed, num_keys, noise):
    """Your keyboard slips most of the time. `noise` is the chance of a slip, not of a hit."""
    return _spread(pressed, num_keys, noise, (1 - noise) / (num_keys - 1))


def slips_lost(pressed, num_keys, noise):
    """Your chances sum to less than 1. Where does the letter go when the keyboard slips?"""
    return _spread(pressed, num_keys, 1 - noise, 0.0)


def noise_without_effect(pressed, num_keys, noise):
    """Your keyboard never slips. What should `noise` change?"""
    return _spread(pressed, num_keys, 1.0, 0.0)


def next_key_hit(pressed, num_keys, noise):
    """Your keyboard slips to one neighbour only. A slip goes to *any* other key, each equally likely."""
    chances = _spread(pressed, num_keys, 1 - noise, 0.0)
    chances[(pressed + 1) % num_keys] = noise
    return chances


def counted_from_one(pressed, num_keys, noise):
    """The right chance stands at the wrong key. Keys are numbered from 0, as Python counts."""
    return np.roll(_spread(pressed, num_keys, 1 - noise, noise / (num_keys - 1)), -1)


def every_key_alike(pressed, num_keys, noise):
    """Every letter is equally likely in your answer, whatever she presses. What difference should her key make?"""
    return np.full(num_keys, 1 / num_keys)


def both_neighbours_hit(pressed, num_keys, noise):
    """Your slips go to the two keys next to hers, as fingers do. Which keys can *this* keyboard slip to?"""
    chances = _spread(pressed, num_keys, 1 - noise, 0.0)
    for neighbour in (pressed - 1, (pressed + 1) % num_keys):  # one and the same if there are two keys
        chances[neighbour] += noise / 2
    return chances


def slips_on_top(pressed, num_keys, noise):
    """Your chances sum to more than 1: the slips come on top of a certain hit. Which key do they take their chance
    from?"""
    return _spread(pressed, num_keys, 1.0, noise / (num_keys - 1))


def slip_on_top_of_the_hit(pressed, num_keys, noise):
    """Your chances sum to more than 1: the key that she presses has the chance of a hit, and that of one slip besides.
    Is its entry set, or added to what was there?"""
    return _spread(pressed, num_keys, 1 - noise + noise / (num_keys - 1), noise / (num_keys - 1))


def hit_left_out(pressed, num_keys, noise):
    """Your slips are right, and the key that she presses never works. How often does it?"""
    return _spread(pressed, num_keys, 0.0, noise / (num_keys - 1))


def slip_for_certain(pressed, num_keys, noise):
    """This is what appears *when* the keyboard slips. How often does it slip, and what happens otherwise?"""
    return _spread(pressed, num_keys, 0.0, 1 / (num_keys - 1))


def pressed_key_put_first(pressed, num_keys, noise):
    """The chances are the right ones, but the first is always that of a hit. At which place does the key `pressed`
    stand?"""
    return _spread(0, num_keys, 1 - noise, noise / (num_keys - 1))


def one_letter_drawn(returned, pressed, num_keys, noise):
    """You return one letter that may appear, drawn by chance. If she pressed this key a million times, how would the
    letters be shared out?"""
    return bool(np.array_equal(np.sort(returned), np.eye(num_keys)[-1]))


def wrong_for_key_zero(returned, pressed, num_keys, noise):
    """You are right for every key but number 0. To Python 0 counts as false: where does your code ask whether there is
    a key, and not which?"""
    return pressed == 0


@exercise(
    "0.2",
    draw=_keyboard,
    inputs="random keyboards",
    mistakes=[
        slip_may_stay,
        shared_by_all_keys,
        every_slip_full,
        right_and_wrong_swapped,
        slips_lost,
        noise_without_effect,
        next_key_hit,
        counted_from_one,
        every_key_alike,
        both_neighbours_hit,
        slips_on_top,
        slip_on_top_of_the_hit,
        hit_left_out,
        slip_for_certain,
        pressed_key_put_first,
    ],
    signs=[one_letter_drawn, wrong_for_key_zero],
)
def what_the_keyboard_types(pressed, num_keys, noise):
    """1-η for the key pressed, η/(K-1) for each other one."""
    return _spread(pressed, num_keys, 1 - noise, noise / (num_keys - 1))
