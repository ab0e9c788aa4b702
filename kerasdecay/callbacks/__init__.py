"""Decay callbacks for Keras: one writer sets the rate, feeds the rules and keeps the trace."""

from kerasdecay.callbacks.adaptive_knee import AdaptiveKneeDecay
from kerasdecay.callbacks.as_keras import as_keras
from kerasdecay.callbacks.compiled import release
from kerasdecay.callbacks.cosine import CosineDecay
from kerasdecay.callbacks.greedy import GreedyDecay
from kerasdecay.callbacks.learning_rate import LearningRateDecay
from kerasdecay.callbacks.linear import LinearDecay
from kerasdecay.callbacks.loss_slope import LossSlopeDecay
from kerasdecay.callbacks.one_cycle import OneCycleDecay
from kerasdecay.callbacks.plateau import PlateauDecay
from kerasdecay.callbacks.power_step import PowerStepDecay
from kerasdecay.callbacks.step import StepDecay
from kerasdecay.callbacks.warmup import WarmupDecay
from kerasdecay.callbacks.warmup_stable_decay import WarmupStableDecay
from kerasdecay.callbacks.weight_norm import WeightNormDecay
from kerasdecay.records import Event, Setup, Trace

__all__ = [
    "AdaptiveKneeDecay",
    "CosineDecay",
    "Event",
    "GreedyDecay",
    "LearningRateDecay",
    "LinearDecay",
    "LossSlopeDecay",
    "OneCycleDecay",
    "PlateauDecay",
    "PowerStepDecay",
    "Setup",
    "StepDecay",
    "Trace",
    "WarmupDecay",
    "WarmupStableDecay",
    "WeightNormDecay",
    "as_keras",
    "release",
]
