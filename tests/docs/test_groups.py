"""The rows on groups in docs/migrating.md: both sides move the weights alike."""

from __future__ import annotations

import pathlib
import re

import keras
import numpy as np
import optax
import pytest
from tiny import STEPS, fit, near, travelled

import kerasdecay
from kerasdecay import schedules

torch = pytest.importorskip("torch")

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "migrating.md"
EPOCHS = 4
UPDATES = EPOCHS * STEPS


def moves_of_torch(optimizer, body, head):
    for _ in range(UPDATES):
        optimizer.zero_grad()
        (-body - head).backward()
        optimizer.step()
    return body.item(), head.item()


def in_torch(text):
    body, head = (torch.zeros((), requires_grad=True) for _ in range(2))
    optimizer = eval(text, {"SGD": torch.optim.SGD, "body": [body], "head": [head]})
    return moves_of_torch(optimizer, body, head)


def in_optax(text):
    names = {**vars(optax), "labels": {"body": "body", "head": "head"}}
    transform = eval(text, names)
    weights = {"body": np.zeros(()), "head": np.zeros(())}
    state = transform.init(weights)
    for _ in range(UPDATES):
        gradients = {name: np.full((), -1.0) for name in weights}
        updates, state = transform.update(gradients, state, weights)
        weights = optax.apply_updates(weights, updates)
    return float(weights["body"]), float(weights["head"])


# fastai and timm are not installed here: what their documentation says of two groups.
BY_HAND = {
    "fit(epochs, slice(0.025, 0.1))": (UPDATES * 0.025, UPDATES * 0.1),
    "param_groups_layer_decay(model, layer_decay=0.75)": (UPDATES * 0.075, UPDATES * 0.1),
    "freeze()": (STEPS * 0.1, UPDATES * 0.1),
}


def rows():
    _, _, table = PAGE.read_text(encoding="utf-8").partition(
        "| in torch, optax, fastai | here |\n| --- | --- |\n"
    )
    lines = re.match(r"(?:\|.*\n)+", table)[0].splitlines()
    return [line.strip("| ").split(" | ") for line in lines]


@pytest.mark.parametrize(("there", "here"), rows(), ids=lambda cell: cell[:40])
def test_both_sides_move_the_weights_alike(there, here):
    inputs = keras.Input((1,))
    parts = [
        keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name=name)(inputs)
        for name in ("body", "head")
    ]
    model = keras.Model(inputs, keras.layers.Add()(parts))
    model.compile(keras.optimizers.SGD(0.1), loss=lambda _, predicted: -predicted)
    names = {**vars(schedules), "model": model, "layers": 2}
    names |= {name: getattr(kerasdecay, name) for name in kerasdecay.__all__}
    callback = eval(re.search(r"`(.+?)`", here)[1], names)
    fit(model, [callback], epochs=EPOCHS)

    text = re.search(r"`(.+?)`", there)[1]
    library = {"torch": in_torch, "optax": in_optax}.get(there.split()[0], BY_HAND.get)
    expected = library(text)
    assert (travelled(model, "body"), travelled(model, "head")) == near(expected)
