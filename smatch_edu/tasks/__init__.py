"""What a model learns to write: prompts, their right answers, and the mistakes that one makes there.

>>> task = get_task("arithmetic", family="addition")
>>> example = task.split("train")[0]
>>> task.show(example.prompt), task.show(example.answer)
('491+893=', '1384')

task         what every task can do: give examples, score answers
arithmetic   sums in several bases, answered digit by digit
keyboard     real words; a finger slips to a neighbouring key
"""

import dataclasses
from typing import Any

from smatch_edu.support.errors import nearest
from smatch_edu.tasks.arithmetic import Arithmetic
from smatch_edu.tasks.keyboard import Keyboard
from smatch_edu.tasks.task import Example, Task

__all__ = ["Arithmetic", "Example", "Keyboard", "Task", "get_task"]


def get_task(name: str, **options: Any) -> Task:
    """The task of that name: "arithmetic" or "keyboard".

    Args:
        options: the fields of `Arithmetic` or `Keyboard`.

    Raises:
        ValueError: an unknown name or option (with the nearest known one), or an option out of range.
    """
    known: dict[str, type[Arithmetic | Keyboard]] = {"arithmetic": Arithmetic, "keyboard": Keyboard}
    if name not in list(known):
        raise nearest(name, known, "task")
    fields = [field.name for field in dataclasses.fields(known[name])]
    for option in options:
        if option not in fields:
            raise nearest(option, fields, f"option of the task {name!r}")
    return known[name](**options)
