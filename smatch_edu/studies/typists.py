"""Three trained networks type on a keyboard that slips, and what all runs of the experiment did: the first main job.

The networks are in data/checkpoints, the runs in data/results/keyboard.tsv, with the commands that made them. `smatch
typists` lets the three type, measures each over all texts, prints one table, and writes one page.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import NamedTuple

from matplotlib.figure import Figure

from smatch_edu.configs.typists import TypistsConfig
from smatch_edu.network.generation import Trace
from smatch_edu.pictures import figures, show
from smatch_edu.studies.keyboard import Problem, interval_of, rows_of
from smatch_edu.studies.walkthrough import Typist
from smatch_edu.support.arrays import one_thread
from smatch_edu.support.files import as_path, packaged
from smatch_edu.support.results import read_table
from smatch_edu.support.tables import number, percent, text_table
from smatch_edu.tasks.keyboard import Keyboard
from smatch_edu.training.evaluation import Condition, generate_answers
from smatch_edu.training.loop import load_policy
from smatch_edu.training.metrics import Interval
from smatch_edu.training.policy import Policy

NETWORKS = {
    "typist_mle": "maximum likelihood",
    "typist_sequencematch": "SequenceMatch",
    "typist_shown": "cloning that was shown ⌫",
}
# Of the table: who was trained how, in the order in which they are read.
TITLES = {
    ("mle", "one"): "maximum likelihood",
    ("reached", "one"): "SequenceMatch, text reached",
    ("learner", "one"): "SequenceMatch, one end",
    ("learner", "each"): "SequenceMatch",
    ("shown", "one"): "cloning that was shown ⌫",
    ("limit", "each"): "limit of likelihood (exact)",
    ("optimum", "one"): "optimum, one end (exact)",
    ("optimum", "each"): "optimum (exact)",
}
KEYBOARDS = {
    "8x3": "8 letters, words of up to 3",
    "26x3": "26 letters, words of up to 3",
    "26x6": "26 letters, words of up to 6",
}
HEADER = ("trained by", "⌫", "seeds", "real word", "off data", "⌫ off", "⌫ on", "divergence", "optimum")
LEGEND = (
    "Real word: P(the finished word is one of the data's). Off data: share of discounted time at texts that begin no\n"
    "word. ⌫ off, ⌫ on: P(press ⌫) there, and where a word does begin. Divergence: skew KL from the clean\n"
    "demonstrations; optimum: that of the typist to whom the training goes. Text reached: r takes V of the text that\n"
    "the demonstrator reached, not of what the learner's keyboard types. One end: all finished texts are one state\n"
    "(for likelihood and cloning too; this divergence is on another scale). Brackets: 95 % intervals over seeds\n"
    "(Student)."
)
FIGURES = ("words_against_noise",)
SEEDS = 5  # what has fewer is not drawn: the experiment is still running


class Network(NamedTuple):
    """A trained network, what it does exactly, and some of what it types."""

    policy: Policy
    found: Typist
    traces: list[Trace]


@one_thread()
def typists(config: TypistsConfig) -> tuple[str, dict[str, Figure]]:
    """Print everything; returns the page and its figures by name.

    Raises:
        ValueError: a checkpoint or the table is missing.
    """
    path = packaged("results", "keyboard.tsv") if config.table is None else config.table
    rows = read_table(path)
    if not rows:
        raise ValueError(f"{path} has no rows; `smatch experiment keyboard` makes them")
    networks = load_networks(config.checkpoints, config.shown, config.seed)
    task, noise = _task(networks), networks["typist_mle"].policy.config.noise
    print(
        f"Three networks of {networks['typist_mle'].policy.transformer.num_parameters():,} parameters type words of up "
        f"to {task.longest_word} letters on a keyboard of which {percent(noise)} of the keys slip."
    )
    for name, network in networks.items():
        shares = network.found
        typed = "  ".join(task.show(one.actions) for one in network.traces[:6])
        use = f"⌫ pressed off the data: {percent(shares.backspace_off)}, on it: {percent(shares.backspace_on)}"
        print(f"  {NETWORKS[name]:<26} {typed}\n{'':<28} real words: {percent(shares.real_word)}; {use}")
    body = runs_table(rows, "26x3", "0.1")
    print("All runs on that keyboard:")
    printed = [HEADER.index(name) for name in ("trained by", "⌫", "real word", "⌫ off", "⌫ on", "divergence")]
    print(text_table([HEADER[i] for i in printed], [[row[i] for i in printed] for row in body], words=2, group=0))
    print(LEGEND)
    drawn, narrow = _figures(rows), _figures(rows, narrow=True)
    return _page(networks, noise, rows, drawn, narrow), drawn


def load_networks(folder: str | Path | None = None, shown: int = 12, seed: int = 0) -> dict[str, Network]:
    """name → network, of the package's own checkpoints or of another folder's; each types with the same dice."""
    folder = packaged("checkpoints") if folder is None else as_path(folder)
    found = {}
    for name in NETWORKS:
        policy, config = load_policy(folder / name)
        problem = Problem.of(config)
        asked = [policy.task.split("test")[0]] * shown
        traces = generate_answers(policy, asked, Condition(1.0, True, config.noise), seed)
        found[name] = Network(policy, problem.measure(problem.policy_of(policy)), traces)
    return found


def runs_table(rows: Sequence[Mapping[str, str]], keyboard: str, noise: str) -> list[list[str]]:
    """The rows under `HEADER` of one keyboard and one noise: means over seeds with their intervals."""
    found = []
    for (arm, terminal), title in TITLES.items():
        for backspace in ("yes", "no"):
            some = rows_of(rows, keyboard=keyboard, noise=noise, arm=arm, terminal=terminal, backspace=backspace)
            if not some or (arm == "limit" and backspace == "yes"):  # it is the same with the key
                continue
            shares = [interval_of(some, name) for name in ("real_word", "off_data", "backspace_off", "backspace_on")]
            nats = [interval_of(some, name) for name in ("divergence", "optimum")]
            seeds = "–" if some[0]["seed"] == "exact" else str(len(some))
            texts = [_share(one) for one in shares[:2]]
            texts += [_share(one) if backspace == "yes" else "" for one in shares[2:]]
            texts += [_nats(nats[0]), number(nats[1].estimate)]
            found.append([title, "with" if backspace == "yes" else "without", seeds, *texts])
    return found


def _share(one: Interval) -> str:
    ends = "" if math.isnan(one.low) else f" [{100 * max(one.low, 0):.1f}, {100 * min(one.high, 1):.1f}]"
    return percent(one.estimate) + ends


def _nats(one: Interval) -> str:
    ends = "" if math.isnan(one.low) else f" [{max(one.low, 0):.3f}, {one.high:.3f}]"
    return number(one.estimate) + ends


def _task(networks: Mapping[str, Network]) -> Keyboard:
    task = networks["typist_mle"].policy.task
    assert isinstance(task, Keyboard)
    return task


def _figures(rows: Sequence[Mapping[str, str]], narrow: bool = False) -> dict[str, Figure]:
    """The figures of the page, by name."""
    each = {title: real_words_by_noise(rows, keyboard) for keyboard, title in KEYBOARDS.items()}
    series = {title: found for title, found in each.items() if len(found) > 1}  # more than the exact line
    return {"words_against_noise": figures.words_against_noise(series, narrow=narrow)}


def real_words_by_noise(
    rows: Sequence[Mapping[str, str]], keyboard: str
) -> dict[str, tuple[list[float], list[Interval]]]:
    """Typist → noise levels, and P(real word) with the ⌫ key at each, where there are `SEEDS` runs or more."""
    found = {}
    for (arm, terminal), title in TITLES.items():
        some = rows_of(rows, keyboard=keyboard, arm=arm, terminal=terminal, backspace="yes")
        counts = Counter(row["noise"] for row in some)
        levels = sorted((level for level in counts if arm == "limit" or counts[level] >= SEEDS), key=float)
        if levels and arm != "optimum":
            intervals = [interval_of(rows_of(some, noise=level), "real_word") for level in levels]
            if arm == "limit":
                intervals = [Interval(one.estimate, one.estimate, one.estimate) for one in intervals]
            found[title] = ([float(level) for level in levels], intervals)
    return found


def _page(
    networks: Mapping[str, Network],
    noise: float,
    rows: Sequence[Mapping[str, str]],
    drawn: Mapping[str, Figure],
    narrow: Mapping[str, Figure],
) -> str:
    task, players = _task(networks), []
    words = frozenset(task.words.words)
    for name, network in networks.items():
        strokes = [list(map(show.Keystroke, one.pressed, one.actions)) for one in network.traces]
        players.append(show.trace_html(strokes, task.vocabulary, NETWORKS[name], words))
    mle, matched = networks["typist_mle"].found, networks["typist_sequencematch"].found
    told = "; ".join(
        f"{keyboard}, {label}: {', '.join(percent(one.estimate) for one in intervals)}"
        for keyboard, series in ((title, real_words_by_noise(rows, name)) for name, title in KEYBOARDS.items())
        for label, (_, intervals) in series.items()
    )
    template = (resources.files("smatch_edu.pictures") / "assets" / "typists.html").read_text("utf-8")
    body = Template(template).substitute(
        noise=percent(noise),
        longest=task.longest_word,
        typists="".join(players),
        plain=percent(mle.real_word),
        matched=percent(matched.real_word),
        shown=percent(networks["typist_shown"].found.real_word),
        presses=percent(matched.backspace_off),
        words_against_noise=show.figure_html(
            drawn["words_against_noise"],
            f"P(the finished word is real) against the noise of the keyboard. {told}.",
            narrow=narrow["words_against_noise"],
        ),
        tables="".join(
            show.table_html(HEADER, runs_table(rows, keyboard, "0.1"), f"{title}, {percent(0.1)} of the keys slip.")
            for keyboard, title in KEYBOARDS.items()
            if real_words_by_noise(rows, keyboard).keys() - {TITLES["limit", "each"]}
        ),
        legend=LEGEND.replace("\n", " "),
    )
    return show.page_html("Who presses backspace?", body)
