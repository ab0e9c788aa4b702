"""The training that a callback asks for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from kerasdecay import _checks
from kerasdecay.control import FunctionRates, ScheduledRates
from kerasdecay.rules import Rule
from kerasdecay.schedules import Constant, Schedule, Timeline
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.warmup import Warmup
from kerasdecay.training.knobs import Knob
from kerasdecay.training.updates import Update


def has_auto(schedules: Iterable[Any]) -> bool:
    """Whether the initial rate of a schedule is to be found by a probe."""
    return any(isinstance(one, Schedule) and one.is_auto for one in schedules)


@dataclasses.dataclass(frozen=True)
class Plan:
    """The training that a callback asks for.

    `schedules` has the name None for all optimizers there are; `names` are those that the user has
    named. `counts_steps` tells whether the optimizers' own counters tell their steps, and
    `fit_epochs` where `fit` ends, None where no `fit` tells it: the horizon may lie beyond.
    """

    owner: str
    schedules: Mapping[str | None, Any]
    rules: tuple[Rule[Any], ...]
    update: Update
    timeline: Timeline
    names: list[str] | None
    initial_rate_argument: str
    counts_steps: bool
    fit_epochs: int | None
    knobs: tuple[Knob, ...] = ()
    average_last: Duration | None = None

    @property
    def fits_one_epoch(self) -> bool:
        """Whether `fit` ends after epoch 0."""
        return self.fit_epochs == 1

    def schedule_of(self, key: str) -> Any:
        """Return the schedule of the optimizer with this log name."""
        return self.schedules.get(key.removeprefix("learning_rate_"), self.schedules.get(None))

    @property
    def is_absolute(self) -> bool:
        """Whether every schedule has its initial rate."""
        return all(map(_has_rate, self.schedules.values()))

    def has_rate(self, key: str) -> bool:
        """Whether the schedule of this rate has its initial rate."""
        return _has_rate(self.schedule_of(key))

    @property
    def follows(self) -> bool:
        """Whether it does nothing but scale the optimizer's own rate, as ReduceLROnPlateau does."""
        comes_down = any(rule.way_down for rule in self.rules)
        return not comes_down and all(
            isinstance(one.schedule if isinstance(one, Warmup) else one, Constant)
            for one in self.schedules.values()
        )

    def accepted(self, key: str, rate: float) -> float:
        """Return a rate that was found, halved until the schedule takes it: PowerStep wants < 1."""
        schedule = self.schedule_of(key)
        while rate > _checks.SMALLEST_RATE:
            try:
                schedule.resolve(rate)
            except ValueError:
                rate /= 2
            else:
                break
        return rate

    def open_loop(self, key: str, base_rate: float | None) -> ScheduledRates | FunctionRates:
        """Return what is planned for an optimizer from an initial rate, None if it has its own."""
        schedule = self.schedule_of(key)
        if isinstance(schedule, Schedule):
            resolved = schedule if base_rate is None else schedule.resolve(base_rate)
            return ScheduledRates(resolved, self.timeline, base_rate, self.update.every)
        assert base_rate is not None
        return FunctionRates(schedule, base_rate)


def _has_rate(schedule: Any) -> bool:
    return isinstance(schedule, Schedule) and schedule.is_resolved
