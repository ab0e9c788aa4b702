"""The knee: explore at the full rate for long, then go straight to zero."""

from __future__ import annotations

import dataclasses

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.annealing import Held
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class Knee(Held):
    """Hold η₀ for h, then fall in a straight line to η₁ at the horizon E.

    η(t) = η₁ + (η₀ − η₁) min(1, (E − t)/(E − h)).

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        final_learning_rate: η₁ in [0, η₀].
        hold: h: epochs, `"500 steps"` or `"50%"` of the horizon, shorter than the horizon.

    Raises:
        ValueError: For a value out of its range; when h leaves nothing of the horizon.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(Knee(0.4, hold=2), epochs=6).round(6).tolist()
        [0.4, 0.4, 0.4, 0.3, 0.2, 0.1]

    Source: Iyer et al., Wide-minima density hypothesis and the explore-exploit learning rate
    schedule, 2020 (arXiv:2003.03977).
    """

    hold: Duration = _checks.field("50%", durations.check)

    def length(self, now: Moment) -> int:
        """What the hold leaves of the horizon: one update at least, however it is rounded."""
        horizon = max(now.horizon, 1)
        if durations.exact_updates_in(self.hold, now.timeline, horizon) >= horizon:
            raise _checks.invalid(
                "Knee",
                "hold",
                f"shorter than the {now.horizon} {now.timeline.unit}s that there are to decay in",
                self.hold,
                durations.in_percent(self.hold),
            )
        return max(horizon - durations.updates_in(self.hold, now.timeline, horizon), 1)
