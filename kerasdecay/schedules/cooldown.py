"""A way down to a final rate, from any moment of any schedule on."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.annealing import CURVES, descent
from kerasdecay.schedules.base import Schedule
from kerasdecay.schedules.composition import Around, checked_schedule
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.namespace import NUMPY
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class Cooldown(Around):
    """Follow a schedule up to a moment T, and go from its rate there to η₁ at the horizon E.

    η(t) = s(t) for t < T, and η₁ + (s(T) − η₁) · c(u) from there on, with u = (t − T)/(E − T) and c
    one of 1 − u, 1 − √u and (1 + cos πu)/2. Where s(T) < η₁, the rate stays s(T): never up.

    Args:
        schedule: s.
        begin: T: epochs, `"500 steps"` or `"80%"` of the horizon.
        curve: c: `"linear"`, `"1-sqrt"` or `"cosine"`.
        final_learning_rate: η₁ >= 0.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay.schedules import Constant, simulate
        >>> simulate(cooldown(Constant(0.4), 2, "linear"), epochs=6).round(6).tolist()
        [0.4, 0.4, 0.4, 0.3, 0.2, 0.1]

    Source: Hägele et al., 2024 (arXiv:2405.18392): cool down from wherever a training is.
    """

    begin: Duration
    curve: str = "1-sqrt"
    final_learning_rate: float = 0.0

    def __post_init__(self) -> None:
        checked_schedule("cooldown", self.schedule)
        durations.check("cooldown", "begin", self.begin)
        _checks.choice("cooldown", "curve", self.curve, CURVES)
        final = _checks.number(
            "cooldown", "final_learning_rate", self.final_learning_rate, at_least=0
        )
        object.__setattr__(self, "final_learning_rate", final)

    def learning_rate(self, now: Moment) -> Any:
        """s(t) below T, then down from s(T)."""
        begin = min(durations.updates_in(self.begin, now.timeline, now.horizon), now.horizon)
        length = max(now.horizon - begin, 1)
        held = float(self.schedule.learning_rate(dataclasses.replace(now, update=begin, xp=NUMPY)))
        left = now.xp.minimum(max(now.horizon, 1) - now.update, length)
        share = descent(now.xp, self.curve, now.xp.real(length - left), now.xp.real(left))
        final = min(self.final_learning_rate, held)
        down = final + (held - final) * share
        return now.xp.where(now.update < begin, self.schedule.learning_rate(now), down)


def cooldown(
    schedule: Schedule,
    begin: Duration,
    curve: str = "1-sqrt",
    final_learning_rate: float = 0.0,
) -> Cooldown:
    """Return `schedule` up to `begin`, and a way down from there; see `Cooldown`."""
    return Cooldown(schedule, begin, curve, final_learning_rate)
