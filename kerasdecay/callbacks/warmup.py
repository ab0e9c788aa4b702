"""A warmup into any schedule, as a callback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from kerasdecay.callbacks.base import DecayCallback
from kerasdecay.callbacks.options import RunOptions
from kerasdecay.rules import Rule
from kerasdecay.schedules import Constant, Schedule, warmup
from kerasdecay.schedules.composition import require_schedule
from kerasdecay.schedules.duration import Duration


class WarmupDecay(DecayCallback):
    """Rise linearly to the initial rate, then follow a schedule over the rest of the horizon.

    See `kerasdecay.schedules.Warmup` for the formula.

    Args:
        duration: Of the warmup: epochs, `"500 steps"` or `"10%"` of the horizon.
        then: The schedule that follows; None: constant.
        start: The first rate's share of the initial rate, in [0, 1]; None starts one update up, so
            that the first update already trains.
        rules: Rules that scale the rate; they rest during the warmup.
        verbose: See `LearningRateDecay`.
        **options: `epochs`, `update` and `state_path`, as for `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range; for a warmup longer than the horizon.

    Examples:
        >>> from kerasdecay import WarmupDecay, simulate
        >>> from kerasdecay.schedules import Constant
        >>> simulate(WarmupDecay(2, then=Constant(0.1)), epochs=3).tolist()
        [0.05, 0.1, 0.1]

    Source: Goyal et al., Accurate, Large Minibatch SGD, 2017 (arXiv:1706.02677).
    """

    def __init__(
        self,
        duration: Duration,
        then: Schedule | None = None,
        start: float | None = None,
        *,
        rules: Rule[Any] | Sequence[Rule[Any]] = (),
        verbose: int = 0,
        **options: Unpack[RunOptions],
    ) -> None:
        if then is not None:
            require_schedule("WarmupDecay", "then", then)
        schedule = warmup(then or Constant(), duration, start)
        super().__init__(schedule, rules=rules, verbose=verbose, **options)
