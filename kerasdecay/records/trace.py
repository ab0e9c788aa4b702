"""What happened in a training: the rates, and the decisions with their reasons. Data only."""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kerasdecay._files import csv_text, write_atomically
from kerasdecay._names import Guessed
from kerasdecay._shown import InNotebook
from kerasdecay.records.curve import Curve
from kerasdecay.rules import Decision

QUIET_DECISIONS = 10_000
"""Decisions of the kind "not yet" that a trace keeps at most."""


@dataclasses.dataclass(frozen=True)
class Event(Guessed):
    """A decision: where it was taken, and what it did to the rate.

    Args:
        epoch: The epoch, from 0: the one that had just ended, unless there is a batch.
        source: Who decided: the rule's class name.
        decision: Kind and reason.
        before: The rate before.
        after: The rate after.
        key: The log name of the rate, `"learning_rate"` or `"learning_rate_<optimizer>"`.
        rule: The place of the rule among those of the training.
        batch: The batch of the epoch, from 0, after which it was taken; None for an epoch's end.
    """

    _guesses: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("message", "text", "why"), "reason"),
        **dict.fromkeys(("lr", "learning_rate", "rate", "new_lr"), "after"),
        "old_lr": "before",
    }

    epoch: int
    source: str
    decision: Decision
    before: float
    after: float
    key: str = "learning_rate"
    rule: int = 0
    batch: int | None = None

    @property
    def kind(self) -> str:
        """The decision's kind."""
        return self.decision.kind

    @property
    def reason(self) -> str:
        """The decision's reason, in words."""
        return self.decision.reason

    @property
    def place(self) -> str:
        """Where it was taken, counted from 1: `epoch 3`, or `epoch 3, batch 500`."""
        batch = "" if self.batch is None else f", batch {self.batch + 1}"
        return f"epoch {self.epoch + 1}{batch}"

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclasses.dataclass(frozen=True)
class Setup:
    """How a training was set up.

    Args:
        decay: The callback's class name.
        schedules: Log name → the schedule, with the optimizer's initial rate filled in; or the
            user's function.
        rules: The rules.
        update: When the rate is written: `"epoch"`, `"batch"`, `"20 steps"` …
        epochs: The horizon.
        steps_per_epoch: Batches in an epoch; None where unknown.
        base_rates: Log name → the initial rate taken from the optimizer; None where the user gave
            one.
        base_source: Where the initial rates came from, in words.
        first_epoch: The first epoch that was trained, from 0.
        driven: What is driven besides the rate: argument → its schedule, or a word.
    """

    decay: str
    schedules: Mapping[str, Any]
    rules: tuple[Any, ...]
    update: str
    epochs: int
    steps_per_epoch: int | None
    base_rates: Mapping[str, float | None]
    base_source: str
    first_epoch: int
    driven: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def schedule(self) -> Any:
        """The schedule; of several optimizers the first one's."""
        return next(iter(self.schedules.values()))


class Trace(Guessed, InNotebook):
    """The record of one training, in bounded memory apart from the logs of each epoch.

    **Rates** are three parallel columns: the epoch, the batch within it, and the rate from that
    batch on (one such column for each optimizer). There is a row for each write that changed a
    rate. In long trainings rows within epochs are dropped at equal distances, so that at most
    about 32,768 of them are held (see `kerasdecay.records.curve.Curve`). The first row, the last
    row and the rate at the start of each epoch are always there, and every row that is there is
    exact.

    **Decisions**: every event, and the last 10,000 decisions of the kind "not yet". `kinds` counts
    all decisions by their kind, kept or not.

    **Logs**: those of every epoch, in the order of training.

    **Notes**: what was done at the beginning of the training, in words.

    **Tried**: `tried_until` is the epoch and the batch of the last rate that a probe tried before
    the training, None without a probe. Rows up to it are the probe's.
    """

    _guesses: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("lr", "lrs", "rate", "rates", "learning_rate"), "learning_rates"),
        "history": "logs",
        **dict.fromkeys(("to_pandas", "to_dataframe", "to_frame", "save"), "to_csv(path)"),
        **{name: f"kerasdecay.{name}(trace)" for name in ("plot", "explain")},
        "summary": "kerasdecay.report.summary(trace)",
    }

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.notes: list[str] = []
        self.tried_until: tuple[int, int] | None = None
        self.logs: list[tuple[int, dict[str, float]]] = []
        self._curve = Curve(setup.base_rates)
        self._knobs: dict[str, Curve] = {}
        self.kinds: collections.Counter[str] = collections.Counter()
        self._decided = 0
        self._events: list[tuple[int, Event]] = []
        self._quiet: collections.deque[tuple[int, Event]] = collections.deque(
            maxlen=QUIET_DECISIONS
        )
        self.decisions_from = setup.first_epoch
        """The epoch from which on every decision is kept; before it, some "not yet" are missing."""
        self.decided_epochs = 0
        """The number of epochs at whose end rules have decided, kept or not."""
        self._last_decided: int | None = None

    def record_note(self, text: str) -> None:
        """Add a line that says what was done at the beginning of the training, and why."""
        self.notes.append(text)

    def record_rates(self, epoch: int, batch: int, rates: Sequence[float]) -> None:
        """Record that the optimizers have these rates from this batch of this epoch on.

        They are in the order of `setup.base_rates`.
        """
        self._curve.add(epoch, batch, rates)

    def record_tried(self, epoch: int, batch: int, rate: float) -> None:
        """Record that a probe tried a rate, on each optimizer, from this batch on."""
        self.record_rates(epoch, batch, [rate] * len(self.setup.base_rates))
        self.tried_until = (epoch, batch)

    def record_epoch(
        self, epoch: int, batches: np.ndarray, rates: Mapping[str, np.ndarray]
    ) -> None:
        """Record the rates of many batches of one epoch, as `record_rates` does for each."""
        self._curve.add_epoch(epoch, batches, rates)

    def record_knobs(
        self, epoch: int, batches: np.ndarray, values: Mapping[str, np.ndarray]
    ) -> None:
        """Record what was driven besides the rates in many batches of one epoch."""
        for name, column in values.items():
            curve = self._knobs.setdefault(name, Curve([name]))
            curve.add_epoch(epoch, batches, {name: column})

    @property
    def knobs(self) -> Mapping[str, Curve]:
        """Log name → what was driven besides the rates, such as `"momentum"`: a row a change."""
        return self._knobs

    @property
    def is_thinned(self) -> bool:
        """Whether rows within epochs were dropped, because there were too many."""
        return self._curve.is_thinned

    def withdraw(self, epoch: int, batch: int) -> None:
        """Remove the last row if it belongs to this batch, which began but did not train."""
        self._curve.withdraw(epoch, batch)

    def record_decision(self, event: Event) -> None:
        """Add a decision."""
        kept = self._events if event.decision.is_event else self._quiet
        if kept is self._quiet and len(kept) == QUIET_DECISIONS:
            self.decisions_from = self._quiet[0][1].epoch + 1
        self.kinds[event.kind] += 1
        kept.append((self._decided, event))
        self._decided += 1
        self.decided_epochs += event.epoch != self._last_decided
        self._last_decided = event.epoch

    def record_logs(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Add the logs of an epoch, its rates included."""
        self.logs.append((epoch, dict(logs)))

    @property
    def decisions(self) -> list[Event]:
        """The decisions that are kept, in the order in which they were taken."""
        return [event for _, event in sorted([*self._events, *self._quiet], key=lambda one: one[0])]

    @property
    def events(self) -> list[Event]:
        """The decisions that changed or flagged something: all but "not yet"."""
        return [event for _, event in self._events]

    @property
    def epochs(self) -> np.ndarray:
        """The epoch of each row, from 0."""
        return self._curve.epochs

    @property
    def batches(self) -> np.ndarray:
        """The batch within its epoch of each row, from 0."""
        return self._curve.batches

    @property
    def tried(self) -> int:
        """How many rows are a probe's: the first ones."""
        if self.tried_until is None:
            return 0
        epoch, batch = self.tried_until
        starts = self.epochs
        return int(np.sum((starts < epoch) | ((starts == epoch) & (self.batches <= batch))))

    @property
    def steps(self) -> np.ndarray:
        """The batches done before each row.

        Raises:
            ValueError: If the number of batches in an epoch is unknown.
        """
        per_epoch = self.setup.steps_per_epoch
        if per_epoch is None:
            raise ValueError(
                "Trace: steps needs a known number of batches in an epoch, and the training data "
                "have no length. Use trace.epochs and trace.batches, or pass steps_per_epoch=… to "
                "fit."
            )
        return self.epochs * per_epoch + self.batches

    @property
    def learning_rates(self) -> np.ndarray:
        """The rate of each row (the first optimizer's, where there are several)."""
        return self.learning_rates_of(next(iter(self.setup.base_rates)))

    def positions(self, rows: Curve | None = None) -> np.ndarray:
        """Return the position of each row, in epochs done: 4.3 is batch 30 of 100 of epoch 5.

        Where the batches of an epoch are unknown they are taken to be as many as the rows tell.

        Args:
            rows: One of `knobs`; None stands for the rates.
        """
        rows = self._curve if rows is None else rows
        steps = self.setup.steps_per_epoch or int(rows.batches.max(initial=0)) + 1
        return rows.epochs + rows.batches / steps

    def learning_rates_of(self, key: str) -> np.ndarray:
        """The rate of each row for the optimizer with this log name."""
        return self._curve.rates(key)

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the rates, and what was driven besides them, as CSV: a row where one changed.

        The columns are `epoch` and `batch`, both from 0, one for each optimizer's rate under its
        log name, and one for each of `knobs`. A value holds until the next row, and reads back as
        the same number. A cell is empty where no value is known: before the first one, and between
        the rows of a column of which rows were dropped.

        Args:
            path: The file; folders on the way are created.

        Returns:
            `path`, as a `Path`.
        """
        curves = dict.fromkeys(self.setup.base_rates, self._curve) | self._knobs
        columns: dict[str, dict[tuple[int, int], list[float]]] = {}
        for key, curve in curves.items():
            places = zip(curve.epochs.tolist(), curve.batches.tolist(), strict=True)
            columns[key] = collections.defaultdict(list)
            for place, value in zip(places, curve.rates(key).tolist(), strict=True):
                columns[key][place].append(value)
        rows: list[tuple[Any, ...]] = [("epoch", "batch", *curves)]
        last: dict[str, Any] = dict.fromkeys(curves, "")
        for place in sorted(set().union(*columns.values())):
            here = {key: columns[key].get(place, []) for key in curves}
            # The rate of a place may be written twice; what is driven besides belongs to the last.
            for left in range(max(map(len, here.values())), 0, -1):
                for key, values in here.items():
                    held = "" if curves[key].is_thinned else last[key]
                    last[key] = values[-left] if left <= len(values) else held
                rows.append((*place, *last.values()))
        return write_atomically(path, csv_text(rows))

    def __len__(self) -> int:
        return len(self._curve)

    def __repr__(self) -> str:
        return (
            f"Trace({self.setup.decay}: {len(self.logs)} epochs, {len(self)} rates, "
            f"{len(self.events)} events)"
        )
