"""How far a reduction may go."""

from __future__ import annotations

import math
import struct


def reduction(rate: float, factor: float, min_lr: float) -> float:
    """Return what a rate is multiplied by: `factor`, less where that would pass `min_lr`.

    1.0 means that the rate is at the floor already, compared in single precision, as the optimizer
    holds it. A rate below the floor is not raised.

    Examples:
        >>> reduction(0.1, 0.1, 0.0), reduction(0.1, 0.1, 0.05), reduction(0.1, 0.1, 0.1)
        (0.1, 0.5, 1.0)
    """
    if not single(rate) > single(min_lr):
        return 1.0
    return factor if rate * factor >= min_lr else min_lr / rate


def change_text(change: float, factor: float, limit: str, value: float) -> str:
    """Return a change of the rate in words, and the limit that kept it from the whole factor.

    Examples:
        >>> change_text(0.5, 0.1, "min_lr", 0.05)
        'rate × 0.5, as min_lr is 0.05'
    """
    cut = "" if math.isclose(change, factor) else f", as {limit} is {value:g}"
    return f"rate × {change:.4g}{cut}"


def share_of(share: float, epochs: int) -> float:
    """Return a share of the epochs. Where it should be whole it is: 0.07 × 100 is 7, not 7.0…1."""
    exact = share * epochs
    return round(exact) if abs(exact - round(exact)) < 1e-9 else exact


def single(value: float) -> float:
    """Round to single precision, in which Keras holds rates and compares metrics."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.inf if value > 0 else -math.inf
