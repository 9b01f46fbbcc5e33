"""A table of results grows run by run, and a run that is in it is not run again."""

import pytest

from smatch_edu.cli import main
from smatch_edu.configs import NeuralDivergenceConfig
from smatch_edu.studies.experiments import extend_table, read_table

RUNS = [{"colour": colour, "size": size} for colour in ("red", "blue") for size in (1, 2.5)]
RESULTS = ["step", "value"]


def test_an_experiment_that_was_interrupted_goes_on_where_it_was(tmp_path):
    path, measured = tmp_path / "table.tsv", []

    def measure(run):
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append(run)
        return [{"step": step, "value": 0.25} for step in (0, 1)]

    with pytest.raises(KeyboardInterrupt):
        extend_table(path, RUNS, RESULTS, measure)
    assert len(read_table(path)) == 4
    before = path.read_text()
    measured.clear()
    extend_table(path, RUNS, RESULTS, measure)
    assert measured == RUNS[2:]
    assert path.read_text().startswith(before)
    assert read_table(path)[-1] == {"colour": "blue", "size": "2.5", "step": "1", "value": "0.25"}
    extend_table(path, RUNS, RESULTS, measure)
    assert measured == RUNS[2:]
    assert sorted(tmp_path.iterdir()) == [tmp_path / ".table.tsv.lock", path]


def test_the_table_of_another_experiment_is_not_touched(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("colour\tvalue\nred\t1\n")
    with pytest.raises(ValueError, match="has no column 'size'; it holds another experiment"):
        extend_table(path, RUNS, RESULTS, lambda run: pytest.fail("measured"))
    assert path.read_text() == "colour\tvalue\nred\t1\n"
    path.write_text("one line of notes\n")
    with pytest.raises(ValueError, match="has no column 'size'; it holds another experiment"):
        extend_table(path, RUNS, RESULTS, lambda run: [{"value": 1}])
    assert path.read_text() == "one line of notes\n"
    with pytest.raises(ValueError, match="there is no folder"):
        extend_table(tmp_path / "nowhere" / "table.tsv", RUNS, RESULTS, lambda run: [])
    assert read_table(tmp_path / "none.tsv") == []


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
