"""Models that make their weights in the first step: what is put back must know them before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest

from kerasdecay import CosineDecay, LearningRateDecay, steer
from kerasdecay.rules import Rescue
from kerasdecay.schedules import Constant

pytestmark = pytest.mark.any_backend

X = np.random.default_rng(5).normal(size=(64, 3)).astype("float32")
Y = X.sum(1, keepdims=True)
BATCH = 8


class Two(keras.Model):
    """Two layers, of inputs that may have names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = keras.layers.Dense(4, activation="tanh")
        self.second = keras.layers.Dense(1)

    def call(self, inputs: Any) -> Any:
        x = inputs["x"] if isinstance(inputs, dict) else inputs
        return self.second(self.first(x))


def sequential() -> keras.Model:
    return keras.Sequential([keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(1)])


def batches(x: np.ndarray) -> Iterator[Any]:
    while True:
        for at in range(0, len(x), BATCH):
            yield x[at : at + BATCH], Y[at : at + BATCH]


KINDS: dict[str, tuple[Callable[[], keras.Model], Callable[[np.ndarray], dict[str, Any]]]] = {
    "sequential": (sequential, lambda x: {"x": x, "y": Y}),
    "a class, named inputs": (Two, lambda x: {"x": {"x": x}, "y": Y}),
    "a class, a generator": (Two, lambda x: {"x": batches(x), "steps_per_epoch": 8}),
}


def trained(kind: str, decay: Any, x: np.ndarray, epochs: int, *, built: bool) -> list[np.ndarray]:
    """Return the weights of a training; with `built` the model was called before."""
    make, data = KINDS[kind]
    keras.utils.set_random_seed(0)
    model = make()
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse")
    if built:
        model({"x": X[:1]} if "named" in kind else X[:1])
    fitting = {"batch_size": BATCH} if "generator" not in kind else {}
    model.fit(**data(x), epochs=epochs, shuffle=False, verbose=0, callbacks=[decay], **fitting)
    return model.get_weights()


@pytest.mark.parametrize("kind", KINDS)
def test_a_rescue_puts_back_weights_that_the_first_step_would_have_made(kind: str) -> None:
    spoilt = X.copy()
    spoilt[20] = np.nan
    decay = LearningRateDecay(Constant(0.05), rules=[Rescue()])
    found, expected = (trained(kind, decay, spoilt, 2, built=built) for built in (False, True))
    assert [event.epoch for event in decay.events] == [0, 1]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_probe_leaves_nothing_in_weights_that_the_first_step_would_have_made(kind: str) -> None:
    found, expected = (
        trained(kind, CosineDecay("auto"), X, 30, built=built) for built in (False, True)
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_groups_are_found_among_weights_that_the_first_step_would_have_made(kind: str) -> None:
    decay = CosineDecay(0.05, group_factors={".*kernel": 0.1})
    found, expected = (trained(kind, decay, X, 2, built=built) for built in (False, True))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    assert decay.trace is not None
    assert decay.trace.notes[-1] == "group_factors: '.*kernel' × 0.1 (2 variables), 2 variables × 1"
    with pytest.raises(ValueError, match=r"group_factors must be patterns .*The paths are "):
        trained(kind, CosineDecay(0.05, group_factors={"nowhere": 0.1}), X, 1, built=False)


def test_where_nothing_tells_the_shapes_the_model_must_be_built() -> None:
    model = sequential()
    model.compile("sgd", "mse")
    decay = LearningRateDecay(Constant(0.05), rules=[Rescue()])
    told = r"must be built before its first step.*call model\(x\[:1\]\)"
    run = steer(model, decay, epochs=2, steps_per_epoch=4)
    with pytest.raises(ValueError, match=told), run:
        next(iter(run))
