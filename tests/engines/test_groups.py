"""Rates by group: the weights are those of parameter groups, on every backend and engine."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import optimizers
from tiny import STEPS, fit, near, regression, regression_data, travelled, two_odometers

from kerasdecay import CosineDecay, LearningRateDecay, layerwise
from kerasdecay.schedules import Constant, Cosine, Linear, sequence

pytestmark = pytest.mark.any_backend

ENGINES = ["epoch", "batch", "compiled"]
TENTH = {"fast": 1.0, "slow": 0.1}


def weights(model: keras.Model) -> list[np.ndarray]:
    return [np.array(one) for one in model.get_weights()]


def trained(optimizer: Any, update: str = "batch", **given: Any) -> list[np.ndarray]:
    """Train the regression, its first layer at a tenth of the rate; return the weights."""
    model = regression(optimizer=optimizer, **given)
    first = model.layers[0].name
    callback = LearningRateDecay(Constant(), update=update, group_factors={f"/{first}/": 0.1})
    fit(model, [callback], epochs=3)
    return weights(model)


KINDS = {
    "sgd": lambda rate: optimizers.SGD(rate, momentum=0.9),
    "nesterov": lambda rate: optimizers.SGD(rate, momentum=0.9, nesterov=True),
    "sgd, weight decay": lambda rate: optimizers.SGD(rate, weight_decay=0.1),
    "adam": optimizers.Adam,
    "adamw": lambda rate: optimizers.AdamW(rate, weight_decay=0.1),
    "lion": optimizers.Lion,
    "rmsprop": optimizers.RMSprop,
    "accumulation": lambda rate: optimizers.Adam(rate, gradient_accumulation_steps=2),
}


@pytest.mark.skipif(not hasattr(optimizers, "MultiOptimizer"), reason="this Keras has none")
@pytest.mark.parametrize("kind", KINDS)
def test_groups_train_as_the_parts_of_a_multi_optimizer(kind: str) -> None:
    make = KINDS[kind]
    model = regression()
    first = model.layers[0].name
    parts = optimizers.OptimizerMap(make(0.05), {f"(.*/)?{first}/.*": make(0.005)})
    model.compile(optimizers.MultiOptimizer(parts), "mse")
    fit(model, epochs=3)
    for update in ("batch", "compiled") if kind in ("nesterov", "adamw") else ("batch",):
        for found, expected in zip(trained(make(0.05), update), weights(model), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("update", ENGINES)
def test_each_variable_moves_by_its_groups_rate(update: str) -> None:
    model = two_odometers(optimizers.SGD(0.5))
    rates = np.linspace(0.4, 0, 3 * STEPS, endpoint=False)
    if update == "epoch":
        rates = np.repeat(rates[::STEPS], STEPS)
    schedule = Linear(0.4)
    fit(model, [LearningRateDecay(schedule, update=update, group_factors=TENTH)], epochs=3)
    assert travelled(model, "fast") == near(rates.sum())
    assert travelled(model, "slow") == near(0.1 * rates.sum())


@pytest.mark.parametrize("update", ENGINES)
def test_a_group_is_thawed_by_a_sequence(update: str) -> None:
    model = two_odometers(optimizers.SGD(0.5, weight_decay=0.1, momentum=0.9))
    model.get_layer("slow").set_weights([np.ones((1, 1))])
    thaw = sequence([Constant(0.0), Constant(0.5)], [2])
    decay = LearningRateDecay(Constant(0.1), update=update, group_factors={"slow": thaw})
    history = fit(model, [decay], epochs=2)
    assert travelled(model, "slow") == 1.0
    assert history["group_factor/slow"] == [0.0, 0.0]
    model = two_odometers(optimizers.SGD(0.1))
    factors = LearningRateDecay(Constant(0.1), update=update, group_factors={"slow": thaw})
    history = fit(model, [factors], epochs=3)
    assert travelled(model, "slow") == near(STEPS * 0.1 * 0.5)
    assert travelled(model, "fast") == near(3 * STEPS * 0.1)
    assert history["group_factor/slow"] == [0.0, 0.0, 0.5]


@pytest.mark.parametrize("factor", [0, Linear(1.0, 0.0)])
def test_a_group_whose_factor_is_0_stands_still_though_it_had_a_velocity(factor: Any) -> None:
    model = two_odometers(optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1))
    fit(model, epochs=1)
    before = travelled(model, "slow")
    ends_at_once = LearningRateDecay(
        Constant(0.1), update="batch", epochs=3, group_factors={"slow": factor}
    )
    if factor == 0:
        fit(model, [ends_at_once], epochs=1)
        assert travelled(model, "slow") == before
        return
    fit(model, [ends_at_once], epochs=3)  # the factor is 0 beyond the horizon only
    at_the_end = travelled(model, "slow")
    assert at_the_end != before
    fit(model, [ends_at_once], epochs=4, initial_epoch=3)
    assert travelled(model, "slow") == at_the_end


def test_adamw_equals_parameter_groups_of_torch() -> None:
    torch = pytest.importorskip("torch")
    x, y = regression_data()
    start = np.random.default_rng(0).normal(size=(2, 1)).astype("float32")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="only")])
    model.compile(optimizers.AdamW(0.1, weight_decay=0.2, epsilon=1e-8), "mse")
    model.set_weights([start, np.zeros(1)])
    decay = CosineDecay(0.1, update="batch", group_factors={"bias": 0.1, "kernel": 0.5})
    fit(model, [decay], epochs=3, x=x, y=y, batch_size=10, shuffle=False)

    kernel = torch.tensor(start, requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)
    groups = [{"params": [kernel], "lr": 0.05}, {"params": [bias], "lr": 0.01}]
    reference = torch.optim.AdamW(groups, weight_decay=0.2, eps=1e-8)
    count = len(x) // 10
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(reference, 3 * count)
    for _ in range(3):
        for batch in range(count):
            part = slice(10 * batch, 10 * batch + 10)
            error = torch.tensor(x[part]) @ kernel + bias - torch.tensor(y[part])
            reference.zero_grad()
            (error**2).mean().backward()
            reference.step()
            falling.step()
    found = model.get_weights()
    np.testing.assert_allclose(found[0], kernel.detach().numpy(), rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(found[1], bias.detach().numpy(), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("kind", ["loss scaling", "several steps", "jit"])
def test_what_else_a_step_may_be(kind: str) -> None:
    optimizer = optimizers.SGD(0.1)
    model = two_odometers(optimizer)
    if kind == "loss scaling":
        scaled = optimizers.LossScaleOptimizer(optimizer, initial_scale=4.0)
        model.compile(scaled, model.loss)
    elif kind == "several steps" and keras.backend.backend() != "torch":
        model.compile(optimizer, model.loss, steps_per_execution=2)
    elif kind == "jit" and keras.backend.backend() != "torch":
        model.compile(optimizer, model.loss, jit_compile=True)
    fit(model, [LearningRateDecay(Constant(0.1), group_factors=TENTH)], epochs=2)
    assert travelled(model, "fast") == near(2 * STEPS * 0.1)
    assert travelled(model, "slow") == near(2 * STEPS * 0.01)


def test_the_optimizer_is_an_ordinary_one_again() -> None:
    model = two_odometers(optimizers.Adam(0.1))
    fit(model, epochs=1)
    layout = [one.path for one in model.optimizer.variables]
    own = set(vars(model.optimizer))
    fit(model, [LearningRateDecay(Constant(0.1), group_factors={"slow": 0})], epochs=1)
    before = travelled(model, "slow")
    assert [one.path for one in model.optimizer.variables] == layout
    assert set(vars(model.optimizer)) == own
    fit(model, epochs=1)
    assert travelled(model, "slow") != before


def test_the_groups_are_told() -> None:
    model = two_odometers(optimizers.SGD(0.1))
    decay = LearningRateDecay(Constant(0.1), group_factors={"slow": Cosine(1.0)})
    history = fit(model, [decay], epochs=2)
    (note,) = decay.trace.notes
    assert note == "group_factors: 'slow' × Cosine (1 variable), 1 variable × 1"
    last = [0.5 * (1 + np.cos(np.pi * step / (2 * STEPS))) for step in (STEPS - 1, 2 * STEPS - 1)]
    assert history["group_factor/slow"] == near(last)
    assert "group_factor/fast" not in history


def test_the_first_pattern_that_matches_counts() -> None:
    model = two_odometers(optimizers.SGD(0.1))
    decay = LearningRateDecay(Constant(0.1), group_factors={".*/slow/.*": 0.5, ".*": 0.1})
    fit(model, [decay], epochs=1)
    assert travelled(model, "slow") == near(STEPS * 0.05)
    assert travelled(model, "fast") == near(STEPS * 0.01)


@pytest.mark.parametrize(
    ("factors", "words"),
    [
        ({"encoder": 0.1}, ("'encoder'", "fast/kernel", "slow/kernel")),
        ({".*": 0.1, "slow": 0.5}, ("'slow'", "belongs to a pattern before it")),
    ],
)
def test_a_pattern_without_a_variable_is_refused(factors: Any, words: tuple[str, ...]) -> None:
    model = two_odometers(optimizers.SGD(0.1))
    with pytest.raises(ValueError, match="group_factors") as caught:
        fit(model, [LearningRateDecay(Constant(0.1), group_factors=factors)])
    for word in words:
        assert word in str(caught.value)
    assert travelled(model, "slow") == 0


@pytest.mark.parametrize(
    "factors",
    [{}, [0.1], {"a": -1}, {"a": "auto"}, {"a": None}, {"(": 1.0}, {1: 0.1}, {"a": float("nan")}],
)
def test_other_factors_are_refused_at_once(factors: Any) -> None:
    with pytest.raises(ValueError, match=r"LearningRateDecay: .*(group_factors|schedule)"):
        LearningRateDecay(Constant(0.1), group_factors=factors)


def test_an_optimizer_whose_groups_would_meddle_is_refused() -> None:
    model = two_odometers(optimizers.Nadam(0.1))
    with pytest.raises(ValueError, match=r"Nadam .* what one group does changes the step"):
        fit(model, [LearningRateDecay(Constant(0.1), group_factors=TENTH)])


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
