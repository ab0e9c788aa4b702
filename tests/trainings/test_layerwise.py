"""Factors that fall from layer to layer."""

from __future__ import annotations

from typing import Any

import keras
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


@pytest.mark.parametrize("decay", [0, 1.5, "75%", None])
def test_other_arguments_of_layerwise_are_refused(decay: Any) -> None:
    with pytest.raises(ValueError, match="layerwise: decay"):
        layerwise(two_odometers(optimizers.SGD(0.1)), decay)


def test_layers_without_variables_are_refused() -> None:
    with pytest.raises(ValueError, match="layerwise: model must be a built model"):
        layerwise(keras.Sequential([keras.layers.Dense(1)]))
