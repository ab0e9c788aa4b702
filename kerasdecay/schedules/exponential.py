"""The exponential decay: the same factor over every equal stretch of time."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.gradual import Gradual
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class Exponential(Gradual):
    """A factor γ over each s: η(t) = η₀ γ^(t/s).

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        every: s: epochs, `"500 steps"` or `"10%"` of the horizon, longer than 0. The default, with
            its γ, ends at a hundredth of η₀ however long the training is.
        staircase: Whether to take ⌊t/s⌋, so that the rate stays for s and then drops.
        factor: γ in (0, 1].

    Raises:
        ValueError: For a value out of its range; for a staircase whose s is shorter than an update.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(Exponential(0.1, every=1, factor=0.5), epochs=3).tolist()
        [0.1, 0.05, 0.025]

    Source: Senior et al., An empirical study of learning rates in deep neural networks for speech
    recognition, 2013 (ICASSP).
    """

    every: Duration = _checks.field("100%", durations.check, positive=True)
    staircase: bool = _checks.field(False, _checks.flag)
    factor: float = _checks.field(0.01, _checks.number, above=0, at_most=1)

    def learning_rate(self, now: Moment) -> Any:
        """η₀ γ^(t/s)."""
        return self.initial * now.xp.power(self.factor, self.periods(now))
