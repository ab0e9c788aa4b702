"""A schedule as a Keras `LearningRateSchedule`, for optimizers that are built with one."""

from __future__ import annotations

import numbers
from typing import Any, Self

import keras

from kerasdecay._checks import instance, invalid
from kerasdecay._config import from_config
from kerasdecay._names import takes_familiar
from kerasdecay.schedules import Moment, Schedule, Timeline
from kerasdecay.schedules.family import schedule_of
from kerasdecay.training.callback import DecayCallback
from kerasdecay.training.namespace import KERAS

_MOST_UPDATES = 2**31 - 1


@keras.saving.register_keras_serializable(package="kerasdecay")
class KerasSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """What `as_keras` returns: the schedule's rate at an optimizer's iteration, in float32."""

    def __init__(
        self, schedule: Schedule | dict[str, Any], epochs: int, steps_per_epoch: int
    ) -> None:
        super().__init__()
        self.schedule = from_config(schedule) if isinstance(schedule, dict) else schedule
        instance("as_keras", "schedule", self.schedule, Schedule, "a kerasdecay schedule")
        self.timeline = Timeline(epochs, steps_per_epoch)
        if self.timeline.updates > _MOST_UPDATES:
            raise ValueError(
                f"as_keras: epochs × steps_per_epoch must be at most {_MOST_UPDATES}, what Keras "
                f"counts to. Received: epochs={epochs!r}, steps_per_epoch={steps_per_epoch!r}."
            )
        self.schedule.check(Moment.of(0, self.timeline))
        self(0)  # what cannot be computed on tensors says so here, and not in the middle of `fit`

    def __call__(self, step: Any) -> Any:
        """Return the rate of the update that follows `step` updates: a number or a tensor."""
        updates = _as_updates(step, self.timeline.updates)
        return KERAS.real(self.schedule.rates(updates, self.timeline, KERAS))

    def get_config(self) -> dict[str, Any]:
        """Return plain data that `from_config` rebuilds the schedule from."""
        return {
            "schedule": self.schedule.get_config(),
            "epochs": self.timeline.epochs,
            "steps_per_epoch": self.timeline.steps_per_epoch,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Rebuild a schedule from `get_config`'s result."""
        return cls(**config)


@takes_familiar
def as_keras(
    schedule: Schedule,
    *,
    epochs: int,
    steps_per_epoch: int,
    initial_learning_rate: float | None = None,
) -> KerasSchedule:
    """Return a schedule as Keras' own kind, computed inside the compiled step.

    The rates are those of `simulate`, in float32. They are a function of the optimizer's
    iterations, so gradient accumulation and a restart in the middle of an epoch shift them; the
    callbacks do not have that weakness, and only they combine with rules.

    Args:
        schedule: A schedule of `kerasdecay.schedules`.
        epochs: The horizon, an integer >= 1.
        steps_per_epoch: Batches in an epoch, an integer >= 1.
        initial_learning_rate: Filled in where the schedule has none; without either, ValueError.

    Returns:
        A schedule that `model.save` and `keras.saving.load_model` keep.

    Raises:
        ValueError: For a value out of its range, a schedule that does not fit the horizon or has no
            initial rate, or one made of your own function.

    Examples:
        >>> from kerasdecay.schedules import PowerStep
        >>> rate = as_keras(PowerStep(0.1), epochs=15, steps_per_epoch=100)
        >>> [round(float(rate(step)), 6) for step in (0, 500, 1499)]
        [0.1, 0.01, 0.001]
    """
    if isinstance(schedule, DecayCallback):
        raise invalid(
            "as_keras",
            "schedule",
            "a kerasdecay schedule, the name of one, or a number",
            schedule,
            "A callback is given to fit: callbacks=[…]; for an optimizer take its schedule alone.",
        )
    schedule = schedule_of("as_keras", "schedule", schedule)
    if isinstance(schedule, Schedule) and initial_learning_rate is not None:
        schedule = schedule.resolve(initial_learning_rate)
    return KerasSchedule(schedule, epochs, steps_per_epoch)


def _as_updates(step: Any, last: int) -> Any:
    """Return a step as an integer tensor; a number is cut to the horizon before it can overflow."""
    if isinstance(step, numbers.Real):
        return keras.ops.convert_to_tensor(int(min(max(float(step), 0.0), last)), dtype="int32")
    tensor = keras.ops.convert_to_tensor(step)
    if keras.backend.standardize_dtype(tensor.dtype) in ("int32", "int64"):
        return tensor
    return keras.ops.cast(tensor, "int32")
