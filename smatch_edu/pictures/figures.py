"""The figures of `make run`: the typist trained exactly, and the models that learned to add.

Each function draws one and returns it, in the look of `plots`; with `narrow=True`, for the screen of a phone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter, PercentFormatter

from smatch_edu.pictures.plots import BACKSPACE, LOOKS, METHOD_LOOKS, OFF_DATA, ON_DATA, new_figure, style


def out_of_distribution(curves: Mapping[str, Float[np.ndarray, " time"]], error: float, narrow: bool = False) -> Figure:
    """P(off the data) at every step, for typists who press backspace more and less often.

    Args:
        curves: label → (horizon+1,) probabilities; the first is drawn as the one without backspace.
        error: ε, for the title.
    """
    with style():
        figure = new_figure(narrow=narrow)
        (axes,) = figure.axes
        lines = ["-", "--", "-.", ":"]
        for number, (label, curve) in enumerate(curves.items()):
            color = OFF_DATA if number == 0 else BACKSPACE
            axes.plot(curve, linestyle=lines[number % 4], color=color, alpha=1 - 0.15 * max(number - 1, 0), label=label)
        axes.set(xlabel="step (tokens typed or deleted)", ylabel="P(off the data)", ylim=(0, 1))
        axes.set_title(f"One wrong token in {1 / error:.0f}: errors compound,\nunless they can be undone")
        columns = 1 if narrow else 2
        figure.legend(title="once the text is off the data", loc="outside lower center", ncols=columns)
    return figure


def words_typed(
    noise: Sequence[float],
    real: Mapping[tuple[str, bool], Sequence[float]],
    titles: Mapping[str, str],
    narrow: bool = False,
) -> Figure:
    """P(the finished word is a real one) against the keyboard's noise; left without backspace, right with it.

    Args:
        noise: η, one per point.
        real: (method, backspace) → one probability per η.
        titles: method → its name in the legend.
    """
    with style():
        figure = new_figure(columns=2, width=8.6, narrow=narrow)
        for axes, backspace in zip(figure.axes, (False, True), strict=True):
            for method in dict.fromkeys(method for method, _ in real):
                axes.plot(
                    noise,
                    real[method, backspace],
                    label=titles[method],
                    linestyle="--" if backspace else "-",
                    **METHOD_LOOKS[method],  # type: ignore[arg-type]
                )
            axes.set(xlabel="noise η (share of keys that slip)", title="with ⌫" if backspace else "without ⌫")
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        for axes in figure.axes if narrow else figure.axes[:1]:
            axes.set_ylabel("P(finished word is a real one)")
        low = min(axes.get_ylim()[0] for axes in figure.axes)
        for axes in figure.axes:
            axes.set_ylim(low, 1.01)
        figure.axes[0].legend()
    return figure


def words_against_noise(
    found: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[tuple[float, float, float]]]]],
    narrow: bool = False,
) -> Figure:
    """P(the finished word is a real one) of trained networks against the keyboard's noise, a panel for each keyboard.

    Args:
        found: keyboard → typist → noise levels, and at each an estimate with the ends of its interval. NaN ends are
            not drawn; what is exact has an interval of no width, and is a line without marks.
    """
    with style():
        figure = new_figure(len(found), width=3.4 * len(found), height=3.0 if narrow else 3.6, narrow=narrow)
        labels = list(dict.fromkeys(label for series in found.values() for label in series))
        for axes, (keyboard, series) in zip(figure.axes, found.items(), strict=True):
            for label, (noise, intervals) in series.items():
                estimates = np.array(intervals, dtype=np.float64).reshape(-1, 3)
                if (estimates[:, 1] == estimates[:, 2]).all():
                    axes.plot(noise, estimates[:, 0], label=label, color="0.45", linewidth=2.5, marker="")
                    continue
                look = LOOKS[labels.index(label) % len(LOOKS)]
                worn: Any = {name: look[name] for name in ("color", "marker", "linestyle")} | {"ecolor": "0.55"}
                widths = np.abs(estimates[:, 1:] - estimates[:, :1]).T
                axes.errorbar(noise, estimates[:, 0], yerr=widths, label=label, **worn)
            axes.set(xlabel="noise η", title=keyboard)
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        for axes in figure.axes if narrow else figure.axes[:1]:
            axes.set_ylabel("P(finished word is real)")
        legends = [axes.get_legend_handles_labels() for axes in figure.axes]
        marks = {label: mark for each in legends for mark, label in zip(*each, strict=True)}
        figure.legend(list(marks.values()), list(marks), loc="outside lower center", ncols=1 if narrow else 2)
    return figure


def occupancy_by_length(
    on_data: Mapping[str, Float[np.ndarray, " lengths"]],
    off_data: Mapping[str, Float[np.ndarray, " lengths"]],
    narrow: bool = False,
) -> Figure:
    """Where the typing time goes: bars by length of the text on the screen, on the data and (hatched) off it.

    Args:
        on_data, off_data: typist → (max_length+1,) occupancy of the texts of each length.
    """
    with style():
        figure = new_figure(len(on_data), width=3.0 * len(on_data), height=2.6 if narrow else 3.2, narrow=narrow)
        top = max(float((on_data[name] + off_data[name]).max()) for name in on_data)
        for axes, name in zip(figure.axes, on_data, strict=True):
            lengths = np.arange(len(on_data[name]))
            axes.bar(lengths, on_data[name], color=ON_DATA, label="on the data")
            hatched: Any = {"color": OFF_DATA, "hatch": "////", "edgecolor": "white"}
            axes.bar(lengths, off_data[name], bottom=on_data[name], label="off it", **hatched)
            axes.set(xlabel="letters on the screen", title=name, xticks=lengths, ylim=(0, 1.08 * top))
        for axes in figure.axes if narrow else figure.axes[:1]:
            axes.set_ylabel("occupancy")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def backspace_use(
    names: Sequence[str],
    where_it_helps: Sequence[float],
    where_it_does_not: Sequence[float],
    title: str,
    narrow: bool = False,
) -> Figure:
    """How often `<backspace>` is pressed off the data, where it helps, and on it, where it does not: pairs of bars."""
    with style():
        figure = new_figure(height=3.6 if narrow else 3.2, narrow=narrow)
        (axes,) = figure.axes
        place = np.arange(len(names))
        helps = axes.bar(place - 0.2, where_it_helps, 0.38, color=BACKSPACE, label="off the data, where it helps")
        dotted: Any = {"color": ON_DATA, "hatch": "....", "edgecolor": "white"}
        hurts = axes.bar(place + 0.2, where_it_does_not, 0.38, label="on the data, where not", **dotted)
        for bars in (helps, hurts):
            axes.bar_label(bars, fmt=lambda share: f"{100 * share:.1f}%", fontsize=9)
        axes.set(
            xticks=place,
            ylabel="P(press ⌫)",
            title=title,
            ylim=(0, (1.5 if narrow else 1.3) * max(*where_it_helps, 0.05)),
        )
        axes.set_xticklabels([name.replace(" ", "\n").replace("-", "-\n") for name in names])
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.legend(loc="upper left", ncols=1 if narrow else 2)
    return figure


def learning_curves(
    accuracies: Mapping[str, tuple[Sequence[int], Sequence[float]]],
    rewards: Mapping[str, tuple[Sequence[int], Sequence[float]]],
    narrow: bool = False,
) -> Figure:
    """How models learn to answer: accuracy against updates, and what the implied rewards do once SequenceMatch is on.

    Args:
        accuracies: method → updates, and the accuracy after each.
        rewards: what is averaged over → updates, and the mean of r² there; on a logarithmic scale, and averaged over
            fortieths of the run.
    """
    with style():
        figure = new_figure(columns=2, width=8.6, narrow=narrow)
        left, right = figure.axes
        for axes, series in ((left, accuracies), (right, rewards)):
            for look, (label, columns) in zip(LOOKS, series.items(), strict=False):
                bins = min(len(columns[0]), 40)
                parts = (np.array_split(column, bins) if bins else [] for column in columns)
                steps, values = ([part.mean() for part in some] for some in parts)
                wanted = {name: look[name] for name in ("color", "marker", "linestyle")}
                axes.plot(steps, values, label=label, markevery=max(len(steps) // 8, 1), **wanted)
            axes.set(xlabel="update")
            axes.legend()
        left.set(ylabel="share of answers that are right", ylim=(0, 1))
        left.yaxis.set_major_formatter(PercentFormatter(1.0))
        right.set(ylabel="mean of r²", yscale="log")
        right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        right.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        right.yaxis.set_minor_formatter(NullFormatter())
    return figure


def accuracies_with_intervals(
    found: Mapping[str, Mapping[str, tuple[float, float, float]]],
    xlabel: str = "share of answers that are right",
    narrow: bool = False,
) -> Figure:
    """Estimates with their intervals, a group for each condition, a mark for each method.

    Args:
        found: method → condition → estimate and the ends of its interval.
    """
    with style():
        conditions = list(next(iter(found.values())))
        figure = new_figure(width=7.2, height=1.2 + 0.62 * len(conditions), narrow=narrow)
        (axes,) = figure.axes
        apart = min(0.2, 0.8 / len(found))  # so that groups do not touch
        for number, (look, (method, intervals)) in enumerate(zip(LOOKS, found.items(), strict=False)):
            estimates = np.array([intervals[condition] for condition in conditions])
            places = np.arange(len(conditions)) + apart * (number - (len(found) - 1) / 2)
            widths = np.abs(estimates[:, 1:] - estimates[:, :1]).T
            worn: Any = {"color": look["color"], "marker": look["marker"], "linestyle": "", "ecolor": "0.55"}
            axes.errorbar(estimates[:, 0], places, xerr=widths, label=method, **worn)
        axes.set(yticks=range(len(conditions)), yticklabels=conditions, xlabel=xlabel)
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        if narrow:
            axes.set_yticks(range(len(conditions)), [condition.replace(", ", ",\n") for condition in conditions])
            axes.locator_params(axis="x", nbins=4)
        figure.legend(loc="outside upper center", ncols=1 if narrow else len(found))
    return figure
