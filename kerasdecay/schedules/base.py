"""The schedule: position → learning rate, pure, closed form, immutable."""

from __future__ import annotations

import abc
import dataclasses
import functools
import math
import os
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from kerasdecay import _checks
from kerasdecay._config import Configurable
from kerasdecay._shown import InNotebook
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.namespace import NUMPY, ArrayNamespace
from kerasdecay.schedules.timeline import HALF_UP, Moment, Timeline


@dataclasses.dataclass(frozen=True)
class Schedule(Configurable, InNotebook, abc.ABC):
    """A pure function of time. Subclasses are final and state one formula, `learning_rate`.

    Schedules multiply: `0.5 * Cosine(0.1)`, `Cosine(0.1) * Step()`; see `Scaled` and `Product`.
    """

    __array_ufunc__ = None  # NumPy leaves `np.float64(0.5) * schedule` to the schedule
    _guesses = MappingProxyType(  # without an annotation, which would be taken for a field
        dict.fromkeys(("lr", "initial_lr", "base_lr", "max_lr"), "initial_learning_rate")
        | dict.fromkeys(("simulate", "get_lr"), "kerasdecay.simulate(schedule, epochs=…)")
    )
    if TYPE_CHECKING:  # likewise
        formula: ClassVar[Callable[[Any, Moment], Any]]
        """`learning_rate` as the subclass states it, which does not check the moment."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let `learning_rate` say of what is no moment how to get the rates."""
        super().__init_subclass__(**kwargs)
        formula = vars(cls).get("learning_rate")
        if formula is not None and not getattr(formula, "__isabstractmethod__", False):
            cls.formula = formula
            cls.learning_rate = _of_moments(formula)  # type: ignore[assignment, method-assign]

    def __mul__(self, other: Any) -> Schedule:
        return times(other, self)

    def __rmul__(self, other: Any) -> Schedule:
        return times(other, self)

    @abc.abstractmethod
    def learning_rate(self, now: Moment) -> Any:
        """Return the rate at a moment: a number, a vector or a tensor, as the moment is."""

    @abc.abstractmethod
    def resolve(self, initial_learning_rate: float) -> Self:
        """Return this schedule with every initial rate that was left open filled in."""

    @property
    @abc.abstractmethod
    def is_resolved(self) -> bool:
        """Whether every initial rate is given, so that rates can be computed."""

    @property
    def is_auto(self) -> bool:
        """Whether an initial rate is `"auto"`: to be found inside `fit`."""
        return False

    @property
    def changes_within_epochs(self) -> bool:
        """Whether sampling at each epoch's start would lose anything, for any run."""
        return True

    def warmup_updates(self, timeline: Timeline) -> int:
        """Return the number of updates that warm up, at the start of the run."""
        return self.warmup_from(Moment.of(0, timeline))

    def warmup_from(self, start: Moment) -> int:
        """Return the number of updates that warm up, where the schedule starts at `start`."""
        return 0

    def check(self, start: Moment) -> None:
        """Raise a ValueError if the schedule cannot be laid over the horizon of `start`."""

    def unreached(self, start: Moment) -> Iterator[str]:
        """Yield what of the schedule begins only at the horizon of `start` or later, in words.

        Each sentence names the argument. What is yielded has no effect in such a run.
        """
        yield from ()

    def rates(
        self, updates: Any, timeline: Timeline | None = None, xp: ArrayNamespace = NUMPY
    ) -> Any:
        """Return the rates at `updates` (batches or epochs done, by the timeline's unit).

        Args:
            updates: An integer or an array of integers >= 0; beyond the horizon the last rate
                holds.
            timeline: The run: horizon, steps per epoch, unit. It must be given.
            xp: The array namespace of `updates`.

        Raises:
            ValueError: If `updates` are no integers or `timeline` is no `Timeline`.

        Examples:
            >>> from kerasdecay.schedules import PowerStep, Timeline
            >>> PowerStep(0.1).rates(5, Timeline(15, unit="epoch")).item()
            0.010000000000000002
        """
        run = _checks.instance(
            "rates",
            "timeline",
            timeline,
            Timeline,
            "a kerasdecay Timeline, such as Timeline(epochs=15, steps_per_epoch=100)",
            f"For the rates of a run: {self._simulated()}.",
        )
        if xp is NUMPY and np.asarray(updates).dtype.kind not in "iuf":
            raise _checks.invalid("rates", "updates", "an integer or an array of integers", updates)
        return self.formula(Moment.of(updates, run, xp))

    def plot(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        epochs: int | None = None,
        **options: Any,
    ) -> Any:
        """Draw the rates over a run; see `kerasdecay.plot`.

        Args:
            path: Where to save the picture, if anywhere: a name that ends in .png, .svg or .pdf.
            epochs: The horizon, which must be given.
            **options: `steps_per_epoch`, `initial_learning_rate`, `labels`, `title`, `show`.
        """
        from kerasdecay.report import plot

        return plot(self, epochs=epochs, path=path, **options)

    def __call__(self, *_: Any) -> Any:
        """Say of what an optimizer asks of a rate that this is none."""
        name = type(self).__name__
        raise TypeError(
            f"{name}: a schedule is no function of the step, because it must know the run. For an "
            f"optimizer write kerasdecay.as_keras({name}(…), epochs=…, steps_per_epoch=…); for fit "
            f"callbacks=[{self.as_callback()}]; for its rates {self._simulated()}."
        )

    def _simulated(self) -> str:
        """Return how the rates of this schedule over a run are written."""
        return f"kerasdecay.simulate({type(self).__name__}(…), epochs=…, steps_per_epoch=…)"


def _of_moments(formula: Callable[[Any, Moment], Any]) -> Callable[[Any, Moment], Any]:
    """Return a formula that refuses what is no moment, such as the number of an epoch."""

    @functools.wraps(formula)
    def learning_rate(self: Schedule, now: Moment) -> Any:
        if not isinstance(now, Moment):
            raise TypeError(
                f"{type(self).__name__}: learning_rate must be asked for a moment of a run. "
                f"Received: {_checks.shown(now)}. For the rates of a run: {self._simulated()}."
            )
        return formula(self, now)

    return learning_rate


@functools.singledispatch
def times(other: Any, schedule: Schedule) -> Schedule:
    """Return `schedule * other`. `product`, which builds on this module, registers what can be."""
    return NotImplemented


@dataclasses.dataclass(frozen=True)
class Given(Schedule):
    """A schedule whose rates are all given: it has no initial one to fill in."""

    def resolve(self, initial_learning_rate: float) -> Self:
        """Return itself."""
        return self

    is_resolved = True


AUTO = "auto"
"""The initial rate of a shape whose callback finds one, by a probe inside `fit`."""


def rate_or_auto(owner: str, argument: str, value: Any, **limits: Any) -> float | str:
    """Return an initial rate as a float, or `"auto"`, or raise a `ValueError`."""
    if isinstance(value, str):
        if value == AUTO:
            return AUTO
        remedy = _checks.meant(value) or ('Did you mean "auto"?' if value.lower() == AUTO else "")
        raise _checks.invalid(owner, argument, 'a finite number > 0, None or "auto"', value, remedy)
    if callable(value) or getattr(value, "shape", isinstance(value, (list, tuple))):
        limits["remedy"] = "A schedule, a function or a list goes into LearningRateDecay(…)."
    return _checks.rate(owner, argument, value, **limits)


@dataclasses.dataclass(frozen=True)
class Shape(Schedule):
    """A schedule with an initial rate of its own: what every named shape is.

    Args:
        initial_learning_rate: η₀, a finite number > 0; None leaves it to the optimizer that the
            schedule is used with; `"auto"` lets the callback find one, inside `fit`.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> import dataclasses
        >>> from kerasdecay.schedules import Shape, simulate
        >>> @dataclasses.dataclass(frozen=True)
        ... class Quarter(Shape):
        ...     def learning_rate(self, now):  # η(t) = η₀ (1 − ¾ z)
        ...         return self.initial * (1 - 0.75 * now.progress)
        >>> simulate(Quarter(0.4), epochs=3).round(6).tolist()
        [0.4, 0.3, 0.2]
    """

    initial_learning_rate: float | str | None = _checks.field(None, rate_or_auto, optional=True)

    def resolve(self, initial_learning_rate: float) -> Self:
        """Return this shape with `initial_learning_rate`, unless it has one already."""
        if self.is_resolved:
            return self
        return dataclasses.replace(self, initial_learning_rate=initial_learning_rate)

    @property
    def is_resolved(self) -> bool:
        """Whether the initial rate is given as a number."""
        return self.initial_learning_rate is not None and not self.is_auto

    @property
    def is_auto(self) -> bool:
        """Whether the initial rate is `"auto"`."""
        return self.initial_learning_rate == AUTO

    @property
    def initial(self) -> float:
        """η₀, or a ValueError that says how to give one."""
        rate = self.initial_learning_rate
        if isinstance(rate, (str, type(None))):
            found = "probes for it" if self.is_auto else "takes the optimizer's rate"
            allowed = "a number > 0 before rates can be computed"
            remedy = f"Pass initial_learning_rate=0.1, say; in fit the callback {found}."
            raise _checks.invalid(self.owner(), "initial_learning_rate", allowed, rate, remedy)
        return rate

    def _updates(
        self,
        argument: str,
        now: Moment,
        *,
        value: durations.Duration | None = None,
        shortest: int = 1,
        fits: bool = True,
    ) -> float:
        """Return a field that is a duration in updates of this run, with fraction.

        Args:
            argument: The field's name.
            now: A moment, for its horizon and timeline.
            value: The duration, where the field holds several.
            shortest: 1 if it must last for an update, rounded; 0 if any length above 0 will do.
            fits: Whether it must fit into the shape's horizon.

        Raises:
            ValueError: If the duration is too short or too long for this run.
        """
        value = getattr(self, argument) if value is None else value
        exact = durations.exact_updates_in(value, now.timeline, now.horizon)
        rounded, unit = math.floor(exact + HALF_UP), now.timeline.unit
        if exact == 0 or rounded < shortest:
            allowed = f"at least one {unit} long in a decay over {now.horizon} {unit}s"
        elif fits and rounded > now.horizon:
            allowed = f"at most the {now.horizon} {unit}s that there are to decay in"
        else:
            return exact
        remedy = "Change it, train longer, or let the rate change at every batch."
        raise _checks.invalid(self.owner(), argument, allowed, value, remedy)

    def _at_most_initial(self, argument: str) -> None:
        """Raise a ValueError if a field is a rate above the initial one, where that is known."""
        value = getattr(self, argument)
        if self.is_resolved and value > self.initial:
            allowed = f"at most initial_learning_rate, {self.initial:g}"
            raise _checks.invalid(self.owner(), argument, allowed, value)
