"""Momentum and weight decay are constants of a compiled step: why they are driven within it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from engines.trainings import (
    BACKEND,
    STEPS,
    assert_same,
    built,
    fit,
    sgd,
    trained,
    transplanted,
    weights,
)

pytestmark = pytest.mark.any_backend

MADE: dict[str, Callable[..., Any]] = {
    "momentum": lambda momentum=0.9: keras.optimizers.SGD(0.05, momentum=momentum),
    "beta_1": lambda beta_1=0.9: keras.optimizers.Adam(0.05, beta_1=beta_1),
    "weight_decay": lambda weight_decay=0.9: keras.optimizers.AdamW(
        0.05, weight_decay=weight_decay
    ),
}
every_name = pytest.mark.parametrize("name", MADE)


class Setting(keras.callbacks.Callback):
    """Sets an attribute of the optimizer as the second epoch begins."""

    def __init__(self, name: str, *, retrace: bool = False) -> None:
        super().__init__()
        self.name, self.retrace = name, retrace

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 1:
            setattr(self.model.optimizer, self.name, 0.1)
            if self.retrace:
                self.model.make_train_function(force=True)


def as_it_should_be(name: str) -> np.ndarray:
    """Return the weights of a training whose optimizer is exchanged after the first epoch."""
    model = built(MADE[name]())
    fit(model, epochs=1)
    twin = transplanted(model, MADE[name](0.1))
    assert int(keras.ops.convert_to_numpy(twin.optimizer.iterations)) == STEPS
    fit(twin, initial_epoch=1)
    return weights(twin)


@every_name
def test_setting_it_in_mid_fit_changes_nothing_in_a_compiled_step(name: str) -> None:
    unchanged = trained(MADE[name]())
    assert np.abs(as_it_should_be(name) - unchanged).max() > 0.05
    found = trained(MADE[name](), Setting(name))
    # On torch Keras does not compile the step unless it is told to.
    assert_same(found, as_it_should_be(name) if BACKEND == "torch" else unchanged)


@every_name
def test_a_new_trace_makes_it_count(name: str) -> None:
    found = trained(MADE[name](), Setting(name, retrace=True))
    assert_same(found, as_it_should_be(name))


@pytest.mark.skipif(BACKEND == "torch", reason="its steps are not compiled")
def test_the_momentum_of_sgd_cannot_be_computed_in_the_step() -> None:
    optimizer = sgd(0.05)
    model = built(optimizer)
    optimizer.build(model.trainable_variables)

    def falling(self: Any) -> Any:
        return 0.95 - 0.01 * keras.ops.cast(
            keras.ops.convert_to_tensor(self._iterations), "float32"
        )

    kind = type(optimizer)
    vars(optimizer).pop("momentum")
    object.__setattr__(
        optimizer, "__class__", type("SGD", (kind,), {"momentum": property(falling)})
    )
    # Its step asks `if self.momentum != 0`, which a tensor cannot answer while it is traced.
    with pytest.raises(Exception, match=r"bool|Bool"):
        fit(model)
