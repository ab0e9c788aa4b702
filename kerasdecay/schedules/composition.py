"""Schedules made of other schedules: what they share, and one after the other."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, Self

from kerasdecay import _checks
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.base import Schedule
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.family import schedule_of
from kerasdecay.schedules.timeline import Moment


def require_schedule(owner: str, argument: str, value: Any) -> Schedule:
    """Return `value` if it is a schedule, or raise a ValueError."""
    allowed = "a kerasdecay schedule, such as Constant(0.1)"
    found: Schedule = _checks.instance(owner, argument, value, Schedule, allowed)
    return found


def _schedules(owner: str, argument: str, value: Any) -> tuple[Schedule, ...]:
    given = _checks.items(owner, argument, value, "a sequence of kerasdecay schedules")
    return tuple(
        require_schedule(owner, argument, schedule_of(owner, argument, one)) for one in given
    )


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

    def unreached(self, start: Moment) -> Iterator[str]:
        """Yield what the parts yield, each from where it starts."""
        for part in self.parts:
            yield from part.unreached(start)


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
class Sequence(Composition):
    """Schedules one after the other, each with a time and a horizon of its own.

    η(t) = sᵢ(t − Tᵢ) for Tᵢ <= t < Tᵢ₊₁, where Tᵢ is the sum of the first i durations. The last
    schedule has what is left of the horizon.

    Args:
        schedules: Two or more: schedules, names of shapes, or constant rates.
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

    def unreached(self, start: Moment) -> Iterator[str]:
        """Yield what the parts yield, and that a part never begins."""
        for part, (moment, begin) in zip(self.schedules, self._moments(start), strict=True):
            if begin >= start.horizon:
                filled = f"sequence: durations={self.durations!r} fill the run"
                yield f"{filled}: the {type(part).__name__} never begins"
                return
            yield from part.unreached(moment)

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


def sequence(
    schedules: Iterable[Schedule | str | float], durations: Iterable[Duration]
) -> Sequence:
    """Return `schedules` one after the other, the last to the horizon; see `Sequence`.

    Args:
        schedules: Two or more: schedules, names of shapes, or constant rates.
        durations: One for each schedule but the last: epochs, `"500 steps"` or `"50%"` of the
            horizon.

    Raises:
        ValueError: If the counts do not fit, or the durations exceed the horizon.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(sequence([0.1, 0.01, 0.001], [2, 1]), epochs=4).tolist()
        [0.1, 0.1, 0.01, 0.001]
    """
    return Sequence(schedules, durations)  # type: ignore[arg-type]  # its fields become tuples
