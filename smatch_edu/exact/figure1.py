"""The paper's Figure 1 as a lumped Markov chain: how often a text is off the data after t keypresses.

On the data, each next token is wrong with probability ε. Off the data the model has nothing to imitate, so whatever it
types next stays off; only `<backspace>`, pressed with probability r, takes a token back. All that matters of a text is
how many tokens must be deleted before it is on the data again, so the tree of texts lumps to a walk on 0, 1, 2, ...

    >>> Figure1Chain(error=0.1, horizon=100).out_of_distribution()[[1, 10, 100]].round(3)
    array([0.1  , 0.651, 1.   ])
    >>> Figure1Chain(error=0.1, recovery=0.9, horizon=100).out_of_distribution()[[1, 10, 100]].round(3)
    array([0.1  , 0.111, 0.111])

Without backspace errors compound, 1-(1-ε)^t; with r > 1/2 they level off at ε/(ε+2r-1), however long the text.

Built by hand in notebooks/01_figure_1.ipynb. Source: Cundy & Ermon 2023, Figure 1; the lumped chain and
its closed form are this project's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import scipy
from jaxtyping import Float, Int


@dataclass(frozen=True, kw_only=True)
class Figure1Chain:
    """A text that starts on the data, one key per step.

    States: 0 = on the data, n = off it by n tokens (n = 1..horizon), horizon+1 = finished. On the data the text ends
    with probability `finish`; if it goes on, the next token is wrong with probability `error`. Off the data by n,
    `<backspace>` leads to n-1 with probability `recovery`, and any other key is one more token on top: n+1.

    Attributes:
        error: ε in [0, 1].
        recovery: r in [0, 1]; 0 is a keyboard without backspace.
        horizon: number of steps, at least 1.
        finish: probability in [0, 1] that a text on the data ends at this step. A text off the data does not end.

    Raises:
        ValueError: an attribute is outside its range.
    """

    error: float
    recovery: float = 0.0
    horizon: int
    finish: float = 0.0

    def __post_init__(self) -> None:
        for name in ("error", "recovery", "finish"):
            probability = getattr(self, name)
            if not (isinstance(probability, Real) and 0 <= float(probability) <= 1):
                raise ValueError(f"{name} is {probability!r}; it must be a probability, a number in [0, 1]")
        check_count("horizon", self.horizon)

    @property
    def leave(self) -> float:
        """P(0 → 1): the text goes on, with a wrong token."""
        return self.error * (1 - self.finish)

    @property
    def stay(self) -> float:
        """P(0 → 0): the text goes on, with a right token."""
        return (1 - self.error) * (1 - self.finish)

    # -- the matrix ----------------------------------------------------------------------------------------------

    def transition_matrix(self) -> Float[np.ndarray, "states states"]:
        """P(next state | state), shape (horizon+2, horizon+2).

        Off the data by `horizon` tokens there is no state for one more, and typing leads to `finished`. That never
        matters: that state is reached at the last step or not at all. Powers beyond `horizon` and the stationary
        distribution do see it, and are not those of the endless chain (`level` is).
        """
        matrix = np.zeros((self.horizon + 2, self.horizon + 2))
        matrix[0, [0, 1]] = self.stay, self.leave
        matrix[0, -1] = self.finish
        off = np.arange(1, self.horizon + 1)
        matrix[off, off - 1] = self.recovery
        matrix[off, off + 1] = 1 - self.recovery
        matrix[-1, -1] = 1
        return matrix

    def distributions(self) -> Float[np.ndarray, "time states"]:
        """P(state at step t), t = 0..horizon: row 0 is on the data, and each row is the one before times the matrix."""
        matrix = self.transition_matrix()
        rows = [np.eye(self.horizon + 2)[0]]
        for _ in range(self.horizon):
            rows.append(rows[-1] @ matrix)
        return np.stack(rows)

    # -- closed forms --------------------------------------------------------------------------------------------

    def on_the_data(self) -> Float[np.ndarray, " time"]:
        """P(on the data at step t), t = 0..horizon, in closed form.

        A path that is at 0 at step t stayed there n times and made k excursions, in any order. An excursion is one step
        away and a walk home from 1; the k walks home take 2m-k steps together, m of them backspaces, so t = n + 2m and

            P(on at t) = Σ_{n+2m=t} Σ_k  C(n+k, k) stay^n leave^k  ·  B(m, k) r^m (1-r)^(m-k)
            B(m, k) = k/(2m-k) C(2m-k, m),  B(0, 0) = 1

        B counts the ways to stand k lower after 2m-k steps and not sooner: by the hitting-time theorem, the share
        k/(2m-k) of all ways to stand there. All terms are ≥ 0, so nothing cancels.
        """
        orders = binomial_terms(self.horizon + self.horizon // 2, self.stay, self.leave)
        home = self._walks_home()
        stays, excursions = np.ogrid[: self.horizon + 1, : len(home)]
        paths = orders[stays + excursions, excursions] @ home.T  # (stays, half_lengths)
        on = np.zeros(self.horizon + 1)
        for half_length in range(len(home)):
            on[2 * half_length :] += paths[: self.horizon + 1 - 2 * half_length, half_length]
        return on

    def _walks_home(self) -> Float[np.ndarray, "half_lengths excursions"]:
        """B(m, k) r^m (1-r)^(m-k) for m and k up to horizon/2: P(k walks from 1 to 0 take 2m-k steps together)."""
        walks = binomial_terms(self.horizon, 1 - self.recovery, self.recovery)
        half_lengths, excursions = np.ogrid[: self.horizon // 2 + 1, : self.horizon // 2 + 1]
        steps = np.maximum(2 * half_lengths - excursions, 1)
        home = np.where(excursions <= half_lengths, excursions / steps * walks[steps, half_lengths], 0)
        home[0, 0] = 1
        return home

    def out_of_distribution(self) -> Float[np.ndarray, " time"]:
        """P(off the data at step t), t = 0..horizon, in closed form.

        A text off the data left it for the last time after some step s < t, and has not come home since:

            P(off at t) = leave Σ_{s<t} P(on at s) P(the walk home from 1 takes more than t-1-s steps)

        That is 1 - P(on at t) - finish Σ_{s<t} P(on at s), without the cancellation when ε is tiny. More errors need
        not mean more texts off the data: at ε = r = 1, none is after an even number of steps.
        """
        if self.recovery == 0 and self.finish == 0:
            return self.compounding_error()  # to the last digit: the sum below starts from a rounded 1-ε
        arrives = np.zeros(self.horizon)  # P(the walk home from 1 takes exactly i steps); i is odd
        arrives[1::2] = self._walks_home()[1:, 1:2].ravel()
        still_out = 1 - np.cumsum(arrives)
        off = self.leave * np.convolve(self.on_the_data()[:-1], still_out)[: self.horizon]
        return np.clip(np.append(0, off), 0, 1)

    def compounding_error(self) -> Float[np.ndarray, " time"]:
        """1 - (1-ε)^t, t = 0..horizon: P(off the data at t) for this ε with neither backspace nor an end."""
        return 0 - np.expm1(
            scipy.special.xlog1py(np.arange(self.horizon + 1), -self.error)
        )  # a bare minus would make -0.0 of 0.0

    def level(self) -> float:
        """The limit of P(off the data at t) as t grows, whatever `horizon` is.

        For r > 1/2 the walk is pulled home. In the stationary distribution as much leaves 0 as comes back, and each
        token further off is (1-r)/r times as likely, so P(off)/P(on) = ε/(2r-1) and the level is ε/(ε+2r-1). At ε = 1
        every odd step is off the data, there is no limit, and this is the average over time. For r ≤ 1/2 the level is 1
        if ε > 0: the walk drifts away or, at r = 1/2, takes ever longer to come home.

        With finish > 0 every text ends unless it is lost. Once off, that has probability lost = (1-2r)/(1-r), or 0 if
        r ≥ 1/2, and the level is leave·lost / (finish + leave·lost).
        """
        if self.error == 0:
            return 0.0
        if self.finish == 0:
            return float(self.error / (self.error + max(0.0, 2 * self.recovery - 1)))
        lost = (1 - 2 * self.recovery) / (1 - self.recovery) if self.recovery < 0.5 else 0.0
        return float(self.leave * lost / (self.finish + self.leave * lost))

    # -- simulation ----------------------------------------------------------------------------------------------

    def simulate(self, num_sequences: int, seed: int) -> Float[np.ndarray, " time"]:
        """The share of simulated texts that are off the data at step t, t = 0..horizon.

        An estimate of `out_of_distribution`, p, with standard error √(p(1-p)/num_sequences). The texts are those of
        `simulate_paths`, but are not kept. ValueError if num_sequences is not a whole number of at least 1.
        """
        return np.array([(depth > 0).mean() for depth in self._type(num_sequences, seed)])

    def simulate_paths(self, num_sequences: int, seed: int) -> Int[np.ndarray, "sequences time"]:
        """How many tokens off the data each simulated text is at step t, t = 0..horizon; -1 once it has finished."""
        return np.stack(list(self._type(num_sequences, seed)), axis=1)

    def _type(self, num_sequences: int, seed: int) -> Iterator[Int[np.ndarray, " sequences"]]:
        """Start every text, then press one key in each, `horizon` times; yields how far off the data they are."""
        check_count("num_sequences", num_sequences)
        rng = np.random.default_rng(seed)
        depth = np.zeros(num_sequences, dtype=np.int64)
        yield depth
        for _ in range(self.horizon):
            ends, wrong, backspace = rng.random((3, num_sequences)) < [[self.finish], [self.error], [self.recovery]]
            on_data = np.where(ends, -1, np.where(wrong, 1, 0))
            off_data = np.where(backspace, depth - 1, depth + 1)
            depth = np.select([depth == 0, depth > 0], [on_data, off_data], default=-1)
            yield depth


def binomial_terms(num_steps: int, first: float, second: float) -> Float[np.ndarray, "steps seconds"]:
    """C(n, k) first^(n-k) second^k for n, k = 0..num_steps, by Pascal's rule: no factorial, so nothing overflows."""
    terms = np.zeros((num_steps + 1, num_steps + 1))
    terms[0, 0] = 1
    for n in range(num_steps):
        terms[n + 1] = first * terms[n]
        terms[n + 1, 1:] += second * terms[n, :-1]
    return terms


def check_count(name: str, count: Any) -> None:
    """Raise a ValueError unless `count` is a whole number of at least 1."""
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise ValueError(f"{name} is {count!r}; it must be a whole number, at least 1")
