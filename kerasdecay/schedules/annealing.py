"""What the shapes have in common that come down from the initial rate to a final one."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules.base import Shape
from kerasdecay.schedules.namespace import ArrayNamespace
from kerasdecay.schedules.timeline import Moment

HALF_PI = 1.5707963267948966

CURVES = ("linear", "cosine", "1-sqrt")
"""The ways down that `descent` knows."""


@dataclasses.dataclass(frozen=True)
class Annealing(Shape):
    """From η₀ to η₁: η(t) = η₁ + (η₀ − η₁) · share(t). Its subclasses state the share.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        final_learning_rate: η₁, a number in [0, η₀]: a rate, not a share.
    """

    final_learning_rate: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._number("final_learning_rate", at_least=0)
        if self.is_resolved and self.final_learning_rate > self.initial:
            raise _checks.invalid(
                type(self).__name__,
                "final_learning_rate",
                f"at most initial_learning_rate, {self.initial:g}",
                self.final_learning_rate,
            )

    @abc.abstractmethod
    def share(self, now: Moment) -> Any:
        """Return the share of η₀ − η₁ that is left: from 1 down to 0."""

    def learning_rate(self, now: Moment) -> Any:
        """η₁ + (η₀ − η₁) · share(t)."""
        final = self.final_learning_rate
        return final + (self.initial - final) * self.share(now)


def descent(xp: ArrayNamespace, curve: str, done: Any, left: Any) -> Any:
    """Return the share that is left of a way down: r = left / (done + left), u = 1 − r.

    linear: r. cosine: (1 + cos πu)/2 = sin²(πr/2). 1-sqrt: 1 − √u = r / (1 + √u). The right-hand
    sides are computed, for they stay exact to the end in single precision too.

    Args:
        xp: The array namespace.
        curve: One of `CURVES`.
        done: Updates done of the way, a float or floats.
        left: Updates left.
    """
    share = left / (done + left)
    if curve == "linear":
        return share
    if curve == "cosine":
        sine = xp.sin(HALF_PI * share)
        return sine * sine
    return share / (1.0 + xp.sqrt(done / (done + left)))
