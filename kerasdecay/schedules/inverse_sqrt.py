"""The inverse-square-root decay, for trainings without a fixed end."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.base import Shape
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class InverseSqrt(Shape):
    """Inversely proportional to the root of time: η(t) = η₀ / √(1 + t/w).

    `warmup(InverseSqrt(η₀, w), w)` is the transformer's schedule: after the warmup of w the rate is
    η₀ √w / √T at position T >= w of the run. `sequence([Constant(η₀), InverseSqrt(η₀, w)], [w])`,
    which holds η₀ for w, is T5's schedule: η₀ √w / √max(T, w).

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        timescale: w: epochs, `"4000 steps"` or `"10%"` of the horizon, longer than 0.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(InverseSqrt(0.6, timescale=1), epochs=4).round(6).tolist()
        [0.6, 0.424264, 0.34641, 0.3]

    Source: Vaswani et al., Attention is all you need, 2017 (arXiv:1706.03762).
    """

    timescale: Duration = _checks.field("10%", durations.check, positive=True)

    def check(self, start: Moment) -> None:
        """Raise a ValueError if w is nothing in this run."""
        self._timescale(start)

    def learning_rate(self, now: Moment) -> Any:
        """η₀ / √(1 + t/w)."""
        return self.initial / now.xp.sqrt(1.0 + now.xp.real(now.update) / self._timescale(now))

    def _timescale(self, now: Moment) -> float:
        return self._updates("timescale", now, shortest=0, fits=False)
