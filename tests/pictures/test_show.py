"""Typing traces, figures and pages: what a reader, a screen reader and a browser without a network find in them."""

import base64
import json
import re
from html.parser import HTMLParser

import jaxtyping
import matplotlib.style
import numpy as np
import pytest

from smatch_edu.exact.mdp import StringMDP
from smatch_edu.network.generation import Trace
from smatch_edu.pictures import figures, plots, show
from smatch_edu.pictures.show import Keystroke, typing
from smatch_edu.text.packing import NEVER, pack, visible
from smatch_edu.text.vocabulary import Vocabulary

ABC = Vocabulary("abc")
VOID = {"meta", "img", "source", "input", "br", "link"}


class Outline(HTMLParser):
    """Collects tags and checks that they nest."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(page)
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def find(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def press(text):
    """Keystrokes from signs: '<' is backspace, '.' is eos, and 'B' is a b that was meant as an a."""
    strokes = []
    for sign in text:
        typed = {"<": ABC.backspace, ".": ABC.eos}.get(sign)
        if typed is None:
            (typed,) = ABC.encode(sign.lower())
        strokes.append(Keystroke(pressed=0 if sign.isupper() else typed, typed=typed))
    return strokes


def test_deleted_letters_are_struck_out_and_know_when():
    page = show.trace_html([press("abB<<c.")], ABC, "one")
    deleted = Outline(page).find("del")
    assert [(d["data-born"], d["data-died"]) for d in deleted] == [("2", "5"), ("3", "4")]
    assert len(re.findall(r'class="key"', page)) == 3  # two backspaces and eos
    assert "⌫" in page and "\b" not in page


def test_the_surviving_letters_are_the_text():
    rng = np.random.default_rng()
    mdp = StringMDP(3, 4, backspace=True, noise=0.3)
    states, actions = mdp.sample(mdp.uniform(), 30, 60, seed=int(rng.integers(1 << 30)))
    for row, pressed in zip(states, actions, strict=True):
        strokes = show.keystrokes(mdp, row, pressed)
        page = show.trace_html([strokes], ABC, "one")
        standing = re.findall(r'<span class="(?:letter|slip)"[^>]*>(.)</span>', page)
        texts = [s for s in row.tolist() if s != mdp.absorbing]
        assert ABC.encode("".join(standing)) == mdp.text(texts[-1])
        slips = sum(s.pressed != s.typed for s in strokes)
        assert len(re.findall(r'class="slip"', page)) == slips


def test_a_trace_says_whether_the_word_is_real():
    page = show.trace_html([press("ab."), press("c.")], ABC, "two", real_words=frozenset({"ab"}))
    assert re.search(r'class="verdict real"[^>]*>ab ✓', page) and re.search(r'class="verdict unreal"[^>]*>c ✗', page)


def test_backspace_on_nothing_is_refused():
    with pytest.raises(ValueError, match="keystroke 3 is a backspace with nothing to delete"):
        show.trace_html([press("a<<")], ABC, "one")


def test_every_control_can_be_reached_and_read():
    outline = Outline(show.trace_html([press("ab<.")], ABC, "Ann & <Bob>"))
    assert [b["data-do"] for b in outline.find("button")] == ["play", "back", "forward"]
    assert all(b["type"] == "button" for b in outline.find("button"))
    (slider,) = outline.find("input")
    assert (slider["min"], slider["max"]) == ("0", "4")
    assert outline.find("section")[0]["aria-label"] == "Ann & <Bob>"


def test_a_film_waits_on_an_empty_screen():
    (player,) = Outline(show.trace_html([press("ab<.")], ABC, "one")).find("section")
    assert player["data-start"] == "0" and "data-autoplay" not in player
    assert "data-autoplay" in Outline(show.trace_html([press("ab<.")], ABC, "one", autoplay=True)).find("section")[0]


def test_a_page_asks_for_nothing_from_outside():
    page = show.page_html("Title", show.trace_html([press("ab.")], ABC, "one"))
    Outline(page)
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)""", page)
    assert "http://" not in page and "https://" not in page and "@import" not in page
    assert "<script>" in page and "<style>" in page


def test_a_figure_has_alternative_text_and_none_without_is_made():
    figure = figures.out_of_distribution({"a": np.linspace(0, 0.5, 5), "b": np.linspace(0, 0.2, 5)}, error=0.1)
    (image,) = Outline(show.figure_html(figure, 'Two "curves" & more', "below")).find("img")
    assert image["alt"] == 'Two "curves" & more' and image["src"].startswith("data:image/svg+xml;base64,")
    with pytest.raises(ValueError, match="alt is empty"):
        show.figure_html(figure, "  ")


def test_on_a_phone_a_figure_is_drawn_for_a_phone():
    page = show.figure_html(chart(), "two lines", narrow=chart(height=0.5))
    (image,), (other,) = Outline(page).find("img"), Outline(page).find("source")
    assert other["media"] == "(max-width: 40rem)" and other["srcset"].startswith("data:image/svg+xml;base64,")
    assert other["srcset"] != image["src"]


def test_the_caption_of_a_table_does_not_slide_away_with_it():
    page = show.table_html(["a", "b"], [["x", "1"]], "what it says")
    before, after = page.split("<div class=")
    assert "<figcaption>what it says</figcaption>" in before and "<table>" in after
    assert Outline(page).find("div")[0]["tabindex"] == "0"  # it can be slid by keys


def test_the_same_figure_gives_the_same_bytes():
    draw = lambda: show.figure_html(figures.backspace_use(["x", "y"], [0.5, 0.1], [0.0, 0.2], "title"), "alt")  # noqa: E731
    assert draw() == draw()


def test_colour_is_never_alone():
    looks = list(plots.METHOD_LOOKS.values())
    assert len({look["marker"] for look in looks}) == len({look["color"] for look in looks}) == len(looks)
    okabe_ito = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}
    assert {look["color"] for look in looks} | {plots.ON_DATA, plots.OFF_DATA, plots.BACKSPACE} <= okabe_ito
    bars = figures.occupancy_by_length({"a": np.ones(3)}, {"a": np.ones(3)}).axes[0].patches
    assert {bar.get_hatch() for bar in bars} == {None, "////"}


def of_the_pages(narrow):
    """Every figure of the pages, with legends as long as they get there."""
    noise, methods = [0.0, 0.05, 0.2], [*plots.METHOD_LOOKS]
    titles = {method: title for method, title in zip(methods, LONG, strict=True)}
    real = {(method, backspace): [1.0, 0.5, 0.2] for method in methods for backspace in (False, True)}
    labels = ["no backspace", *(f"backspace {share:.1f}% of the time" for share in (40, 70, 100))]
    lengths = {title: np.array([0.1, 0.09, 0.05, 0.02]) for title in LONG[:3]}
    runs = {title: ([1, 2, 3], [0.1, 0.5, 0.9]) for title in LONG[:3]}
    hot = {f"temperature {t:g}, 10% slips, no ⌫": (t, t - 0.1, t + 0.05) for t in (0.1, 0.5, 1.0)}
    return {
        "words_typed": figures.words_typed(noise, real, titles, narrow),
        "out_of_distribution": figures.out_of_distribution(
            dict.fromkeys(labels, np.linspace(0, 0.9, 60)), 0.05, narrow
        ),
        "occupancy_by_length": figures.occupancy_by_length(lengths, lengths, narrow),
        "backspace_use": figures.backspace_use(LONG, [0.0, 0.5, 0.6, 0.4], [0.1] * 4, "keyboard", narrow),
        "learning_curves": figures.learning_curves(runs, {"the model's own texts": ([1, 2], [2.0, 1.0])}, narrow),
        "accuracies": figures.accuracies_with_intervals(dict.fromkeys(LONG[:3], hot), narrow=narrow),
    }


LONG = ["maximum likelihood", "behavioural cloning", "Jensen-Shannon", "χ²-mixture with ⌫"]
screens = pytest.mark.parametrize("narrow", [False, True])


@screens
def test_every_axis_is_labelled(narrow):
    for name, figure in of_the_pages(narrow).items():
        # where the names of methods or conditions stand along an axis, they say what it is
        assert all(axes.get_xlabel() for axes in figure.axes) or name == "backspace_use"
        assert figure.axes[0].get_ylabel() or name == "accuracies"


@screens
def test_no_legend_and_no_word_is_cut_off_and_none_is_tiny(narrow):
    for figure in of_the_pages(narrow).values():
        plots.check_legible(figure)
        assert not narrow or figure.get_figwidth() == plots.WIDTH_OF_A_PHONE


def legend_too_wide(figure):
    for number in range(8):
        figure.axes[0].plot([0, 1], label=f"a long label for line {number}")
    figure.legend(loc="lower center", ncols=4)


def words_beyond_the_edge(figure):
    figure.axes[0].text(1.0, 0.5, "these words begin at the edge and go on and on").set_in_layout(False)


def legend_of_the_axes_beyond_the_edge(figure):
    figure.axes[0].plot([0, 1], label="a line")
    figure.axes[0].legend(loc="upper left", bbox_to_anchor=(0.95, 1)).set_in_layout(False)


@pytest.mark.parametrize("draw", [legend_too_wide, words_beyond_the_edge, legend_of_the_axes_beyond_the_edge])
def test_what_reaches_beyond_the_figure_is_refused(draw):
    figure = plots.new_figure(width=4.0, height=3.0)
    show.picture(figure, "an empty plot")
    draw(figure)
    with pytest.raises(ValueError, match=r"reaches \d+ pixels beyond the (left|right) edge"):
        plots.check_legible(figure)


def test_tiny_words_are_refused():
    figure = chart()
    figure.axes[0].set_xlabel("x", fontsize=8.5)
    with pytest.raises(ValueError, match=r"'x' is 8\.5 points high; at least 9 were wanted"):
        show.picture(figure, "two lines")


# A look that would spoil everything: white lines and words, huge, drawn by a program that is not there.
USERS_LOOK = [
    "dark_background",
    {"font.size": 30, "text.usetex": True, "savefig.bbox": "tight", "legend.frameon": True},
]


def of_the_lessons():
    rng = np.random.default_rng(0)
    return {
        "curves": chart(),
        "bars": plots.bars(["a", "b"], {"x": [1, 2], "y": [2, 1]}, ylabel="y"),
        "marks": plots.marks(["a", "b"], {"x": [1, 2], "y": [2, 1]}, ylabel="y", yscale="log"),
        "table": plots.table_of_numbers(rng.random((2, 2)), ["r", "s"], ["x", "y"], title="numbers"),
        "tree": plots.text_tree({"": 0.5, "a": 0.3, "b": 0.1}, {"", "a"}, title="tree"),
        "trie": plots.attention_over_trie(
            "abc", np.array([0, 1, 1]), np.array([NEVER, 2, NEVER]), 2, np.array([0.5, 0.0, 0.5]), title="trie"
        ),
        **of_the_pages(narrow=False),
    }


def test_figures_look_the_same_whatever_look_the_user_has_set():
    def drawn():
        for name, figure in of_the_lessons().items():
            with plots.style():
                figure.canvas.draw()
            yield name, bytes(figure.canvas.buffer_rgba())

    ours, our_page, our_png = dict(drawn()), show.figure_html(chart(), "two lines"), show.png(chart())
    with matplotlib.style.context(USERS_LOOK):
        theirs, their_page, their_png = dict(drawn()), show.figure_html(chart(), "two lines"), show.png(chart())
        assert matplotlib.rcParams["font.size"] == 30  # and theirs is given back
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert (our_page, our_png) == (their_page, their_png)


def test_bars_have_nothing_to_stand_on_a_logarithmic_axis_and_marks_need_nothing():
    with pytest.raises(ValueError, match="a logarithmic axis does not have; draw `marks`"):
        plots.bars(["a"], {"x": [1.0]}, ylabel="y", yscale="log")
    drawn = plots.marks(["a", "b"], {"x": [1e-3, 10.0], "y": [1.0, 2.0]}, ylabel="y", yscale="log")
    show.picture(drawn, "two series of marks")  # told apart by more than their colour
    first, second = drawn.axes[0].lines
    assert first.get_ydata().tolist() == [1e-3, 10.0] and second.get_ydata().tolist() == [1.0, 2.0]
    assert np.all(first.get_xdata() < second.get_xdata()) and first.get_linestyle() == "None"


# In a notebook


def chart(height=1.0):
    return plots.curves([0.0, 1.0, 2.0], {"a": [0, height, 2], "b": [2, height, 0]}, xlabel="x", ylabel="y")


def test_a_flipbook_shows_one_figure_at_a_time_each_with_its_text():
    book = show.flipbook([chart(1), chart(2)], ["first <one>", "second"], "Two steps", unit="step", start=2)
    outline = Outline(book._repr_html_())
    assert [image["alt"] for image in outline.find("img")] == ["first <one>", "second"]
    frames = [d for d in outline.find("div") if d.get("class") == "frame"]
    assert [(d["data-born"], d["data-died"]) for d in frames] == [("1", "2"), ("2", "3")]
    (slider,) = outline.find("input")
    assert (slider["min"], slider["max"], outline.find("section")[0]["data-start"]) == ("1", "2", "2")
    assert repr(book) == "Two steps"
    for drawn, alts in ([], []), ([chart()], ["a", "b"]):
        with pytest.raises(ValueError, match="a text for each"):
            show.flipbook(drawn, alts, "none")
    with pytest.raises(ValueError, match="alt is empty"):
        show.flipbook([chart()], [" "], "none")


def test_every_part_of_a_notebook_brings_its_style_and_script_and_nothing_from_outside():
    for part in (
        show.typing([press("ab<.")], ABC, "one", real_words=["a"]),
        show.flipbook([chart()], ["text"], "one"),
        show.keyboard_html(StringMDP(3, 2), {"Ann": StringMDP(3, 2).uniform()}, ABC, ["a"]),
    ):
        page = part._repr_html_()
        Outline(page)
        assert page.count("<script>") == page.count("<style>") == 1
        assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)""", page) and "http" not in page
        assert not re.search(r"<h\d", page), "a heading here would be out of the order of the page"
        # Styles must not reach the notebook around them.
        (style,) = re.findall(r"(?s)<style>(.*?)</style>", page)
        selectors = re.findall(r"(?m)^\s*([^@{}\n][^{}\n]*)\{", style)
        assert selectors and all(".smatch" in selector for selector in selectors)


def test_a_prediction_has_a_labelled_field_of_its_own_and_is_sent_nowhere():
    page = show.prediction("02.1")._repr_html_()
    Outline(page)
    assert re.search(r'<label>[^<]*02\.1[^<]*<textarea [^>]*data-number="02\.1"', page)
    assert "localStorage" in page and not re.search(r"fetch|XMLHttp|sendBeacon|<form|http", page)
    assert "<script>alert" not in show.prediction("<script>alert(1)</script>")._repr_html_()
    assert "02.1" in repr(show.prediction("02.1"))


def test_the_keyboard_knows_what_every_typist_would_press(rng):
    mdp = StringMDP(3, 2)
    policy = mdp.legal * rng.random(mdp.legal.shape)
    policy /= policy.sum(axis=1, keepdims=True)
    page = show.keyboard_html(mdp, {"Ann": policy, "Bob": mdp.uniform()}, ABC, ["ab", "c"], noise=0.3)._repr_html_()
    outline = Outline(page)
    data = json.loads(outline.find("section")[0]["data-typists"])
    assert data["letters"] == ["a", "b", "c"] and data["length"] == 2 and data["words"] == ["ab", "c"]
    assert [typist["name"] for typist in data["typists"]] == ["Ann", "Bob"]
    table = data["typists"][0]["policy"]
    assert len(table) == mdp.num_states - 1
    for text, row in zip(mdp.states, policy, strict=False):
        for key, chance in table[ABC.decode(text)].items():
            assert chance == pytest.approx(row["abc⏎⌫".index(key)], abs=5e-4)
    assert {button.get("value") for button in outline.find("button")} >= set("abc⏎⌫")
    assert all(button.get("aria-label") or button.get("data-part") for button in outline.find("button"))
    with pytest.raises(ValueError, match="a page holds 5,000"):
        show.keyboard_html(StringMDP(26, 3), {}, Vocabulary(), [])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["alexander"], "7 different letters, in words of up to 9, make 47,079,208 texts; a page holds 5,000: with so"),
        (["python", "jupyter"], "words of up to 3 fit; in words so long, up to 3 different letters fit$"),
        (["hello", "world"], "make 19,608 texts; .* of yours, hello fit"),
        (["x" * 3000 + "y"], r"make about 10\^903 texts; a page holds 5,000: with so many letters, words of up to 11"),
        (["a"], "the only letter in \\['a'\\] is 'a'; a keyboard that slips needs two"),
        ([], "at least one word was wanted"),
        (["the", ""], "a letter in each"),
        ("the hat", "words is the text 'the hat'; a list was wanted, such as \\['the', 'hat'\\]"),
        (["ab⌫"], "⌫ is in a word"),
    ],
)
def test_words_that_a_page_cannot_hold_are_answered_at_once_with_what_would_fit(words, message):
    with pytest.raises(ValueError, match=message):
        show.keyboard_for(words)


def test_a_keyboard_for_words_is_the_smallest_and_is_refused_where_a_page_is_full(rng):
    for _ in range(300):
        letters = "".join(map(chr, range(97, 99 + int(rng.integers(25)))))
        words = ["".join(rng.choice(list(letters), size=rng.integers(1, 14))) for _ in range(rng.integers(1, 4))]
        count, longest = len(set("".join(words))), max(map(len, words))
        texts = sum(count**n for n in range(longest + 1))
        if count < 2 or texts > 5000:
            with pytest.raises(ValueError, match="needs two" if count < 2 else f"make {texts:,} texts|make about 10"):
                show.keyboard_for(words)
            continue
        mdp, vocabulary = show.keyboard_for(words, noise=0.1)
        assert (mdp.absorbing, mdp.max_length, mdp.noise) == (texts, longest, 0.1) and mdp.backspace
        assert all(mdp.index(vocabulary.encode(word)) < texts for word in words)


def test_without_backspace_the_keyboard_has_no_such_key():
    mdp = StringMDP(3, 1, backspace=False)
    page = show.keyboard_html(mdp, {"Ann": mdp.uniform()}, ABC, ["a"])._repr_html_()
    assert "⌫" not in [button.get("value") for button in Outline(page).find("button")]


def test_a_picture_is_shown_with_its_text_for_everybody(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    show.picture(chart(), "Two lines that cross <here>.")._ipython_display_()
    (image, options), (words, _) = shown
    assert base64.b64decode(image["image/png"]).startswith(b"\x89PNG")
    assert image["text/plain"] == options["metadata"]["image/png"]["alt"] == "Two lines that cross <here>."
    assert "Two lines that cross &lt;here&gt;." in words["text/html"]
    with pytest.raises(ValueError, match="alt is empty"):
        show.picture(chart(), "")


def test_a_tree_of_texts_has_a_mark_for_each_and_squares_off_the_data():
    tree = plots.text_tree({"": 0.5, "a": 0.3, "b": 0.1, "ab": 0.1}, {"", "a", "ab"})
    words = [text.get_text() for text in tree.axes[0].texts]
    assert sorted(words) == ["(empty)\n0.500", "a\n0.300", "ab\n0.100", "b\n0.100"]
    squares = [mark for mark in tree.axes[0].collections if mark.get_hatch()]
    assert len(squares) == 1 and len(tree.axes[0].collections) == 4


def test_the_size_of_a_mark_in_a_tree_is_its_weight_and_0_has_none():
    tree = plots.text_tree({"": 0.4, "a": 0.1, "b": 0.0, "bc": 0.0}, {"", "a"})
    below, top = sorted(float(mark.get_sizes()[0]) for mark in tree.axes[0].collections)
    assert top == pytest.approx(4 * below)
    assert [text.get_text().split()[-1] for text in tree.axes[0].texts].count("0.000") == 2


def test_a_table_of_numbers_says_every_number_in_words():
    table = plots.table_of_numbers(np.array([[0.25, np.inf], [1.0, -2.5]]), ["r", "s"], ["x", "y"])
    assert [text.get_text() for text in table.axes[0].texts] == ["0.25", "∞", "1.00", "-2.50"]


# Attention over the trie


def test_attention_over_the_trie_strikes_out_what_was_deleted_and_says_each_weight(rng):
    typed = [0, 1, ABC.backspace]
    for _ in range(12):
        standing = len(typed) - 2 * typed.count(ABC.backspace)
        typed.append(ABC.backspace if standing and rng.random() < 0.4 else int(rng.integers(3)))
    packed = pack([0, 1], [*typed, 2], ABC.backspace)
    query = int(rng.integers(4, len(packed.tokens)))  # by then input 3 is deleted
    index, seen = np.arange(len(packed.tokens)), visible(packed.expires)[query]
    weights = rng.dirichlet(np.ones(len(index))) * seen
    figure = plots.attention_over_trie(ABC.decode(packed.tokens.tolist()), *packed[1:3], query, weights)
    show.picture(figure, "the attention of one input")  # it rests on no colour alone

    (axes,) = figure.axes
    order = np.concatenate([index[seen], index[packed.expires <= query], index[index > query]])
    marks = [mark for mark in axes.collections if len(mark.get_offsets())]
    places = np.concatenate([mark.get_offsets() for mark in marks])
    assert np.array_equal(places[:, 1], -packed.positions[order]) and len(np.unique(places, axis=0)) == len(index)
    sizes = np.array([mark.get_sizes()[0] for mark in marks[: seen.sum()]])
    assert np.array_equal(np.argsort(sizes), np.argsort(weights[seen]))
    struck = [line.get_xydata()[0] for line in axes.lines if len(line.get_xydata()) == 1]
    assert np.array_equal(struck, places[(packed.expires <= query)[order]])
    strokes = [line for line in axes.lines if len(line.get_xydata()) == 1]
    assert all(line.get_zorder() < text.get_zorder() for line in strokes for text in axes.texts)  # the letter is read

    words = [text.get_text() for text in axes.texts]
    assert words[::2] == list(ABC.decode(packed.tokens[order].tolist()))
    looks = np.where(order == query, " ← looks", "")
    assert words[1::2] == [f"{weights[k]:.2f}{look}" if seen[k] else "" for k, look in zip(order, looks, strict=True)]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["seen", "deleted", "comes later"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"signs": "aab"}, r"positions has shape \(4,\); \(3,\), one for each sign, was wanted"),
        ({"expires": np.array([9, 9, 3])}, r"expires has shape \(3,\); \(4,\), one for each sign"),
        ({"weights": np.ones(5)}, r"weights has shape \(5,\); \(4,\), one for each sign"),
        ({"query": 4}, r"query is 4; wanted 0\.\.3"),
        ({"query": -1}, r"query is -1; wanted 0\.\.3"),
        ({"weights": np.array([0.5, 0.2, 0.1, 0.2])}, "weights has 0.1 at input 2; wanted 0, since input 3 cannot see"),
        ({"query": 1}, "weights has 0.1 at input 3; wanted 0, since input 1 cannot see"),
        ({"positions": np.array([0, 1, 2, 4])}, "input 3 stands on 0 inputs at position 3; wanted 1"),
        ({"expires": np.array([9, 9, 9, 9]), "positions": np.array([0, 1, 1, 2])}, "input 3 stands on 2 inputs"),
    ],
)
def test_what_is_no_attention_over_a_trie_is_named(monkeypatch, changed, message):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as a user sees it
    whole = {
        "signs": "abca",
        "positions": np.array([0, 1, 2, 2]),
        "expires": np.array([NEVER, NEVER, 3, NEVER]),
        "query": 3,
        "weights": np.array([0.5, 0.4, 0.0, 0.1]),
    }
    plots.attention_over_trie(**whole)
    with pytest.raises(ValueError, match=message):
        plots.attention_over_trie(**(whole | changed))


def test_traces_of_a_generation_can_be_watched_as_they_are():
    letters = Vocabulary("ab")
    back, eos = letters.backspace, letters.eos
    trace = Trace([0, 0, back, 1, eos], [0, 1, back, 1, eos], [0.0] * 5, [0, 1], "eos")
    strokes = [Keystroke(*pair) for pair in zip(trace.pressed, trace.actions, strict=True)]
    assert typing([trace], letters, "one text").body == typing([strokes], letters, "one text").body
