"""The power-step decay: powers of the initial rate, in stages of equal length."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay import _checks
from kerasdecay._warnings import warn
from kerasdecay.schedules.base import Shape, rate_or_auto
from kerasdecay.schedules.timeline import Moment


@dataclasses.dataclass(frozen=True)
class PowerStep(Shape):
    """Stage k of the run has the rate η₀ᵏ⁺¹: 0.1, then 0.01, then 0.001.

    η(t) = max(η₀^(k+1), η_min) with k = min(⌊e / (E // S)⌋, S − 1), where e = ⌊t⌋ is the number of
    epochs done, E the horizon in epochs and S the number of stages. Each stage multiplies
    the rate by η₀: 0.1 falls tenfold, 0.001 a thousandfold.

    Args:
        initial_learning_rate: η₀ in (0, 1), since powers of 1 or more do not decay. None takes the
            optimizer's.
        stages: S, an integer >= 1, at most the number of epochs.
        remainder: Where the epochs go that are left over if S does not divide E: `"last"`: into the
            last stage; `"new_stage"`: into further stages, as in the tutorial's code.
        min_learning_rate: η_min in [0, η₀], below which no stage goes.

    Raises:
        ValueError: For a value out of its range; when laid over fewer epochs than stages.

    Warns:
        UserWarning: If η₀ < 0.01, where each stage is more than a hundredfold drop.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(PowerStep(0.1), epochs=6).round(6).tolist()
        [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]

    Source: tutorial on learning-rate size and decay, iThome, 2021-09-16 (`lr = LR ** power`,
    `power = epoch // (EPOCHS // 3) + 1`).
    """

    initial_learning_rate: float | str | None = _checks.field(
        None,
        rate_or_auto,
        optional=True,
        below=1,
        remedy="From 1 on powers do not decay; StepDecay(factor=0.1) falls from any rate.",
    )
    stages: int = _checks.field(3, _checks.integer, at_least=1)
    remainder: str = _checks.field("last", _checks.choice, allowed=("last", "new_stage"))
    min_learning_rate: float = _checks.field(0.0, _checks.rate, zero=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_most_initial("min_learning_rate")
        if self.is_resolved and self.initial < 0.01 and self.stages != 1:
            warn(
                f"PowerStep: with initial_learning_rate={self.initial:g} every stage is a "
                f"{1 / self.initial:,.0f}-fold drop, which all but stops the training. "
                "Step(factor=0.1) falls tenfold from any rate.",
            )

    changes_within_epochs = False

    def check(self, start: Moment) -> None:
        """Raise a ValueError if there are fewer epochs than stages."""
        self._stage_updates(start)

    def learning_rate(self, now: Moment) -> Any:
        """max(η₀^(k+1), η_min)."""
        length = self._stage_updates(now)
        count = self.stages if self.remainder == "last" else now.horizon // length + 1
        powers = [max(self.initial ** (k + 1), self.min_learning_rate) for k in range(count)]
        return now.xp.take(powers, now.xp.minimum(now.update // length, count - 1))

    def _stage_updates(self, now: Moment) -> int:
        per_epoch = now.timeline.updates_per_epoch
        epochs = now.horizon // per_epoch
        if epochs < self.stages:
            allowed = f"at most the {epochs} epochs that there are to decay in"
            remedy = "Train longer, or ask for fewer stages."
            raise _checks.invalid("PowerStep", "stages", allowed, self.stages, remedy)
        return epochs // self.stages * per_epoch
