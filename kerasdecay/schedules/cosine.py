"""The cosine decay: half a cosine wave down."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules.annealing import HALF_PI, Annealing
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class Cosine(Annealing):
    """Half a cosine wave: η(t) = η₁ + (η₀ − η₁) (1 + cos πz)/2, z the share of the horizon done.

    Beyond the horizon η₁ holds. With an exponent p and a fraction f of the half wave,
    η(t) = η₁ + (η₀ − η₁) ((1 + cos πfz)/2)^p, which for f < 1 ends, and holds, above η₁.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        final_learning_rate: η₁ in [0, η₀].
        exponent: p > 0. Above 1 the rate falls earlier, below it later.
        fraction: f in (0, 1], or `"80%"`: how much of the half wave the horizon shows. 0.5 ends in
            its middle, half way down.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(Cosine(0.1), epochs=3).round(6).tolist()
        [0.1, 0.075, 0.025]

    Source: Loshchilov and Hutter, SGDR, 2016 (arXiv:1608.03983), without the restarts.
    """

    exponent: float = _checks.field(1.0, _checks.number, above=0)
    fraction: float | str = _checks.field(1.0, _checks.share, above=0, at_most=1)

    def share(self, now: Moment) -> Any:
        """((1 + cos πfz)/2)^p = sin²ᵖ(π(1 − fz)/2), exact to the end in single precision too."""
        fraction = float(self.fraction)
        sine = now.xp.sin(HALF_PI * ((1.0 - fraction) + fraction * now.remaining))
        square = sine * sine
        return square if self.exponent == 1.0 else now.xp.power(square, self.exponent)
