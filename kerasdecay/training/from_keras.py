"""A schedule of Keras as one of ours, so that it combines with warmups and rules."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from kerasdecay import _checks
from kerasdecay.schedules.by_epoch import checked_rate
from kerasdecay.schedules.by_step import OfStep
from kerasdecay.schedules.namespace import ArrayNamespace


def _schedule(owner: str, argument: str, value: Any) -> Any:
    kind = keras.optimizers.schedules.LearningRateSchedule
    return _checks.instance(owner, argument, value, kind, "a LearningRateSchedule of Keras")


@dataclasses.dataclass(frozen=True)
class FromKeras(OfStep):
    """The rates of a Keras `LearningRateSchedule`, by the batches done since its start.

    On the host many steps are computed at a time. Inside a compiled step it is called as Keras
    calls it: with a tensor of one step.
    """

    schedule: keras.optimizers.schedules.LearningRateSchedule = _checks.field(..., _schedule)

    def of_numbers(self, steps: np.ndarray) -> np.ndarray:
        """Return the rates of a vector of steps, checked."""
        # A warmup asks for its target while a step is being traced. In a thread of its own nothing
        # is traced, and the rates are numbers.
        with ThreadPoolExecutor(1) as thread:
            rates = thread.submit(self._computed, steps).result()
        is_rate = (rates >= _checks.SMALLEST_RATE) & (rates <= _checks.LARGEST_RATE)
        for place in np.flatnonzero(~is_rate & (rates != 0)):
            checked_rate(float(rates[place]), int(steps[place]), "step")
        return rates

    def of_tensor(self, step: Any, xp: ArrayNamespace) -> Any:
        """Return the rate of a tensor."""
        return self.schedule(step)

    def _computed(self, given: np.ndarray) -> np.ndarray:
        dtype = keras.backend.standardize_dtype("int")  # what Keras counts iterations in
        steps = keras.ops.convert_to_tensor(given, dtype=dtype)
        # Step by step, a schedule that branches takes milliseconds on TensorFlow and is compiled
        # anew each time on JAX. Torch cannot map over a branch, and needs microseconds.
        if keras.backend.backend() != "torch":
            try:
                mapped = keras.ops.vectorized_map(self._one, steps)
                return np.asarray(keras.ops.convert_to_numpy(mapped), dtype=np.float64)
            except Exception:  # noqa: BLE001  # a user's code; its own errors come again below
                pass
        rates = [keras.ops.convert_to_numpy(self._one(step)) for step in steps]
        return np.asarray(rates, dtype=np.float64)

    def _one(self, step: Any) -> Any:
        return keras.ops.cast(self.schedule(step), "float32")
