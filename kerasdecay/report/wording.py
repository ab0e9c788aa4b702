"""The words for parts of a training, the same in every report."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.text import Text

from kerasdecay.report.stages import rate_text
from kerasdecay.rules import Rule
from kerasdecay.rules.monitor import direction_of
from kerasdecay.schedules import ByEpoch, Schedule
from kerasdecay.schedules.by_step import OfStep

if TYPE_CHECKING:
    from kerasdecay.records import Setup, Trace

FLAGGED = {
    "cooldown_start": "the way down begins",
    "floor": "at the floor",
    "nonfinite": "not finite",
}
"""Names for the kinds of decisions that need not change the rate."""


_LONGEST = 8
"""The most characters of a number that is not rounded."""


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


def schedules_of(setup: Setup) -> Iterator[tuple[str, str]]:
    """Yield each schedule once, as code, with the log name of the first rate that follows it."""
    texts: dict[str, str] = {}
    for key, schedule in setup.schedules.items():
        texts.setdefault(brief(schedule), key)
    for text, key in texts.items():
        yield (text if len(texts) == 1 else text + _of(key)), key


def base_rates(setup: Setup) -> Iterator[str]:
    """Yield for each optimizer the rate that its schedule began with, and where it came from."""
    for key, base in setup.base_rates.items():
        given = initial_rate(setup.schedules[key]) if base is None else base
        source = "given" if base is None else setup.base_source
        rate = "from the function" if given is None else f"{rate_text(given)}, {source}"
        yield rate + _of(key)


def _of(key: str) -> str:
    """Return which of several optimizers a rate belongs to."""
    name = key.removeprefix("learning_rate_")
    return "" if name == "learning_rate" else f" ({name})"


def driven_lines(trace: Trace) -> Iterator[Text]:
    """Yield a line for each thing driven besides the rate: `momentum: 0.95 → 0.85 → 0.95`."""
    for name, curve in trace.knobs.items():
        yield Text(f"{name}: {way_text(curve.rates(name))}", style="dim")


def way_text(values: np.ndarray) -> str:
    """Return the first value, the ones farthest from both ends, and the last."""
    first, last = float(values[0]), float(values[-1])
    turns = {
        int(place): float(values[place])
        for place in (np.argmin(values), np.argmax(values))
        if not min(first, last) <= values[place] <= max(first, last)
    }
    way = [first, *(turns[place] for place in sorted(turns)), last]
    texts = [rate_text(value) for value in way]
    kept = [text for place, text in enumerate(texts) if not place or text != texts[place - 1]]
    return " → ".join(kept)


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
