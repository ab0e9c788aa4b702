"""A schedule made of the user's own function of the epoch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasdecay import _checks
from kerasdecay.schedules.base import Given
from kerasdecay.schedules.namespace import NUMPY
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class ByEpoch(Given):
    """Any function of the epoch: η(t) = f(⌊t⌋).

    Args:
        function: Takes the epoch (an int, from 0) and returns a rate that float32 can hold, or 0.
            Its own errors are raised as they are.

    Raises:
        ValueError: If the function returns anything else; if used inside a compiled step.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(ByEpoch(lambda epoch: 0.1 / (epoch + 1)), epochs=2).tolist()
        [0.1, 0.05]
    """

    function: Callable[[int], float] = _checks.field(
        ..., _checks.function, what="callable with an epoch"
    )

    changes_within_epochs = False

    def learning_rate(self, now: Moment) -> Any:
        """f(⌊t⌋), the function called once for each epoch that occurs."""
        if now.xp is not NUMPY:
            raise ValueError(
                "kerasdecay: a schedule made of your own function cannot run inside the compiled "
                'step. Use update="epoch" or update="batch".'
            )
        return asked_once(
            now.update // now.timeline.updates_per_epoch,
            lambda epochs: [checked_rate(self.function(int(one)), int(one)) for one in epochs],
        )


def asked_once(places: Any, rates_of: Callable[[np.ndarray], Any]) -> np.ndarray:
    """Return the rates at some epochs or steps, each of which is asked for once."""
    given = np.asarray(places)
    different, inverse = np.unique(given, return_inverse=True)
    # NumPy 1 returns the inverse flat, whatever the shape of what is given.
    return np.asarray(rates_of(different), dtype=np.float64)[inverse.reshape(given.shape)]


def checked_rate(rate: Any, place: int, unit: str = "epoch") -> float:
    """Return what a user's function gave for an epoch or a step as a float, if it is a rate."""
    argument = f"the function's result for {unit} {place}"
    if _checks.real(rate) is None:  # an array of one number, say, or a framework's scalar
        value = np.asarray(rate)
        if value.size != 1 or value.dtype.kind not in "fiu":
            raise _checks.invalid("schedule", argument, "one number", rate)
        rate = value.item()
    return _checks.rate("schedule", argument, rate, zero=True)
