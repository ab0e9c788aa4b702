"""The knee: explore at the full rate for long, then go straight to zero."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.annealing import Annealing, descent
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class Knee(Annealing):
    """Hold η₀ for h, then a straight line to η₁ at the horizon E.

    η(t) = η₁ + (η₀ − η₁) min(1, (E − t)/(E − h)).

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        final_learning_rate: η₁ in [0, η₀].
        hold: h: epochs, `"500 steps"` or `"50%"` of the horizon, shorter than the horizon.

    Raises:
        ValueError: For a value out of its range; when nothing of the horizon is left after h.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(Knee(0.4, hold=2), epochs=6).round(6).tolist()
        [0.4, 0.4, 0.4, 0.3, 0.2, 0.1]

    Source: Iyer et al., Wide-minima density hypothesis and the explore-exploit learning rate
    schedule, 2020 (arXiv:2003.03977).
    """

    hold: Duration = "50%"

    def __post_init__(self) -> None:
        super().__post_init__()
        durations.check("Knee", "hold", self.hold)

    def check(self, start: Moment) -> None:
        """Raise a ValueError if nothing of the horizon is left after the hold."""
        self._slope(start)

    def share(self, now: Moment) -> Any:
        """min(1, (E − t)/(E − h))."""
        length = self._slope(now)
        left = now.xp.minimum(max(now.horizon, 1) - now.update, length)
        return descent(now.xp, "linear", now.xp.real(length - left), now.xp.real(left))

    def _slope(self, now: Moment) -> int:
        hold = durations.updates_in(self.hold, now.timeline, now.horizon)
        if hold >= max(now.horizon, 1):
            raise _checks.invalid(
                "Knee",
                "hold",
                f"shorter than the {now.horizon} {now.timeline.unit}s that there are to decay in",
                self.hold,
            )
        return max(now.horizon, 1) - hold
