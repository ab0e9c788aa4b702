"""What decays are compared on: data sets, each with a network, in up to two regimes."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers
from sklearn.datasets import make_classification

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

import _data
import _networks

Split = tuple[np.ndarray, np.ndarray]

WEIGHT_DECAY = 5e-4
SHIFT = 4 / 32
_MADE = "scikit-learn make_classification, seed 0, columns rescaled"


@dataclass(frozen=True)
class Testbed:
    """Data in three splits, and a function that returns the compiled network.

    Attributes:
        name: `"digits"`, `"tabular"`, `"sequence"` or `"cifar10"`.
        regime: `"plain"`, or `"regularised"`: weight decay, flips and shifts; `"group-norm"`; or
            the name of the optimizer that took the place of plain SGD.
        source: What the data are, in words.
        train: Inputs and labels to train on.
        validation: What the rules watch.
        test: Read once, at the end.
        batch_size: Samples a step.
        build_model: Returns a new compiled network.
    """

    name: str
    regime: str
    source: str
    train: Split
    validation: Split
    test: Split
    batch_size: int
    build_model: Callable[[], keras.Model]


def digits(regime: str = "plain") -> Testbed:
    """Return scikit-learn's digits with a small network: 1,150 images to train on.

    Args:
        regime: `"plain"`; `"group-norm"`: GroupNormalization in the place of BatchNormalization,
            whose moving statistics would not be those of averaged weights.
    """
    data = _data.digits()
    order = np.random.default_rng(0).permutation(len(data.x_train))
    held_out, kept = order[:287], order[287:]
    return Testbed(
        name="digits",
        regime=regime,
        source=data.name,
        train=(data.x_train[kept], data.y_train[kept]),
        validation=(data.x_train[held_out], data.y_train[held_out]),
        test=(data.x_test, data.y_test),
        batch_size=32,
        build_model=functools.partial(_digits_network, regime),
    )


def tabular() -> Testbed:
    """Return a table of 20 columns on very different scales, five classes, with a dense network."""
    x, y = make_classification(
        3600, 20, n_informative=10, n_redundant=4, n_classes=5, flip_y=0.03, random_state=0
    )
    x *= np.exp(np.random.default_rng(0).normal(scale=0.7, size=20))
    split = _in_three(x.astype("float32"), y, 2000, 600)
    return Testbed("tabular", "plain", _MADE, *split, 32, _tabular_network)


def sequence() -> Testbed:
    """Return strings of 16 symbols with three marks, of which a recurrent network names the last.

    The three stand at any places and are any of four marks each, so that no count decides.
    """
    random = np.random.default_rng(0)
    x = random.integers(4, 12, size=(2200, 16))
    places = np.argsort(random.random((2200, 16)))[:, :3]
    marks = random.integers(0, 4, size=(2200, 3))
    np.put_along_axis(x, places, marks, axis=1)
    y = np.take_along_axis(marks, places.argmax(axis=1)[:, None], axis=1)[:, 0]
    split = _in_three(x.astype("int32"), y, 1200, 400)
    return Testbed("sequence", "plain", "strings with marks, seed 0", *split, 32, _sequence_network)


def trained_by(testbed: Testbed, optimizer: str) -> Testbed:
    """Return a test bed whose network has another optimizer, which is then its regime."""
    build = functools.partial(_with_optimizer, testbed.build_model, optimizer)
    return dataclasses.replace(testbed, regime=optimizer, build_model=build)


def cifar10(regime: str, data_dir: str | None, note: str = "") -> Testbed:
    """Return CIFAR-10 with the example's native network: 10,000 images to train on.

    Args:
        regime: `"plain"`, as in the article, or `"regularised"`.
        data_dir: The TensorFlow Datasets folder, or None; see the example.
        note: About this copy of the data, such as "JPEG copy".
    """
    data = _data.load("cifar10", data_dir)
    order = np.random.default_rng(0).permutation(len(data.x_train))
    kept, held_out = order[:10_000], order[10_000:12_000]
    return Testbed(
        name="cifar10",
        regime=regime,
        source=f"{data.name}, {note}" if note else data.name,
        train=(data.x_train[kept], data.y_train[kept]),
        validation=(data.x_train[held_out], data.y_train[held_out]),
        test=(data.x_test, data.y_test),
        batch_size=128,
        build_model=functools.partial(_cifar10_network, regime),
    )


def _in_three(x: np.ndarray, y: np.ndarray, train: int, validation: int) -> tuple[Split, ...]:
    ends = (0, train, train + validation, len(x))
    return tuple((x[first:last], y[first:last]) for first, last in itertools.pairwise(ends))


def _with_optimizer(build: Callable[[], keras.Model], optimizer: str) -> keras.Model:
    model = build()
    metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    model.compile(optimizer, model.loss, metrics=metrics, jit_compile=False)
    return model


def _tabular_network() -> keras.Model:
    inputs = keras.Input((20,))
    x = inputs
    for _ in range(2):
        x = layers.Dense(64, activation="relu")(x)
    return _networks.compile_network(keras.Model(inputs, layers.Dense(5)(x)), jit_compile=False)


def _sequence_network() -> keras.Model:
    inputs = keras.Input((16,), dtype="int32")
    x = layers.GRU(32)(layers.Embedding(12, 16)(inputs))
    return _networks.compile_network(keras.Model(inputs, layers.Dense(4)(x)), jit_compile=False)


def _digits_network(regime: str) -> keras.Model:
    inputs = keras.Input((32, 32, 3), dtype="uint8")
    # Back to the 8×8 grey pixels that the enlarged images were made of.
    x = layers.Rescaling(1 / 255)(inputs[:, ::4, ::4, :1])
    for filters in (16, 32):
        x = layers.Conv2D(filters, 3, padding="same")(x)
        if regime == "group-norm":
            x = layers.GroupNormalization(groups=4)(x)
        else:
            # Keras' momentum of 0.99 averages over hundreds of steps; a budget here has 180.
            x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Dense(32, activation="relu")(layers.Flatten()(x))
    model = keras.Model(inputs, layers.Dense(10)(x))
    return _networks.compile_network(model, jit_compile=False)


def _cifar10_network(regime: str) -> keras.Model:
    network = _networks.build_network("native")
    if regime == "regularised":
        inputs = keras.Input((32, 32, 3), dtype="uint8")
        x = layers.RandomFlip("horizontal")(inputs)
        x = layers.RandomTranslation(SHIFT, SHIFT, fill_mode="constant")(x)
        network = keras.Model(inputs, network(x))
    model = _networks.compile_network(network, jit_compile=False)
    if regime == "regularised":
        model.optimizer.weight_decay = WEIGHT_DECAY  # before the first step is compiled
    return model
