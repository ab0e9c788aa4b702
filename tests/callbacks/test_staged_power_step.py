"""PowerStepDecay whose stages a rule enters, in place of the calendar."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import pytest
from tiny import (
    Kill,
    Odometer,
    Scripted,
    fit,
    fit_until_killed,
    near,
    new_odometer,
    no_warning,
    odometer,
    travelled,
    warned_once,
)

from kerasdecay import LearningRateDecay, PowerStepDecay
from kerasdecay.rules import AdaptiveKnee, Plateau, Staged, WeightNorm
from kerasdecay.schedules import Constant

pytestmark = pytest.mark.any_backend

SCRIPT = [5.0, 4.0, 4.0, 4.0, 3.0, 3.0, 3.0, 3.0]
TWO = Plateau("val_loss", patience=2)
"""It fires after epochs 3 and 6."""


def train(decay: Any, model: Any = None, script: list[float] | None = None) -> list[float]:
    script = SCRIPT if script is None else script
    callbacks = [Scripted(val_loss=script), decay]
    return fit(model or odometer(), callbacks, len(script))["learning_rate"]


@pytest.mark.parametrize("update", ["auto", "batch", "compiled"])
@pytest.mark.parametrize("given", [0.5, None])
def test_the_stages_are_powers_of_the_rate_given_or_found_and_train_the_weights(
    update: str, given: float | None
) -> None:
    decay = PowerStepDecay(given, advance_on=TWO, update=update)
    model, real = odometer(), Odometer()
    found = fit(model, [Scripted(val_loss=SCRIPT), decay, real], 8)["learning_rate"]
    assert found == near([0.5] * 4 + [0.25] * 3 + [0.125])
    assert real.moves[::4] == near(found)
    assert travelled(model) == near(4 * sum(found))
    assert [(event.epoch, event.kind, event.source) for event in decay.events] == [
        (3, "reduce", "Staged"),
        (6, "reduce", "Staged"),
    ]
    assert decay.events[1].reason == (
        "val_loss 3 has not improved on 3 by 0.0001 for 2 epochs: stage 3, rate 0.125"
    )


def test_there_are_no_more_stages_than_asked_for() -> None:
    level = [1.0] * 6
    each = Plateau("val_loss", patience=1)
    found = {
        stages: train(PowerStepDecay(stages=stages, advance_on=each), script=level)
        for stages in (1, 2, 4)
    }
    assert found[1] == near([0.5] * 6)
    assert found[2] == near([0.5, 0.5] + [0.25] * 4)
    assert found[4] == near([0.5, 0.5, 0.25, 0.125, 0.0625, 0.0625])


def test_the_calendar_means_nothing() -> None:
    falling = [9.0, 8.0, 7.0, 6.0, 5.0, 4.0]
    for options in ({}, {"remainder": "new_stage"}, {"epochs": 2}, {"stages": 9}):
        decay = PowerStepDecay(advance_on=TWO, **options)  # type: ignore[arg-type]
        assert train(decay, script=falling) == near([0.5] * 6)


def test_min_learning_rate_is_the_lowest_stage() -> None:
    each = Plateau("val_loss", patience=1)
    decay = PowerStepDecay(min_learning_rate=0.2, advance_on=each)
    assert train(decay, script=[1.0] * 4) == near([0.5, 0.5, 0.25, 0.2])


@pytest.mark.parametrize("rate", [0.1, None])
def test_a_min_learning_rate_above_the_initial_one_is_refused(rate: float | None) -> None:
    with pytest.raises(ValueError, match=r"min_learning_rate must be at most initial_learning"):
        train(PowerStepDecay(rate, min_learning_rate=0.2, advance_on=TWO), odometer(0.1))


def test_a_rate_from_1_on_is_refused_before_the_first_step() -> None:
    with pytest.raises(ValueError, match=r"initial_learning_rate must be a finite number > 0"):
        PowerStepDecay(1.0, advance_on=TWO)
    model = odometer(2.0)
    with pytest.raises(ValueError, match=r"< 1\. Received: initial_learning_rate=2\.0"):
        train(PowerStepDecay(advance_on=TWO), model)
    assert travelled(model) == 0


@pytest.mark.parametrize(
    ("schedule", "rule"),
    [
        (Constant(1.25), Staged(TWO)),
        (Constant(1.25), AdaptiveKnee(Staged(TWO))),
        (lambda epoch, learning_rate: 1.25, Staged(TWO)),
    ],
)
def test_a_plan_that_comes_to_1_is_refused(schedule: Any, rule: Any) -> None:
    with pytest.raises(ValueError, match=r"Staged: learning_rate must be below 1\. .*=1\.25"):
        train(LearningRateDecay(schedule, rules=[rule]))


def test_a_tiny_rate_that_is_given_gets_one_warning() -> None:
    with warned_once("1,000-fold drop"):
        PowerStepDecay(0.001, advance_on=TWO)
    with no_warning():
        train(PowerStepDecay(0.05, advance_on=TWO))


@pytest.mark.parametrize("wrong", [3, Plateau, AdaptiveKnee()])
def test_what_is_no_rule_that_reduces_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"(advance_on|trigger) must be a rule that reduces"):
        PowerStepDecay(advance_on=wrong)


def test_a_rule_can_be_named() -> None:
    by_name, by_rule = PowerStepDecay(advance_on="plateau"), PowerStepDecay(advance_on=Plateau())
    assert by_name.rules == by_rule.rules


def test_the_trigger_rests_while_the_schedule_warms_up() -> None:
    each = Plateau("val_loss", patience=1)
    decay = PowerStepDecay(advance_on=each, warmup=3)
    # Looked at from epoch 3 on: the first value is the best.
    found = train(decay, script=[1.0] * 7)
    assert found == near([0.5 * 4 / 12, 0.5 * 8 / 12, 0.5, 0.5, 0.5, 0.25, 0.125])


def test_another_rules_scale_multiplies_and_moves_no_stage() -> None:
    other = Plateau("other_loss", factor=0.1, patience=1)
    decay = PowerStepDecay(advance_on=TWO, rules=[other])
    script = Scripted(val_loss=SCRIPT, other_loss=[1.0, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    found = fit(odometer(), [script, decay], 8)["learning_rate"]
    assert found == near([0.5, 0.5, 0.05, 0.05, 0.025, 0.025, 0.025, 0.0125])


@pytest.mark.parametrize("killed_in", [2, 3, 6])
def test_a_training_that_was_killed_goes_on_in_its_stage(killed_in: int, tmp_path: Path) -> None:
    def made() -> PowerStepDecay:
        return PowerStepDecay(advance_on=TWO, state_path=tmp_path / "state.json")

    model, script = new_odometer(), Scripted(val_loss=SCRIPT)
    fit_until_killed(model, [script, made(), Kill(killed_in)], 8)
    rest = fit(model, [script, made()], 8, initial_epoch=killed_in + 1)["learning_rate"]
    assert rest == near(([0.5] * 4 + [0.25] * 3 + [0.125])[killed_in + 1 :])


def test_a_second_training_begins_with_the_first_stage() -> None:
    decay, model = PowerStepDecay(advance_on=TWO), odometer()
    first = train(decay, model)
    assert train(decay, model) == first


class Rising(keras.metrics.MeanMetricWrapper):
    """A metric of a name that tells nothing, and that is better the higher."""

    def __init__(self) -> None:
        super().__init__(lambda true, predicted: predicted, name="likeness")
        self._direction = "up"


def test_the_direction_of_the_triggers_metric_is_the_compiled_ones() -> None:
    decay = PowerStepDecay(advance_on=Plateau("val_likeness", patience=1))
    rising = Scripted(val_likeness=[1.0, 2.0, 3.0, 4.0, 3.0])
    model = new_odometer(metrics=[Rising()])
    assert fit(model, [rising, decay], 5)["learning_rate"] == near([0.5] * 5)
    assert [event.epoch for event in decay.events] == [4]


def test_the_weight_norm_may_be_the_trigger_and_is_logged() -> None:
    decay = PowerStepDecay(advance_on=WeightNorm(last_decay=0.5))
    history = fit(odometer(), [decay], 4)
    assert history["learning_rate"] == near([0.5, 0.5, 0.25, 0.25])
    assert history["weight_norm"] == near([4.0, 16.0, 25.0, 36.0])


def test_the_configuration_is_plain_data() -> None:
    decay = PowerStepDecay(0.1, stages=4, advance_on=Plateau("loss", patience=3))
    twin = PowerStepDecay.from_config(json.loads(json.dumps(decay.get_config())))
    assert twin.rules == decay.rules == (Staged(Plateau("loss", patience=3), stages=4),)
    assert twin.schedule == decay.schedule
