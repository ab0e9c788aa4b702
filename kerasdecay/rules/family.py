"""Every rule, by its name on the command line and in the tables."""

from __future__ import annotations

from typing import Any

from kerasdecay import _checks
from kerasdecay._names import key_named, member_named
from kerasdecay.rules.adaptive_knee import AdaptiveKnee
from kerasdecay.rules.base import Rule
from kerasdecay.rules.greedy import Greedy
from kerasdecay.rules.loss_slope import LossSlope
from kerasdecay.rules.monitor import direction_of
from kerasdecay.rules.open_ended import OpenEnded
from kerasdecay.rules.plateau import Plateau
from kerasdecay.rules.rescue import Rescue
from kerasdecay.rules.staged import Staged
from kerasdecay.rules.weight_norm import WeightNorm

FAMILY: dict[str, type[Rule[Any]]] = {
    "plateau": Plateau,
    "greedy": Greedy,
    "weight-norm": WeightNorm,
    "loss-slope": LossSlope,
    "adaptive-knee": AdaptiveKnee,
    "open-ended": OpenEnded,
    "staged": Staged,
    "rescue": Rescue,
}
"""Name → class. Each makes sense without an argument."""


def rule_named(owner: str, argument: str, name: str) -> Rule[Any]:
    """Return the rule of a name, as it is by default, or raise a ValueError.

    Examples:
        >>> rule_named("LearningRateDecay", "rules", "plateau").patience
        10
    """
    if key_named(FAMILY, name) is None and direction_of(name) is not None:
        remedy = f"Did you mean Plateau({name!r})?"
        raise _checks.invalid(owner, argument, "a rule, or the name of one", name, remedy)
    return member_named(FAMILY, owner, argument, name)()
