"""Factors that fall from layer to layer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import optimizers
from tiny import STEPS, fit, near, travelled, two_odometers

from kerasdecay import LearningRateDecay, layerwise
from kerasdecay.schedules import Constant


def test_layers_fall_from_the_head_down() -> None:
    body = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, name="low"),
            keras.layers.Dropout(0.5),
            keras.layers.BatchNormalization(name="norm"),
        ],
        name="body",
    )
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(2, name="head")(body(inputs)))
    found = layerwise(model, 0.5)
    assert found == {"^body/low/": 0.25, "^body/norm/": 0.5, "^head/": 1.0}
    body.get_layer("low").trainable = False
    assert layerwise(model) == {"^body/norm/": 0.75, "^head/": 1.0}


def test_layers_by_layer_train_by_their_factors() -> None:
    model = two_odometers(optimizers.SGD(0.1))
    fit(model, [LearningRateDecay(Constant(0.1), group_factors=layerwise(model, 0.5))], epochs=1)
    assert [travelled(model, name) for name in ("fast", "slow")] == near(
        [STEPS * 0.05, STEPS * 0.1]
    )


def two_bodies(names: tuple[str, str]) -> keras.Model:
    """Return a model of two that have a layer `low` each, with the path `low/kernel`."""
    bodies = []
    for name in names:
        entry = keras.Input((2,))
        low = keras.layers.Dense(2, name="low", kernel_initializer="ones")
        bodies.append(keras.Model(entry, low(entry), name=name))
    inputs = keras.Input((2,))
    model = keras.Model(inputs, bodies[1](bodies[0](inputs)))
    model.compile(optimizers.SGD(0.01), "mse")
    return model


def test_layers_of_one_path_are_told_apart_by_the_models_around_them() -> None:
    x = np.ones((4, 2), "float32")
    plain, model = two_bodies(("near", "far")), two_bodies(("near", "far"))
    factors = layerwise(model, 0.5)
    assert list(factors.values()) == [0.5, 1.0]
    plain.fit(x, x, verbose=0)
    decay = LearningRateDecay(Constant(0.01), group_factors=factors)
    model.fit(x, x, verbose=0, callbacks=[decay])
    one, other = (
        [keras.ops.convert_to_numpy(weight) for weight in each.trainable_variables]
        for each in (model, plain)
    )
    start = [1.0, 0.0, 1.0, 0.0]
    moves = [
        float((a - s).flat[0] / (b - s).flat[0]) for a, b, s in zip(one, other, start, strict=True)
    ]
    assert moves == near([0.5, 0.5, 1.0, 1.0], rel=1e-4)


@pytest.mark.parametrize("decay", [0, 1.5, "75%", None])
def test_other_arguments_of_layerwise_are_refused(decay: Any) -> None:
    with pytest.raises(ValueError, match="layerwise: decay"):
        layerwise(two_odometers(optimizers.SGD(0.1)), decay)


def test_layers_without_variables_are_refused() -> None:
    with pytest.raises(ValueError, match="layerwise: model must be a built model"):
        layerwise(keras.Sequential([keras.layers.Dense(1)]))
