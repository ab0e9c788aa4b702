"""Shapes that come down from the initial rate to a final one."""

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
"""The curves of `descent`."""


@dataclasses.dataclass(frozen=True)
class Annealing(Shape):
    """From η₀ to η₁: η(t) = η₁ + (η₀ − η₁) · share(t). Each subclass states its share."""

    final_learning_rate: float = _checks.field(0.0, _checks.rate, zero=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_most_initial("final_learning_rate")

    @abc.abstractmethod
    def share(self, now: Moment) -> Any:
        """Return the share of η₀ − η₁ that is left: from 1 down to 0."""

    def learning_rate(self, now: Moment) -> Any:
        """η₁ + (η₀ − η₁) · share(t)."""
        final = self.final_learning_rate
        return final + (self.initial - final) * self.share(now)


@dataclasses.dataclass(frozen=True)
class Held(Annealing):
    """A shape that holds η₀ and then comes down along `curve`, to η₁ at the horizon."""

    curve = "linear"

    @abc.abstractmethod
    def length(self, now: Moment) -> int:
        """Return how many updates the way down takes, or raise a ValueError if it does not fit."""

    def check(self, start: Moment) -> None:
        """Raise a ValueError if the way down does not fit into the horizon."""
        self.length(start)

    def share(self, now: Moment) -> Any:
        """1 during the hold, then the curve."""
        return final_descent(now, self.length(now), self.curve)


def final_descent(now: Moment, length: int, curve: str) -> Any:
    """Return the share that is left of a way down over the last `length` updates; 1 before it."""
    left = now.xp.minimum(max(now.horizon, 1) - now.update, length)
    return descent(now.xp, curve, now.xp.real(length - left), now.xp.real(left))


def descent(xp: ArrayNamespace, curve: str, done: Any, left: Any) -> Any:
    """Return the share that is left of a way down: r = left / (done + left), u = 1 − r.

    linear: r. cosine: (1 + cos πu)/2 = sin²(πr/2). 1-sqrt: 1 − √u = r / (1 + √u). The right-hand
    sides are computed, because they stay exact to the end in single precision too.
    """
    share = left / (done + left)
    if curve == "linear":
        return share
    if curve == "cosine":
        sine = xp.sin(HALF_PI * share)
        return sine * sine
    return share / (1.0 + xp.sqrt(done / (done + left)))
