"""One look for all figures: Okabe-Ito colours, and a marker, hatch or line style wherever a colour says something.

In distribution is green, out of distribution vermillion, backspace purple and dashed, as in the paper's Figure 1.
Each function draws one figure and returns it; `show.figure_html` gives it its alternative text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

ON_DATA = "#009E73"
OFF_DATA = "#D55E00"
BACKSPACE = "#CC79A7"
NEUTRAL = "#000000"

# One colour, marker and line style for each method, in every figure.
METHOD_LOOKS: dict[str, dict[str, str]] = {
    "mle": {"color": "#000000", "marker": "o"},
    "js": {"color": "#0072B2", "marker": "s"},
    "chi2_mixture": {"color": "#E69F00", "marker": "^"},
    "skew_kl": {"color": "#56B4E9", "marker": "D"},
}

STYLE: Any = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
    "legend.frameon": False,
    "svg.hashsalt": "smatch_edu",
    "svg.fonttype": "path",
}


@contextmanager
def style() -> Iterator[None]:
    """The project's look, for figures made inside the `with` block."""
    with rc_context(STYLE):
        yield


def new_figure(columns: int = 1, width: float = 6.4, height: float = 3.8) -> Figure:
    """A figure of `columns` axes in a row, outside of pyplot's state. Axes are in `figure.axes`. Call it within
    `style()`."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    figure.subplots(1, columns)
    return figure


def out_of_distribution(curves: Mapping[str, Float[np.ndarray, " time"]], error: float) -> Figure:
    """P(off the data) at every step, for typists who press backspace more and less often.

    Args:
        curves: label → (horizon+1,) probabilities; the first is drawn as the one without backspace.
        error: ε, for the title.
    """
    with style():
        figure = new_figure()
        (axes,) = figure.axes
        lines = ["-", "--", "-.", ":"]
        for number, (label, curve) in enumerate(curves.items()):
            color = OFF_DATA if number == 0 else BACKSPACE
            axes.plot(curve, linestyle=lines[number % 4], color=color, alpha=1 - 0.15 * max(number - 1, 0), label=label)
        axes.set(xlabel="step (tokens typed or deleted)", ylabel="P(off the data)", ylim=(0, 1))
        axes.set_title(f"One wrong token in {1 / error:.0f}: errors compound, unless they can be undone")
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def words_typed(
    noise: Sequence[float], real: Mapping[tuple[str, bool], Sequence[float]], titles: Mapping[str, str]
) -> Figure:
    """P(the finished word is a real one) against the keyboard's noise; left without backspace, right with it.

    Args:
        noise: η, one per point.
        real: (method, backspace) → one probability per η.
        titles: method → its name in the legend.
    """
    with style():
        figure = new_figure(columns=2, width=8.6)
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
        figure.axes[0].set_ylabel("P(finished word is a real one)")
        low = min(axes.get_ylim()[0] for axes in figure.axes)
        for axes in figure.axes:
            axes.set_ylim(low, 1.01)
        figure.axes[0].legend()
    return figure


def occupancy_by_length(
    on_data: Mapping[str, Float[np.ndarray, " lengths"]], off_data: Mapping[str, Float[np.ndarray, " lengths"]]
) -> Figure:
    """Where the typing time goes: bars by length of the text on the screen, on the data and (hatched) off it.

    Args:
        on_data, off_data: typist → (max_length+1,) occupancy of the texts of each length.
    """
    with style():
        figure = new_figure(columns=len(on_data), width=3.0 * len(on_data), height=3.2)
        top = max(float((on_data[name] + off_data[name]).max()) for name in on_data)
        for axes, name in zip(figure.axes, on_data, strict=True):
            lengths = np.arange(len(on_data[name]))
            axes.bar(lengths, on_data[name], color=ON_DATA, label="on the data")
            hatched: Any = {"color": OFF_DATA, "hatch": "////", "edgecolor": "white"}
            axes.bar(lengths, off_data[name], bottom=on_data[name], label="off it", **hatched)
            axes.set(xlabel="letters on the screen", title=name, xticks=lengths, ylim=(0, 1.08 * top))
        figure.axes[0].set_ylabel("occupancy")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def backspace_use(
    names: Sequence[str], where_it_helps: Sequence[float], where_it_does_not: Sequence[float], title: str
) -> Figure:
    """How often `<backspace>` is pressed off the data, where it helps, and on it, where it does not: pairs of bars."""
    with style():
        figure = new_figure(width=6.4, height=3.2)
        (axes,) = figure.axes
        place = np.arange(len(names))
        helps = axes.bar(place - 0.2, where_it_helps, 0.38, color=BACKSPACE, label="off the data, where it helps")
        dotted: Any = {"color": ON_DATA, "hatch": "....", "edgecolor": "white"}
        hurts = axes.bar(place + 0.2, where_it_does_not, 0.38, label="on the data, where not", **dotted)
        for bars in (helps, hurts):
            axes.bar_label(bars, fmt=lambda share: f"{100 * share:.1f}%", fontsize=8)
        axes.set(xticks=place, ylabel="P(press ⌫)", title=title, ylim=(0, 1.3 * max(*where_it_helps, 0.05)))
        axes.set_xticklabels(names)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.legend(loc="upper left", ncols=2)
    return figure
