"""The walkthrough's page: two typists to watch, four figures, one table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from smatch_edu.exact.figure1 import Figure1Chain
from smatch_edu.exact.mdp import StringMDP
from smatch_edu.pictures import figures, show
from smatch_edu.studies.walkthrough import LEGEND, METHODS, TITLES, Result, WalkthroughConfig, certificate, table
from smatch_edu.support.tables import percent
from smatch_edu.text.vocabulary import Vocabulary, Words


class Panel(NamedTuple):
    """A figure, the text that stands for it and the text below it; and the same figure for the screen of a phone."""

    figure: Figure
    alt: str
    caption: str
    narrow: Figure


def _panel(alt: str, caption: str, draw: Callable[..., Figure], *data: Any) -> Panel:
    """The panel of a function of `figures`."""
    return Panel(draw(*data), alt, caption, draw(*data, narrow=True))


def page(results: Sequence[Result], words: Words, vocabulary: Vocabulary, config: WalkthroughConfig) -> str:
    """The whole page, as one string that opens offline."""
    noisiest = max(config.noise)
    chosen = {(r.method, r.backspace): r for r in results if r.noise == noisiest}
    plain, matched = chosen["mle", False], chosen["chi2_mixture", True]
    watched = {"Maximum likelihood, no backspace": plain, "χ²-mixture, with backspace": matched}
    typists = [
        show.trace_html(typing(result, vocabulary, config), vocabulary, title, frozenset(words.words))
        for title, result in watched.items()
    ]
    template = (resources.files("smatch_edu.pictures") / "assets" / "walkthrough.html").read_text("utf-8")
    body = Template(template).substitute(
        {name: show.figure_html(*panel) for name, panel in panels(results, config).items()},
        noise=percent(noisiest),
        max_length=config.max_length,
        typists="".join(typists),
        plain=percent(plain.real_word),
        matched=percent(matched.real_word),
        gain=f"{100 * (matched.real_word - plain.real_word):+.1f}",
        num_words=f"{len(words.words):,}",
        source="Shakespeare’s plays" if config.words is None else escape(config.words.name),
        num_texts=f"{StringMDP(len(vocabulary), config.max_length).absorbing:,}",
        gamma=config.gamma,
        alpha=config.alpha,
        certificate=escape(certificate(results)),
        table=show.table_html(*table(results), ". ".join(f"{name}: {text}" for name, text in LEGEND.items()) + "."),
    )
    return show.page_html("The noisy keyboard", body)


def typing(
    result: Result, vocabulary: Vocabulary, config: WalkthroughConfig, num_texts: int = 14
) -> list[tuple[show.Keystroke, ...]]:
    """The first texts that this typist writes with the config's seed."""
    mdp = StringMDP(len(vocabulary), config.max_length, result.backspace, result.noise)
    states, actions = mdp.sample(result.policy, num_texts, max_actions=200, seed=config.seed)
    return [show.keystrokes(mdp, *trajectory) for trajectory in zip(states, actions, strict=True)]


FIGURES = ("words_typed", "occupancy_by_length", "backspace_use", "out_of_distribution")


def panels(results: Sequence[Result], config: WalkthroughConfig) -> dict[str, Panel]:
    """The `FIGURES`, by the name of the function in `figures` that draws them."""
    noisiest = max(config.noise)
    chosen = {(r.method, r.backspace): r for r in results if r.noise == noisiest}
    return {
        "words_typed": _words_typed(results, config),
        "occupancy_by_length": _occupancy_by_length(chosen, noisiest),
        "backspace_use": _backspace_use([chosen[method, True] for method in METHODS], noisiest),
        "out_of_distribution": _out_of_distribution(),
    }


def _words_typed(results: Sequence[Result], config: WalkthroughConfig) -> Panel:
    real = {
        (method, backspace): [r.real_word for r in results if (r.method, r.backspace) == (method, backspace)]
        for method in METHODS
        for backspace in (False, True)
    }
    told = "; ".join(
        f"{TITLES[method]} {'with' if backspace else 'without'} backspace {', '.join(map(percent, shares))}"
        for (method, backspace), shares in real.items()
    )
    return _panel(
        f"Probability that the finished word is real, at noise {', '.join(map(percent, config.noise))}: {told}.",
        "Without backspace a slip cannot be undone, whatever the divergence. With it, the divergence decides whether "
        "the key is used: maximum likelihood never saw it pressed, so it never presses it.",
        figures.words_typed,
        config.noise,
        real,
        TITLES,
    )


def _occupancy_by_length(chosen: dict[tuple[str, bool], Result], noise: float) -> Panel:
    bars = {
        "maximum likelihood": chosen["mle", False].occupancy_by_length,
        "χ²-mixture": chosen["chi2_mixture", False].occupancy_by_length,
        "χ²-mixture with ⌫": chosen["chi2_mixture", True].occupancy_by_length,
    }
    told = "; ".join(f"{name} {percent(off.sum())}" for name, (_, off) in bars.items())
    return _panel(
        f"Occupancy by letters on the screen at noise {percent(noise)}. Off the data in all: {told}.",
        "Off the data maximum likelihood wanders on, because no demonstration says what to do there. The mixture is "
        "charged for every moment there.",
        figures.occupancy_by_length,
        {name: on for name, (on, _) in bars.items()},
        {name: off for name, (_, off) in bars.items()},
    )


def _backspace_use(trained: Sequence[Result], noise: float) -> Panel:
    told = "; ".join(
        f"{TITLES[typist.method]} {percent(typist.backspace_helps)} and {percent(typist.backspace_hurts)}"
        for typist in trained
    )
    return _panel(
        f"Probability of pressing backspace off and on the data: {told}.",
        "Nobody demonstrated the key. Where it is pressed, the divergence found it.",
        figures.backspace_use,
        [TITLES[result.method] for result in trained],
        [0.0 if math.isnan(result.backspace_helps) else result.backspace_helps for result in trained],
        [result.backspace_hurts for result in trained],
        f"keyboard with {percent(noise)} noise",
    )


def _out_of_distribution(error: float = 0.05, horizon: int = 60) -> Panel:
    """The paper's Figure 1, as curves."""
    curves = {
        "no backspace" if recovery == 0 else f"backspace {percent(recovery)} of the time": Figure1Chain(
            error=error, recovery=recovery, horizon=horizon
        ).out_of_distribution()
        for recovery in (0.0, 0.4, 0.7, 1.0)
    }
    told = "; ".join(f"{label} {percent(curve[-1])}" for label, curve in curves.items())
    return _panel(
        f"Probability of being off the data after {horizon} steps: {told}.",
        "One wrong token in twenty. Without backspace 1-(1-ε)^t goes to 1. If backspace is pressed more often than not "
        "once the text is off the data, the error stays bounded.",
        figures.out_of_distribution,
        curves,
        error,
    )
