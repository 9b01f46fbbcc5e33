"""Answers that students give, written from the notebooks' text alone, and what the checks say to them."""

import importlib
import pkgutil

import answers
import numpy as np
import pytest
from answers import set_2_divergences
from answers import set_3_backspace_masks as set_3

from smatch_edu import checks
from smatch_edu.checks.exercise import Exercise, NotYet

MODULES = sorted(module.name for module in pkgutil.iter_modules(answers.__path__))


def given(kind):
    """(module, exercise, answer, ...) for every answer of this kind."""
    for name in MODULES:
        for exercise, several in getattr(importlib.import_module(f"answers.{name}"), kind).items():
            for answer in several:
                mistake = several[answer] if isinstance(several, dict) else None
                yield pytest.param(name, exercise, answer, mistake, id=f"{name}.{exercise}-{answer.__name__}")


def test_every_exercise_has_answers():
    assert checks.__all__ == MODULES
    for name in MODULES:
        module = importlib.import_module(f"answers.{name}")
        numbered = vars(getattr(checks, name)).items()
        wanted = {key for key, value in numbered if isinstance(value, Exercise)}
        assert set(module.RIGHT) == set(module.WRONG) == wanted
        for exercise in wanted:
            assert len(module.RIGHT[exercise]) >= 3
            assert len(set(module.WRONG[exercise].values())) >= 5, f"{name}.{exercise}: five different mistakes"


@pytest.mark.parametrize(("module", "exercise", "answer", "mistake"), list(given("RIGHT")))
def test_a_right_answer_passes_however_it_is_written(module, exercise, answer, mistake):
    assert getattr(getattr(checks, module), exercise)(answer) is answer


@pytest.mark.parametrize(("module", "exercise", "answer", "mistake"), list(given("WRONG")))
def test_a_wrong_answer_is_told_what_is_wrong_with_it(module, exercise, answer, mistake):
    """Whatever is drawn, it is rejected. Where a draw fits another mistake as well, the next one tells them apart."""
    contents = getattr(checks, module)
    named = getattr(contents, mistake, None)  # else it is what any exercise says of such a thing
    hint, told = " ".join(named.__doc__.split()) if named else mistake, []
    while len(told) < 3 and not any(hint in each for each in told):
        with pytest.raises(NotYet) as refused:
            getattr(contents, exercise).check(answer)
        told.append(str(refused.value))
    assert any(hint in each for each in told), told[-1]


def test_a_hint_is_not_given_to_whom_it_does_not_fit():
    """Wrong answers that agree with a mistake in part: the hint would send them astray."""

    def deleted_at_the_end_lives_on(walks, backspace, prompt):
        found = set_3.row_with_one_loop(walks, backspace, prompt)
        ends = set_3.row_where_nothing_is_deleted(walks, backspace, prompt)["expires"]
        deleted = np.array(set_3.row_with_late_ends(walks, backspace, prompt, end=-1)["expires"]) != -1
        late = deleted & (found["expires"] == ends)
        return found | {"expires": np.where(late, len(ends), found["expires"])}

    def missing_costs_no_more_than(u, c_expert, c_model):
        return checks.set_2_divergences.prices_of_two_fines.oracle(np.maximum(u, 1e-6), c_expert, c_model)

    def late_where_nothing_warms_up(steps, warmup, falling, end):
        return checks.training_sequencematch.weight_of_cloning.oracle(steps - (warmup == 0), warmup, falling, end)

    def one_of_two_at_the_same_place_lost(x, positions):
        right = checks.transformer_and_generation.rotary_positions.oracle(x, positions)
        alone = [np.flatnonzero(np.asarray(positions) == one)[0] for one in positions]
        return right[alone]

    def unlikely_ways_lost(mask, layers):
        steps = mask + np.eye(len(mask))
        return np.linalg.matrix_power(steps / steps.sum(axis=1, keepdims=True), layers) > 1e-3

    def shortest_solution(moves, on_data):
        stays = np.where(np.eye(len(moves), dtype=bool) & (moves == 1), 0.0, moves)
        stays[on_data] = 0.0
        return np.linalg.pinv(np.eye(len(moves)) - stays) @ on_data.astype(float)

    def three_where_nobody_goes(learner, expert, groups):
        right = checks.set_2_divergences.lazy_critic.oracle(learner, expert, groups)
        nobody = [not (learner + expert)[groups == group].any() for group in groups]
        return right | {"reward": np.where(nobody, 3.0, right["reward"])}

    def not_discounted_when_it_clones_alone(*given):
        right = checks.training_sequencematch.update_of_two_texts.oracle(*given)
        beta = given[5]
        return right | {"data": right["data"] * (1.1 if beta == 1 else 1)}

    def no_spread_where_the_clock_stops_at_once(table, start, gamma):
        right = checks.set_1_occupancies.spread.oracle(table, start, gamma)
        return right | {"whole text": right["whole text"] * (gamma > 0)}

    def rare_pairs_taken_for_none(learner, expert):
        kept = learner + expert > 1e-3
        return np.sum((learner - expert)[kept] ** 2 / (learner + expert)[kept])

    set_2, set_4 = checks.set_2_divergences, checks.set_4_neural_typist
    for exercise, answer, untrue in (
        (checks.set_3_backspace_masks.packed_walks, deleted_at_the_end_lives_on, "still there when a walk ends"),
        (set_2.prices_of_two_fines, missing_costs_no_more_than, "right but for a constant"),
        (checks.training_sequencematch.weight_of_cloning, late_where_nothing_warms_up, "jumps to where"),
        (checks.transformer_and_generation.rotary_positions, one_of_two_at_the_same_place_lost, "keeps the length"),
        (checks.set_3_backspace_masks.influence, unlikely_ways_lost, "does not see itself"),
        (set_2.certificate, set_2_divergences.certificate_with_a_small_number, "leaves out members"),
        (checks.set_1_occupancies.spread, no_spread_where_the_clock_stops_at_once, "same number at every state"),
        (checks.divergences.chi2_mixture, rare_pairs_taken_for_none, "You add a small number"),
        (set_2.lazy_critic, three_where_nobody_goes, "small number under a fraction"),
        (checks.training_sequencematch.update_of_two_texts, not_discounted_when_it_clones_alone, "largest logit"),
        (set_4.comes_back, shortest_solution, "comes back late"),
    ):
        for seed in (*range(5), 1007):
            with pytest.raises(NotYet) as refused:
                exercise.check(answer, seed=seed)
            assert untrue not in str(refused.value)
