"""The main job: real words, a noisy keyboard, and typists trained exactly, with and without `<backspace>`.

Everything here is computed, nothing sampled but the typing shown at the end: occupancies by two sweeps over all
texts, optima with a certificate. `smatch walkthrough` runs it, prints one table and writes one page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from smatch_edu.configs.walkthrough import WalkthroughConfig
from smatch_edu.exact.divergences import DIVERGENCES
from smatch_edu.exact.mdp import StringMDP
from smatch_edu.exact.tabular import maximise_objective
from smatch_edu.support.arrays import one_thread
from smatch_edu.support.progress import Progress
from smatch_edu.support.tables import number, percent, text_table
from smatch_edu.text.vocabulary import Vocabulary, Words

METHODS = ("mle", "js", "chi2_mixture", "skew_kl")
TITLES = {"mle": "maximum likelihood", **{name: DIVERGENCES[name].title for name in METHODS[1:]}}
NOT_CONVERGED = "(!)"
ALWAYS_SHOWN = ("chi2", "reverse_kl")  # infinite wherever noise puts mass off the data


@dataclass(frozen=True)
class Result:
    """One typist, trained one way on one keyboard. Probabilities and divergences are exact.

    Attributes:
        noise, backspace, method: what was trained.
        real_word: P(the finished word is a real one), without discount.
        out_of_distribution: occupancy of the texts that begin no word.
        divergence: the one that the method minimises (forward KL for maximum likelihood).
        others: the divergences of `ALWAYS_SHOWN`.
        backspace_helps: P(backspace) off the data, where it helps; NaN if the typist is never there.
        backspace_hurts: P(backspace) on the data, where it does not.
        gap: certified distance from the optimum; 0 for maximum likelihood, which is a count.
        converged: whether the solver came to the optimum; if not, the row is that of some typist, and marked.
        occupancy_by_length: (2, max_length + 1): on and off the data, by letters on the screen.
        policy: (states, actions).
    """

    noise: float
    backspace: bool
    method: str
    real_word: float
    out_of_distribution: float
    divergence: float
    others: tuple[float, ...]
    backspace_helps: float
    backspace_hurts: float
    gap: float
    converged: bool
    occupancy_by_length: np.ndarray = field(repr=False)
    policy: np.ndarray = field(repr=False)


@one_thread()
def walkthrough(config: WalkthroughConfig, words: Words, vocabulary: Vocabulary) -> list[Result]:
    """Train every typist, showing how far it has come, and print the table."""
    jobs = [(noise, backspace, method) for noise in config.noise for backspace in (False, True) for method in METHODS]
    keyboards = [StringMDP(len(vocabulary), config.max_length, True, noise) for noise in config.noise]
    print(
        f"{len(words.words):,} words of up to {config.max_length} letters; {keyboards[0].absorbing:,} texts are the "
        "states; "
        f"γ = {config.gamma}, α = {config.alpha}"
    )
    results = []
    with Progress(len(jobs), "training", "typist") as progress:
        for noise, backspace, method in jobs:
            progress.now(f"η={noise:g} {'⌫ ' if backspace else ''}{TITLES[method]}")
            results.append(train(words, vocabulary, noise, backspace, method, config))
            progress.advance()
    header, rows = table(results)
    print(text_table(header, rows))
    print("\n".join(f"  {name}: {meaning}" for name, meaning in LEGEND.items()))
    print(certificate(results))
    return results


def certificate(results: Sequence[Result]) -> str:
    """What is proved about the rows, in a sentence."""
    failed = [result for result in results if not result.converged]
    worst = max((result.gap for result in results if result.converged), default=0.0)
    proved = f"no typist of its kind is better by more than {max(worst, 1e-12):.0e} (duality gap)."
    if not failed:
        return f"Every optimum is certified: {proved}"
    farthest = max(result.gap for result in failed)
    return (
        f"{len(failed)} of {len(results)} typists, marked {NOT_CONVERGED}, are NOT at their optimum: others of their "
        f"kind may be better by up to {farthest:.1g}. Of the rest each is certified: {proved}"
    )


def train(
    words: Words, vocabulary: Vocabulary, noise: float, backspace: bool, method: str, config: WalkthroughConfig
) -> Result:
    """One typist: clean demonstrations of the words, learned for a keyboard that slips."""
    mdp = StringMDP(len(vocabulary), config.max_length, backspace, noise)
    clean = mdp.without_noise()
    sequences = [vocabulary.encode(word) for word in words.words]
    demonstrator = clean.demonstrator(sequences, words.counts)
    expert = clean.occupancy(demonstrator, config.gamma)
    if method == "mle":  # its maximum is the demonstrator, in closed form: the conditional frequencies
        policy, gap, converged, own = demonstrator, 0.0, True, "forward_kl"
    else:
        solution = maximise_objective(mdp, expert, method, config.gamma, config.alpha)
        policy, gap, converged, own = solution.policy, solution.gap, solution.converged, method

    found = measure_typist(mdp, policy, sequences, expert, config.gamma)
    on_data = expert[: mdp.num_texts].sum(axis=1) > 0
    visits = found.occupancy[: mdp.num_texts].sum(axis=1)
    starts = np.cumsum([0, *mdp.level_sizes[:-1]])
    return Result(
        noise=noise,
        backspace=backspace,
        method=method,
        real_word=found.real_word,
        out_of_distribution=found.off_data,
        divergence=DIVERGENCES[own](found.occupancy, expert),
        others=tuple(DIVERGENCES[name](found.occupancy, expert) for name in ALWAYS_SHOWN),
        backspace_helps=found.backspace_off,
        backspace_hurts=found.backspace_on,
        gap=gap,
        converged=converged,
        occupancy_by_length=np.stack(
            [np.add.reduceat(visits * on_data, starts), np.add.reduceat(visits * ~on_data, starts)]
        ),
        policy=policy,
    )


class Typist(NamedTuple):
    """What a policy does on a keyboard, exactly.

    Attributes:
        real_word: P(the finished word is a real one), without discount.
        off_data: out-of-distribution occupancy, of the texts that the expert never passes.
        backspace_off, backspace_on: P(`<backspace>`) off the data, and on it where there is something to delete; NaN if
            the typist is never there.
        occupancy: (states, actions).
    """

    real_word: float
    off_data: float
    backspace_off: float
    backspace_on: float
    occupancy: np.ndarray


def measure_typist(
    mdp: StringMDP, policy: np.ndarray, words: Sequence[Sequence[int]], expert: np.ndarray, gamma: float
) -> Typist:
    """Everything about a policy that needs no sampling.

    Args:
        words: the real ones, as ids.
        expert: occupancy of the demonstrations.
    """
    occupancy = mdp.occupancy(policy, gamma)
    visits = occupancy[: mdp.num_texts].sum(axis=1)
    on_data = expert[: mdp.num_texts].sum(axis=1) > 0
    is_word = np.zeros(mdp.num_texts, dtype=bool)
    is_word[[mdp.index(word) for word in words]] = True
    deletes = occupancy[: mdp.num_texts, -1] if mdp.backspace else np.zeros_like(visits)
    deletable = np.arange(mdp.num_texts) > 0
    return Typist(
        real_word=float(mdp.finished(policy)[is_word].sum()),
        off_data=float(visits[~on_data].sum()),
        backspace_off=share(deletes[~on_data], visits[~on_data]),
        backspace_on=share(deletes[on_data & deletable], visits[on_data & deletable]),
        occupancy=occupancy,
    )


def share(part: np.ndarray, whole: np.ndarray) -> float:
    """The sum of one in the sum of the other; NaN if that is 0."""
    return float(part.sum() / whole.sum()) if whole.sum() > 1e-12 else math.nan


LEGEND = {
    "real word": "P(the finished word is one of the data's)",
    "off data": "out-of-distribution occupancy: the share of discounted time on texts that begin no word",
    "divergence": "the one that was minimised (for maximum likelihood the forward KL)",
    "⌫ helps": "P(press backspace) on texts that begin no word, where it helps",
    "⌫ not": "P(press backspace) on texts that do begin a word",
}


# -- what is printed ---------------------------------------------------------------------------------------------


def table(results: Sequence[Result]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the one table, as text."""
    header = [
        "noise",
        "⌫",
        "trained by",
        "real word",
        "off data",
        "divergence",
        *(DIVERGENCES[name].title for name in ALWAYS_SHOWN),
        "⌫ helps",
        "⌫ not",
    ]
    rows = [
        [
            percent(result.noise),
            "with" if result.backspace else "without",
            TITLES[result.method] + ("" if result.converged else f" {NOT_CONVERGED}"),
            percent(result.real_word),
            percent(result.out_of_distribution),
            number(result.divergence),
            *(number(other) for other in result.others),
            percent(result.backspace_helps) if result.backspace else "",
            percent(result.backspace_hurts) if result.backspace else "",
        ]
        for result in results
    ]
    return header, rows
