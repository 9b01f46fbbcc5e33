"""What is looked at in a browser or notebook: typing traces that move, figures with their text, pages that open
offline.

Everything is plain HTML, CSS and JavaScript in one string: no server, no network, and readable with scripts switched
off.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources

import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure

from smatch_edu import plots
from smatch_edu.mdp import StringMDP
from smatch_edu.vocabulary import SYMBOL_OF_BACKSPACE, SYMBOL_OF_EOS, Vocabulary


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
    `<backspace>`, and one that the keyboard slipped on is underlined twice. Without scripts the finished traces are
    shown.

    Args:
        traces: each the keystrokes of one text.
        title: a heading and the name of the group for a screen reader.
        real_words: if given, each finished word is marked as one of them or not.
        autoplay: start by itself, unless the reader asked for less motion.

    Raises:
        ValueError: a backspace with nothing to delete.
    """
    lines, clock = [], 0
    for trace in traces:
        line, clock = _trace_line(trace, vocabulary, clock, real_words)
        lines.append(line)
    controls = (
        '<div class="controls">'
        '<button type="button" data-do="play" aria-label="play or pause">▶ play</button>'
        '<button type="button" data-do="back" aria-label="one keystroke back">◀ step</button>'
        '<button type="button" data-do="forward" aria-label="one keystroke on">step ▶</button>'
        f'<label>keystroke <input type="range" data-do="seek" min="0" max="{clock}" value="{clock}"></label>'
        '<label>speed <select data-do="speed"><option value="600">slow</option>'
        '<option value="250" selected>normal</option><option value="80">fast</option></select></label></div>'
    )
    return (
        f'<section class="typing" role="group"{" data-autoplay" * autoplay} aria-label="{escape(title)}">'
        f"<h3>{escape(title)}</h3>"
        f'{controls}<ol class="traces">{"".join(lines)}</ol></section>'
    )


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


def figure_html(figure: Figure, alt: str, caption: str = "") -> str:
    """A figure as an inline SVG image with alternative text, and a caption if there is one. ValueError without text."""
    if not alt.strip():
        raise ValueError("alt is empty; every figure needs a text that says what it shows")
    encoded = base64.b64encode(svg(figure).encode()).decode()
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img alt="{escape(alt)}" src="data:image/svg+xml;base64,{encoded}">{below}</figure>'


def table_html(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """A table with a caption; the first column heads the rows."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def page_html(title: str, body: str) -> str:
    """A whole page that needs nothing but itself."""
    assets = resources.files("smatch_edu") / "assets"
    css, script = (assets / "page.css").read_text("utf-8"), (assets / "typing.js").read_text("utf-8")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{css}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{body}</main><script>{script}</script></body></html>\n"
    )
