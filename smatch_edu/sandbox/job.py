"""What is asked of a process: a function and the notebook around it, within limits; and how it may end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What an answer may use. The same numbers hold for all its cases together.

    Attributes:
        seconds: of a processor, the start of Python included; by the clock, which other programs delay, three times as
            many.
        memory: bytes.
        threads: with processes, where any can be started.
        disk: bytes in its own folder.
        files: open at once.
    """

    seconds: float = 10.0
    memory: int = 2 << 30
    threads: int = 64
    disk: int = 16 << 20
    files: int = 64

    @property
    def by_the_clock(self) -> float:
        """Seconds after which also somebody who only sleeps has to go."""
        return 3 * self.seconds


LIMITS = Limits()


@dataclass(frozen=True)
class Job:
    """A function, and the notebook around it.

    Attributes:
        function: its name.
        answer: the text of its cell.
        groups: (file name, cells) where it finds the names that it uses, the most likely place first.
        modules: that its inputs need, such as torch for tensors.
    """

    function: str
    answer: str
    groups: Sequence[tuple[str, Sequence[str]]] = ()
    modules: Sequence[str] = ()


class Ended(Exception):  # noqa: N818, it is no error of ours
    """The process came to no result; says why, to whoever wrote the function. `todo`: the stub is still there."""

    def __init__(self, reason: str, todo: bool = False) -> None:
        super().__init__(reason)
        self.todo = todo
