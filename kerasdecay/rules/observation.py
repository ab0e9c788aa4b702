"""What a rule is shown of a training."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from kerasdecay import _checks


@dataclasses.dataclass(frozen=True)
class Observation:
    """What a rule is shown when an epoch has ended.

    Args:
        epoch: The epoch, from 0.
        metrics: Its logs: name → number.
        learning_rate: The rate in force at its end: schedule × scales so far, > 0.
        planned: The rate of the schedule alone.
        epochs: The horizon; None where it is not known.
        losses: The loss of each batch of the epoch, for a rule that asks for them.

    Examples:
        >>> seen = Observation(0, {"loss": 0.5}, learning_rate=0.1)
        >>> seen.value("loss"), seen.value("val_loss")
        (0.5, None)
    """

    epoch: int
    metrics: Mapping[str, float]
    learning_rate: float = 1.0
    planned: float = 1.0
    epochs: int | None = None
    losses: tuple[float, ...] = ()

    def value(self, name: str) -> float | None:
        """Return a metric as a float, or None if it was not measured.

        An array of one element counts as its element. A number beyond the range of a float counts
        as an infinity.

        Raises:
            ValueError: If the metric is no number, such as a vector or a string.
        """
        found = self.metrics.get(name)
        return None if found is None else _metric(name, found)


@dataclasses.dataclass(frozen=True)
class Look:
    """What a look at all variables of a training shows.

    Args:
        is_finite: Whether all of them are finite, those of the optimizers included.
        moved: ‖w − w₀‖ / ‖w₀‖ over the trainable kernels, w₀ being those of the first look.
        changed: The same since the look before.
        idle: The share of the trainable kernels that have not changed since the look before, but
            for being scaled by weight decay.
        grown: By what factor the norms of the kernels have grown since the first look: their lower
            median, without embeddings and those that began at 0; 1 where only one is left. A kernel
            that began smaller than Glorot's initialization would make it is taken to have begun at
            the geometric mean of its own norm, twice, and Glorot's, but not below a quarter of
            Glorot's.
        idle_units: The largest share, over the kernels, of columns that have not changed since the
            look before, but for weight decay, though they have since the first.
        kernels: How many of them may not grow: those that `grown` is of.
        size: For optimizers such as Adam, whose steps are about the rate whatever the gradient is:
            the lower median of what the root mean squares of the kernels are taken to have begun
            at; 0 for others.

    `changed`, `idle` and `idle_units` are of looks between which an optimizer has made 16 updates;
    0 where it has made fewer.
    """

    is_finite: bool
    moved: float = 0.0
    changed: float = 0.0
    idle: float = 0.0
    grown: float = 1.0
    idle_units: float = 0.0
    size: float = 0.0
    kernels: int = 0


@dataclasses.dataclass(frozen=True)
class BatchObservation:
    """What a rule is shown when a batch has been trained.

    Args:
        epoch: The epoch, from 0.
        batch: The batch within it, from 0.
        loss: Its loss, computed with the weights before its update.
        learning_rate: The rate in force: schedule × scales so far.
        look: What is known of the variables after it; None where they were not read.
        batches: The number of batches in this observation. With `steps_per_execution` it is the
            number in one execution; `batch` is then the last of them, and `loss` their mean.
        planned: The rate of the schedule alone.
        epochs: The horizon; None where it is not known.
    """

    epoch: int
    batch: int
    loss: float
    learning_rate: float = 1.0
    look: Look | None = None
    batches: int = 1
    planned: float = 1.0
    epochs: int | None = None

    @property
    def value(self) -> float:
        """The loss as a float; see `Observation.value`."""
        return _metric("loss", self.loss)


def _metric(name: str, value: Any) -> float:
    number = _checks.real(value)
    if number is None and not isinstance(value, (str, bytes)):
        try:
            number = float(value.item() if getattr(value, "size", 0) == 1 else value)
        except (AttributeError, TypeError, ValueError):
            number = None
    if number is None:
        remedy = "A rule watches one number an epoch: average the metric, or watch another."
        raise _checks.invalid("kerasdecay", name, "a number in the epoch's logs", value, remedy)
    return number


def epochs_of(logs: Sequence[Mapping[str, float]]) -> list[int]:
    """Return the epoch of each log, from 0: its `"epoch"` where all hold one, else its place.

    Examples:
        >>> epochs_of([{"epoch": 10, "loss": 0.5}, {"epoch": 11, "loss": 0.4}])
        [10, 11]
        >>> epochs_of([{"loss": 0.5}, {"loss": 0.4}])
        [0, 1]
    """
    given = [_checks.real(log.get("epoch")) for log in logs]
    if all(one is not None and math.isfinite(one) for one in given):
        return [int(one) for one in given if one is not None]
    return list(range(len(logs)))
