"""The run, and a moment in it."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from kerasdecay.schedules import (
    Constant,
    Moment,
    Schedule,
    Step,
    Timeline,
    sequence,
    simulate,
    warmup,
)
from kerasdecay.schedules import duration as durations


def test_updates() -> None:
    assert Timeline(15, 391).updates == 5865
    assert Timeline(15, 391, "epoch").updates == 15
    assert Timeline(15.0, 391.0) == Timeline(15, 391)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((0, 1), "epochs"),
        ((1.5, 1), "epochs"),
        ((True, 1), "epochs"),
        (("15", 1), "epochs"),
        ((1, 0), "steps_per_epoch"),
        ((1, float("inf")), "steps_per_epoch"),
        ((1, 1, "batch"), "unit"),
        ((1, None), "steps_per_epoch"),
    ],
)
def test_invalid(arguments: tuple, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Timeline(*arguments)


def test_time_stands_still_outside_the_run() -> None:
    moment = Moment.of(np.array([-5, 0, 5, 10, 99]), Timeline(2, 5))
    np.testing.assert_array_equal(moment.update, [0, 0, 5, 10, 10])
    np.testing.assert_allclose(moment.progress, [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(moment.remaining, [1, 1, 0.5, 0, 0])
    np.testing.assert_allclose(moment.epochs, [0, 0, 1, 2, 2])


def test_a_part_has_a_time_of_its_own() -> None:
    now = Moment.of(np.arange(11), Timeline(2, 5))
    part = now.after(3).within(4)
    assert part.horizon == 4
    np.testing.assert_array_equal(part.update, [0, 0, 0, 0, 1, 2, 3, 4, 4, 4, 4])
    assert now.after(99).horizon == 0
    assert now.within(99).horizon == 10


def test_where_there_is_no_time_all_of_it_is_left() -> None:
    nowhere = Moment.of(7, Timeline(1, 5)).after(5)
    assert nowhere.progress == 0.0
    assert nowhere.remaining == 1.0


@pytest.mark.parametrize("epochs", [10**30, 10**400, 10**9 + 1, 1e12])
def test_a_run_has_at_most_a_thousand_million_epochs(epochs: Any) -> None:
    for make in (lambda: Timeline(epochs, 10), lambda: simulate(Constant(0.1), epochs=epochs)):
        with pytest.raises(ValueError, match="epochs must be an integer >= 1 and <= 1000000000"):
            make()
    assert Timeline(10**9, unit="epoch").updates == 10**9


@pytest.mark.parametrize(("epochs", "steps"), [(1, 2**53 + 2), (10**9, 10**9), (3, 10**400)])
def test_a_run_has_at_most_as_many_steps_as_a_float_can_count(epochs: int, steps: int) -> None:
    with pytest.raises(ValueError, match=rf"steps_per_epoch must be .* <= {2**53 // epochs}"):
        Timeline(epochs, steps)
    assert Timeline(1, 2**53).updates == 2**53


@pytest.mark.parametrize("duration", [1e300, "1e300 epochs", "1e300 steps", 10**300])
def test_a_duration_longer_than_any_run_is_cut_to_the_longest(duration: Any) -> None:
    timeline = Timeline(3, 1000)
    assert durations.updates_in(duration, timeline) == 2**53
    with pytest.raises(ValueError, match="duration must be at most the horizon, 3 epochs"):
        simulate(warmup(Constant(0.1), duration), epochs=3, steps_per_epoch=1000)
    with pytest.raises(ValueError, match="durations must be at most the horizon, 3 epochs"):
        simulate(sequence([Constant(0.1)] * 2, [duration]), epochs=3, steps_per_epoch=1000)
    rates = simulate(Step(0.1, every=duration), epochs=3, steps_per_epoch=1000)
    assert (rates == 0.1).all()


@pytest.mark.parametrize("value", [np.float32(1.5), np.int64(3), Fraction(3, 2), np.float64(2.5)])
def test_durations_of_every_kind_of_number_have_a_json_form(value: Any) -> None:
    schedule = warmup(Constant(0.1), value)
    config = json.loads(json.dumps(schedule.get_config()))
    assert config["duration"] == float(value)
    assert Schedule.from_config(config) == schedule


@pytest.mark.parametrize("updates", ["a", None, [None], 1j, object(), ["1"]])
def test_updates_that_are_no_integers_are_named(updates: Any) -> None:
    with pytest.raises(ValueError, match="rates: updates must be an integer or an array"):
        Constant(0.1).rates(updates, Timeline(3, 10))


@pytest.mark.parametrize("timeline", [None, 15, (15, 391)])
def test_a_timeline_that_is_none_is_named(timeline: Any) -> None:
    with pytest.raises(ValueError, match="rates: timeline must be a kerasdecay Timeline"):
        Constant(0.1).rates(0, timeline)
