"""The reflected-exponential decay."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay.schedules.annealing import Annealing
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class Rex(Annealing):
    """Slow at first, fast at the end: η(t) = η₁ + (η₀ − η₁) (1 − z) / (½ + ½(1 − z)).

    z is the share of the horizon done; at the middle, with η₁ = 0, the rate is two thirds of η₀.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        final_learning_rate: η₁ in [0, η₀].

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(Rex(0.3), epochs=2).round(6).tolist()
        [0.3, 0.2]

    Source: Chen et al., REX: revisiting budgeted training with an improved schedule, 2021
    (arXiv:2107.04197).
    """

    def share(self, now: Moment) -> Any:
        """(1 − z) / (½ + ½(1 − z))."""
        return now.remaining / (0.5 + 0.5 * now.remaining)
