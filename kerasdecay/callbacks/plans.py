"""The open loop of one optimizer, an epoch at a time."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol

import keras
import numpy as np

from kerasdecay.rules import WayDown
from kerasdecay.schedules import ByEpoch, Schedule, Timeline, cooldown
from kerasdecay.schedules.by_epoch import checked_rate


class Plan(Protocol):
    """Gives an epoch's rates before it begins.

    `base_rate` is what the plan must be given to go on from here: the initial rate of a schedule
    that left it open (None where it is given), the present rate of a function.
    """

    base_rate: float | None

    def rates(self, epoch: int) -> np.ndarray:
        """Return the epoch's rates: one, or one for each batch."""

    def cooled(self, way_down: WayDown, begin: int) -> Plan:
        """Return the plan that comes down from the beginning of epoch `begin` on."""


class SchedulePlan:
    """A schedule on a timeline, sampled every `every` updates.

    Args:
        schedule: With its initial rates filled in.
        timeline: The run.
        base_rate: What they were filled in with.
        every: A write holds for this many updates; the rate is that of their first.
    """

    def __init__(
        self, schedule: Schedule, timeline: Timeline, base_rate: float | None, every: int
    ) -> None:
        self.schedule = schedule
        self.base_rate = base_rate
        self.timeline = timeline
        self._every = every

    def rates(self, epoch: int) -> np.ndarray:
        """Return the epoch's rates."""
        count = self.timeline.updates_per_epoch
        return self.rates_of(np.arange(epoch * count, (epoch + 1) * count))

    def rates_of(self, updates: np.ndarray) -> np.ndarray:
        """Return the rates of these updates of the run, in one evaluation of the formula."""
        return np.asarray(self.schedule.rates(updates // self._every * self._every, self.timeline))

    def cooled(self, way_down: WayDown, begin: int) -> SchedulePlan:
        """Return the plan that comes down from the beginning of epoch `begin` on."""
        schedule = cooldown(self.schedule, begin, way_down.curve, way_down.final_learning_rate)
        return SchedulePlan(schedule, self.timeline, self.base_rate, self._every)


class FunctionPlan:
    """A user's `f(epoch, learning_rate)`: each epoch's rate follows from the one before.

    The rate it is given is the open-loop one, so that what rules have decided is not counted twice.
    """

    def __init__(self, function: Callable[[int, float], float], initial: float) -> None:
        self._function = function
        self.base_rate: float | None = initial

    def rates(self, epoch: int) -> np.ndarray:
        """Return the epoch's one rate. Each call moves on: call once an epoch."""
        assert self.base_rate is not None
        self.base_rate = checked_rate(self._function(epoch, self.base_rate), epoch)
        return np.asarray([self.base_rate])

    def cooled(self, way_down: WayDown, begin: int) -> Plan:
        """Refuse: where a function would be at the horizon is unknown."""
        raise no_way_down()


def no_way_down() -> ValueError:
    """Return the error for a rule that comes down from a function of (epoch, learning_rate)."""
    return ValueError(
        "kerasdecay: a rule that comes down to the horizon needs a schedule, or a function of "
        "the epoch alone. Received: a function of (epoch, learning_rate)."
    )


def plan(schedule: Any, base_rate: float | None, timeline: Timeline, every: int) -> Plan:
    """Return the plan for a schedule, or for a function of (epoch, learning_rate)."""
    if isinstance(schedule, Schedule):
        resolved = schedule if base_rate is None else schedule.resolve(base_rate)
        return SchedulePlan(resolved, timeline, base_rate, every)
    assert base_rate is not None
    return FunctionPlan(schedule, base_rate)


def as_schedule(schedule: Any) -> Schedule | Callable[[int, float], float]:
    """Return what a user gave as a schedule, or, if it needs the rate before, as the function.

    Raises:
        ValueError: If it is neither a schedule nor a function of one or two arguments.
    """
    if isinstance(schedule, Schedule):
        return schedule
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        raise ValueError(
            "LearningRateDecay: schedule must be a kerasdecay schedule or a function of the epoch. "
            f"Received: schedule={type(schedule).__name__}(…), Keras' own, a function of the step. "
            "Take the shape of that name from kerasdecay.schedules, or give it to the optimizer "
            "and leave the callback out."
        )
    if isinstance(schedule, keras.callbacks.Callback):
        raise ValueError(
            "LearningRateDecay: schedule must be a kerasdecay schedule or a function of the epoch. "
            f"Received: the callback {schedule!r}. Give it to fit by itself, or take its shape "
            "from kerasdecay.schedules."
        )
    if isinstance(schedule, type):
        raise ValueError(
            "LearningRateDecay: schedule must be a schedule itself. Received: the class "
            f"{schedule.__name__}. Write {schedule.__name__}(…)."
        )
    if callable(schedule):
        if _accepts(schedule, 2):
            return schedule
        if _accepts(schedule, 1):
            return ByEpoch(schedule)
    raise ValueError(
        "LearningRateDecay: schedule must be a kerasdecay schedule, or a function f(epoch) or "
        f"f(epoch, learning_rate). Received: schedule={schedule!r}."
    )


def _accepts(function: Callable[..., Any], count: int) -> bool:
    try:
        signature = inspect.signature(function)
    except ValueError:  # a builtin without one
        return count == 1
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True
