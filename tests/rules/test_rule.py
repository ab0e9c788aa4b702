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

import kerasdecay.rules
from kerasdecay.rules import (
    AdaptiveKnee,
    Greedy,
    LossSlope,
    Observation,
    Plateau,
    Rule,
    RuleState,
    Staged,
    WeightNorm,
)

RATE = 0.5

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
    "Plateau, smoothed": (
        lambda: Plateau("loss", factor=0.5, patience=1, smoothing=3),
        [1.0, 2.0, 3.0],
    ),
    "Greedy": (
        lambda: Greedy("loss", factor=0.5, patience=1, min_lr=0.1, cooldown=1, smoothing=2),
        [1.0, 1.5, 2.0, 2.0, 0.1, 0.1, 0.05, 0.01],
    ),
    "WeightNorm": (lambda: WeightNorm(factor=0.5), [1.0, 2.0, 1.0, 2.0, 3.0]),
    "LossSlope": (lambda: LossSlope(factor=0.5, min_losses=20), [1.0] * 21),
    "AdaptiveKnee": (
        lambda: AdaptiveKnee(Plateau("loss", patience=2), min_hold=0.5),
        [1.0, 0.9, 0.9, 0.9, 0.9, 0.9],
    ),
    "Staged": (lambda: Staged(Plateau("loss", patience=2)), [1.0, 1.0, 1.0, 1.0, 1.0]),
}
RISES = {"Greedy"}
BY_HORIZON = {"WeightNorm", "AdaptiveKnee"}
"""These look at the epoch too, and not at the metric alone."""

metrics = st.lists(st.floats(width=32), max_size=30)
each = pytest.mark.parametrize("name", FAMILY)


def seen(rule: Rule[Any], state: RuleState, epoch: int, value: float, epochs: int) -> Observation:
    return Observation(epoch, {rule.watched: value}, RATE * state.scale, RATE, epochs)


def replay(name: str, values: list[Any] | None = None) -> list[Any]:
    make, own = FAMILY[name]
    return list(make().replay(own if values is None else values, RATE))


def test_every_rule_has_a_row() -> None:
    public = {
        name
        for name, one in vars(kerasdecay.rules).items()
        if isinstance(one, type) and issubclass(one, Rule) and one is not Rule
    }
    assert public == {type(make()).__name__ for make, _ in FAMILY.values()}
    assert public == {rule.__name__ for rule in kerasdecay.rules.FAMILY.values()}


@each
def test_the_values_of_the_table_change_the_rate(name: str) -> None:
    assert any(state.decision.changes_rate for state in replay(name))


@each
def test_replaying_twice_gives_the_same_states(name: str) -> None:
    assert replay(name) == replay(name)


@each
def test_advance_leaves_the_state_it_was_given_as_it_was(name: str) -> None:
    make, values = FAMILY[name]
    rule = make()
    state = rule.initial_state()
    before = copy.deepcopy(state)
    rule.advance(state, seen(rule, state, 0, values[0], 9))
    assert state == before
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.scale = 2.0


@each
@given(values=metrics)
def test_the_state_survives_json_at_every_epoch(name: str, values: list[float]) -> None:
    make, own = FAMILY[name]
    rule = make()
    whole, interrupted = rule.initial_state(), rule.initial_state()
    values = own + values
    for epoch, value in enumerate(values):
        text = json.dumps(interrupted.to_data(), allow_nan=False)
        interrupted = rule.state_from_data(json.loads(text))
        whole = rule.advance(whole, seen(rule, whole, epoch, value, len(values)))
        interrupted = rule.advance(interrupted, seen(rule, interrupted, epoch, value, len(values)))
        assert interrupted.to_data() == whole.to_data()
        assert interrupted.decision == whole.decision


@each
@given(values=metrics)
def test_whatever_the_metric_does_the_scale_stays_in_its_range(
    name: str, values: list[float]
) -> None:
    scales = [1.0, *(state.scale for state in replay(name, values))]
    highest = 1.0 / RATE if name in RISES else 1.0
    assert all(0 < scale <= highest for scale in scales)
    if name not in RISES:
        assert scales == sorted(scales, reverse=True)


@each
@given(values=metrics)
def test_every_decision_has_a_reason_in_one_line_and_names_the_metric(
    name: str, values: list[float]
) -> None:
    watched = FAMILY[name][0]().watched
    for state in replay(name, values):
        assert watched in state.decision.reason
        assert "\n" not in state.decision.reason


@each
@given(values=metrics)
def test_the_scale_changes_exactly_where_that_is_told(name: str, values: list[float]) -> None:
    scale = 1.0
    for state in replay(name, FAMILY[name][1] + values):
        told = {"reduce": state.scale < scale, "raise": state.scale > scale}
        assert told.get(state.decision.kind, state.scale == scale)
        scale = state.scale


@pytest.mark.parametrize("name", sorted(FAMILY.keys() - BY_HORIZON))
def test_an_epoch_without_the_metric_does_not_count(name: str) -> None:
    values = FAMILY[name][1]
    sparse: list[Any] = [entry for value in values for entry in ({"other": 1.0}, value)]
    states = replay(name, sparse)
    assert [state.scale for state in states[1::2]] == [state.scale for state in replay(name)]
    assert {state.decision.kind for state in states[::2]} == {"absent"}
    assert not any(state.decision.is_event for state in states[::2])


@each
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_no_number_is_an_event_with_a_reason(name: str, bad: float) -> None:
    own = FAMILY[name][1]
    for state in replay(name, own + [bad] * 12)[len(own) :]:  # at a floor, at rest, at the end too
        assert state.decision.is_event
        assert f"{bad:g}" in state.decision.reason or "not finite" in state.decision.reason


@each
@pytest.mark.parametrize("values", [[1.0] * 1500, [1.0 / (1 + one) for one in range(1500)]])
def test_the_state_of_a_long_training_can_be_saved(name: str, values: list[float]) -> None:
    rule = FAMILY[name][0]()
    *_, last = rule.replay(values, RATE)
    text = json.dumps(last.to_data(), allow_nan=False)
    assert rule.state_from_data(json.loads(text)).to_data() == last.to_data()


@pytest.mark.parametrize(
    "name", [name for name, (make, _) in FAMILY.items() if make().way_down is None]
)
@pytest.mark.parametrize("trigger", [AdaptiveKnee, Staged])
def test_what_a_trigger_would_do_to_the_rate_leaves_no_trace(
    name: str, trigger: Callable[[Rule[Any]], Rule[Any]]
) -> None:
    make, values = FAMILY[name]
    states: list[Any] = list(trigger(make()).replay(values * 3, RATE))
    assert {state.inner.scale for state in states} == {1.0}


def test_an_epoch_is_what_the_log_says_and_the_last_one_ends_the_horizon() -> None:
    rule = AdaptiveKnee(Plateau("loss", patience=99), min_hold=0.5, latest=0.8)
    logs = [{"epoch": float(epoch), "loss": 1.0} for epoch in range(10, 20)]
    *_, last = rule.replay(logs)
    assert last.cooldown_from == 16  # 80 % of 20


@each
def test_copies_pickles_and_configurations_are_equal(name: str) -> None:
    rule = FAMILY[name][0]()
    assert copy.deepcopy(rule) == rule
    assert pickle.loads(pickle.dumps(rule)) == rule
    assert type(rule).from_config(json.loads(json.dumps(rule.get_config()))) == rule


@pytest.mark.parametrize(
    "name", [name for name, (make, _) in FAMILY.items() if not make().depends_on_rate]
)
@given(values=metrics, rate=st.floats(1e-6, 2.0))
def test_where_the_rate_itself_does_not_count_any_rate_gives_the_same_states(
    name: str, values: list[float], rate: float
) -> None:
    make, own = FAMILY[name]
    assert list(make().replay(own + values, rate)) == replay(name, own + values)


def test_which_rules_look_at_the_rate_itself() -> None:
    bounded = [Plateau(min_lr=0.01), WeightNorm(min_lr=0.01), LossSlope(min_lr=0.01)]
    looking = [*bounded, Greedy(min_lr=0.0), Staged(), AdaptiveKnee(final_learning_rate=0.01)]
    looking += [AdaptiveKnee(rule) for rule in bounded]
    assert all(rule.depends_on_rate for rule in looking)
    blind: list[Rule[Any]] = [Plateau(), WeightNorm(), LossSlope(), AdaptiveKnee()]
    assert not any(rule.depends_on_rate for rule in blind)


@each
def test_a_state_of_something_else_is_refused(name: str) -> None:
    rule = FAMILY[name][0]()
    data = rule.initial_state().to_data()
    with pytest.raises(ValueError, match=type(rule).__name__):
        rule.state_from_data({**data, "momentum": 0.9})
    for scale in (-5.0, 0.0, math.inf, "1"):
        with pytest.raises(ValueError, match="scale must be a finite number > 0"):
            rule.state_from_data({**data, "scale": scale})
    data.popitem()
    with pytest.raises(ValueError, match="must hold"):
        rule.state_from_data(data)
