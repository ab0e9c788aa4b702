"""The cosine decay as a callback."""

from __future__ import annotations

from typing import Unpack

from kerasdecay.callbacks.base import DecayCallback
from kerasdecay.callbacks.options import Options
from kerasdecay.schedules import Cosine


class CosineDecay(DecayCallback):
    """Half a cosine wave down: η(t) = η₁ + (η₀ − η₁) (1 + cos πz)/2, z the share done.

    See `kerasdecay.schedules.Cosine`.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        final_learning_rate: η₁ in [0, η₀].
        **options: `warmup`, `rules`, `epochs`, `update`, `state_path` and `verbose`, as for
            `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range, or one that does not fit the horizon.

    Examples:
        >>> from kerasdecay import CosineDecay, simulate
        >>> simulate(CosineDecay(0.1), epochs=3).round(6).tolist()
        [0.1, 0.075, 0.025]

    Source: Loshchilov and Hutter, SGDR, 2016 (arXiv:1608.03983).
    """

    def __init__(
        self,
        initial_learning_rate: float | None = None,
        *,
        final_learning_rate: float = 0.0,
        **options: Unpack[Options],
    ) -> None:
        shape = Cosine(initial_learning_rate, final_learning_rate=final_learning_rate)
        super().__init__(shape, **options)
