"""Every named shape, by the name that the command line and the tables know it by."""

from __future__ import annotations

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
from kerasdecay.schedules.warmup_stable_decay import WarmupStableDecay

FAMILY: dict[str, type[Shape]] = {
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
    "warmup-stable-decay": WarmupStableDecay,
    "knee": Knee,
    "rex": Rex,
    "refined": Refined,
}
"""Name → class. Each makes sense with an initial rate alone."""
