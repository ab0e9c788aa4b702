"""The step decay: a drop by the same factor every so often."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.gradual import RISING_STEPS, Gradual
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class Step(Gradual):
    """Multiplied by γ after each interval s: η(t) = η₀ γ^⌊t/s⌋.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        every: s: epochs, `"500 steps"` or `"30%"` of the horizon, longer than 0.
        factor: γ in (0, 1].

    Raises:
        ValueError: For a value out of its range; when s is shorter than an update of the run.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(Step(0.1, every=2, factor=0.5), epochs=6).tolist()
        [0.1, 0.1, 0.05, 0.05, 0.025, 0.025]

    Source: He et al., Deep Residual Learning, 2015 (arXiv:1512.03385): a tenth every 30 epochs.
    """

    every: Duration = _checks.field("30%", durations.check, positive=True)
    factor: float = _checks.field(0.1, _checks.number, above=0, at_most=1, remedy=RISING_STEPS)

    def learning_rate(self, now: Moment) -> Any:
        """η₀ γ^⌊t/s⌋."""
        return self.initial * now.xp.power(self.factor, self.periods(now))
