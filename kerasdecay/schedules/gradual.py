"""What the shapes have in common whose time runs in units of a duration of their own."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules import periods
from kerasdecay.schedules.base import Shape
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class Gradual(Shape):
    """A shape of t/s, the time in units of `every`, which `staircase` floors.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        every: s: epochs, `"500 steps"` or `"10%"` of the horizon, longer than 0.
        staircase: Whether to take ⌊t/s⌋, so that the rate stays for s and then drops.
    """

    every: Duration = "100%"
    staircase: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._duration("every")
        if not isinstance(self.staircase, bool):
            raise _checks.invalid(type(self).__name__, "staircase", "True or False", self.staircase)

    @property
    def changes_within_epochs(self) -> bool:
        """Unless it is a staircase whose steps are whole epochs."""
        return not (self.staircase and durations.is_whole_epochs(self.every))

    def check(self, start: Moment) -> None:
        """Raise a ValueError if s is too short for this run."""
        self._times(start)

    def _times(self, now: Moment) -> Any:
        """Return t/s, or ⌊t/s⌋."""
        if self.staircase:
            return now.xp.real(periods.done(now, self._updates("every", now, fits=False)))
        return now.xp.real(now.update) / self._updates("every", now, shortest=0, fits=False)
