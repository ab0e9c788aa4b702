"""Durations: `3` (epochs), `"500 steps"`, `"10%"` of the horizon."""

from __future__ import annotations

import math
import re
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules.timeline import HALF_UP, Timeline, unknown_steps

Duration = int | float | str
"""An amount of training: a number of epochs, `"500 steps"`, `"0.5 epochs"`, or `"10%"` of the
horizon. A bare number between 0 and 1 is none: it could be a share or a part of an epoch."""

_ALLOWED = 'a number of epochs >= 0, "500 steps", or a share of the horizon such as "10%"'
_FORM = re.compile(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*(%|steps?|epochs?)\s*", re.IGNORECASE)


def in_percent(value: Any) -> str:
    """Return the question whether a number of epochs was meant as a share, or nothing."""
    number = _checks.real(value)
    return f"Did you mean '{number:g}%'?" if number is not None and number <= 100 else ""


def _remedy(written: str) -> str:
    """Return what a text that is no duration may be meant to be, in a question, or nothing."""
    try:
        number = float(written)
    except ValueError:
        return _BATCHES if "batch" in written or "iter" in written else ""
    meant = f"'{100 * number:g}%'" if 0 < number < 1 else f"{number:g}"
    return f"Did you mean {meant}?"


_BATCHES = "A step is a batch: write '500 steps'."


def parse(owner: str, argument: str, value: Any) -> tuple[float, str]:
    """Return (amount, unit), the unit being `"epochs"`, `"steps"` or `"%"`, or raise a ValueError.

    Examples:
        >>> parse("warmup", "duration", "10%")
        (10.0, '%')
    """
    if not isinstance(value, str):
        found = _checks.number(
            owner, argument, value, at_least=0, remedy=f"A duration is {_ALLOWED}."
        )
        if 0 < found < 1:
            remedy = f"Did you mean '{100 * found:g}%'? A part of an epoch is '{found:g} epochs'."
            allowed = "0, a number of epochs >= 1, or a share of the horizon in %"
            raise _checks.invalid(owner, argument, allowed, value, remedy)
        return found, "epochs"
    form = _FORM.fullmatch(value)
    try:
        amount = float(form.group(1)) if form else -1.0
    except ValueError:  # several decimal points
        amount = -1.0
    if form is None or not 0 <= amount < math.inf:
        raise _checks.invalid(owner, argument, _ALLOWED, value, _remedy(value))
    unit = form.group(2).lower()
    if unit == "%":
        if amount > 100:
            raise _checks.invalid(owner, argument, "a share between 0% and 100%", value)
        return amount, "%"
    unit = unit.rstrip("s") + "s"
    if unit == "steps" and not amount.is_integer():
        raise _checks.invalid(owner, argument, "a whole number of steps", value)
    return amount, unit


def check(owner: str, argument: str, value: Any, *, positive: bool = False) -> Duration:
    """Return `value` if it is a duration (and, if asked, longer than 0), or raise a ValueError."""
    amount, _ = parse(owner, argument, value)
    if positive and amount == 0:
        raise _checks.invalid(owner, argument, "a duration longer than 0", value)
    is_plain = isinstance(value, (str, int)) or type(value) is float
    plain: Duration = value if is_plain else amount  # a NumPy scalar, say, has no JSON form
    return plain


def updates_in(value: Duration, timeline: Timeline, horizon: int | None = None) -> int:
    """Return a checked duration as a whole number of updates of this run, rounded once.

    A share in % is one of `horizon`; None means the whole run's.

    Examples:
        >>> updates_in("10%", Timeline(15, 100)), updates_in(3, Timeline(15, unit="epoch"))
        (150, 3)
    """
    return math.floor(exact_updates_in(value, timeline, horizon) + HALF_UP)


def exact_updates_in(value: Duration, timeline: Timeline, horizon: int | None = None) -> float:
    """Return a checked duration in updates, with fraction, for formulas without a boundary.

    Examples:
        >>> exact_updates_in(2.4, Timeline(15, unit="epoch"))
        2.4
    """
    amount, unit = parse("duration", "value", value)
    if unit == "steps":
        if timeline.steps_per_epoch is None:
            raise unknown_steps("a duration in steps")
        exact = amount * timeline.updates_per_epoch / timeline.steps_per_epoch
    elif unit == "%":
        exact = amount * (timeline.updates if horizon is None else horizon) / 100.0
    else:
        exact = amount * timeline.updates_per_epoch
    return min(exact, float(_checks.LARGEST_INTEGER))  # which no run exceeds


def is_whole_epochs(value: Duration) -> bool:
    """Tell whether a duration is a whole number of epochs: it ends with one in every run."""
    amount, unit = parse("duration", "value", value)
    return unit == "epochs" and amount.is_integer()
