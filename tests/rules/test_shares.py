"""Shares of the horizon: 0.8 and "80%" are the same."""

from __future__ import annotations

from typing import Any

import pytest

from kerasdecay._checks import share
from kerasdecay.rules import AdaptiveKnee, WeightNorm


@pytest.mark.parametrize(
    ("given", "expected"),
    [(0.8, 0.8), ("80%", 0.8), (" 12.5 % ", 0.125), ("0%", 0.0), (0, 0.0), ("29%", 0.29)],
)
def test_both_ways_to_write_a_share(given: Any, expected: float) -> None:
    assert share("Owner", "part", given, at_least=0, below=1) == expected


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (80, "Did you mean '80%'"),
        (2.5, "Did you mean '2.5%'"),
        ("100%", ""),
        ("half", ""),
        (-0.1, ""),
    ],
)
def test_what_is_no_share_is_named(given: Any, meant: str) -> None:
    told = r"Owner: part must be a share >= 0 and < 1, such as 0.5 or '50%'. Received: part="
    with pytest.raises(ValueError, match=f"{told}.*{meant}"):
        share("Owner", "part", given, at_least=0, below=1)


def test_rules_take_both() -> None:
    assert AdaptiveKnee(min_hold="25%", latest="75%") == AdaptiveKnee(min_hold=0.25, latest=0.75)
    assert WeightNorm(last_decay="85%") == WeightNorm(last_decay=0.85)
    assert AdaptiveKnee.from_config(AdaptiveKnee(latest="75%").get_config()).latest == 0.75


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: AdaptiveKnee(min_hold="60%", latest="50%"), "latest must be a share >= 0.6"),
        (lambda: AdaptiveKnee(latest=80), r"latest must be a share.*Did you mean '80%'"),
        (lambda: WeightNorm(last_decay="100%"), "last_decay must be a share > 0 and < 1"),
    ],
)
def test_rules_name_a_share_out_of_range(make: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        make()
