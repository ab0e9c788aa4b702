"""The cyclic rate: triangles between a low and a high rate."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules import periods
from kerasdecay.schedules.base import Shape
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class Cyclic(Shape):
    """Triangles from η₀/d up to η₀ and down again, one in each cycle c.

    In cycle i = 0, 1, …, of which the share z is done,
    η(t) = η₀/d + (η₀ − η₀/d) γⁱ (1 − |2z − 1|). γ = 1 is the source's "triangular", γ = ½ its
    "triangular2". With `every` s the triangles shrink continuously, by γ^(t/s) in place of γⁱ: its
    "exp_range".

    Args:
        initial_learning_rate: η₀ > 0, the peak of the first triangle; None takes the optimizer's.
        cycle: c, up and down: epochs, `"500 steps"` or `"25%"` of the horizon, at least one update.
        factor: γ in (0, 1], the height of each triangle divided by that of the triangle before.
        div_factor: d >= 1.
        every: s: epochs, `"1 steps"` or `"10%"` of the horizon, longer than 0; None: γ applies
            once per triangle.

    Raises:
        ValueError: For a value out of its range; when c is shorter than an update of the run.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(Cyclic(0.4, cycle=4, factor=0.5), epochs=8).round(6).tolist()
        [0.1, 0.25, 0.4, 0.25, 0.1, 0.175, 0.25, 0.175]

    Source: Smith, Cyclical learning rates for training neural networks, 2015 (arXiv:1506.01186):
    cycles of 4 to 20 epochs, d of 3 or 4.
    """

    cycle: Duration = _checks.field("25%", durations.check, positive=True)
    factor: float = _checks.field(1.0, _checks.number, above=0, at_most=1)
    div_factor: float = _checks.field(4.0, _checks.number, at_least=1)
    every: Duration | None = _checks.field(None, durations.check, optional=True, positive=True)

    def check(self, start: Moment) -> None:
        """Raise a ValueError if a cycle is shorter than one update, or s is nothing."""
        self._cycle(start)
        self._shrunk(start, 0)

    def learning_rate(self, now: Moment) -> Any:
        """η₀/d + (η₀ − η₀/d) γⁱ (1 − |2z − 1|), or with γ^(t/s)."""
        number, done, left = periods.phase(now, self._cycle(now))
        triangle = 2.0 * now.xp.minimum(done, left) / (done + left)
        low = self.initial / self.div_factor
        return low + (self.initial - low) * self._shrunk(now, number) * triangle

    def _shrunk(self, now: Moment, number: Any) -> Any:
        if self.every is None:
            return now.xp.power(self.factor, number)
        every = self._updates("every", now, shortest=0, fits=False)
        return now.xp.power(self.factor, now.xp.real(now.update) / every)

    def _cycle(self, now: Moment) -> float:
        return self._updates("cycle", now, fits=False)
