"""Edges of periods, rounded without errors that add up."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasdecay.schedules import (
    CosineRestarts,
    Cyclic,
    Exponential,
    InverseTime,
    Moment,
    Schedule,
    Step,
    Timeline,
    periods,
)


@pytest.mark.parametrize(
    ("length", "horizon", "growth", "ends"),
    [
        (4.0, 12, 1.0, [4, 8, 12]),
        (4.0, 13, 1.0, [4, 8, 12, 16]),
        (1466.75, 5867, 1.0, [1467, 2934, 4400, 5867]),  # 4 × 1467 would miss the end by one
        (2.5, 10, 1.0, [3, 5, 8, 10]),
        (1.0, 7, 2.0, [1, 3, 7]),
        (10.0, 3, 1.0, [10]),
        (2.0, 9, 1.5, [2, 5, 10]),  # 2, 2 + 3, 2 + 3 + 4.5
        (1.0, 0, 1.0, [1]),
    ],
)
def test_edges(length: float, horizon: int, growth: float, ends: list[int]) -> None:
    assert periods.edges(length, horizon, growth).tolist() == ends


@settings(derandomize=True, database=None)
@given(
    length=st.floats(0.5, 500),
    horizon=st.integers(1, 5000),
    growth=st.one_of(st.just(1.0), st.floats(1.001, 4.0)),
)
def test_edges_ascend_to_the_horizon_and_lie_where_they_should(
    length: float, horizon: int, growth: float
) -> None:
    ends = periods.edges(length, horizon, growth)
    assert ends[-1] >= horizon
    assert (ends[:-1] < horizon).all()
    exact = np.cumsum(length * growth ** np.arange(len(ends), dtype=float))
    assert np.abs(ends - exact).max() <= 0.5 + 1e-6 * exact[-1]


def test_phase_counts_updates_as_integers() -> None:
    now = Moment.of(np.array([0, 2, 3, 4, 8, 10]), Timeline(10, unit="epoch"))
    number, done, left = periods.phase(now, 2.5)
    assert number.tolist() == [0, 0, 1, 1, 3, 3]
    assert done.tolist() == [0, 2, 0, 1, 0, 2]
    assert left.tolist() == [3, 1, 2, 1, 2, 0]
    assert periods.done(now, 2.5).tolist() == [0, 0, 1, 1, 3, 4]


@settings(derandomize=True, database=None, max_examples=300)
@given(
    length=st.one_of(st.floats(0.5, 300), st.integers(1, 300).map(float)),
    horizon=st.integers(0, 3000),
    data=st.data(),
)
def test_ends_are_computed_as_they_would_be_written_down(
    length: float, horizon: int, data: st.DataObject
) -> None:
    ends = periods.edges(length, horizon)
    updates = np.array(data.draw(st.lists(st.integers(0, horizon), min_size=1, max_size=9)))
    now = Moment(updates, horizon, Timeline(3000, unit="epoch"))
    # Several periods shorter than an update may end at the horizon.
    expected = np.searchsorted(periods.edges(length, horizon + 1), updates, side="right")
    np.testing.assert_array_equal(periods.done(now, length), expected)
    number, done, left = periods.phase(now, length)
    last = np.minimum(expected, len(ends) - 1)
    np.testing.assert_array_equal(number, last)
    np.testing.assert_array_equal(done, updates - np.concatenate([[0], ends[:-1]])[last])
    np.testing.assert_array_equal(left, ends[last] - updates)
    if ends[0] <= horizon:
        assert periods.last_end(length, horizon) == ends[ends <= horizon][-1]


@pytest.mark.parametrize("length", [1.0, 3.0, 2.5, 0.7, 117.3, 1e6 / 3])
def test_ends_far_out_are_exact(length: float) -> None:
    exact = Fraction(length)
    for update in (10**9, 10**12 + 1, 2**40 + 12345):
        now = Moment(update, 2**41, Timeline(1, 2**41))
        count = int(periods.done(now, length))
        # The end of period k is k × length, rounded; in float64 that product is off by an ulp.
        assert exact * count - Fraction(1, 2) <= update + Fraction(1, 1000)
        assert update < exact * (count + 1) + Fraction(1, 2) + Fraction(1, 1000)


THOUSAND_MILLION = Timeline(10**6, 1000)


@pytest.mark.parametrize(
    "schedule",
    [
        Step(0.1, every="1 steps", factor=0.5),
        Step(0.1, every="0.0023 epochs", factor=0.999),
        Exponential(0.1, every="3 steps", staircase=True),
        InverseTime(0.1, every="0.0051 epochs", staircase=True),
        Cyclic(0.1, cycle="2 steps"),
        CosineRestarts(0.1, cycle="0.0107 epochs"),
    ],
    ids=repr,
)
def test_a_thousand_million_steps_need_no_memory(schedule: Schedule) -> None:
    tracemalloc.start()
    try:
        schedule.check(Moment.of(0, THOUSAND_MILLION))
        rates = schedule.rates(np.array([0, 1, 10**9 - 1, 10**9]), THOUSAND_MILLION)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert np.isfinite(rates).all()
    assert most < 2**20


def test_a_list_of_too_many_ends_is_refused() -> None:
    with pytest.raises(ValueError, match="length of a period must be so long"):
        periods.edges(1.5, 10**9)
    with pytest.raises(ValueError, match="length of a period must be so long"):
        CosineRestarts(0.1, cycle="1 steps", growth=1 + 1e-12).rates(0, THOUSAND_MILLION)


@pytest.mark.parametrize("growth", [2.0, 1e30, 1e300])
def test_a_period_beyond_every_integer_is_beyond_the_horizon(growth: float) -> None:
    ends = periods.edges(1.0, 2**50, growth)
    assert ends[0] == 1
    assert ends[-1] >= 2**50
    assert (np.diff(ends) > 0).all()
