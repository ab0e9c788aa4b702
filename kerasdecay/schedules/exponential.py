"""The exponential decay: the same factor over every equal stretch of time."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.gradual import Gradual
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class Exponential(Gradual):
    """Multiplied by γ over each interval s: η(t) = η₀ γ^(t/s).

    A rate that reaches η₁ stays there: max(η(t), η₁) for γ <= 1, min(η(t), η₁) for γ > 1.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        every: s: epochs, `"500 steps"` or `"10%"` of the horizon, longer than 0. The default, with
            its γ, ends at a hundredth of η₀ however long the training is.
        staircase: Whether the rate falls in steps: ⌊t/s⌋ in the place of t/s.
        factor: γ > 0. Above 1 the rate rises, to a `final_learning_rate` that must be given.
        final_learning_rate: η₁: a floor in [0, η₀] for γ <= 1, a ceiling of at least η₀ above it.

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
    factor: float = _checks.field(0.01, _checks.number, above=0)
    final_learning_rate: float = _checks.field(0.0, _checks.rate, zero=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.rises:
            self._at_most_initial("final_learning_rate")
            return
        final = self.final_learning_rate
        if final == 0:
            allowed = "<= 1, or final_learning_rate given, at which the rise ends"
            raise _checks.invalid("Exponential", "factor", allowed, self.factor)
        if self.is_resolved and final < self.initial:
            allowed = f"at least initial_learning_rate, {self.initial:g}, where factor > 1"
            raise _checks.invalid("Exponential", "final_learning_rate", allowed, final)

    @property
    def rises(self) -> bool:
        """Whether γ > 1."""
        return self.factor > 1

    def learning_rate(self, now: Moment) -> Any:
        """η₀ γ^(t/s), down or up to η₁."""
        xp, final = now.xp, self.final_learning_rate
        periods = self.periods(now)
        if self.rises:  # no power may overflow far beyond the ceiling
            periods = xp.minimum(periods, math.log(final / self.initial) / math.log(self.factor))
            return xp.minimum(self.initial * xp.power(self.factor, periods), final)
        rate = self.initial * xp.power(self.factor, periods)
        return xp.maximum(rate, final) if final else rate
