"""What holds for every rule: pure, replayable, and its state survives a restart."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kerasdecay.rules
from kerasdecay.rules import (
    AdaptiveKnee,
    BatchObservation,
    Greedy,
    LossSlope,
    Observation,
    OpenEnded,
    Plateau,
    Rescue,
    Rule,
    RuleState,
    Staged,
    WeightNorm,
)
from kerasdecay.rules.observation import epochs_of

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
    "OpenEnded": (
        lambda: OpenEnded(Plateau("loss", patience=2), cooldown="50%"),
        [1.0, 0.9, 0.9, 0.9, 0.9, 0.9],
    ),
    "Staged": (lambda: Staged(Plateau("loss", patience=2)), [1.0, 1.0, 1.0, 1.0, 1.0]),
    "Rescue": (lambda: Rescue(window=3, max_rescues=2), [1.0, 2.0, 2.0, 1.0]),
}
RISES = {"Greedy"}
BY_HORIZON = {"WeightNorm", "AdaptiveKnee", "OpenEnded"}
"""These look at the epoch too, and not at the metric alone."""
BY_BATCH = {"Rescue"}
"""These decide after batches: here each epoch has one, and its loss is the metric."""

metrics = st.lists(st.floats(width=32), max_size=30)
each = pytest.mark.parametrize("name", FAMILY)


def seen(rule: Rule[Any], state: RuleState, epoch: int, value: float, epochs: int) -> Observation:
    return Observation(epoch, {rule.watched: value}, RATE * state.scale, RATE, epochs)


def advanced(
    rule: Rule[Any], state: Any, epoch: int, value: float, epochs: int, rate: float = RATE
) -> Any:
    """Return the state after an epoch, and after its one batch where the rule decides then."""
    if rule.watches_batches:
        state = rule.advance_batch(state, BatchObservation(epoch, 0, value, rate * state.scale))
        # An epoch's end keeps the decision's kind and tells it again.
        assert rule.advance(state, seen(rule, state, epoch, value, epochs)).scale == state.scale
        return state
    return rule.advance(state, seen(rule, state, epoch, value, epochs))


def replay(name: str, values: list[Any] | None = None, rate: float = RATE) -> list[Any]:
    make, own = FAMILY[name]
    rule, values = make(), own if values is None else values
    if not rule.watches_batches:
        return list(rule.replay(values, rate))
    states = [rule.initial_state()]
    for epoch, value in enumerate(values):
        states.append(advanced(rule, states[-1], epoch, value, len(values), rate))
    return states[1:]


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
    advanced(rule, state, 0, values[0], 9)
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
        whole = advanced(rule, whole, epoch, value, len(values))
        interrupted = advanced(rule, interrupted, epoch, value, len(values))
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
        told = {
            "reduce": state.scale < scale,
            "rescue": state.scale < scale,
            "raise": state.scale > scale,
        }
        assert told.get(state.decision.kind, state.scale == scale)
        scale = state.scale


@pytest.mark.parametrize("name", sorted(FAMILY.keys() - BY_HORIZON - BY_BATCH))
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
    *_, last = replay(name, values)
    text = json.dumps(last.to_data(), allow_nan=False)
    assert rule.state_from_data(json.loads(text)).to_data() == last.to_data()


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, (make, _) in FAMILY.items()
        if make().way_down is None and name not in BY_BATCH
    ],
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
    "name",
    [
        name
        for name, (make, _) in FAMILY.items()
        if not make().depends_on_rate and name not in BY_BATCH  # whose state holds the highest rate
    ],
)
@given(values=metrics, rate=st.floats(1e-6, 2.0))
def test_where_the_rate_itself_does_not_count_any_rate_gives_the_same_states(
    name: str, values: list[float], rate: float
) -> None:
    own = FAMILY[name][1]
    assert replay(name, own + values, rate) == replay(name, own + values)


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


# A field's annotation excludes these; every state is made of these kinds of fields.
WRONG: dict[str, list[Any]] = {
    "float": [math.nan, math.inf, "1", None, True, [1.0], 10**400],
    "float | None": [math.nan, -math.inf, "1", False, [1.0], 10**400],
    "int": [-1, 1.5, math.nan, "1", None, True, 10**400],
    "int | None": [-1, 1.5, "1", False],
    "bool": [0, 1, "yes", None],
    "tuple[float, ...]": [1.0, "ab", None, [1.0, math.nan], ["1"], [None], [True]],
    "RuleState": [None, 5, "state", []],
}


def wrong_fields(state: RuleState) -> list[tuple[str, Any]]:
    fields = [field for field in dataclasses.fields(state) if field.name != "decision"]
    return [(field.name, value) for field in fields for value in WRONG[str(field.type)]]


@each
def test_every_field_of_a_state_is_checked_and_named(name: str) -> None:
    rule = FAMILY[name][0]()
    data = rule.initial_state().to_data()
    wrong = wrong_fields(rule.initial_state())
    assert {field for field, _ in wrong} == set(data)
    for field, value in wrong:
        with pytest.raises(ValueError, match=rf"^{type(rule).__name__}: state\.{field} must be"):
            rule.state_from_data({**data, field: value})


@pytest.mark.parametrize("name", ["AdaptiveKnee", "Staged"])
def test_the_state_of_a_trigger_is_checked_too(name: str) -> None:
    rule = FAMILY[name][0]()
    data = rule.initial_state().to_data()
    for field, value in wrong_fields(rule.initial_state().inner):
        with pytest.raises(ValueError, match=rf"^Plateau: state\.{field} must be"):
            rule.state_from_data({**data, "inner": {**data["inner"], field: value}})
    with pytest.raises(ValueError, match=r"^Plateau: the state must hold"):
        rule.state_from_data({**data, "inner": {}})


@each
@pytest.mark.parametrize("data", [None, 5, "state", []])
def test_a_state_that_is_no_mapping_is_refused(name: str, data: Any) -> None:
    rule = FAMILY[name][0]()
    with pytest.raises(ValueError, match=f"{type(rule).__name__}: the state must hold"):
        rule.state_from_data(data)


@pytest.mark.parametrize(("field", "value"), [("block", 0), ("means", [1.0] * 40)])
def test_a_state_of_loss_slope_that_cannot_go_on_is_refused(field: str, value: Any) -> None:
    rule = LossSlope()
    with pytest.raises(ValueError, match=rf"LossSlope: state\.{field} must be"):
        rule.state_from_data({**rule.initial_state().to_data(), field: value})


@pytest.mark.parametrize("values", [[1.0, math.nan], [1.0, 9.0, 9.0, 9.0], [{"other": 1.0}]])
def test_epochs_alone_tell_a_rule_by_batches_nothing(values: list[Any]) -> None:
    states = list(Rescue(window=3).replay(values))
    assert {state.scale for state in states} == {1.0}
    assert {state.decision.kind for state in states} == {"well"}
    assert states[-1].decision.reason == "0 of 3 losses for a level; 0 rescues so far"


@dataclasses.dataclass(frozen=True)
class OwnState(RuleState):
    words: tuple[str, ...] = ()
    last: str | None = None
    table: dict[str, float] = dataclasses.field(default_factory=dict)
    count: int = 0


@dataclasses.dataclass(frozen=True)
class Own(Rule[OwnState]):
    """A user's rule, with a measurement of its own."""

    state_class = OwnState

    @property
    def watched(self) -> str:
        return "noise"

    @property
    def measurement(self) -> str:
        return "noise"

    def advance(self, state: OwnState, observation: Observation) -> OwnState:
        return state.deciding("wait", f"noise {observation.value('noise')}")


def test_a_users_state_is_checked_by_its_annotations() -> None:
    rule = Own()
    data = {**rule.initial_state().to_data(), "words": ["a"], "last": "b", "table": {"x": 1.0}}
    state = rule.state_from_data(json.loads(json.dumps(data)))
    assert (state.words, state.last, state.table) == (("a",), "b", {"x": 1.0})
    for field, value in [("words", [1]), ("last", 3), ("count", -1), ("words", "ab")]:
        with pytest.raises(ValueError, match=rf"Own: state\.{field} must be"):
            rule.state_from_data({**data, field: value})


def test_a_rule_that_is_triggered_needs_what_its_trigger_needs() -> None:
    for wrapper in (AdaptiveKnee, Staged):
        assert wrapper(Own()).watched == wrapper(Own()).measurement == "noise"
        assert wrapper(LossSlope()).needs_batch_losses
        assert not wrapper(Plateau()).needs_batch_losses
        assert not wrapper(Plateau()).restores_best_weights
        assert wrapper(Plateau(restore_best_weights=True)).restores_best_weights
        assert wrapper(Plateau()).restores_optimizer
        assert not wrapper(Plateau(restore_optimizer=False)).restores_optimizer
        assert wrapper(Plateau("score")).undirected == "score"
        assert wrapper(Plateau("score")).directed({"score": "max"}.get).undirected is None


@pytest.mark.parametrize("wrapper", [AdaptiveKnee, Staged])
def test_the_best_weights_are_asked_for_at_once_by_a_rule_that_is_triggered(wrapper: Any) -> None:
    rule = wrapper(Plateau("loss", patience=2, restore_best_weights=True))
    states = list(rule.replay([1.0, math.nan, 0.9, 0.9, 0.9, *[math.nan] * 6, 0.5], RATE))
    asked = [epoch for epoch, state in enumerate(states) if state.decision.restore_best]
    told = [
        epoch
        for epoch, state in enumerate(states)
        if "best weights restored" in state.decision.reason
    ]
    # At once in epochs 1 and 5, where the metric is lost; in epoch 6 with the reduction that comes
    # then. Staged reduces in epoch 4 too; the knee is not to come down so early.
    assert asked == told == ([1, 5, 6] if wrapper is AdaptiveKnee else [1, 4, 5, 6])


HUGE = [10**400, -(10**400), 10**5000]


@each
@pytest.mark.parametrize("huge", HUGE, ids=["1e400", "-1e400", "1e5000"])
def test_a_metric_beyond_any_float_is_an_infinity(name: str, huge: int) -> None:
    own = FAMILY[name][1]
    infinite = math.inf if huge > 0 else -math.inf
    assert replay(name, [*own, huge, huge]) == replay(name, [*own, infinite, infinite])


@pytest.mark.parametrize("huge", HUGE, ids=["1e400", "-1e400", "1e5000"])
def test_a_batchs_loss_beyond_any_float_is_an_infinity(huge: int) -> None:
    (state,) = LossSlope().replay([{"x": 1}], RATE, [[1.0, huge, 2.0]])
    assert state.decision.kind == "nonfinite"
    assert "1 of 3 losses are not finite" in state.decision.reason
    assert (state.count, sum(state.means)) == (2, 3.0)


class Scalar:
    """A tensor of a framework: no number for Python, but with a float in it."""

    def __float__(self) -> float:
        return 0.25


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (0.5, 0.5),
        (3, 3.0),
        (True, 1.0),
        (np.float32(0.5), 0.5),
        (np.array(0.5), 0.5),
        (np.array([0.5]), 0.5),
        (np.array([[2]]), 2.0),
        (Fraction(1, 4), 0.25),
        (Scalar(), 0.25),
        (10**400, math.inf),
        (None, None),
    ],
)
def test_what_counts_as_one_number_in_the_logs(given: Any, value: float | None) -> None:
    found = Observation(0, {"loss": given}).value("loss")
    assert found == value
    assert type(found) in (float, type(None))
    assert Observation(0, {}).value("loss") is None


@pytest.mark.parametrize("given", ["0.5", b"1", [0.5], np.ones(3), np.ones(0), {}, object(), 1j])
def test_what_does_not_is_named(given: Any) -> None:
    with pytest.raises(ValueError, match=r"f1 must be a number in the epoch's logs.*one number"):
        Observation(0, {"f1": given}).value("f1")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((5,), "values"),
        (("0.5",), "values"),
        ((None,), "values"),
        (([1.0], 0), "learning_rate"),
        (([1.0], "0.1"), "learning_rate"),
        (([1.0], 10**400), "learning_rate"),
        (([1.0, 2.0], 0.1, [[1.0]]), "losses"),
        (([1.0], 0.1, 5), "losses"),
    ],
)
def test_what_replay_cannot_take_is_named_before_the_first_state(
    arguments: tuple[Any, ...], named: str
) -> None:
    with pytest.raises(ValueError, match=rf"Plateau\.replay: {named} must be .*Received: {named}="):
        Plateau("loss").replay(*arguments)


def test_epochs_of_takes_the_logs_epochs_where_all_are_numbers() -> None:
    assert epochs_of([{"epoch": 4.0}, {"epoch": np.int64(5)}]) == [4, 5]
    for odd in (math.nan, math.inf, "5", None, 10**400):
        assert epochs_of([{"epoch": 4}, {"epoch": odd}]) == [0, 1]
    assert epochs_of([{"loss": 1.0}] * 3) == [0, 1, 2]
    assert epochs_of([]) == []


def test_the_state_of_loss_slope_stays_small() -> None:
    sizes = [
        len(json.dumps(state.to_data()))
        for state in LossSlope().replay([1.0 / (1 + one) for one in range(5000)])
    ]
    assert max(sizes) < 40 * 25 + 200  # fewer than 40 means of at most 25 characters


@pytest.mark.parametrize("rule", [Plateau("loss"), Greedy("loss"), LossSlope(), Staged()])
def test_the_error_of_a_rules_argument_names_the_rule(rule: Rule[Any]) -> None:
    field = "stages" if isinstance(rule, Staged) else "min_lr"
    with pytest.raises(ValueError, match=rf"^{type(rule).__name__}: {field} must be"):
        dataclasses.replace(rule, **{field: -1})
