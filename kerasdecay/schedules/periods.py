"""Periods: what happens every so often, its edges rounded to whole updates."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from kerasdecay.schedules.timeline import HALF_UP, Moment


@functools.lru_cache(maxsize=256)
def edges(length: float, horizon: int, growth: float = 1.0) -> np.ndarray:
    """Return the ends of the periods, from the first to the one that reaches the horizon.

    Each end is rounded once, from its exact place, so that errors do not add up: four periods of a
    quarter of the horizon end at the horizon.

    Args:
        length: The first period in updates, with fraction, > 0.
        horizon: The last update of interest.
        growth: Each period is this many times as long as the one before, >= 1.

    Returns:
        Ascending integers, read-only; the last is the first that is >= horizon.

    Examples:
        >>> edges(2.5, 10).tolist(), edges(1.0, 7, growth=2.0).tolist()
        ([3, 5, 8, 10], [1, 3, 7])
    """
    if growth == 1.0:
        count = horizon / length
    else:
        count = math.log1p(horizon * (growth - 1.0) / length) / math.log(growth)
    number = np.arange(1, int(count) + 3, dtype=np.float64)
    sums = number if growth == 1.0 else (growth**number - 1.0) / (growth - 1.0)
    ends = np.floor(length * sums + HALF_UP).astype(np.int64)
    ends = ends[: int(np.searchsorted(ends, horizon)) + 1]
    ends.flags.writeable = False
    return ends


class Phase(NamedTuple):
    """Where in its period a moment lies.

    Attributes:
        number: Periods done, an integer.
        done: Updates done in this one, a float.
        left: Updates left of this one, a float.
    """

    number: Any
    done: Any
    left: Any


def done(now: Moment, length: float) -> Any:
    """Return the number of whole periods that are done."""
    return now.xp.passed(edges(length, now.horizon), now.update)


def phase(now: Moment, length: float, growth: float = 1.0) -> Phase:
    """Return where in its period a moment lies; the horizon still belongs to the last one."""
    xp = now.xp
    ends = edges(length, now.horizon, growth)
    starts = np.concatenate([[0], ends[:-1]])
    number = xp.minimum(xp.passed(ends, now.update), len(ends) - 1)
    return Phase(
        number,
        xp.real(now.update - xp.take(starts, number)),
        xp.real(xp.take(ends, number) - now.update),
    )
