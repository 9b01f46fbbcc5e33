"""The main job, on words small enough for a test; and the command around it."""

import importlib
import itertools
import math
import re
from dataclasses import replace

import numpy as np
import pytest

import oracles
from smatch_edu import cli
from smatch_edu.configs import WalkthroughConfig
from smatch_edu.exact.mdp import StringMDP
from smatch_edu.pictures import show
from smatch_edu.studies import report
from smatch_edu.studies.walkthrough import METHODS, certificate, table, train, walkthrough
from smatch_edu.support.tables import text_table
from smatch_edu.text.vocabulary import Vocabulary, load_words

ABC = Vocabulary("abc")


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    path = tmp_path_factory.mktemp("words") / "mine.tsv"
    path.write_text("word\tcount\nab\t5\na\t3\ncb\t2\n", encoding="utf-8")
    return load_words(2, path)


@pytest.fixture(scope="module")
def small(words):
    config = WalkthroughConfig(max_length=2, noise=(0.0, 0.2))
    return walkthrough(config, words, ABC), config


def test_every_typist_is_trained_once(small):
    results, config = small
    assert [(r.noise, r.backspace, r.method) for r in results] == [
        (noise, backspace, method) for noise in config.noise for backspace in (False, True) for method in METHODS
    ]


def test_each_number_is_that_of_the_oracle(small, words):
    results, config = small
    for result in results:
        shape = (3, 2, result.backspace)
        P = oracles.transition_tensor(*shape, result.noise)
        clean = oracles.transition_tensor(*shape, 0.0)
        states = oracles.states_of(3, 2)
        legal = oracles.legal_actions(*shape)
        sequences = [ABC.encode(word) for word in words.words]
        demonstrator = oracles.demonstrator(states, legal, sequences, words.counts, 3)
        expert = oracles.occupancy(clean, demonstrator, config.gamma)
        learner = oracles.occupancy(P, result.policy, config.gamma)
        on_data = expert[:-1].sum(axis=1) > 0
        assert result.out_of_distribution == pytest.approx(learner[:-1][~on_data].sum(), abs=1e-10)
        assert result.occupancy_by_length.sum() == pytest.approx(learner[:-1].sum(), abs=1e-10)
        name = "forward_kl" if result.method == "mle" else result.method
        assert result.divergence == pytest.approx(oracles.divergence(name, learner, expert), abs=1e-8)
        assert result.others == pytest.approx([oracles.divergence(n, learner, expert) for n in ("chi2", "reverse_kl")])
        if result.method != "mle":
            program = oracles.convex_program(P, legal, expert, result.method, config.gamma, config.alpha)
            found = result.divergence - config.alpha * oracles.causal_entropy(learner)
            assert found == pytest.approx(program.value, abs=1e-6)


def test_the_share_of_real_words_is_that_of_simulated_typing(small, words):
    results, _ = small
    for result in results:
        mdp = StringMDP(3, 2, result.backspace, result.noise)
        states, _ = mdp.sample(result.policy, 4000, 400, seed=int(np.random.default_rng().integers(1 << 30)))
        assert (states[:, -1] == mdp.absorbing).all()
        end = (states != mdp.absorbing).sum(axis=1) - 1
        last = states[np.arange(len(states)), end]
        real = np.isin(last, [mdp.index(ABC.encode(word)) for word in words.words]).mean()
        spread = math.sqrt(max(result.real_word * (1 - result.real_word), 1e-4) / 4000)
        assert abs(real - result.real_word) < 5 * spread


def test_only_a_trained_divergence_finds_backspace(small):
    results, _ = small
    for result in results:
        if result.backspace and result.noise > 0:
            assert (result.backspace_helps > 0.1) == (result.method != "mle")
            if result.method != "mle":
                assert result.backspace_helps > 3 * result.backspace_hurts


def test_infinite_and_undefined_values_are_shown_as_such(small):
    results, _ = small
    header, rows = table(results)
    noisy = [row for row in rows if row[0] == "20.0%"]
    assert all(row[header.index("χ²")] == row[header.index("reverse KL")] == "∞" for row in noisy)
    assert rows[4][header.index("⌫ helps")] == "–"  # maximum likelihood without noise is never off the data
    assert not any("nan" in cell or "inf" in cell for row in rows for cell in row)
    lines = text_table(header, rows).split("\n")
    assert len({len(line) for line in lines}) == 1


def test_the_report_is_one_page_with_its_figures_and_traces(small, words):
    results, config = small
    page = report.page(results, words, ABC, config)
    assert page.count("<img") == 4 and page.count('class="player typing"') == 2
    assert all(len(alt) > 40 for alt in re.findall(r'<img alt="([^"]*)"', page))
    assert "<del" in page and "$" not in re.sub(r"(?s)<script>.*</script>", "", page)
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)""", page)
    levels = [int(level) for level in re.findall(r"<h(\d)", page)]
    assert levels[0] == 1 and all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_the_report_does_not_change_from_run_to_run(small, words):
    results, config = small
    assert report.page(results, words, ABC, config) == report.page(results, words, ABC, config)


def test_training_one_typist_again_gives_the_same_typist(small, words):
    results, config = small
    again = train(words, ABC, 0.2, True, "js", config)
    (before,) = [r for r in results if (r.noise, r.backspace, r.method) == (0.2, True, "js")]
    assert np.array_equal(again.policy, before.policy)


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def test_the_command_writes_the_report_and_prints_one_table(tmp_path, capsys):
    out = tmp_path / "page.html"
    figures = tmp_path / "figures"
    assert run("walkthrough", "--out", out, "--max-length", 1, "--noise", 0.1, "--figures", figures) == 0
    assert sorted(path.stem for path in figures.iterdir()) == sorted(report.FIGURES)
    assert run("walkthrough", "--out", out, "--max-length", 1, "--noise", 0.1, "--figures", figures) == 0  # its own
    shown = capsys.readouterr()
    assert "maximum likelihood" in shown.out and "∞" in shown.out and "page.html" in shown.out
    assert "training: 8 of 8 typists" in shown.err and "\r" not in shown.err  # no bar: it is no terminal
    assert shown.err.count("\n") < 10
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures", "page.html"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "{tmp}/no/such/page.html"], "there is no folder 'such'"),
        (["--out", "{tmp}"], "cannot be written"),
        (["--noise", "1.5", "--out", "{tmp}/p.html"], "noise is 1.5"),
        (["--gamma", "1", "--out", "{tmp}/p.html"], "gamma is 1.0"),
        (["--alpha", "0", "--out", "{tmp}/p.html"], "alpha is 0.0"),
        (["--max-length", "0", "--out", "{tmp}/p.html"], "max_length is 0"),
        (["--max-length", "30", "--out", "{tmp}/p.html"], "GB"),
        (["--words", "{tmp}/none.tsv", "--out", "{tmp}/p.html"], "none.tsv"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_leaves_nothing(arguments, message, tmp_path, capsys):
    assert run("walkthrough", *[argument.format(tmp=tmp_path) for argument in arguments]) == 2
    shown = capsys.readouterr().err.strip().split("\n")[-1]
    assert shown.startswith("smatch: ") and message in shown
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_leaves_the_old_report(tmp_path, monkeypatch, capsys):
    out = tmp_path / "page.html"
    old = f"old {show.MARK}"
    out.write_text(old, encoding="utf-8")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(report, "page", interrupted)
    assert run("walkthrough", "--out", out, "--max-length", 1, "--noise", 0.1) == 130
    assert out.read_text(encoding="utf-8") == old and len(list(tmp_path.iterdir())) == 1


def test_version_names_what_results_depend_on(capsys):
    assert run("version") == 0
    assert re.search(r"smatch_edu \S+ +python \S+ +torch \S+ +numpy \S+ +scipy \S+", capsys.readouterr().out)


def test_what_did_not_converge_is_marked_and_never_called_certified(monkeypatch, words, tmp_path, capsys):
    module = importlib.import_module("smatch_edu.studies.walkthrough")
    solve = module.maximise_objective

    def gives_up(mdp, expert, method, *settings):
        found = solve(mdp, expert, method, *settings)
        return replace(found, gap=0.3, converged=False) if method == "js" and mdp.backspace else found

    monkeypatch.setattr(module, "maximise_objective", gives_up)
    config = WalkthroughConfig(max_length=2, noise=(0.2,))
    results = walkthrough(config, words, ABC)
    assert [(r.method, r.backspace) for r in results if not r.converged] == [("js", True)]
    _, rows = table(results)
    assert [row[2] for row in rows if "(!)" in row[2]] == ["Jensen-Shannon (!)"]
    told = capsys.readouterr().out
    assert "1 of 8 typists, marked (!), are NOT at their optimum" in told and "better by up to 0.3" in told
    assert "Every optimum is certified" not in told
    page = report.page(results, words, ABC, config)
    assert "NOT at their optimum" in page and "Every optimum is certified" not in page
    out = tmp_path / "page.html"
    assert cli.main(["walkthrough", "--max-length", "1", "--noise", "0.1", "--out", str(out)]) == 2
    assert "1 of 8 typists are not at their optimum" in capsys.readouterr().err and out.exists()


def test_what_did_converge_is_certified(small):
    results, _ = small
    assert all(result.converged for result in results)
    assert certificate(results).startswith("Every optimum is certified: no typist of its kind is better by more than")
