"""Schedules made of other schedules. Every warmup of the package is the one here."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterable
from typing import Any, Self

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.base import Schedule, Shape
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.namespace import NUMPY
from kerasdecay.schedules.timeline import Moment


def require_schedule(owner: str, argument: str, value: Any) -> Schedule:
    """Return `value` if it is a schedule, or raise a ValueError."""
    allowed = "a kerasdecay schedule, such as Constant(0.1)"
    found: Schedule = _checks.instance(owner, argument, value, Schedule, allowed)
    return found


def _schedules(owner: str, argument: str, value: Any) -> tuple[Schedule, ...]:
    given = _checks.items(owner, argument, value, "a sequence of kerasdecay schedules")
    return tuple(require_schedule(owner, argument, one) for one in given)


def _durations(owner: str, argument: str, value: Any) -> tuple[Duration, ...]:
    given = _checks.items(owner, argument, value, "a sequence of durations")
    return tuple(durations.check(owner, argument, one) for one in given)


@dataclasses.dataclass(frozen=True)
class Composition(Schedule):
    """A schedule made of others. Errors begin with the name of the function that makes it."""

    @classmethod
    def owner(cls) -> str:
        """Return the name of the function that makes it."""
        return cls.__name__.lower()

    @property
    @abc.abstractmethod
    def parts(self) -> tuple[Schedule, ...]:
        """The schedules inside."""

    @abc.abstractmethod
    def _with(self, parts: tuple[Schedule, ...]) -> Self:
        """Return the same composition of other parts."""

    def resolve(self, initial_learning_rate: float) -> Self:
        """Fill in the initial rate of every part that has none."""
        return self._with(tuple(part.resolve(initial_learning_rate) for part in self.parts))

    @property
    def is_resolved(self) -> bool:
        """Whether every part is."""
        return all(part.is_resolved for part in self.parts)

    @property
    def is_auto(self) -> bool:
        """Whether a part is."""
        return any(part.is_auto for part in self.parts)


@dataclasses.dataclass(frozen=True)
class Wrapper(Composition):
    """A composition of one schedule, which starts when the composition starts."""

    schedule: Schedule = _checks.field(..., require_schedule)

    @property
    def parts(self) -> tuple[Schedule, ...]:
        """The schedule inside."""
        return (self.schedule,)

    def _with(self, parts: tuple[Schedule, ...]) -> Self:
        return dataclasses.replace(self, schedule=parts[0])

    def warmup_from(self, start: Moment) -> int:
        """What the schedule inside warms up."""
        return self.schedule.warmup_from(start)

    def check(self, start: Moment) -> None:
        """Raise what the schedule inside raises."""
        self.schedule.check(start)


@dataclasses.dataclass(frozen=True)
class Warmup(Wrapper):
    """A linear rise into a schedule, which then runs shifted, over the rest of the horizon.

    With N updates inside the warmup w, the n-th of them (n = 0 … N−1) has the rate
    s(0) · (n+1)/N, so that the first update already trains; from w on the rate is s(t − w), and s
    has the horizon E − w. A `start` f given explicitly is the first rate's share of s(0):
    s(0) · (f + (1−f) n/N).

    Args:
        schedule: s.
        duration: w: epochs, `"500 steps"` or `"10%"`, at most the horizon. 0 changes nothing.
        start: f in [0, 1], or None.

    Raises:
        ValueError: For a value out of its range; when laid over a horizon shorter than w.

    Examples:
        >>> from kerasdecay.schedules import Constant, simulate
        >>> simulate(warmup(Constant(0.4), 4), epochs=6).round(6).tolist()
        [0.1, 0.2, 0.3, 0.4, 0.4, 0.4]

    Source: Goyal et al., Accurate, Large Minibatch SGD, 2017 (arXiv:1706.02677).
    """

    duration: Duration = _checks.field(..., durations.check)
    start: float | None = _checks.field(None, _checks.number, optional=True, at_least=0, at_most=1)

    @property
    def changes_within_epochs(self) -> bool:
        """Rises with each update, unless its duration is 0."""
        return durations.parse("warmup", "duration", self.duration)[0] > 0 or (
            self.schedule.changes_within_epochs
        )

    def warmup_from(self, start: Moment) -> int:
        """N, and whatever the schedule inside warms up itself."""
        length = self._length(start)
        return length + self.schedule.warmup_from(start.after(length))

    def check(self, start: Moment) -> None:
        """Raise a ValueError if the warmup is longer than the horizon."""
        length = self._length(start)
        if length > start.horizon:
            raise _checks.invalid(
                "warmup",
                "duration",
                f"at most the horizon, {start.horizon / start.timeline.updates_per_epoch:g} epochs",
                self.duration,
                "Warm up for a shorter time, or train longer.",
            )
        self.schedule.check(start.after(length))

    def learning_rate(self, now: Moment) -> Any:
        """s(0) · ramp below w, s(t − w) from there on."""
        length = self._length(now)
        after = now.after(length)
        rate = self.schedule.learning_rate(after)
        if length == 0:
            return rate
        done = now.xp.real(now.xp.minimum(now.update, length))
        if self.start is None:
            share = (done + 1.0) / length
        else:
            share = self.start + (1.0 - self.start) * (done / length)
        origin = dataclasses.replace(after, update=0, xp=NUMPY)
        target = float(self.schedule.learning_rate(origin))
        return now.xp.where(now.update < length, target * share, rate)

    def _length(self, now: Moment) -> int:
        return durations.updates_in(self.duration, now.timeline, now.horizon)


@dataclasses.dataclass(frozen=True)
class Sequence(Composition):
    """Schedules one after the other, each with a time and a horizon of its own.

    η(t) = sᵢ(t − Tᵢ) for Tᵢ <= t < Tᵢ₊₁, where Tᵢ is the sum of the first i durations. The last
    schedule has what is left of the horizon.

    Args:
        schedules: Two or more.
        durations: One for each schedule but the last.

    Raises:
        ValueError: If the counts do not fit, or the durations exceed the horizon.

    Examples:
        >>> from kerasdecay.schedules import Constant, simulate
        >>> simulate(sequence([Constant(0.1), Constant(0.01)], [2]), epochs=4).tolist()
        [0.1, 0.1, 0.01, 0.01]
    """

    schedules: tuple[Schedule, ...] = _checks.field(..., _schedules)
    durations: tuple[Duration, ...] = _checks.field(..., _durations)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.schedules) < 2 or len(self.durations) != len(self.schedules) - 1:
            raise _checks.invalid(
                "sequence",
                "durations",
                "one fewer than the schedules, of which there must be at least 2 "
                f"(there are {len(self.schedules)})",
                self.durations,
            )

    @property
    def parts(self) -> tuple[Schedule, ...]:
        """The schedules in their order."""
        return self.schedules

    def _with(self, parts: tuple[Schedule, ...]) -> Self:
        return dataclasses.replace(self, schedules=parts)

    @property
    def changes_within_epochs(self) -> bool:
        """Whether a part does, or one ends within an epoch."""
        return any(part.changes_within_epochs for part in self.parts) or not all(
            map(durations.is_whole_epochs, self.durations)
        )

    def warmup_from(self, start: Moment) -> int:
        """What the first schedule warms up."""
        return self.schedules[0].warmup_from(self._moments(start)[0][0])

    def check(self, start: Moment) -> None:
        """Raise a ValueError if the durations exceed the horizon."""
        if sum(self._lengths(start)) > start.horizon:
            raise _checks.invalid(
                "sequence",
                "durations",
                f"at most the horizon, {start.horizon / start.timeline.updates_per_epoch:g} "
                "epochs, together",
                self.durations,
            )
        for part, (moment, _) in zip(self.schedules, self._moments(start), strict=True):
            part.check(moment)

    def learning_rate(self, now: Moment) -> Any:
        """The rate of the schedule whose turn it is."""
        moments = self._moments(now)
        rate = self.schedules[0].learning_rate(moments[0][0])
        for part, (moment, begin) in zip(self.schedules[1:], moments[1:], strict=True):
            rate = now.xp.where(now.update < begin, rate, part.learning_rate(moment))
        return rate

    def _moments(self, now: Moment) -> list[tuple[Moment, int]]:
        """Return, for each schedule, the moment as it sees it and the update it begins with."""
        moments, begin = [], 0
        for length in self._lengths(now):
            moments.append((now.after(begin).within(length), begin))
            begin += length
        return [*moments, (now.after(begin), begin)]

    def _lengths(self, now: Moment) -> list[int]:
        return [durations.updates_in(v, now.timeline, now.horizon) for v in self.durations]


@dataclasses.dataclass(frozen=True)
class Scaled(Wrapper):
    """A schedule times a factor: η(t) = c · s(t).

    Args:
        schedule: s.
        factor: c, a finite number > 0.

    Raises:
        ValueError: If the factor is not a finite number > 0.

    Examples:
        >>> from kerasdecay.schedules import Constant, simulate
        >>> simulate(scaled(Constant(0.1), 0.5), epochs=2).tolist()
        [0.05, 0.05]
    """

    factor: float = _checks.field(..., _checks.number, above=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if highest := _highest(self):
            _checks.rate("scaled", "factor × initial_learning_rate", highest)

    @property
    def changes_within_epochs(self) -> bool:
        """Whether the schedule inside does."""
        return self.schedule.changes_within_epochs

    def learning_rate(self, now: Moment) -> Any:
        """The rate inside, times c."""
        return self.factor * self.schedule.learning_rate(now)


def _highest(schedule: Schedule) -> float:
    """Return the highest initial rate inside a schedule, scaled; 0 if none is known."""
    if isinstance(schedule, Shape):
        return schedule.initial if schedule.is_resolved else 0.0
    if not isinstance(schedule, Composition):
        return 0.0
    highest = max(map(_highest, schedule.parts))
    return schedule.factor * highest if isinstance(schedule, Scaled) else highest


def warmup(schedule: Schedule, duration: Duration, start: float | None = None) -> Warmup:
    """Return `schedule` after a linear rise of `duration`; see `Warmup`."""
    return Warmup(schedule, duration, start)


def sequence(schedules: Iterable[Schedule], durations: Iterable[Duration]) -> Sequence:
    """Return `schedules` one after the other, the last to the horizon; see `Sequence`."""
    return Sequence(schedules, durations)  # type: ignore[arg-type]  # its fields become tuples


def scaled(schedule: Schedule, factor: float) -> Scaled:
    """Return `schedule` times `factor`; see `Scaled`."""
    return Scaled(schedule, factor)
