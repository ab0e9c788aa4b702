"""Suggestions of curves that are worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasdecay.study.suggestions import minimum_tenth, steepest, suggest, valley

DECADES = [10.0**power for power in range(-7, 3)]


@pytest.mark.parametrize(
    ("losses", "index"),
    [
        # a fall of L points that ends at e: e − L + ⌊L/3⌋ + ⌊L/6⌋
        ([3, 2, 1], 0),  # 2 − 3 + 1 + 0
        ([7, 6, 5, 4, 3, 2], 2),  # 5 − 6 + 2 + 1
        ([5, 5, 4, 3, 2, 1, 6], 1),  # 5 − 5 + 1 + 0
        ([10, 9, 9.5, 8, 7, 6, 11], 1),  # a small rise does not end the fall: the same
        ([1, 2, 9, 8, 7, 6, 5, 4, 3, 8], 4),  # the longer fall: 8 − 7 + 2 + 1
        ([3, 2, 1, 6, 5, 4], 0),  # of two of one length the first
    ],
)
def test_valley(losses, index):
    assert valley(DECADES[: len(losses)], losses).rate == DECADES[index]


@pytest.mark.parametrize(
    ("rates", "losses", "index"),
    [
        (DECADES[:5], [2, 2, 1.5, 0.5, 0.4], 2),  # slopes a decade: 0, −0.5, −1, −0.1
        # slopes a decade: −1, −0.5 / lg 1.1 = −12.1, −0.5 / lg 9.09 = −0.5
        ([1, 10, 11, 100], [3, 2, 1.5, 1], 1),
    ],
)
def test_steepest(rates, losses, index):
    assert steepest(rates, losses).rate == rates[index]


def test_minimum_tenth():
    found = minimum_tenth(DECADES[:5], [3, 2, 0.5, 0.7, 9])
    assert found.rate == pytest.approx(1e-6)
    assert found.reason == "a tenth of 1e-05, where the loss is lowest"


@pytest.mark.parametrize("losses", [[1, 2, 3, 4], [1, 1, 1, 1]])
def test_a_loss_that_never_falls_suggests_nothing_and_says_so(losses):
    for find in (valley, steepest, minimum_tenth):
        found = find(DECADES[:4], losses)
        assert found.rate is None
        assert "never falls" in found.reason


def test_the_ends_of_the_curve_are_left_out():
    rates = [10 ** (k / 10) for k in range(30)]
    # Both ends would win: a cliff in the first three points, the lowest loss among the last five.
    losses = [90, 50, 20, *(5 - k / 10 for k in range(22)), 1, 1, 1, 0, 60]
    found = {each.name: each.rate for each in suggest(rates, losses, steps=30)}
    assert found["minimum/10"] == rates[24] / 10
    assert found["valley"] == rates[3 + 21 - 22 + 22 // 3 + 22 // 6]
    assert found["steepest"] in rates[3:24]


def test_the_first_tenth_is_that_of_the_planned_steps():
    losses = [9, 1, *(8 - k for k in range(8)), 9, 9, 9, 9, 9]
    rates = [10 ** (k / 10) for k in range(len(losses))]
    assert {each.name: each.rate for each in suggest(rates, losses, steps=20)}[
        "minimum/10"
    ] == rates[9] / 10
    found = {each.name: each.rate for each in suggest(rates, losses)}  # 15 steps: only one is out
    assert found["minimum/10"] is None  # the loss is lowest in the first point that is left


def test_losses_that_are_not_finite_are_no_suggestion():
    losses = [5.0, 4.0, 3.0, math.nan, -math.inf, 2.0, math.inf, *[9.0] * 5]
    rates = [10 ** (k / 10) for k in range(len(losses))]
    found = {each.name: each.rate for each in suggest(rates, losses, steps=1)}
    assert found["minimum/10"] == rates[5] / 10
    assert found["steepest"] in (rates[0], rates[1])


@pytest.mark.parametrize("count", [0, 1, 5, 7])
def test_too_few_points_say_how_many_there_are(count):
    for each in suggest(DECADES[:count], [1.0 / (k + 1) for k in range(count)], steps=2):
        assert each.rate is None
        assert each.reason == (
            f"{max(0, count - 5)} of {count} points are left without the first 0 and the last 5; "
            "it takes 3"
        )


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=60))
def test_whatever_the_losses_a_suggestion_is_a_rate_that_was_tried_or_none(losses):
    rates = [1e-7 * 1.2**k for k in range(len(losses))]
    found = {each.name: each for each in suggest(rates, losses)}
    assert list(found) == ["valley", "steepest", "minimum/10"]
    assert all(each.reason for each in found.values())
    assert found["valley"].rate is None or found["valley"].rate in rates
    assert found["steepest"].rate is None or found["steepest"].rate in rates
    assert found["minimum/10"].rate is None or found["minimum/10"].rate in [r / 10 for r in rates]


@given(st.lists(st.integers(0, 20), min_size=3, max_size=25))
def test_the_longest_fall_is_that_of_the_plain_definition(losses):
    lengths = []
    for index, loss in enumerate(losses):
        before = [lengths[k] for k in range(index) if losses[k] > loss]
        lengths.append(1 + max(before, default=0))
    length = max(lengths)
    end = lengths.index(length)
    rates = [2.0**k for k in range(len(losses))]
    expected = rates[end - length + length // 3 + length // 6] if length >= 3 else None
    assert valley(rates, losses).rate == expected
