"""Student's distribution, without SciPy."""

from __future__ import annotations

import math


def student_cdf(t: float, degrees: int) -> float:
    """Return P(T <= t) for Student's distribution with `degrees` >= 1 degrees of freedom.

    Examples:
        >>> round(student_cdf(-1.734064, 18), 6)
        0.05
    """
    return 0.5 + math.copysign(within(math.atan(abs(t) / math.sqrt(degrees)), degrees) / 2, t)


def within(angle: float, degrees: int) -> float:
    """Return the probability of |T| < √ν tan(angle), ν the degrees of freedom.

    Source: Abramowitz & Stegun, 1964, equations 26.7.3 and 26.7.4.
    """
    odd = degrees % 2
    term = math.cos(angle) if odd else 1.0
    total = term if degrees > 1 else 0.0
    for place in range(2 + odd, degrees, 2):
        term *= (place - 1) / place * math.cos(angle) ** 2
        total += term
    total *= math.sin(angle)
    return min(2 / math.pi * (angle + total) if odd else total, 1.0)
