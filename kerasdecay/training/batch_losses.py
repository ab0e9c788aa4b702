"""The loss of each batch, out of what a training step logs."""

from __future__ import annotations

import math
import threading
from typing import Any

import keras

from kerasdecay._warnings import warn
from kerasdecay.records.numbers import as_number


class BatchLosses:
    """Collects the losses of an epoch's batches.

    Keras logs a running mean over the samples of the epoch. The mean times the samples is the sum
    of their losses, and the difference of two sums is a batch's loss. The samples are read off the
    metric that holds the mean. A training step of the user's own may log the batch's loss itself,
    which no metric's mean equals: it is then taken as it is.

    Reading the metric takes a twentieth of a small step on TensorFlow. Where the loss of each batch
    is not needed, several batches are therefore read together: see `note`. On JAX a read copies the
    whole state of the training. There the samples are read after the first two batches and after
    the last one, and all batches but the last are assumed to be equally large.

    Args:
        owner: The callback's class name, for messages.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._thread = threading.get_ident()
        self._looks_always = keras.backend.backend() != "jax"
        self._late: list[tuple[int, float]] = []  # by other threads: batches done, loss logged
        self._losses: list[float] = []
        self._done = 0
        self._is_running_mean: bool | None = None
        self._metric: Any = None
        self._first_counts: dict[int, float] = {}
        self._batch_size = 1.0
        self._has_warned = False
        self._comes_late = False
        self._passed: tuple[int, float] | None = None  # batches done, loss logged
        self.latest_batches = 1
        """How many batches `latest` is the mean loss of."""
        self._restart(0)

    @property
    def done(self) -> int:
        """The batches of this epoch whose losses are known."""
        return self._done

    @property
    def latest(self) -> float:
        """The loss that was known last, NaN before the first."""
        return self._losses[-1] if self._losses else math.nan

    def note(self, callback: Any, batch: int, logged: Any, due: int = 1) -> bool:
        """Take what was logged after a batch; return whether its loss is known now.

        Where it is not, the mean loss of the batches until the next one that is due, or until the
        last of the epoch, will be known with that.

        Args:
            callback: The callback, whose model has the metrics.
            batch: Its number in the epoch, from 0; the last execution of several steps may give one
                that lies beyond the epoch.
            logged: The loss in the logs; None where the training step logs none.
            due: After how many batches since the last loss one must be known.
        """
        loss = as_number(logged)
        if loss is None:
            return False
        steps = (callback.params or {}).get("steps")
        done = batch + 1 if steps is None else min(batch + 1, steps)
        if threading.get_ident() != self._thread:  # the metrics may be batches ahead
            self._late.append((done, loss))
            rules = getattr(callback, "rules", ())
            self._comes_late = any(rule.watches_batches for rule in rules)
            return False
        if self._is_running_mean is None:
            self._find_metric(callback.model, done, loss)
        ends = steps is None or done == steps  # it may be the last batch
        if self._is_running_mean and done - self._done < due and not ends:
            self._passed = done, loss
            return False
        self._passed = None
        self.latest_batches = done - self._done
        self._losses.append(self._undo(callback, done, loss, is_last=done == steps))
        return True

    def end_epoch(self) -> bool:
        """Add the loss of batches that were not due, where data ended early; return if any were.

        They are assumed to be as large as the first ones, because the metric was reset meanwhile.
        """
        if self._passed is None:
            return False
        done, loss = self._passed
        self.latest_batches = done - self._done
        self._done = done
        self._losses.append(self._difference((done - self._since) * self._batch_size, loss))
        return True

    def take_as_they_are(self) -> None:
        """Take the losses logged from now on as those of single batches."""
        self._is_running_mean = False

    def reset_mean(self) -> None:
        """Note that the running mean begins anew, with the batch that comes next."""
        self._restart(self._done)

    def forget(self) -> None:
        """Drop the losses of this epoch so far, for what they trained was put back."""
        self._losses = []

    def take(self) -> tuple[float, ...]:
        """Return the epoch's losses and begin the next epoch."""
        losses, self._losses = self._losses, []
        late, self._late = sorted(self._late), []
        if self._comes_late:
            self._comes_late = False
            warn(
                f"{self._owner}: Keras tells the batches of this training late and in another "
                "thread, so the rules that decide within an epoch see none of them. Pass a list, "
                "callbacks=[decay], in place of callbacks=decay."
            )
        self._restart(0)
        losses += [self._difference(done, loss) for done, loss in late]
        self._restart(0)
        return tuple(losses)

    def _restart(self, done: int) -> None:
        self._passed = None
        self._done = self._since = done
        self._size = self._total = 0.0

    def _undo(self, callback: Any, done: int, loss: float, *, is_last: bool) -> float:
        """Return the loss of the batches since the last call, out of what is logged now."""
        if self._is_running_mean is False:
            self._done = done
            return loss
        size = (done - self._since) * self._batch_size
        if self._metric is not None and (self._looks_always or is_last):
            _ = callback.model  # on JAX this brings the metrics up to date
            samples = number_of(self._metric.count)
            if samples <= self._size:  # the metric was reset
                self._size = self._total = 0.0
            if self._looks_always or self._size < samples <= size * (1 + 1e-6):
                size = samples
            else:
                self._warn(samples, done)
        self._done = done
        return self._difference(size, loss)

    def _difference(self, size: float, mean: float) -> float:
        """Return the mean loss of what has come since the last call."""
        before, total = self._size, self._total
        self._size, self._total = size, mean * size
        return (self._total - total) / (size - before)

    def _find_metric(self, model: Any, done: int, loss: float) -> None:
        """Find, over the first two executions, the metric whose running mean the logs tell.

        After the first one of a mean, it and the batch's own loss are the same.
        """
        metrics = [] if model is None else model.metrics
        means = [one for one in metrics if hasattr(one, "total") and hasattr(one, "count")]
        if self._since == self._done:
            self._first_counts = {id(one): number_of(one.count) for one in means}
            return
        self._is_running_mean = False
        for metric in means:
            count = number_of(metric.count)
            if count > 0 and abs(number_of(metric.total) / count - loss) <= 1e-4 * abs(loss):
                self._is_running_mean, self._metric = True, metric
                size = self._first_counts.get(id(metric), 0.0)
                self._batch_size = size / (self._done - self._since)
                self._size, self._total = size, self._losses[-1] * size
                return

    def _warn(self, samples: float, done: int) -> None:
        if not self._has_warned:
            self._has_warned = True
            warn(
                f"{self._owner}: the batches of an epoch have different sizes ({samples:g} samples "
                f"in {done} batches, {self._batch_size:g} in the first), so that the loss of each "
                "cannot be told exactly from the running mean that Keras logs. Use batches of one "
                "size, or return the batch's own loss from train_step.",
            )


def number_of(variable: Any) -> float:
    """Return what a metric's variable holds."""
    value = getattr(variable, "value", variable)  # a user's own metric may hold a plain number
    if hasattr(type(value), "__float__"):  # for a third of the time, which counts at each batch
        return float(value)
    return float(keras.ops.convert_to_numpy(variable))  # of several TensorFlow replicas
