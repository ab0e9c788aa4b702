"""What a look at the variables shows, on kernels that are set by hand."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest

from kerasdecay.rules import Look
from kerasdecay.training.guard import Guard

pytestmark = pytest.mark.any_backend


def two_layers(first: Any = 1.0, second: Any = 1.0) -> keras.Model:
    """Return a network with kernels of 6 × 4 and 4 × 2, each of one number."""
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(4, kernel_initializer=keras.initializers.Constant(first)),
            keras.layers.Dense(2, kernel_initializer=keras.initializers.Constant(second)),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def kernels(model: keras.Model) -> list[Any]:
    return [one for one in model.trainable_variables if len(one.shape) == 2]


def after(model: keras.Model, guard: Guard, updates: int, *changes: Any) -> Look:
    """Return the look after so many updates, by which the kernels were changed by functions."""
    for kernel, change in zip(kernels(model), changes, strict=True):
        kernel.assign(change(np.array(keras.ops.convert_to_numpy(kernel))))
    model.optimizer.iterations.assign(model.optimizer.iterations + updates)
    taken, look = guard.look(model)
    guard.hold(taken)
    return look


def times(factor: float) -> Any:
    return lambda kernel: kernel * np.float32(factor)


def plus(*columns: float) -> Any:
    return lambda kernel: kernel + np.array(columns, "float32")


def test_growth_is_the_lower_median_of_the_kernels() -> None:
    model = two_layers()
    guard = Guard(model)
    assert after(model, guard, 1, times(1), times(1)).grown == pytest.approx(1.0)
    assert after(model, guard, 1, times(3), times(1.5)).grown == pytest.approx(1.5)
    # By all looks together: 3 · 0.25 and 1.5 · 2.
    assert after(model, guard, 1, times(0.25), times(2)).grown == pytest.approx(0.75)


def test_a_small_kernel_grows_from_between_what_it_is_and_what_glorot_would_make_it() -> None:
    first, second = math.sqrt(2 / (6 + 4)), math.sqrt(2 / (4 + 2))
    model = two_layers(first / 1000, second / math.sqrt(8))
    guard = Guard(model)
    # From a quarter of Glorot's norm, and from half of it: (1/√8)² · 1 = (1/2)³.
    look = after(model, guard, 1, times(1000), times(3 * math.sqrt(8)))
    assert look.grown == pytest.approx(4.0)
    assert after(model, guard, 1, times(2), times(1)).grown == pytest.approx(6.0)


def test_a_kernel_that_began_at_zero_is_left_out() -> None:
    model = two_layers(0.0, 1.0)
    guard = Guard(model)
    assert after(model, guard, 1, plus(1, 1, 1, 1), times(3)).grown == pytest.approx(3.0)


def test_a_convolutions_kernel_counts_its_places() -> None:
    glorot = math.sqrt(2 / (9 * (2 + 4)))
    first = keras.initializers.Constant(glorot / math.sqrt(8))
    model = keras.Sequential(
        [keras.Input((8, 8, 2)), keras.layers.Conv2D(4, 3, kernel_initializer=first)]
    )
    model.add(keras.layers.Dense(4, kernel_initializer="zeros"))
    model.compile("sgd", "mse")
    guard = Guard(model)
    model.trainable_variables[0].assign(np.full((3, 3, 2, 4), 5 * glorot, "float32"))
    assert guard.look(model)[1].grown == pytest.approx(10.0)


@pytest.mark.parametrize(
    "layers",
    [
        [keras.layers.Embedding(9, 4), keras.layers.Dense(3)],
        [keras.layers.Embedding(9, 4)],
        [keras.layers.Dense(2)],
    ],
    ids=["a table and a layer", "a table", "a linear model"],
)
def test_what_grows_as_it_learns_has_not_grown_too_far(layers: list[keras.layers.Layer]) -> None:
    model = keras.Sequential([keras.Input((5,)), *layers])
    model.compile("sgd", "mse")
    guard = Guard(model)
    assert after(model, guard, 1, *[times(9)] * len(layers)).grown == 1.0


def test_a_model_without_kernels_has_not_grown() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization()])
    model.compile("sgd", "mse")
    assert Guard(model).look(model)[1] == Look(is_finite=True)


@pytest.mark.parametrize(
    ("optimizer", "size"),
    [("adam", 0.5), ("adamw", 0.5), ("rmsprop", 0.5), ("lion", 0.5), ("sgd", 0), ("adagrad", 0)],
)
def test_the_size_of_the_kernels_is_told_of_optimizers_that_step_by_their_rate(
    optimizer: str, size: float
) -> None:
    model = two_layers(0.5, 2.0)
    model.compile(optimizer, "mse")
    guard = Guard(model)
    assert after(model, guard, 1, times(9), times(9)).size == size


def test_units_that_stand_still_after_they_have_moved_are_counted() -> None:
    model = two_layers()
    guard = Guard(model)
    # A column that has never moved is not dead.
    look = after(model, guard, 16, plus(0.1, 0.2, 0.3, 0), plus(0.1, 0))
    assert (look.idle, look.idle_units) == (0.0, 0.0)
    look = after(model, guard, 16, plus(0.1, 0, 0, 0), plus(0.1, 0))
    assert (look.idle, look.idle_units) == (0.0, 0.5)
    look = after(model, guard, 16, plus(0, 0, 0, 0), plus(0.1, 0.1))
    assert (look.idle, look.idle_units) == (0.5, 0.75)


def test_weight_decay_alone_is_no_movement() -> None:
    model = two_layers()
    guard = Guard(model)
    after(model, guard, 16, plus(0.1, 0.2, 0.3, 0.4), plus(0.1, 0.2))

    def decayed(kernel: Any) -> Any:
        moved = kernel * np.float32(0.99)
        moved[0, 0] += 0.1
        return moved

    look = after(model, guard, 16, decayed, plus(0.1, 0.2))
    assert look.idle_units == 0.75


def test_looks_are_compared_when_sixteen_updates_lie_between() -> None:
    model = two_layers()
    guard = Guard(model)
    for made in (8, 7):
        look = after(model, guard, made, times(1.1), times(1.1))
        assert (look.changed, look.idle, look.idle_units) == (0.0, 0.0, 0.0)
    look = after(model, guard, 1, plus(0, 0, 0, 0), plus(0, 0))
    assert look.changed == pytest.approx(1.1**2 - 1, rel=1e-5)
    assert after(model, guard, 16, times(1), times(1)).changed == 0.0


def test_what_is_not_finite_is_not_measured() -> None:
    model = two_layers()
    guard = Guard(model)
    assert after(model, guard, 16, plus(math.nan, 0, 0, 0), times(1)) == Look(is_finite=False)


def test_a_held_copy_is_put_back_once_it_is_confirmed() -> None:
    model = two_layers()
    guard = Guard(model)

    def place() -> float:
        return float(keras.ops.convert_to_numpy(kernels(model)[0])[0, 0])

    after(model, guard, 1, times(2), times(1))  # 2, held
    guard.put_back(model, "good")
    assert place() == 1.0  # the first: it was not confirmed
    after(model, guard, 1, times(3), times(1))  # 3, held
    guard.confirm()
    after(model, guard, 1, times(2), times(1))  # 6, held
    after(model, guard, 1, times(2), times(1))  # 12 takes its place
    guard.put_back(model, "good")
    assert place() == 3.0
    guard.put_back(model, "good")  # which has failed
    assert place() == 1.0
