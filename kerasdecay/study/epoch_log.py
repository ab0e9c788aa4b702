"""What the epochs of a run report, and how fast they are."""

from __future__ import annotations

import math
import re
import statistics
import time
from collections import Counter
from typing import Any

import keras
import numpy as np

from kerasdecay.study.runs import is_rate


class EpochLog(keras.callbacks.Callback):
    """Keeps what each epoch reported, one value an epoch and metric, and how long it trained.

    It must stand last: it adds the learning rates to the logs where no callback before it did, with
    those found at the epoch's start.

    Args:
        images: How many an epoch trains on.
    """

    def __init__(self, images: int) -> None:
        super().__init__()
        self.images = images
        self.rows: list[dict[str, float]] = []
        self.training_seconds: list[float] = []
        self._rates: dict[str, float] = {}
        self._started = 0.0
        self._trained: float | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the rates that the epoch starts with."""
        self._rates = current_rates(self.model)
        self._trained = None
        self._started = time.perf_counter()

    def on_test_begin(self, logs: Any = None) -> None:
        """Note that the epoch's training is over."""
        self._trained = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Take down the epoch."""
        self.training_seconds.append((self._trained or time.perf_counter()) - self._started)
        logs = {} if logs is None else logs
        for name, rate in self._rates.items():
            logs.setdefault(name, rate)
        names = steady_names(self.model)
        self.rows.append(
            {names.get(name, name): _recorded(name, value) for name, value in logs.items()}
        )

    def columns(self) -> dict[str, list[float]]:
        """Return metric → its value after each epoch, NaN where an epoch did not report it."""
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        return {name: [row.get(name, math.nan) for row in self.rows] for name in names}

    def images_per_second(self) -> float:
        """Return the median over the epochs after the first, which compiles."""
        seconds = self.training_seconds[1:] or self.training_seconds
        return self.images / statistics.median(seconds) if seconds else math.nan


def current_rates(model: keras.Model) -> dict[str, float]:
    """Return log name → the rate in force, for each optimizer that has one to tell."""
    return {
        name: optimizers.shortest(optimizers.effective(optimizer))
        for name, optimizer in optimizers.leaves(model).items()
        if hasattr(optimizer, "learning_rate")
    }


def steady_names(model: keras.Model) -> dict[str, str]:
    """Return log name of each rate → a name that is the same in every run.

    Of several optimizers without names of their own Keras numbers those of a class, and goes on
    counting from model to model: `learning_rate_adam_4`. Here each model counts for itself.
    """
    found: dict[str, str] = {}
    count: Counter[str] = Counter()
    for log_name, optimizer in optimizers.leaves(model).items():
        name = _without_number(log_name, type(optimizer).__name__)
        count[name] += 1
        found[log_name] = name if count[name] == 1 else f"{name}_{count[name]}"
    return found


def _without_number(log_name: str, kind: str) -> str:
    bare = re.sub(r"_\d+$", "", log_name)
    is_keras_own = bare.removeprefix("learning_rate_").replace("_", "") == kind.casefold()
    return bare if is_keras_own else log_name


def _recorded(name: str, value: Any) -> float:
    """Return a value of the logs; of a rate, the float32 that the optimizer held."""
    return optimizers.shortest(float(np.float32(value) if is_rate(name) else value))
