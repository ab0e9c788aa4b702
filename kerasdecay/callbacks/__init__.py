"""Decay callbacks for Keras: one writer sets the rate, feeds the rules and keeps the trace."""

from kerasdecay.callbacks.auto import AutoDecay
from kerasdecay.callbacks.learning_rate import LearningRateDecay
from kerasdecay.callbacks.open_ended import OpenEndedDecay
from kerasdecay.callbacks.rules import (
    AdaptiveKneeDecay,
    GreedyDecay,
    LossSlopeDecay,
    PlateauDecay,
    WeightNormDecay,
)
from kerasdecay.callbacks.shapes import (
    CosineDecay,
    KneeDecay,
    LinearDecay,
    OneCycleDecay,
    PowerStepDecay,
    StepDecay,
    WarmupDecay,
    WarmupStableDecay,
)
from kerasdecay.records import Event, Setup, Trace
from kerasdecay.training.as_keras import as_keras
from kerasdecay.training.find import register_target, release
from kerasdecay.training.layerwise import layerwise
from kerasdecay.training.loop import Steering, steer
from kerasdecay.training.probes import register_measurement
from kerasdecay.training.targets import RateTarget

__all__ = [
    "AdaptiveKneeDecay",
    "AutoDecay",
    "CosineDecay",
    "Event",
    "GreedyDecay",
    "KneeDecay",
    "LearningRateDecay",
    "LinearDecay",
    "LossSlopeDecay",
    "OneCycleDecay",
    "OpenEndedDecay",
    "PlateauDecay",
    "PowerStepDecay",
    "RateTarget",
    "Setup",
    "Steering",
    "StepDecay",
    "Trace",
    "WarmupDecay",
    "WarmupStableDecay",
    "WeightNormDecay",
    "as_keras",
    "layerwise",
    "register_measurement",
    "register_target",
    "release",
    "steer",
]
