"""How much a metric swings from epoch to epoch, as one number."""

from __future__ import annotations

import numbers
import statistics
from collections.abc import Sequence
from itertools import pairwise

from kerasdecay._checks import integer, invalid


def steadiness(values: Sequence[float], last: int = 5) -> float:
    """Return the standard deviation of the epoch-to-epoch change over the last epochs.

    With dₑ = vₑ − vₑ₋₁ the change that epoch e brought, it is the sample standard deviation
    √(Σ(dₑ − d̄)² / (n − 1)) of the last n = `last` changes. It is 0 for a metric that moves by the
    same amount every epoch, however fast, and large for one that rises and falls: smaller is
    steadier.

    Args:
        values: The metric after each epoch, in its own unit (an accuracy: 0 to 1).
        last: How many changes count, an integer >= 2; of a shorter training all changes count.

    Returns:
        The standard deviation in the metric's unit; NaN with fewer than two changes or where one
        of them is not finite.

    Raises:
        ValueError: If `values` is not a sequence of numbers, or `last` not an integer >= 2.

    Examples:
        >>> steadiness([0.1, 0.2, 0.3, 0.4])
        0.0
        >>> round(steadiness([0.5, 0.6, 0.5, 0.6, 0.5, 0.6]), 4)
        0.1095
    """
    last = integer("steadiness", "last", last, at_least=2, remedy="A spread needs two changes.")
    # Rounding clears what subtracting two floats leaves behind (0.3 − 0.2 is not 0.1).
    changes = [round(after - before, 12) for before, after in pairwise(_numbers(values))][-last:]
    if len(changes) < 2 or any(change - change != 0 for change in changes):
        return float("nan")
    return statistics.stdev(changes)


def _numbers(values: Sequence[float]) -> list[float]:
    try:
        if not isinstance(values, str) and all(isinstance(each, numbers.Real) for each in values):
            return [float(each) for each in values]
    except (TypeError, OverflowError):
        pass  # not iterable, or an integer that no float can hold
    allowed = "a sequence of numbers, one for each epoch"
    raise invalid("steadiness", "values", allowed, type(values).__name__)
