"""Periods: what happens every so often, with ends that are rounded to whole updates.

Period k = 1, 2, … ends at ⌊length × k + ½⌋: each end is rounded once, from its exact place, so that
errors do not add up. Four periods of a quarter of the horizon end at the horizon.
"""

from __future__ import annotations

import functools
import math
import sys
from typing import Any, NamedTuple

import numpy as np

from kerasdecay import _checks
from kerasdecay.schedules.namespace import NUMPY
from kerasdecay.schedules.timeline import HALF_UP, Moment

_MOST = 1_000_000
"""The most ends that are written down; more would take gigabytes."""


class Phase(NamedTuple):
    """Where in its period a moment lies.

    `number` is the integer number of periods that are done; `done` and `left` are the updates of
    the present period before and after the moment.
    """

    number: Any
    done: Any
    left: Any


def done(now: Moment, length: float) -> Any:
    """Return the number of whole periods of `length` updates, > 0.5, that are done."""
    if float(length).is_integer():
        return now.update // int(length)
    if now.xp is NUMPY:
        return _count(length, now.update)
    # One update further: where several periods end at the horizon, all of them are done.
    return now.xp.passed(edges(length, now.horizon + 1), now.update)


def phase(now: Moment, length: float, growth: float = 1.0) -> Phase:
    """Return where in its period a moment lies; the horizon still belongs to the last one."""
    xp = now.xp
    is_regular = growth == 1.0 and (xp is NUMPY or float(length).is_integer())
    if is_regular:
        last = int(_count(length, max(now.horizon, 1) - 1))
        number = xp.minimum(done(now, length), last)
        start, end = _end(xp, length, number), _end(xp, length, number + 1)
    else:
        ends = edges(length, now.horizon, growth)
        number = xp.minimum(xp.passed(ends, now.update), len(ends) - 1)
        start = xp.take(np.concatenate([[0], ends[:-1]]), number)
        end = xp.take(ends, number)
    return Phase(number, xp.real(now.update - start), xp.real(end - now.update))


def last_end(length: float, horizon: int, growth: float = 1.0) -> int:
    """Return the end of the last period that fits into the horizon, of which there must be one."""
    if growth == 1.0:
        return int(_end(NUMPY, length, _count(length, horizon)))
    ends = edges(length, horizon, growth)
    return int(ends[ends <= horizon][-1])


def _end(xp: Any, length: float, number: Any) -> Any:
    """Return the end of a period, by the number of periods done then."""
    if float(length).is_integer():
        return number * int(length)
    return np.floor(length * number + HALF_UP).astype(np.int64)


def _count(length: float, update: Any) -> Any:
    """Return how many periods have ended at `update`, on the host."""
    number = np.ceil((np.asarray(update) + 1 - HALF_UP) / length).astype(np.int64) - 1
    # The division is off by one where its rounding passes an integer.
    number = number + (np.floor(length * (number + 1) + HALF_UP) <= update)
    return number - (np.floor(length * number + HALF_UP) > update)


@functools.lru_cache(maxsize=256)
def edges(length: float, horizon: int, growth: float = 1.0) -> np.ndarray:
    """Return the ends of the periods, from the first to the one that reaches the horizon.

    The last one is the first that is >= `horizon`. Each period is `growth` times as long as the one
    before. The integers are read-only.

    Raises:
        ValueError: If there are more than a million periods.

    Examples:
        >>> edges(2.5, 10).tolist(), edges(1.0, 7, growth=2.0).tolist()
        ([3, 5, 8, 10], [1, 3, 7])
    """
    if growth == 1.0:
        count = horizon / length
    else:
        last = min(horizon * (growth - 1.0) / length, sys.float_info.max)
        count = math.log1p(last) / math.log(growth)
    if count > _MOST:
        allowed = f"so long that there are at most {_MOST:,} of them in {horizon:,} updates"
        remedy = "Make it longer, or a whole number of updates."
        raise _checks.invalid("kerasdecay", "the length of a period", allowed, length, remedy)
    number = np.arange(1, int(count) + 3, dtype=np.float64)
    # A period that ends beyond the range of an integer ends beyond the horizon too.
    with np.errstate(over="ignore"):
        sums = number if growth == 1.0 else (growth**number - 1.0) / (growth - 1.0)
        exact = np.minimum(length * sums + HALF_UP, 2.0 * _checks.LARGEST_INTEGER)
    ends = np.floor(exact).astype(np.int64)
    ends = ends[: int(np.searchsorted(ends, horizon)) + 1]
    ends.flags.writeable = False
    return ends
