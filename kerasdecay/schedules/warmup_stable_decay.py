"""Hold, then cool down: the part of warmup-stable-decay that follows the warmup."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.annealing import CURVES, Annealing, descent
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class WarmupStableDecay(Annealing):
    """Hold η₀, and come down to η₁ in the last part d of the horizon.

    With u the share of d that is done, η(t) = η₁ + (η₀ − η₁) (1 − √u), or with the curve 1 − u or
    (1 + cos πu)/2. The warmup is `warmup(WarmupStableDecay(…), …)`, as for every schedule.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        final_learning_rate: η₁ in [0, η₀].
        decay: d: epochs, `"500 steps"` or `"20%"` of the horizon (of what a warmup has left of it),
            at least one update and at most the horizon.
        curve: `"1-sqrt"`, `"linear"` or `"cosine"`.

    Raises:
        ValueError: For a value out of its range; when d does not fit into the horizon.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(WarmupStableDecay(0.4, decay=4, curve="linear"), epochs=6).round(6).tolist()
        [0.4, 0.4, 0.4, 0.3, 0.2, 0.1]

    Source: Hägele et al., Scaling laws and compute-optimal training beyond fixed training
    durations, 2024 (arXiv:2405.18392), whose best cooldown is 1 − √u over 20 %.
    """

    decay: Duration = "20%"
    curve: str = "1-sqrt"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._duration("decay")
        _checks.choice("WarmupStableDecay", "curve", self.curve, CURVES)

    def check(self, start: Moment) -> None:
        """Raise a ValueError if the decay does not fit into the horizon."""
        self._decay(start)

    def share(self, now: Moment) -> Any:
        """1 during the hold, then the curve."""
        length = self._decay(now)
        left = now.xp.minimum(now.horizon - now.update, length)
        return descent(now.xp, self.curve, now.xp.real(length - left), now.xp.real(left))

    def _decay(self, now: Moment) -> int:
        self._updates("decay", now)
        return durations.updates_in(self.decay, now.timeline, now.horizon)
