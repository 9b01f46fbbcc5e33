"""Answers that students give, written from the notebooks' text alone, and what the checks say to them."""

import importlib
import pkgutil

import answers
import pytest

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
    contents = getattr(checks, module)
    with pytest.raises(NotYet) as refused:
        getattr(contents, exercise).check(answer)
    named = getattr(contents, mistake, None)  # else it is what any exercise says of such a thing
    hint = " ".join(named.__doc__.split()) if named else mistake
    assert hint in str(refused.value)
