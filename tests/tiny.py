"""Tiny models whose weights tell which learning rates trained them."""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import pytest

ROWS, BATCH = 40, 10
STEPS = ROWS // BATCH

X = np.ones((ROWS, 1), "float32")
Y = np.zeros((ROWS, 1), "float32")

ON_TORCH = keras.backend.backend() == "torch"


def distance(_: Any, prediction: Any) -> Any:
    """A loss of gradient −1: each SGD step adds the learning rate to the weight."""
    return -prediction


def new_odometer(
    learning_rate: Any = 0.5, *, optimizer: Any = None, **compiling: Any
) -> keras.Model:
    """Return a model of one weight, which is the sum of the rates that trained it."""
    model = keras.Sequential(
        [
            keras.layers.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile(optimizer or keras.optimizers.SGD(learning_rate), loss=distance, **compiling)
    return model


def ready(model: keras.Model) -> keras.Model:
    """Build a model's optimizer: TensorFlow then traces its first step once, and not twice."""
    model.optimizer.build(model.trainable_variables)
    return model


def level(true: Any, prediction: Any) -> Any:
    """A loss that is its target, whatever is predicted, with the gradient of `distance`."""
    return true - (prediction - keras.ops.stop_gradient(prediction))


LEVEL_DATA: dict[str, Any] = {
    "x": X,
    "y": np.random.default_rng(4).normal(size=(ROWS, 1)).astype("float32") + 5.0,
    "batch_size": 4,
    "shuffle": False,
}
"""Ten batches whose losses, by `level`, are noise."""


def level_odometer(**compiling: Any) -> keras.Model:
    """Return an odometer whose loss does not fall."""
    model = new_odometer()
    model.compile(keras.optimizers.SGD(0.5), loss=level, **compiling)
    return model


_shared_odometer = functools.cache(new_odometer)


def odometer(learning_rate: float = 0.5) -> keras.Model:
    """Return the one odometer that tests share, put back to its start; it need not compile."""
    model = _shared_odometer()
    model.set_weights([np.zeros((1, 1))])
    model.optimizer.learning_rate = learning_rate
    model.optimizer._iterations.assign(0)
    return model


def two_odometers(optimizer: Any) -> keras.Model:
    """Return a model of two such weights, in the layers `fast` and `slow`."""
    inputs = keras.layers.Input((1,))
    parts = [
        keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name=name)(inputs)
        for name in ("fast", "slow")
    ]
    model = keras.Model(inputs, keras.layers.Add()(parts))
    model.compile(optimizer, loss=distance)
    return model


def travelled(model: keras.Model, layer: int | str = 0) -> float:
    """Return the sum of the rates that trained an odometer's weight."""
    found = model.get_layer(layer) if isinstance(layer, str) else model.layers[layer]
    return float(found.get_weights()[0][0, 0])


def regression(learning_rate: float = 0.1, optimizer: Any = None, **compiling: Any) -> keras.Model:
    """Return a model that learns something, with an optimizer that has a memory."""
    start = keras.initializers.RandomNormal(stddev=0.5, seed=7)
    model = keras.Sequential(
        [
            keras.layers.Input((2,)),
            keras.layers.Dense(3, activation="tanh", kernel_initializer=start),
            keras.layers.Dense(1, kernel_initializer=start),
        ]
    )
    model.compile(
        optimizer or keras.optimizers.SGD(learning_rate, momentum=0.9), loss="mse", **compiling
    )
    return model


def regression_data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, 2)).astype("float32")
    return x, (x[:, :1] * x[:, 1:]).astype("float32")


def fit(model: keras.Model, callbacks: Any = None, epochs: int = 1, **fitting: Any) -> Any:
    """Train with the same batches every time; return the history."""
    if "x" not in fitting:
        x, y = (X, Y) if model.input_shape[-1] == 1 else regression_data()
        fitting = {"x": x, "y": y, "batch_size": BATCH, "shuffle": False, **fitting}
    return model.fit(epochs=epochs, verbose=0, callbacks=callbacks, **fitting).history


@functools.cache
def _shared_regression() -> tuple[keras.Model, list[Any]]:
    model = regression()
    model.optimizer.build(model.trainable_variables)
    start = [keras.ops.convert_to_numpy(variable).copy() for variable in _variables(model)]
    return model, start


def _variables(model: keras.Model) -> list[Any]:
    return [*model.weights, *model.optimizer.variables]


def weights_after(callbacks: Any, epochs: int) -> np.ndarray:
    """Return all weights of the regression, flat, after a training that always starts alike."""
    model, start = _shared_regression()
    for variable, value in zip(_variables(model), start, strict=True):
        variable.assign(value)
    fit(model, callbacks, epochs)
    return np.concatenate([weight.ravel() for weight in model.get_weights()])


class Scripted(keras.callbacks.Callback):
    """Put metrics of one's own into the logs; listed first, those after it see them."""

    def __init__(self, **values: list[Any]) -> None:
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        for name, series in self.values.items():
            if series[epoch] is not None:
                logs[name] = series[epoch]


class Odometer(keras.callbacks.Callback):
    """Note how far the weight moves in each execution: the rates that really trained it."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[int] = []
        self.places = [0.0]

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.begun.append(batch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.places.append(travelled(self.model))

    @property
    def moves(self) -> list[float]:
        return np.diff(self.places).tolist()


class Kill(keras.callbacks.Callback):
    """End a training as Ctrl-C does, at the end of an epoch or of one of its batches.

    The model is left as it was in mid-training: take a new one.
    """

    def __init__(self, epoch: int, batch: int | None = None) -> None:
        super().__init__()
        self.place = (epoch, batch)
        self.epoch = -1

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.place == (self.epoch, batch):
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.place == (epoch, None):
            raise KeyboardInterrupt


def fit_until_killed(*arguments: Any, **fitting: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(*arguments, **fitting)


@contextmanager
def warned_once(*words: str) -> Iterator[None]:
    """Expect exactly one warning of this package, with all of these words in it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    ours = [str(warning.message) for warning in caught if is_ours(warning)]
    assert len(ours) == 1, ours
    for word in words:
        assert word in ours[0], ours[0]


@contextmanager
def no_warning() -> Iterator[None]:
    """Expect no warning of this package."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert [str(warning.message) for warning in caught if is_ours(warning)] == []


def is_ours(warning: warnings.WarningMessage) -> bool:
    """Whether a warning begins with the name of a part of this package."""
    return bool(re.match(r"kerasdecay:|\w*Decay:|PowerStep:", str(warning.message)))


def near(values: Any, rel: float = 1e-5) -> Any:
    """Equal but for the single precision in which optimizers and weights are kept."""
    return pytest.approx(values, rel=rel, abs=2e-6)
