"""Decay by the weight norm, ABEL, as a callback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from kerasdecay.callbacks.base import DecayCallback
from kerasdecay.callbacks.options import Options, with_rule
from kerasdecay.rules import WeightNorm
from kerasdecay.schedules import Constant, Schedule


class WeightNormDecay(DecayCallback):
    """Multiply the rate by `factor` at every second bounce of the weight norm, and once late.

    n = Σw² over the trainable kernels is taken on the device once an epoch and logged as
    `weight_norm`. See `kerasdecay.rules.WeightNorm`; it wants weight decay.

    Args:
        factor: In (0, 1): new rate = rate × factor.
        last_decay: The share of the horizon after which one more reduction comes, in (0, 1), or
            None.
        min_lr: No reduction goes below this; >= 0.
        schedule: What is scaled: a schedule or a function of the epoch; None: the optimizer's rate,
            constant.
        **options: `warmup`, `rules` (further ones), `epochs`, `update`, `state_path` and `verbose`,
            as for `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay import WeightNormDecay
        >>> decay = WeightNormDecay(factor=0.2)

    Source: Lewkowycz, How to decay your learning rate, 2021 (arXiv:2103.12682).
    """

    def __init__(
        self,
        *,
        factor: float = 0.1,
        last_decay: float | None = 0.85,
        min_lr: float = 0.0,
        schedule: Schedule | Callable[..., float] | None = None,
        **options: Unpack[Options],
    ) -> None:
        rule = WeightNorm(factor, last_decay, min_lr)
        super().__init__(
            Constant() if schedule is None else schedule,
            **with_rule(type(self).__name__, rule, options),
        )
