"""The polynomial decay: a power of the time that is left."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules.annealing import Annealing
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class Polynomial(Annealing):
    """A power of the time that is left: η(t) = η₁ + (η₀ − η₁) (1 − z)^p, z the share done.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        final_learning_rate: η₁ in [0, η₀].
        power: p > 0. 1 is a straight line; above it, the rate falls fast first, below it, late.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(Polynomial(0.16), epochs=4).round(6).tolist()
        [0.16, 0.09, 0.04, 0.01]

    Source: You et al., Large batch training of convolutional networks, 2017 (arXiv:1708.03888):
    p = 2.
    """

    power: float = _checks.field(2.0, _checks.number, above=0)

    def share(self, now: Moment) -> Any:
        """(1 − z)^p."""
        return now.xp.power(now.remaining, self.power)
