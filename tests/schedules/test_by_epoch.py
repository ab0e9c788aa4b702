"""A user's own function of the epoch."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from kerasdecay.schedules import ByEpoch, Timeline, simulate


def test_called_once_for_each_epoch() -> None:
    seen = []
    schedule = ByEpoch(lambda epoch: seen.append(epoch) or 1 / (epoch + 1))
    rates = simulate(schedule, epochs=4, steps_per_epoch=20_000)
    assert seen == [0, 1, 2, 3]
    np.testing.assert_array_equal(
        rates.reshape(4, -1)[:, [0, -1]].T, [[1, 1 / 2, 1 / 3, 1 / 4]] * 2
    )


@pytest.mark.parametrize(
    "result", [None, "0.1", -0.1, float("nan"), float("inf"), [0.1, 0.2], True]
)
def test_what_is_no_rate_is_named_with_its_epoch(result: object) -> None:
    with pytest.raises(ValueError, match="the function's result for epoch 0 must be"):
        simulate(ByEpoch(lambda epoch: result), epochs=2)


def test_its_own_errors_reach_the_caller() -> None:
    def wrong(epoch: int) -> float:
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        simulate(ByEpoch(wrong), epochs=2)


def test_must_be_callable() -> None:
    with pytest.raises(ValueError, match="function must be callable"):
        ByEpoch(0.1)


def test_a_single_query_has_no_shape_whatever_numpy_makes_of_the_places(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unique = np.unique

    def as_numpy_1_does(values: Any, *, return_inverse: bool) -> Any:
        assert return_inverse
        found, places = unique(values, return_inverse=True)
        return found, places.reshape(-1)

    schedule, timeline = ByEpoch(lambda epoch: 0.5 / (epoch + 1)), Timeline(4, 3)
    expected = schedule.rates(np.array([[0, 3], [6, 6]]), timeline)
    monkeypatch.setattr(np, "unique", as_numpy_1_does)
    for update, rate in ((0, 0.5), (4, 0.25), (np.int64(11), 0.125)):
        found = schedule.rates(update, timeline)
        assert (found.shape, float(found)) == ((), rate)
    found = schedule.rates(np.array([[0, 3], [6, 6]]), timeline)
    np.testing.assert_array_equal(found, expected, strict=True)
    np.testing.assert_array_equal(found, [[0.5, 0.25], [0.5 / 3, 0.5 / 3]])


@pytest.mark.parametrize("rate", [10**400, 1e39, 1e-40, Fraction(10**400), -1, float("nan")])
def test_a_rate_of_the_function_that_no_optimizer_can_hold_is_refused(rate: Any) -> None:
    with pytest.raises(ValueError, match="the function's result for epoch 0 must be"):
        simulate(ByEpoch(lambda epoch: rate), epochs=2)


@pytest.mark.parametrize("rate", [Fraction(1, 4), np.float32(0.25), np.array([0.25]), 0.25])
def test_numbers_of_every_kind_are_rates(rate: Any) -> None:
    assert simulate(ByEpoch(lambda epoch: rate), epochs=2).tolist() == [0.25, 0.25]
    assert simulate(ByEpoch(lambda epoch: 0 * epoch), epochs=2).tolist() == [0.0, 0.0]
