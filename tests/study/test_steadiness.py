"""Steadiness against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

from kerasdecay.study import steadiness


def test_of_a_swinging_metric_by_hand():
    # Changes +0.2, −0.1, +0.3, −0.2, +0.3; mean 0.1; squared deviations 0.01, 0.04, 0.04, 0.09,
    # 0.04 add up to 0.22; 0.22 / 4 = 0.055.
    assert steadiness([0.1, 0.3, 0.2, 0.5, 0.3, 0.6]) == pytest.approx(math.sqrt(0.055))


def test_only_the_last_changes_count():
    noise = [0.9, 0.1, 0.8, 0.2]
    assert steadiness([*noise, 0.1, 0.3, 0.2, 0.5, 0.3, 0.6]) == pytest.approx(math.sqrt(0.055))
    # The last two changes are −0.2 and +0.3: mean 0.05, deviations 0.25 each.
    assert steadiness([0.5, 0.3, 0.6], last=2) == pytest.approx(math.sqrt(0.125))


def test_a_steady_rise_is_perfectly_steady():
    assert steadiness([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]) == 0


@pytest.mark.parametrize(
    "values", [[], [0.5], [0.5, 0.6], [0.1, math.nan, 0.2], [0.1, math.inf, 1]]
)
def test_undefined_is_nan(values):
    assert math.isnan(steadiness(values))


@pytest.mark.parametrize("last", [1, 2.5, True, "5"])
def test_one_change_has_no_spread(last):
    with pytest.raises(ValueError, match=rf"last must be an integer >= 2\..*last={last!r}"):
        steadiness([0.1, 0.2, 0.3], last=last)
