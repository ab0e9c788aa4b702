"""The one-cycle policy: up, and then down to almost nothing."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.annealing import descent
from kerasdecay.schedules.base import Given, Shape
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
        self.rise_in(start)

    def learning_rate(self, now: Moment) -> Any:
        """Up while n <= r − 1, down after it."""
        low = self.initial / self.div_factor
        return self.cycle(now, low, self.initial, low / self.final_div_factor)

    def cycle(self, now: Moment, first: float, top: float, last: float) -> Any:
        """Return what goes along the cycle from `first` by `top` to `last`."""
        xp = now.xp
        peak, end = self.rise_in(now) - 1.0, now.horizon - 1
        update = xp.minimum(now.update, end)
        done = xp.real(update)
        back = last + (top - last) * descent(xp, self.curve, done - peak, xp.real(end - update))
        if peak <= 0:
            return back
        there = first + (top - first) * descent(xp, self.curve, peak - done, done)
        return xp.where(update <= math.floor(peak), there, back)

    def rise_in(self, now: Moment) -> float:
        """Return r in updates, or raise a ValueError if it leaves no way down."""
        rise = self._updates("rise", now, shortest=0)
        if rise >= now.horizon:
            allowed = "shorter than the horizon, so that there is a way down"
            raise _checks.invalid("OneCycle", "rise", allowed, self.rise)
        return rise


@dataclasses.dataclass(frozen=True)
class OneCycleMomentum(Given):
    """The momentum of a one-cycle policy: down from `high` to `low` while the rate rises, and back.

    It is `low` at the peak of the rate, and `high` at both ends; both lie in [0, 1).

    Examples:
        >>> from kerasdecay.schedules import Timeline
        >>> momentum = OneCycleMomentum(0.85, 0.95, OneCycle(1.0, rise=3))
        >>> momentum.rates(range(5), Timeline(5, unit="epoch")).round(3).tolist()
        [0.95, 0.9, 0.85, 0.9, 0.95]

    Source: Smith, A disciplined approach, 2018 (arXiv:1803.09820), with torch's numbers.
    """

    low: float = _checks.field(0.85, _checks.number, at_least=0, below=1)
    high: float = _checks.field(0.95, _checks.number, at_least=0, below=1)
    cycle: OneCycle = _checks.field(
        OneCycle, _checks.instance, kind=OneCycle, what="a OneCycle schedule"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.number("OneCycleMomentum", "high", self.high, at_least=self.low)

    def check(self, start: Moment) -> None:
        """Raise a ValueError unless the rise is shorter than the horizon."""
        self.cycle.check(start)

    def learning_rate(self, now: Moment) -> Any:
        """`high`, `low` and `high` again along the cycle."""
        return self.cycle.cycle(now, self.high, self.low, self.high)
