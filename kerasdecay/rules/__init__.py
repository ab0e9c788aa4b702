"""Closed loop: rules decide from what a training shows. They need the standard library alone."""

from typing import TYPE_CHECKING, Any

from kerasdecay._names import no_such_name
from kerasdecay.rules.adaptive_knee import AdaptiveKnee
from kerasdecay.rules.base import Descent, Rule, WayDown
from kerasdecay.rules.family import FAMILY
from kerasdecay.rules.greedy import Greedy, GreedyState
from kerasdecay.rules.loss_slope import LossSlope, LossSlopeState
from kerasdecay.rules.observation import BatchObservation, Look, Observation
from kerasdecay.rules.open_ended import OpenEnded
from kerasdecay.rules.plateau import Plateau, PlateauState
from kerasdecay.rules.rescue import Rescue, RescueState
from kerasdecay.rules.staged import Staged, StagedState
from kerasdecay.rules.state import Decision, RuleState
from kerasdecay.rules.triggered import TriggeredState
from kerasdecay.rules.weight_norm import WeightNorm, WeightNormState

__all__ = [
    "FAMILY",
    "AdaptiveKnee",
    "BatchObservation",
    "Decision",
    "Descent",
    "Greedy",
    "GreedyState",
    "Look",
    "LossSlope",
    "LossSlopeState",
    "Observation",
    "OpenEnded",
    "Plateau",
    "PlateauState",
    "Rescue",
    "RescueState",
    "Rule",
    "RuleState",
    "Staged",
    "StagedState",
    "TriggeredState",
    "WayDown",
    "WeightNorm",
    "WeightNormState",
]

if not TYPE_CHECKING:  # a type checker would take any name for one that is there

    def __getattr__(name: str) -> Any:
        raise no_such_name(__name__, name, __all__)
