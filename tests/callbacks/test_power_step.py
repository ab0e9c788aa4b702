"""The power-step decay against the article that it comes from."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
from tiny import fit, near, no_warning, odometer, regression, travelled, warned_once, weights_after

from kerasdecay import PowerStepDecay, simulate
from kerasdecay.schedules import PowerStep

pytestmark = pytest.mark.any_backend


def article(epoch: int, epochs: int, learning_rate: float = 0.1) -> float:
    """The article's code, as it stands there: `epochs` is its EPOCHS, `learning_rate` its LR."""
    power = epoch // (epochs // 3) + 1
    return learning_rate**power


def test_the_articles_15_epochs_have_5_of_each_rate() -> None:
    model = odometer()
    history = fit(model, [PowerStepDecay(0.1)], epochs=15)
    assert history["learning_rate"] == near([0.1] * 5 + [0.01] * 5 + [0.001] * 5, rel=1e-12)
    assert travelled(model) == near(4 * 5 * 0.111)


def test_weights_after_training_equal_those_of_the_articles_lambda() -> None:
    theirs = keras.callbacks.LearningRateScheduler(lambda epoch: article(epoch, 15))
    expected = weights_after([theirs], 15)
    np.testing.assert_array_equal(weights_after([PowerStepDecay(0.1)], 15), expected)
    undecayed = weights_after([], 15)
    assert not np.allclose(undecayed, expected, rtol=1e-2)


@pytest.mark.parametrize("epochs", range(3, 41))
def test_remainder_new_stage_is_the_articles_code_for_every_number_of_epochs(epochs: int) -> None:
    literal = [article(epoch, epochs) for epoch in range(epochs)]
    ours = simulate(PowerStep(0.1, remainder="new_stage"), epochs=epochs)
    np.testing.assert_allclose(ours, literal, rtol=1e-12)


@pytest.mark.parametrize("epochs", range(3, 41))
def test_remainder_last_gives_what_is_left_over_to_the_last_stage(epochs: int) -> None:
    stage = epochs // 3
    by_hand = [0.1] * stage + [0.01] * stage + [0.001] * (epochs - 2 * stage)
    np.testing.assert_allclose(simulate(PowerStep(0.1), epochs=epochs), by_hand, rtol=1e-12)


def test_remainder_new_stage_in_a_training() -> None:
    decay = PowerStepDecay(0.5, remainder="new_stage")
    assert fit(odometer(), [decay], epochs=5)["learning_rate"] == [
        0.5,
        0.25,
        0.125,
        0.0625,
        0.03125,
    ]


def test_the_horizon_given_stands_against_fits() -> None:
    decay = PowerStepDecay(0.5, stages=2, epochs=4)
    assert fit(odometer(), [decay], epochs=6)["learning_rate"] == [0.5, 0.5] + [0.25] * 4


def test_min_learning_rate_is_the_lowest_stage() -> None:
    decay = PowerStepDecay(0.5, min_learning_rate=0.2)
    assert fit(odometer(), [decay], epochs=3)["learning_rate"] == [0.5, 0.25, 0.2]


def test_fewer_epochs_than_stages_is_refused_before_the_first_step() -> None:
    model = odometer()
    wanted = "stages must be at most the 2 epochs that there are to decay in. Received: stages=3"
    with pytest.raises(ValueError, match=re.escape(wanted)):
        fit(model, [PowerStepDecay(0.1)], epochs=2)
    assert travelled(model) == 0


@pytest.mark.parametrize("rate", [1, 1.0, 1.5, 0, -0.1, float("nan"), "0.1", True])
def test_a_rate_from_1_on_and_no_rate_at_all_are_refused(rate: object) -> None:
    with pytest.raises(ValueError, match="initial_learning_rate must be a finite number > 0"):
        PowerStepDecay(rate)  # type: ignore[arg-type]


def test_a_rate_from_1_on_found_in_the_optimizer_is_refused_too() -> None:
    model = odometer(2.0)
    with pytest.raises(ValueError, match=r"< 1\. Received: initial_learning_rate=2\.0"):
        fit(model, [PowerStepDecay()], epochs=3)
    assert travelled(model) == 0


def test_a_rate_below_a_hundredth_gets_one_warning_that_names_the_alternative() -> None:
    with warned_once("1,000-fold drop", "Step(factor=0.1)"):
        decay = PowerStepDecay(0.001)
        fit(odometer(), [decay], epochs=3)


def test_the_same_warning_for_a_rate_found_in_the_optimizer() -> None:
    with warned_once("1,000-fold drop", "Step(factor=0.1)"):
        fit(odometer(0.001), [PowerStepDecay()], epochs=3)


def test_a_hundredth_gets_no_warning() -> None:
    with no_warning():
        fit(regression(), [PowerStepDecay(0.01)], epochs=3)
