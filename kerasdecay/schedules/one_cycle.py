"""The one-cycle policy: up, and then down to almost nothing."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.annealing import descent
from kerasdecay.schedules.base import Shape
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class OneCycle(Shape):
    """Up from η₀/d to η₀, then down to η₀/(d D).

    Of N updates n = 0 … N − 1, with r of them for the rise, the way up ends at n = r − 1 and the
    way down at n = N − 1, each half a cosine wave or a straight line. Beyond, the last rate holds.

    Args:
        initial_learning_rate: η₀ > 0, the peak; None takes the optimizer's.
        rise: r: epochs, `"500 steps"` or `"30%"` of the horizon, longer than 0 and shorter than the
            horizon.
        div_factor: d >= 1.
        final_div_factor: D >= 1.
        curve: `"cosine"` or `"linear"`.

    Raises:
        ValueError: For a value out of its range; when laid over a horizon no longer than r.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(OneCycle(1.0, rise=3, div_factor=4), epochs=5).round(6).tolist()
        [0.25, 0.625, 1.0, 0.500012, 2.5e-05]

    Source: Smith and Topin, Super-convergence, 2017 (arXiv:1708.07120), with torch's numbers.
    """

    rise: Duration = _checks.field("30%", durations.check, positive=True)
    div_factor: float = _checks.field(25.0, _checks.number, at_least=1)
    final_div_factor: float = _checks.field(1e4, _checks.number, at_least=1)
    curve: str = _checks.field("cosine", _checks.choice, allowed=("cosine", "linear"))

    def check(self, start: Moment) -> None:
        """Raise a ValueError unless the rise is shorter than the horizon."""
        self._rise(start)

    def learning_rate(self, now: Moment) -> Any:
        """Up while n <= r − 1, down after it."""
        xp = now.xp
        peak, low = self.initial, self.initial / self.div_factor
        lowest = low / self.final_div_factor
        top, end = self._rise(now) - 1.0, now.horizon - 1
        update = xp.minimum(now.update, end)
        done = xp.real(update)
        down = lowest + (peak - lowest) * descent(xp, self.curve, done - top, xp.real(end - update))
        if top <= 0:
            return down
        up = low + (peak - low) * descent(xp, self.curve, top - done, done)
        return xp.where(update <= math.floor(top), up, down)

    def _rise(self, now: Moment) -> float:
        rise = self._updates("rise", now, shortest=0)
        if rise >= now.horizon:
            raise _checks.invalid(
                "OneCycle",
                "rise",
                "shorter than the horizon, so that there is a way down",
                self.rise,
            )
        return rise
