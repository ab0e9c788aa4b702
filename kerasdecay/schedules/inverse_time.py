"""The inverse-time decay: as one over the time."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.gradual import Gradual
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class InverseTime(Gradual):
    """Inversely proportional to time: η(t) = η₀ / (1 + γ t/s).

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        every: s: epochs, `"500 steps"` or `"10%"` of the horizon, longer than 0.
        staircase: Whether the rate falls in steps: ⌊t/s⌋ in the place of t/s.
        decay_rate: γ > 0. With 1 the rate is halved at t = s.

    Raises:
        ValueError: For a value out of its range; for a staircase whose s is shorter than an update.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(InverseTime(0.6, every=1), epochs=3).round(6).tolist()
        [0.6, 0.3, 0.2]

    Source: Robbins and Monro, A stochastic approximation method, 1951.
    """

    every: Duration = _checks.field("10%", durations.check, positive=True)
    staircase: bool = _checks.field(False, _checks.flag)
    decay_rate: float = _checks.field(1.0, _checks.number, above=0)

    def learning_rate(self, now: Moment) -> Any:
        """η₀ / (1 + γ t/s)."""
        return self.initial / (1.0 + self.decay_rate * self.periods(now))
