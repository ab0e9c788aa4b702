"""The polynomial decay: a power of the time that is left."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules import periods
from kerasdecay.schedules.annealing import Annealing
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class Polynomial(Annealing):
    """A power of the time left: η(t) = η₁ + (η₀ − η₁) (1 − z)^p, z the share done.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        final_learning_rate: η₁ in [0, η₀].
        power: p > 0. With 1 the rate is a straight line; above 1 it falls early, below 1 late.
        cycle: T: epochs, `"500 steps"` or `"25%"` of the horizon, at least one update and at most
            the horizon; None: one way down over the horizon. With it the rate is at η₁ after each
            T, and comes down in cycle k = 1, 2, … along 1 − t/(kT) in the place of 1 − z. After the
            last full cycle η₁ holds.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(Polynomial(0.16), epochs=4).round(6).tolist()
        [0.16, 0.09, 0.04, 0.01]

    Source: You et al., Large batch training of convolutional networks, 2017 (arXiv:1708.03888):
    p = 2.
    """

    power: float = _checks.field(2.0, _checks.number, above=0)
    cycle: Duration | None = _checks.field(None, durations.check, optional=True, positive=True)

    def check(self, start: Moment) -> None:
        """Raise a ValueError if not one cycle fits into the horizon."""
        if self.cycle is not None:
            self._updates("cycle", start)

    def share(self, now: Moment) -> Any:
        """(1 − z)^p, or (1 − t/(kT))^p."""
        left = now.remaining if self.cycle is None else self._left_of_cycle(now)
        return now.xp.power(left, self.power)

    def _left_of_cycle(self, now: Moment) -> Any:
        """1 − t/(kT), where the moment kT still belongs to cycle k, and 0 after the last one."""
        length = self._updates("cycle", now)
        now = now.within(periods.last_end(length, now.horizon))
        before = now.at(now.xp.maximum(now.update - 1, 0))
        left = periods.phase(before, length).left - now.xp.real(now.update - before.update)
        return left / (now.xp.real(now.update) + left)
