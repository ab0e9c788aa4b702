"""What the epochs of a run report, and how long they take."""

from __future__ import annotations

import math
import re
import statistics
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from kerasdecay.records import Trace
from kerasdecay.records.run import is_rate
from kerasdecay.study.own_optimizers import counters, named
from kerasdecay.training import find
from kerasdecay.training.targets import shortest

_POINTS = 240
"""The most points of a rate's course that are kept."""


class EpochLog(keras.callbacks.Callback):
    """Keeps what each epoch reported, one value per epoch and metric, and how long it trained.

    It must be the last callback: it adds the learning rates to the logs where no callback before it
    did, with the values at the epoch's start. It adds none for an optimizer that took no step.

    `images` is the number of examples in an epoch. `needs_steps` says why `model.optimizer` must
    take steps, for the error if it does not.
    """

    def __init__(self, images: int, needs_steps: str = "") -> None:
        super().__init__()
        self.images = images
        self.needs_steps = needs_steps
        self.rows: list[dict[str, float]] = []
        self.training_seconds: list[float] = []
        self.names: dict[str, str] = {}
        self._rates: dict[str, float] = {}
        self._counters: list[float] = []
        self._started = 0.0
        self._trained: float | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the rates and the optimizer's counters at the start of the epoch."""
        model = self.model
        self._rates = {} if model.optimizer is None else current_rates(model)
        self._counters = [] if model.optimizer is None else counters(model)
        self._trained = None
        self._started = time.perf_counter()

    def on_test_begin(self, logs: Any = None) -> None:
        """Note when the epoch's training ended and its validation began."""
        self._trained = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record the epoch; ValueError if the optimizer had to take steps and took none."""
        self.training_seconds.append((self._trained or time.perf_counter()) - self._started)
        logs = {} if logs is None else logs
        model = self.model
        if self._rates and counters(model) != self._counters:
            for name, rate in self._rates.items():
                logs.setdefault(name, rate)
        elif self.needs_steps:
            raise ValueError(
                f"{self.needs_steps}, which took no step in an epoch: it does not train this "
                f"model.{named(model)} Set the rates of those in a callback or in build_model."
            )
        self.names = {} if model.optimizer is None else steady_names(model)
        self.rows.append(
            {self.names.get(name, name): _recorded(name, value) for name, value in logs.items()}
        )

    def columns(self) -> dict[str, list[float]]:
        """Return metric → its value after each epoch, NaN where an epoch did not report it."""
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        return {name: [row.get(name, math.nan) for row in self.rows] for name in names}

    def courses(self, traces: Iterable[Trace]) -> dict[str, list[tuple[float, float]]]:
        """Return name of a rate → its course within the epochs, of those that these have recorded.

        Rates that a probe tried are left out.
        """
        found = {}
        for trace in traces:
            positions = trace.positions()
            for key in trace.setup.base_rates:
                rates = trace.learning_rates_of(key)
                kept = _some(trace.tried, len(rates))
                name = self.names.get(key, key)
                found[name] = [
                    (float(positions[row]), _recorded(key, rates[row])) for row in kept.tolist()
                ]
        return found

    def images_per_second(self) -> float:
        """Return the median over the epochs after the first, which compiles."""
        seconds = self.training_seconds[1:] or self.training_seconds
        return self.images / statistics.median(seconds) if seconds else math.nan


def current_rates(model: keras.Model) -> dict[str, float]:
    """Return log name → current rate, for each optimizer that has a learning rate."""
    return {
        name: target.read()
        for name, target in find.targets_of(model).items()
        if hasattr(target.optimizer, "learning_rate")
    }


def steady_names(model: keras.Model) -> dict[str, str]:
    """Return log name of each rate → a name that is the same in every run.

    Keras numbers several optimizers of one class that have no names of their own, and does not
    start again for a new model: `learning_rate_adam_4`. Here the numbers start again for each
    model.
    """
    found: dict[str, str] = {}
    count: Counter[str] = Counter()
    for log_name, optimizer in find.optimizers_of(model).items():
        name = _without_number(log_name, type(optimizer).__name__)
        count[name] += 1
        found[log_name] = name if count[name] == 1 else f"{name}_{count[name]}"
    return found


def _without_number(log_name: str, kind: str) -> str:
    bare = re.sub(r"_\d+$", "", log_name)
    is_keras_own = bare.removeprefix("learning_rate_").replace("_", "") == kind.casefold()
    return bare if is_keras_own else log_name


def _some(first: int, end: int) -> np.ndarray:
    """Return the rows from `first` on, or evenly spaced ones with both ends if there are many."""
    if end - first <= _POINTS:
        return np.arange(first, end)
    return np.linspace(first, end - 1, _POINTS).astype(int)


def _recorded(name: str, value: Any) -> float:
    """Return a value of the logs; of a rate, the float32 that the optimizer held."""
    return shortest(float(np.float32(value) if is_rate(name) else value))
