"""Durations, and how they become whole updates."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

import kerasdecay
from kerasdecay.schedules import (
    Constant,
    Cyclic,
    Exponential,
    InverseSqrt,
    Knee,
    MultiStep,
    OneCycle,
    Step,
    Timeline,
    WarmupStable,
    cooldown,
    sequence,
    warmup,
)
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
        ("0.25 epochs", RUN, 98),  # 97.75
        ("100%", RUN, 5865),
        (0, RUN, 0),
        ("0 steps", RUN, 0),
        ("0%", RUN, 0),
        ("391 steps", BY_EPOCH, 1),
        ("195 steps", BY_EPOCH, 0),
        ("29%", Timeline(100, unit="epoch"), 29),  # int(0.29 * 100) is 28
        ("0.29 epochs", Timeline(1, 50), 15),  # 14.5, of which binary fractions make 14.499…9
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


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (0.05, "'5%'"),
        (0.5, "'50%'"),
        (1e-6, "'0.0001%'"),
        (np.float32(0.25), "'25%'"),
        (Fraction(1, 8), "'12.5%'"),
    ],
)
def test_a_number_between_0_and_1_is_asked_about(value: object, meant: str) -> None:
    told = rf"Owner: argument must be 0, a number of epochs >= 1.*Did you mean {meant}\?"
    with pytest.raises(ValueError, match=told) as caught:
        check("Owner", "argument", value)
    said = re.search(r"'([^']+ epochs)'", str(caught.value))
    assert said is not None  # the second remedy is a duration of the same length
    assert exact_updates_in(said[1], RUN) == pytest.approx(391 * float(value))


@pytest.mark.parametrize(
    "make",
    [
        lambda: warmup(Constant(0.1), 0.05),
        lambda: sequence([Constant(0.1), Constant(0.01)], [0.5]),
        lambda: cooldown(Constant(0.1), 0.8),
        lambda: Step(0.1, every=0.3),
        lambda: MultiStep(0.1, milestones=(0.5, 0.75)),
        lambda: Exponential(0.1, every=0.5),
        lambda: Cyclic(0.1, cycle=0.25),
        lambda: OneCycle(0.1, rise=0.3),
        lambda: InverseSqrt(0.1, timescale=0.1),
        lambda: WarmupStable(0.1, decay=0.2),
        lambda: Knee(0.1, hold=0.5),
        lambda: kerasdecay.LearningRateDecay(Constant(0.1), warmup=0.05),
        lambda: kerasdecay.WarmupDecay(0.05),
    ],
)
def test_every_argument_that_is_a_duration_asks(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"must be 0, a number of epochs.*Did you mean '\d+%'\?"):
        make()


@pytest.mark.parametrize(
    ("hold", "epochs", "rates"),
    [
        ("80%", 1, [0.4]),
        ("80%", 2, [0.4, 0.4]),
        ("80%", 3, [0.4, 0.4, 0.4]),
        ("80%", 5, [0.4, 0.4, 0.4, 0.4, 0.4]),
        ("80%", 10, [*[0.4] * 9, 0.2]),
        ("99%", 4, [0.4, 0.4, 0.4, 0.4]),
        ("0.9 epochs", 1, [0.4]),
    ],
)
def test_a_hold_that_rounds_to_the_whole_of_a_short_run_leaves_one_update(
    hold: str, epochs: int, rates: list[float]
) -> None:
    np.testing.assert_allclose(kerasdecay.simulate(Knee(0.4, hold=hold), epochs=epochs), rates)
