"""The constant rate."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules.base import Shape, rate_or_auto
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class Constant(Shape):
    """A constant rate: η(t) = η₀.

    Args:
        initial_learning_rate: η₀ >= 0; None takes the optimizer's. 0 freezes the weights, in a
            `sequence` for some epochs.

    Raises:
        ValueError: If the rate is not a finite number >= 0.

    Examples:
        >>> from kerasdecay.schedules import Timeline
        >>> float(Constant(0.1).rates(7, Timeline(15, unit="epoch")))
        0.1
    """

    initial_learning_rate: float | str | None = _checks.field(
        None, rate_or_auto, optional=True, zero=True
    )

    changes_within_epochs = False

    def learning_rate(self, now: Moment) -> Any:
        """η₀."""
        return self.initial + 0.0 * now.progress
