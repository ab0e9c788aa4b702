"""The difference of two arms, taken seed by seed, with its 95 % interval."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from kerasdecay.rules.student import within

_LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences and its 95 % interval.

    With d₁ … dₙ the differences, the interval is d̄ ± t s/√n, where s is their sample standard
    deviation and t the 97.5 % quantile of Student's distribution with n − 1 degrees of freedom.

    Attributes:
        mean: The mean difference, in the unit of the metric.
        half_width: Half the length of the interval; NaN for a single pair.
        pairs: How many pairs there are.

    Examples:
        >>> str(Difference.of([0.02, 0.03, 0.04]))
        '+0.0300 ± 0.0248'

    Source: Student, 1908, "The probable error of a mean".
    """

    mean: float
    half_width: float
    pairs: int

    @classmethod
    def of(cls, differences: Sequence[float]) -> Difference:
        """Return the mean of at least one difference, with its interval."""
        count = len(differences)
        if not all(map(math.isfinite, differences)):
            return cls(math.nan, math.nan, count)
        mean = statistics.fmean(differences)
        if count < 2:
            return cls(mean, math.nan, count)
        error = statistics.stdev(differences) / math.sqrt(count)
        return cls(mean, quantile(count - 1) * error, count)

    @property
    def is_clear(self) -> bool:
        """Whether the whole interval lies on one side of 0."""
        return abs(self.mean) > self.half_width

    def __str__(self) -> str:
        if math.isnan(self.mean):
            return "–"
        text = f"{self.mean:+.4f}"
        return text if math.isnan(self.half_width) else f"{text} ± {self.half_width:.4f}"


def quantile(freedom: int) -> float:
    """Return the t that Student's distribution exceeds in size with a probability of 5 %.

    Examples:
        >>> round(quantile(4), 3)
        2.776
    """
    # The angle is arctan(t/√ν), and the probability grows with it.
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, freedom) < _LEVEL else (low, middle)
    return math.sqrt(freedom) * math.tan((low + high) / 2)
