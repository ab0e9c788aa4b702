"""Decay callbacks for Keras: one writer sets the rate, feeds the rules and keeps the trace."""

from kerasdecay.callbacks.compiled import release
from kerasdecay.callbacks.learning_rate import LearningRateDecay
from kerasdecay.callbacks.plateau import PlateauDecay
from kerasdecay.callbacks.power_step import PowerStepDecay
from kerasdecay.callbacks.trace import Event, Setup, Trace
from kerasdecay.callbacks.warmup import WarmupDecay

__all__ = [
    "Event",
    "LearningRateDecay",
    "PlateauDecay",
    "PowerStepDecay",
    "Setup",
    "Trace",
    "WarmupDecay",
    "release",
]
