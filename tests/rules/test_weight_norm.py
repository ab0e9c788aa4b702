"""Decay by the weight norm: the published algorithm on sequences computed by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasdecay.rules import WeightNorm


def scales(rule: WeightNorm, norms: list[Any], learning_rate: float = 1.0) -> Any:
    return pytest.approx([state.scale for state in rule.replay(norms, learning_rate)])


def kinds(rule: WeightNorm, norms: list[Any], learning_rate: float = 1.0) -> list[str]:
    return [state.decision.kind for state in rule.replay(norms, learning_rate)]


EARLY = WeightNorm(last_decay=None)

# The norms after each epoch, and the scale from then on, by hand: a bounce is seen one epoch after
# the turn; the first arms, the second decays.
BY_HAND = {
    "it only grows": ([1, 2, 3, 4, 5], [1, 1, 1, 1, 1]),
    "it falls to its minimum and grows": ([9, 7, 5, 6, 7, 8], [1, 1, 1, 1, 1, 1]),
    "and falls again": ([9, 7, 5, 6, 7, 6.5], [1, 1, 1, 1, 1, 0.1]),
    "it grows first": ([1, 2, 1.5, 1.2, 1.3, 1.4], [1, 1, 1, 1, 0.1, 0.1]),
    "it zigzags": ([1, 2, 1, 2, 1, 2, 1], [1, 1, 1, 0.1, 0.1, 0.01, 0.01]),
    "it rests at its turn, which hides the bounce": ([9, 7, 7, 8, 7], [1, 1, 1, 1, 1]),
    "a long way between bounces": (
        [5, 4, 4.5, 5, 5.5, 6, 6.5, 6.4, 6.3, 6.2, 6.3, 6.4, 6.3],
        [1] * 7 + [0.1] * 5 + [0.01],
    ),
    "too few to see anything": ([1, 2], [1, 1]),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_every_second_bounce_decays(name: str) -> None:
    norms, expected = BY_HAND[name]
    assert scales(EARLY, norms) == expected


def algorithm(norms: list[float], factor: float, last_decay_epoch: int | None) -> list[float]:
    """Algorithm 1 of the paper, line by line: the rate after each epoch, from 1."""
    learning_rate, reached_minimum, rates = 1.0, False, []
    for t in range(len(norms)):
        if t >= 2 and (norms[t] - norms[t - 1]) * (norms[t - 1] - norms[t - 2]) < 0:
            if reached_minimum:
                learning_rate = factor * learning_rate
                reached_minimum = False
            else:
                reached_minimum = True
        if last_decay_epoch is not None and t + 1 == last_decay_epoch:
            learning_rate = factor * learning_rate
        rates.append(learning_rate)
    return rates


@given(
    norms=st.lists(st.integers(0, 5).map(float), min_size=2, max_size=40),
    factor=st.sampled_from([0.1, 0.5]),
    share=st.sampled_from([None, 1, 2, 3]),
)
def test_the_rates_are_those_of_the_published_algorithm(
    norms: list[float], factor: float, share: int | None
) -> None:
    # A late decay after a whole number of epochs, before the last.
    late = None if share is None else max(1, len(norms) * share // 4)
    rule = WeightNorm(factor, None if late is None else late / len(norms))
    assert scales(rule, norms) == algorithm(norms, factor, late)


@pytest.mark.parametrize(
    ("share", "epochs", "after"),
    [(0.85, 20, 17), (0.85, 10, 9), (0.07, 100, 7), (0.29, 100, 29), (0.5, 5, 3), (0.85, 3, 2)],
)
def test_one_late_decay_after_a_share_of_the_horizon(share: float, epochs: int, after: int) -> None:
    growing = [float(epoch) for epoch in range(epochs)]
    expected = [1.0] * (after - 1) + [0.1] * (epochs - after + 1)
    assert scales(WeightNorm(last_decay=share), growing) == expected


def test_the_late_decay_is_never_after_the_last_epoch_where_it_would_train_nothing() -> None:
    assert scales(WeightNorm(last_decay=0.99), [1.0, 2.0]) == [0.1, 0.1]
    assert scales(WeightNorm(), [1.0]) == [1.0]


def test_a_bounce_and_the_late_decay_in_one_epoch_are_two_decays() -> None:
    norms = [3.0, 2.0, 3.0, 2.0, 3.0, 2.0, 3.0, 2.0]
    rule = WeightNorm(last_decay=0.5)  # after epoch 3, whose bounce is the second
    assert scales(rule, norms) == [1, 1, 1, 0.01, 0.01, 0.001, 0.001, 0.0001]


def test_the_late_decay_waits_for_a_norm_and_then_comes_once() -> None:
    norms: list[Any] = [1.0, 2.0, {}, math.nan, 3.0, 4.0, 5.0, 6.0]
    assert scales(WeightNorm(last_decay=0.4), norms) == [1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, {}])
def test_what_is_no_norm_is_left_out(bad: Any) -> None:
    with_bad = [9, bad, 7, 5, bad, 6, bad, bad, 7, 6.5]
    assert scales(EARLY, with_bad) == [1] * 9 + [0.1]
    assert kinds(EARLY, [1.0, bad])[1] == ("absent" if bad == {} else "nonfinite")


def test_huge_and_tiny_norms_bounce_like_any_other() -> None:
    for unit in (1e308, 1.0, 1e-300):
        norms = [one * unit for one in (1.5, 0.5, 1.0, 0.8)]
        assert scales(EARLY, norms) == [1, 1, 1, 0.1]
    assert scales(EARLY, [-1e308, 1e308, 1e308, 1e308]) == [1, 1, 1, 1]


def test_min_lr_bounds_the_rate() -> None:
    zigzag = [1.0, 2.0] * 5
    rule = WeightNorm(last_decay=None, min_lr=0.02)
    assert scales(rule, zigzag, 0.5) == [1, 1, 1, 0.1, 0.1] + [0.04] * 5
    assert kinds(rule, zigzag, 0.5)[3::2] == ["reduce", "reduce", "floor", "floor"]
    assert scales(rule, zigzag, 0.01) == [1] * 10


def test_reasons_are_sentences_with_the_numbers() -> None:
    norms: list[Any] = [9.0, 7.5, 8.0, 8.5, {}, 8.2, 8.4, 8.3, math.nan, 8.2]
    assert [state.decision.reason for state in WeightNorm(last_decay=0.99).replay(norms)] == [
        "weight_norm 9: too few to see a bounce",
        "weight_norm 7.5: too few to see a bounce",
        "weight_norm turned at 7.5, its first bounce",
        "weight_norm 8.5 has not turned, armed",
        "weight_norm was not measured: does not count",
        "weight_norm turned at 8.5, its second bounce: rate × 0.1",
        "weight_norm turned at 8.2, its first bounce",
        "weight_norm turned at 8.4, its second bounce: rate × 0.1",
        "weight_norm is nan: does not count",
        "weight_norm 8.2 has not turned",
    ]
    *_, late, _ = WeightNorm(min_lr=1.0, last_decay=0.6).replay([1.0, 2.0, 3.0])
    assert late.decision.reason == (
        "2 of 3 epochs are done, time for the late decay; weight_norm 2: too few to see a bounce, "
        "and the rate is at min_lr 1"
    )


@pytest.mark.parametrize(
    ("argument", "value"),
    [("factor", 1.0), ("factor", 0), ("last_decay", 0.0), ("last_decay", 1.0), ("min_lr", -1)],
)
def test_a_value_out_of_range_is_named(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"WeightNorm: {argument} must be .* Received: {argument}"):
        WeightNorm(**{argument: value})
