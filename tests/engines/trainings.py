"""Small trainings that start from the same weights, and Keras' own schedules to compare with."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from kerasdecay.schedules import (
    Cosine,
    CosineRestarts,
    Exponential,
    InverseTime,
    Linear,
    Polynomial,
    PowerStep,
    Schedule,
    warmup,
)

EPOCHS, STEPS, BATCH = 3, 8, 4
TOTAL = EPOCHS * STEPS
BACKEND = keras.backend.backend()

_RNG = np.random.default_rng(7)
X = _RNG.normal(size=(STEPS * BATCH, 3)).astype("float32")
Y = (X @ np.array([[1.0], [-2.0], [0.5]]) + 0.3).astype("float32")

native = keras.optimizers.schedules
PAIRS: dict[str, tuple[Schedule, Callable[[], Any]]] = {
    # Keras' counterpart is made anew each time: its values are computed in float32 tensors.
    "cosine": (Cosine(0.05, 0.005), lambda: native.CosineDecay(0.05, TOTAL, alpha=0.1)),
    "cosine after a warmup": (
        warmup(Cosine(0.05), "6 steps", 0.0),
        lambda: native.CosineDecay(0.0, TOTAL - 6, warmup_target=0.05, warmup_steps=6),
    ),
    "cosine-restarts": (
        CosineRestarts(0.05, cycle=1, growth=2, factor=0.5),
        lambda: native.CosineDecayRestarts(0.05, STEPS, t_mul=2.0, m_mul=0.5),
    ),
    "exponential": (
        Exponential(0.05, every="10 steps", factor=0.3),
        lambda: native.ExponentialDecay(0.05, 10, 0.3),
    ),
    "inverse-time": (
        InverseTime(0.05, every=1, decay_rate=2.0),
        lambda: native.InverseTimeDecay(0.05, STEPS, 2.0),
    ),
    "linear": (Linear(0.05), lambda: native.PolynomialDecay(0.05, TOTAL, 0.0)),
    "polynomial": (
        Polynomial(0.05, 0.02, power=2.0),
        lambda: native.PolynomialDecay(0.05, TOTAL, 0.02, power=2.0),
    ),
    # Keras' boundaries belong to the value before them.
    "power-step": (
        PowerStep(0.05),
        lambda: native.PiecewiseConstantDecay([STEPS - 1, 2 * STEPS - 1], [0.05, 0.0025, 0.000125]),
    ),
}


class Held(native.LearningRateSchedule):
    """A schedule of Keras whose rate holds for so many steps: what several steps a call do."""

    def __init__(self, schedule: Any, steps: int) -> None:
        self.schedule, self.steps = schedule, steps

    def __call__(self, step: Any) -> Any:
        """Return the rate of the first of the steps."""
        return self.schedule(keras.ops.convert_to_tensor(step) // self.steps * self.steps)


class Times(native.LearningRateSchedule):
    """A schedule of Keras, times a number for each epoch."""

    def __init__(self, schedule: Any, scales: list[float]) -> None:
        self.schedule, self.scales = schedule, scales

    def __call__(self, step: Any) -> Any:
        """Return the rate of a step."""
        scales = keras.ops.convert_to_tensor(self.scales, "float32")
        epoch = keras.ops.cast(keras.ops.convert_to_tensor(step) // STEPS, "int32")
        return self.schedule(step) * keras.ops.take(scales, epoch)


def sgd(rate: Any, **options: Any) -> Any:
    """Return the optimizer of most tests; its momentum carries every rate into all later steps."""
    return keras.optimizers.SGD(rate, momentum=0.5, **options)


def built(optimizer: Any, *, dtype: Any = None, optimizer_too: bool = True, **options: Any) -> Any:
    """Return a small compiled network with the same weights every time.

    Args:
        optimizer: For `compile`.
        dtype: For the layers.
        optimizer_too: Whether the optimizer is built as well. Otherwise the first step does it,
            as in most trainings, and TensorFlow traces that step twice.
        **options: For `compile`. By default the step is jitted on JAX, a graph on TensorFlow
            (without a GPU), and eager on torch.
    """
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, activation="tanh", dtype=dtype, name="first"),
            keras.layers.Dense(1, dtype=dtype, name="second"),
        ],
        name="network",
    )
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(scale=0.5, size=w.shape) for w in model.get_weights()])
    model.compile(optimizer, "mse", **options)
    if optimizer_too:
        model.optimizer.build(model.trainable_variables)
    return model


def fit(model: Any, callbacks: Iterable[Any] = (), *, epochs: int = EPOCHS, **options: Any) -> Any:
    """Train on the data in their order; return Keras' History."""
    arguments = {"batch_size": BATCH, "shuffle": False, "verbose": 0, **options}
    return model.fit(X, Y, epochs=epochs, callbacks=list(callbacks), **arguments)


def weights(model: Any) -> np.ndarray:
    """Return all weights in one vector."""
    return np.concatenate([np.ravel(value) for value in model.get_weights()])


def rate_of(model: Any) -> float:
    """Return the rate that the model's optimizer would use."""
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


def trained(optimizer: Any, *callbacks: Any, **options: Any) -> np.ndarray:
    """Return the weights of a new network after a training."""
    model = built(optimizer, **options)
    fit(model, callbacks)
    return weights(model)


@functools.cache
def at_constant_rate() -> np.ndarray:
    """Return the weights after the same training at the initial rate."""
    return trained(sgd(0.05))


def assert_same(found: np.ndarray, expected: np.ndarray, *, tolerance: float = 2e-5) -> None:
    """Assert that two trainings gave the same weights, up to single precision."""
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance / 10)


def transplanted(model: Any, optimizer: Any) -> Any:
    """Return a new network with a model's weights and its optimizer's state, but for the rate."""
    twin = built(optimizer)
    twin.set_weights(model.get_weights())
    optimizer.build(twin.trainable_variables)
    states = [
        [variable for variable in each.variables if variable.name != "learning_rate"]
        for each in (optimizer, model.optimizer)
    ]
    for mine, theirs in zip(*states, strict=True):
        # A copy: a jitted step gives the memory of its arguments away.
        mine.assign(np.array(keras.ops.convert_to_numpy(theirs)))
    return twin
