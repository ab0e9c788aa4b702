"""The decays that are compared, each made from its initial learning rate alone."""

from __future__ import annotations

from collections.abc import Callable

import keras

from kerasdecay import (
    AdaptiveKneeDecay,
    CosineDecay,
    GreedyDecay,
    LearningRateDecay,
    LinearDecay,
    LossSlopeDecay,
    OneCycleDecay,
    PlateauDecay,
    PowerStepDecay,
    StepDecay,
    WarmupStableDecay,
    WeightNormDecay,
)
from kerasdecay.rules import Plateau
from kerasdecay.schedules import Constant, Exponential, Knee, Rex

Make = Callable[[float], keras.callbacks.Callback]

RATE = 0.1

SHAPES: dict[str, Make] = {
    "constant": lambda rate: LearningRateDecay(Constant(rate)),
    "power-step": PowerStepDecay,
    "step": StepDecay,
    "exponential": lambda rate: LearningRateDecay(Exponential(rate)),
    "cosine": CosineDecay,
    "linear": LinearDecay,
    "one-cycle": OneCycleDecay,
    "rex": lambda rate: LearningRateDecay(Rex(rate)),
    "knee-50": lambda rate: LearningRateDecay(Knee(rate)),
    "knee-80": lambda rate: LearningRateDecay(Knee(rate, hold="80%")),
    "hold-1-sqrt": WarmupStableDecay,
}
# Each with its default arguments.
RULES: dict[str, Make] = {
    "plateau": lambda rate: PlateauDecay(schedule=Constant(rate)),
    "greedy": lambda rate: GreedyDecay(schedule=Constant(rate)),
    "weight-norm": lambda rate: WeightNormDecay(schedule=Constant(rate)),
    "loss-slope": lambda rate: LossSlopeDecay(schedule=Constant(rate)),
    "adaptive-knee": lambda rate: AdaptiveKneeDecay(schedule=Constant(rate)),
    "power-step-by-plateau": lambda rate: PowerStepDecay(rate, advance_on=Plateau()),
}
ARMS = {**SHAPES, **RULES}

# Minutes a run on a CPU: the shapes that differ most, and every rule.
CIFAR10_ARMS = (
    "constant", "power-step", "cosine", "linear", "one-cycle", "knee-80",
    "plateau", "greedy", "weight-norm", "loss-slope", "adaptive-knee",
)  # fmt: skip
