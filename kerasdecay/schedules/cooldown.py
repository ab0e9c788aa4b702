"""A way down to a final rate that leaves any schedule at any moment."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.annealing import CURVES, final_descent
from kerasdecay.schedules.base import Schedule
from kerasdecay.schedules.composition import Wrapper
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.namespace import NUMPY
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class Cooldown(Wrapper):
    """Follow a schedule up to a moment T, then go from its rate at T to η₁ at a moment E.

    η(t) = s(t) for t < T, and η₁ + (s(T) − η₁) · c(u) from there on, with u = (t − T)/(E − T) and c
    one of 1 − u, 1 − √u and (1 + cos πu)/2; η(t) = η₁ from E on. If s(T) < η₁, the rate stays s(T):
    it never rises.

    Args:
        schedule: s.
        begin: T: epochs, `"500 steps"` or `"80%"` of the horizon.
        curve: c: `"linear"`, `"1-sqrt"` or `"cosine"`.
        final_learning_rate: η₁ >= 0.
        end: E, a duration as `begin`; None: the horizon.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay.schedules import Constant, simulate
        >>> simulate(cooldown(Constant(0.4), 2, "linear"), epochs=6).round(6).tolist()
        [0.4, 0.4, 0.4, 0.3, 0.2, 0.1]

    Source: Hägele et al., 2024 (arXiv:2405.18392): cool down from wherever a training is.
    """

    begin: Duration = _checks.field(..., durations.check)
    curve: str = _checks.field("1-sqrt", _checks.choice, allowed=CURVES)
    final_learning_rate: float = _checks.field(0.0, _checks.rate, zero=True)
    end: Duration | None = _checks.field(None, durations.check, optional=True)

    def learning_rate(self, now: Moment) -> Any:
        """s(t) below T, then down from s(T)."""
        begin = min(durations.updates_in(self.begin, now.timeline, now.horizon), now.horizon)
        length = now.horizon
        if self.end is not None:
            length = durations.updates_in(self.end, now.timeline, now.horizon)
        way = now.within(max(length, begin))
        held = float(self.schedule.learning_rate(dataclasses.replace(now, update=begin, xp=NUMPY)))
        final = min(self.final_learning_rate, held)
        down = final + (held - final) * final_descent(way, max(way.horizon - begin, 1), self.curve)
        return now.xp.where(now.update < begin, self.schedule.learning_rate(now), down)


def cooldown(
    schedule: Schedule,
    begin: Duration,
    curve: str = "1-sqrt",
    final_learning_rate: float = 0.0,
    end: Duration | None = None,
) -> Cooldown:
    """Return `schedule` up to `begin`, and a way down from there; see `Cooldown`.

    Args:
        schedule: A schedule.
        begin: Where the way down begins: epochs, `"500 steps"` or `"80%"` of the horizon.
        curve: `"linear"`, `"1-sqrt"` or `"cosine"`.
        final_learning_rate: The rate at its end, >= 0.
        end: Where it ends, a duration as `begin`; None: at the horizon.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay.schedules import Constant, simulate
        >>> schedule = cooldown(Constant(0.4), "50%", "linear", final_learning_rate=0.2)
        >>> simulate(schedule, epochs=4).round(6).tolist()
        [0.4, 0.4, 0.4, 0.3]
    """
    return Cooldown(schedule, begin, curve, final_learning_rate, end)
