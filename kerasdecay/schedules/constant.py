"""The constant rate."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay.schedules.base import Shape
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class Constant(Shape):
    """A rate that stays: η(t) = η₀.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.

    Raises:
        ValueError: If the rate is not a finite number > 0.

    Examples:
        >>> from kerasdecay.schedules import Timeline
        >>> float(Constant(0.1).rates(7, Timeline(15, unit="epoch")))
        0.1
    """

    @property
    def changes_within_epochs(self) -> bool:
        """Never changes."""
        return False

    def learning_rate(self, now: Moment) -> Any:
        """η₀."""
        return self.initial + 0.0 * now.progress
