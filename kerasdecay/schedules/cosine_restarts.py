"""The cosine decay with warm restarts."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules import periods
from kerasdecay.schedules.annealing import Annealing, descent
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class CosineRestarts(Annealing):
    """Cosine waves one after the other, of lengths T, T m, T m², …: SGDR.

    In cycle i = 0, 1, …, of which the share z is done,
    η(t) = η₁ + (η₀ − η₁) γⁱ (1 + cos πz)/2. After the last full cycle that fits into the horizon
    η₁ holds, so that no training ends on a high rate.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        final_learning_rate: η₁ in [0, η₀].
        cycle: T: epochs, `"500 steps"` or `"25%"` of the horizon, at least one update and at most
            the horizon.
        growth: m >= 1. With 2 and n cycles, T = horizon / (2ⁿ − 1) fills the horizon.
        factor: γ > 0, the height of each cycle divided by that of the cycle before; above 1 the
            restarts grow.

    Raises:
        ValueError: For a value out of its range; when no cycle fits into the horizon.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(CosineRestarts(0.1, cycle=2, factor=0.5), epochs=5).round(6).tolist()
        [0.1, 0.05, 0.05, 0.025, 0.0]

    Source: Loshchilov and Hutter, SGDR, 2016 (arXiv:1608.03983).
    """

    cycle: Duration = _checks.field("25%", durations.check, positive=True)
    growth: float = _checks.field(1.0, _checks.number, at_least=1)
    factor: float = _checks.field(1.0, _checks.number, above=0)

    def check(self, start: Moment) -> None:
        """Raise a ValueError if not one cycle fits into the horizon, or one grows too high."""
        length = self._updates("cycle", start)
        last = periods.last_end(length, start.horizon, self.growth) - 1
        restarts = int(periods.phase(start.within(last + 1).at(last), length, self.growth).number)
        highest = math.log(_checks.LARGEST_RATE / (self.initial if self.is_resolved else 1.0))
        if restarts * math.log(self.factor) > highest:
            allowed = f"so small that float32 can hold the rate after {restarts} restarts"
            raise _checks.invalid("CosineRestarts", "factor", allowed, self.factor)

    def share(self, now: Moment) -> Any:
        """γⁱ (1 + cos πz)/2, and 0 after the last full cycle."""
        length = self._updates("cycle", now)
        full = now.within(periods.last_end(length, now.horizon, self.growth))
        number, done, left = periods.phase(full, length, self.growth)
        return now.xp.power(self.factor, number) * descent(now.xp, "cosine", done, left)
