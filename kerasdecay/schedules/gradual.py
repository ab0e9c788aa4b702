"""Shapes whose time runs in periods of a duration of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules import periods
from kerasdecay.schedules.base import Shape
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.timeline import Moment

RISING_STEPS = "For a tenth write 0.1. Steps that rise are a sequence of Constants."


@dataclasses.dataclass(frozen=True)
class Gradual(Shape):
    """A shape of t/s, the time in periods of `every`, or of ⌊t/s⌋ if it is a staircase."""

    every: Duration = _checks.field("100%", durations.check, positive=True)

    staircase = True  # not a field: a subclass makes it one if it offers the choice

    @property
    def changes_within_epochs(self) -> bool:
        """Whether it is no staircase, or one whose steps are not whole epochs."""
        return not (self.staircase and durations.is_whole_epochs(self.every))

    def check(self, start: Moment) -> None:
        """Raise a ValueError if s is too short for this run."""
        self.periods(start)

    def unreached(self, start: Moment) -> Iterator[str]:
        """Yield it if a staircase has a single step."""
        if self.staircase and self._updates("every", start, fits=False) >= start.horizon:
            yield f"{self.owner()}: every={self.every!r} is no shorter than the run: no step comes"

    def periods(self, now: Moment) -> Any:
        """Return t/s, or ⌊t/s⌋."""
        if self.staircase:
            return now.xp.real(periods.done(now, self._updates("every", now, fits=False)))
        return now.xp.real(now.update) / self._updates("every", now, shortest=0, fits=False)
