"""The experiments, as somebody at a terminal asks for them."""

import pytest

from smatch_edu.cli import main
from smatch_edu.configs import NeuralDivergenceConfig, SweepConfig, TrainingConfig
from smatch_edu.studies import experiments
from smatch_edu.support.results import read_table


def test_the_command_writes_the_neural_table_and_goes_on_with_it(tmp_path, capsys):
    path = tmp_path / "neural.tsv"
    command = ["experiment", "neural-divergence", "--out", str(path), "--num-steps", "2"]
    aht = ["--letters", "aht"]
    assert main([*command, *aht, "--divergences", "mle"]) == 0
    first = path.read_text()
    assert main([*command, *aht, "--divergences", "mle", "chi2", "--next-values", "expectation"]) == 0
    assert path.read_text().startswith(first)
    rows = read_table(path)
    assert [(row["divergence"], row["uniform"], row["step"]) for row in rows] == [
        ("mle", "0.0", "0"),
        ("mle", "0.0", "1"),
        ("mle", "0.0", "2"),
        ("chi2", "0.1", "0"),
        ("chi2", "0.1", "1"),
        ("chi2", "0.1", "2"),
    ]
    assert main([*command, "--letters", "zq"]) == 2
    assert "no word of up to 3 letters can be typed with 'zq'" in capsys.readouterr().err


def test_the_keyboard_has_the_words_that_its_letters_can_type():
    mdp, texts, weights = NeuralDivergenceConfig(letters="aht").keyboard()
    assert ["".join("aht"[i] for i in text) for text in texts] == ["a", "at", "ha", "ah", "hat"]
    assert weights == sorted(weights, reverse=True) and mdp.num_states == 41


# -- what is asked for ---------------------------------------------------------------------------------------------


def test_settings_to_vary_that_come_twice_are_united(tmp_path):
    for vary in (("seed=0,1", "seed=1,2"), ("seed=0", "seed=1", "seed=2"), ("seed=0,1,2,0",)):
        assert [one.seed for one in SweepConfig(tmp_path / "t.tsv", vary).runs()] == [0, 1, 2]
    both = SweepConfig(tmp_path / "t.tsv", ("seed=0,1", "width=16,32")).runs()
    assert [(one.seed, one.width) for one in both] == [(0, 16), (0, 32), (1, 16), (1, 32)]
    assert SweepConfig(tmp_path / "t.tsv").runs() == [TrainingConfig()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "--vary", "sed=1"], "did you mean 'seed'"),
        (["sweep", "--vary", "seed"], "such as seed=0,1,2"),
        (["sweep", "--vary", "seed=-1"], "seed is -1"),
        (["sweep", "--vary", "task=keyboard,aritmetic"], "did you mean 'arithmetic'"),
        (["sweep", "--vary", "init=nowhere"], "nowhere has no checkpoint"),
        (["sweep", "--split", "tset"], "did you mean"),
        (["sweep", "--workers", "0"], "workers is 0"),
        (["neural-divergence", "--divergences", "mle", "chi3"], "did you mean 'chi2'"),
        (["neural-divergence", "--next-values", "expectation", "samples"], "did you mean 'sample'"),
        (["neural-divergence", "--seeds", "0"], "seeds is 0"),
    ],
)
def test_a_mistake_is_named_before_the_work(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(experiments, "extend_table", lambda *_: pytest.fail("the work has begun"))
    try:
        status = main(["experiment", *arguments, "--out", str(tmp_path / "t.tsv")])
    except SystemExit as error:  # by the parser
        status = error.code
    assert status == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []
