"""Closed loop: rules decide from what training shows. This floor needs no library at all."""

from kerasdecay.rules.base import Decision, Observation, Rule, RuleState
from kerasdecay.rules.plateau import Plateau, PlateauState

__all__ = ["Decision", "Observation", "Plateau", "PlateauState", "Rule", "RuleState"]
