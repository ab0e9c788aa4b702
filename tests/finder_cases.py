"""A model in which a training changes something of every kind, and the training that shows it."""

from __future__ import annotations

import random

import keras
import numpy as np
from keras.src.backend.common import global_state

X = np.random.default_rng(7).normal(size=(48, 4)).astype("float32")
Y = (X.sum(axis=1) > 0).astype("int32")

OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "accumulating and averaging": lambda: keras.optimizers.AdamW(
        0.01, gradient_accumulation_steps=2, use_ema=True, ema_overwrite_frequency=2
    ),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.01), initial_scale=8.0
    ),
}
if hasattr(keras.optimizers, "MultiOptimizer"):  # since Keras 3.13
    OPTIMIZERS["multi"] = lambda: keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(
            keras.optimizers.SGD(0.05, momentum=0.9), {".*bias": keras.optimizers.Adam(0.01)}
        )
    )


def build(optimizer: str = "adam", **compiling) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8),
            keras.layers.BatchNormalization(),
            keras.layers.Activation("relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(2),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(OPTIMIZERS[optimizer](), loss, metrics=["accuracy"], **compiling)
    return model


def values(variables) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def state_of(model) -> list[np.ndarray]:
    optimizer = model.optimizer
    inner = getattr(optimizer, "inner_optimizer", None)
    return values([*model.variables, *optimizer.variables, *(inner.variables if inner else ())])


def assert_same(one, other) -> None:
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)


def train_on(look, optimizer="adam", *, trained_before=False, **compiling) -> tuple:
    """Build, look, train as a user would; return all that came of it, and what is drawn next."""
    keras.utils.set_random_seed(11)
    # What newer releases than Keras 3.12 do themselves.
    global_state.set_global_attribute("global_seed_generator", None)
    model = build(optimizer, **compiling)
    if trained_before:
        model.fit(X, Y, epochs=1, batch_size=16, verbose=0)
    look(model)
    history = model.fit(X, Y, epochs=2, batch_size=16, shuffle=True, verbose=0).history
    drawn = [random.random(), np.random.random(), float(values([keras.random.normal(())])[0])]
    return history, state_of(model), drawn


_WITHOUT: dict = {}


def assert_leaves_no_trace(look, optimizer="adam", **how) -> None:
    """Assert that training after `look(model)` equals training without it, bit for bit."""
    key = (optimizer, *sorted(how.items()))
    if key not in _WITHOUT:
        _WITHOUT[key] = train_on(lambda model: None, optimizer, **how)
    history, state, drawn = _WITHOUT[key]
    after_history, after_state, after_drawn = train_on(look, optimizer, **how)
    assert after_history == history
    assert_same(after_state, state)
    assert after_drawn == drawn
