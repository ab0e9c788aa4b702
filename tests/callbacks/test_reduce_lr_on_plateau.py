"""Keras' own test cases of ReduceLROnPlateau, run on PlateauDecay by name.

A case that cannot pass as it is written stands in `DIFFERENT`, with the reason and with what holds
instead; a case that Keras adds runs as it is.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterator
from typing import Any

import keras
import pytest
from tiny import Scripted, fit, new_odometer

from kerasdecay import PlateauDecay

reduce_lr_on_plateau_test = pytest.importorskip(
    "keras.src.callbacks.reduce_lr_on_plateau_test", reason="this Keras comes without its tests"
)
CASES = reduce_lr_on_plateau_test.ReduceLROnPlateauTest

pytestmark = pytest.mark.any_backend


def ends_with_a_schedule() -> None:
    """The error is a TypeError, as in Keras; it says in other words what to do."""
    schedule = keras.optimizers.schedules.PolynomialDecay(0.1, decay_steps=10)
    with pytest.raises(TypeError, match="schedule PolynomialDecay") as caught:
        fit(new_odometer(schedule), [PlateauDecay("loss", patience=1)], epochs=2)
    assert isinstance(caught.value, ValueError)


def starts_afresh() -> None:
    """A second fit from epoch 0 remembers neither the best value nor what was waited for."""
    decay, model = PlateauDecay("m", factor=0.5, patience=2, cooldown=2, mode="min"), new_odometer()
    fit(model, [Scripted(m=[0.1, 0.2, 0.2]), decay], epochs=3)  # reduced; in its cooldown
    fit(model, [Scripted(m=[0.9, 0.8]), decay], epochs=2)
    assert [one.kind for one in decay.trace.decisions] == ["improve", "improve"]


def tells_by_its_own_name() -> None:
    """The line that Keras logs names the class; ours is in the logs as well."""
    keras.config.disable_interactive_logging()
    with unittest.TestCase().assertLogs("absl", "INFO") as logs:
        decay = PlateauDecay("m", factor=0.1, patience=1, mode="min", verbose=1)
        fit(new_odometer(0.1), [Scripted(m=[1.0, 1.0]), decay], epochs=2)
    assert any("PlateauDecay" in line and "0.01" in line for line in logs.output)


DIFFERENT: dict[str, tuple[str, Callable[[], None]]] = {
    "test_throws_when_optimizer_has_schedule": (
        "the TypeError has a message of this package",
        ends_with_a_schedule,
    ),
    "test_verbose_logging": (
        "the line begins with PlateauDecay, where Keras' begins with ReduceLROnPlateau",
        tells_by_its_own_name,
    ),
    "test_state_reset_across_fit_calls": (
        "it sets and reads private attributes: best, wait and cooldown_counter",
        starts_afresh,
    ),
}
NAMES = unittest.TestLoader().getTestCaseNames(CASES)


@pytest.fixture(autouse=True)
def interactive_logging() -> Iterator[None]:
    before = keras.config.is_interactive_logging_enabled()
    yield
    (
        keras.config.enable_interactive_logging
        if before
        else keras.config.disable_interactive_logging
    )()


@pytest.fixture
def outcome(request: Any, monkeypatch: Any) -> unittest.TestResult:
    """Return the result of the case of this name, with PlateauDecay in Keras' place."""
    for callbacks in (keras.callbacks, reduce_lr_on_plateau_test.callbacks):
        monkeypatch.setattr(callbacks, "ReduceLROnPlateau", PlateauDecay)
    result = unittest.TestResult()
    CASES(request.param).run(result)
    assert (result.testsRun, result.skipped) == (1, [])
    return result


@pytest.mark.parametrize(
    "outcome", [name for name in NAMES if name not in DIFFERENT], indirect=True
)
def test_keras_own_case_passes(outcome: unittest.TestResult) -> None:
    assert [text for _, text in (*outcome.failures, *outcome.errors)] == []


@pytest.mark.parametrize("outcome", [name for name in NAMES if name in DIFFERENT], indirect=True)
def test_a_case_that_is_listed_as_different_differs(outcome: unittest.TestResult) -> None:
    # One that passes has to leave the table.
    assert not outcome.wasSuccessful()


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_holds_instead(name: str) -> None:
    _, holds = DIFFERENT[name]
    holds()


def test_the_table_names_cases_of_keras() -> None:
    assert len(NAMES) >= 5
    # An older Keras has fewer cases: that of a second fit came with 3.14 or later.
    others = (
        set()
        if tuple(map(int, keras.__version__.split(".")[:2])) >= (3, 15)
        else {"test_state_reset_across_fit_calls"}
    )
    assert DIFFERENT.keys() - others <= set(NAMES)
