"""What one step costs under each callback: the measuring half of callback_overhead.py.

Each measurement is a `fit` of short epochs of its own, of which all but the first count: that may
trace and compile. What counts goes from before the first callback's `on_epoch_begin` to after the
last one's `on_epoch_end`, so that work between steps and between epochs is included. It is the CPU
time of the process, of all its threads: by the clock, waiting for each other they wander by more
than there is to measure. The machine's own speed wanders too: each measurement has a plain one
right beside it, before or after, to be compared with, and a plain arm among the others shows how
much wandering is left.
"""

from __future__ import annotations

import dataclasses
import math
import random
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasdecay import (
    AdaptiveKneeDecay,
    GreedyDecay,
    LearningRateDecay,
    LossSlopeDecay,
    PlateauDecay,
    WeightNormDecay,
)
from kerasdecay.rules import Plateau
from kerasdecay.schedules import Constant, Cosine

PLAIN = "no callback"
RATE, BATCH, FEATURES = 1e-4, 8, 16
WARM, COUNTED = 1, 3
RESAMPLED = 2000


class HandWritten(keras.callbacks.Callback):
    """What one writes by hand: a cosine, assigned before every batch."""

    def __init__(self, epochs: int, steps: int) -> None:
        super().__init__()
        self.total, self.steps, self.epoch = epochs * steps, steps, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the epoch."""
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Assign the rate."""
        done = (self.epoch * self.steps + batch) / self.total
        self.model.optimizer.learning_rate = 0.5 * RATE * (1.0 + math.cos(math.pi * done))


class Clock(keras.callbacks.Callback):
    """Notes when each epoch begins, listed first, or ends, listed last."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self.at = at
        self.times: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the time before any other callback's work."""
        if self.at == "begin":
            self.times.append(time.process_time())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note the time after every other callback's work."""
        if self.at == "end":
            self.times.append(time.process_time())


def _ours(update: str) -> Callable[[int, int], Any]:
    return lambda epochs, steps: LearningRateDecay(Cosine(RATE), update=update)


def _rule(decay: Callable[..., Any], *arguments: Any) -> Callable[[int, int], Any]:
    return lambda epochs, steps: decay(*arguments, schedule=Constant(RATE))


ARMS: dict[str, Callable[[int, int], Any] | None] = {
    PLAIN: None,
    "Keras LearningRateScheduler": lambda epochs, steps: keras.callbacks.LearningRateScheduler(
        lambda epoch, rate: rate * 0.99
    ),
    "Keras ReduceLROnPlateau": lambda epochs, steps: keras.callbacks.ReduceLROnPlateau("loss"),
    "hand-written, each batch": HandWritten,
    'update="epoch"': _ours("epoch"),
    'update="batch"': _ours("batch"),
    'update="20 steps"': _ours("20 steps"),
    'update="compiled"': _ours("compiled"),
    "PlateauDecay": _rule(PlateauDecay, "loss"),
    "GreedyDecay": _rule(GreedyDecay, "loss"),
    "WeightNormDecay": _rule(WeightNormDecay),
    "AdaptiveKneeDecay": _rule(AdaptiveKneeDecay, Plateau("loss")),
    "LossSlopeDecay, each batch's loss": _rule(LossSlopeDecay),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """A network and how its step is compiled.

    Args:
        network: `"tiny"` (one layer of 10, SGD) or `"deep"` (30 layers of 32, Adam).
        jit: Keras' `jit_compile`.
    """

    network: str
    jit: bool

    def build(self) -> Any:
        """Return the compiled network."""
        if self.network == "tiny":
            hidden, optimizer = [keras.layers.Dense(10)], keras.optimizers.SGD(RATE)
        else:
            hidden = [keras.layers.Dense(32, activation="relu") for _ in range(30)]
            optimizer = keras.optimizers.Adam(RATE)
        model = keras.Sequential([keras.Input((FEATURES,)), *hidden, keras.layers.Dense(1)])
        model.compile(optimizer, "mse", jit_compile=self.jit)
        return model


@dataclasses.dataclass(frozen=True)
class Effort:
    """How long to measure.

    Args:
        rounds: Measurements of each arm, at most.
        seconds: For one case; the rounds end when they are used up, after two at the least.
        epoch_seconds: How long an epoch of a plain training should last, which sets its steps.
    """

    rounds: int = 40
    seconds: float = 230.0
    epoch_seconds: float = 0.1


def measure(case: Case, effort: Effort, seed: int = 0) -> dict[str, Any]:
    """Return the CPU microseconds a step of every arm, measured in rounds of all arms."""
    began = time.perf_counter()
    shared = case.build()
    # A compiled training has its own network: its end rebuilds the step, at others' cost.
    models = {name: case.build() if "compiled" in name else shared for name in ARMS}
    _microseconds(shared, None, 40)
    steps = round(effort.epoch_seconds * 1e6 / np.median(_microseconds(shared, None, 40)))
    steps = min(max(steps // 20 * 20, 40), 2000)
    draw = random.Random(seed)
    found: dict[str, list[float]] = {name: [] for name in ARMS}
    ratios: dict[str, list[float]] = {name: [] for name in ARMS}
    for number in range(effort.rounds):
        for name in draw.sample(list(ARMS), len(ARMS)):
            make = ARMS[name]
            pair = [(shared, None), (models[name], make and make(WARM + COUNTED, steps))]
            first = draw.randrange(2)
            spent = {
                place: float(np.median(_microseconds(*pair[place], steps)))
                for place in (first, 1 - first)
            }
            found[name].append(spent[1])
            ratios[name].append(spent[1] / spent[0])
        if number > 0 and time.perf_counter() - began > effort.seconds:
            break
    return {
        "network": case.network,
        "jit": case.jit,
        "steps": steps,
        "epochs": COUNTED,
        "rounds": len(found[PLAIN]),
        "arms": {name: _summary(found[name], ratios[name]) for name in ARMS},
    }


def _microseconds(model: Any, callback: Any, steps: int) -> list[float]:
    """Return the CPU microseconds a step of each epoch that counts."""
    x = np.zeros((steps * BATCH, FEATURES), "float32")
    begin, end = Clock("begin"), Clock("end")
    model.fit(
        x,
        x[:, :1],
        batch_size=BATCH,
        epochs=WARM + COUNTED,
        shuffle=False,
        verbose=0,
        callbacks=[begin, *([callback] if callback else []), end],
    )
    spent = [after - before for before, after in zip(begin.times, end.times, strict=True)]
    return [1e6 * seconds / steps for seconds in spent[WARM:]]


def _summary(microseconds: list[float], ratios: list[float]) -> dict[str, Any]:
    draws = np.random.default_rng(0).choice(ratios, size=(RESAMPLED, len(ratios)))
    return {
        "microseconds": [round(value, 1) for value in microseconds],
        "ratios": [round(value, 4) for value in ratios],
        "median": float(np.median(microseconds)),
        "quartiles": np.percentile(microseconds, [25, 75]).tolist(),
        "ratio": float(np.median(ratios)),
        "ratio_interval": np.percentile(np.median(draws, axis=1), [2.5, 97.5]).tolist(),
    }
