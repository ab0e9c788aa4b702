"""The run, and a moment in it."""

from __future__ import annotations

import numpy as np
import pytest

from kerasdecay.schedules import Moment, Timeline


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
