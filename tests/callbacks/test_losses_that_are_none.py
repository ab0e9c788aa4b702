"""Keras logs 0 for a loss that a `train_step` returns where the model was compiled without one."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from tiny import X, Y, distance, fit, near, new_odometer, no_warning, warned_once

from kerasdecay import PlateauDecay, steer

pytestmark = pytest.mark.any_backend


class Returning(keras.Sequential):
    """Returns its loss, as it is or as a mean of its own, and updates no metric of Keras'."""

    name_of_loss, has_mean = "loss", False

    def train_step(self, *arguments: Any) -> Any:
        result = super().train_step(*arguments)
        loss = {self.name_of_loss: keras.ops.mean(arguments[-1][0])}
        if keras.backend.backend() != "jax":
            self._loss_tracker.reset_state()
            return loss
        _, (trainable, fixed, optimizer, _) = result
        return loss, (trainable, fixed, optimizer, arguments[0][3])

    def test_step(self, *arguments: Any) -> Any:
        loss = {"loss": keras.ops.mean(arguments[-1][0])}
        return (loss, arguments[0]) if keras.backend.backend() == "jax" else loss


def returning(**attributes: Any) -> Any:
    model = Returning([keras.Input((1,)), *new_odometer().layers])
    for name, value in attributes.items():
        setattr(model, name, value)
    model.compile(keras.optimizers.SGD(0.5), loss=distance)
    return model


@pytest.mark.parametrize(
    ("monitor", "validates"), [("loss", False), ("loss", True), ("val_loss", True)]
)
def test_a_loss_that_no_metric_was_given_decides_nothing_and_is_told_once(
    monitor: str, validates: bool
) -> None:
    decay = PlateauDecay(monitor, 0.5, 1)
    data = {"validation_data": (X, Y)} if validates else {}
    with warned_once(f"the rules watch {monitor!r}, and Keras logs 0 for it", "monitor=…"):
        history = fit(returning(), [decay], 4, **data)
    assert history[monitor] == [0.0] * 4  # it is Keras' own
    assert history["learning_rate"] == near([0.5] * 4)
    assert decay.events == []


def test_under_another_name_it_is_watched() -> None:
    with no_warning():
        history = fit(returning(name_of_loss="mine"), [PlateauDecay("mine", 0.5, 1, mode="min")], 3)
    assert history["learning_rate"] == near([0.5, 0.5, 0.25])


def test_a_loss_that_really_is_0_is_watched() -> None:
    model = new_odometer()
    model.compile(keras.optimizers.SGD(0.5), loss=lambda y, out: 0.0 * out)
    with no_warning():
        history = fit(model, [PlateauDecay("loss", 0.5, 1)], 3)
    assert history["learning_rate"] == near([0.5, 0.5, 0.25])


def test_so_is_one_that_a_loop_of_its_own_tells() -> None:
    model, decay, rates = returning(), PlateauDecay("loss", 0.5, 1), []
    with no_warning(), steer(model, decay, epochs=3, steps_per_epoch=1) as run:
        for _ in run:
            run.begin_step()
            model.train_on_batch(X, Y)
            rates.append(run.end_epoch({"loss": 0.0})["learning_rate"])
    assert rates == near([0.5, 0.5, 0.25])


class Half(keras.Sequential):
    """Updates its metrics in training alone, and returns a loss of its own from validation."""

    def test_step(self, *arguments: Any) -> Any:
        loss = {"loss": keras.ops.mean(arguments[-1][0])}
        return (loss, arguments[0]) if keras.backend.backend() == "jax" else loss


def test_a_0_of_training_is_watched_where_validation_updates_nothing() -> None:
    model = Half([keras.Input((1,)), *new_odometer().layers])
    model.compile(keras.optimizers.SGD(0.5), loss=lambda y, out: 0.0 * out)
    with no_warning():
        history = fit(model, [PlateauDecay("loss", 0.5, 1)], 3, validation_data=(X, Y))
    assert history["learning_rate"] == near([0.5, 0.5, 0.25])
