"""Rates by group: the weights are those of torch's parameter groups and of MultiOptimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tiny
from engines.trainings import (
    BACKEND,
    BATCH,
    EPOCHS,
    STEPS,
    TOTAL,
    X,
    Y,
    assert_same,
    built,
    fit,
    weights,
)
from tiny import two_odometers

from kerasdecay import LearningRateDecay, release, steer
from kerasdecay.rules import Plateau
from kerasdecay.schedules import Constant, Cosine, Linear, sequence

pytestmark = pytest.mark.any_backend

RATE = 0.05
FIRST = ".*/first/.*"
GROUPS = {FIRST: 0.1}
TINY = {"epsilon": 1e-12}
O = keras.optimizers  # noqa: E741

# Name → (Keras' optimizer at a rate; torch's class, its arguments). Keras keeps gradients times
# rates in a velocity, and torch gradients alone: at a constant rate they are the same.
KINDS: dict[str, tuple[Callable[..., Any], str, dict[str, Any]]] = {
    "SGD": (lambda rate: O.SGD(rate), "SGD", {}),
    "momentum": (lambda rate: O.SGD(rate, momentum=0.9), "SGD", {"momentum": 0.9}),
    "Nesterov": (
        lambda rate: O.SGD(rate, momentum=0.9, nesterov=True),
        "SGD",
        {"momentum": 0.9, "nesterov": True},
    ),
    "Adam": (lambda rate: O.Adam(rate, **TINY), "Adam", {"eps": 1e-12}),
    "AdamW": (
        lambda rate: O.AdamW(rate, weight_decay=0.5, **TINY),
        "AdamW",
        {"eps": 1e-12, "weight_decay": 0.5},
    ),
    "RMSprop": (
        lambda rate: O.RMSprop(rate, **TINY),
        "RMSprop",
        {"alpha": 0.9, "eps": 1e-12},
    ),
}


def decay(schedule: Any = None, **options: Any) -> LearningRateDecay:
    """Return a decay of two groups."""
    options = {"group_factors": GROUPS, "update": "compiled", **options}
    return LearningRateDecay(Constant(RATE) if schedule is None else schedule, **options)


def by_torch(kind: str, options: dict[str, Any], rates: Any, factors: Any) -> np.ndarray:
    """Return the weights of the same network, trained by torch with two parameter groups.

    Args:
        kind: torch's class.
        options: Its arguments.
        rates: The rate of each step.
        factors: The first layer's factor at each step.
    """
    torch = pytest.importorskip("torch")
    start = built(O.SGD(RATE)).get_weights()
    with torch.device("cpu"):
        parameters = [torch.tensor(one, requires_grad=True) for one in start]
        first, second = {"params": parameters[:2]}, {"params": parameters[2:]}
        optimizer = getattr(torch.optim, kind)([first, second], lr=RATE, **options)
        x, y = torch.tensor(X), torch.tensor(Y)
        for step, (rate, factor) in enumerate(zip(rates, factors, strict=True)):
            optimizer.param_groups[0]["lr"] = float(rate * factor)
            optimizer.param_groups[1]["lr"] = float(rate)
            batch = slice(step % STEPS * BATCH, (step % STEPS + 1) * BATCH)
            hidden = torch.tanh(x[batch] @ parameters[0] + parameters[1])
            loss = ((hidden @ parameters[2] + parameters[3] - y[batch]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return np.concatenate([one.detach().numpy().ravel() for one in parameters])


def trained(optimizer: Any, *callbacks: Any, **options: Any) -> np.ndarray:
    model = built(optimizer, **options)
    fit(model, callbacks)
    return weights(model)


@pytest.mark.parametrize("name", KINDS)
def test_the_weights_are_those_of_torchs_parameter_groups(name: str) -> None:
    make, kind, options = KINDS[name]
    model = built(make(RATE))
    fit(model, [decay()])
    expected = by_torch(kind, options, np.full(TOTAL, RATE), np.full(TOTAL, 0.1))
    assert_same(weights(model), expected, tolerance=1e-4)
    assert not {"_backend_update_step", "_apply_weight_decay"} & set(vars(model.optimizer))


@pytest.mark.parametrize("update", ["batch", "compiled"])
def test_the_schedule_is_shared_and_a_factor_may_be_a_schedule(update: str) -> None:
    make, kind, options = KINDS["AdamW"]
    steps = np.arange(TOTAL) / TOTAL
    shared = RATE * (1 + np.cos(np.pi * steps)) / 2
    callback = decay(Cosine(RATE), group_factors={FIRST: Linear(1.0, 0.5)}, update=update)
    found = trained(make(RATE), callback)
    assert_same(found, by_torch(kind, options, shared, 1 - steps / 2), tolerance=1e-4)
    name = f"group_factor/{FIRST}"
    curve = callback.trace.knobs[name]
    np.testing.assert_allclose(curve.rates(name), 1 - steps / 2, rtol=1e-6)


def test_a_group_thaws_at_an_epoch_and_neither_moves_nor_decays_before() -> None:
    make, kind, options = KINDS["AdamW"]
    model = built(make(RATE))
    start = weights(model)
    factor = sequence([Constant(0.0), Constant(0.5)], [1])
    callback = decay(group_factors={FIRST: factor}, update="epoch", epochs=EPOCHS)
    fit(model, [callback], epochs=1)
    assert np.array_equal(weights(model)[:16], start[:16])
    assert np.abs(weights(model) - start)[16:].min() > 1e-3
    again = built(make(RATE))
    history = fit(again, [decay(group_factors={FIRST: factor}, update="epoch")]).history
    assert history[f"group_factor/{FIRST}"] == pytest.approx([0, 0.5, 0.5])
    factors = np.repeat([0, 0.5, 0.5], STEPS)
    expected = by_torch(kind, options, np.full(TOTAL, RATE), factors)
    assert_same(weights(again), expected, tolerance=1e-4)


def test_a_group_that_had_a_velocity_stands_still_once_it_is_frozen() -> None:
    model = built(O.SGD(RATE, momentum=0.9))
    fit(model, epochs=1)
    before = weights(model)
    fit(model, [decay(group_factors={FIRST: 0.0})], epochs=1)
    assert np.array_equal(weights(model)[:16], before[:16])
    assert np.abs(weights(model) - before)[16:].min() > 1e-4


@pytest.mark.skipif(not hasattr(O, "MultiOptimizer"), reason="this Keras has no MultiOptimizer")
@pytest.mark.parametrize(
    "make",
    [
        lambda rate: O.Lion(rate, weight_decay=0.5),
        lambda rate: O.Adam(rate, gradient_accumulation_steps=2, clipnorm=0.1),
    ],
    ids=["Lion", "accumulation"],
)
def test_the_weights_are_those_of_a_multi_optimizer(make: Callable[[float], Any]) -> None:
    parts = O.MultiOptimizer(O.OptimizerMap(make(RATE), {FIRST: make(RATE / 10)}))
    jit = BACKEND != "torch"
    assert_same(trained(make(RATE), decay(), jit_compile=jit), trained(parts))


@pytest.mark.skipif(not hasattr(O, "MultiOptimizer"), reason="this Keras has no MultiOptimizer")
def test_the_parts_of_a_multi_optimizer_have_the_groups_too() -> None:
    one, two = O.AdamW(RATE, weight_decay=0.5), O.AdamW(RATE, weight_decay=0.5)
    factors = {FIRST: 0.1, ".*/second/kernel": 0.5}
    parts = O.MultiOptimizer(lambda variable: one if "first" in variable.path else two)
    found = trained(parts, decay(group_factors=factors))
    expected = trained(O.AdamW(RATE, weight_decay=0.5), decay(group_factors=factors))
    assert_same(found, expected)


def test_steps_of_one_call_and_a_loss_that_is_scaled() -> None:
    expected = trained(O.SGD(RATE), decay(update="batch"))
    if BACKEND != "torch":  # which makes one step a call
        assert_same(trained(O.SGD(RATE), decay(), steps_per_execution=4), expected)
    scaled = O.LossScaleOptimizer(O.SGD(RATE), initial_scale=8.0)
    assert_same(trained(scaled, decay()), expected)


def test_the_optimizer_keeps_its_layout_and_is_an_ordinary_one_again() -> None:
    model, plain = built(O.Adam(RATE)), built(O.Adam(RATE))
    fit(model, [decay()], epochs=1)
    fit(plain, epochs=1)
    optimizers = (model.optimizer, plain.optimizer)
    layouts = [[v.path.partition("/")[2] for v in one.variables] for one in optimizers]
    assert layouts[0] == layouts[1]
    plain.set_weights(model.get_weights())
    for mine, other in zip(plain.optimizer.variables, model.optimizer.variables, strict=True):
        mine.assign(np.array(keras.ops.convert_to_numpy(other)))
    fit(model, epochs=1)
    fit(plain, epochs=1)
    assert_same(weights(model), weights(plain))


def test_a_rule_scales_all_groups_in_a_loop_of_ones_own() -> None:
    model = built(O.SGD(RATE))
    start = weights(model)
    rule = Plateau("loss", patience=1, factor=0.5, min_delta=1e6)
    moves = []
    with steer(model, decay(update="epoch", rules=rule), epochs=3) as run:
        for _ in run:
            run.begin_step()
            # The same gradients each time, if the weights are put back.
            model.set_weights(built(O.SGD(RATE)).get_weights())
            model.train_on_batch(X[:BATCH], Y[:BATCH])
            moves.append(weights(model) - start)
            run.end_epoch({"loss": 1.0})
    assert_same(moves[2], moves[0] / 2, tolerance=1e-3)
    whole = built(O.SGD(RATE))
    whole.train_on_batch(X[:BATCH], Y[:BATCH])
    moved = weights(whole) - start
    moved[:16] *= 0.1
    assert_same(moves[0], moved, tolerance=1e-3)


def test_what_remains_after_an_interruption_is_taken_out() -> None:
    model = built(O.SGD(RATE))
    callback = decay(update="batch")

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(model, [callback, Stop()])
    assert release(model)
    expected = built(O.SGD(RATE))
    expected.set_weights(model.get_weights())
    fit(model, epochs=1)
    fit(expected, epochs=1)
    assert_same(weights(model), weights(expected))


@pytest.mark.parametrize("update", ["epoch", "batch", "compiled"])
def test_each_weight_is_the_sum_of_its_groups_rates(update: str) -> None:
    model = two_odometers(O.SGD(0.5))
    rates = np.linspace(0.4, 0, 3 * tiny.STEPS, endpoint=False)
    if update == "epoch":
        rates = np.repeat(rates[:: tiny.STEPS], tiny.STEPS)
    factors = {"slow/": lambda epoch: (0.0, 0.5, 0.25)[epoch]}
    tiny.fit(model, [decay(Linear(0.4), update=update, group_factors=factors)], epochs=3)
    assert tiny.travelled(model, "fast") == tiny.near(rates.sum())
    slow = (rates * np.repeat([0.0, 0.5, 0.25], tiny.STEPS)).sum()
    assert tiny.travelled(model, "slow") == tiny.near(slow)
