"""Which way a monitored metric improves."""

from __future__ import annotations

import math
import re

from kerasdecay import _checks
from kerasdecay.rules.reduction import single

MODES = ("auto", "min", "max")
DELTA_MODES = ("abs", "rel")
PATIENCE = "How many epochs to wait is patience=…."

_FALLS = re.compile(
    r"(^|_)(loss|error|mse|mae|rmse|mape|msle|perplexity|crossentropy|divergence|poisson|hinge)$"
)
_RISES = re.compile(r"(^|_)(acc|accuracy|auc|precision|recall|iou|(f1|fbeta|r2)(_score)?)$")


def direction_of(monitor: str) -> str | None:
    """Return `"min"` or `"max"` where the name alone tells, else None.

    Examples:
        >>> direction_of("val_loss"), direction_of("val_accuracy"), direction_of("my_metric")
        ('min', 'max', None)
    """
    name = monitor.removeprefix("val_")
    if _FALLS.search(name):
        return "min"
    if _RISES.search(name):
        return "max"
    return None


def undecided(owner: str, monitor: str) -> ValueError:
    """Return the error for a metric of which neither mode nor name tells the better direction."""
    allowed = f"'min' or 'max' for a metric whose name does not tell (monitor={monitor!r})"
    remedy = "Pass mode='min' if lower is better, mode='max' if higher is."
    return _checks.invalid(owner, "mode", allowed, "auto", remedy)


def resolved(owner: str, monitor: str, mode: str) -> str:
    """Return `"min"` or `"max"`, from the mode or, if that is `"auto"`, from the name.

    Raises:
        ValueError: If neither tells.
    """
    direction = direction_of(monitor) if mode == "auto" else mode
    if direction is None:
        raise undecided(owner, monitor)
    return direction


def described(monitor: str, value: float, recent: tuple[float, ...]) -> str:
    """Return what was observed, in words; `value` and `recent` are the result of `smoothed`.

    Examples:
        >>> described("val_loss", 0.5, ()), described("val_loss", 0.5, (0.4, 0.6))
        ('val_loss 0.5', 'val_loss (mean of 2) 0.5')
    """
    averaged = len(recent) > 1 and math.isfinite(single(value))
    return f"{monitor}{f' (mean of {len(recent)})' * averaged} {value:.4g}"


def kind_of(kind: str, value: float) -> str:
    """Return the kind of a decision: `kind`, or `"nonfinite"` if the value is no finite number."""
    return kind if math.isfinite(value) else "nonfinite"


def smoothed(
    value: float, recent: tuple[float, ...], count: int
) -> tuple[float, tuple[float, ...]]:
    """Return the mean of the last `count` values, and those values.

    A value that is not finite in single precision comes back as it is and does not enter the mean;
    nor does any value where `count` is 1.

    Examples:
        >>> smoothed(4.0, (1.0, 2.0), 2)
        (3.0, (2.0, 4.0))
    """
    if count == 1 or not math.isfinite(single(value)):
        return value, recent
    recent = (*recent, value)[-count:]
    return math.fsum(recent) / len(recent), recent
