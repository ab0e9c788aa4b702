"""The loss of each batch, out of what a training step logs."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import keras

from kerasdecay.records.numbers import as_number


class BatchLosses:
    """Collects the losses of an epoch's batches.

    Keras logs a running mean over the samples of the epoch: after n batches of b samples each the
    sum of their losses is n·b times the mean, and the difference of two sums is a batch's loss. The
    samples are read off the metric that holds the mean. A training step of the user's own may log
    the batch's loss itself, which no metric's mean equals: it is then taken as it is.

    Args:
        owner: The callback's class name, for messages.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._thread = threading.get_ident()
        self._logged: list[tuple[int, float]] = []
        self._is_running_mean: bool | None = None
        self._metric: Any = None
        self._first_counts: dict[int, float] = {}
        self._batch_size = 1.0
        self._samples: float | None = None
        self._has_warned = False

    def note(self, callback: Any, batch: int, logged: Any) -> None:
        """Take what was logged after a batch, in any order: Keras may tell from several threads.

        Args:
            callback: The callback, whose model is asked for its metrics at few batches: on JAX that
                copies the whole state.
            batch: Its number in the epoch, from 0; the last execution of several steps may give one
                that lies beyond the epoch.
            logged: The loss in the logs; None where the training step tells none.
        """
        loss = as_number(logged)
        if loss is None:
            return
        steps = (callback.params or {}).get("steps")
        done = batch + 1 if steps is None else min(batch + 1, steps)
        self._logged.append((done, loss))
        if threading.get_ident() != self._thread:
            return  # the metrics may be batches ahead
        if self._is_running_mean is None and len(self._logged) <= 2:
            self._find_metric(callback.model, loss)
        if self._metric is not None and done == steps:
            _ = callback.model  # on JAX this brings the metrics up to date
            self._samples = _number(self._metric.count)

    def take(self) -> tuple[float, ...]:
        """Return the epoch's losses and begin the next epoch."""
        logged, self._logged = sorted(self._logged), []
        samples, self._samples = self._samples, None
        if self._is_running_mean is False:
            return tuple(loss for _, loss in logged)
        sizes = [float(done) for done, _ in logged]
        if samples is not None and logged:
            sizes = self._in_samples(sizes, samples)
        sums = [(0.0, 0.0), *((size, mean * size) for size, (_, mean) in zip(sizes, logged, strict=True))]
        return tuple(
            (total - total_before) / (size - size_before)
            for (size_before, total_before), (size, total) in zip(sums, sums[1:], strict=False)
        )

    def _find_metric(self, model: Any, loss: float) -> None:
        """Find, over the first two executions, the metric whose running mean the logs tell.

        After the first one a mean and a batch's own loss are the same.
        """
        means = [one for one in model.metrics if hasattr(one, "total") and hasattr(one, "count")]
        if len(self._logged) == 1:
            self._first_counts = {id(one): _number(one.count) for one in means}
            return
        self._is_running_mean = False
        for metric in means:
            count = _number(metric.count)
            if count > 0 and abs(_number(metric.total) / count - loss) <= 1e-4 * abs(loss):
                self._is_running_mean, self._metric = True, metric
                self._batch_size = self._first_counts[id(metric)] / self._logged[0][0]
                return

    def _in_samples(self, sizes: list[float], samples: float) -> list[float]:
        """Return the samples done after each logged batch: all batches are full but the last."""
        full = [size * self._batch_size for size in sizes]
        before = full[-2] if len(full) > 1 else 0.0
        if not before < samples <= full[-1] * (1 + 1e-6) and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"{self._owner}: the batches of an epoch have different sizes ({samples:g} samples "
                f"in {sizes[-1]:g} batches, the first of {self._batch_size:g}), so that the loss of "
                "each cannot be told exactly from the running mean that Keras logs. Use batches of "
                "one size, or return the batch's own loss from train_step.",
                stacklevel=2,
            )
            return sizes
        return [*full[:-1], min(samples, full[-1])] if before < samples else sizes


def _number(variable: Any) -> float:
    return float(keras.ops.convert_to_numpy(variable))
