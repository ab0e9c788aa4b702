"""Traps in setting an optimizer's rate, each with its test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import keras
import pytest
from tiny import (
    STEPS,
    Odometer,
    Scripted,
    fit,
    near,
    new_odometer,
    no_warning,
    odometer,
    regression,
    regression_data,
    travelled,
    two_odometers,
    warned_once,
)

from kerasdecay import LearningRateDecay, PowerStepDecay, WarmupDecay
from kerasdecay.rules import Plateau
from kerasdecay.schedules import Linear, PowerStep, Step

pytestmark = pytest.mark.any_backend

has_multi_optimizer = pytest.mark.skipif(
    not hasattr(keras.optimizers, "MultiOptimizer"), reason="this Keras has no MultiOptimizer"
)


@pytest.mark.parametrize(
    ("rate", "named"),
    [
        (
            keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5),
            "the schedule ExponentialDecay",
        ),
        (lambda: 0.1, "a function"),
    ],
)
def test_an_optimizer_built_with_a_schedule_or_a_callable_is_refused(rate: Any, named: str) -> None:
    wanted = f"Received: SGD(learning_rate={named}). Compile the model with SGD(learning_rate=0.1)"
    model = new_odometer(rate)
    with pytest.raises(ValueError, match=re.escape(wanted)):
        fit(model, [PowerStepDecay(0.5)], epochs=3)
    assert travelled(model) == 0


@has_multi_optimizer
def test_a_schedule_in_one_of_several_optimizers_is_refused_by_name() -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    optimizer = multi_from_map(1.0, schedule)
    with pytest.raises(ValueError, match="learning_rate_slow=the schedule ExponentialDecay"):
        fit(two_odometers(optimizer), [PowerStepDecay(0.5)], epochs=3)


@pytest.fixture
def mixed_float16() -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.usefixtures("mixed_float16")
def test_loss_scale_optimizer_of_mixed_float16() -> None:
    model = new_odometer(0.5)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    decay = PowerStepDecay(stages=2)
    assert fit(model, [decay], epochs=2)["learning_rate"] == [0.5, 0.25]
    assert travelled(model) == near(STEPS * 0.75, rel=1e-2)
    assert float(model.optimizer.inner_optimizer.learning_rate) == 0.25


def test_loss_scale_optimizer_whose_steps_are_skipped_keeps_to_the_batches() -> None:
    # With a scale this high the first two gradients overflow, and the inner optimizer stands still.
    inner = keras.optimizers.SGD(0.5)
    model = new_odometer(
        optimizer=keras.optimizers.LossScaleOptimizer(inner, initial_scale=3e38),
    )
    model.compile(model.optimizer, loss=lambda true, predicted: -4.0 * predicted)
    history = fit(model, [WarmupDecay(2)], epochs=2)
    assert int(inner.iterations) == 2 * STEPS - 2
    assert travelled(model) == near(4.0 * sum(0.5 * (batch + 1) / 8 for batch in range(2, 8)))
    assert history["learning_rate"] == near([0.25, 0.5])


def multi_from_map(fast: Any, slow: Any) -> Any:
    return keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(
            keras.optimizers.SGD(slow, name="slow"),
            {"fast/.*": keras.optimizers.SGD(fast, name="fast")},
        )
    )


def multi_from_function(fast: float, slow: float) -> Any:
    parts = {
        name: keras.optimizers.SGD(rate, name=name)
        for name, rate in (("fast", fast), ("slow", slow))
    }
    return keras.optimizers.MultiOptimizer(lambda variable: parts[variable.path.split("/")[0]])


@has_multi_optimizer
@pytest.mark.parametrize("make", [multi_from_map, multi_from_function])
def test_multi_optimizer_decays_each_rate_from_its_own_base(make: Any) -> None:
    model = two_odometers(make(0.5, 0.25))
    decay = PowerStepDecay(stages=2)
    history = fit(model, [decay], epochs=2)
    assert history["learning_rate_fast"] == [0.5, 0.25]
    assert history["learning_rate_slow"] == [0.25, 0.0625]
    assert "learning_rate" not in history
    assert travelled(model, "fast") == near(STEPS * 0.75)
    assert travelled(model, "slow") == near(STEPS * 0.3125)
    assert decay.trace.learning_rates_of("learning_rate_slow").tolist() == [0.25, 0.0625]


@has_multi_optimizer
def test_multi_optimizer_with_a_rule_and_a_warmup() -> None:
    model = two_odometers(multi_from_map(0.8, 0.4))
    rules = [Plateau("val_loss", factor=0.5, patience=1)]
    decay = WarmupDecay("2 steps", rules=rules)
    history = fit(model, [Scripted(val_loss=[1.0, 1.0, 1.0, 0.5]), decay], epochs=4)
    assert history["learning_rate_fast"] == near([0.8, 0.8, 0.8, 0.4])
    assert history["learning_rate_slow"] == near([0.4, 0.4, 0.4, 0.2])
    assert travelled(model, "slow") == near(0.2 + 11 * 0.4 + 4 * 0.2)
    assert sorted(event.key for event in decay.events) == [
        "learning_rate_fast",
        "learning_rate_slow",
    ]


@has_multi_optimizer
def test_multi_optimizer_from_a_function_in_a_model_that_is_not_built_yet() -> None:
    parts = {
        "kernel": keras.optimizers.SGD(0.5, name="of_kernels"),
        "bias": keras.optimizers.Adam(0.1, name="of_biases"),
    }
    optimizer = keras.optimizers.MultiOptimizer(lambda variable: parts[variable.name])
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(optimizer, loss="mse")
    x, y = regression_data()
    if keras.backend.backend() == "tensorflow":  # which builds it at the first step only
        with pytest.raises(ValueError, match=r"call model\.build\(input_shape\) before fit"):
            fit(model, [LearningRateDecay(PowerStep(stages=2))], epochs=2, x=x, y=y)
        model.build((None, 2))
    history = fit(model, [LearningRateDecay(PowerStep(stages=2))], epochs=2, x=x, y=y)
    assert history["learning_rate_of_kernels"] == [0.5, 0.25]
    assert history["learning_rate_of_biases"] == near([0.1, 0.01])


@has_multi_optimizer
def test_multi_optimizer_whose_parts_share_a_name() -> None:
    parts = {
        layer: keras.optimizers.SGD(rate, name="same")
        for layer, rate in (("fast", 0.5), ("slow", 0.25))
    }
    optimizer = keras.optimizers.MultiOptimizer(lambda variable: parts[variable.path.split("/")[0]])
    history = fit(two_odometers(optimizer), [PowerStepDecay(stages=1)], epochs=1)
    assert history["learning_rate_same"] == [0.5]
    assert history["learning_rate_same_2"] == [0.25]


def test_the_checkpoint_layout_is_unchanged() -> None:
    model = regression(optimizer=keras.optimizers.Adam(0.1))
    plain = regression(optimizer=keras.optimizers.Adam(0.1))
    fit(plain)
    fit(model, [WarmupDecay(1, then=PowerStep(stages=1))], epochs=2)
    layouts = [[variable.shape for variable in one.optimizer.variables] for one in (model, plain)]
    assert layouts[0] == layouts[1]
    rate = model.optimizer.learning_rate
    assert isinstance(rate, keras.Variable)
    assert any(rate is variable for variable in model.optimizer.variables)


WORDS = "something else also writes the optimizer's learning_rate"
in_both_orders = pytest.mark.parametrize("order", ["before", "after"])


@in_both_orders
@pytest.mark.parametrize("writer", ["LearningRateScheduler", "ReduceLROnPlateau"])
def test_two_writers_get_one_warning_that_names_the_usual_ones(writer: str, order: str) -> None:
    other = {
        "LearningRateScheduler": lambda: keras.callbacks.LearningRateScheduler(lambda epoch: 0.3),
        "ReduceLROnPlateau": lambda: keras.callbacks.ReduceLROnPlateau(
            "loss", patience=1, mode="max"
        ),
    }[writer]()
    decay = LearningRateDecay(lambda epoch: 0.5)
    with warned_once(f"LearningRateDecay: {WORDS}", writer):
        fit(odometer(), [other, decay] if order == "before" else [decay, other], epochs=4)


@pytest.mark.parametrize("update", ["batch", "2 steps"])
def test_a_writer_listed_later_is_noticed_within_the_epoch(update: str) -> None:
    other = keras.callbacks.LearningRateScheduler(lambda epoch: 0.3)
    with warned_once(WORDS, "was left at 0.5 and is 0.3 in epoch 1"):
        fit(odometer(), [LearningRateDecay(Linear(), update=update), other], epochs=1)


class Meddler(keras.callbacks.Callback):
    """Sets the rate to 0.3 before the last batch of every epoch but the first."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if batch == STEPS - 1 and self.epoch > 0:
            self.model.optimizer.learning_rate = 0.3


@pytest.mark.parametrize("update", ["epoch", "batch", "compiled"])
def test_any_other_writer_is_told_of_once_and_undone_as_the_next_epoch_begins(update: str) -> None:
    decay, real = LearningRateDecay(Step(every=2, factor=0.5), update=update), Odometer()
    with warned_once(WORDS, "is 0.3 in epoch 3"):
        fit(odometer(), [decay, Meddler(), real], epochs=4)
    assert real.moves[::STEPS] == near([0.5, 0.5, 0.25, 0.25])


def test_one_writer_gets_no_warning_whatever_it_writes() -> None:
    decay = WarmupDecay(
        1, then=PowerStep(stages=2), rules=[Plateau("loss", patience=1, mode="max")]
    )
    with no_warning():
        fit(odometer(0.1), [decay], epochs=4)
