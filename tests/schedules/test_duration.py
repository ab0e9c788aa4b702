"""Durations, and how they become whole updates."""

from __future__ import annotations

import math

import pytest

from kerasdecay.schedules import Timeline
from kerasdecay.schedules.duration import check, exact_updates_in, is_whole_epochs, updates_in

RUN = Timeline(15, 391)
BY_EPOCH = Timeline(15, 391, "epoch")
UNKNOWN = Timeline(15, unit="epoch")


@pytest.mark.parametrize(
    ("value", "run", "updates"),
    [
        (3, RUN, 1173),
        (3.0, UNKNOWN, 3),
        ("3 epochs", RUN, 1173),
        ("1 epoch", RUN, 391),
        ("500 steps", RUN, 500),
        ("1 step", RUN, 1),
        ("1e3 steps", RUN, 1000),
        (" 10 % ", RUN, 587),  # 586.5: halves go up
        ("10%", UNKNOWN, 2),  # 1.5
        ("9%", UNKNOWN, 1),  # 1.35
        (0.25, RUN, 98),  # 97.75
        ("100%", RUN, 5865),
        (0, RUN, 0),
        ("0 steps", RUN, 0),
        ("0%", RUN, 0),
        ("391 steps", BY_EPOCH, 1),
        ("195 steps", BY_EPOCH, 0),
        ("29%", Timeline(100, unit="epoch"), 29),  # int(0.29 * 100) is 28
        (0.29, Timeline(1, 50), 15),  # 14.5, of which binary fractions make 14.499…9
        (20, RUN, 7820),  # beyond the horizon
    ],
)
def test_rounded_once_to_the_nearest_update(value: object, run: Timeline, updates: int) -> None:
    assert updates_in(value, run) == updates


def test_a_share_is_of_the_horizon_that_a_schedule_has() -> None:
    assert updates_in("50%", RUN, horizon=100) == 50
    assert updates_in(1, RUN, horizon=100) == 391


def test_exact_updates_are_not_rounded() -> None:
    assert exact_updates_in("10%", RUN) == 586.5
    assert exact_updates_in("100 steps", Timeline(3, 400, "epoch")) == 0.25


@pytest.mark.parametrize(
    "value",
    [
        -1,
        -0.5,
        math.nan,
        math.inf,
        None,
        True,
        [3],
        "",
        "%",
        "5",
        "-3%",
        "101%",
        "nan%",
        "1.2.3%",
        "1.5 steps",
        "steps",
        "3 weeks",
        "five epochs",
    ],
)
def test_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match=r"Owner: argument must be .*Received: argument="):
        check("Owner", "argument", value)


@pytest.mark.parametrize("value", [0, "0%", "0 steps", 0.0])
def test_nothing_is_no_positive_duration(value: object) -> None:
    check("Owner", "argument", value)
    with pytest.raises(ValueError, match="longer than 0"):
        check("Owner", "argument", value, positive=True)


def test_steps_need_a_known_number_of_them() -> None:
    with pytest.raises(ValueError, match="steps_per_epoch="):
        updates_in("500 steps", UNKNOWN)


@pytest.mark.parametrize(
    ("value", "whole"),
    [(3, True), ("3 epochs", True), (2.5, False), ("10%", False), ("391 steps", False)],
)
def test_whole_epochs(value: object, whole: bool) -> None:
    assert is_whole_epochs(value) is whole
