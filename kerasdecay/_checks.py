"""Argument checks. Each error names the argument, the allowed values, the value and the remedy."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import numbers
import operator
import re
from collections.abc import Iterable, Mapping
from typing import Any

LARGEST_INTEGER = 2**53
"""Up to here a float holds every integer."""

SMALLEST_RATE, LARGEST_RATE = 2.0**-126, (2.0 - 2.0**-23) * 2.0**127
"""The range of float32's normal numbers: an optimizer holds its rate in float32."""

_SIGNS = {
    "above": (">", operator.gt),
    "at_least": (">=", operator.ge),
    "below": ("<", operator.lt),
    "at_most": ("<=", operator.le),
}
_PERCENT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*%\s*")
_STEPS = re.compile(r"\s*([0-9]{1,15})\s*steps?\s*", re.IGNORECASE)
_LONGEST = 200
"""Characters of a received value that an error shows."""

NEAR = 0.7
"""The likeness, of at most 1, from which on a name is taken for a misspelling of another."""

_START = 3
"""Letters that the beginning of a name must have to stand for it."""


def invalid(owner: str, argument: str, allowed: str, received: Any, remedy: str = "") -> ValueError:
    """Return the `ValueError` for an argument out of its range, in one line."""
    message = f"{owner}: {argument} must be {allowed}. Received: {argument}={shown(received)}."
    return ValueError(f"{message} {remedy}".rstrip())


def shown(value: Any) -> str:
    """Return a received value as an error shows it: in one line, cut where it is long."""
    try:
        text = value.__name__ if isinstance(value, type) else " ".join(repr(value).split())
    except ValueError:  # Python refuses to print integers of more than 4,300 digits
        return f"a value of type {type(value).__name__} that cannot be printed"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def real(value: Any) -> float | None:
    """Return a real number as a float, or None for anything else, such as a string or a bool.

    A number beyond the range of a float becomes an infinity.

    Examples:
        >>> real(3), real(10**400), real("3"), real(True)
        (3.0, inf, None, None)
    """
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]


def number(owner: str, argument: str, value: Any, *, remedy: str = "", **limits: float) -> float:
    """Return `value` as a float, or raise a `ValueError` that states the range.

    The limits are any of `above`, `at_least`, `below` and `at_most`.
    """
    found = real(value)
    if found is None or not _is_within(found, limits):
        remedy = meant(value, **limits) or remedy
        raise invalid(owner, argument, f"a finite number{_stated(limits)}", value, remedy)
    return found


def meant(value: Any, **limits: float) -> str:
    """Return a question with the number that a text stands for, if that is one within limits.

    Examples:
        >>> meant("0.1", above=0), meant("50%", below=1), meant("two")
        ('Did you mean 0.1?', 'Did you mean 0.5?', '')
    """
    found = _written(value)
    return "" if found is None or not _is_within(found, limits) else f"Did you mean {found:g}?"


def _written(value: Any) -> float | None:
    """Return the number that a text or a variable stands for: `"0.1"`, `"50%"`; else None."""
    if not isinstance(value, str) and getattr(value, "shape", None) != ():
        return None
    if isinstance(value, str) and (form := _PERCENT.fullmatch(value)):
        return float(form.group(1)) / 100
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _is_within(found: float, limits: Mapping[str, float]) -> bool:
    return math.isfinite(found) and all(
        _SIGNS[name][1](found, limit) for name, limit in limits.items()
    )


def _stated(limits: Mapping[str, float]) -> str:
    return " and".join(f" {_SIGNS[name][0]} {limit:g}" for name, limit in limits.items())


def rate(
    owner: str,
    argument: str,
    value: Any,
    *,
    zero: bool = False,
    remedy: str = "",
    **limits: float,
) -> float:
    """Return a learning rate that float32 can hold as a float, or raise a `ValueError`.

    The limits are those of `number`.
    """
    lowest = {"at_least": 0.0} if zero else {"above": 0.0}
    if isinstance(value, str) and "%" in value:
        raise invalid(owner, argument, "a rate, and no share of another", value, remedy)
    remedy = rate_within(value) or remedy
    found = number(owner, argument, value, remedy=remedy, **{**lowest, **limits})
    if not SMALLEST_RATE <= found <= LARGEST_RATE and not (zero and found == 0):
        allowed = f"{'0 or ' * zero}between 1.2e-38 and 3.4e38, where float32 can hold a rate"
        raise invalid(owner, argument, allowed, value, remedy)
    return found


def rate_within(value: Any) -> str:
    """Return where the rate is in a range test, a model or an optimizer; else nothing."""
    if hasattr(value, "suggestion") or hasattr(value, "reason"):
        return "Give the number in it: found.suggestion.rate."
    if hasattr(value, "optimizer") and hasattr(value, "fit"):
        return "Leave the model out: fit knows it."
    has_rate = hasattr(value, "learning_rate") or hasattr(value, "param_groups")
    is_optimizer = has_rate and not callable(value)  # as schedules and decays are
    return "Leave the optimizer out: fit takes the model's." if is_optimizer else ""


def share(owner: str, argument: str, value: Any, **limits: float) -> float:
    """Return a share of a whole, such as 0.8 or `"80%"`, as a float, or raise a `ValueError`.

    The limits are those of `number`.

    Examples:
        >>> share("AdaptiveKnee", "latest", "80%", below=1)
        0.8
    """
    found, remedy = value, ""
    if isinstance(value, str) and "%" in value:
        found = _written(value)
    elif isinstance(value, str) and (written := _written(value)) is not None:
        remedy = f"Did you mean '{100 * written:g}%'?" if written <= 1 else ""
    elif 1 < (real(value) or 0) <= 100:
        remedy = f"Did you mean '{value:g}%'?"
    amount = real(found)
    if amount is None or not _is_within(amount, limits):
        allowed = f"a share{_stated(limits)}, such as 0.5 or '50%'"
        raise invalid(owner, argument, allowed, value, remedy)
    return amount


def integer(
    owner: str,
    argument: str,
    value: Any,
    *,
    at_least: int,
    at_most: int = LARGEST_INTEGER,
    remedy: str = "",
) -> int:
    """Return `value` as an int, or raise a `ValueError`; a float with no fraction is accepted."""
    found = real(value)
    written = _written(value)
    if written is not None and written.is_integer():
        remedy = meant(value, at_least=at_least, at_most=at_most) or remedy
    if found is not None and found > at_most:
        raise invalid(owner, argument, f"an integer >= {at_least} and <= {at_most}", value, remedy)
    if found is None or not found.is_integer() or found < at_least:
        raise invalid(owner, argument, f"an integer >= {at_least}", value, remedy)
    return int(value)


def steps(owner: str, argument: str, value: Any) -> str:
    """Return a number of steps as `"500 steps"`, or raise a `ValueError`."""
    form = _STEPS.fullmatch(value) if isinstance(value, str) else None
    if form is None or int(form.group(1)) < 1:
        raise invalid(owner, argument, 'None or a number of steps such as "500 steps"', value)
    return f"{int(form.group(1))} steps"


def flag(owner: str, argument: str, value: Any) -> bool:
    """Return `value` if it is True or False, of Python or of NumPy, or raise a `ValueError`."""
    kind = type(value)
    is_numpys = kind.__module__ == "numpy" and kind.__name__ in ("bool", "bool_")
    if not isinstance(value, bool) and not is_numpys:
        raise invalid(owner, argument, "True or False", value)
    return bool(value)


def verbose(owner: str, value: Any) -> int:
    """Return a level of verbosity, an integer >= 0; True is 1 and False is 0."""
    return int(value) if isinstance(value, bool) else integer(owner, "verbose", value, at_least=0)


def choice(owner: str, argument: str, value: Any, allowed: tuple[str, ...]) -> str:
    """Return `value` if it is one of `allowed`, or raise a `ValueError` that lists them."""
    if not isinstance(value, str) or value not in allowed:
        remedy = did_you_mean(allowed, value) if isinstance(value, str) else ""
        raise invalid(owner, argument, "one of " + ", ".join(map(repr, allowed)), value, remedy)
    return value


def did_you_mean(family: Iterable[str], name: str) -> str:
    """Return a question with the name nearest to one that there is not, or nothing."""
    folded = {one.lower(): one for one in family}
    written = name.strip().lower()
    near = difflib.get_close_matches(written, folded, n=1, cutoff=NEAR)
    # A name with more around it, as cosine-annealing, or the beginning of one, as exp.
    near += sorted((one for one in folded if one in written), key=len, reverse=True)
    near += [one for one in folded if len(written) >= _START and one.startswith(written)]
    return f"Did you mean {folded[near[0]]!r}?" if near else ""


def text(owner: str, argument: str, value: Any, *, what: str) -> str:
    """Return `value` if it is a string that is not empty, or raise a `ValueError`."""
    if not isinstance(value, str) or not value:
        raise invalid(owner, argument, what, value)
    return value


def instance(owner: str, argument: str, value: Any, kind: type, what: str, remedy: str = "") -> Any:
    """Return `value` if it is an instance of `kind`, or raise a `ValueError`."""
    if not isinstance(value, kind):
        raise invalid(owner, argument, what, value, made(value, kind) or remedy)
    return value


def made(value: Any, kind: type = object) -> str:
    """Return how an instance is written, where its class was given; else nothing."""
    is_class = isinstance(value, type) and issubclass(value, kind)
    return f"Write {value.__name__}(…)." if is_class else ""


def function(owner: str, argument: str, value: Any, what: str) -> Any:
    """Return `value` if it can be called, or raise a `ValueError`."""
    if not callable(value):
        raise invalid(owner, argument, what, value)
    return value


def items(owner: str, argument: str, value: Any, what: str) -> tuple[Any, ...]:
    """Return the items of a sequence, which no string or dict is, or raise a `ValueError`."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise invalid(owner, argument, what, value)
    return tuple(value)


def field(default: Any, check: Any, *, optional: bool = False, **arguments: Any) -> Any:
    """Return a dataclass field that `Checked` checks when an instance is made.

    Args:
        default: The field's default; a callable makes it (a class, say); `...` for none.
        check: Called with the owner's name, the field's name and its value. What it returns is
            stored.
        optional: Whether None is allowed; it is not checked then.
        **arguments: Passed to `check`.
    """
    metadata = checking(check, optional=optional, **arguments)
    if default is ...:
        return dataclasses.field(metadata=metadata)
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def checking(check: Any, *, optional: bool = False, **arguments: Any) -> dict[str, Any]:
    """Return the metadata of a field that `Checked` checks; see `field`."""
    return {"check": functools.partial(check, **arguments), "optional": optional}


def checked(described: dataclasses.Field[Any], owner: str, argument: str, value: Any) -> Any:
    """Return a field's value as its check returns it; a field without a check takes any value."""
    check = described.metadata.get("check")
    if check is None or (value is None and described.metadata["optional"]):
        return value
    return check(owner, argument, value)


class Checked:
    """Mixin for frozen dataclasses: the checks of their fields run when an instance is made."""

    @classmethod
    def owner(cls) -> str:
        """Return the name that error messages begin with."""
        return cls.__name__

    def __post_init__(self) -> None:
        """Check every field and store what its check returns."""
        for described in dataclasses.fields(self):  # type: ignore[arg-type]
            value = checked(described, self.owner(), described.name, getattr(self, described.name))
            object.__setattr__(self, described.name, value)
