"""Which rate a decay starts from, in the first training and in those after it."""

from __future__ import annotations

import pytest
from tiny import Scripted, fit, new_odometer, no_warning, odometer, warned_once

from kerasdecay import LearningRateDecay, PlateauDecay, PowerStepDecay

pytestmark = pytest.mark.any_backend


def test_the_rate_given_stands_against_the_optimizers() -> None:
    decay = PowerStepDecay(0.5, stages=2)
    assert fit(odometer(0.9), [decay], epochs=2)["learning_rate"] == [0.5, 0.25]
    assert decay.trace.setup.base_source == "given"


def test_without_one_the_optimizers_is_taken_as_the_number_that_the_user_wrote() -> None:
    decay = PowerStepDecay(stages=2)
    history = fit(odometer(0.1), [decay], epochs=2)
    assert history["learning_rate"] == [0.1, 0.1**2]  # not 0.10000000149
    assert decay.trace.setup.base_rates == {"learning_rate": 0.1}


def test_second_fit_starts_afresh_and_remembers_the_base_rate() -> None:
    decay = PowerStepDecay(stages=2)
    model = odometer(0.5)
    with no_warning():
        first = fit(model, [decay], epochs=2)
        second = fit(model, [decay], epochs=2)
    assert first["learning_rate"] == second["learning_rate"] == [0.5, 0.25]
    assert decay.trace.setup.base_source == "remembered from the training before"


def test_second_fit_forgets_what_the_rules_decided() -> None:
    decay = PlateauDecay("val_loss", factor=0.5, patience=1)
    model = odometer()
    rates = [
        fit(model, [Scripted(val_loss=script), decay], epochs=2)["learning_rate"]
        for script in ([0.1, 0.2], [0.3, 0.3])
    ]
    # The rate goes on from 0.25, as with ReduceLROnPlateau; a best value of 0.1 would reduce twice.
    assert rates == [[0.5, 0.5], [0.25, 0.25]]
    assert [(event.epoch, event.kind) for event in decay.events] == [(1, "reduce")]
    assert "where the training before left it" in decay.trace.setup.base_source


def test_a_rate_set_between_two_fits_is_a_new_base_rate() -> None:
    decay = PowerStepDecay(stages=2)
    model = odometer(0.5)
    fit(model, [decay], epochs=2)
    model.optimizer.learning_rate = 0.4
    with warned_once("PowerStepDecay: the optimizer has trained before", "learning_rate, 0.4"):
        history = fit(model, [decay], epochs=2)
    assert history["learning_rate"] == [0.4, 0.4**2]


def test_another_model_is_not_taken_for_the_one_before() -> None:
    # Its fresh rate happens to be the one that the first model was left with.
    decay = PowerStepDecay(stages=2)
    fit(odometer(0.5), [decay], epochs=2)
    with no_warning():
        history = fit(new_odometer(0.25), [decay], epochs=2)
    assert history["learning_rate"] == [0.25, 0.0625]


def test_an_optimizer_that_has_trained_gets_one_warning_that_says_what_its_rate_is_taken_for() -> (
    None
):
    model = odometer(0.25)
    fit(model)
    with warned_once("its present learning_rate, 0.25, is taken for the initial", "pass initial"):
        decay = PowerStepDecay(stages=2)
        fit(model, [decay], epochs=2)
    assert decay.trace.setup.base_source == "the optimizer's, which has trained before"


def test_a_rate_given_needs_no_warning_on_an_optimizer_that_has_trained() -> None:
    model = odometer(0.25)
    fit(model)
    with no_warning():
        fit(model, [PowerStepDecay(0.5, stages=2)], epochs=2)


def test_a_function_of_the_rate_before_goes_on_from_the_present_rate() -> None:
    decay = LearningRateDecay(lambda epoch, learning_rate: learning_rate / 2)
    model = odometer(0.8)
    with no_warning():
        rates = [fit(model, [decay], epochs=2)["learning_rate"] for _ in range(2)]
    assert rates == [[0.4, 0.2], [0.1, 0.05]]


def test_a_training_of_no_epochs_leaves_everything_as_it_is() -> None:
    decay = PowerStepDecay(stages=1)
    model = odometer(0.5)
    fit(model, [decay], epochs=2, initial_epoch=2)
    assert float(model.optimizer.learning_rate) == 0.5
    assert decay.trace is None
