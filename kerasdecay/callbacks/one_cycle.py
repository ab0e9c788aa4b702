"""The one-cycle policy as a callback."""

from __future__ import annotations

from typing import Unpack

from kerasdecay.callbacks.base import DecayCallback
from kerasdecay.callbacks.options import Options
from kerasdecay.schedules import OneCycle
from kerasdecay.schedules.duration import Duration


class OneCycleDecay(DecayCallback):
    """Up to the peak η₀, then down to almost nothing.

    See `kerasdecay.schedules.OneCycle`.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        rise: How long the way up takes: epochs, `"500 steps"` or `"30%"` of the horizon.
        div_factor: η₀ over the first rate, >= 1.
        final_div_factor: The first rate over the last, >= 1.
        curve: `"cosine"` or `"linear"`.
        **options: `warmup`, `rules`, `epochs`, `update`, `state_path` and `verbose`, as for
            `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range, or one that does not fit the horizon.

    Examples:
        >>> from kerasdecay import OneCycleDecay, simulate
        >>> simulate(OneCycleDecay(1.0, rise=3, div_factor=4), epochs=5).round(3).tolist()
        [0.25, 0.625, 1.0, 0.5, 0.0]

    Source: Smith and Topin, Super-convergence, 2017 (arXiv:1708.07120).
    """

    def __init__(
        self,
        initial_learning_rate: float | None = None,
        *,
        rise: Duration = "30%",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        curve: str = "cosine",
        **options: Unpack[Options],
    ) -> None:
        shape = OneCycle(
            initial_learning_rate,
            rise=rise,
            div_factor=div_factor,
            final_div_factor=final_div_factor,
            curve=curve,
        )
        super().__init__(shape, **options)
