"""Which units a probe takes for dead: those that no gradient moves, whatever the optimizer adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, optimizers
from sklearn.datasets import load_digits

from kerasdecay import AutoDecay
from kerasdecay.control.probe import Probe
from kerasdecay.training import probing

pytestmark = pytest.mark.any_backend

BATCH, STEPS, UNITS = 8, 120, 16


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """Take down what the real probe is told at the end of each look."""
    told: list[float | None] = []

    class Here(Probe):
        def add(self, loss: float, alive: float | None = None) -> None:
            if alive is not None:
                told.append(alive)
            super().add(loss, alive)

    monkeypatch.setattr(probing, "Probe", Here)
    return told


def train(optimizer: Any, dead: int) -> None:
    """Train a network of which some units are dead for the inputs, which lie between 0 and 1."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(UNITS, activation="relu"), layers.Dense(1)]
    )
    model.layers[0].bias.assign(np.where(np.arange(UNITS) < dead, -100.0, 3.0))
    model.compile(optimizer, "mse", jit_compile=False)
    draw = np.random.default_rng(0)
    x = draw.random((BATCH * STEPS, 6)).astype("float32")
    y = x.sum(axis=1, keepdims=True)
    model.fit(x, y, batch_size=BATCH, callbacks=[AutoDecay(verbose=0)], verbose=0)


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9),
    "sgd with decay": lambda: optimizers.SGD(0.1, weight_decay=0.1),
    "adam": lambda: optimizers.Adam(0.1),
    "adamw": lambda: optimizers.AdamW(0.1, weight_decay=0.1),
    "accumulating": lambda: optimizers.Adam(0.1, gradient_accumulation_steps=3),
}


@pytest.mark.parametrize(
    ("name", "dead"), [*((name, 5) for name in OPTIMIZERS), ("sgd", 0), ("sgd", UNITS)]
)
def test_the_first_look_counts_the_units_that_get_a_gradient(
    name: str, dead: int, seen: list[float | None]
) -> None:
    train(OPTIMIZERS[name](), dead)
    # The output's kernel is a unit more, which moves if anything comes in.
    alive = (UNITS - dead + 1) / (UNITS + 1) if dead < UNITS else 0.0
    assert seen[0] == pytest.approx(alive)


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_where_pixels_are_not_scaled_no_rate_is_chosen_that_kills(
    name: str, seen: list[float | None]
) -> None:
    """The loss starts at 109; that of a network that predicts a constant is 2.3."""
    keras.utils.set_random_seed(0)
    x, y = load_digits(return_X_y=True)
    model = keras.Sequential(
        [keras.Input((64,)), layers.Dense(32, activation="relu"), layers.Dense(10)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(OPTIMIZERS[name](), loss, metrics=["accuracy"], jit_compile=False)
    history = model.fit(  # pixels up to 255
        255 / 16 * x, y, batch_size=32, epochs=6, callbacks=[AutoDecay(verbose=0)], verbose=0
    )
    first, *later = (told for told in seen if told is not None)
    assert min(later) < 0.7 * first
    assert history.history["accuracy"][-1] > 0.2  # a constant is right for 0.1
