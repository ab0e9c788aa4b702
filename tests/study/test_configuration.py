"""A model as data: alike when built twice, different when a training would be."""

from __future__ import annotations

import functools
import json

import keras
import numpy as np
import pytest

from kerasdecay.study.configuration import describe_model, plain
from kerasdecay.study.resuming import differences
from kerasdecay.study.training import new_model


class Block(keras.layers.Layer):
    """Knows of what is in it, and does not tell."""

    def __init__(self, inside):
        super().__init__()
        self.inside = inside

    def call(self, x):
        return self.inside(x)


class Subclassed(keras.Model):
    def __init__(self, layer):
        super().__init__()
        self.block = Block(layer)

    def call(self, x):
        return self.block(x)


def compiled(model, **options):
    model.compile(**{"optimizer": "sgd", "loss": "mse", **options})
    return model


def sequential(*layers, shape=(8, 8, 3), **options):
    return compiled(keras.Sequential([keras.Input(shape), *layers]), **options)


def conv(**options):
    return sequential(keras.layers.Conv2D(2, 3, **options))


def graph(factor=0.5, swapped=False, rate=0.1, scale=2.0):
    inputs = keras.Input((4,))
    first = keras.layers.Dense(4)(inputs)
    second = keras.layers.Dense(4)(first * factor)
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(rate)])
    left, right = (second, first) if swapped else (first, second)
    joined = keras.ops.subtract(inner(left), right)
    return compiled(keras.Model(inputs, keras.layers.Lambda(lambda x: x * scale)(joined)))


def nested(swapped=False):
    inputs = keras.Input((4,))
    inner = graph(swapped=swapped)
    return compiled(keras.Model(inputs, inner(inputs) + inner(inputs)))


def subclassed(rate=0.1):
    return compiled(Subclassed(keras.layers.Dropout(rate)))


def augmented(**options):
    return sequential(
        keras.layers.RandomCrop(6, 6),  # draws a seed, and tells it
        keras.layers.RandomRotation(**{"factor": 0.1, **options}),
        keras.layers.Dense(2, activation=lambda x: x),
        keras.layers.BatchNormalization(),
    )


def unsaveable():
    activation = functools.partial(keras.activations.leaky_relu, negative_slope=0.1)
    return sequential(
        keras.layers.Dense(2, activation=activation),
        loss=functools.partial(keras.losses.mean_squared_error),
    )


def described(build):
    """Return the description as it comes back from a file."""
    return json.loads(json.dumps(describe_model(new_model(build, seed=0))))


@pytest.mark.parametrize("build", [conv, graph, nested, subclassed, augmented, unsaveable])
def test_a_function_describes_alike_what_it_builds_twice(build, recwarn):
    one = described(build)
    keras.layers.Dense(1)  # Keras counts it
    assert differences(one, described(build)) == []
    assert not [warning for warning in recwarn if "lambda" in str(warning.message)]


@pytest.mark.parametrize(
    ("before", "now", "named"),
    [
        (conv, lambda: conv(strides=2), "model.layers.2.Conv2D.strides.0 1 → 2"),
        (conv, lambda: conv(padding="same"), "Conv2D.padding valid → same"),
        (conv, lambda: conv(activation="relu"), "Conv2D.activation linear → relu"),
        (conv, lambda: conv(use_bias=False), "Conv2D.use_bias True → False"),
        (conv, lambda: conv(dtype="mixed_float16"), "Conv2D.dtype float32 → mixed_float16"),
        (
            conv,
            lambda: conv(kernel_initializer="he_normal"),
            "kernel_initializer.class_name GlorotUniform → HeNormal",
        ),
        (
            lambda: conv(kernel_initializer=keras.initializers.HeNormal(seed=1)),
            lambda: conv(kernel_initializer=keras.initializers.HeNormal(seed=2)),
            "kernel_initializer.config.seed 1 → 2",
        ),
        (
            lambda: conv(kernel_initializer=keras.initializers.Constant(np.zeros((3, 3, 3, 2)))),
            lambda: conv(kernel_initializer=keras.initializers.Constant(np.ones((3, 3, 3, 2)))),
            "kernel_initializer.config.value.config.value",
        ),
        (
            lambda: sequential(keras.layers.BatchNormalization()),
            lambda: sequential(keras.layers.BatchNormalization(momentum=0.9)),
            "BatchNormalization.momentum 0.99 → 0.9",
        ),
        (augmented, lambda: augmented(factor=0.2), "RandomRotation.factor.1 0.1 → 0.2"),
        (augmented, lambda: augmented(seed=7), "RandomRotation.seed nothing → 7"),
        (subclassed, lambda: subclassed(0.2), "Dropout.rate 0.1 → 0.2"),
        (graph, lambda: graph(rate=0.2), "Dropout.rate 0.1 → 0.2"),
        (graph, lambda: graph(factor=0.6), "model.layers.0.Functional.connections "),
        (graph, lambda: graph(swapped=True), "model.layers.0.Functional.connections "),
        (graph, lambda: graph(scale=3.0), "Lambda.function.config.closure.0 2.0 → 3.0"),
        (nested, lambda: nested(swapped=True), "Functional.connections "),
        (conv, lambda: sequential(keras.layers.MaxPooling2D()), "model.layers.2.Conv2D "),
        (unsaveable, lambda: compiled(unsaveable(), optimizer="adam"), "model.compiled."),
    ],
)
def test_what_differs_is_named(before, now, named):
    found = differences({"model": described(before)}, {"model": described(now)})
    assert any(named in text for text in found), found


def test_large_values_are_checksums():
    weights = np.zeros((200, 100))
    one, other = (
        plain({"array": values, "list": values.tolist()}) for values in (weights, weights + 1)
    )
    assert one["array"] != other["array"]
    assert one["list"] != other["list"]
    assert len(json.dumps(one)) < 200
