"""PlateauDecay in the place of Keras' ReduceLROnPlateau."""

from __future__ import annotations

import inspect
import math
import warnings
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import Scripted, fit, near, odometer, travelled

from kerasdecay import PlateauDecay
from kerasdecay.rules import Plateau
from kerasdecay.schedules import PowerStep

pytestmark = pytest.mark.any_backend

OPTIMIZER = keras.optimizers.SGD(1.0)


def kerases(values: list[Any], learning_rate: float, monitor: str, **arguments: Any) -> list[float]:
    """Return the rates that ReduceLROnPlateau leaves after each epoch with these metrics."""
    model = SimpleNamespace(optimizer=OPTIMIZER, metrics=[])
    OPTIMIZER.learning_rate = learning_rate
    theirs = keras.callbacks.ReduceLROnPlateau(monitor, **arguments)
    theirs.set_model(model)
    theirs.on_train_begin()
    rates = []
    for epoch, value in enumerate(values):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the epochs without the metric
            theirs.on_epoch_end(epoch, {} if value is None else {monitor: value})
        rates.append(float(keras.ops.convert_to_numpy(OPTIMIZER.learning_rate)))
    return rates


def ours(values: list[Any], learning_rate: float, monitor: str, **arguments: Any) -> list[float]:
    (rule,) = PlateauDecay(monitor, **arguments).rules
    seen = [{} if value is None else {monitor: value} for value in values]
    return [learning_rate * state.scale for state in rule.replay(seen, learning_rate)]


def test_the_arguments_are_those_of_reduce_lr_on_plateau_in_the_same_order() -> None:
    def named(function: Any) -> list[tuple[str, Any]]:
        parameters = inspect.signature(function).parameters.values()
        return [
            (one.name, one.default) for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD
        ]

    assert named(PlateauDecay) == named(keras.callbacks.ReduceLROnPlateau)


# Steps of a 64th are exact in single precision and tie with a min_delta of 1/64.
metric = st.one_of(
    st.integers(-64, 64).map(lambda value: value / 64),
    st.floats(-1024, 1024, width=32, allow_subnormal=False),
    st.sampled_from([np.float32(share / 10_000).item() for share in range(9000, 9005)]),
    st.none(),
)


@settings(max_examples=60)
@given(
    values=st.lists(metric, min_size=1, max_size=25),
    learning_rate=st.floats(2**-10, 1.0, width=32),
    factor=st.floats(0.1, 0.95),
    patience=st.integers(0, 4),
    min_delta=st.sampled_from([0.0, 1e-4, 1 / 64, 0.5]),
    cooldown=st.integers(0, 3),
    min_lr=st.sampled_from([0.0, 1e-3, 0.01, 0.1]),
    mode=st.sampled_from(["min", "max"]),
)
def test_trajectory_is_keras_own_on_any_metrics(
    values: list[Any], learning_rate: float, **arguments: Any
) -> None:
    theirs = kerases(values, learning_rate, "m", **arguments)
    assert ours(values, learning_rate, "m", **arguments) == near(theirs)


@pytest.mark.parametrize(("patience", "cooldown"), [(2, 0), (2, 1), (2, 2), (1, 3), (0, 0)])
def test_weights_are_those_of_a_training_with_reduce_lr_on_plateau(
    patience: int, cooldown: int
) -> None:
    arguments = {"factor": 0.5, "patience": patience, "cooldown": cooldown, "min_lr": 0.05}
    script = [1.0, 0.9, 0.9, 0.95, 0.8, 0.8, 0.8, 0.8]
    travels = []
    for callback in (PlateauDecay, keras.callbacks.ReduceLROnPlateau):
        model = odometer()
        fit(model, [Scripted(val_loss=script), callback("val_loss", **arguments)], epochs=8)
        travels.append(travelled(model))
    assert travels[0] == near(travels[1])
    assert travels[0] < 0.99 * 0.5 * 4 * 8


NAN_FIRST = [math.nan, 1.0, 0.9, 0.8, 0.7]


def test_nan_in_the_first_epoch_makes_kerases_rate_fall_while_the_metric_improves() -> None:
    # If this fails, Keras has mended it: then the documentation must say so.
    rates = kerases(NAN_FIRST, 1.0, "val_loss", factor=0.5, patience=2, mode="min")
    assert rates == [1, 1, 0.5, 0.5, 0.25]


def test_nan_in_the_first_epoch_does_no_harm_here() -> None:
    decay = PlateauDecay("val_loss", factor=0.5, patience=2)
    history = fit(odometer(), [Scripted(val_loss=NAN_FIRST), decay], epochs=5)
    assert history["learning_rate"] == [0.5] * 5
    assert [event.kind for event in decay.events] == ["nonfinite"]
    assert "val_loss is nan" in decay.events[0].reason


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_no_number_is_an_event_and_ends_nothing(bad: float) -> None:
    decay = PlateauDecay("val_loss", factor=0.5, patience=2)
    script = Scripted(val_loss=[1.0, bad, 0.5, bad, bad, 0.4])
    history = fit(odometer(), [script, decay], epochs=6)
    assert history["learning_rate"] == [0.5] * 5 + [0.25]
    assert [event.epoch for event in decay.events] == [1, 3, 4]
    assert [event.kind for event in decay.events] == ["nonfinite", "nonfinite", "reduce"]


def test_min_lr_is_a_floor_for_the_product_in_a_training() -> None:
    decay = PlateauDecay("val_loss", factor=0.1, patience=1, min_lr=0.02, schedule=PowerStep(0.5))
    history = fit(odometer(), [Scripted(val_loss=[1.0] * 6), decay], epochs=6)
    # Stages 0.5, 0.5, 0.25, 0.25, 0.125, 0.125; scales 1, 1, 0.1, 0.08, 0.08, 0.08: the reduction
    # after epoch 3 would go below 0.02, those after it would begin there.
    expected = [0.5, 0.5, 0.025, 0.02, 0.01, 0.01]
    assert history["learning_rate"] == near(expected)


def test_restore_best_weights_goes_back_to_the_best_epochs_weights() -> None:
    decay = PlateauDecay("val_loss", factor=0.5, patience=2, restore_best_weights=True)
    model = odometer()
    fit(model, [Scripted(val_loss=[3.0, 1.0, 2.0, 2.0, 2.0]), decay], epochs=5)
    # Best after epoch 1, at 2 × 4 × 0.5; back there after epoch 3; then one epoch at 0.25.
    assert travelled(model) == near(2 * 4 * 0.5 + 4 * 0.25)
    (event,) = decay.events
    assert event.reason.endswith("rate × 0.5, best weights restored")


def test_restore_best_weights_follows_its_own_rule_and_not_another() -> None:
    other = Plateau("other_loss", factor=0.5, patience=9)
    decay = PlateauDecay(
        "val_loss", factor=0.5, patience=2, restore_best_weights=True, rules=[other]
    )
    script = Scripted(val_loss=[3.0, 1.0, 2.0, 2.0], other_loss=[4.0, 3.0, 2.0, 1.0])
    model = odometer()
    fit(model, [script, decay], epochs=4)
    assert travelled(model) == near(2 * 4 * 0.5)


def test_two_rules_that_restore_go_back_each_to_its_own_best_epoch() -> None:
    other = Plateau("other_loss", factor=0.5, patience=2, restore_best_weights=True)
    decay = PlateauDecay(
        "val_loss", factor=0.5, patience=2, restore_best_weights=True, rules=[other]
    )
    script = Scripted(
        val_loss=[3.0, 1.0, 2.0, 2.0, 0.5, 0.5], other_loss=[4.0, 3.0, 2.0, 1.0, 2.0, 2.0]
    )
    model = odometer()
    fit(model, [script, decay], epochs=6)
    # Epoch 4 ends at 4 × 4 × 0.5, the other rule's best, and the first goes back from it; after
    # epoch 6 the other goes back to it.
    assert travelled(model) == near(4 * 4 * 0.5)


def test_without_restore_best_weights_they_stay() -> None:
    model = odometer()
    decay = PlateauDecay("val_loss", factor=0.5, patience=2)
    fit(model, [Scripted(val_loss=[3.0, 1.0, 2.0, 2.0]), decay], epochs=4)
    assert travelled(model) == near(4 * 4 * 0.5)


def test_stop_at_min_lr_ends_the_training() -> None:
    decay = PlateauDecay("val_loss", factor=0.5, patience=1, min_lr=0.25, stop_at_min_lr=True)
    history = fit(odometer(), [Scripted(val_loss=[1.0] * 9), decay], epochs=9)
    assert history["learning_rate"] == [0.5, 0.5, 0.25]
    assert [event.kind for event in decay.events] == ["reduce", "floor"]
    assert decay.events[-1].reason.endswith("the rate is at min_lr 0.25: stop")


def test_one_further_rule_needs_no_list() -> None:
    rule = Plateau("loss")
    assert PlateauDecay(rules=rule).rules[1:] == (rule,)


def test_further_rules_multiply() -> None:
    rules = [Plateau("other_loss", factor=0.1, patience=1)]
    decay = PlateauDecay("val_loss", factor=0.5, patience=2, rules=rules)
    script = Scripted(val_loss=[1.0] * 4, other_loss=[1.0, 1.0, 0.5, 0.4])
    history = fit(odometer(), [script, decay], epochs=4)
    assert history["learning_rate"] == near([0.5, 0.5, 0.05, 0.025])
    assert [event.epoch for event in decay.events] == [1, 2]
