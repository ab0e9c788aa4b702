"""The decay of a training whose end is not known when it begins."""

from __future__ import annotations

from typing import Any, Unpack

from kerasdecay.callbacks.rules import RuleDecay, check_end, trigger_given
from kerasdecay.rules import OpenEnded, Rule
from kerasdecay.schedules import Constant
from kerasdecay.training.arguments import Options


class OpenEndedDecay(RuleDecay):
    """Hold the rate until a rule triggers the way down, lower it, and end the training.

    There is no horizon to give: `fit(epochs=10**6)` means "until it stops". If the rule triggers
    after T epochs, the rate falls over the next L = ⌈`cooldown` · T⌉ epochs, and the training ends.
    If `fit` has fewer epochs, the way down begins in time to end with the last one. The formula is
    that of `kerasdecay.rules.OpenEnded`.

    Args:
        initial_learning_rate: The rate that is held, > 0; None takes the optimizer's;
            `"auto"` finds one inside `fit`.
        trigger: A rule; its first reduction begins the way down. None: a plateau of the
            validation loss, averaged over three epochs.
        monitor: Another metric for that plateau, such as `"val_accuracy"`; not with `trigger`.
        cooldown: The length of the way down as a share of the epochs trained before it, in (0, 1]
            or such as `"20%"`.
        curve: The curve of the way down: `"linear"`, `"1-sqrt"` or `"cosine"`.
        final_learning_rate: The rate at the end, >= 0, at most the initial one.
        **options: Those of `LearningRateDecay`; `rules` are further ones.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay import OpenEndedDecay
        >>> from kerasdecay.rules import Plateau
        >>> decay = OpenEndedDecay(0.1, trigger=Plateau("val_loss", patience=5), cooldown="20%")

    Source: Hägele et al., 2024 (arXiv:2405.18392), the moment chosen by a rule.
    """

    def __init__(
        self,
        initial_learning_rate: float | str | None = None,
        *,
        trigger: Rule[Any] | str | None = None,
        monitor: str | None = None,
        cooldown: float | str = "20%",
        curve: str = "linear",
        final_learning_rate: float = 0.0,
        **options: Unpack[Options],
    ) -> None:
        owner = type(self).__name__
        rule = OpenEnded(
            trigger_given(owner, trigger, monitor),
            cooldown=cooldown,
            curve=curve,
            final_learning_rate=final_learning_rate,
        )
        held = Constant(initial_learning_rate)
        check_end(owner, held, final_learning_rate)
        super().__init__(rule, held, options)
