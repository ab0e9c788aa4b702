"""Every named shape, by its name on the command line and in the tables."""

from __future__ import annotations

import warnings
from typing import Any

from kerasdecay import _checks
from kerasdecay._names import member_named
from kerasdecay.schedules.base import Shape
from kerasdecay.schedules.constant import Constant
from kerasdecay.schedules.cosine import Cosine
from kerasdecay.schedules.cosine_restarts import CosineRestarts
from kerasdecay.schedules.cyclic import Cyclic
from kerasdecay.schedules.exponential import Exponential
from kerasdecay.schedules.inverse_sqrt import InverseSqrt
from kerasdecay.schedules.inverse_time import InverseTime
from kerasdecay.schedules.knee import Knee
from kerasdecay.schedules.linear import Linear
from kerasdecay.schedules.multi_step import MultiStep
from kerasdecay.schedules.one_cycle import OneCycle
from kerasdecay.schedules.polynomial import Polynomial
from kerasdecay.schedules.power_step import PowerStep
from kerasdecay.schedules.refined import Refined
from kerasdecay.schedules.rex import Rex
from kerasdecay.schedules.step import Step
from kerasdecay.schedules.warmup_stable import WarmupStable


class _Family(dict[str, type[Shape]]):
    def __missing__(self, name: str) -> type[Shape]:
        if name != "warmup-stable-decay":
            raise KeyError(name)
        renamed = "warmup-stable"
        warnings.warn(f"{name} is now called {renamed}.", DeprecationWarning, stacklevel=2)
        return self[renamed]


def shape_named(owner: str, argument: str, name: str) -> Shape:
    """Return the shape of a name, its initial rate left open, or raise a ValueError.

    The name of the class will do as well.

    Examples:
        >>> shape_named("LearningRateDecay", "schedule", "cosine").initial_learning_rate is None
        True
        >>> type(shape_named("LearningRateDecay", "schedule", "CosineRestarts")).__name__
        'CosineRestarts'
    """
    return member_named(FAMILY, owner, argument, name)()


def schedule_of(owner: str, argument: str, given: Any) -> Any:
    """Return the shape of a name, a number as a constant rate, and anything else as it is.

    Examples:
        >>> schedule_of("simulate", "schedule", 0.1)
        Constant(initial_learning_rate=0.1)
    """
    if isinstance(given, str):
        return shape_named(owner, argument, given)
    if isinstance(given, type):
        raise _checks.invalid(owner, argument, "a schedule", given, _checks.made(given))
    return given if _checks.real(given) is None else Constant(given)


FAMILY: dict[str, type[Shape]] = _Family(
    {
        "constant": Constant,
        "power-step": PowerStep,
        "step": Step,
        "multi-step": MultiStep,
        "exponential": Exponential,
        "inverse-time": InverseTime,
        "polynomial": Polynomial,
        "linear": Linear,
        "cosine": Cosine,
        "cosine-restarts": CosineRestarts,
        "cyclic": Cyclic,
        "one-cycle": OneCycle,
        "inverse-sqrt": InverseSqrt,
        "warmup-stable": WarmupStable,
        "knee": Knee,
        "rex": Rex,
        "refined": Refined,
    }
)
"""Name → class. Each makes sense with an initial rate alone."""
