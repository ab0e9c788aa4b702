"""The linear decay: a straight line down."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay.schedules.annealing import Annealing
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class Linear(Annealing):
    """A straight line: η(t) = η₁ + (η₀ − η₁) (1 − z), z the share of the horizon done.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        final_learning_rate: η₁ in [0, η₀].

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(Linear(0.4), epochs=4).round(6).tolist()
        [0.4, 0.3, 0.2, 0.1]

    Source: Defazio et al., When, why and how much?, 2023 (arXiv:2310.07831): optimal in the worst
    case, and hard to beat in practice.
    """

    def share(self, now: Moment) -> Any:
        """1 − z."""
        return now.remaining
