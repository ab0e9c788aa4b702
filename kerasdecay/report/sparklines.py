"""A curve in one line of text."""

from __future__ import annotations

from typing import Any

import numpy as np

BLOCKS = "▁▂▃▄▅▆▇█"

_SHARE_OF_HIGH = 1 / 8
_HIDDEN = 1 / 3


def needs_log(*curves: Any) -> bool:
    """Tell whether a linear scale would hide too much of the curves.

    It does if at least a third of the positive rates lie below an eighth of the highest.
    """
    rates = np.concatenate([np.ravel(curve) for curve in curves])
    rates = rates[rates > 0]
    return rates.size > 0 and bool(np.mean(rates < rates.max() * _SHARE_OF_HIGH) >= _HIDDEN)


def heights(rates: Any, low: float, high: float, *, log: bool) -> np.ndarray:
    """Return rates as heights from 0 (`low`, and everything below it) to 1 (`high`)."""
    rates = np.asarray(rates, dtype=np.float64)
    if high <= low:
        return np.ones_like(rates)
    if log:
        rates, low, high = np.log(np.maximum(rates, low)), np.log(low), np.log(high)
    return np.clip((rates - low) / (high - low), 0.0, 1.0)


def limits(*curves: Any, log: bool) -> tuple[float, float]:
    """Return the ends of a scale for curves: from 0, or from the lowest rate > 0 if logarithmic."""
    rates = np.concatenate([np.ravel(curve) for curve in curves])
    if not log:
        return 0.0, float(rates.max())
    return float(rates[rates > 0].min()), float(rates.max())


def sparkline(rates: Any, *, width: int = 40) -> str:
    """Return a curve as a line of blocks.

    The scale starts at 0. It is logarithmic if it would otherwise hide most of the curve.

    Args:
        rates: One or more rates >= 0, at equal distances.
        width: Characters, >= 1.

    Examples:
        >>> sparkline([0.1, 0.1, 0.05, 0.025], width=8)
        '████▅▅▃▃'
    """
    rates = np.asarray(rates, dtype=np.float64)
    rates = rates[np.arange(width) * len(rates) // width]
    log = needs_log(rates)
    height = heights(rates, *limits(rates, log=log), log=log)
    top = len(BLOCKS) - 1
    return "".join(BLOCKS[level] for level in np.rint(height * top).astype(int))
