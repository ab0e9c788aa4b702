"""The rise at the start of a run. Every warmup of the package is the one here."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal, overload

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.annealing import CURVES, descent
from kerasdecay.schedules.base import Schedule
from kerasdecay.schedules.composition import Wrapper
from kerasdecay.schedules.constant import Constant
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.family import schedule_of
from kerasdecay.schedules.namespace import NUMPY
from kerasdecay.schedules.product import Product
from kerasdecay.schedules.timeline import Moment

_EXPONENTIAL = "exponential"


@dataclasses.dataclass(frozen=True)
class Warmup(Wrapper):
    """A rise to the first rate of a schedule, which then runs over the rest of the horizon.

    With N updates inside the warmup w, the n-th of them (n = 0 … N−1) has the rate
    s(0) · c((n+1)/N), so that the first update already trains; from w on the rate is s(t − w), and
    s has the horizon E − w. A `start` f given explicitly is the first rate's share of s(0):
    s(0) · (f + (1−f) c(n/N)). The curve c is one of u, (1 − cos πu)/2 and 1 − √(1 − u); the
    exponential one is s(0) · f^(1 − n/N), the same factor at each update.

    Args:
        schedule: s.
        duration: w: epochs, `"500 steps"` or `"10%"`, at most the horizon. 0 changes nothing.
        start: f in [0, 1] or such as `"10%"`, or None; above 0 for the exponential curve.
        curve: `"linear"`, `"cosine"`, `"1-sqrt"` or `"exponential"`.

    Raises:
        ValueError: For a value out of its range; when laid over a horizon shorter than w.

    Examples:
        >>> from kerasdecay.schedules import Constant, simulate
        >>> simulate(warmup(Constant(0.4), 4), epochs=6).round(6).tolist()
        [0.1, 0.2, 0.3, 0.4, 0.4, 0.4]

    Source: Goyal et al., Accurate, Large Minibatch SGD, 2017 (arXiv:1706.02677).
    """

    duration: Duration = _checks.field(..., durations.check)
    start: float | str | None = _checks.field(
        None, _checks.share, optional=True, at_least=0, at_most=1
    )
    curve: str = _checks.field("linear", _checks.choice, allowed=(*CURVES, _EXPONENTIAL))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.curve == _EXPONENTIAL and not self.start:
            allowed = "> 0 and <= 1 for the exponential curve, such as 0.01"
            raise _checks.invalid("warmup", "start", allowed, self.start)

    @property
    def changes_within_epochs(self) -> bool:
        """Rises with each update, unless its duration is 0."""
        return durations.parse("warmup", "duration", self.duration)[0] > 0 or (
            self.schedule.changes_within_epochs
        )

    def warmup_from(self, start: Moment) -> int:
        """N, and the warmup of the schedule inside."""
        length = self._length(start)
        return length + self.schedule.warmup_from(start.after(length))

    def check(self, start: Moment) -> None:
        """Raise a ValueError if the warmup is longer than the horizon."""
        length = self._length(start)
        if length > start.horizon:
            steps = (start.timeline.steps_per_epoch or 0) * start.timeline.epochs
            remedy = "Warm up for a shorter time, or train longer."
            if not isinstance(self.duration, str) and self.duration <= steps:
                remedy += f" Did you mean '{self.duration:g} steps'?"
            raise _checks.invalid(
                "warmup",
                "duration",
                f"at most the horizon, {start.horizon / start.timeline.updates_per_epoch:g} epochs",
                self.duration,
                remedy,
            )
        self.schedule.check(start.after(length))

    def unreached(self, start: Moment) -> Iterator[str]:
        """Yield it if the warmup is the whole run; else what the schedule inside yields."""
        length = self._length(start)
        if 0 < length >= start.horizon:
            inside = type(self.schedule).__name__
            yield f"warmup: duration={self.duration!r} is the whole run: the {inside} never begins"
        else:
            yield from self.schedule.unreached(start.after(length))

    def learning_rate(self, now: Moment) -> Any:
        """s(0) · ramp below w, s(t − w) from there on."""
        length = self._length(now)
        after = now.after(length)
        rate = self.schedule.learning_rate(after)
        if length == 0:
            return rate
        origin = dataclasses.replace(after, update=0, xp=NUMPY)
        target = float(self.schedule.learning_rate(origin))
        return now.xp.where(now.update < length, target * self._ramp(now, length), rate)

    def _ramp(self, now: Moment, length: int) -> Any:
        """Return the share of s(0) below w; its last value from there on."""
        xp = now.xp
        done = xp.minimum(now.update, length - 1)
        if self.start is None:
            return descent(xp, self.curve, xp.real(length - 1 - done), xp.real(done + 1))
        share = float(self.start)
        if self.curve == _EXPONENTIAL:
            return xp.power(share, xp.real(length - done) / length)
        rise = descent(xp, self.curve, xp.real(length - done), xp.real(done))
        return share + (1.0 - share) * rise

    def _length(self, now: Moment) -> int:
        return durations.updates_in(self.duration, now.timeline, now.horizon)


@overload
def warmup(
    schedule: Schedule | str | float,
    duration: Duration,
    start: float | str | None = None,
    curve: str = "linear",
    *,
    shift: Literal[True] = True,
) -> Warmup: ...


@overload
def warmup(
    schedule: Schedule | str | float,
    duration: Duration,
    start: float | str | None = None,
    curve: str = "linear",
    *,
    shift: bool,
) -> Schedule: ...


def warmup(
    schedule: Schedule | str | float,
    duration: Duration,
    start: float | str | None = None,
    curve: str = "linear",
    *,
    shift: bool = True,
) -> Schedule:
    """Return `schedule` after a rise of `duration`; see `Warmup`.

    Args:
        schedule: What to warm up: a schedule, the name of one, or a constant rate.
        duration: How long the rise takes.
        start: The first rate's share of the full one, such as 0.1 or `"10%"`; None lets the first
            update train already.
        curve: `"linear"`, `"cosine"`, `"1-sqrt"` or `"exponential"`.
        shift: Whether the schedule begins after the warmup. If not, it begins with the run, and the
            warmup multiplies it meanwhile: s(t) · ramp(t), as torch's ChainedScheduler does.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay.schedules import Linear, simulate
        >>> simulate(warmup(Linear(0.4), 2, shift=False), epochs=4).round(6).tolist()
        [0.2, 0.3, 0.2, 0.1]
    """
    given = schedule_of("warmup", "schedule", schedule)
    if _checks.flag("warmup", "shift", shift):
        return Warmup(given, duration, start, curve)
    return Product(given, Warmup(Constant(), duration, start, curve))
