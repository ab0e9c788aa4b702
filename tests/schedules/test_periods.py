"""Edges of periods, rounded without errors that add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasdecay.schedules import Moment, Timeline, periods


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
