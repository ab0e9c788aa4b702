"""The knee whose moment a rule chooses, as a callback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

from kerasdecay import _checks
from kerasdecay.callbacks.base import DecayCallback
from kerasdecay.callbacks.options import Options, with_rule
from kerasdecay.rules import AdaptiveKnee, Rule
from kerasdecay.schedules import Constant, Schedule
from kerasdecay.schedules.base import Shape


class AdaptiveKneeDecay(DecayCallback):
    """Hold the rate until a rule says that it is time, then come down to the horizon.

    See `kerasdecay.rules.AdaptiveKnee`.

    Args:
        trigger: A rule; its reduction is the sign; None: a plateau of the validation loss,
            averaged over three epochs.
        min_hold: The share of the horizon that is held at least, in [0, 1).
        latest: The share of the horizon after which the way down begins at the latest, in
            [`min_hold`, 1).
        curve: Of the way down: `"linear"` or `"1-sqrt"`.
        final_learning_rate: The rate at the horizon, >= 0, at most the schedule's initial one.
        schedule: What is held: a schedule or a function of the epoch; None: the optimizer's rate,
            constant.
        **options: `warmup`, `rules` (further ones), `epochs`, `update`, `state_path` and `verbose`,
            as for `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay import AdaptiveKneeDecay
        >>> from kerasdecay.rules import WeightNorm
        >>> decay = AdaptiveKneeDecay(WeightNorm(), latest=0.9)

    Source: Iyer et al., 2020 (arXiv:2003.03977), its moment chosen by a rule.
    """

    def __init__(
        self,
        trigger: Rule[Any] | None = None,
        *,
        min_hold: float = 0.5,
        latest: float = 0.8,
        curve: str = "linear",
        final_learning_rate: float = 0.0,
        schedule: Schedule | Callable[..., float] | None = None,
        **options: Unpack[Options],
    ) -> None:
        chosen = {} if trigger is None else {"trigger": trigger}
        rule = AdaptiveKnee(
            **chosen,
            min_hold=min_hold,
            latest=latest,
            curve=curve,
            final_learning_rate=final_learning_rate,
        )
        if isinstance(schedule, Shape) and schedule.is_resolved:
            _checks.number(
                type(self).__name__,
                "final_learning_rate",
                final_learning_rate,
                at_most=schedule.initial,
                remedy="It is where the way down ends.",
            )
        super().__init__(
            Constant() if schedule is None else schedule,
            **with_rule(type(self).__name__, rule, options),
        )
