"""A user's function in the place of Keras' LearningRateScheduler."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
from tiny import Scripted, fit, near, odometer, travelled, weights_after

from kerasdecay import CosineDecay, LearningRateDecay, WarmupDecay
from kerasdecay.rules import Greedy, Plateau
from kerasdecay.schedules import Cosine

pytestmark = pytest.mark.any_backend


def of_epoch(epoch: int) -> float:
    return 0.1 / (epoch + 1)


def of_both(epoch: int, learning_rate: float) -> float:
    return learning_rate * (1.0 if epoch < 2 else math.exp(-0.1))


@pytest.mark.parametrize("function", [of_epoch, of_both])
def test_weights_are_those_of_a_training_with_learning_rate_scheduler(function: Any) -> None:
    expected = weights_after([keras.callbacks.LearningRateScheduler(function)], 6)
    found = weights_after([LearningRateDecay(function)], 6)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert not np.allclose(weights_after([], 6), expected, rtol=1e-3)


def test_a_function_is_called_once_an_epoch_with_a_plain_int() -> None:
    calls: list[Any] = []

    def noting(epoch: int) -> float:
        calls.append(epoch)
        return 0.1

    rules = [Plateau("loss"), Greedy("loss")]
    fit(odometer(), [LearningRateDecay(noting, rules=rules)], epochs=3)
    assert calls == [0, 1, 2]
    assert {type(epoch) for epoch in calls} == {int}


def test_the_rate_given_to_a_function_is_without_the_rules_scale() -> None:
    given: list[float] = []

    def halving(epoch: int, learning_rate: float) -> float:
        given.append(learning_rate)
        return learning_rate / 2

    decay = LearningRateDecay(halving, rules=[Plateau("val_loss", factor=0.1, patience=1)])
    history = fit(odometer(0.8), [Scripted(val_loss=[1.0] * 3), decay], epochs=3)
    assert given == [0.8, 0.4, 0.2]
    assert history["learning_rate"] == near([0.4, 0.2, 0.1 * 0.1])


def test_a_type_error_inside_the_function_reaches_the_user() -> None:
    # LearningRateScheduler would call it again with one argument, and report that instead.
    def broken(epoch: int, learning_rate: float) -> float:
        return learning_rate * "2"  # type: ignore[operator, return-value]

    with pytest.raises(TypeError, match="can't multiply sequence"):
        fit(odometer(), [LearningRateDecay(broken)], epochs=1)


def test_any_error_of_the_function_reaches_the_user_as_it_is() -> None:
    def broken(epoch: int) -> float:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fit(odometer(), [LearningRateDecay(broken)], epochs=1)


@pytest.mark.parametrize(
    "result", [None, "0.1", math.nan, math.inf, -0.1, [0.1, 0.2], True, 1j], ids=repr
)
@pytest.mark.parametrize("arguments", [1, 2])
def test_a_result_that_is_no_learning_rate_is_refused(result: Any, arguments: int) -> None:
    function = (lambda epoch: result) if arguments == 1 else (lambda epoch, rate: result)
    with pytest.raises(ValueError, match="the function's result for epoch 0 must be"):
        fit(odometer(), [LearningRateDecay(function)], epochs=1)


@pytest.mark.parametrize(
    "make", [int, np.float32, np.array, keras.ops.convert_to_tensor], ids=lambda make: make.__name__
)
def test_a_result_may_be_any_kind_of_number(make: Any) -> None:
    decay = LearningRateDecay(lambda epoch: make(1.0))
    assert fit(odometer(), [decay], epochs=1)["learning_rate"] == [1.0]


@pytest.mark.parametrize("schedule", [None, True, {}, object(), lambda: 0.1, lambda a, b, c: 0.1])
def test_what_is_neither_schedule_nor_function_is_refused(schedule: Any) -> None:
    with pytest.raises(ValueError, match=r"f\(epoch\) or f\(epoch, learning_rate\). Received"):
        LearningRateDecay(schedule)


def test_a_class_in_the_place_of_a_schedule_is_named() -> None:
    with pytest.raises(ValueError, match=r"Received: schedule=Cosine\. Write Cosine\(…\)"):
        LearningRateDecay(Cosine)


def test_a_callback_in_the_place_of_a_schedule_is_named_as_it_was_written() -> None:
    with pytest.raises(ValueError, match=r"=CosineDecay\(0\.1, warmup=2\)\. Give the"):
        LearningRateDecay(CosineDecay(0.1, warmup=2))
    with pytest.raises(ValueError, match=r"WarmupDecay: then must be .*then=CosineDecay"):
        WarmupDecay(5, CosineDecay(0.1))


def test_a_schedule_of_keras_is_asked_for_each_step() -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 4, 0.5)
    model = odometer()
    fit(model, [LearningRateDecay(schedule)], epochs=3)
    assert travelled(model) == near(sum(0.5 * 0.5 ** (n / 4) for n in range(12)))


@pytest.mark.parametrize("update", ["batch", "20 steps", "compiled"])
def test_a_function_of_the_rate_before_moves_on_once_an_epoch_only(update: str) -> None:
    with pytest.raises(ValueError, match="update must be"):
        LearningRateDecay(of_both, update=update)


def test_a_function_of_the_rate_before_has_no_warmup() -> None:
    with pytest.raises(ValueError, match="Use a schedule, or a function of the epoch alone"):
        LearningRateDecay(of_both, warmup=1)


def test_a_function_of_the_epoch_is_warmed_up_and_shifted() -> None:
    history = fit(odometer(), [LearningRateDecay(of_epoch, warmup=2, update="epoch")], epochs=4)
    assert history["learning_rate"] == near([0.05, 0.1, 0.1, 0.05])
