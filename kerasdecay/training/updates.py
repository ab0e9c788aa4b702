"""When the rate is written: `update="epoch"`, `"batch"`, `"20 steps"`, `"compiled"`, `"auto"`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, Literal

from kerasdecay import _checks
from kerasdecay.rules import Rule
from kerasdecay.schedules import Schedule
from kerasdecay.schedules import duration as durations


@dataclasses.dataclass(frozen=True)
class Update:
    """How often the schedule is sampled and written.

    One write holds for `every` steps. `compiled`: the compiled step computes the rate, and nothing
    is written.
    """

    unit: Literal["epoch", "step"]
    every: int = 1
    compiled: bool = False

    def __str__(self) -> str:
        if self.unit == "epoch":
            return "epoch"
        if self.compiled:
            return "compiled"
        return "batch" if self.every == 1 else f"{self.every} steps"


_ALLOWED = '"auto", "epoch", "batch", "compiled" or a number of steps such as "20 steps"'


def choose(
    update: Any,
    schedules: Iterable[Any],
    rules: tuple[Rule[Any], ...] = (),
    owner: str = "LearningRateDecay",
) -> Update:
    """Return the update that an argument asks for.

    `"auto"` samples once an epoch what changes only between epochs, and everything else, also what
    a rule may bring down, at every batch.

    Raises:
        ValueError: If `update` is none of the allowed; if a function of (epoch, learning_rate) is
            to be sampled within epochs.
    """
    schedules = list(schedules)
    is_function = not all(isinstance(schedule, Schedule) for schedule in schedules)
    if update == "auto":
        if is_function:
            return Update("epoch")
        moves = any(schedule.changes_within_epochs for schedule in schedules)
        comes_down = any(rule.way_down is not None for rule in rules)
        return Update("step" if moves or comes_down else "epoch")
    if update == "epoch":
        return Update("epoch")
    chosen = _within_epochs(owner, update)
    if is_function:
        allowed = '"epoch" for a function of (epoch, learning_rate), which moves on once an epoch'
        raise _checks.invalid(owner, "update", allowed, update)
    return chosen


def _within_epochs(owner: str, update: Any) -> Update:
    if update == "batch":
        return Update("step")
    if update == "compiled":
        return Update("step", compiled=True)
    if isinstance(update, str):
        try:
            amount, unit = durations.parse(owner, "update", update)
        except ValueError:
            amount, unit = 0.0, ""
        if unit == "steps" and amount >= 1:
            return Update("step", int(amount))
    remedy = "For each batch write 'batch'." if update in ("step", "steps", "batches") else ""
    if _checks.real(update) is not None or (isinstance(update, str) and update.strip().isdigit()):
        remedy = f"Did you mean '{update} steps'?"
    raise _checks.invalid(owner, "update", _ALLOWED, update, remedy)
