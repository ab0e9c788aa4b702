"""What a search chooses from: one row for each decay, with the parameters that it searches."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from kerasdecay import _checks
from kerasdecay.callbacks import LearningRateDecay
from kerasdecay.rules import Plateau, Rule
from kerasdecay.schedules import Constant, Exponential, Schedule
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.family import FAMILY

Parameter: TypeAlias = Callable[[Any, str], Any]
"""Declares one hyperparameter: (KerasTuner's `hp`, full name) → its value, None if inactive."""


@dataclass(frozen=True)
class Settings:
    """What every decay of a search has in common.

    Args:
        monitor: The metric that rules watch.
        epochs: The horizon; None takes `fit`'s.
        update: When the rate is written, see `LearningRateDecay`.
        state_path: The file for the states of rules, None for no file.
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
    """A decay that can be searched.

    Args:
        build: (settings, initial learning rate, the parameters by name) → the callback. It is
            called with other values where those that the tuner drew do not fit the epochs.
        parameters: Name → what declares it; they exist only in trials of this decay.
        rate_below: The initial rate must be below this number, > 0.

    Raises:
        ValueError: For a value out of its range.

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

    def __post_init__(self) -> None:
        if isinstance(self.build, Schedule) or not callable(self.build):
            allowed = "a function of (settings, rate, **parameters)"
            raise _checks.invalid("Candidate", "build", allowed, self.build)
        if not isinstance(self.parameters, Mapping) or not all(
            isinstance(name, str) and callable(declare) for name, declare in self.parameters.items()
        ):
            allowed = "a dict of name → choice(…), log_uniform(…) or a function of (hp, name)"
            raise _checks.invalid("Candidate", "parameters", allowed, self.parameters)
        if self.rate_below != math.inf:
            _checks.number("Candidate", "rate_below", self.rate_below, above=0)


def choice(*values: Any) -> Parameter:
    """Return what declares a choice of values of one type: strings, integers or floats.

    Raises:
        ValueError: If there is no value, or values of several types.
    """
    kinds = {type(value) for value in values}
    if len(kinds) != 1 or not kinds <= {str, int, float, bool}:
        raise _checks.invalid("choice", "values", "strings, integers or floats alone", values)
    return lambda hp, name: hp.Choice(name, list(values))


def log_uniform(low: float, high: float) -> Parameter:
    """Return what declares a number in [low, high], sampled uniformly by its logarithm.

    Raises:
        ValueError: Unless 0 < low < high.
    """
    low = _checks.number("log_uniform", "low", low, above=0)
    high = _checks.number("log_uniform", "high", high, above=low)
    return lambda hp, name: hp.Float(name, low, high, sampling="log")


def _shape(name: str, rate_below: float = math.inf, **parameters: Parameter) -> Candidate:
    """Return the candidate for a shape of the family; its parameters are those of `_shape_decay`.

    The name is the shape's name in the family, with underscores.
    """
    kind = FAMILY[name.replace("_", "-")]
    return Candidate(functools.partial(_shape_decay, kind), parameters, rate_below)


def _shape_decay(
    kind: Callable[..., Schedule],
    run: Settings,
    rate: float,
    *,
    warmup: Duration | None = None,
    final: float | None = None,
    **fields: Any,
) -> LearningRateDecay:
    """Return the callback for a shape with these fields.

    `final` is the final rate as a share of the initial one: the same choice then suits every rate.
    """
    if final is not None:
        fields["final_learning_rate"] = rate * final
    return run.decay(kind(rate, **fields), warmup=warmup)


_FINAL = choice(0.0, 0.01, 0.1)

DECAYS: Mapping[str, Candidate] = {
    "constant": _shape("constant"),
    "power_step": _shape("power_step", rate_below=1.0, stages=choice(3, 2, 4)),
    "step": _shape("step", every=choice("30%", "20%", "45%"), factor=choice(0.1, 0.3, 0.5)),
    "exponential": Candidate(
        lambda run, rate, final: run.decay(Exponential(rate, "100%", factor=final)),
        {"final": log_uniform(1e-3, 0.3)},
    ),
    "linear": _shape("linear", final=_FINAL),
    "cosine": _shape("cosine", final=_FINAL),
    "one_cycle": _shape("one_cycle", rise=choice("30%", "20%", "45%")),
    "warmup_stable": _shape(
        "warmup_stable", warmup=choice("5%", "2%", "10%"), decay=choice("20%", "10%", "40%")
    ),
    "knee": _shape("knee", hold=choice("50%", "30%", "70%")),
    "rex": _shape("rex"),
    "plateau": Candidate(
        lambda run, rate, **fields: run.decay(
            Constant(rate), rules=[Plateau(run.monitor, **fields)]
        ),
        {"factor": choice(0.1, 0.3, 0.5), "patience": choice(2, 3, 5)},
    ),
}
"""Name → candidate. The first value of a choice is its default: grid search begins with it."""
