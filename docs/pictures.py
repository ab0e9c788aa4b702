"""Draw the pictures of README and documentation that need a training, a minute on two cores.

python docs/pictures.py     writes auto-run, first-run, range-test and comparison into docs/images
"""

from __future__ import annotations

import pathlib
from typing import Any

import keras
import numpy as np

from kerasdecay import AdaptiveKneeDecay, AutoDecay, CosineDecay
from kerasdecay.report import save_figure
from kerasdecay.study import compare, find_learning_rate

IMAGES = pathlib.Path(__file__).resolve().parent / "images"


def data() -> tuple[Any, Any]:
    """Return the data of the README's first example."""
    x = np.random.default_rng(0).normal(size=(2000, 20))
    return x, x[:, :4].argmax(axis=1)


def network() -> Any:
    """Return the model of the README's first example."""
    layers = [keras.layers.Dense(128, "relu"), keras.layers.Dense(4, "softmax")]
    model = keras.Sequential([keras.Input((20,)), *layers])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    """Train, and write the pictures."""
    x, y = data()
    for name, decay in (("auto-run", AutoDecay()), ("first-run", AdaptiveKneeDecay(1.0))):
        keras.utils.set_random_seed(0)
        network().fit(x, y, validation_split=0.2, epochs=30, callbacks=[decay], verbose=0)
        save_figure(decay.plot(), IMAGES / f"{name}.png")

    found = find_learning_rate(network(), (x, y), verbose=0)
    found.plot(IMAGES / "range-test.png")

    result = compare(
        network,
        arms={
            "adaptive knee": AdaptiveKneeDecay(0.5),
            "cosine": CosineDecay(0.5),
            "fixed": 0.5,
        },
        data=(x[:1600], y[:1600]),
        validation_data=(x[1600:], y[1600:]),
        epochs=15,
        seeds=range(3),
        verbose=0,
    )
    result.plot(IMAGES / "comparison.png", metrics=["loss"])


if __name__ == "__main__":
    main()
