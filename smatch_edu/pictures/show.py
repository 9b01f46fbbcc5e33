"""What is looked at in a browser or notebook: typing traces that move, figures with their text, pages that open
offline.

Everything is plain HTML, CSS and JavaScript in one string: no server, no network. With scripts switched off all of it
can still be read; only the keyboard needs them.
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Any

import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure
from PIL import Image

from smatch_edu.exact.mdp import StringMDP
from smatch_edu.pictures import plots
from smatch_edu.text.vocabulary import SYMBOL_OF_BACKSPACE, SYMBOL_OF_EOS, Vocabulary


@dataclass(frozen=True)
class Keystroke:
    """One action of a typist.

    Attributes:
        pressed: the action that was meant.
        typed: what the keyboard did: another token than the pressed one if it slipped.
    """

    pressed: int
    typed: int


def keystrokes(
    mdp: StringMDP, states: Int[np.ndarray, " passed"], actions: Int[np.ndarray, " time"]
) -> tuple[Keystroke, ...]:
    """The keystrokes of one trajectory of `StringMDP.sample`, up to and including `<eos>`."""
    strokes = []
    for following, pressed in zip(states[1:].tolist(), actions.tolist(), strict=True):
        typed = (following - 1) % mdp.num_tokens if pressed < mdp.eos else pressed
        strokes.append(Keystroke(pressed, typed))
        if pressed == mdp.eos:
            break
    return tuple(strokes)


def trace_html(
    traces: Sequence[Sequence[Keystroke]],
    vocabulary: Vocabulary,
    title: str,
    real_words: frozenset[str] | None = None,
    autoplay: bool = False,
) -> str:
    """Typing traces, one a line, with buttons to play, step and scrub.

    Every letter stands in the order in which it was typed; a deleted one is struck out from the moment of its
    `<backspace>`, and one that the keyboard slipped on is underlined twice. The film waits on an empty screen, so that
    a prediction can be made; without scripts the finished traces are shown.

    Args:
        traces: each the keystrokes of one text.
        title: a heading and the name of the group for a screen reader.
        real_words: if given, each finished word is marked as one of them or not.
        autoplay: start by itself; a reader who asked for less motion sees the end.

    Raises:
        ValueError: a backspace with nothing to delete.
    """
    lines, clock = [], 0
    for trace in traces:
        line, clock = _trace_line(trace, vocabulary, clock, real_words)
        lines.append(line)
    return _player(f'<ol class="traces">{"".join(lines)}</ol>', title, "keystroke", 0, clock, "typing", autoplay, 0)


def flipbook(
    figures: Sequence[Figure],
    alts: Sequence[str],
    title: str,
    unit: str = "step",
    start: int = 1,
    autoplay: bool = False,
) -> Html:
    """Figures to leaf through with a slider, or to watch as a film. Each has its own alternative text.

    Args:
        unit: what a figure is one of: "step", "iteration".
        start: the figure shown first, from 1 on.

    Raises:
        ValueError: no figure, or not one alternative text for each.
    """
    if not figures or len(figures) != len(alts):
        raise ValueError(f"{len(figures)} figures with {len(alts)} texts; wanted some figures and a text for each")
    frames = []
    for number, (figure, alt) in enumerate(zip(figures, alts, strict=True), start=1):
        _check_accessible(figure, alt)
        source = base64.b64encode(png(figure)).decode()
        image = f'<img alt="{escape(alt)}" src="data:image/png;base64,{source}">'
        frames.append(f'<div class="frame" data-born="{number}" data-died="{number + 1}">{image}</div>')
    player = _player("".join(frames), title, unit, 1, len(frames), "frames", autoplay, start)
    return in_notebook(player, title, "player.js")


def _player(body: str, title: str, unit: str, first: int, last: int, kind: str, autoplay: bool, start: int) -> str:
    """Buttons and a slider over parts that know when they are born and die (assets/player.js)."""
    options = " data-autoplay" * autoplay + f' data-start="{start}"'
    return (
        f'<section class="player {kind}" role="group"{options} aria-label="{escape(title)}">'
        f'<p class="title">{escape(title)}</p><div class="controls">'
        '<button type="button" data-do="play" aria-label="play or pause">▶ play</button>'
        f'<button type="button" data-do="back" aria-label="one {unit} back">◀ step</button>'
        f'<button type="button" data-do="forward" aria-label="one {unit} on">step ▶</button>'
        f'<label>{unit} <input type="range" data-do="seek" data-unit="{unit}" min="{first}" max="{last}" '
        f'value="{last}"></label>'
        '<label>speed <select data-do="speed"><option value="900">slow</option>'
        '<option value="350" selected>normal</option><option value="100">fast</option></select></label></div>'
        f"{body}</section>"
    )


MOST_TEXTS = 5000  # that a page holds


def keyboard_for(words: Sequence[str], noise: float = 0.0) -> tuple[StringMDP, Vocabulary]:
    """The smallest keyboard with a backspace on which these words can be typed, and its letters, if a page can show it.

    Its size is known before anything is built, so that a wish that is too large is answered at once.

    Args:
        words: some, each of one letter at least. They need two different letters in all: a slip types another one.
        noise: how often the keyboard slips.

    Raises:
        ValueError: something else, or more than `MOST_TEXTS` texts; it says what would fit.
    """
    if isinstance(words, str):
        raise ValueError(f"words is the text {words!r}; a list was wanted, such as {words.split()!r}")
    if not words or not all(words):
        raise ValueError(f"words is {list(words)!r}; at least one word was wanted, and a letter in each")
    letters, longest = sorted(set("".join(words))), max(map(len, words))
    for key in (SYMBOL_OF_EOS, SYMBOL_OF_BACKSPACE):
        if key in letters:
            raise ValueError(f"{key} is in a word; it is a key of its own, and words are made of letters")
    if len(letters) == 1:
        raise ValueError(
            f"the only letter in {list(words)!r} is {letters[0]!r}; a keyboard that slips needs two: add a word with "
            "another letter"
        )
    if not _fits(len(letters), longest):
        digits = longest * math.log10(len(letters))
        size = f"about 10^{digits:.0f}" if digits > 15 else f"{sum(len(letters) ** n for n in range(longest + 1)):,}"
        shorter = max(
            length for length in range(13) if _fits(len(letters), length)
        )  # 13 letters are too many even of two
        fewer = max((count for count in range(2, len(letters)) if _fits(count, longest)), default=1)
        together: list[str] = []
        for word in words:
            if _fits(len(set("".join([*together, word]))), max(map(len, [*together, word]))):
                together.append(word)
        offers = [f"with so many letters, words of up to {shorter} fit"] * (shorter > 0)
        offers += [f"in words so long, up to {fewer} different letters fit"] * (fewer > 1)
        offers += [f"of yours, {', '.join(together[:9])}{' …' * (len(together) > 9)} fit"] * bool(together)
        raise ValueError(
            f"{len(letters)} different letters, in words of up to {longest}, make {size} texts; a page holds "
            f"{MOST_TEXTS:,}: {'; '.join(offers) or 'take shorter words'}"
        )
    return StringMDP(len(letters), longest, backspace=True, noise=noise), Vocabulary("".join(letters))


def _fits(num_letters: int, max_length: int) -> bool:
    """Whether a page holds all texts of up to so many letters."""
    count = level = 1
    for _ in range(max_length):
        level *= num_letters
        count += level
        if count > MOST_TEXTS:
            return False
    return True


def keyboard_html(
    mdp: StringMDP, typists: Mapping[str, Any], vocabulary: Vocabulary, words: Collection[str], noise: float = 0.2
) -> Html:
    """A noisy keyboard to type on by hand, and trained typists who show what they would press, and press it.

    Args:
        mdp: the keyboard; its own noise is not used, since the reader sets it.
        typists: name → policy, (states, actions).
        words: the real ones; texts that begin none of them are off the data.
        noise: where the slider starts.

    Raises:
        ValueError: over `MOST_TEXTS` texts, too many for a page.
    """
    if mdp.absorbing > MOST_TEXTS:
        raise ValueError(
            f"the keyboard has {mdp.absorbing:,} texts; a page holds {MOST_TEXTS:,}: take fewer or shorter words"
        )
    keys = [*vocabulary.characters, SYMBOL_OF_EOS, *([SYMBOL_OF_BACKSPACE] if mdp.backspace else [])]
    tables = [
        {
            "name": name,
            "policy": {
                vocabulary.decode(text): {key: round(p, 3) for key, p in zip(keys, row, strict=True) if p >= 0.0005}
                for text, row in zip(mdp.states, np.asarray(policy)[:-1].tolist(), strict=True)
            },
        }
        for name, policy in typists.items()
    ]
    data = {
        "letters": list(vocabulary.characters),
        "length": mdp.max_length,
        "words": sorted(words),
        "typists": tables,
    }
    names = {SYMBOL_OF_EOS: "enter: the word is finished", SYMBOL_OF_BACKSPACE: "backspace"}
    buttons = "".join(
        f'<button type="button" value="{escape(key)}" aria-label="{names.get(key, escape(key))}">{escape(key)}</button>'
        for key in keys
    )
    options = "".join(f'<option value="{i}">{escape(name)}</option>' for i, name in enumerate(typists))
    body = (
        f'<section class="keyboard" role="group" aria-label="a noisy keyboard" tabindex="0" '
        f'data-lm-suppress-shortcuts="true" data-typists="{escape(json.dumps(data, ensure_ascii=False))}">'
        '<p class="title">Type here (click on the keys, or here and then type)</p>'
        '<p class="screen" data-part="screen" role="img" aria-label="the screen">▏</p>'
        f'<p class="said" data-part="said" aria-live="polite">The keys need JavaScript: run this cell in Jupyter.</p>'
        f'<div class="keys">{buttons}</div><div class="controls">'
        '<button type="button" data-part="one">typist presses one key</button>'
        '<button type="button" data-part="auto">▶ typist goes on</button>'
        f'<label>typist <select data-part="who">{options}</select></label>'
        f'<label>slips <input type="range" data-part="noise" min="0" max="50" value="{round(100 * noise)}"></label>'
        f'<span data-part="shown">{round(100 * noise)} %</span></div>'
        '<div class="next" data-part="next"></div><ol class="done" data-part="done"></ol></section>'
    )
    return in_notebook(body, "a noisy keyboard to type on", "keyboard.js")


@dataclass(frozen=True)
class Html:
    """A part of a page that a notebook shows as such; `title` stands for it where HTML is not shown."""

    body: str
    title: str

    def _repr_html_(self) -> str:
        return self.body

    def __repr__(self) -> str:
        return self.title


def in_notebook(body: str, title: str, *scripts: str) -> Html:
    """Parts of a page as the output of a notebook's cell, with the styles and scripts that they need."""
    loaded = "".join(f"<script>{_asset(script)}</script>" for script in scripts)
    return Html(f'<style>{_asset("parts.css")}</style><div class="smatch">{body}</div>{loaded}', title)


def typing(
    traces: Sequence[Any],
    vocabulary: Vocabulary,
    title: str,
    real_words: Collection[str] | None = None,
    autoplay: bool = False,
) -> Html:
    """`trace_html` as the output of a notebook's cell.

    Args:
        traces: keystrokes, or the traces that `generation.generate` returns.
    """
    strokes = [list(map(Keystroke, one.pressed, one.actions)) if hasattr(one, "pressed") else one for one in traces]
    real = None if real_words is None else frozenset(real_words)
    return in_notebook(trace_html(strokes, vocabulary, title, real, autoplay), title, "player.js")


def prediction(number: str) -> Html:
    """A field for what somebody expects, before the result is looked at. The browser keeps what is written there under
    this number (of the lesson and of the field in it: "02.1"); nothing is sent, and typing is optional."""
    label = f"Your prediction {escape(number)} (nobody else reads it)"
    field = (
        f'<textarea class="prediction" data-number="{escape(number)}" rows="2" style="display: block; width: 100%; '
        'max-width: 45rem; box-sizing: border-box; font: inherit"></textarea>'
    )
    return Html(f"<label>{label}{field}</label><script>{_asset('prediction.js')}</script>", label)


class Picture:
    """A figure as the output of a notebook's cell: a PNG, and its alternative text folded below.

    JupyterLab gives an image no alternative text, so the text stands in the page as well.
    """

    def __init__(self, figure: Figure, alt: str) -> None:
        _check_accessible(figure, alt)
        self.figure, self.alt = figure, alt

    def _ipython_display_(self) -> None:
        from IPython.display import display

        alt = {"image/png": {"alt": self.alt}}
        image = base64.b64encode(png(self.figure)).decode()
        display({"image/png": image, "text/plain": self.alt}, metadata=alt, raw=True)
        words = f"<details><summary>This figure in words</summary>{escape(self.alt)}</details>"
        display({"text/html": words, "text/plain": ""}, raw=True)


def picture(figure: Figure, alt: str) -> Picture:
    """Show a figure in a notebook, with a text that says what it shows.

    Raises:
        ValueError: no text; or colour alone tells two lines or bars apart; or a colour outside the palette.
    """
    return Picture(figure, alt)


def png(figure: Figure) -> bytes:
    """A figure as PNG, in 64 colours: our figures have few, and the file is a quarter of the size."""
    drawn, small = io.BytesIO(), io.BytesIO()
    with plots.style():
        figure.savefig(drawn, format="png")
    image = Image.open(drawn).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    image.save(small, format="PNG", optimize=True)
    return small.getvalue()


def _check_accessible(figure: Figure, alt: str) -> None:
    if not alt.strip():
        raise ValueError("alt is empty; every figure needs a text that says what it shows")
    plots.check_not_by_colour_alone(figure)
    plots.check_legible(figure)


def _asset(name: str) -> str:
    return (resources.files("smatch_edu.pictures") / "assets" / name).read_text("utf-8")


def _trace_line(
    trace: Sequence[Keystroke], vocabulary: Vocabulary, clock: int, real_words: frozenset[str] | None
) -> tuple[str, int]:
    """One line of a trace as HTML, and the number of the last keystroke in it."""
    letters: list[dict[str, str | int | None]] = []
    standing: list[int] = []
    verdict = ""
    for stroke in trace:
        clock += 1
        if stroke.pressed == vocabulary.backspace:
            if not standing:
                raise ValueError(f"keystroke {clock} is a backspace with nothing to delete")
            letters[standing.pop()]["died"] = clock
            letters.append(
                {"sign": SYMBOL_OF_BACKSPACE, "kind": "key", "born": clock, "died": None, "note": "backspace"}
            )
        elif stroke.pressed == vocabulary.eos:
            word = "".join(str(letters[i]["sign"]) for i in standing)
            letters.append({"sign": SYMBOL_OF_EOS, "kind": "key", "born": clock, "died": None, "note": "finished"})
            if real_words is not None:
                kind, sign = ("real", "✓ a word") if word in real_words else ("unreal", "✗ no word")
                verdict = (
                    f'<span class="verdict {kind}" data-born="{clock}">{escape(word or "(nothing)")} {sign}</span>'
                )
        else:
            slipped = stroke.typed != stroke.pressed
            note = f"meant {vocabulary.decode([stroke.pressed])}" if slipped else ""
            standing.append(len(letters))
            letters.append(
                {
                    "sign": vocabulary.decode([stroke.typed]),
                    "kind": "slip" if slipped else "letter",
                    "born": clock,
                    "died": None,
                    "note": note,
                }
            )
    spans = []
    for letter in letters:
        tag = "del" if letter["died"] else "span"
        died = f' data-died="{letter["died"]}"' if letter["died"] else ""
        note = f' title="{escape(str(letter["note"]))}"' if letter["note"] else ""
        sign = escape(str(letter["sign"]))
        spans.append(f'<{tag} class="{letter["kind"]}" data-born="{letter["born"]}"{died}{note}>{sign}</{tag}>')
    return f"<li>{''.join(spans)} {verdict}</li>", clock


def svg(figure: Figure) -> str:
    """A figure as SVG; the same figure gives the same text."""
    buffer = io.StringIO()
    with plots.style():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def figure_html(figure: Figure, alt: str, caption: str = "", narrow: Figure | None = None) -> str:
    """A figure as an SVG image with alternative text, and a caption if there is one.

    Args:
        narrow: the same figure, drawn for the screen of a phone.

    Raises:
        ValueError: as `picture`.
    """
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    other = f'<source media="(max-width: 40rem)" srcset="{_source(narrow, alt)}">' if narrow else ""
    image = f'<img alt="{escape(alt)}" src="{_source(figure, alt)}">'
    return f"<figure><picture>{other}{image}</picture>{below}</figure>"


def _source(figure: Figure, alt: str) -> str:
    """A figure as the address of an image."""
    _check_accessible(figure, alt)
    return f"data:image/svg+xml;base64,{base64.b64encode(svg(figure).encode()).decode()}"


def table_html(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """A table with a caption; the first column heads the rows. On a narrow screen the table slides, and the caption
    stays."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    return (
        f'<figure><figcaption>{escape(caption)}</figcaption><div class="wide" role="group" aria-label="a table" '
        f'tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></figure>'
    )


MARK = '<body class="smatch">'  # in every page of ours, and in no other


def page_html(title: str, body: str) -> str:
    """A whole page that needs nothing but itself."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_asset('parts.css')}{_asset('page.css')}</style></head>"
        f"{MARK}<main><h1>{escape(title)}</h1>{body}</main>"
        f"<script>{_asset('player.js')}</script></body></html>\n"
    )
