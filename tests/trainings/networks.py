"""A network with everything that a snapshot must hold, and data that it learns."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np

ROWS, FEATURES = 320, 8


@functools.cache
def blobs() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    y = random.integers(0, 4, size=ROWS)
    x = random.normal(size=(ROWS, FEATURES)) + 2.0 * np.eye(4, FEATURES)[y]
    return x.astype("float32"), y.astype("int32")


def classifier(optimizer: Any, *, dropout: float = 0.2, **compiling: Any) -> keras.Model:
    """Return a network with everything that a snapshot must hold, and its optimizer built."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((FEATURES,)),
            keras.layers.Dense(16),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.Dropout(dropout, seed=5),
            keras.layers.Dense(4),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], **compiling)
    model.optimizer.build(model.trainable_variables)
    return model


def momentum(rate: float = 0.05, **options: Any) -> Any:
    return keras.optimizers.SGD(rate, momentum=0.9, **options)


def adam(rate: float = 0.01, **options: Any) -> Any:
    return keras.optimizers.Adam(rate, **options)


def state_of(model: keras.Model) -> list[np.ndarray]:
    variables = [*model.variables, *model.optimizer.variables]
    return [np.array(keras.ops.convert_to_numpy(one)) for one in variables]
