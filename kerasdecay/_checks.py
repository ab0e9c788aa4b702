"""Argument checks that speak: each error names argument, allowed values, value, remedy."""

from __future__ import annotations

import math
import numbers
from typing import Any


def invalid(owner: str, argument: str, allowed: str, received: Any, remedy: str = "") -> ValueError:
    """Return the `ValueError` for an argument out of its range, in one line."""
    message = f"{owner}: {argument} must be {allowed}. Received: {argument}={received!r}."
    return ValueError(f"{message} {remedy}".rstrip())


def number(
    owner: str,
    argument: str,
    value: Any,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    remedy: str = "",
) -> float:
    """Return `value` as a float, or raise a `ValueError` that states the open or closed range."""
    bounds = [
        (above, ">", lambda x, limit: x > limit),
        (at_least, ">=", lambda x, limit: x >= limit),
        (below, "<", lambda x, limit: x < limit),
        (at_most, "<=", lambda x, limit: x <= limit),
    ]
    stated = [(limit, sign, holds) for limit, sign, holds in bounds if limit is not None]
    allowed = "a finite number" + "".join(
        f"{' and' if index else ''} {sign} {limit:g}"
        for index, (limit, sign, _) in enumerate(stated)
    )
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (
        is_number
        and math.isfinite(value)
        and all(holds(value, limit) for limit, _, holds in stated)
    ):
        raise invalid(owner, argument, allowed, value, remedy)
    return float(value)


def integer(owner: str, argument: str, value: Any, *, at_least: int, remedy: str = "") -> int:
    """Return `value` as an int, or raise a `ValueError`; a float with no fraction is accepted."""
    is_whole = (
        isinstance(value, numbers.Real)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and float(value).is_integer()
    )
    if not is_whole or value < at_least:
        raise invalid(owner, argument, f"an integer >= {at_least}", value, remedy)
    return int(value)


def choice(owner: str, argument: str, value: Any, allowed: tuple[str, ...]) -> str:
    """Return `value` if it is one of `allowed`, or raise a `ValueError` that lists them."""
    if not isinstance(value, str) or value not in allowed:
        raise invalid(owner, argument, "one of " + ", ".join(map(repr, allowed)), value)
    return value
