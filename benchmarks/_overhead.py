"""What one step costs under each callback: the measuring half of callback_overhead.py.

All arms train at once and take turns, an epoch each (see _lockstep.py), with a plain epoch beside
each. Counted is the CPU time of the process, of all its threads, from before the first callback's
`on_epoch_begin` to after the last one's `on_epoch_end`: by the clock, threads that wait for each
other wander still more. The clock's median ratio stands beside, for waiting costs no CPU time. A
plain arm among the others shows how much wandering is left. From one session to the next the
networks are passed on, so that none stays with one arm.
"""

from __future__ import annotations

import dataclasses
import math
import random
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from _lockstep import Turns

from kerasdecay import (
    AdaptiveKneeDecay,
    AutoDecay,
    GreedyDecay,
    LearningRateDecay,
    LossSlopeDecay,
    OneCycleDecay,
    PlateauDecay,
    WeightNormDecay,
)
from kerasdecay.rules import Plateau, Rescue
from kerasdecay.schedules import Constant, Cosine, Linear

PLAIN = "no callback"
RATE, BATCH, FEATURES = 1e-4, 8, 16
WARM = 1
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


def _ours(update: str) -> Callable[[int, int], Any]:
    return lambda epochs, steps: LearningRateDecay(Cosine(RATE), update=update)


def _rule(decay: Callable[..., Any], *arguments: Any) -> Callable[[int, int], Any]:
    return lambda epochs, steps: decay(*arguments, schedule=Constant(RATE))


Arms = dict[str, Callable[[int, int], Any] | None]

DECAYS: Arms = {
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
    "Rescue": lambda epochs, steps: LearningRateDecay(Constant(RATE), rules=[Rescue()]),
    # Its probe is over when measuring begins: it takes no more batches than the first epoch has.
    "AutoDecay, after its probe": lambda epochs, steps: AutoDecay(),
}


def _driven(**arguments: Any) -> Callable[[int, int], Any]:
    return lambda epochs, steps: LearningRateDecay(Cosine(RATE), update="compiled", **arguments)


# What is driven besides the rate, inside the step, and what is decided within an epoch; each after
# its plain counterpart.
KNOBS: Arms = {
    PLAIN: None,
    'update="compiled"': _ours("compiled"),
    "weight_decay, held": _driven(weight_decay="hold"),
    "group_factors, a number": _driven(group_factors={"head": 0.5}),
    "group_factors, a schedule": _driven(group_factors={"head": Linear()}),
    'one-cycle, "compiled"': lambda epochs, steps: OneCycleDecay(RATE, update="compiled"),
    'one-cycle with momentum, "compiled"': lambda epochs, steps: OneCycleDecay(
        RATE, momentum=(0.85, 0.95), update="compiled"
    ),
    "PlateauDecay": _rule(PlateauDecay, "loss"),
    "PlateauDecay, every 20 steps": lambda epochs, steps: PlateauDecay(
        "loss", schedule=Constant(RATE), every="20 steps"
    ),
    "constant": lambda epochs, steps: LearningRateDecay(Constant(RATE)),
    "constant, Rescue": DECAYS["Rescue"],
    "constant, average_last, from the second half on": lambda epochs, steps: LearningRateDecay(
        Constant(RATE), average_last="50%"
    ),
}

SETS: dict[str, Arms] = {"decays": DECAYS, "knobs": KNOBS}


@dataclasses.dataclass(frozen=True)
class Case:
    """A network and how its step is compiled.

    Args:
        network: `"tiny"` (one layer of 10, SGD with momentum) or `"deep"` (30 layers of 32, Adam).
        jit: Keras' `jit_compile`.
        arms: What is measured: `"decays"`, or `"knobs"`, for which the optimizers have a weight
            decay.
    """

    network: str
    jit: bool
    arms: str = "decays"

    def build(self) -> Any:
        """Return the compiled network."""
        decay = 1e-4 if self.arms == "knobs" else None
        if self.network == "tiny":
            hidden = [keras.layers.Dense(10)]
            optimizer = keras.optimizers.SGD(RATE, momentum=0.9, weight_decay=decay)
        else:
            hidden = [keras.layers.Dense(32, activation="relu") for _ in range(30)]
            optimizer = keras.optimizers.Adam(RATE, weight_decay=decay)
        head = keras.layers.Dense(1, name="head")
        model = keras.Sequential([keras.Input((FEATURES,)), *hidden, head])
        model.compile(optimizer, "mse", jit_compile=self.jit)
        return model


@dataclasses.dataclass(frozen=True)
class Effort:
    """How long to measure.

    Args:
        seconds: For one case, at least: sessions follow each other until they are used up.
        rounds: Epochs of each arm in a session.
        epoch_seconds: How long an epoch of a plain training should last, which sets its steps.
    """

    seconds: float = 230.0
    rounds: int = 10
    epoch_seconds: float = 0.1


class Epoch(NamedTuple):
    """What an epoch of an arm took: CPU µs a step, and both times as ratios to a plain epoch's."""

    microseconds: float
    ratio: float
    clock_ratio: float


def measure(case: Case, effort: Effort, seed: int = 0) -> dict[str, Any]:
    """Return the CPU microseconds a step of every arm, and their ratios to a plain epoch beside."""
    began, arms = time.perf_counter(), SETS[case.arms]
    models = [case.build() for _ in range(len(arms) + 1)]
    steps = _steps(models[0], effort.epoch_seconds)
    draw = random.Random(seed)
    found: dict[str, list[Epoch]] = {name: [] for name in arms}
    while not found[PLAIN] or time.perf_counter() - began < effort.seconds:
        _session(models, arms, steps, effort.rounds, draw, found)
        models.append(models.pop(0))
    return {
        "network": case.network,
        "jit": case.jit,
        "steps": steps,
        "rounds": len(found[PLAIN]),
        "rounds_in_session": effort.rounds,
        "arms": {name: _summary(found[name], effort.rounds) for name in arms},
    }


def _session(
    models: list[Any],
    arms: Arms,
    steps: int,
    rounds: int,
    draw: random.Random,
    found: dict[str, list[Epoch]],
) -> None:
    """Train all arms for so many rounds; add what their epochs took."""
    beside = Turns(_training(models[0], steps, WARM + rounds * -(-len(arms) // 2)), [])
    turns = {}
    for model, (name, make) in zip(models[1:], arms.items(), strict=True):
        callbacks = [make(WARM + rounds, steps)] if make else []
        turns[name] = Turns(_training(model, steps, WARM + rounds), callbacks)
    for one in (beside, *turns.values()):
        for _ in range(WARM):  # traces and compiles
            one.take()
    for _ in range(rounds):
        order = draw.sample(list(arms), len(arms))  # a plain epoch stands between each two
        for names in (order[first : first + 2] for first in range(0, len(order), 2)):
            spent = {names[0]: turns[names[0]].take()}
            plain = beside.take()
            spent.update((name, turns[name].take()) for name in names[1:])
            for name, (seconds, clock) in spent.items():
                epoch = Epoch(1e6 * seconds / steps, seconds / plain[0], clock / plain[1])
                found[name].append(epoch)


def _training(model: Any, steps: int, epochs: int) -> Callable[[list[Any]], None]:
    x = np.zeros((steps * BATCH, FEATURES), "float32")

    def train(callbacks: list[Any]) -> None:
        model.fit(
            x,
            x[:, :1],
            batch_size=BATCH,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=callbacks,
        )

    return train


def _steps(model: Any, epoch_seconds: float) -> int:
    """Return how many steps last so long: whole twenties."""
    turns = Turns(_training(model, 40, WARM + 3), [])
    spent = [turns.take() for _ in range(WARM + 3)][WARM:]
    seconds = float(np.median([cpu for cpu, _ in spent]))
    return min(max(round(epoch_seconds * 40 / seconds) // 20 * 20, 40), 2000)


def _summary(epochs: list[Epoch], in_session: int) -> dict[str, Any]:
    """Tell medians and spread; the interval draws sessions, in which networks stay, then rounds."""
    microseconds, ratios, by_clock = (list(column) for column in zip(*epochs, strict=True))
    sessions = np.reshape(ratios, (-1, in_session))
    generator = np.random.default_rng(0)
    drawn = generator.choice(sessions, size=(RESAMPLED, len(sessions)))
    places = generator.integers(in_session, size=drawn.shape)
    draws = np.take_along_axis(drawn, places, axis=2)
    return {
        "microseconds": [round(value, 1) for value in microseconds],
        "ratios": [round(value, 4) for value in ratios],
        "median": float(np.median(microseconds)),
        "quartiles": np.percentile(microseconds, [25, 75]).tolist(),
        "ratio": float(np.median(ratios)),
        "ratio_interval": np.percentile(np.median(draws, axis=(1, 2)), [2.5, 97.5]).tolist(),
        "clock_ratio": float(np.median(by_clock)),
    }
