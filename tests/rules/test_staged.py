"""Powers of the planned rate, entered when a rule says so."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kerasdecay.rules import Greedy, LossSlope, Observation, Plateau, Staged, WeightNorm

EACH = Plateau("loss", patience=1)
"""It fires at every epoch of a level loss, but the first."""


def rates(rule: Staged, values: list[Any], learning_rate: float = 0.1) -> Any:
    found = [learning_rate * state.scale for state in rule.replay(values, learning_rate)]
    return pytest.approx(found, rel=1e-12)


def kinds(rule: Staged, values: list[Any], learning_rate: float = 0.1) -> list[str]:
    return [state.decision.kind for state in rule.replay(values, learning_rate)]


@pytest.mark.parametrize("initial", [0.1, 0.5, 0.03])
@pytest.mark.parametrize("stages", [1, 2, 3, 5])
def test_stage_k_has_the_power_k_plus_1_and_there_are_no_more_than_so_many(
    initial: float, stages: int
) -> None:
    expected = [initial ** (min(epoch, stages - 1) + 1) for epoch in range(8)]
    assert rates(Staged(EACH, stages), [1.0] * 8, initial) == expected
    wanted = ["improve", *["reduce"] * (stages - 1), *["floor"] * (8 - stages)]
    assert kinds(Staged(EACH, stages), [1.0] * 8, initial) == wanted


def test_a_stage_lasts_until_the_trigger_fires() -> None:
    values = [5.0, 4.0, 4.0, 3.0, 2.0, 2.0, 2.0]
    assert rates(Staged(Plateau("loss", patience=2)), values) == [0.1] * 6 + [0.01]


def test_min_learning_rate_is_the_lowest_stage() -> None:
    rule = Staged(EACH, 5, min_learning_rate=0.005)
    assert rates(rule, [1.0] * 5) == [0.1, 0.01, 0.005, 0.005, 0.005]
    assert kinds(rule, [1.0] * 5) == ["improve", "reduce", "reduce", "floor", "floor"]
    *_, state = rule.replay([1.0] * 5, 0.1)
    assert state.decision.reason.endswith("; but stage 4 would be no lower, with 0.005")


def test_min_learning_rate_never_raises_a_planned_rate_below_it() -> None:
    assert rates(Staged(EACH, min_learning_rate=0.5), [1.0] * 4) == [0.1] * 4


def test_the_planned_rate_counts_and_not_what_other_rules_made_of_it() -> None:
    rule, state = Staged(EACH), Staged(EACH).initial_state()
    for epoch in range(3):
        seen = Observation(epoch, {"loss": 1.0}, 0.003 * state.scale, 0.1)
        state = rule.advance(state, seen)
    assert state.scale == pytest.approx(0.001 / 0.1)


def test_a_stage_follows_the_plan_and_the_next_begins_at_a_power_of_what_is_planned_then() -> None:
    rule, state, used = Staged(EACH, stages=4), Staged(EACH).initial_state(), []
    for epoch, planned in enumerate([0.1, 0.1, 0.2, 0.2, 0.2]):
        used.append(planned * state.scale)
        state = rule.advance(state, Observation(epoch, {"loss": 1.0}, used[-1], planned))
    # Entered at 0.1², doubled by the plan; then 0.2³ and 0.2⁴.
    assert used == pytest.approx([0.1, 0.1, 0.02, 0.2**3, 0.2**4])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_after_the_last_stage_a_metric_that_is_no_number_is_an_event_still(bad: float) -> None:
    *_, level, state = Staged(EACH, 2).replay([1.0, 1.0, 1.0, bad], 0.1)
    assert (level.decision.kind, state.decision.kind) == ("floor", "nonfinite")
    assert state.decision.is_event and f"{bad:g}" in state.decision.reason


def test_a_planned_rate_of_zero_stays() -> None:
    rule = Staged(EACH)
    state = rule.initial_state()
    for epoch in range(3):
        state = rule.advance(state, Observation(epoch, {"loss": 1.0}, 0.0, 0.0))
    assert state.scale == 1.0


@pytest.mark.parametrize("rate", [1.0, 1.5])
def test_a_planned_rate_from_1_on_is_refused_at_the_first_epoch(rate: float) -> None:
    with pytest.raises(ValueError, match=rf"Staged: learning_rate must be below 1\. .*={rate}"):
        next(Staged(EACH).replay([1.0], rate))


@given(
    values=st.lists(st.one_of(st.floats(width=32), st.sampled_from([1.0, 0.5])), max_size=30),
    initial=st.floats(0.01, 0.99),
    stages=st.integers(1, 6),
    lowest=st.sampled_from([0.0, 1e-3, 0.2]),
)
# The product of this rate and its scale at the floor is not the floor, by a rounding.
@example(values=[0.0, 0.0, 0.0], initial=0.3787991110776554, stages=3, lowest=0.2)
def test_the_rate_is_always_a_power_or_the_lowest(
    values: list[float], initial: float, stages: int, lowest: float
) -> None:
    allowed = {initial} | {max(initial ** (k + 1), lowest) for k in range(stages)}
    before = initial
    for state in Staged(EACH, stages, lowest).replay(values, initial):
        rate = initial * state.scale
        assert any(math.isclose(rate, one, rel_tol=1e-12) for one in allowed)
        assert rate <= before * (1 + 1e-12)
        assert (rate != before) == (state.decision.kind == "reduce")
        before = rate


def test_a_reason_tells_what_the_trigger_saw_and_which_stage_comes() -> None:
    states = list(Staged(EACH, 2).replay([1.0, 1.0, 0.5, 0.5], 0.1))
    assert [state.decision.reason for state in states] == [
        "loss 1 is the best so far",
        "loss 1 has not improved on 1 by 0.0001 for 1 epoch: stage 2, rate 0.01",
        "loss 0.5 is the best so far",
        "loss 0.5 has not improved on 0.5 by 0.0001 for 1 epoch; but stage 2 is the last",
    ]


@pytest.mark.parametrize(
    ("trigger", "values"),
    [
        (Greedy("loss", patience=1), [1.0, 2.0, 2.0]),
        (WeightNorm(last_decay=None), [1.0, 2.0, 1.0, 2.0]),
        (LossSlope(min_losses=20), [1.0] * 20),
        (Plateau("loss", patience=1, restore_best_weights=True), [1.0, 2.0]),
    ],
)
def test_what_a_trigger_would_have_done_to_the_rate_is_not_told(
    trigger: Any, values: list[float]
) -> None:
    rule: Staged = Staged(trigger)
    *_, state = rule.replay(values, 0.1)
    assert state.stage == 1
    assert "rate ×" not in state.decision.reason
    assert ": stage 2, rate 0.01" in state.decision.reason
    assert state.decision.restore_best == rule.restores_best_weights
    assert state.decision.reason.endswith("best weights restored") == rule.restores_best_weights


def test_by_default_it_waits_for_a_plateau_of_the_validation_loss() -> None:
    assert Staged() == Staged(Plateau("val_loss", patience=10))


def test_a_trigger_may_end_the_training() -> None:
    stopping = Plateau("loss", patience=1, min_lr=0.05, stop_at_min_lr=True)
    *_, state = Staged(stopping).replay([1.0] * 3, 0.1)
    assert state.decision.stop


@pytest.mark.parametrize(
    ("argument", "value"), [("stages", 0), ("stages", 1.5), ("min_learning_rate", -1.0)]
)
def test_a_value_out_of_range_is_named(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"Staged: {argument} must be .* Received: {argument}="):
        Staged(EACH, **{argument: value})
