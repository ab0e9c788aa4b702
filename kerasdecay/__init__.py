"""kerasdecay: learning-rate decay for Keras 3.

The callbacks stand here; `kerasdecay.schedules`, `kerasdecay.rules`, `kerasdecay.report`,
`kerasdecay.study` and `kerasdecay.tuner` hold the rest. Importing this loads no framework: a name
is looked up when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasdecay.callbacks import (
        AdaptiveKneeDecay,
        AutoDecay,
        CosineDecay,
        GreedyDecay,
        LearningRateDecay,
        LinearDecay,
        LossSlopeDecay,
        OneCycleDecay,
        PlateauDecay,
        PowerStepDecay,
        StepDecay,
        WarmupDecay,
        WarmupStableDecay,
        WeightNormDecay,
        release,
        steer,
    )
    from kerasdecay.schedules import simulate

__version__ = "0.1.0"

_HOMES = {
    "WeightNormDecay": "kerasdecay.callbacks",
    "LossSlopeDecay": "kerasdecay.callbacks",
    "GreedyDecay": "kerasdecay.callbacks",
    "AdaptiveKneeDecay": "kerasdecay.callbacks",
    "AutoDecay": "kerasdecay.callbacks",
    "CosineDecay": "kerasdecay.callbacks",
    "LearningRateDecay": "kerasdecay.callbacks",
    "LinearDecay": "kerasdecay.callbacks",
    "OneCycleDecay": "kerasdecay.callbacks",
    "PlateauDecay": "kerasdecay.callbacks",
    "PowerStepDecay": "kerasdecay.callbacks",
    "StepDecay": "kerasdecay.callbacks",
    "WarmupDecay": "kerasdecay.callbacks",
    "WarmupStableDecay": "kerasdecay.callbacks",
    "release": "kerasdecay.callbacks",
    "simulate": "kerasdecay.schedules",
    "steer": "kerasdecay.callbacks",
}

__all__ = [
    "AdaptiveKneeDecay",
    "AutoDecay",
    "CosineDecay",
    "GreedyDecay",
    "LearningRateDecay",
    "LinearDecay",
    "LossSlopeDecay",
    "OneCycleDecay",
    "PlateauDecay",
    "PowerStepDecay",
    "StepDecay",
    "WarmupDecay",
    "WarmupStableDecay",
    "WeightNormDecay",
    "release",
    "simulate",
    "steer",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kerasdecay' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
