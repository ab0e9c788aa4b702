"""The linear decay as a callback."""

from __future__ import annotations

from typing import Unpack

from kerasdecay.callbacks.base import DecayCallback
from kerasdecay.callbacks.options import Options
from kerasdecay.schedules import Linear


class LinearDecay(DecayCallback):
    """A straight line down: η(t) = η₁ + (η₀ − η₁) (1 − z), z the share done.

    See `kerasdecay.schedules.Linear`.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        final_learning_rate: η₁ in [0, η₀].
        **options: `warmup`, `rules`, `epochs`, `update`, `state_path` and `verbose`, as for
            `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range, or one that does not fit the horizon.

    Examples:
        >>> from kerasdecay import LinearDecay, simulate
        >>> simulate(LinearDecay(0.4), epochs=4).round(6).tolist()
        [0.4, 0.3, 0.2, 0.1]

    Source: Defazio et al., When, why and how much?, 2023 (arXiv:2310.07831).
    """

    def __init__(
        self,
        initial_learning_rate: float | None = None,
        *,
        final_learning_rate: float = 0.0,
        **options: Unpack[Options],
    ) -> None:
        shape = Linear(initial_learning_rate, final_learning_rate=final_learning_rate)
        super().__init__(shape, **options)
