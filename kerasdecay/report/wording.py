"""The words for parts of a training, the same in every report."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kerasdecay.rules import Rule
from kerasdecay.rules.monitor import direction_of
from kerasdecay.schedules import ByEpoch, Schedule
from kerasdecay.schedules.by_step import OfStep

FLAGGED = {
    "cooldown_start": "the way down begins",
    "floor": "at the floor",
    "nonfinite": "not finite",
}
"""What decisions of these kinds are called, which need not change the rate."""


_LONGEST = 8
"""Characters of a number beyond which it is rounded."""


def brief(part: Any) -> str:
    """Return a schedule or a rule as code, without arguments that are the default.

    Numbers of many digits are rounded to four.

    Examples:
        >>> from kerasdecay.schedules import PowerStep
        >>> brief(PowerStep(0.1, stages=2, remainder="last"))
        'PowerStep(0.1, stages=2)'
        >>> brief(PowerStep(1 / 3))
        'PowerStep(0.3333)'
    """
    if isinstance(part, float):
        exact = repr(part)
        return exact if len(exact) <= _LONGEST else f"{part:.4g}"
    if isinstance(part, (tuple, list)):
        inner = ", ".join(map(brief, part))
        return f"({inner},)" if len(part) == 1 else f"({inner})"
    if not dataclasses.is_dataclass(part):
        return getattr(part, "__name__", None) or repr(part)
    shown: list[str] = []
    fields = sorted(dataclasses.fields(part), key=lambda field: bool(field.kw_only))
    for index, field in enumerate(fields):
        value = getattr(part, field.name)
        if value != field.default:
            text = brief(value)
            is_positional = index == 0 and len(shown) == 0
            shown.append(text if is_positional else f"{field.name}={text}")
    return f"{type(part).__name__}({', '.join(shown)})"


def rule_text(rule: Rule[Any]) -> str:
    """Return a rule and what it looks at: `Plateau on val_loss, patience=3`."""
    changed = [
        f"{field.name}={brief(getattr(rule, field.name))}"
        for field in dataclasses.fields(rule)
        if field.name != "monitor" and getattr(rule, field.name) != field.default
    ]
    return ", ".join([f"{type(rule).__name__} on {rule.watched}", *changed])


def initial_rate(schedule: Any) -> float | None:
    """Return the initial rate of a schedule, or of the first part of it that has one."""
    rate = getattr(schedule, "initial_learning_rate", None)
    if rate is None:
        rates = (initial_rate(part) for part in getattr(schedule, "parts", ()))
        rate = next((found for found in rates if found is not None), None)
    return rate


def is_known_ahead(schedule: Any) -> bool:
    """Tell whether the rates can be computed without calling a user's function."""
    if not isinstance(schedule, Schedule) or isinstance(schedule, ByEpoch | OfStep):
        return False
    return all(map(is_known_ahead, getattr(schedule, "parts", ())))


def shown_metrics(logs: Iterable[Mapping[str, float]]) -> list[str]:
    """Return the metrics of a summary: loss and one more, of the validation if there was one."""
    names = list(dict.fromkeys(name for entry in logs for name in entry))
    names = [name for name in names if not name.startswith("learning_rate")]
    names = [name for name in names if name.startswith("val_")] or names
    losses = [name for name in names if name.removeprefix("val_") == "loss"]
    others = [name for name in names if name not in losses and direction_of(name) is not None]
    others.sort(key=lambda name: not name.endswith(("accuracy", "acc")))
    return [*losses, *others[:1]] or names[:1]


def best_place(metric: str, values: Sequence[float]) -> int | None:
    """Return the place of a metric's best finite value; None if it has none or no direction.

    Examples:
        >>> best_place("val_loss", [0.5, 0.4, float("nan")]), best_place("mine", [1.0])
        (1, None)
    """
    finite = [place for place, value in enumerate(values) if math.isfinite(value)]
    direction = direction_of(metric)
    if direction is None or not finite:
        return None
    return (min if direction == "min" else max)(finite, key=lambda place: values[place])


def count(number: int, noun: str) -> str:
    """Return `1 epoch`, `2 epochs`."""
    return f"{number} {noun}" + ("s" if number != 1 else "")
