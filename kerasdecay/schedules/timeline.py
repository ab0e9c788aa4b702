"""How a run is divided, and where in it a moment lies: whole updates, rounded once on the host."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from kerasdecay import _checks
from kerasdecay.schedules.namespace import NUMPY, ArrayNamespace

HALF_UP = 0.5 + 1e-9
"""Added before a floor, to round halves up. The tiny part rounds up halves that binary fractions
miss: 0.29 × 50 is 14.499…9."""

_LARGEST_STEP = 2**31 - 1
"""Inside a compiled step updates are counted in 32 bits, on JAX and torch at least."""

_MOST_EPOCHS = 10**9


@dataclasses.dataclass(frozen=True)
class Timeline(_checks.Checked):
    """The epochs that a decay is planned for, cut into updates.

    Args:
        epochs: The horizon in epochs, warmup included; an integer from 1 to 10⁹.
        steps_per_epoch: Batches in an epoch, an integer >= 1; None where unknown. A run has at most
            2⁵³ of them.
        unit: What one update is: `"step"` (each batch has its own rate) or `"epoch"` (the schedule
            is sampled at each epoch's start).

    Raises:
        ValueError: For a value out of its range, or unit `"step"` without `steps_per_epoch`.

    Examples:
        >>> Timeline(15, 391).updates
        5865
        >>> Timeline(15, unit="epoch").updates
        15
    """

    epochs: int = _checks.field(..., _checks.integer, at_least=1, at_most=_MOST_EPOCHS)
    steps_per_epoch: int | None = None
    unit: Literal["step", "epoch"] = _checks.field(
        "step", _checks.choice, allowed=("step", "epoch")
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps_per_epoch is not None:
            most = _checks.LARGEST_INTEGER // self.epochs
            steps = _checks.integer(
                "Timeline", "steps_per_epoch", self.steps_per_epoch, at_least=1, at_most=most
            )
            object.__setattr__(self, "steps_per_epoch", steps)
        elif self.unit == "step":
            once = ' Or let it change once an epoch, with update="epoch".'
            raise unknown_steps("a rate that changes within an epoch", once)

    @property
    def updates_per_epoch(self) -> int:
        """Updates in one epoch: 1 per epoch, or the number of steps."""
        if self.unit == "epoch":
            return 1
        assert self.steps_per_epoch is not None
        return self.steps_per_epoch

    @property
    def updates(self) -> int:
        """Updates up to the horizon."""
        return self.epochs * self.updates_per_epoch


def unknown_steps(what: str, remedy: str = "") -> ValueError:
    """Return the error for what needs the number of steps in an epoch, where it is unknown."""
    return ValueError(
        f"kerasdecay: {what} needs a known number of steps in an epoch, and the training data do "
        "not tell it. Pass steps_per_epoch=… (to model.fit, or to the function called; "
        f"--steps-per-epoch on the command line).{remedy}"
    )


@dataclasses.dataclass(frozen=True)
class Moment:
    """One moment, or an array of moments, as a schedule's formula sees it.

    Its time is 0 where the schedule starts, and stops at the schedule's own horizon.

    Args:
        update: Updates done since the schedule's start, in [0, horizon]: an integer, a vector of
            integers, or an integer tensor inside a compiled step.
        horizon: The schedule's own length in updates, an integer on the host.
        timeline: The run.
        xp: The array namespace of `update`.

    Examples:
        >>> now = Moment.of(30, Timeline(epochs=10, steps_per_epoch=10))
        >>> float(now.epochs), float(now.progress)
        (3.0, 0.3)
    """

    update: Any
    horizon: int
    timeline: Timeline
    xp: ArrayNamespace = NUMPY

    @classmethod
    def of(cls, updates: Any, timeline: Timeline, xp: ArrayNamespace = NUMPY) -> Moment:
        """Return the moment of `updates` since the start of the run."""
        return cls(_clip(xp, updates, timeline.updates), timeline.updates, timeline, xp)

    def at(self, update: Any) -> Moment:
        """Return another moment of the same schedule."""
        return dataclasses.replace(self, update=update)

    def after(self, start: int) -> Moment:
        """Return this moment as seen by a schedule that starts `start` updates later."""
        horizon = max(self.horizon - start, 0)
        return dataclasses.replace(
            self, update=_clip(self.xp, self.update - start, horizon), horizon=horizon
        )

    def within(self, length: int) -> Moment:
        """Return this moment as seen by a schedule that lasts `length` updates."""
        horizon = min(length, self.horizon)
        return dataclasses.replace(
            self, update=_clip(self.xp, self.update, horizon), horizon=horizon
        )

    @property
    def epochs(self) -> Any:
        """Position t: epochs since the schedule's start, with fraction."""
        per_epoch = self.timeline.updates_per_epoch
        whole = self.xp.real(self.update // per_epoch)
        return whole + self.xp.real(self.update % per_epoch) / per_epoch

    @property
    def progress(self) -> Any:
        """Share z of the horizon that is done, in [0, 1]."""
        return self.xp.real(self.update) / float(max(self.horizon, 1))

    @property
    def remaining(self) -> Any:
        """Share 1 − z of the horizon that is left, exact near the end in single precision too."""
        length = max(self.horizon, 1)
        return self.xp.real(length - self.update) / length


def _clip(xp: ArrayNamespace, update: Any, horizon: int) -> Any:
    last = horizon if xp is NUMPY else min(horizon, _LARGEST_STEP)
    return xp.minimum(xp.maximum(update, 0), last)
