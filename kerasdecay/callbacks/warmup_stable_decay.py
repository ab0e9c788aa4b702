"""Warmup, hold, cool down, as a callback."""

from __future__ import annotations

from typing import Unpack

from kerasdecay.callbacks.base import DecayCallback
from kerasdecay.callbacks.options import Options
from kerasdecay.schedules import WarmupStable as Shape
from kerasdecay.schedules.duration import Duration


class WarmupStableDecay(DecayCallback):
    """Hold η₀, and come down to η₁ in the last part of the horizon.

    See `kerasdecay.schedules.WarmupStable`. The warmup is the option `warmup`.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        final_learning_rate: η₁ in [0, η₀].
        decay: How long the way down takes: epochs, `"500 steps"` or `"20%"` of the horizon.
        curve: `"1-sqrt"`, `"linear"` or `"cosine"`.
        **options: `warmup`, `rules`, `epochs`, `update`, `state_path` and `verbose`, as for
            `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range, or one that does not fit the horizon.

    Examples:
        >>> from kerasdecay import WarmupStableDecay, simulate
        >>> decay = WarmupStableDecay(0.4, decay=2, curve="linear", warmup=2)
        >>> simulate(decay, epochs=6).round(6).tolist()
        [0.2, 0.4, 0.4, 0.4, 0.4, 0.2]

    Source: Hägele et al., 2024 (arXiv:2405.18392).
    """

    def __init__(
        self,
        initial_learning_rate: float | None = None,
        *,
        final_learning_rate: float = 0.0,
        decay: Duration = "20%",
        curve: str = "1-sqrt",
        **options: Unpack[Options],
    ) -> None:
        shape = Shape(
            initial_learning_rate, final_learning_rate=final_learning_rate, decay=decay, curve=curve
        )
        super().__init__(shape, **options)
