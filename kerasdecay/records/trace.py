"""What happened in a training: every rate, every decision with its reason. Data only."""

from __future__ import annotations

import array
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasdecay._reporter import html
from kerasdecay.rules import Decision


@dataclasses.dataclass(frozen=True)
class Event:
    """A decision, where it was taken and what it did to the rate.

    Args:
        epoch: The epoch that had just ended, from 0.
        source: Who decided: the rule's class name.
        decision: Kind and reason.
        before: The rate before.
        after: The rate after.
        key: The log name of the rate, `"learning_rate"` or `"learning_rate_<optimizer>"`.
    """

    epoch: int
    source: str
    decision: Decision
    before: float
    after: float
    key: str = "learning_rate"

    @property
    def kind(self) -> str:
        """The decision's kind."""
        return self.decision.kind

    @property
    def reason(self) -> str:
        """The decision's reason, in words."""
        return self.decision.reason

    def __str__(self) -> str:
        return f"epoch {self.epoch + 1}: {self.reason}"


@dataclasses.dataclass(frozen=True)
class Setup:
    """How a training was set up, for whoever shows it.

    Args:
        decay: The callback's class name.
        schedule: The schedule (initial rates filled in, for the first optimizer), or the function.
        rules: The rules.
        update: When the rate is written: `"epoch"`, `"batch"`, `"20 steps"` …
        epochs: The horizon.
        steps_per_epoch: Batches in an epoch, None where unknown.
        base_rates: Log name → the initial rate taken from the optimizer; None where it was given.
        base_source: Where the initial rates came from, in words.
        first_epoch: The epoch that the training started with, from 0.
    """

    decay: str
    schedule: Any
    rules: tuple[Any, ...]
    update: str
    epochs: int
    steps_per_epoch: int | None
    base_rates: Mapping[str, float | None]
    base_source: str
    first_epoch: int


class Trace:
    """The record of one training.

    The rates are three parallel columns, one row for each write that changed a rate: the epoch, the
    batch within it, and the rate from that batch on (one column for each optimizer). Decisions and
    the logs of each epoch stand beside them.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.decisions: list[Event] = []
        self.notes: list[str] = []
        self.logs: list[tuple[int, dict[str, float]]] = []
        self._epochs = array.array("q")
        self._batches = array.array("q")
        self._rates = {key: array.array("d") for key in setup.base_rates}

    def record_rates(self, epoch: int, batch: int, rates: Sequence[float]) -> None:
        """Add a row, unless the rates are those of the row before.

        From this batch of this epoch on, the optimizers have these rates.
        """
        if len(self) and [column[-1] for column in self._rates.values()] == list(rates):
            return
        self._epochs.append(epoch)
        self._batches.append(batch)
        for column, rate in zip(self._rates.values(), rates, strict=True):
            column.append(rate)

    def record_epoch(self, epoch, batches, rates):
        for i, b in enumerate(batches):
            self.record_rates(epoch, int(b), [float(c[i]) for c in rates.values()])

    def withdraw(self, epoch, batch):
        if len(self) and (self._epochs[-1], self._batches[-1]) == (epoch, batch):
            for column in (self._epochs, self._batches, *self._rates.values()):
                column.pop()

    def record_note(self, text):
        self.notes.append(text)

    def record_decision(self, event: Event) -> None:
        """Add a decision."""
        self.decisions.append(event)

    def record_logs(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Add the logs of an epoch, its rates included."""
        self.logs.append((epoch, dict(logs)))

    @property
    def events(self) -> list[Event]:
        """The decisions that changed or flagged something: all but "not yet"."""
        return [event for event in self.decisions if event.decision.is_event]

    @property
    def epochs(self) -> np.ndarray:
        """The epoch of each row, from 0."""
        return np.asarray(self._epochs, dtype=np.int64)

    @property
    def batches(self) -> np.ndarray:
        """The batch within its epoch of each row, from 0."""
        return np.asarray(self._batches, dtype=np.int64)

    @property
    def steps(self) -> np.ndarray:
        """The batches done before each row; ValueError where the length of an epoch is unknown."""
        per_epoch = self.setup.steps_per_epoch
        if per_epoch is None:
            raise ValueError(
                "trace: steps are unknown, for the training data told no length. Use trace.epochs "
                "and trace.batches, or pass steps_per_epoch=… to fit."
            )
        return self.epochs * per_epoch + self.batches

    @property
    def learning_rates(self) -> np.ndarray:
        """The rate of each row (the first optimizer's, where there are several)."""
        return self.learning_rates_of(next(iter(self._rates)))

    def learning_rates_of(self, key: str) -> np.ndarray:
        """The rate of each row for the optimizer with this log name."""
        return np.asarray(self._rates[key], dtype=np.float64)

    def __len__(self) -> int:
        return len(self._epochs)

    def __repr__(self) -> str:
        return (
            f"Trace({self.setup.decay}: {len(self.logs)} epochs, {len(self)} rates, "
            f"{len(self.events)} events)"
        )

    def _repr_html_(self) -> str:
        """Show itself as a picture in a notebook."""
        return html(self)
