"""The rates of a whole run as one vector, before any training."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasdecay import _checks
from kerasdecay._names import takes_familiar
from kerasdecay.schedules.base import Schedule
from kerasdecay.schedules.family import schedule_of
from kerasdecay.schedules.timeline import Moment, Timeline

_CHUNK = 32768


@takes_familiar
def simulate(
    schedule: Any,
    *,
    epochs: int,
    steps_per_epoch: int | None = None,
    initial_learning_rate: float | None = None,
) -> np.ndarray:
    """Return the rates of a whole run.

    Args:
        schedule: A schedule, the name of one, a constant rate, or a decay callback. Of a callback
            the schedule, the warmup and `update` (how often it writes the rate) are used; its rules
            are ignored, because their decisions are not known before a training.
        epochs: The horizon, an integer >= 1.
        steps_per_epoch: Batches in an epoch; None gives one rate for each epoch, that of
            `update="epoch"` (`"auto"` may write within epochs).
        initial_learning_rate: The initial rate for a schedule that takes the optimizer's, or finds
            one (`"auto"`).

    Returns:
        A float64 vector: `epochs × steps_per_epoch` rates, or `epochs` rates.

    Raises:
        ValueError: For a value out of its range, an initial rate that is not given, or a schedule
            that does not fit the horizon.

    Examples:
        >>> from kerasdecay.schedules import PowerStep
        >>> simulate(PowerStep(0.1, stages=2), epochs=4).round(4).tolist()
        [0.1, 0.1, 0.01, 0.01]
    """
    update = getattr(schedule, "update", None)  # of a callback, how often its rate is written
    is_function = callable(schedule) and not hasattr(schedule, "schedule")  # of Keras, or a user's
    remedy = "It goes into a callback: LearningRateDecay(…)." if is_function else ""
    if not isinstance(schedule, Schedule):
        schedule = getattr(schedule, "schedule", schedule)
    schedule = schedule_of("simulate", "schedule", schedule)
    allowed = "a kerasdecay schedule, the name of one, a number, or a decay callback"
    _checks.instance("simulate", "schedule", schedule, Schedule, allowed, remedy)
    if initial_learning_rate is not None:
        schedule = schedule.resolve(initial_learning_rate)
    timeline = Timeline(epochs, steps_per_epoch, "epoch" if steps_per_epoch is None else "step")
    schedule.check(Moment.of(0, timeline))
    # Pieces of whole epochs that fit into the processor's cache are two to three times as fast as
    # the whole run at once.
    size = max(_CHUNK // timeline.updates_per_epoch, 1) * timeline.updates_per_epoch
    rates = np.empty(timeline.updates, dtype=np.float64)
    for first in range(0, timeline.updates, size):
        updates = np.arange(first, min(first + size, timeline.updates))
        rates[first : first + size] = schedule.rates(updates, timeline)
    if steps_per_epoch is None or update is None:
        return rates
    if update.unit == "epoch":  # the schedule sees epochs then, and no steps
        return np.repeat(simulate(schedule, epochs=epochs), steps_per_epoch)
    return rates[np.arange(timeline.updates) // update.every * update.every]
