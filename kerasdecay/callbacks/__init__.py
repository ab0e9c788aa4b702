"""Decay callbacks for Keras: one writer sets the rate, feeds the rules and keeps the trace."""

from kerasdecay.callbacks.as_keras import as_keras
from kerasdecay.callbacks.compiled import release
from kerasdecay.callbacks.cosine import CosineDecay
from kerasdecay.callbacks.learning_rate import LearningRateDecay
from kerasdecay.callbacks.linear import LinearDecay
from kerasdecay.callbacks.one_cycle import OneCycleDecay
from kerasdecay.callbacks.plateau import PlateauDecay
from kerasdecay.callbacks.power_step import PowerStepDecay
from kerasdecay.callbacks.step import StepDecay
from kerasdecay.callbacks.trace import Event, Setup, Trace
from kerasdecay.callbacks.warmup import WarmupDecay
from kerasdecay.callbacks.warmup_stable_decay import WarmupStableDecay

__all__ = [
    "CosineDecay",
    "Event",
    "LearningRateDecay",
    "LinearDecay",
    "OneCycleDecay",
    "PlateauDecay",
    "PowerStepDecay",
    "Setup",
    "StepDecay",
    "Trace",
    "WarmupDecay",
    "WarmupStableDecay",
    "release",
    "as_keras",
]
