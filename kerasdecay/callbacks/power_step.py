"""The power-step decay as a callback."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from kerasdecay.callbacks.base import DecayCallback
from kerasdecay.rules import Rule
from kerasdecay.schedules import PowerStep
from kerasdecay.schedules.duration import Duration


class PowerStepDecay(DecayCallback):
    """Powers of the initial rate, in stages of equal length: 0.1, then 0.01, then 0.001.

    η(t) = η₀^(k+1), k = min(⌊e / (E // S)⌋, S − 1), with e epochs done of E, and S stages: see
    `kerasdecay.schedules.PowerStep`.

    Args:
        initial_learning_rate: η₀ in (0, 1); None takes the optimizer's.
        stages: S, an integer >= 1, at most the number of epochs.
        epochs: E, the horizon, warmup included; None takes `fit`'s.
        remainder: Where S does not divide E: `"last"`, the last stage takes the rest;
            `"new_stage"`, further stages follow.
        min_learning_rate: No stage goes below this; >= 0.
        warmup: A linear warmup before the first stage: epochs, `"500 steps"`, `"10%"`; None: none.
        rules: Rules that scale the rate besides, such as `Plateau("val_loss")`.
        update: See `LearningRateDecay`.
        state_path: See `LearningRateDecay`.
        verbose: See `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range; for fewer epochs than stages.

    Warns:
        UserWarning: If η₀ < 0.01, where each stage is more than a hundredfold drop.

    Example:
        >>> from kerasdecay import PowerStepDecay, simulate
        >>> simulate(PowerStepDecay(0.1), epochs=6).round(6).tolist()
        [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]

    Source: tutorial on learning-rate size and decay, iThome, 2021-09-16.
    """

    def __init__(
        self,
        initial_learning_rate: float | None = None,
        *,
        stages: int = 3,
        epochs: int | None = None,
        remainder: str = "last",
        min_learning_rate: float = 0.0,
        warmup: Duration | None = None,
        rules: Iterable[Rule[Any]] = (),
        update: str = "auto",
        state_path: str | os.PathLike[str] | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            PowerStep(initial_learning_rate, stages, remainder, min_learning_rate),
            warmup=warmup,
            rules=rules,
            epochs=epochs,
            update=update,
            state_path=state_path,
            verbose=verbose,
        )
