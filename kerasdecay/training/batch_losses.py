"""The loss of each batch, out of what a training step logs."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import keras

from kerasdecay.records.numbers import as_number


class BatchLosses:
    """Collects the losses of an epoch's batches.

    Keras logs a running mean over the samples of the epoch. The mean times the samples is the sum
    of their losses, and the difference of two sums is a batch's loss. The samples are read off the
    metric that holds the mean. A training step of the user's own may log the batch's loss itself,
    which no metric's mean equals: it is then taken as it is.

    On JAX a look at a metric copies the whole state of the training. There the samples are read
    after the first two batches and after the last one, and all batches but the last are taken for
    equally large.

    Args:
        owner: The callback's class name, for messages.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._thread = threading.get_ident()
        self._looks_always = keras.backend.backend() != "jax"
        self._logged: dict[int, float] = {}  # batches done → loss
        self._samples: dict[int, float] = {}  # batches done → samples done, where they are known
        self._is_running_mean: bool | None = None
        self._metric: Any = None
        self._first_counts: dict[int, float] = {}
        self._batch_size = 1.0
        self._has_warned = False

    def note(self, callback: Any, batch: int, logged: Any) -> None:
        """Take what was logged after a batch, in any order: Keras may tell from several threads.

        Args:
            callback: The callback, whose model has the metrics.
            batch: Its number in the epoch, from 0; the last execution of several steps may give one
                that lies beyond the epoch.
            logged: The loss in the logs; None where the training step tells none.
        """
        loss = as_number(logged)
        if loss is None:
            return
        steps = (callback.params or {}).get("steps")
        done = batch + 1 if steps is None else min(batch + 1, steps)
        self._logged[done] = loss
        if threading.get_ident() != self._thread:
            return  # the metrics may be batches ahead
        if self._is_running_mean is None and len(self._logged) <= 2:
            self._find_metric(callback.model, done, loss)
        if self._metric is not None and (self._looks_always or done == steps):
            _ = callback.model  # on JAX this brings the metrics up to date
            self._samples[done] = _number(self._metric.count)

    def take(self) -> tuple[float, ...]:
        """Return the epoch's losses and begin the next epoch."""
        logged, self._logged = sorted(self._logged.items()), {}
        samples, self._samples = self._samples, {}
        if self._is_running_mean is False:
            return tuple(loss for _, loss in logged)
        sizes = self._sizes([done for done, _ in logged], samples)
        losses, size_before, total_before = [], 0.0, 0.0
        for size, (_, mean) in zip(sizes, logged, strict=True):
            losses.append((mean * size - total_before) / (size - size_before))
            size_before, total_before = size, mean * size
        return tuple(losses)

    def _find_metric(self, model: Any, done: int, loss: float) -> None:
        """Find, over the first two executions, the metric whose running mean the logs tell.

        After the first one a mean and a batch's own loss are the same.
        """
        metrics = [] if model is None else model.metrics
        means = [one for one in metrics if hasattr(one, "total") and hasattr(one, "count")]
        if len(self._logged) == 1:
            self._first_counts = {id(one): _number(one.count) for one in means}
            return
        self._is_running_mean = False
        for metric in means:
            count = _number(metric.count)
            if count > 0 and abs(_number(metric.total) / count - loss) <= 1e-4 * abs(loss):
                first = min(self._logged)
                self._is_running_mean, self._metric = True, metric
                self._samples[first] = self._first_counts.get(id(metric), 0.0)
                self._batch_size = self._samples[first] / first
                return

    def _sizes(self, done: list[int], samples: dict[int, float]) -> list[float]:
        """Return the samples done after each logged batch; the batches, where nothing is known."""
        if all(one in samples for one in done):
            return [samples[one] for one in done]
        full = [one * self._batch_size for one in done]
        if not done or done[-1] not in samples:
            return full
        before, last = full[-2] if len(full) > 1 else 0.0, samples[done[-1]]
        if before < last <= full[-1] * (1 + 1e-6):
            return [*full[:-1], last]
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"{self._owner}: the batches of an epoch have different sizes ({last:g} samples in "
                f"{done[-1]} batches, {self._batch_size:g} in the first), so that the loss of each "
                "cannot be told exactly from the running mean that Keras logs. Use batches of one "
                "size, or return the batch's own loss from train_step.",
                stacklevel=2,
            )
        return full


def _number(variable: Any) -> float:
    return float(keras.ops.convert_to_numpy(variable))
