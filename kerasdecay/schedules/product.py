"""Products: a schedule times a number, and a schedule times a relative one."""

from __future__ import annotations

import dataclasses
import numbers
from typing import Any, Self

from kerasdecay import _checks
from kerasdecay.schedules.base import Schedule, Shape, times
from kerasdecay.schedules.composition import Composition, Wrapper, require_schedule
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class Scaled(Wrapper):
    """A schedule times a number: η(t) = c · s(t). `0.5 * schedule` is the same.

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


def _relative(owner: str, argument: str, value: Any) -> Schedule:
    """Return a schedule of factors: every initial rate that was left open is 1."""
    given = require_schedule(owner, argument, value)
    factor = given if given.is_auto else given.resolve(1.0)
    first = factor
    while isinstance(first, Composition):
        first = first.parts[0]
    if given.is_auto or (isinstance(first, Shape) and first.initial != 1.0):
        raise _checks.invalid(
            owner,
            argument,
            "a relative schedule, whose first initial rate is 1 or left open",
            value,
            "The product of two learning rates is none: leave the initial rate of the right factor "
            "out, and write 0.5 * Constant() for a factor of a half.",
        )
    return factor


@dataclasses.dataclass(frozen=True)
class Product(Composition):
    """A schedule times a relative one: η(t) = s(t) · r(t). `s * r` is the same.

    Both schedules run from the start of the product, over its whole horizon. The relative schedule
    begins at 1, unless it is scaled. All its rates, also the final one, are shares of s.

    Args:
        schedule: s, which has the learning rate.
        factor: r: a schedule whose initial rate is 1 or left open, or one of your own functions.

    Raises:
        ValueError: If r has a learning rate of its own.

    Examples:
        >>> from kerasdecay.schedules import Linear, Step, simulate
        >>> simulate(Linear(0.4) * Step(every=2, factor=0.5), epochs=4).round(6).tolist()
        [0.4, 0.3, 0.1, 0.05]
    """

    schedule: Schedule = _checks.field(..., require_schedule)
    factor: Schedule = _checks.field(..., _relative)

    @property
    def parts(self) -> tuple[Schedule, ...]:
        """The schedule and the relative one."""
        return (self.schedule, self.factor)

    def _with(self, parts: tuple[Schedule, ...]) -> Self:
        return dataclasses.replace(self, schedule=parts[0], factor=parts[1])

    @property
    def changes_within_epochs(self) -> bool:
        """Whether one of the two does."""
        return any(part.changes_within_epochs for part in self.parts)

    def warmup_from(self, start: Moment) -> int:
        """The longer warmup of the two."""
        return max(part.warmup_from(start) for part in self.parts)

    def check(self, start: Moment) -> None:
        """Raise what one of the two raises."""
        for part in self.parts:
            part.check(start)

    def learning_rate(self, now: Moment) -> Any:
        """s(t) · r(t)."""
        return self.schedule.learning_rate(now) * self.factor.learning_rate(now)


def _highest(schedule: Schedule) -> float:
    """Return the highest initial rate inside a schedule, scaled; 0 if none is known."""
    if isinstance(schedule, Shape):
        return schedule.initial if schedule.is_resolved else 0.0
    if isinstance(schedule, Product):
        return _highest(schedule.schedule)
    if not isinstance(schedule, Composition):
        return 0.0
    highest = max(map(_highest, schedule.parts))
    return schedule.factor * highest if isinstance(schedule, Scaled) else highest


def scaled(schedule: Schedule, factor: float) -> Scaled:
    """Return `schedule` times the number `factor`; see `Scaled`.

    Args:
        schedule: A schedule.
        factor: A finite number > 0.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay.schedules import Linear, simulate
        >>> simulate(scaled(Linear(0.4), 0.5), epochs=2).tolist()
        [0.2, 0.1]
    """
    return Scaled(schedule, factor)


@times.register
def _times_number(other: numbers.Real, schedule: Schedule) -> Schedule:
    return Scaled(schedule, other)  # type: ignore[arg-type]  # its check makes it a float


@times.register
def _times_schedule(other: Schedule, schedule: Schedule) -> Schedule:
    return Product(schedule, other)
