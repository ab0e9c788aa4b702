"""Which variables a group has, which optimizers can have groups, and what is refused."""

from __future__ import annotations

import copy
import functools
import pickle
import re
from typing import Any

import keras
import pytest

from kerasdecay import LearningRateDecay
from kerasdecay.schedules import Constant, Cosine, Linear, sequence
from kerasdecay.training.groups import group_knobs

O = keras.optimizers  # noqa: E741


def dense(name: str) -> Any:
    return keras.layers.Dense(2, name=name)


@functools.cache
def fine_tuned() -> Any:
    """Return a head on a model that was there before, so that its paths do not tell its name."""
    inputs = keras.Input((2,))
    hidden = keras.layers.ReLU()(dense("low")(inputs))
    body = keras.Model(inputs, dense("high")(hidden), name="backbone")
    inputs = keras.Input((2,))
    return keras.Model(inputs, dense("head")(body(inputs)), name="net")


def decay(factors: Any, **options: Any) -> LearningRateDecay:
    return LearningRateDecay(Constant(0.1), group_factors=factors, epochs=2, **options)


def begin(factors: Any, optimizer: Any, model: Any = None, **options: Any) -> LearningRateDecay:
    """Begin a training, and make no step of it."""
    model = keras.models.clone_model(fine_tuned()) if model is None else model
    model.compile(optimizer, "mse")
    callback = decay(factors, **options)
    callback.set_params({"epochs": 2, "steps": 4})
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    callback.on_train_end()
    return callback


@pytest.mark.parametrize(
    ("factors", "told"),
    [
        ({"low/": 0.1}, "'low/' × 0.1 (2 variables), 4 variables × 1"),
        # A name with the models around it, and one that begins with a slash.
        ({"backbone/low/": 0.1}, "'backbone/low/' × 0.1 (2 variables), 4 variables × 1"),
        ({".*/backbone/.*": 0.1}, "'.*/backbone/.*' × 0.1 (4 variables), 2 variables × 1"),
        # The first that matches has it.
        ({"bias": 1, ".*": 0.5}, "'bias' × 1 (3 variables), '.*' × 0.5 (3 variables)"),
    ],
)
def test_the_note_tells_the_groups_and_their_variables(factors: Any, told: str) -> None:
    assert begin(factors, "sgd").trace.notes == [f"group_factors: {told}"]


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ({"tail/": 1}, "'tail/'"),
        ({"^low$": 1}, "'^low$'"),
        ({".*": 1, "low/": 0.1}, "'low/'. All that it matches belongs to a pattern before it"),
    ],
)
def test_an_idle_pattern_is_refused_and_the_paths_are_listed(pattern: Any, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)) as caught:
        begin(pattern, "sgd")
    for path in ("backbone/low/kernel", "backbone/high/bias", "head/kernel"):
        assert path in str(caught.value)


@pytest.mark.parametrize(
    "factors", [{}, [], 0.1, {"(": 0.1}, {1: 0.1}, {".*": -1}, {".*": "auto"}, {".*": len}]
)
def test_what_is_no_mapping_of_patterns_to_factors_is_refused_at_once(factors: Any) -> None:
    if factors == {".*": len}:
        factors = {".*": lambda epoch, rate: rate}
    with pytest.raises(ValueError, match="LearningRateDecay: group_factors"):
        decay(factors)


@pytest.mark.parametrize(
    ("optimizer", "factor", "reason"),
    [
        (lambda: O.Nadam(0.1), 0.5, "Nadam of Keras .*: what one group does changes"),
        (lambda: O.Ftrl(0.1), 0, "Ftrl of Keras .*: its step cannot be made at a rate of 0"),
        (lambda: O.Ftrl(0.1), Linear(1, 0), "cannot be made at a rate of 0"),
    ],
    ids=["Nadam", "Ftrl, frozen", "Ftrl, frozen later"],
)
def test_an_optimizer_that_cannot_is_refused(optimizer: Any, factor: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        begin({"head/.*": factor}, optimizer())


@pytest.mark.parametrize("kind", ["Adagrad", "Adamax", "Adadelta", "Adafactor", "Lamb", "Ftrl"])
def test_the_others_can(kind: str) -> None:
    (knob,) = group_knobs("LearningRateDecay", {"head/.*": 0.1})
    knob.check(getattr(O, kind)(0.1), fine_tuned())


def test_a_model_without_variables_is_refused_before_the_first_step() -> None:
    with pytest.raises(ValueError, match="a model that is not built"):
        begin({".*": 0.1}, "sgd", keras.Sequential([dense("head")]))


def test_an_optimizer_of_torch_is_refused() -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, device="cpu")], lr=0.1)
    (knob,) = group_knobs("LearningRateDecay", {".*": 0.1})
    with pytest.raises(ValueError, match="it has no method _backend_update_step"):
        knob.check(optimizer, fine_tuned())


def test_copies_pickles_and_configurations_keep_the_factors() -> None:
    factors = {"low/.*": 0.1, "high/.*": sequence([Constant(0.0), Cosine()], [1])}
    callback = decay(factors)
    config = callback.get_config()
    twins = [copy.deepcopy(callback), pickle.loads(pickle.dumps(callback))]
    twins.append(LearningRateDecay.from_config(config))
    assert all(twin.knobs == callback.knobs for twin in twins)
