"""The power-step decay as a callback."""

from __future__ import annotations

import dataclasses
from typing import Any, Unpack

from kerasdecay import _checks
from kerasdecay.callbacks.base import DecayCallback
from kerasdecay.callbacks.options import Options, with_rule
from kerasdecay.rules import Rule, Staged
from kerasdecay.schedules import PowerStep


class PowerStepDecay(DecayCallback):
    """Powers of the initial rate, in stages of equal length: 0.1, then 0.01, then 0.001.

    η(t) = η₀^(k+1), k = min(⌊e / (E // S)⌋, S − 1), with e epochs done of E, and S stages: see
    `kerasdecay.schedules.PowerStep`.

    Args:
        initial_learning_rate: η₀ in (0, 1); None takes the optimizer's.
        stages: S, an integer >= 1, at most the number of epochs.
        remainder: Where S does not divide E: `"last"`, the last stage takes the rest;
            `"new_stage"`, further stages follow.
        min_learning_rate: No stage goes below this; >= 0.
        advance_on: A rule that reduces; its reductions enter the next stage in place of the
            calendar, for which alone `remainder` and the number of epochs matter. None: the
            calendar.
        **options: `warmup`, `rules`, `epochs`, `update`, `state_path` and `verbose`, as for
            `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range; for fewer epochs than stages.

    Warns:
        UserWarning: If η₀ < 0.01, where each stage is more than a hundredfold drop (with
            `advance_on` only if η₀ is given).

    Examples:
        >>> from kerasdecay import PowerStepDecay, simulate
        >>> simulate(PowerStepDecay(0.1), epochs=6).round(6).tolist()
        [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]

        >>> from kerasdecay.rules import Plateau
        >>> decay = PowerStepDecay(0.1, advance_on=Plateau("val_loss", patience=3))

    Source: tutorial on learning-rate size and decay, iThome, 2021-09-16.
    """

    def __init__(
        self,
        initial_learning_rate: float | None = None,
        *,
        stages: int = 3,
        remainder: str = "last",
        min_learning_rate: float = 0.0,
        advance_on: Rule[Any] | None = None,
        **options: Unpack[Options],
    ) -> None:
        shape = PowerStep(initial_learning_rate, stages, remainder, min_learning_rate)
        if advance_on is not None:
            if not isinstance(advance_on, Rule):
                allowed = "a rule that reduces, such as Plateau('val_loss'), or None"
                raise _checks.invalid("PowerStepDecay", "advance_on", allowed, advance_on)
            # One stage that lasts; the rule scales it to the further ones.
            shape = dataclasses.replace(shape, stages=1, remainder="last")
            staged = Staged(advance_on, stages, min_learning_rate)
            options = with_rule("PowerStepDecay", staged, options)
        super().__init__(shape, **options)
