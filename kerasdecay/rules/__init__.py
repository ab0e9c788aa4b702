"""Closed loop: rules decide from what training shows. This floor needs no library at all."""

from kerasdecay.rules.base import Decision, Observation, Rule, RuleState, WayDown
from kerasdecay.rules.plateau import Plateau, PlateauState

FAMILY: dict[str, type[Rule]] = {"plateau": Plateau}
"""Every rule, by the name that the command line and the tables know it by."""

__all__ = ["FAMILY", "Decision", "Observation", "Plateau", "PlateauState", "Rule", "RuleState", "WayDown"]
