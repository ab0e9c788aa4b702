"""A user's own function of the epoch."""

from __future__ import annotations

import numpy as np
import pytest

from kerasdecay.schedules import ByEpoch, simulate


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
