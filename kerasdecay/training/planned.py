"""A plan as the training step asks for it: by the number of the step, a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasdecay.control import ScheduledRates
from kerasdecay.training.namespace import KERAS

_LONGEST_TABLE = 2**24
"""The most steps whose values are held as a table."""


def of_step(planned: ScheduledRates) -> Callable[[Any], Any]:
    """Return what computes a step's value: the formula, or on torch a table of the whole run.

    A step of torch's is compiled only on demand; operation by operation a formula takes a tenth of
    the time of a small step, and looking up a value next to nothing. A training without an end in
    sight has more steps than a table should.

    A plan that is sampled at each epoch's start needs a known number of steps. What is returned
    takes an integer tensor, and gives float32.
    """
    schedule, timeline = planned.schedule, planned.timeline
    if keras.backend.backend() != "torch" or timeline.updates > _LONGEST_TABLE:
        return lambda step: schedule.rates(planned.update_of(step), timeline, KERAS)
    last = timeline.updates  # beyond it the last value stays
    table = keras.ops.convert_to_tensor(planned.at(np.arange(last + 1)), dtype="float32")
    if timeline.unit == "epoch":
        return lambda step: table.take(planned.epoch_of(step).clamp(max=last).long())
    # Torch's own methods: those of `keras.ops` take longer than what they do here.
    return lambda step: table.take(step.clamp(max=last).long())


def check(planned: ScheduledRates) -> None:
    """Raise the ValueError of a plan that a step, which has no value yet, cannot compute."""
    planned.schedule.rates(keras.ops.convert_to_tensor(0), planned.timeline, KERAS)
    if keras.backend.backend() == "torch":  # where the host computes a table of the values
        return
    traced = _Traced(of_step(planned))
    traced.compute_output_spec(keras.KerasTensor((), dtype="int32"))
    if traced.error is not None:
        raise traced.error


class _Traced(keras.Operation):
    """Calls a function as a compiled step does, with a step that has no value yet.

    A user's function that asks "if step < …" fails with nothing else.
    """

    def __init__(self, compute: Callable[[Any], Any]) -> None:
        super().__init__()
        self._compute = compute
        self.error: ValueError | None = None

    def call(self, step: Any) -> Any:
        try:
            return self._compute(step)
        except ValueError as error:  # kept, because Keras would put its own words around it
            self.error = error
            return step
