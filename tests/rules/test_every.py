"""Rules that observe every so many steps: the windows, what is refused, and what survives."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from kerasdecay.rules import (
    AdaptiveKnee,
    BatchObservation,
    Greedy,
    LossSlope,
    Plateau,
    Rescue,
    Rule,
    Staged,
    WeightNorm,
)

LOSSES = [4.0, 2.0, 3.0, 3.0, 3.0, 3.0, 2.0, 4.0, 3.0, 1.0, 1.0, 1.0]
"""In windows of three: 3, 3, 3, 1."""


def fed(rule: Rule[Any], losses: list[float], batches: int = 1, per_epoch: int = 5) -> list[Any]:
    """Return the states after each of some executions of `batches` batches."""
    states = [rule.initial_state()]
    for number, loss in enumerate(losses):
        done = (number + 1) * batches - 1
        seen = BatchObservation(done // per_epoch, done % per_epoch, loss, batches=batches)
        states.append(rule.advance_batch(states[-1], seen))
    return states[1:]


def test_the_mean_of_each_window_is_observed_across_the_epochs() -> None:
    rule = Plateau("loss", factor=0.5, patience=2, every="3 steps")
    states = fed(rule, LOSSES)
    assert [state.scale for state in states] == [1.0] * 8 + [0.5] * 4
    assert [state.best for state in states[2::3]] == [3.0, 3.0, 3.0, 1.0]
    assert states[8].decision.reason == (
        "loss 3 has not improved on 3 by 0.0001 for 2 × 3 steps: rate × 0.5"
    )
    assert (
        list(rule.replay([2.0, 2.0, 2.0], losses=[LOSSES[:5], LOSSES[5:10], LOSSES[10:]]))
        == (states[2::3])
    )


def test_an_execution_of_several_steps_counts_as_these() -> None:
    rule = Plateau("loss", patience=9, every="3 steps")
    states = fed(rule, [4.0, 2.0, 1.0, 1.0], batches=2)
    assert [rule.has_observed(state) for state in states] == [False, True, False, True]
    assert [state.best for state in states[1::2]] == [3.0, 1.0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, 10**400])
def test_a_loss_that_is_not_finite_spoils_its_window_alone(bad: Any) -> None:
    rule = Plateau("loss", patience=9, every="2 steps")
    states = fed(rule, [3.0, bad, 2.0, 2.0])
    json.dumps([state.to_data() for state in states], allow_nan=False)
    assert [state.decision.kind for state in states[1::2]] == ["nonfinite", "improve"]
    assert states[-1].best == 2.0


RULES = [
    Plateau("loss", factor=0.5, patience=1, cooldown=1, smoothing=2, every="3 steps"),
    Greedy("loss", factor=0.5, patience=0, every="3 steps"),
    LossSlope(min_losses=20, every="2 steps"),
    Staged(Plateau("loss", patience=1, every="3 steps")),
    AdaptiveKnee(Plateau("loss", patience=1, every="3 steps"), min_hold=0.0),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_a_rule_goes_on_from_its_state_after_any_batch(rule: Rule[Any]) -> None:
    whole = state = rule.initial_state()
    for number, loss in enumerate(LOSSES * 4):
        state = rule.state_from_data(json.loads(json.dumps(state.to_data())))
        seen = BatchObservation(number // 8, number % 8, loss, 0.1, planned=0.1, epochs=9)
        whole, state = rule.advance_batch(whole, seen), rule.advance_batch(state, seen)
        assert state.to_data() == whole.to_data()
    assert whole.scale < 1.0 or whole.cooldown_from is not None
    assert type(rule).from_config(json.loads(json.dumps(rule.get_config()))) == rule


def test_a_loss_slope_takes_each_mean_for_one_loss() -> None:
    means = list(LossSlope(min_losses=20).replay([1.0, 0.9] * 10))[-1]
    states = fed(LossSlope(min_losses=20, every="2 steps"), [1.0, 1.0, 0.9, 0.9] * 10)
    assert (states[-1].scale, states[-1].means) == (means.scale, means.means)
    assert not RULES[2].needs_batch_losses


def test_a_rule_that_waits_for_a_trigger_observes_as_often_as_that() -> None:
    rule = Staged(Plateau("loss", every="3 steps"))
    assert rule.every == Staged(Plateau("loss"), every="3 step").every == "3 steps"
    assert rule.watches_batches
    assert not Staged(Plateau("loss")).watches_batches
    with pytest.raises(ValueError, match="every must be None or the trigger's own, '3 steps'"):
        Staged(Plateau("loss", every="3 steps"), every="4 steps")


def test_the_way_down_begins_with_the_next_epoch() -> None:
    rule = RULES[4]
    seen = [BatchObservation(0, batch, 1.0, 0.1, planned=0.1, epochs=4) for batch in range(6)]
    state = rule.initial_state()
    for one in seen:
        state = rule.advance_batch(state, one)
    assert state.cooldown_from == 1


@pytest.mark.parametrize("every", [500, "500", "0 steps", "25%", "1 epoch", "1.5 steps", True, ""])
def test_what_is_no_number_of_steps_is_refused(every: Any) -> None:
    with pytest.raises(ValueError, match="Plateau: every must be None or a number of steps"):
        Plateau("loss", every=every)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Plateau(every="5 steps"), "Plateau: every .*'val_loss'.*monitor='loss'"),
        (lambda: Greedy("accuracy", every="5 steps"), "Greedy: every .*'accuracy'.*monitor='loss'"),
        (lambda: WeightNorm(every="5 steps"), "WeightNorm: every .*'weight_norm'"),
        (lambda: Staged(every="5 steps"), "Staged: every .*'val_loss'"),
        (lambda: Rescue(every="5 steps"), "Rescue: every .* looks at each batch"),
    ],
)
def test_what_is_known_at_an_epochs_end_alone_cannot_be_observed_within(
    make: Any, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        make()
