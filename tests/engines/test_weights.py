"""The weights after `batch` and `compiled` are those of Keras' own schedule in the optimizer."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from engines.trainings import (
    BACKEND,
    EPOCHS,
    PAIRS,
    STEPS,
    TOTAL,
    Held,
    assert_same,
    at_constant_rate,
    built,
    fit,
    native,
    sgd,
    trained,
    weights,
)

from kerasdecay import LearningRateDecay
from kerasdecay.schedules import Cosine

pytestmark = pytest.mark.any_backend
both = pytest.mark.parametrize("engine", ["batch", "compiled"])


def adamw(rate: Any) -> Any:
    return keras.optimizers.AdamW(rate, weight_decay=0.1)


def accumulating(rate: Any) -> Any:
    return sgd(rate, gradient_accumulation_steps=2)


def scaling_the_loss(rate: Any) -> Any:
    # The default scale, 32768, would overflow in the first steps, which are then skipped.
    return keras.optimizers.LossScaleOptimizer(sgd(rate), initial_scale=128.0)


OPTIONS: dict[str, tuple[Callable[[Any], Any], dict[str, Any]]] = {
    "jit": (sgd, {"jit_compile": True}),
    "no jit": (sgd, {"jit_compile": False}),
    "built by the first step": (sgd, {"optimizer_too": False}),
    "jit, weight decay": (adamw, {"jit_compile": True}),
    "weight decay": (adamw, {}),
    "accumulation": (accumulating, {}),
    "mixed precision": (scaling_the_loss, {"dtype": "mixed_float16"}),
    "moving average": (functools.partial(sgd, use_ema=True), {}),
}


@pytest.fixture
def quick_jit(monkeypatch):
    """Let torch trace the step, which is what matters here, and leave its compiler out."""
    if BACKEND == "torch":
        import torch

        monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))


@functools.cache
def expected(shape: str) -> np.ndarray:
    return trained(sgd(PAIRS[shape][1]()))


@both
@pytest.mark.parametrize("shape", PAIRS)
def test_every_shape(shape: str, engine: str) -> None:
    found = trained(sgd(0.05), LearningRateDecay(PAIRS[shape][0], update=engine))
    assert_same(found, expected(shape))
    assert np.abs(found - at_constant_rate()).max() > 0.1


@functools.cache
def expected_with(option: str) -> np.ndarray:
    optimizer, compiling = OPTIONS[option]
    if BACKEND == "torch":  # tracing takes ten seconds
        compiling = {**compiling, "jit_compile": False}
    return trained(optimizer(PAIRS["cosine"][1]()), **compiling)


@both
@pytest.mark.parametrize("option", OPTIONS)
def test_every_kind_of_step(option: str, engine: str, quick_jit: None) -> None:
    if option == "jit, weight decay" and BACKEND == "torch":
        pytest.skip("tracing takes ten seconds, once is enough")
    optimizer, compiling = OPTIONS[option]
    model = built(optimizer(0.05), **compiling)
    fit(model, [LearningRateDecay(PAIRS["cosine"][0], update=engine)])
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    assert int(keras.ops.convert_to_numpy(inner._iterations)) == TOTAL
    assert_same(weights(model), expected_with(option))


@pytest.mark.skipif(BACKEND == "torch", reason="Keras on torch takes one step a call")
@pytest.mark.parametrize("jit", [False, True])
def test_several_steps_in_one_call(jit: bool) -> None:
    schedule, reference = PAIRS["cosine"]
    options = {"steps_per_execution": 4, "jit_compile": jit}
    batch = trained(sgd(0.05), LearningRateDecay(schedule, update="batch"), **options)
    compiled = trained(sgd(0.05), LearningRateDecay(schedule, update="compiled"), **options)
    assert_same(batch, trained(sgd(Held(reference(), 4)), jit_compile=jit))
    assert_same(compiled, expected("cosine"))
    assert np.abs(batch - compiled).max() > 1e-3


@pytest.mark.parametrize(
    ("update", "steps"), [("epoch", STEPS), ("3 steps", 3), ("8 steps", 8), ("100 steps", 100)]
)
def test_a_rate_held_for_some_steps(update: str, steps: int) -> None:
    schedule, reference = PAIRS["cosine"]
    found = trained(sgd(0.05), LearningRateDecay(schedule, update=update))
    if update == "epoch":  # here the horizon is counted in epochs, with the same values
        assert_same(found, trained(sgd(0.05), LearningRateDecay(schedule, update=f"{STEPS} steps")))
    assert_same(found, trained(sgd(Held(reference(), steps))))


@pytest.mark.skipif(
    not hasattr(keras.optimizers, "MultiOptimizer"), reason="came with a later Keras"
)
@both
def test_several_optimizers_each_from_its_own_rate(engine: str) -> None:
    def several(first: Any, second: Any) -> Any:
        parts = keras.optimizers.OptimizerMap(
            keras.optimizers.Adam(first), {".*second/.*": sgd(second)}
        )
        return keras.optimizers.MultiOptimizer(parts)

    cosines = (native.CosineDecay(rate, TOTAL) for rate in (0.02, 0.05))
    model = built(several(0.02, 0.05))
    logs = fit(model, [LearningRateDecay(Cosine(), update=engine)]).history
    assert_same(weights(model), trained(several(*cosines)))
    slow, fast = sorted(rates for key, rates in logs.items() if key.startswith("learning_rate_"))
    assert len(slow) == EPOCHS
    np.testing.assert_allclose(np.divide(fast, slow), 2.5, rtol=1e-6)


@pytest.mark.skipif(
    not hasattr(keras.optimizers, "MultiOptimizer"), reason="came with a later Keras"
)
@both
def test_an_optimizer_without_variables_has_the_rates_of_the_others(engine: str) -> None:
    parts = keras.optimizers.OptimizerMap(sgd(0.05), {"no such layer": sgd(0.05)})
    model = built(keras.optimizers.MultiOptimizer(parts))
    logs = fit(model, [LearningRateDecay(Cosine(), update=engine)]).history
    assert_same(weights(model), trained(sgd(native.CosineDecay(0.05, TOTAL))))
    one, other = (rates for key, rates in logs.items() if key.startswith("learning_rate_"))
    assert one == other and len(one) == EPOCHS
