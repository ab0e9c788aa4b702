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
    """One over the root of the time: η(t) = η₀ / √(1 + t/w).

    After a warmup of w, `warmup(InverseSqrt(η₀, w), w)`, that is η₀ √w / √T at position T >= w of
    the run: the transformer's schedule. With η₀ held for w instead,
    `sequence([Constant(η₀), InverseSqrt(η₀, w)], [w])`, it is η₀ √w / √max(T, w), T5's.

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
