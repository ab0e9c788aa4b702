"""What a user may give as a schedule, and the schedule that it becomes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from kerasdecay import _checks
from kerasdecay._names import key_named
from kerasdecay.rules import FAMILY as RULES
from kerasdecay.rules import Rule
from kerasdecay.schedules import ByEpoch, ByStep, Constant, EpochRates, Schedule
from kerasdecay.schedules.by_step import OfStep
from kerasdecay.schedules.family import FAMILY, shape_named
from kerasdecay.training.from_keras import FromKeras

_OWNER = "LearningRateDecay"
_STEPS = ("step", "steps", "current_step", "global_step", "iteration", "batch")


def as_schedule(
    schedule: Any, owner: str = _OWNER, argument: str = "schedule"
) -> Schedule | Callable[[int, float], float]:
    """Return what a user gave as a schedule, or, if it needs the rate before, as the function.

    A schedule stays what it is. The name of a shape is that shape, with the optimizer's rate; a
    number is a constant rate; a list has one rate for each epoch; a schedule of Keras gives each
    step's rate.

    Anything else that is no function of one or two arguments is a ValueError.
    """
    if isinstance(schedule, Schedule):
        return schedule
    if isinstance(schedule, str):
        return _shape(owner, argument, schedule)
    if _checks.real(schedule) is not None:
        return Constant(schedule)
    if isinstance(schedule, (list, tuple)) and any(map(_is_planned, schedule)):
        allowed = "one schedule, or a list of rates"
        remedy = "One after the other they are sequence([Constant(0.1), Cosine(0.1)], [5])."
        raise _checks.invalid(owner, argument, allowed, schedule, remedy)
    if isinstance(schedule, (list, tuple, np.ndarray)) and np.ndim(schedule):
        return EpochRates(schedule)  # type: ignore[arg-type]  # its field becomes a tuple
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return FromKeras(schedule)
    is_part = isinstance(schedule, (keras.callbacks.Callback, Rule, type, keras.Layer))
    if callable(schedule) and not is_part:
        _check_name(owner, argument, schedule)
        if _accepts(schedule, 2):
            return schedule
        if _accepts(schedule, 1):
            return ByEpoch(schedule)
    allowed = (
        "a kerasdecay schedule, the name of one, a number, a list of one an epoch, or a function "
        "f(epoch) or f(epoch, learning_rate)"
    )
    if is_part:
        allowed = "a kerasdecay schedule or a function of the epoch"
    raise _checks.invalid(owner, argument, allowed, schedule, _remedy(owner, argument, schedule))


def _remedy(owner: str, argument: str, given: Any) -> str:
    """Return what to do with something that is given as a schedule, and is none."""
    if isinstance(given, keras.callbacks.Callback):
        return "Give the callback to fit by itself, or take its shape from kerasdecay.schedules."
    if isinstance(given, Rule):
        return "Give the rule as rules=[…]."
    if isinstance(given, Mapping):
        return (
            "Optimizers with a schedule each are optimizers={…}; rates one after the other, "
            "sequence([Constant(0.1), Constant(0.01)], [10])."
        )
    if given is None and argument == "schedule":
        return f"The optimizer's rate, held but for warmup and rules, is {owner}('constant')."
    return _checks.made(given) or _checks.meant(given) or _checks.rate_within(given)


def _check_name(owner: str, argument: str, function: Callable[..., Any]) -> None:
    """Raise a ValueError for a function whose first argument is, by its name, no epoch."""
    code = getattr(function, "__code__", None)
    first = code.co_varnames[0] if code and code.co_argcount else ""
    if first in _STEPS:
        allowed = f"a function of the epoch, and no function of {first!r}"
        remedy = f"A function of the step is {_OWNER}(by_step=f)." * (argument == "schedule")
        raise _checks.invalid(owner, argument, allowed, function, remedy)


def _shape(owner: str, argument: str, name: str) -> Schedule:
    """Return the shape of a name; a ValueError says what a name of anything else may mean."""
    remedy = _checks.meant(name)
    if name.lower() == "auto":
        remedy = "A rate that is found belongs to a shape: Cosine('auto'); or take AutoDecay()."
    rule = key_named(RULES, name.lower().removeprefix("reducelron"))
    if argument == "schedule" and rule is not None and key_named(FAMILY, name) is None:
        remedy = f"'{rule}' is a rule: write {owner}('constant', rules=['{rule}'])."
    if remedy:
        allowed = "a kerasdecay schedule, the name of one, or a number"
        raise _checks.invalid(owner, argument, allowed, name, remedy)
    return shape_named(owner, argument, name)


def _is_planned(one: Any) -> bool:
    """Whether it is a schedule, or the name of one."""
    return isinstance(one, Schedule) or (
        isinstance(one, str) and key_named(FAMILY, one) is not None
    )


def by_steps(schedule: Any, function: Any) -> OfStep:
    """Return the schedule of `by_step=`: a function of the step, or a schedule of Keras.

    `schedule` is what was given beside it, which must be None.
    """
    if schedule is not None:
        allowed = "None where by_step= gives the rate of each step"
        raise _checks.invalid(_OWNER, "schedule", allowed, schedule)
    if isinstance(function, keras.optimizers.schedules.LearningRateSchedule):
        return FromKeras(function)
    if isinstance(function, type) or not callable(function) or not _accepts(function, 1):
        raise _checks.invalid(_OWNER, "by_step", "a function f(step), from 0", function)
    return ByStep(function)


def _accepts(function: Callable[..., Any], count: int) -> bool:
    try:
        found = inspect.signature(function)
    except ValueError:  # a builtin without one
        return count == 1
    try:
        found.bind(*range(count))
    except TypeError:
        return False
    return True
