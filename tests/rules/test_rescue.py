"""The rescue on sequences of batches, with every expectation computed by hand."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasdecay.rules import (
    AdaptiveKnee,
    BatchObservation,
    Look,
    Observation,
    Rescue,
    RescueState,
    Staged,
)

WELL = Look(is_finite=True, moved=0.5, changed=0.1, idle=0.0)
IDLE = Look(is_finite=True, moved=0.5, changed=0.0, idle=0.5)
WANDERING = Look(is_finite=True, moved=3.0, changed=0.6, idle=0.0)
GROWN = Look(is_finite=True, moved=0.9, changed=0.1, grown=1.7)
DYING = Look(is_finite=True, moved=0.9, changed=0.1, grown=1.3, idle_units=0.5)
DEAD = Look(is_finite=True, moved=0.3, changed=0.01, idle_units=0.7)
BROKEN = Look(is_finite=False, moved=0.5, changed=0.1, idle=0.0)

SMALL = Rescue(window=3)
"""Its level is the median of three losses, which can be read off."""

Batch = float | tuple[float, Look] | tuple[float, Look, float]


def replayed(
    batches: Iterable[Batch], rule: Rescue = SMALL, state: RescueState | None = None
) -> list[RescueState]:
    """Return the state after each batch: a loss, perhaps with a look and the rate in force."""
    states, state = [], state or rule.initial_state()
    for number, batch in enumerate(batches):
        loss, look, rate = (*(batch if isinstance(batch, tuple) else (batch, None)), 1.0)[:3]
        state = rule.advance_batch(state, BatchObservation(0, number, loss, rate, look))
        states.append(state)
    return states


def told(states: list[RescueState]) -> list[tuple[int, str]]:
    """Return the batches at which something was decided, and the reasons."""
    return [
        (number, state.decision.reason)
        for number, state in enumerate(states)
        if state.decision.kind != "well"
    ]


LEARNED = [1.0, 0.9, 0.5, 0.5]
"""The levels 0.9 and 0.5: below 0.8 of the first loss."""

# Losses, and the batch at which the training has fallen, with the reason, by hand.
FALLS: dict[str, tuple[list[Batch], int, str]] = {
    "a NaN at the first batch": ([math.nan], 0, "loss is nan: back to the first state, rate × 0.1"),
    "an infinity": ([1.0, math.inf], 1, "loss is inf: back to the first state, rate × 0.1"),
    "minus infinity": (
        [1.0, 0.9, 0.8, -math.inf],
        3,
        "loss is -inf: back to the first state, rate × 0.1",
    ),
    "a NaN once it has learned": (
        [*LEARNED, math.nan],
        4,
        "loss is nan: back to the first state, rate × 0.3162",
    ),
    "a NaN once a snapshot is taken": (
        [*LEARNED, (0.5, WELL), math.nan],
        5,
        "loss is nan: back to the first state, rate × 0.3162",
    ),
    "a NaN once a good state is confirmed": (
        [*LEARNED, (0.5, WELL), 0.5, math.nan],
        6,
        "loss is nan: back to the last good state, rate × 0.3162",
    ),
    "a NaN once a state is confirmed that has not learned": (
        [1.0, 0.9, (0.9, WELL), 0.9, math.nan],
        4,
        "loss is nan: back to the first state, rate × 0.1",
    ),
    "a NaN once a state is confirmed that has learned a little": (
        [1.0, 1.0, (0.9, WELL), 0.9, 0.9, (0.9, WELL), 0.9, math.nan],
        7,
        "loss is nan: back to the last good state, rate × 0.1",
    ),
    "a variable not finite": (
        [1.0, 1.0, (1.0, BROKEN)],
        2,
        "a variable is not finite: back to the first state, rate × 0.1",
    ),
    "a variable not finite before there is a level": (
        [(1.0, BROKEN)],
        0,
        "a variable is not finite: back to the first state, rate × 0.1",
    ),
    "a variable not finite once it has learned": (
        [*LEARNED, (0.4, BROKEN)],
        4,
        "a variable is not finite: back to the first state, rate × 0.3162",
    ),
    "above the threshold": (
        [1.0, 1.6, 1.6],
        2,
        "loss is at 1.6, at first 1, far above the best: back to the first state, rate × 0.1",
    ),
    "above the threshold later": (
        [1.0, 1.2, 0.9, 1.4, 1.51, 1.6],
        5,
        "loss is at 1.51, at first 1, far above the best: back to the first state, rate × 0.1",
    ),
    "far above the first loss once it has learned": (
        [*LEARNED, 1.6, 1.6],
        5,
        "loss is at 1.6, at first 1, far above the best: back to the first state, rate × 0.1",
    ),
    "far above the first loss once a good state is confirmed": (
        [*LEARNED, (0.5, WELL), 0.5, 1.6, 1.6],
        7,
        "loss is at 1.6, at first 1, far above the best: back to the last good state, rate × 0.1",
    ),
    "dead": (
        [1.0, 0.9, (0.9, IDLE)],
        2,
        "loss is at 0.9, at first 1, and 50% of the kernels stand still: "
        "back to the first state, rate × 0.1",
    ),
    "dead after it has learned": (
        [*LEARNED, (0.5, WELL), 0.7, (0.7, dataclasses.replace(IDLE, idle=1.0))],
        6,
        "loss is at 0.7, at first 1, and 100% of the kernels stand still: back to the last good "
        "state, rate × 0.1",
    ),
    "dead at a rate that has decayed a little": (
        [(1.0, WELL, 1.0), (0.9, WELL, 0.1), (0.9, IDLE, 0.011)],
        2,
        "loss is at 0.9, at first 1, and 50% of the kernels stand still: "
        "back to the first state, rate × 0.1",
    ),
    "grown in the first batches": (
        [*[1.0] * 31, (0.6, GROWN)],
        31,
        "loss is at 1, at first 1, while the kernels grow to 1.7 times: back to the first state, "
        "rate × 0.1",
    ),
    # The first loss lies above that of a constant prediction, 1, from which it comes down to 0.6.
    "grown where the loss comes down from the first, and not from the first level": (
        [3.0, 1.0, 1.0, *[0.4] * 52, (0.4, dataclasses.replace(GROWN, grown=4.0))],
        55,
        "loss is at 0.4, at first 3, while the kernels grow to 4 times: back to the first state, "
        "rate × 0.1",
    ),
    "grown far while the loss comes down": (
        [*[1.0] * 32, *[0.7] * 8, (0.7, dataclasses.replace(GROWN, grown=3.5))],
        40,
        "loss is at 0.7, at first 1, while the kernels grow to 3.5 times: back to the first state, "
        "rate × 0.1",
    ),
    # A standard deviation of 0.25, of a level of 1.
    "grown while the losses differ by a quarter": (
        [*[1.0] * 38, 0.75, 1.25, (1.0, GROWN)],
        40,
        "loss is at 1, at first 1, while the kernels grow to 1.7 times: back to the first state, "
        "rate × 0.1",
    ),
    "grown beyond large targets": (
        [*[1e4] * 40, (1e4, dataclasses.replace(GROWN, grown=5.0, kernels=2))],
        40,
        "loss is at 1e+04, at first 1e+04, while the kernels grow to 5 times: back to the first "
        "state, rate × 0.1",
    ),
    "grown far beyond large targets while the loss comes down": (
        [*[1e4] * 32, *[7e3] * 8, (7e3, dataclasses.replace(GROWN, grown=10.0, kernels=2))],
        40,
        "loss is at 7000, at first 1e+04, while the kernels grow to 10 times: back to the first "
        "state, rate × 0.1",
    ),
    "grown and dying": (
        [*[1.0] * 39, (1.0, DYING)],
        39,
        "loss is at 1, at first 1, while the kernels grow to 1.3 times, and 50% of a layer's units "
        "stand still: back to the first state, rate × 0.1",
    ),
    "grown although a snapshot was taken for good": (
        [3.0, 1.0, 1.0, *[0.7] * 20, (0.7, WELL), *[0.7] * 20, (0.7, GROWN)],
        44,
        "loss is at 0.7, at first 3, while the kernels grow to 1.7 times: back to the first state, "
        "rate × 0.1",
    ),
    "most units dead, and no progress": (
        [2.0, 1.0, 1.0, *[0.8] * 124, (0.8, DEAD)],
        127,
        "loss is at 0.8, at first 2, and 70% of a layer's units stand still: back to the first "
        "state, rate × 0.1",
    ),
    "most units dead after all was learned": (
        [*LEARNED, *[0.5] * 27, *[0.1] * 96, (0.1, WELL), *[0.1] * 3, *[0.9] * 15, (0.9, DEAD)],
        146,
        "loss is at 0.9, at first 1, and 70% of a layer's units stand still: back to the last good "
        "state, rate × 0.1",
    ),
    "units dead that slow the learning down": (
        [1.0, *[1.0] * 30, *[0.4] * 100, (0.4, dataclasses.replace(DEAD, idle_units=0.8))],
        131,
        "loss is at 0.4, at first 1, and 80% of a layer's units stand still: back to the first "
        "state, rate × 0.1",
    ),
    "wandering": (
        [*[1.0] * 99, (1.0, WANDERING)],
        99,
        "loss is at 1, at first 1, while the weights change by 60% between two looks: back to "
        "the first state, rate × 0.1",
    ),
    "wandering a little below the first loss": (
        [1.0, *[0.81] * 120, (0.81, WANDERING)],
        121,
        "loss is at 0.81, at first 1, while the weights change by 60% between two looks: back "
        "to the first state, rate × 0.1",
    ),
    "wandering above the first loss": (
        [1.0, *[1.4] * 149, (1.4, dataclasses.replace(WANDERING, changed=2.0))],
        150,
        "loss is at 1.4, at first 1, while the weights change by 200% between two looks: back "
        "to the first state, rate × 0.1",
    ),
}


@pytest.mark.parametrize("name", FALLS)
def test_a_training_that_falls_is_put_back_at_the_batch_that_shows_it(name: str) -> None:
    batches, at, reason = FALLS[name]
    states = replayed(batches)
    assert told(states) == [(at, reason)]
    last = states[-1]
    assert last.decision.kind == "rescue"
    assert last.decision.put_back == ("good" if "good state" in reason else "first")
    assert last.decision.changes_rate
    assert not last.decision.stop
    assert last.scale == pytest.approx(float(reason.split("× ")[1]), rel=1e-3)
    assert (last.rescues, last.batches, last.recent, last.lowest) == (1, 0, (), None)
    assert (last.looked, last.pending, last.is_confirmed) == (0, None, False)
    assert last.is_anew == (last.decision.put_back == "first") == (last.start is None)


FINE: dict[str, list[Batch]] = {
    "one loss far above": [*LEARNED, 1e6, 0.5, 0.5, 0.5],
    "every third loss far above": [1.0, 1.0, 1.0, *[9.0, 1.0, 1.0] * 20],
    "up to the threshold": [1.0, *[1.5] * 20],
    "up to the first loss once it has learned": [*LEARNED, *[1.0] * 20],
    "two losses are no level": [1.0, 1e9],
    "kernels stand still where the loss is low": [1.0, 0.29, 0.29, (0.29, IDLE)],
    "kernels stand still that have never moved": [
        *[1.0] * 20,
        (1.0, dataclasses.replace(IDLE, moved=0.04, idle=1.0)),
    ],
    "fewer than half of the kernels stand still": [
        1.0,
        0.9,
        0.9,
        (0.9, dataclasses.replace(IDLE, idle=0.49)),
    ],
    "kernels stand still at the end of a schedule": [
        (1.0, WELL, 1.0),
        (0.9, WELL, 0.1),
        (0.9, IDLE, 0.0099),
        (0.9, IDLE, 1e-5),
        (0.9, IDLE, 0.0),
    ],
    "weights wander in the first hundred batches": [*[1.0] * 98, (1.0, WANDERING)],
    "weights wander once it has learned": [*LEARNED, *[0.5] * 200, (0.5, WANDERING)],
    "weights change by half": [*[1.0] * 120, (1.0, dataclasses.replace(WANDERING, changed=0.5))],
    "grown before there is a reason to judge": [*[1.0] * 30, (1.0, GROWN)],
    "grown later": [*[1.0] * 80, (1.0, dataclasses.replace(GROWN, grown=9.0))],
    "grown a little": [*[1.0] * 40, (1.0, dataclasses.replace(GROWN, grown=1.69))],
    "grown while the loss comes down": [*[1.0] * 30, *[0.59] * 24, (0.59, GROWN)],
    "grown while the loss comes down further": [*[1.0] * 30, *[0.39] * 49, (0.39, GROWN)],
    "grown while the loss begins to come down": [
        *[1.0] * 32,
        *[0.94] * 8,
        (0.94, dataclasses.replace(GROWN, grown=3.49)),
    ],
    "grown while the losses differ by more": [
        *[1.0] * 38,
        0.74,
        1.26,
        (1.0, dataclasses.replace(GROWN, grown=3.49)),
    ],
    # Two kernels whose outputs are to reach 100: ten times each, or five while nothing moves.
    "grown towards large targets": [
        *[1e4] * 40,
        (1e4, dataclasses.replace(GROWN, grown=4.99, kernels=2)),
    ],
    "grown far towards large targets while the loss comes down": [
        *[1e4] * 32,
        *[7e3] * 8,
        (7e3, dataclasses.replace(GROWN, grown=9.99, kernels=2)),
    ],
    "grown by a third while fewer than half of the units die": [
        *[1.0] * 40,
        (1.0, dataclasses.replace(DYING, idle_units=0.49)),
    ],
    "units stand still in the first batches": [*[1.0] * 126, (1.0, DEAD)],
    "fewer units stand still": [*[1.0] * 140, (1.0, dataclasses.replace(DEAD, idle_units=0.69))],
    "units stand still where they began": [
        *[1.0] * 140,
        (1.0, dataclasses.replace(DEAD, moved=0.29)),
    ],
    "units stand still while the loss comes down": [*[1.0] * 99, *[0.9] * 40, (0.9, DEAD)],
    "units stand still where the loss is low": [
        *[1.0] * 33,
        *[0.39] * 140,
        (0.39, dataclasses.replace(DEAD, idle_units=1.0)),
    ],
    "units stand still at the end of a schedule": [
        (1.0, WELL, 1.0),
        *[1.0] * 140,
        (1.0, DEAD, 0.0099),
    ],
    "a negative loss that rises": [-1.0, *[5.0] * 30, (5.0, IDLE), *[500.0] * 90, (9.0, WANDERING)],
    "a first loss of 0 that rises": [0.0, *[5.0] * 30, (5.0, IDLE)],
    "a loss that crosses 0": [2.0, 1.0, 0.0, -1.0, -1.0, 0.5, 1.9, 1.9, (1.9, WELL)],
}


@pytest.mark.parametrize("name", FINE)
def test_what_is_no_fall_is_left_alone(name: str) -> None:
    states = replayed(FINE[name])
    assert told(states) == []
    assert {state.scale for state in states} == {1.0}
    assert {state.decision.put_back for state in states} == {""}


@pytest.mark.parametrize("first", [0.0, -3.0, -1e9])
def test_a_loss_that_begins_at_0_or_below_is_rescued_where_it_is_not_finite(first: float) -> None:
    confirmed = [first, first - 1, (first - 2, WELL), first - 2, math.nan]
    last = replayed(confirmed)[-1]
    assert last.decision.reason == "loss is nan: back to the last good state, rate × 0.3162"
    last = replayed([first, first, (first, WELL), first, math.nan])[-1]
    assert last.decision.reason == "loss is nan: back to the last good state, rate × 0.1"
    last = replayed([*confirmed[:2], math.nan])[-1]
    assert last.decision.reason == "loss is nan: back to the first state, rate × 0.1"


@pytest.mark.parametrize(("threshold", "fine"), [(1.01, 1.009), (3.0, 2.9), (50.0, 49.0)])
def test_the_threshold_is_an_argument(threshold: float, fine: float) -> None:
    rule = Rescue(window=3, threshold=threshold)
    assert told(replayed([1.0, fine, fine], rule)) == []
    assert len(told(replayed([1.0, threshold * 1.01, threshold * 1.01], rule))) == 1


@pytest.mark.parametrize("window", [3, 4, 8, 21])
def test_a_level_needs_a_whole_window_of_losses(window: int) -> None:
    states = replayed([1.0, *[2.0] * 30], Rescue(window=window))
    assert told(states)[0][0] == window - 1
    assert states[window - 2].decision.reason == f"{window - 1} of {window} losses for a level"


@pytest.mark.parametrize("factor", [0.1, 0.5, 0.9])
def test_each_rescue_multiplies_the_scale(factor: float) -> None:
    rule = Rescue(factor, window=3)
    twice = replayed([math.nan, 1.0, 2.0, 2.0], rule)
    assert [state.scale for state in twice] == pytest.approx([factor] * 3 + [factor**2])
    spoilt = replayed([*LEARNED, math.inf, 500.0, 500.0, 500.0], rule)
    assert spoilt[4].scale == pytest.approx(factor**0.5)
    assert spoilt[-1].scale == pytest.approx(factor**1.5)
    assert spoilt[-1].rescues == 2


def test_after_a_death_the_first_loss_stays_what_the_first_state_has() -> None:
    dead = replayed([1.0, 0.5, (0.5, IDLE)])[-1]
    assert dead.decision.put_back == "first"
    assert dead.first == 1.0
    assert told(replayed([1.0, 1.0, 1.0, 0.9], state=dead)) == []
    # A loss that is not finite tells nothing of a level.
    assert replayed([math.nan])[-1].first is None
    assert replayed([math.nan, 2.0])[-1].first == 2.0


def test_after_the_last_good_state_kernels_are_not_judged_by_the_first() -> None:
    good = replayed([*LEARNED, (0.5, WELL), 0.5, math.nan])[-1]
    assert (good.decision.put_back, good.start, good.early) == ("good", 0.9, 0.5)
    assert told(replayed([*[0.7] * 40, (0.7, GROWN)], state=good)) == []
    assert (
        len(
            told(
                replayed([*[0.7] * 40, (0.7, GROWN)], state=dataclasses.replace(good, is_anew=True))
            )
        )
        == 1
    )


def test_after_a_rescue_kernels_may_grow_less_under_adam() -> None:
    fallen, adam = replayed([math.nan])[-1], dataclasses.replace(GROWN, size=10.0)
    batches: list[Batch] = [*[1.0] * 40, (1.0, dataclasses.replace(adam, grown=1.35))]
    assert told(replayed(batches)) == []
    assert told(replayed(batches, state=fallen)) == [
        (
            40,
            "loss is at 1, at first 1, while the kernels grow to 1.35 times: "
            "back to the first state, rate × 0.1",
        )
    ]
    for well in ({"grown": 1.34}, {"grown": 1.69, "size": 0.0}):
        batches[-1] = (1.0, dataclasses.replace(adam, **well))
        assert told(replayed(batches, state=fallen)) == []
    falling = [*[1.0] * 40, *[0.59] * 20, (0.59, dataclasses.replace(adam, grown=1.69))]
    assert told(replayed(falling, state=fallen)) == []


@pytest.mark.parametrize(("rate", "size", "scale"), [(1.2, 1, 0.01), (1.19, 1, 0.1), (9, 0, 0.1)])
def test_an_enormous_rate_under_adam_is_lowered_twice(
    rate: float, size: float, scale: float
) -> None:
    grown, well = (dataclasses.replace(look, size=size) for look in (GROWN, WELL))
    grows = [(1.0, None, rate)] * 39 + [(1.0, grown, rate)]
    rises = [(1.0, None, rate)] * 9 + [(9.0, None, rate), (9.0, well, rate)]
    for batches in (grows, rises):
        assert replayed(batches)[-1].scale == pytest.approx(scale)
    spoilt = replayed([(1.0, well, rate)] * 20 + [(math.nan, None, rate)])[-1]
    assert spoilt.scale == pytest.approx(0.1)


@pytest.mark.parametrize(("epochs", "patience"), [(None, 128), (9, 48), (20, 50), (90, 128)])
def test_dead_units_are_waited_for_by_the_length_of_the_run(
    epochs: int | None, patience: int
) -> None:
    state, found = SMALL.initial_state(), None
    for number in range(200):  # ten batches an epoch, a look after each
        seen = BatchObservation(*divmod(number, 10), 1.0, 0.5, DEAD, epochs=epochs)
        state = SMALL.advance_batch(state, seen)
        if state.decision.is_event and found is None:
            found = number + 1
    assert found == patience


def test_the_last_good_state_stays_good_until_there_was_no_progress() -> None:
    once = replayed([*LEARNED, (0.5, WELL), 0.5, math.nan])[-1]
    again = replayed([math.nan], state=once)[-1]
    assert [state.decision.put_back for state in (once, again)] == ["good", "good"]
    # After the rescue nothing has been learned anew, which the factor goes by.
    assert again.decision.reason == "loss is nan: back to the last good state, rate × 0.1"
    little = replayed([1.0, 1.0, 0.9, 0.9, (0.9, WELL), 0.9, math.nan])[-1]
    assert (little.decision.put_back, little.is_anew) == ("good", False)
    assert replayed([math.nan], state=little)[-1].decision.put_back == "first"
    worse = replayed([0.95, 0.95, (0.95, WELL), 0.95, math.nan], state=again)[-1]
    assert worse.decision.put_back == "first"
    assert worse.good is None


@pytest.mark.parametrize("most", [1, 2, 12])
def test_after_so_many_rescues_the_next_one_ends_the_training(most: int) -> None:
    states = replayed([math.nan] * (most + 2), Rescue(max_rescues=most))
    assert [state.decision.kind for state in states] == ["rescue"] * most + ["rescue_failed"] * 2
    assert [state.decision.stop for state in states] == [False] * most + [True] * 2
    last = states[-1]
    assert last.decision.reason == (
        f"loss is nan: {'1 rescue was' if most == 1 else f'{most} rescues were'} not enough, "
        "training ends with the first state"
    )
    assert last.decision.put_back == "first"
    assert last.decision.is_event
    assert not last.decision.changes_rate
    assert last.scale == pytest.approx(0.1**most)
    assert last.rescues == most


def test_the_last_good_state_is_also_what_a_failed_training_ends_with() -> None:
    rule = Rescue(window=3, max_rescues=1)
    last = replayed([*LEARNED, (0.5, WELL), 0.5, math.nan, math.nan], rule)[-1]
    assert last.decision.kind == "rescue_failed"
    assert last.decision.put_back == "good"
    assert "1 rescue was not enough, training ends with the last good state" in last.decision.done


def looks_and_confirmations(
    per_epoch: int, count: int, state: RescueState | None = None, batches: int = 1
) -> tuple[list[int], list[int]]:
    """Return after which executions the variables are looked at, and confirmed, with no fall."""
    rule = Rescue()
    state, looked, confirmed = state or rule.initial_state(), [], []
    for number in range(count):
        look = WELL if rule.looks_after(state) else None
        epoch, first = divmod(number * batches, per_epoch)
        seen = BatchObservation(epoch, first + batches - 1, 1.0, 1.0, look, batches)
        state = rule.advance_batch(state, seen)
        looked += [number + 1] * (look is not None)
        confirmed += [number + 1] * rule.confirms(state)
    return looked, confirmed


def test_looks_come_often_at_first_and_again_after_a_rescue() -> None:
    # With the first level, then by half of what was seen of the epoch, every 16, and every 50.
    first = [8, 14, 26, 42, 58, 74, 90, 106, 122, 138, 154, 204, 254]
    looked, confirmed = looks_and_confirmations(1000, 300)
    assert looked == first
    assert confirmed == [10, 18, 34, *(place + 8 for place in first[3:])]
    rescued = replayed([*[1.0] * 200, math.nan])[-1]
    assert looks_and_confirmations(1000, 100, rescued)[0] == [16, 32, 48, 64, 80, 96]
    # An epoch of 20: every 10, confirmed by 5.
    assert looks_and_confirmations(20, 60)[0] == [8, 14, 24, 34, 44, 54]
    assert looks_and_confirmations(20, 60)[1] == [10, 18, 29, 39, 49, 59]


@pytest.mark.parametrize("per_epoch", [3, 4, 5, 8, 20, 35, 36, 99, 130])
def test_a_spoilt_batch_costs_less_than_an_epoch(per_epoch: int) -> None:
    looked, confirmed = looks_and_confirmations(per_epoch, 10 * per_epoch + 20)
    assert len(looked) > 10
    # A batch is spoilt just before a snapshot would be confirmed: the one before counts.
    for before, after in zip(looked, confirmed[1:], strict=False):
        assert after - before < max(per_epoch, SMALL.window + 1)


def test_the_batches_of_one_execution_are_counted() -> None:
    looked, confirmed = looks_and_confirmations(1000, 300, batches=10)
    assert looked[:6] == [8, 11, 14, 20, 26, 32]
    assert confirmed[:6] == [9, 12, 15, 21, 27, 33]


def test_a_snapshot_is_not_confirmed_by_losses_that_have_risen_above_all_progress() -> None:
    held = replayed([*LEARNED, (0.5, WELL)])[-1]
    assert (held.pending, held.good) == (0.5, None)
    assert replayed([0.7], state=held)[-1].good == 0.5
    risen = replayed([0.9, 0.9, 0.9], state=dataclasses.replace(held, recent=(0.9, 0.9)))[-1]
    assert (risen.pending, risen.good) == (0.5, None)
    # The next one takes its place, and is confirmed at its own level.
    later = replayed([(0.9, WELL), 0.9], state=risen)[-1]
    assert (later.pending, later.good) == (None, 0.9)


TRAININGS = {
    "falls and flattens": lambda batch: 2.3 * math.exp(-batch / 90) + 0.05,
    "is noisy": lambda batch: (
        (2.3 * math.exp(-batch / 90) + 0.2) * (1 + 0.3 * math.sin(batch * 1.7))
    ),
    "falls late": lambda batch: 2.3 if batch < 180 else 2.3 * math.exp(-(batch - 180) / 40),
    "rises a little at first": lambda batch: 1.0 + 0.3 * math.exp(-abs(batch - 20)) - batch / 900,
    "is a likelihood below 0": lambda batch: 1.5 - batch / 50,
    "has spikes": lambda batch: math.exp(-batch / 90) + (8.0 if batch % 37 == 5 else 0.0),
}


@pytest.mark.parametrize("name", TRAININGS)
def test_a_good_training_is_never_touched(name: str) -> None:
    rule, batches = Rescue(), []
    state = rule.initial_state()
    for batch in range(600):
        look = WELL if rule.looks_after(state) else None
        batches.append((TRAININGS[name](batch), look))
        state = replayed(batches[-1:], rule, state)[-1]
        assert state.decision.kind == "well", state.decision.reason
        assert state.scale == 1.0


def test_an_epoch_decides_nothing_and_counts() -> None:
    batches = [[1.0], [1.0, math.nan], [math.nan, math.nan, 1.0, 0.8, 0.9]]
    fresh, once, twice = (replayed(losses)[-1] for losses in batches)
    reasons = [
        SMALL.advance(state, Observation(0, {"loss": 1.0})).decision.reason
        for state in (fresh, once, twice)
    ]
    assert reasons == [
        "1 of 3 losses for a level; 0 rescues so far",
        "0 of 3 losses for a level; 1 rescue so far",
        "loss is at 0.9, at first 1; 2 rescues so far",
    ]
    assert SMALL.advance(twice, Observation(0, {"loss": math.nan})).scale == twice.scale


losses = st.one_of(st.floats(width=32), st.sampled_from([0.1, 0.5, 1.0, 1.2, 2.0, 500.0, math.nan]))
looks = st.sampled_from([None, None, WELL, IDLE, WANDERING, BROKEN])
batches = st.lists(st.tuples(losses, looks, st.sampled_from([1.0, 0.1, 1e-4, 0.0])), max_size=60)


@given(
    batches=st.lists(st.tuples(losses, looks, st.sampled_from([1.0, 0.1, 1e-3])), max_size=60),
    power=st.integers(-20, 20),
)
def test_decisions_go_by_ratios_of_rates(batches: list[Any], power: int) -> None:
    others = [(loss, look, rate * 2.0**power) for loss, look, rate in batches]
    assert told(replayed(batches)) == told(replayed(others))


@given(batches=batches)
def test_a_resumed_state_goes_on_as_the_whole_one(batches: list[Any]) -> None:
    whole = interrupted = SMALL.initial_state()
    for batch in batches:
        text = json.dumps(interrupted.to_data(), allow_nan=False)
        interrupted = replayed([batch], state=SMALL.state_from_data(json.loads(text)))[-1]
        whole = replayed([batch], state=whole)[-1]
        assert interrupted == whole


@given(batches=batches)
def test_whatever_the_batches_show_the_scale_falls_only_by_rescues_and_they_are_counted(
    batches: list[Any],
) -> None:
    scale, rescues = 1.0, 0
    for state in replayed(batches):
        rescued = state.decision.kind == "rescue"
        rescues += rescued
        steps = [scale * 0.1**power for power in (0.5, 1, 2)] if rescued else [scale]
        assert any(state.scale == pytest.approx(step) for step in steps)
        assert state.rescues == rescues <= SMALL.max_rescues
        assert bool(state.decision.put_back) == state.decision.is_event
        scale = state.scale


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("factor", 0.0),
        ("factor", 1.0),
        ("factor", "0.1"),
        ("threshold", 1.0),
        ("threshold", math.nan),
        ("window", 2),
        ("window", 3.5),
        ("max_rescues", 0),
        ("max_rescues", True),
    ],
)
def test_a_value_out_of_range_is_named(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"Rescue: {argument} must be .* Received: {argument}="):
        Rescue(**{argument: value})


@pytest.mark.parametrize("trigger", [AdaptiveKnee, Staged])
def test_a_rescue_is_no_trigger(trigger: Any) -> None:
    with pytest.raises(ValueError, match=r"trigger must be a rule that reduces at an epoch's end"):
        trigger(Rescue())
