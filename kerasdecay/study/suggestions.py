"""What a curve of losses over rising learning rates suggests: valley, steepest, minimum/10.

The three are fastai's `valley`, `steep` and `minimum` (Howard and Gugger, 2020, "fastai: A Layered
API for Deep Learning", and its `LRFinder`); valley was given to it by ESRI.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

from kerasdecay.records.range import LAST_LEFT_OUT, Suggestion, looked_at


def suggest(
    rates: Sequence[float], losses: Sequence[float], steps: int | None = None
) -> tuple[Suggestion, ...]:
    """Return valley, steepest and minimum/10 of a curve.

    The first ⌊steps/10⌋ points and the last 5 are left out, and so is every loss that is not
    finite.

    Examples:
        >>> rates = [10.0 ** (k / 10 - 4) for k in range(40)]
        >>> losses = [1.0] * 15 + [1 - k / 20 for k in range(1, 16)] + [0.4 * k for k in range(10)]
        >>> for suggestion in suggest(rates, losses):
        ...     print(suggestion.name, f"{suggestion.rate:.2g}")
        valley 0.01
        steepest 0.079
        minimum/10 0.01
    """
    window = looked_at(len(losses), len(losses) if steps is None else steps)
    points = [
        (rate, loss)
        for rate, loss in zip(rates[window], losses[window], strict=True)
        if math.isfinite(loss)
    ]
    x, y = [rate for rate, _ in points], [loss for _, loss in points]
    if len(points) < 3:
        reason = (
            f"{len(points)} of {len(losses)} points are left without the first "
            f"{window.start} and the last {LAST_LEFT_OUT}; it takes 3"
        )
        names = ("valley", "steepest", "minimum/10")
        return tuple(Suggestion(name, None, reason) for name in names)
    return valley(x, y), steepest(x, y), minimum_tenth(x, y)


def valley(rates: Sequence[float], losses: Sequence[float]) -> Suggestion:
    """Return the rate half way down the longest fall of the loss.

    With L the length of the longest strictly falling subsequence of the losses and e the index
    where the first such one ends, it is the rate at e − L + ⌊L/3⌋ + ⌊L/6⌋. Small rises in between
    do not end a fall, so noise affects this suggestion least.
    """
    length, end = _longest_fall(losses)
    if length < 3:
        return Suggestion("valley", None, "the loss never falls for 3 points")
    index = end - length + length // 3 + length // 6
    return Suggestion("valley", rates[index], f"half way down a fall of {length} points")


def steepest(rates: Sequence[float], losses: Sequence[float]) -> Suggestion:
    """Return the rate where the loss falls fastest: argmin of Δloss / Δ ln(rate)."""
    slopes = [
        (losses[k + 1] - losses[k]) / math.log(rates[k + 1] / rates[k])
        for k in range(len(losses) - 1)
    ]
    index = min(range(len(slopes)), key=slopes.__getitem__)
    if slopes[index] >= 0:
        return Suggestion("steepest", None, "the loss never falls")
    slope = slopes[index] * math.log(10)
    return Suggestion("steepest", rates[index], f"the loss changes by {slope:.3g} a decade there")


def minimum_tenth(rates: Sequence[float], losses: Sequence[float]) -> Suggestion:
    """Return a tenth of the rate where the loss is lowest, just before it rises."""
    index = min(range(len(losses)), key=losses.__getitem__)
    if index == 0:
        return Suggestion("minimum/10", None, "the loss never falls below its first value")
    reason = f"a tenth of {rates[index]:.3g}, where the loss is lowest"
    return Suggestion("minimum/10", rates[index] / 10, reason)


def _longest_fall(losses: Sequence[float]) -> tuple[int, int]:
    """Return the length of the longest strictly falling subsequence, and the first end of one.

    Patience sorting (Schensted, 1961): `tops[k]` is the largest last value, negated, of a fall of
    k + 1 points. The place of a point among them is the length of the longest fall that ends in it.
    """
    tops: list[float] = []
    length, end = 0, 0
    for index, loss in enumerate(losses):
        place = bisect.bisect_left(tops, -loss)
        tops[place : place + 1] = [-loss]
        if place + 1 > length:
            length, end = place + 1, index
    return length, end
