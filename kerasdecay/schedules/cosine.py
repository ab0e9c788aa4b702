"""The cosine decay: half a cosine wave down."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay.schedules.annealing import HALF_PI, Annealing
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class Cosine(Annealing):
    """Half a cosine wave: η(t) = η₁ + (η₀ − η₁) (1 + cos πz)/2, z the share of the horizon done.

    Beyond the horizon η₁ holds.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        final_learning_rate: η₁ in [0, η₀].

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(Cosine(0.1), epochs=3).round(6).tolist()
        [0.1, 0.075, 0.025]

    Source: Loshchilov and Hutter, SGDR, 2016 (arXiv:1608.03983), without the restarts.
    """

    def share(self, now: Moment) -> Any:
        """(1 + cos πz)/2 = sin²(π(1 − z)/2), exact to the end in single precision too."""
        sine = now.xp.sin(HALF_PI * now.remaining)
        return sine * sine
