"""A schedule made of the user's own function of the step."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasdecay import _checks
from kerasdecay.schedules.base import Given
from kerasdecay.schedules.by_epoch import asked_once, checked_rate
from kerasdecay.schedules.namespace import NUMPY, ArrayNamespace
from kerasdecay.schedules.timeline import Moment, unknown_steps


@dataclasses.dataclass(frozen=True)
class OfStep(Given):
    """A schedule that is known only by asking for the rate of a step: η = f(n), n batches done."""

    @abc.abstractmethod
    def of_numbers(self, steps: np.ndarray) -> np.ndarray:
        """Return the rates of a vector of steps, on the host."""

    @abc.abstractmethod
    def of_tensor(self, step: Any, xp: ArrayNamespace) -> Any:
        """Return the rate of an integer tensor of one step, as a number or a tensor."""

    def learning_rate(self, now: Moment) -> Any:
        """f(n), asked once for each step that occurs."""
        if now.xp is NUMPY:
            return asked_once(_steps(now), self.of_numbers)
        try:
            return now.xp.real(self.of_tensor(_steps(now), now.xp))
        except Exception as error:
            raise ValueError(
                "kerasdecay: inside the compiled step a function of the step is called with a "
                f"tensor, and this one failed with it ({type(error).__name__}). Write it with "
                'keras.ops, without "if step < …", or use update="batch".'
            ) from error


def _steps(now: Moment) -> Any:
    """Return the batches that are done; an update may be a whole epoch."""
    if now.timeline.steps_per_epoch is None:
        raise unknown_steps("a function of the step")
    return now.update * (now.timeline.steps_per_epoch // now.timeline.updates_per_epoch)


@dataclasses.dataclass(frozen=True)
class ByStep(OfStep):
    """Any function of the step: η = f(n), n the batches done since the schedule's start.

    Beyond the horizon of N steps f(N) holds. With `update="epoch"` the function is called for the
    first step of each epoch.

    Args:
        function: Takes the step (an int, from 0) and returns a rate that float32 can hold, or 0.
            Its own errors are raised as they are. Inside a compiled step it is called with a float
            tensor.

    Raises:
        ValueError: If the function returns anything else; if it fails with a tensor in the compiled
            step; if the number of steps in an epoch is unknown.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> schedule = ByStep(lambda step: 0.1 / (step + 1))
        >>> simulate(schedule, epochs=1, steps_per_epoch=2).tolist()
        [0.1, 0.05]
    """

    function: Callable[[Any], Any] = _checks.field(
        ..., _checks.function, what="callable with a step"
    )

    def of_numbers(self, steps: np.ndarray) -> np.ndarray:
        """Call the function for each step."""
        rates = [checked_rate(self.function(int(one)), int(one), "step") for one in steps]
        return np.asarray(rates, dtype=np.float64)

    def of_tensor(self, step: Any, xp: ArrayNamespace) -> Any:
        """Call the function with the tensor, as a float: TensorFlow adds no 1.0 to an integer."""
        return self.function(xp.real(step))
