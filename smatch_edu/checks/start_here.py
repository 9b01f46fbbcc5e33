"""The exercises of notebooks/00_start_here.ipynb."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from smatch_edu.checks.exercise import exercise

# -- 0.1 ---------------------------------------------------------------------------------------------------------


def _keys(rng: np.random.Generator) -> dict[str, Any]:
    return {"keys": "".join(rng.choice(list("the⌫⌫"), size=rng.integers(0, 13)))}


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


def deletes_forward(keys):
    """Your ⌫ swallows the letter typed after it. When it is pressed that letter is not there yet, is it?"""
    return re.sub("⌫.", "", keys).replace("⌫", "")


def pairs_found_once(keys):
    """You take away each letter that stands directly before a ⌫. What do two ⌫ in a row do?"""
    return re.sub("[^⌫]⌫", "", keys).replace("⌫", "")


def clears_the_screen(keys):
    """Your ⌫ clears the whole screen. How much does one press take back?"""
    return keys.rpartition("⌫")[2]


def only_counted(keys):
    """You count the ⌫ and cut as many letters off the end of everything that was typed. But what was typed *after* a
    ⌫ was not there to be deleted. Can you go through the keys one after the other?"""
    letters = keys.replace("⌫", "")
    return letters[: max(0, len(letters) - keys.count("⌫"))]


@exercise(
    "0.1",
    draw=_keys,
    inputs="random rows of keys",
    mistakes=[
        sign_stays,
        nothing_deleted,
        deletes_at_the_front,
        deletes_forward,
        pairs_found_once,
        clears_the_screen,
        only_counted,
    ],
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
    num_keys = int(rng.integers(3, 9))
    return {
        "pressed": int(rng.integers(num_keys)),
        "num_keys": num_keys,
        "noise": float(rng.uniform(0.05, 0.45)),
    }


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
    ],
)
def what_the_keyboard_types(pressed, num_keys, noise):
    """1-η for the key pressed, η/(K-1) for each other one."""
    return _spread(pressed, num_keys, 1 - noise, noise / (num_keys - 1))
