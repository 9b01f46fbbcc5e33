"""`smatch typists`: three trained networks at work, on the terminal and on a page."""

import re
from pathlib import Path

import numpy as np
import pytest

from smatch_edu.cli import MADE, main
from smatch_edu.configs.experiments import arm_config
from smatch_edu.pictures import show
from smatch_edu.studies.experiments import settings
from smatch_edu.studies.keyboard import interval_of, rows_of
from smatch_edu.studies.typists import FIGURES, KEYBOARDS, NETWORKS, load_networks, real_words_by_noise, runs_table
from smatch_edu.support.files import check_writable, packaged
from smatch_edu.support.results import read_table
from smatch_edu.training.loop import load_policy

ARM = {"typist_mle": ("mle", "one"), "typist_sequencematch": ("learner", "each"), "typist_shown": ("shown", "one")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("typists")
    for name, (arm, terminal) in ARM.items():
        tiny = {"steps": 2, "width": 8, "num_layers": 1, "letters": "aht"}
        config = arm_config("8x3", arm, 0.1, terminal=terminal, given=tiny)
        assert main(["train", *settings(config).split(), "--weights-only", "--out", str(made / name)]) == 0
    return made


def test_the_three_type_on_the_terminal_and_on_a_page(folder, tmp_path, capsys):
    page, figures = tmp_path / "page.html", tmp_path / "figures"
    command = ["typists", "--checkpoints", str(folder), "--shown", "7", "--out", str(page), "--figures", str(figures)]
    assert main(command) == 0
    assert sorted(path.name for path in figures.iterdir()) == [f"{name}.svg" for name in FIGURES]
    for path, mark in ((page, show.MARK), *((path, MADE) for path in figures.iterdir())):
        check_writable(path, mark)  # what we wrote is written over
    printed, text = capsys.readouterr().out, page.read_text()
    assert all(f"  {title}" in printed for title in NETWORKS.values())
    assert text.count('class="player typing"') == 3 and text.count("<img alt=") == 1
    assert "$" not in re.sub(r"<script>.*?</script>", "", text, flags=re.S)


def test_what_is_missing_is_named(folder, tmp_path, capsys):
    out = ["--out", str(tmp_path / "page.html")]
    assert main(["typists", "--checkpoints", str(tmp_path), *out]) == 2
    assert "typist_mle has no checkpoint.safetensors" in capsys.readouterr().err
    assert main(["typists", "--checkpoints", str(folder), "--table", str(tmp_path / "none.tsv"), *out]) == 2
    assert "none.tsv has no rows; `smatch experiment keyboard` makes them" in capsys.readouterr().err
    with pytest.raises(SystemExit):  # by the parser
        main(["typists", "--shown", "0", *out])
    assert "shown is 0" in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not (tmp_path / "page.html").exists()


def test_the_data_page_has_the_command_that_made_each_typist():
    page = (Path(__file__).parents[2] / "data" / "README.md").read_text(encoding="utf-8")
    lines = [line.strip() for line in page.splitlines() if "smatch train" in line]
    for name, (arm, terminal) in ARM.items():
        config = load_policy(packaged("checkpoints", name))[1]
        assert f"smatch train {settings(config)} --weights-only --out data/checkpoints/{name}" in lines
        assert config == arm_config("26x3", arm, 0.1, terminal=terminal, given={"steps": config.steps})


def test_the_shipped_typists_do_what_the_story_says():
    """Nobody showed SequenceMatch the key: it presses it off the data, and finishes more real words than maximum
    likelihood can, whose limit is exact."""
    found = {name: network.found for name, network in load_networks(shown=1).items()}
    (limit,) = rows_of(
        read_table(packaged("results", "keyboard.tsv")),
        keyboard="26x3",
        noise="0.1",
        arm="limit",
        terminal="one",
        backspace="no",
    )
    assert found["typist_mle"].real_word < float(limit["real_word"]) < found["typist_sequencematch"].real_word
    assert found["typist_mle"].backspace_off < 0.05 and found["typist_sequencematch"].backspace_off > 0.5


def test_sequencematch_wins_where_the_readme_says_so():
    """At η = .1 its interval over seeds is wholly above the exact limit of maximum likelihood, in its own divergence
    wholly below it."""
    rows = read_table(packaged("results", "keyboard.tsv"))
    for keyboard in ("8x3", "26x3"):
        here = {"keyboard": keyboard, "noise": "0.1", "backspace": "yes", "terminal": "each"}
        runs, (limit,) = rows_of(rows, arm="learner", **here), rows_of(rows, arm="limit", **here)
        assert len(runs) >= 5
        assert interval_of(runs, "real_word").low > float(limit["real_word"])
        assert interval_of(runs, "divergence").high < float(limit["divergence"])


def test_the_table_has_means_over_seeds_with_their_intervals():
    def row(seed, real, **given):
        shares = {"off_data": 0.1, "backspace_off": 0.5, "backspace_on": 0.01, "divergence": 0.2, "optimum": 0.1}
        common = {
            "keyboard": "8x3",
            "noise": "0.1",
            "arm": "mle",
            "backspace": "yes",
            "terminal": "one",
            "settings": "–",
        }
        return {**common, "seed": seed, "real_word": real, **{name: str(x) for name, x in shares.items()}, **given}

    exact = {"arm": "limit", "terminal": "each"}
    rows = [row("0", "0.8"), row("1", "0.9"), row("2", "0.5", settings="steps=1")]
    rows += [row("exact", "0.95", **exact), row("exact", "0.95", **exact, backspace="no")]
    found = runs_table(rows, "8x3", "0.1")
    assert [one[0] for one in found] == ["maximum likelihood", "limit of likelihood (exact)"]
    assert found[0][1:4] == ["with", "2", "85.0% [21.5, 100.0]"] and found[1][1:4] == ["without", "–", "95.0%"]
    assert set(KEYBOARDS) == {"8x3", "26x3", "26x6"}
    drawn = real_words_by_noise(rows, "8x3")  # not what has fewer than five seeds
    assert drawn == {"limit of likelihood (exact)": ([0.1], [(0.95, 0.95, 0.95)])}
    assert np.isnan(interval_of(rows[:1], "real_word").low)
