"""Answers to notebooks/00_start_here.ipynb, written from its text alone: right ones of many kinds, and wrong ones that
students give."""

import functools
import re

import numpy as np
import torch

# Exercise 0.1, right


def screen_on_a_stack(keys):
    letters = []
    for key in keys:
        if key != "⌫":
            letters.append(key)
        elif letters:
            letters.pop()
    return "".join(letters)


def screen_by_slices(keys):
    text = ""
    for key in keys:
        text = text[:-1] if key == "⌫" else text + key
    return text


def screen_by_recursion(keys):
    if not keys:
        return ""
    before = screen_by_recursion(keys[:-1])
    return before[:-1] if keys[-1] == "⌫" else before + keys[-1]


def screen_by_reduce(keys):
    return functools.reduce(lambda text, key: text[:-1] if key == "⌫" else text + key, keys, "")


def screen_by_patterns(keys):
    while "⌫" in keys:
        keys = re.sub("^⌫+", "", keys)
        keys = re.sub("[^⌫]⌫", "", keys, count=1)
    return keys


def screen_read_from_the_right(keys):
    kept, to_delete = "", 0
    for key in reversed(keys):
        if key == "⌫":
            to_delete += 1
        elif to_delete:
            to_delete -= 1
        else:
            kept = key + kept
    return kept


def screen_with_the_sign_added_first(keys):
    text = ""
    for key in keys:
        text += key
        if key == "⌫":
            text = text[:-2]
    return text


# Exercise 0.1, wrong


def screen_without_the_deletions(keys):
    return keys.replace("⌫", "")


def screen_as_pressed(keys):
    return keys


def screen_with_the_first_letter_deleted(keys):
    text = ""
    for key in keys:
        text = text[1:] if key == "⌫" else text + key
    return text


def screen_cleared(keys):
    text = ""
    for key in keys:
        text = "" if key == "⌫" else text + key
    return text


def screen_with_the_next_letter_deleted(keys):
    return re.sub("⌫.?", "", keys)


def screen_by_one_pattern(keys):
    return re.sub("[^⌫]⌫", "", keys).replace("⌫", "")


def screen_by_one_pattern_with_rests(keys):
    return re.sub("[^⌫]⌫", "", keys)


def screen_by_one_pattern_for_any_key(keys):
    return re.sub(".⌫", "", keys)


def screen_with_debts(keys):
    text, owed = "", 0
    for key in keys:
        if key == "⌫" and text:
            text = text[:-1]
        elif key == "⌫":
            owed += 1
        elif owed:
            owed -= 1
        else:
            text += key
    return text


def screen_cut_at_the_end(keys):
    typed = keys.replace("⌫", "")
    return typed[: max(0, len(typed) - keys.count("⌫"))]


def screen_cut_below_zero(keys):
    typed = keys.replace("⌫", "")
    return typed[: len(typed) - keys.count("⌫")]


def screen_with_every_such_letter_deleted(keys):
    text = ""
    for key in keys:
        if key != "⌫":
            text += key
        elif text:
            text = text.replace(text[-1], "")
    return text


def screen_reversed(keys):
    return screen_by_slices(keys)[::-1]


def screen_up_to_the_first_deletion(keys):
    text = ""
    for key in keys:
        if key == "⌫":
            return text[:-1]
        text += key
    return text


def screen_with_both_deleted_and_sign_kept(keys):
    text = ""
    for key in keys:
        if key == "⌫":
            text = text[:-1]
        text += key
    return text


def screen_with_one_next_letter_deleted(keys):
    text, deleting = "", False
    for key in keys:
        if key == "⌫":
            deleting = True
        elif deleting:
            deleting = False
        else:
            text += key
    return text


def screen_with_the_sign_added_when_empty(keys):
    text = ""
    for key in keys:
        if key == "⌫" and text:
            text = text[:-1]
        else:
            text += key
    return text


def screen_with_equal_letters_stripped(keys):
    text = ""
    for key in keys:
        if key != "⌫":
            text += key
        elif text:
            text = text.rstrip(text[-1])
    return text


def screen_without_the_last_key(keys):
    text = ""
    for place in range(len(keys) - 1):
        text = text[:-1] if keys[place] == "⌫" else text + keys[place]
    return text


def screen_that_keeps_one_letter(keys):
    letters = []
    for key in keys:
        if key != "⌫":
            letters.append(key)
        elif len(letters) > 1:
            letters.pop()
    return "".join(letters)


def screen_after_one_key(keys):
    text = ""
    for key in keys:
        if key == "⌫":
            text = text[:-1]
        else:
            text += key
        return text
    return text


def screen_of_small_letters(keys):
    while re.search("[a-z]⌫", keys):
        keys = re.sub("[a-z]⌫", "", keys)
    return keys.replace("⌫", "")


def screen_with_a_cursor_before_the_start(keys):
    letters, cursor = [""] * len(keys), 0
    for key in keys:
        if key == "⌫":
            cursor -= 1
        else:
            letters[cursor] = key
            cursor += 1
    return "".join(letters[:cursor])


# Exercise 0.2, right


def typed_with_a_loop(pressed, num_keys, noise):
    chances = np.zeros(num_keys)
    for key in range(num_keys):
        chances[key] = 1 - noise if key == pressed else noise / (num_keys - 1)
    return chances


def typed_by_filling(pressed, num_keys, noise):
    chances = np.full(num_keys, noise / (num_keys - 1))
    chances[pressed] = 1 - noise
    return chances


def typed_in_torch(pressed, num_keys, noise):
    others = torch.ones(num_keys, dtype=torch.float64)
    others[pressed] = 0
    return (1 - noise) * (1 - others) + noise * others / others.sum()


def typed_in_torch_float32(pressed, num_keys, noise):
    return torch.full((num_keys,), noise / (num_keys - 1)).scatter(0, torch.tensor([pressed]), 1 - noise)


def typed_as_a_list(pressed, num_keys, noise):
    slip = noise / (num_keys - 1)
    return [slip] * pressed + [1 - noise] + [slip] * (num_keys - 1 - pressed)


def typed_from_the_whole_keyboard(pressed, num_keys, noise):
    same = np.eye(num_keys)
    return ((1 - noise) * same + noise / (num_keys - 1) * (1 - same))[pressed]


def typed_with_a_larger_share_for_all(pressed, num_keys, noise):
    share = noise * num_keys / (num_keys - 1)
    return (1 - share) * np.eye(num_keys)[pressed] + share / num_keys


# Exercise 0.2, wrong


def typed_with_slips_onto_every_key(pressed, num_keys, noise):
    return (1 - noise) * np.eye(num_keys)[pressed] + noise / num_keys


def typed_with_slips_shared_by_too_many(pressed, num_keys, noise):
    chances = np.full(num_keys, noise / num_keys)
    chances[pressed] = 1 - noise
    return chances


def typed_without_slips(pressed, num_keys, noise):
    return np.eye(num_keys)[pressed]


def typed_with_the_whole_slip_on_each(pressed, num_keys, noise):
    chances = np.full(num_keys, float(noise))
    chances[pressed] = 1 - noise
    return chances


def typed_with_noise_and_its_rest_swapped(pressed, num_keys, noise):
    return typed_by_filling(pressed, num_keys, 1 - noise)


def typed_evenly(pressed, num_keys, noise):
    return np.full(num_keys, 1 / num_keys)


def typed_on_the_next_key(pressed, num_keys, noise):
    chances = np.zeros(num_keys)
    chances[pressed] = 1 - noise
    chances[(pressed + 1) % num_keys] += noise
    return chances


def typed_on_both_neighbours(pressed, num_keys, noise):
    chances = np.zeros(num_keys)
    chances[pressed] = 1 - noise
    chances[(pressed + 1) % num_keys] += noise / 2
    chances[(pressed - 1) % num_keys] += noise / 2
    return chances


def typed_counting_from_one(pressed, num_keys, noise):
    return typed_by_filling(pressed - 1, num_keys, noise)


def typed_with_certainty_and_slips(pressed, num_keys, noise):
    chances = np.full(num_keys, noise / (num_keys - 1))
    chances[pressed] = 1
    return chances


def typed_only_by_slips(pressed, num_keys, noise):
    chances = np.full(num_keys, noise / (num_keys - 1))
    chances[pressed] = 0
    return chances


def typed_given_a_slip(pressed, num_keys, noise):
    chances = np.full(num_keys, 1 / (num_keys - 1))
    chances[pressed] = 0
    return chances


def typed_once(pressed, num_keys, noise):
    rng = np.random.default_rng()
    return np.eye(num_keys)[rng.choice(num_keys, p=typed_by_filling(pressed, num_keys, noise))]


def typed_without_the_pressed_key(pressed, num_keys, noise):
    return [1 - noise] + [noise / (num_keys - 1)] * (num_keys - 1)


def typed_forgetting_key_zero(pressed, num_keys, noise):
    chances = np.full(num_keys, noise / (num_keys - 1))
    if pressed:
        chances[pressed] = 1 - noise
    return chances


def typed_with_the_hit_added(pressed, num_keys, noise):
    chances = np.full(num_keys, noise / (num_keys - 1))
    chances[pressed] += 1 - noise
    return chances


RIGHT = {
    "what_stands_on_the_screen": [
        screen_on_a_stack,
        screen_by_slices,
        screen_by_recursion,
        screen_by_reduce,
        screen_by_patterns,
        screen_read_from_the_right,
        screen_with_the_sign_added_first,
    ],
    "what_the_keyboard_types": [
        typed_with_a_loop,
        typed_by_filling,
        typed_in_torch,
        typed_in_torch_float32,
        typed_as_a_list,
        typed_from_the_whole_keyboard,
        typed_with_a_larger_share_for_all,
    ],
}
WRONG = {  # answer → the mistake whose hint it must be told
    "what_stands_on_the_screen": {
        screen_without_the_deletions: "nothing_deleted",
        screen_as_pressed: "sign_stays",
        screen_with_the_first_letter_deleted: "deletes_at_the_front",
        screen_cleared: "clears_the_screen",
        screen_with_the_next_letter_deleted: "deletes_forward",
        screen_by_one_pattern: "pairs_found_once",
        screen_by_one_pattern_with_rests: "pairs_found_once_and_signs_left",
        screen_by_one_pattern_for_any_key: "sign_deleted_as_a_letter",
        screen_with_debts: "deletion_owed",
        screen_cut_at_the_end: "only_counted",
        screen_cut_below_zero: "only_counted",
        screen_with_every_such_letter_deleted: "every_such_letter_deleted",
        screen_reversed: "last_letter_first",
        screen_up_to_the_first_deletion: "stopped_at_the_first_deletion",
        screen_with_both_deleted_and_sign_kept: "deleted_and_sign_stays",
        screen_with_one_next_letter_deleted: "deletes_forward",
        screen_with_the_sign_added_when_empty: "sign_on_an_empty_screen",
        screen_with_equal_letters_stripped: "equal_letters_deleted_together",
        screen_without_the_last_key: "a_key_not_read",
        screen_that_keeps_one_letter: "one_letter_kept",
        screen_after_one_key: "stopped_after_one_key",
        screen_of_small_letters: "some_letters_stay",
        screen_with_a_cursor_before_the_start: "wrong_on_an_empty_screen",
    },
    "what_the_keyboard_types": {
        typed_with_slips_onto_every_key: "slip_may_stay",
        typed_with_slips_shared_by_too_many: "shared_by_all_keys",
        typed_without_slips: "noise_without_effect",
        typed_with_the_whole_slip_on_each: "every_slip_full",
        typed_with_noise_and_its_rest_swapped: "right_and_wrong_swapped",
        typed_evenly: "every_key_alike",
        typed_on_the_next_key: "next_key_hit",
        typed_on_both_neighbours: "both_neighbours_hit",
        typed_counting_from_one: "counted_from_one",
        typed_with_certainty_and_slips: "slips_on_top",
        typed_only_by_slips: "hit_left_out",
        typed_given_a_slip: "slip_for_certain",
        typed_once: "one_letter_drawn",
        typed_without_the_pressed_key: "pressed_key_put_first",
        typed_forgetting_key_zero: "wrong_for_key_zero",
        typed_with_the_hit_added: "slip_on_top_of_the_hit",
    },
}
