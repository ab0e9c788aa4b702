"""Paired differences, against SciPy and hand-computed values."""

from __future__ import annotations

import math

import pytest

from kerasdecay.records import Comparison, Difference, Run
from kerasdecay.records.paired import quantile


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 30, 200])
def test_the_quantile_is_student_s(freedom):
    stats = pytest.importorskip("scipy.stats")
    assert quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)


def test_one_pair_has_no_interval():
    found = Difference.of([0.5])
    assert (found.mean, found.pairs) == (0.5, 1)
    assert math.isnan(found.half_width) and not found.is_clear


def test_a_comparison_pairs_by_seed():
    def run(arm, seed, loss):
        return Run(arm, seed, 1, {"loss": [loss]}, 1.0, 1.0)

    result = Comparison(
        (run("a", 0, 1.0), run("a", 1, 3.0), run("b", 1, 2.0), run("b", 0, 0.5), run("b", 9, 7.0))
    )
    found = result.differences("loss", to="a")["b"]
    # −0.5 and −1: mean −0.75, s = 0.25 √2, t = 12.706 with one degree of freedom
    assert (found.mean, found.pairs) == (-0.75, 2)
    assert found.half_width == pytest.approx(12.7062 * 0.25, rel=1e-4)
    assert not found.is_clear
