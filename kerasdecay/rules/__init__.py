"""Closed loop: rules decide from what training shows. This floor needs no library at all."""

from typing import Any

from kerasdecay.rules.adaptive_knee import AdaptiveKnee
from kerasdecay.rules.base import Rule, WayDown
from kerasdecay.rules.greedy import Greedy, GreedyState
from kerasdecay.rules.loss_slope import LossSlope, LossSlopeState
from kerasdecay.rules.observation import Observation
from kerasdecay.rules.plateau import Plateau, PlateauState
from kerasdecay.rules.staged import Staged, StagedState
from kerasdecay.rules.state import Decision, RuleState
from kerasdecay.rules.triggered import TriggeredState
from kerasdecay.rules.weight_norm import WeightNorm, WeightNormState

FAMILY: dict[str, type[Rule[Any]]] = {
    "plateau": Plateau,
    "greedy": Greedy,
    "weight-norm": WeightNorm,
    "loss-slope": LossSlope,
    "adaptive-knee": AdaptiveKnee,
    "staged": Staged,
}
"""Every rule, by the name that the command line knows it by."""

__all__ = [
    "FAMILY",
    "AdaptiveKnee",
    "Decision",
    "Greedy",
    "GreedyState",
    "LossSlope",
    "LossSlopeState",
    "Observation",
    "Plateau",
    "PlateauState",
    "Rule",
    "RuleState",
    "Staged",
    "StagedState",
    "TriggeredState",
    "WayDown",
    "WeightNorm",
    "WeightNormState",
]
