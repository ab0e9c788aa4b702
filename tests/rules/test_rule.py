"""What holds for every rule: pure, replayable, and its state survives a restart."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasdecay.rules import Observation, Plateau, Rule

# A new rule is one row: how to make it, and a metric's values on which it changes the rate.
FAMILY: dict[str, tuple[Callable[[], Rule[Any]], list[float]]] = {
    "Plateau": (lambda: Plateau("loss", factor=0.5, patience=2), [1.0, 1.0, 1.0, 0.5, 0.5, 0.5]),
    "Plateau, upwards": (
        lambda: Plateau("auc", factor=0.2, patience=1, cooldown=1, mode="max"),
        [0.5, 0.6, 0.6, 0.6, 0.6],
    ),
    "Plateau, relative": (
        lambda: Plateau("loss", patience=1, min_delta=0.01, min_delta_mode="rel", min_lr=0.05),
        [100.0, 99.5, 99.4],
    ),
}

metrics = st.lists(st.floats(width=32), max_size=30)
each = pytest.mark.parametrize("name", FAMILY)


@each
def test_the_values_of_the_table_change_the_rate(name: str) -> None:
    make, values = FAMILY[name]
    *_, last = make().replay(values)
    assert last.scale < 1


@each
def test_replaying_twice_gives_the_same_states(name: str) -> None:
    make, values = FAMILY[name]
    assert list(make().replay(values)) == list(make().replay(values))


@each
def test_advance_leaves_the_state_it_was_given_as_it_was(name: str) -> None:
    make, values = FAMILY[name]
    rule = make()
    state = rule.initial_state()
    before = copy.deepcopy(state)
    rule.advance(state, Observation(0, {rule.watched: values[0]}))
    assert state == before
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.scale = 2.0  # type: ignore[misc]


@each
@given(values=metrics)
def test_the_state_survives_json_at_every_epoch(name: str, values: list[float]) -> None:
    make, _ = FAMILY[name]
    rule = make()
    whole, interrupted = rule.initial_state(), rule.initial_state()
    for epoch, value in enumerate(values):
        text = json.dumps(interrupted.to_data(), allow_nan=False)
        interrupted = rule.state_from_data(json.loads(text))
        seen = {rule.watched: value}
        whole = rule.advance(whole, Observation(epoch, seen, whole.scale))
        interrupted = rule.advance(interrupted, Observation(epoch, seen, interrupted.scale))
        assert interrupted == whole


@each
@given(values=metrics)
def test_whatever_the_metric_does_the_scale_stays_in_its_range_and_never_rises(
    name: str, values: list[float]
) -> None:
    make, _ = FAMILY[name]
    scales = [1.0, *(state.scale for state in make().replay(values))]
    assert all(0 < after <= before <= 1 for before, after in zip(scales, scales[1:], strict=False))


@each
@given(values=metrics)
def test_every_decision_has_a_reason_in_one_line_and_names_the_metric(
    name: str, values: list[float]
) -> None:
    make, _ = FAMILY[name]
    rule = make()
    for state in rule.replay(values):
        assert rule.watched in state.decision.reason
        assert "\n" not in state.decision.reason


@each
@given(values=metrics)
def test_the_scale_changes_exactly_where_a_reduction_is_told(
    name: str, values: list[float]
) -> None:
    make, _ = FAMILY[name]
    scale = 1.0
    for state in make().replay(values):
        assert (state.scale != scale) == (state.decision.kind == "reduce")
        scale = state.scale


@each
def test_an_epoch_without_the_metric_does_not_count(name: str) -> None:
    make, values = FAMILY[name]
    rule = make()
    sparse: list[Any] = [entry for value in values for entry in ({"other": 1.0}, value)]
    states = list(rule.replay(sparse))
    assert [state.scale for state in states[1::2]] == [state.scale for state in rule.replay(values)]
    assert {state.decision.kind for state in states[::2]} == {"absent"}
    assert not any(state.decision.is_event for state in states[::2])


@each
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_no_number_is_an_event_with_a_reason(name: str, bad: float) -> None:
    make, values = FAMILY[name]
    *_, state = make().replay([values[0], bad])
    assert state.decision.is_event
    assert f"{bad:g}" in state.decision.reason


@each
def test_copies_pickles_and_configurations_are_equal(name: str) -> None:
    make, _ = FAMILY[name]
    rule = make()
    assert copy.deepcopy(rule) == rule
    assert pickle.loads(pickle.dumps(rule)) == rule
    assert type(rule).from_config(json.loads(json.dumps(rule.get_config()))) == rule


@each
def test_a_state_of_something_else_is_refused(name: str) -> None:
    make, _ = FAMILY[name]
    rule = make()
    data = rule.initial_state().to_data()
    with pytest.raises(ValueError, match=type(rule).__name__):
        rule.state_from_data({**data, "momentum": 0.9})
    data.popitem()
    with pytest.raises(ValueError, match="must hold"):
        rule.state_from_data(data)
