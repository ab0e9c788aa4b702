"""Open loop: schedules are pure functions from position to learning rate, and compose.

This floor needs NumPy alone.
"""

import warnings
from typing import Any

from kerasdecay._names import no_such_name
from kerasdecay.schedules.base import Schedule, Shape
from kerasdecay.schedules.by_epoch import ByEpoch
from kerasdecay.schedules.by_step import ByStep
from kerasdecay.schedules.composition import Sequence, sequence
from kerasdecay.schedules.constant import Constant
from kerasdecay.schedules.cooldown import Cooldown, cooldown
from kerasdecay.schedules.cosine import Cosine
from kerasdecay.schedules.cosine_restarts import CosineRestarts
from kerasdecay.schedules.cyclic import Cyclic
from kerasdecay.schedules.epoch_rates import EpochRates
from kerasdecay.schedules.exponential import Exponential
from kerasdecay.schedules.family import FAMILY
from kerasdecay.schedules.inverse_sqrt import InverseSqrt
from kerasdecay.schedules.inverse_time import InverseTime
from kerasdecay.schedules.knee import Knee
from kerasdecay.schedules.linear import Linear
from kerasdecay.schedules.multi_step import MultiStep
from kerasdecay.schedules.one_cycle import OneCycle
from kerasdecay.schedules.polynomial import Polynomial
from kerasdecay.schedules.power_step import PowerStep
from kerasdecay.schedules.product import Product, Scaled, scaled
from kerasdecay.schedules.refined import Refined
from kerasdecay.schedules.rex import Rex
from kerasdecay.schedules.simulation import simulate
from kerasdecay.schedules.step import Step
from kerasdecay.schedules.timeline import Moment, Timeline
from kerasdecay.schedules.warmup import Warmup, warmup
from kerasdecay.schedules.warmup_stable import WarmupStable

__all__ = [
    "FAMILY",
    "ByEpoch",
    "ByStep",
    "Constant",
    "Cooldown",
    "Cosine",
    "CosineRestarts",
    "Cyclic",
    "EpochRates",
    "Exponential",
    "InverseSqrt",
    "InverseTime",
    "Knee",
    "Linear",
    "Moment",
    "MultiStep",
    "OneCycle",
    "Polynomial",
    "PowerStep",
    "Product",
    "Refined",
    "Rex",
    "Scaled",
    "Schedule",
    "Sequence",
    "Shape",
    "Step",
    "Timeline",
    "Warmup",
    "WarmupStable",
    "cooldown",
    "scaled",
    "sequence",
    "simulate",
    "warmup",
]


def __getattr__(name: str) -> Any:
    if name != "WarmupStableDecay":
        raise no_such_name(__name__, name, __all__)
    warnings.warn(
        "kerasdecay.schedules.WarmupStableDecay is now called kerasdecay.schedules.WarmupStable; "
        "kerasdecay.WarmupStableDecay, the callback, keeps its name.",
        DeprecationWarning,
        stacklevel=2,
    )
    return WarmupStable
