"""The multi-step decay: a drop by the same factor at each of some milestones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.base import Shape
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.gradual import RISING_STEPS
from kerasdecay.schedules.timeline import Moment


def _milestones(owner: str, argument: str, value: Any) -> tuple[Duration, ...]:
    given = _checks.items(owner, argument, value, "a sequence such as (30, 60)")
    if not given:
        raise _checks.invalid(owner, argument, "one duration or more", given)
    return tuple(durations.check(owner, argument, one, positive=True) for one in given)


@dataclasses.dataclass(frozen=True)
class MultiStep(Shape):
    """Multiplied by γ at each milestone: η(t) = η₀ γ^#{milestones <= t}.

    For arbitrary rates between the milestones, as in Keras' `PiecewiseConstantDecay`, use a
    `sequence` of `Constant`s.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        milestones: One or more durations since the schedule's start, each longer than 0: epochs,
            `"500 steps"` or `"50%"` of the horizon. Those beyond the horizon are never reached.
        factor: γ in (0, 1].

    Raises:
        ValueError: For a value out of its range; for a milestone before the first update.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(MultiStep(0.1, milestones=(2, 3), factor=0.5), epochs=5).tolist()
        [0.1, 0.1, 0.05, 0.025, 0.025]

    Source: He et al., Deep Residual Learning, 2015 (arXiv:1512.03385): a tenth at 50 % and at 75 %
    of the training on CIFAR-10.
    """

    milestones: tuple[Duration, ...] = _checks.field(("50%", "75%"), _milestones)
    factor: float = _checks.field(0.1, _checks.number, above=0, at_most=1, remedy=RISING_STEPS)

    @property
    def changes_within_epochs(self) -> bool:
        """Unless every milestone is a whole number of epochs."""
        return not all(map(durations.is_whole_epochs, self.milestones))

    def check(self, start: Moment) -> None:
        """Raise a ValueError if a milestone is less than an update away."""
        self._boundaries(start)

    def unreached(self, start: Moment) -> Iterator[str]:
        """Yield the milestones at the horizon or beyond it."""
        late = [
            one
            for one in self.milestones
            if durations.updates_in(one, start.timeline, start.horizon) >= start.horizon
        ]
        if late:
            listed = ", ".join(map(repr, late))
            yield f"MultiStep: milestones={self.milestones!r}: {listed} is not before the run's end"

    def learning_rate(self, now: Moment) -> Any:
        """η₀ γ^#{milestones <= t}."""
        reached = now.xp.passed(self._boundaries(now), now.update)
        return self.initial * now.xp.power(self.factor, reached)

    def _boundaries(self, now: Moment) -> list[int]:
        for milestone in self.milestones:
            self._updates("milestones", now, value=milestone, fits=False)
        # Milestones beyond the horizon stay within the range of the integers of a compiled step.
        return sorted(
            min(durations.updates_in(milestone, now.timeline, now.horizon), now.horizon + 1)
            for milestone in self.milestones
        )
