"""The stable part of a warmup-stable-decay run and its cooldown."""

from __future__ import annotations

import dataclasses

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.annealing import CURVES, Held
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class WarmupStable(Held, formerly="WarmupStableDecay"):
    """Hold η₀, then fall to η₁ in the last part d of the horizon.

    With u the share of d that is done, η(t) = η₁ + (η₀ − η₁) (1 − √u); the other curves are 1 − u
    and (1 + cos πu)/2. The shape has no warmup of its own: write `warmup(WarmupStable(…), …)`.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        final_learning_rate: η₁ in [0, η₀].
        decay: d: epochs, `"500 steps"` or `"20%"` of the horizon (without the warmup),
            at least one update and at most the horizon.
        curve: `"1-sqrt"`, `"linear"` or `"cosine"`.

    Raises:
        ValueError: For a value out of its range; when d does not fit into the horizon.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(WarmupStable(0.4, decay=4, curve="linear"), epochs=6).round(6).tolist()
        [0.4, 0.4, 0.4, 0.3, 0.2, 0.1]

    Source: Hägele et al., Scaling laws and compute-optimal training beyond fixed training
    durations, 2024 (arXiv:2405.18392), whose best cooldown is 1 − √u over 20 %.
    """

    decay: Duration = _checks.field("20%", durations.check, positive=True)
    curve: str = _checks.field("1-sqrt", _checks.choice, allowed=CURVES)

    def length(self, now: Moment) -> int:
        """The decay in whole updates."""
        self._updates("decay", now)
        return durations.updates_in(self.decay, now.timeline, now.horizon)
