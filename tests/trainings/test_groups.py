"""Which variables a group has, which optimizers can have groups, and what is refused."""

from __future__ import annotations

import copy
import functools
import pickle
import re
from typing import Any

import keras
import pytest

from kerasdecay import LearningRateDecay, layerwise
from kerasdecay.schedules import Constant, Cosine, Linear, sequence
from kerasdecay.training.groups import _labels, group_knobs

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
        ({"low/.*": 0.1}, "low/.* × 0.1 (2), all others × 1 (4)"),
        # A name with the models around it, and one that begins with a slash.
        ({"backbone/low/.*": 0.1}, "backbone/low/.* × 0.1 (2), all others × 1 (4)"),
        ({".*/backbone/.*": 0.1}, ".*/backbone/.* × 0.1 (4), all others × 1 (2)"),
        # The first that matches has it.
        ({".*/bias": 1, ".*": 0.5}, ".*/bias × 1 (3), .* × 0.5 (3), all others × 1 (0)"),
    ],
)
def test_the_note_tells_the_groups_and_their_variables(factors: Any, told: str) -> None:
    assert begin(factors, "sgd").trace.notes == [f"rates by group (variables in each): {told}"]


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ({"tail/.*": 1}, "'tail/.*', which matches none"),
        ({"low": 1}, "'low', which matches none"),  # the whole path, or nothing
        ({".*": 1, "low/.*": 0.1}, "'low/.*', which takes no variable that no pattern before it"),
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
        (lambda: O.Nadam(0.1), 0.5, "Nadam of Keras .*: it keeps something that all"),
        (lambda: O.Ftrl(0.1), 0, "Ftrl of Keras .*: its step cannot be made at a rate of 0"),
        (lambda: O.Ftrl(0.1), Linear(1, 0), "cannot be made at a rate of 0"),
        (lambda: O.SGD(0.1, momentum=0.9), Linear(1, 0), "stays above 0 once it is"),
    ],
    ids=["Nadam", "Ftrl, frozen", "Ftrl, frozen later", "SGD, frozen later"],
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


def test_names_for_the_logs_are_what_remains_of_the_patterns() -> None:
    assert _labels([".*/block_1/.*", ".*", "(.*/)?x/.*", ".*/x/.*"]) == [
        "block_1",
        "group_2",
        "group_3",
        "group_4",
    ]


def test_layerwise_falls_from_the_head_to_the_input() -> None:
    assert layerwise(fine_tuned(), decay=0.5) == {
        "head/.*": 1.0,
        "high/.*": 0.5,
        "low/.*": 0.25,
    }


def test_layerwise_tells_equal_names_apart_by_the_models_around_them() -> None:
    inputs = keras.Input((2,))
    bodies = [keras.Sequential([keras.Input((2,)), dense("d")], name=name) for name in ("a", "b")]
    once = keras.Model(inputs, bodies[1](bodies[0](inputs)))
    assert list(layerwise(once)) == ["b/d/.*", "a/d/.*"]
    parts = [keras.Model(inputs, dense("d")(inputs), name=name) for name in ("a", "b")]
    model = keras.Model(inputs, parts[1](parts[0](inputs)))
    assert list(layerwise(model)) == ["b/d/.*", "a/d/.*"]
    inner = keras.Sequential([keras.Input((2,)), dense("d"), keras.layers.ReLU(), dense("e")])
    inner.layers[0].trainable = False
    assert len(layerwise(inner)) == 1


def test_layerwise_refuses_layers_that_nothing_tells_apart() -> None:
    inputs = keras.Input((2,))
    twins = [dense("d")(inputs), dense("d")(inputs)]
    parts = [keras.Model(inputs, one, name="twin") for one in twins]
    outer = [keras.Model(inputs, part(inputs), name=f"m{i}") for i, part in enumerate(parts)]
    alike = keras.Model(inputs, outer[1](outer[0](inputs)))
    assert len(layerwise(alike)) == 2

    class Both(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="both")
            self.one, self.other = parts

        def call(self, x: Any) -> Any:
            return self.other(self.one(x))

    model = Both()
    model(keras.ops.zeros((1, 2)))
    with pytest.raises(ValueError, match="layerwise: the model's layers must have names of their"):
        layerwise(model)
    with pytest.raises(ValueError, match=r"decay must be .*Received: decay=1.5"):
        layerwise(fine_tuned(), 1.5)
    with pytest.raises(ValueError, match="a built model with trainable variables"):
        layerwise(keras.Sequential([dense("d")]))
