"""Suggestions of curves: worked out by hand, and as fastai's formulas have them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
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


class Fastai(NamedTuple):
    """What `Learner.lr_find` of fastai 2 finds in a recording, written from its description.

    It leaves out the first ⌊num_it / 10⌋ points and the last 5. `valley` takes the first of the
    longest strictly falling subsequences, of L points up to the place e, and goes int(L/3) and
    int(L/3/2) points on from e − L. `steep` takes the least Δloss / Δ ln(rate), `minimum` a tenth
    of the rate of the lowest loss. (After a NaN it looks at nothing more; our finder stops there.)

    Source: fastai/callback/schedule.py at 0a049e8, the same at 6caa46d; valley came with pull
    request 3377.
    """

    rates: np.ndarray
    losses: np.ndarray

    @classmethod
    def of(cls, rates, losses, num_it):
        return cls(*(np.asarray(values[num_it // 10 : -5], float) for values in (rates, losses)))

    @property
    def falls(self):
        """The length of the longest fall that ends in each point."""
        lengths = np.ones(len(self.losses), int)
        for place, loss in enumerate(self.losses):
            lengths[place] += lengths[:place][self.losses[:place] > loss].max(initial=0)
        return lengths

    @property
    def slopes(self):
        return np.diff(self.losses) / np.diff(np.log(self.rates))

    @property
    def valley(self):
        third = self.falls.max() / 3
        return self.rates[self.falls.argmax() - self.falls.max() + int(third) + int(third / 2)]

    @property
    def minimum(self):
        return self.rates[self.losses.argmin()] / 10


@given(
    noise=st.lists(st.integers(0, 60), min_size=12, max_size=45),
    trend=st.integers(-2, 15),
    missing=st.integers(0, 30),
)
def test_suggestions_are_fastais_where_there_is_a_fall_and_none_elsewhere(noise, trend, missing):
    losses = [loss - trend * step for step, loss in enumerate(noise)]
    planned = len(losses) + missing  # the test stopped early
    rates = np.geomspace(1e-7, 10, planned)[: len(losses)].tolist()
    found = {each.name: each.rate for each in suggest(rates, losses, planned)}
    theirs = Fastai.of(rates, losses, planned)
    assert found["valley"] == (theirs.valley if theirs.falls.max() >= 3 else None)
    assert found["minimum/10"] == (theirs.minimum if theirs.losses.argmin() > 0 else None)
    if theirs.slopes.min() < 0:  # of two equally steep places, rounding says which
        place = theirs.rates.tolist().index(found["steepest"])
        assert theirs.slopes[place] == pytest.approx(theirs.slopes.min())
    else:
        assert found["steepest"] is None
