"""The step decay as a callback."""

from __future__ import annotations

from typing import Unpack

from kerasdecay.callbacks.base import DecayCallback
from kerasdecay.callbacks.options import Options
from kerasdecay.schedules import Step
from kerasdecay.schedules.duration import Duration


class StepDecay(DecayCallback):
    """Drop the rate by the same factor every so often: η(t) = η₀ γ^⌊t/s⌋.

    See `kerasdecay.schedules.Step`.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's.
        every: s: epochs, `"500 steps"` or `"30%"` of the horizon, longer than 0.
        factor: γ in (0, 1].
        **options: `warmup`, `rules`, `epochs`, `update`, `state_path` and `verbose`, as for
            `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range, or one that does not fit the horizon.

    Examples:
        >>> from kerasdecay import StepDecay, simulate
        >>> simulate(StepDecay(0.1, every=2, factor=0.5), epochs=4).tolist()
        [0.1, 0.1, 0.05, 0.05]

    Source: He et al., Deep Residual Learning, 2015 (arXiv:1512.03385).
    """

    def __init__(
        self,
        initial_learning_rate: float | None = None,
        *,
        every: Duration = "30%",
        factor: float = 0.1,
        **options: Unpack[Options],
    ) -> None:
        shape = Step(initial_learning_rate, every=every, factor=factor)
        super().__init__(shape, **options)
