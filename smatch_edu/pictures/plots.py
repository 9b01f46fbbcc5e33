"""One look for all figures: Okabe-Ito colours, and a marker, hatch or line style wherever a colour says something.

In distribution is green, out of distribution vermillion, backspace purple and dashed, as in the paper's Figure 1.
Each function draws one figure and returns it; `show.picture` and `show.figure_html` give it its alternative text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import matplotlib.style
import numpy as np
from jaxtyping import Float, Int
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import BboxBase

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

# What a series wears that has no meaning of its own, in order: never colour alone.
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": "#000000", "marker": "o", "linestyle": "-", "hatch": "\\\\"},
    {"color": "#0072B2", "marker": "s", "linestyle": "--", "hatch": "////"},
    {"color": "#E69F00", "marker": "^", "linestyle": "-.", "hatch": "...."},
    {"color": "#56B4E9", "marker": "D", "linestyle": ":", "hatch": "xxxx"},
    {"color": "#009E73", "marker": "v", "linestyle": (0, (5, 1)), "hatch": "++++"},
    {"color": "#D55E00", "marker": "P", "linestyle": (0, (3, 1, 1, 1)), "hatch": "oooo"},
    {"color": "#CC79A7", "marker": "X", "linestyle": (0, (1, 1)), "hatch": "----"},
)
# What is on the data, off it, or a backspace looks the same in every figure.
MEANINGS: dict[str, dict[str, Any]] = {
    "on the data": {"color": ON_DATA, "marker": "p", "linestyle": "-", "hatch": ""},
    "off the data": {"color": OFF_DATA, "marker": "*", "linestyle": "-.", "hatch": "//"},
    "backspace": {"color": BACKSPACE, "marker": "d", "linestyle": "--", "hatch": ".."},
}
OKABE_ITO = frozenset({"#000000", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"})

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


WIDTH_OF_A_PHONE = 4.2  # inches; shown on 350 pixels, 10 points are 11 pixels


@contextmanager
def style() -> Iterator[None]:
    """The project's look, for figures made inside the `with` block, whatever look the user has set."""
    with matplotlib.style.context(STYLE, after_reset=True):
        yield


def new_figure(columns: int = 1, width: float = 6.4, height: float = 3.8, narrow: bool = False) -> Figure:
    """A figure of `columns` axes in a row, outside of pyplot's state. Axes are in `figure.axes`.

    Args:
        width, height: in inches.
        narrow: for the screen of a phone: the axes one below the other, and as wide as it is.
    """
    with style():
        figure = Figure(figsize=(WIDTH_OF_A_PHONE, columns * height) if narrow else (width, height))
        FigureCanvasAgg(figure)
        figure.subplots(*((columns, 1) if narrow else (1, columns)))
    return figure


def _axes(axes: Axes | None, width: float, height: float) -> Axes:
    return new_figure(width=width, height=height).axes[0] if axes is None else axes


def _look(number: int, label: str, looks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return dict(looks.get(label) or MEANINGS.get(label) or LOOKS[number % len(LOOKS)])


def curves(
    x: Sequence[float] | np.ndarray,
    series: Mapping[str, Any],
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    looks: Mapping[str, Mapping[str, Any]] = {},
    axes: Axes | None = None,
    width: float = 6.4,
    height: float = 3.6,
    **limits: Any,
) -> Figure:
    """Lines over one x, each with a colour, a line style and a few markers of its own.

    Args:
        series: label → one number per x. The labels of `MEANINGS` get the looks that they have everywhere.
        looks: label → color, marker and linestyle, for other labels.
        axes: where to draw; a new figure if left out.
        limits: passed to `Axes.set`, as in ylim=(0, 1).
    """
    with style():
        axes = _axes(axes, width, height)
        every = max(1, len(x) // 8)
        for number, (label, y) in enumerate(series.items()):
            look = _look(number, label, looks)
            look.pop("hatch", None)
            axes.plot(x, y, label=label, markevery=(number % every, every), **look)
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title, **limits)
        if len(series) > 1:
            axes.legend()
    return cast(Figure, axes.figure)


def bars(
    names: Sequence[str],
    series: Mapping[str, Any],
    *,
    ylabel: str,
    xlabel: str = "",
    title: str = "",
    looks: Mapping[str, Mapping[str, Any]] = {},
    stacked: bool = False,
    axes: Axes | None = None,
    width: float = 6.4,
    height: float = 3.4,
    **limits: Any,
) -> Figure:
    """Bars over names, side by side or stacked, each series with a colour and a hatch of its own.

    Args:
        names: one per group.
        series: label → one height per name; the rest as in `curves`.

    Raises:
        ValueError: a logarithmic axis.
    """
    if "log" in (limits.get("xscale"), limits.get("yscale")):
        raise ValueError("bars start at 0, which a logarithmic axis does not have; draw `marks`")
    with style():
        axes = _axes(axes, width, height)
        place, below = np.arange(len(names)), np.zeros(len(names))
        share = 0.8 if stacked else 0.8 / len(series)
        for number, (label, heights) in enumerate(series.items()):
            look = _look(number, label, looks)
            shift = 0.0 if stacked else (number - (len(series) - 1) / 2) * share
            bottom = below if stacked else np.zeros(len(names))
            worn = {"color": look["color"], "hatch": look["hatch"], "edgecolor": "white"}
            axes.bar(place + shift, heights, share * 0.95, bottom=bottom, label=label, **worn)
            below = below + np.asarray(heights)
        axes.set(xticks=place, xlabel=xlabel, ylabel=ylabel, title=title, **limits)
        axes.set_xticklabels(names)
        if len(series) > 1:
            axes.legend()
    return cast(Figure, axes.figure)


def marks(
    names: Sequence[str],
    series: Mapping[str, Any],
    *,
    ylabel: str,
    xlabel: str = "",
    title: str = "",
    looks: Mapping[str, Mapping[str, Any]] = {},
    axes: Axes | None = None,
    width: float = 6.4,
    height: float = 3.4,
    **limits: Any,
) -> Figure:
    """A mark over each name for each series, as on a logarithmic axis, where a bar would have nothing to stand on.

    Args:
        names: one per group.
        series: label → one height per name; the rest as in `curves`.
    """
    with style():
        axes = _axes(axes, width, height)
        place = np.arange(len(names))
        for number, (label, heights) in enumerate(series.items()):
            look = _look(number, label, looks)
            shift = 0.5 / len(series) * (number - (len(series) - 1) / 2)
            axes.plot(place + shift, heights, linestyle="", label=label, color=look["color"], marker=look["marker"])
        axes.set(xticks=place, xlabel=xlabel, ylabel=ylabel, title=title, xlim=(-0.6, len(names) - 0.4), **limits)
        axes.set_xticklabels(names)
        if len(series) > 1:
            axes.legend()
    return cast(Figure, axes.figure)


def table_of_numbers(
    numbers: Float[np.ndarray, "rows columns"],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str = "",
    xlabel: str = "",
    ylabel: str = "",
    axes: Axes | None = None,
    width: float = 5.0,
    height: float = 3.4,
) -> Figure:
    """A small matrix, each entry written on a shade of grey: the numbers say everything that the shade does."""
    with style():
        axes = _axes(axes, width, height)
        top = max(float(np.abs(numbers[np.isfinite(numbers)]).max(initial=0.0)), 1e-12)
        shades = np.where(np.isfinite(numbers), np.abs(numbers) / top, 1.5)  # ∞ is darker than anything else
        axes.imshow(shades, cmap="Greys", vmin=0, vmax=2.2, aspect="auto")
        for (row, column), number in np.ndenumerate(numbers):
            axes.text(
                column, row, f"{number:.2f}".replace("inf", "∞"), ha="center", va="center", color="black", fontsize=9
            )
        axes.set(xticks=np.arange(len(columns)), yticks=np.arange(len(rows)), xlabel=xlabel, ylabel=ylabel, title=title)
        axes.set_xticklabels(columns)
        axes.set_yticklabels(rows)
        axes.grid(False)
    return cast(Figure, axes.figure)


def text_tree(
    weights: Mapping[str, float],
    on_data: Collection[str],
    *,
    title: str = "",
    axes: Axes | None = None,
    width: float = 7.0,
    height: float = 3.8,
    largest: float | None = None,
) -> Figure:
    """Texts as a tree, the empty one on top: a green disc on the data, a hatched vermillion square off it, as large as
    the text's weight; none where the weight is 0.

    Args:
        weights: text → a number ≥ 0, for instance its occupancy. Each text's beginning must be among them.
        on_data: the texts that begin a word.
        largest: the weight that fills a disc; the largest of `weights` if left out.
    """
    with style():
        axes = _axes(axes, width, height)
        place: dict[str, tuple[float, float]] = {}
        num_leaves = 0

        def settle(text: str) -> float:
            nonlocal num_leaves
            below = [other for other in weights if other[:-1] == text and len(other) == len(text) + 1]
            if below:
                middle = float(np.mean([settle(other) for other in below]))
            else:
                middle, num_leaves = float(num_leaves), num_leaves + 1
            place[text] = (middle, -float(len(text)))
            return middle

        settle("")
        top = largest or max(weights.values()) or 1.0
        for text, (x, y) in place.items():
            if text:
                axes.plot(*zip(place[text[:-1]], (x, y), strict=True), color="0.8", linewidth=1, zorder=1)
            on: Any = {"marker": "o", "color": ON_DATA}
            size = 900 * weights[text] / top
            off: Any = {"marker": "s", "color": OFF_DATA, "hatch": "////" if size > 60 else ""}  # a speck has no room
            if size:
                worn = on if text in on_data else off
                axes.scatter([x], [y], s=size, edgecolor="white", linewidth=0.5, zorder=2, **worn)
            words = f"{text or '(empty)'}\n{weights[text]:.3f}"
            under: Any = {
                "textcoords": "offset points",
                "ha": "center",
                "va": "top",
                "fontsize": 9,
                "bbox": {"color": "white", "pad": 0.5},
            }
            axes.annotate(words, (x, y), (0, -4 - (size / 3.14) ** 0.5), **under)
        depth = max(map(len, weights))
        axes.set(title=title, xlim=(-0.7, num_leaves - 0.3), ylim=(-depth - 0.6, 0.45))
        axes.axis("off")
    return cast(Figure, axes.figure)


def attention_over_trie(
    signs: Sequence[str],
    positions: Int[np.ndarray, " inputs"],
    expires: Int[np.ndarray, " inputs"],
    query: int,
    weights: Float[np.ndarray, " inputs"],
    *,
    title: str = "",
    axes: Axes | None = None,
    width: float = 6.4,
    height: float = 3.8,
) -> Figure:
    """What one input attends to, on the tree of all that was typed: discs, as large as their weights. What was deleted
    before it is a faded square, struck through; what comes after it, an empty hexagon.

    Args:
        signs: what to write on each input, (inputs,): the packed tokens as characters.
        positions, expires: (inputs,), of a trajectory packed with `layout="trie"`.
        query: the input that looks, 0..inputs-1.
        weights: its attention to each input, (inputs,); 0 where it cannot see.

    Raises:
        ValueError: lengths that do not fit, a query out of range, an input that stands on nothing, or a weight on one
            that cannot be seen.
    """
    x, under = _places_in_trie(signs, positions, expires)
    if np.shape(weights) != (len(signs),):
        raise ValueError(f"weights has shape {np.shape(weights)}; ({len(signs)},), one for each sign, was wanted")
    if not 0 <= query < len(signs):
        raise ValueError(f"query is {query}; wanted 0..{len(signs) - 1}")
    later, deleted = np.arange(len(signs)) > query, expires <= query
    for k in np.flatnonzero((later | deleted) & (weights != 0)):
        raise ValueError(f"weights has {weights[k]} at input {k}; wanted 0, since input {query} cannot see it")
    looks: Any = {
        "seen": {"marker": "o", "color": LOOKS[3]["color"], "edgecolor": NEUTRAL},
        "deleted": {"marker": "s", "color": "0.93", "edgecolor": "0.7"},
        "comes later": {"marker": "h", "color": "white", "edgecolor": "0.7", "linestyle": ":"},
    }
    with style():
        axes = _axes(axes, width, height)
        for kind, where, dashes in zip(looks, (~later & ~deleted, deleted, later), ("-", "--", ":"), strict=True):
            axes.scatter([], [], s=90, label=kind, **looks[kind])
            for k in np.flatnonzero(where).tolist():
                seen, at = kind == "seen", (x[k], -positions[k])
                if k != under[k]:
                    line = [x[under[k]], x[k]], [-positions[under[k]], -positions[k]]
                    axes.plot(*line, dashes, color=NEUTRAL if seen else "0.7", linewidth=1, zorder=1)
                size = 260 + 900 * weights[k]
                axes.scatter(*at, s=size, zorder=2, **looks[kind])
                worn: Any = {"va": "center", "color": NEUTRAL if seen else "0.45", "zorder": 3}
                axes.text(*at, signs[k], ha="center", **worn)
                words = f"{weights[k]:.2f}{' ← looks' if k == query else ''}" if seen else ""
                axes.annotate(words, at, (4 + size**0.5 / 2, 0), textcoords="offset points", fontsize=9, **worn)
                if kind == "deleted":  # a stroke behind the letter, which stays readable
                    axes.plot(*at, marker=(2, 2, -60), markersize=24, markeredgewidth=1.2, color="0.7", zorder=2)
        axes.set(title=title, xlim=(-0.5, x.max() + 0.9), ylim=(-positions.max() - 1, 0.5))
        axes.legend(loc="lower center", ncols=3)
        axes.axis("off")
    return cast(Figure, axes.figure)


def _places_in_trie(signs: Sequence[str], positions: np.ndarray, expires: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each input its place from left to right, and the input that it stands on (the first one on itself)."""
    under, count = np.zeros(len(signs), dtype=int), len(signs)
    for name, values in {"positions": positions, "expires": expires}.items():
        if np.shape(values) != (count,):
            raise ValueError(f"{name} has shape {np.shape(values)}; ({count},), one for each sign, was wanted")
    for k in range(1, count):
        found = np.flatnonzero((positions[:k] == positions[k] - 1) & (expires[:k] > k))
        if len(found) != 1:
            raise ValueError(f"input {k} stands on {len(found)} inputs at position {positions[k] - 1}; wanted 1")
        under[k] = found[0]
    leaf = ~np.isin(np.arange(count), under[1:])
    x = np.cumsum(leaf) - 1.0  # inputs come in the order of a walk over the tree, and so do its leaves
    for k in np.flatnonzero(~leaf)[::-1]:
        x[k] = x[1:][under[1:] == k].mean()
    return x, under


def check_not_by_colour_alone(figure: Figure) -> None:
    """Raise a ValueError if two things in one plot differ in nothing but their colour, or a colour is neither of the
    Okabe-Ito palette nor a grey."""
    for number, axes in enumerate(figure.axes):
        worn: dict[tuple[str, ...], set[str]] = {}
        for look, color in looks_in(axes):
            worn.setdefault(look, set()).add(to_hex(color, keep_alpha=True))
        for look, colors in worn.items():
            if len(colors) > 1 and look[0] != "text":
                raise ValueError(f"plot {number}: {sorted(colors)} look alike, {look}; wanted another marker or hatch")
        strange = {color for colors in worn.values() for color in colors if not in_palette(color)}
        if strange:
            raise ValueError(f"plot {number} uses {sorted(strange)}; colours must be of the Okabe-Ito palette, or grey")
        for image in axes.images:
            if image.get_cmap().name != "Greys":
                raise ValueError(f"plot {number} has an image in {image.get_cmap().name!r}; wanted shades of grey")


SMALLEST_FONT = 9.0


def check_legible(figure: Figure) -> None:
    """Raise a ValueError if something reaches beyond the edge of the figure, or a text is smaller than 9 points."""
    with style():
        figure.draw_without_rendering()
        for text in cast(list[Text], figure.findobj(Text)):
            size = float(text.get_fontsize())
            if text.get_visible() and text.get_text() and size < SMALLEST_FONT:
                raise ValueError(f"{text.get_text()!r} is {size:g} points high; at least {SMALLEST_FONT:g} were wanted")
        for drawn, box in _boxes(figure):
            beyond = {
                "left": figure.bbox.x0 - box.x0,
                "right": box.x1 - figure.bbox.x1,
                "lower": figure.bbox.y0 - box.y0,
                "upper": box.y1 - figure.bbox.y1,
            }
            side, far = max(beyond.items(), key=lambda item: item[1])
            if far > 1:  # a pixel is rounding
                words = [text.get_text() for text in cast(list[Text], drawn.findobj(Text)) if text.get_text()]
                raise ValueError(
                    f"{type(drawn).__name__} {' '.join(words[:1])!r} reaches {far:.0f} pixels beyond the {side} edge "
                    "of the figure: fewer columns in its legend, shorter words, or a larger figure"
                )


def _boxes(figure: Figure) -> Iterator[tuple[Artist, BboxBase]]:
    """Everything that holds words, and the rectangle that it takes in pixels."""
    for axes in figure.axes:
        box = axes.get_tightbbox()
        if box is not None:
            yield axes, box
    legends = [axes.get_legend() for axes in figure.axes]
    texts = [text for axes in figure.axes for text in axes.texts]
    for drawn in (*figure.legends, *figure.texts, *filter(None, legends), *texts):
        yield drawn, drawn.get_window_extent()


def looks_in(axes: Axes) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What everything drawn in a plot wears beside its colour, and its colour."""
    for line in axes.lines:
        marked = line.get_marker() if line.get_markevery() != [] else "none"
        dashes = str(getattr(line, "_unscaled_dash_pattern", "")) if line.get_linestyle() != "None" else "none"
        yield ("line", dashes, str(marked)), to_rgba(line.get_color(), line.get_alpha())
    for patch in axes.patches:
        yield ("area", patch.get_hatch() or ""), patch.get_facecolor()
    for collection in axes.collections:
        paths = collection.get_paths()
        shape = str(np.shape(paths[0].vertices)) if paths else ""
        if isinstance(collection, LineCollection):
            colors: Any = collection.get_colors()
            look: tuple[str, ...] = ("lines", str(collection.get_linestyle()))
        else:
            kind = "marks" if isinstance(collection, PathCollection) else "area"
            colors, look = collection.get_facecolor(), (kind, collection.get_hatch() or "", shape * (kind == "marks"))
        for color in np.atleast_2d(np.asarray(colors)):
            yield look, color
    for text in axes.texts:
        yield ("text",), text.get_color()


def in_palette(color: str) -> bool:
    """Whether "#rrggbb" or "#rrggbbaa" is of the Okabe-Ito palette, or a grey."""
    return color[:7] in OKABE_ITO or len({color[1:3], color[3:5], color[5:7]}) == 1
