"""Decay by the slope of the training loss as a callback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from kerasdecay.callbacks.base import DecayCallback
from kerasdecay.callbacks.options import Options, with_rule
from kerasdecay.rules import LossSlope
from kerasdecay.schedules import Constant, Schedule


class LossSlopeDecay(DecayCallback):
    """Multiply the rate by `factor` once a test finds that the training loss no longer falls.

    See `kerasdecay.rules.LossSlope`. It is the only decay that needs a call after every batch,
    which waits for the batch's loss and ends Keras' asynchronous logging: see the documentation for
    what that costs.

    Args:
        factor: In (0, 1): new rate = rate × factor.
        p_value: The loss counts as falling while the one-sided test says so with p below this, in
            (0, 1).
        min_losses: Batches since the last reduction that a test needs, an integer >= 20.
        min_lr: No reduction goes below this; >= 0.
        schedule: What is scaled: a schedule or a function of the epoch; None: the optimizer's rate,
            constant.
        **options: `warmup`, `rules` (further ones), `epochs`, `update`, `state_path` and `verbose`,
            as for `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay import LossSlopeDecay
        >>> decay = LossSlopeDecay(factor=0.2, min_losses=1000)

    Source: Zhang et al., Statistical adaptive stochastic gradient methods, 2020 (arXiv:2002.10597).
    """

    def __init__(
        self,
        *,
        factor: float = 0.1,
        p_value: float = 0.05,
        min_losses: int = 400,
        min_lr: float = 0.0,
        schedule: Schedule | Callable[..., float] | None = None,
        **options: Unpack[Options],
    ) -> None:
        rule = LossSlope(factor, p_value, min_losses, min_lr)
        super().__init__(
            Constant() if schedule is None else schedule,
            **with_rule(type(self).__name__, rule, options),
        )
