"""What must hold for all valid arguments."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schedule_strategies import assume_it_fits, compositions, durations, rises, shapes, timelines

from kerasdecay._config import from_config
from kerasdecay.schedules import FAMILY, CosineRestarts, Moment, Schedule, Shape, Timeline, warmup

EPSILON = 1e-12

FALLING = sorted(set(FAMILY) - {"cosine-restarts", "cyclic", "one-cycle", "refined"})

any_name = pytest.mark.parametrize("name", sorted(FAMILY))
few = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
many = settings(few, max_examples=150)


def floor(shape: Shape) -> float:
    """The rate that a shape promises never to go below."""
    if getattr(shape, "rises", False):
        return shape.initial
    if hasattr(shape, "final_learning_rate"):
        return shape.final_learning_rate
    if hasattr(shape, "min_learning_rate"):
        return shape.min_learning_rate
    if hasattr(shape, "final_div_factor"):
        return shape.initial / shape.div_factor / shape.final_div_factor
    if hasattr(shape, "div_factor"):
        return shape.initial / shape.div_factor
    return 0.0


def ceiling(shape: Shape, rates: np.ndarray) -> float:
    """The rate that a shape promises never to go above, given the rates of its run."""
    if getattr(shape, "rises", False):
        return shape.final_learning_rate
    if isinstance(shape, CosineRestarts) and shape.factor > 1:
        restarts = int((np.diff(rates) > 0).sum())
        return shape.initial * shape.factor**restarts
    return shape.initial


@any_name
@few
@given(data=st.data(), timeline=timelines())
def test_finite_and_within_the_promised_bounds(
    name: str, data: st.DataObject, timeline: Timeline
) -> None:
    shape = data.draw(shapes(name))
    assume_it_fits(shape, timeline)
    rates = shape.rates(np.arange(timeline.updates + 5), timeline)
    assert np.isfinite(rates).all()
    assert rates.min() >= floor(shape) * (1 - EPSILON)
    assert rates.max() <= ceiling(shape, rates) * (1 + EPSILON)


@pytest.mark.parametrize("name", FALLING)
@few
@given(data=st.data(), timeline=timelines())
def test_never_rises(name: str, data: st.DataObject, timeline: Timeline) -> None:
    shape = data.draw(shapes(name, falls=True))
    assume_it_fits(shape, timeline)
    rates = shape.rates(np.arange(timeline.updates + 5), timeline)
    assert rates[0] == pytest.approx(shape.initial, rel=EPSILON)
    assert (np.diff(rates) <= shape.initial * EPSILON).all()


@many
@given(schedule=compositions(), timeline=timelines())
def test_holds_beyond_the_horizon(schedule: Schedule, timeline: Timeline) -> None:
    assume_it_fits(schedule, timeline)
    beyond = timeline.updates + np.array([0, 1, 7, 10**6, 2**50])
    rates = schedule.rates(beyond, timeline)
    np.testing.assert_array_equal(rates, rates[0])


@many
@given(schedule=compositions(), timeline=timelines())
def test_a_number_is_a_vector_of_one(schedule: Schedule, timeline: Timeline) -> None:
    assume_it_fits(schedule, timeline)
    vector = np.asarray(schedule.rates(np.arange(timeline.updates + 2), timeline))
    assert vector.shape == (timeline.updates + 2,)
    assert np.isfinite(vector).all()
    assert (vector >= 0).all()
    for update in {0, timeline.updates // 3, timeline.updates - 1, timeline.updates + 1}:
        one = float(schedule.rates(update, timeline))
        assert one == pytest.approx(float(vector[update]), rel=EPSILON, abs=1e-300)


@many
@given(schedule=compositions(), steps=st.integers(1, 30), epochs=st.integers(1, 40))
def test_what_does_not_change_within_epochs_does_not(
    schedule: Schedule, steps: int, epochs: int
) -> None:
    timeline = Timeline(epochs, steps)
    assume_it_fits(schedule, timeline)
    if not schedule.changes_within_epochs:
        rates = schedule.rates(np.arange(timeline.updates), timeline).reshape(epochs, steps)
        np.testing.assert_array_equal(rates, rates[:, :1].repeat(steps, axis=1))


@many
@given(schedule=compositions())
def test_round_trips(schedule: Schedule) -> None:
    assert from_config(json.loads(json.dumps(schedule.get_config()))) == schedule
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert copy.deepcopy(schedule) == schedule


@many
@given(
    shape=shapes(),
    duration=durations,
    how=rises(),
    timeline=timelines(),
)
def test_warmup_rises_to_the_schedule_and_then_is_it_shifted(
    shape: Shape, duration: object, how: dict, timeline: Timeline
) -> None:
    schedule = warmup(shape, duration, **how)
    assume_it_fits(schedule, timeline)
    length = schedule.warmup_updates(timeline)
    rates = schedule.rates(np.arange(timeline.updates), timeline)
    begin = Moment.of(np.arange(timeline.updates), timeline).after(length)
    alone = shape.learning_rate(begin)
    np.testing.assert_array_equal(rates[length:], alone[length:])
    rise = rates[:length]
    assert (np.diff(rise) >= -EPSILON * shape.initial).all()
    assert (rise <= alone[0] * (1 + EPSILON)).all()
    if how["start"] is None and length:
        assert rise[0] >= alone[0] / length**2 / 2 * (1 - EPSILON)
        assert rise[-1] == pytest.approx(alone[0], rel=1e-9)
        if how["curve"] == "linear":
            assert rise[0] == pytest.approx(alone[0] / length, rel=1e-9)
    elif length:
        assert rise[0] == pytest.approx(how["start"] * alone[0], rel=1e-9, abs=1e-300)
