"""The greedy rule as a callback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from kerasdecay.callbacks.base import DecayCallback
from kerasdecay.callbacks.options import Options, with_rule
from kerasdecay.rules import Greedy
from kerasdecay.schedules import Constant, Schedule


class GreedyDecay(DecayCallback):
    """Raise the rate while a metric improves, lower it while it does not.

    Better than the best for more than `patience` epochs in a row: rate / factor; not better for
    more than `patience` in a row: rate × factor. See `kerasdecay.rules.Greedy`.

    Args:
        monitor: Name of the metric in the epoch's logs.
        factor: In (0, 1).
        patience: Epochs in a row that are not enough yet, an integer >= 0.
        mode: `"min"`, `"max"` or `"auto"`.
        min_lr: Lowest rate, >= 0.
        max_lr: Highest rate that a raise leads to, >= `min_lr`.
        smoothing: The metric is averaged over the last so many epochs; 1: it is not.
        schedule: What is scaled: a schedule or a function of the epoch; None: the optimizer's rate,
            constant.
        **options: `warmup`, `rules` (further ones), `epochs`, `update`, `state_path` and `verbose`,
            as for `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay import GreedyDecay
        >>> decay = GreedyDecay("val_loss", patience=2, smoothing=3)

    Source: GreedyLR, 2025 (arXiv:2512.14527).
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.95,
        patience: int = 10,
        mode: str = "auto",
        *,
        min_lr: float = 1e-3,
        max_lr: float = 1.0,
        smoothing: int = 1,
        schedule: Schedule | Callable[..., float] | None = None,
        **options: Unpack[Options],
    ) -> None:
        rule = Greedy(
            monitor, factor, patience, mode, min_lr=min_lr, max_lr=max_lr, smoothing=smoothing
        )
        super().__init__(
            Constant() if schedule is None else schedule,
            **with_rule(type(self).__name__, rule, options),
        )
