"""What a search chooses from: one row a decay, with the parameters that only this decay has."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from kerasdecay.callbacks import LearningRateDecay
from kerasdecay.rules import Plateau, Rule
from kerasdecay.schedules import (
    Constant,
    Cosine,
    Exponential,
    Knee,
    Linear,
    OneCycle,
    PowerStep,
    Rex,
    Schedule,
    Step,
    WarmupStable,
)
from kerasdecay.schedules.duration import Duration

Parameter: TypeAlias = Callable[[Any, str], Any]
"""Declares one hyperparameter: (KerasTuner's `hp`, its full name) → its value, None if inactive."""


@dataclass(frozen=True)
class Settings:
    """What a trial gives every decay, whichever it is.

    Args:
        monitor: The metric that rules watch.
        epochs: The horizon; None takes `fit`'s.
        update: When the rate is written, see `LearningRateDecay`.
        state_path: Where rules keep their states, None for nowhere.
    """

    monitor: str = "val_loss"
    epochs: int | None = None
    update: str = "auto"
    state_path: str | os.PathLike[str] | None = None

    def decay(
        self,
        schedule: Schedule,
        *,
        warmup: Duration | None = None,
        rules: Sequence[Rule[Any]] = (),
    ) -> LearningRateDecay:
        """Return the callback for a schedule, a warmup and rules."""
        rules = tuple(rules)
        return LearningRateDecay(
            schedule,
            warmup=warmup,
            rules=rules,
            epochs=self.epochs,
            update=self.update,
            state_path=self.state_path if rules else None,
        )


@dataclass(frozen=True)
class Candidate:
    """A decay to be searched.

    Args:
        build: (settings, initial learning rate, the parameters by name) → the callback.
        parameters: Name → what declares it; they exist only in trials of this decay.
        rate_below: The decay makes no sense from this initial rate on.

    Examples:
        >>> from kerasdecay.schedules import Polynomial
        >>> polynomial = Candidate(
        ...     lambda run, rate, power: run.decay(Polynomial(rate, power=power)),
        ...     {"power": choice(0.5, 1.0, 2.0)},
        ... )
        >>> polynomial.build(Settings(), 0.1, power=2.0).schedule.power
        2.0
    """

    build: Callable[..., LearningRateDecay]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    rate_below: float = math.inf


def choice(*values: Any) -> Parameter:
    """Return what declares a choice of values: all numbers, or all strings."""
    return lambda hp, name: hp.Choice(name, list(values))


def log_uniform(low: float, high: float) -> Parameter:
    """Return what declares a number in [low, high], sampled uniformly by its logarithm."""
    return lambda hp, name: hp.Float(name, low, high, sampling="log")


_FINAL = choice(0.0, 0.01, 0.1)

DECAYS: Mapping[str, Candidate] = {
    "constant": Candidate(lambda run, rate: run.decay(Constant(rate))),
    "power_step": Candidate(
        lambda run, rate, stages: run.decay(PowerStep(rate, stages)),
        {"stages": choice(3, 2, 4)},
        rate_below=1.0,
    ),
    "step": Candidate(
        lambda run, rate, every, factor: run.decay(Step(rate, every, factor)),
        {"every": choice("30%", "20%", "45%"), "factor": choice(0.1, 0.3, 0.5)},
    ),
    "exponential": Candidate(
        lambda run, rate, final: run.decay(Exponential(rate, "100%", factor=final)),
        {"final": log_uniform(1e-3, 0.3)},
    ),
    "linear": Candidate(
        lambda run, rate, final: run.decay(Linear(rate, rate * final)), {"final": _FINAL}
    ),
    "cosine": Candidate(
        lambda run, rate, final: run.decay(Cosine(rate, rate * final)), {"final": _FINAL}
    ),
    "one_cycle": Candidate(
        lambda run, rate, rise: run.decay(OneCycle(rate, rise)),
        {"rise": choice("30%", "20%", "45%")},
    ),
    "warmup_stable": Candidate(
        lambda run, rate, warmup, decay: run.decay(WarmupStable(rate, decay=decay), warmup=warmup),
        {"warmup": choice("5%", "2%", "10%"), "decay": choice("20%", "10%", "40%")},
    ),
    "knee": Candidate(
        lambda run, rate, hold: run.decay(Knee(rate, hold=hold)),
        {"hold": choice("50%", "30%", "70%")},
    ),
    "rex": Candidate(lambda run, rate: run.decay(Rex(rate))),
    "plateau": Candidate(
        lambda run, rate, factor, patience: run.decay(
            Constant(rate), rules=[Plateau(run.monitor, factor=factor, patience=patience)]
        ),
        {"factor": choice(0.1, 0.3, 0.5), "patience": choice(2, 3, 5)},
    ),
}
"""Name → candidate. The first value of a choice is its default: grid search begins with it.

`final` is the final rate in shares of the initial one.
"""
