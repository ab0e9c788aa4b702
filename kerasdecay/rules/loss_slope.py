"""Reduce the rate when a statistical test finds that the training loss no longer falls."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any, ClassVar

from kerasdecay import _checks
from kerasdecay._checks import real
from kerasdecay.rules.base import Rule
from kerasdecay.rules.observation import Observation
from kerasdecay.rules.reduction import change_text, reduction, single
from kerasdecay.rules.state import RuleState
from kerasdecay.rules.student import student_cdf

_BLOCKS = 40
"""The number of block means at which neighbours are merged in pairs, which halves it."""


def _means(owner: str, argument: str, value: Any) -> tuple[Any, ...]:
    allowed = f"a list of fewer than {_BLOCKS} numbers"
    given = _checks.items(owner, argument, value, allowed)
    if len(given) >= _BLOCKS:
        raise _checks.invalid(owner, argument, allowed, value)
    return given


@dataclasses.dataclass(frozen=True)
class LossSlopeState(RuleState):
    """The losses since the last reduction, as means of equal blocks.

    Args:
        means: The means of the complete blocks, fewer than 40.
        block: Losses in a block.
        partial: The sum of the losses in the block that is not complete.
        in_partial: Their number.
    """

    means: tuple[float, ...] = _checks.field((), _means)
    block: int = _checks.field(1, _checks.integer, at_least=1)
    partial: float = 0.0
    in_partial: int = 0

    @property
    def count(self) -> int:
        """Losses seen since the last reduction."""
        return len(self.means) * self.block + self.in_partial

    def taking(self, loss: float) -> LossSlopeState:
        """Return the state with one more loss; blocks are merged when there are too many."""
        total, count = self.partial + loss, self.in_partial + 1
        if count < self.block:
            return dataclasses.replace(self, partial=total, in_partial=count)
        means, block = (*self.means, total / count), self.block
        if len(means) == _BLOCKS:
            pairs = zip(means[::2], means[1::2], strict=True)
            means, block = tuple((one + other) / 2 for one, other in pairs), 2 * block
        return dataclasses.replace(self, means=means, block=block, partial=0.0, in_partial=0)


@dataclasses.dataclass(frozen=True)
class LossSlope(Rule[LossSlopeState]):
    """Multiply the rate by `factor` once the training loss no longer falls.

    The losses of the batches since the last reduction are averaged in 20 to 40 equal blocks, which
    takes most of their autocorrelation away. A line is fitted by least squares through the later
    half of the block means; with t = slope / standard error and ν = blocks − 2, the loss counts as
    falling if P(T <= t) < `p_value`. If it does not, the rate is reduced and the losses are
    collected afresh.

    The rule needs the loss of every batch, and therefore a call at each batch, which also ends
    Keras' asynchronous logging. The steps of one execution (`steps_per_execution`) count as one
    loss. If only the epoch's loss is known, it counts as one loss.

    Args:
        factor: γ in (0, 1): new rate = rate × γ.
        p_value: In (0, 1).
        min_losses: Losses since the last reduction that a test needs, an integer >= 20.
        min_lr: No reduction goes below this; >= 0.
        every: `"500 steps"`: the rule tests every 500 batches, and their mean counts as one loss.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> rule = LossSlope(factor=0.1, min_losses=20)
        >>> *_, falling = rule.replay([1 / (step + 1) for step in range(40)])
        >>> *_, level = rule.replay([1.0, 0.9] * 10)
        >>> falling.scale, level.scale
        (1.0, 0.1)

    Source: the switch of SALSA: Zhang et al., Statistical adaptive stochastic gradient methods,
    2020 (arXiv:2002.10597); the block means are ours, the paper's regression takes the losses as
    independent.
    """

    state_class: ClassVar[type[RuleState]] = LossSlopeState

    factor: float = _checks.field(0.1, _checks.number, above=0, below=1)
    p_value: float = _checks.field(0.05, _checks.number, above=0, below=1)
    min_losses: int = _checks.field(400, _checks.integer, at_least=_BLOCKS // 2)
    min_lr: float = _checks.field(0.0, _checks.rate, zero=True)

    watched = "loss"

    @property
    def needs_batch_losses(self) -> bool:
        """Unless it observes means."""
        return self.every is None

    @property
    def waits(self) -> str:
        """`min_losses`."""
        return f"min_losses={self.min_losses}"

    def earliest(self, epochs: int, steps_per_epoch: int | None = None, rests: int = 0) -> int:
        """Return after how many epochs there are losses enough for a test."""
        return rests + max(math.ceil(self.min_losses / (steps_per_epoch or self.min_losses)), 1)

    def advance(self, state: LossSlopeState, observation: Observation) -> LossSlopeState:
        """Return the state after one more epoch."""
        losses = [math.nan if (one := real(loss)) is None else one for loss in observation.losses]
        if not losses and (mean := observation.value("loss")) is not None:
            losses = [mean]
        if not losses:
            return state.unmeasured("loss")
        # The squares of numbers beyond single precision would overflow: they count as infinities.
        finite = [loss for loss in losses if math.isfinite(single(loss))]
        for loss in finite:
            state = state.taking(loss)
        if len(finite) < len(losses):
            bad = next(loss for loss in losses if not math.isfinite(single(loss)))
            lost = f"loss is {bad:g}: {len(losses) - len(finite)} of {len(losses)}"
            return state.deciding("nonfinite", f"{lost} losses are not finite and do not count")
        if state.count < self.min_losses:
            reason = f"{state.count} of {self.min_losses} losses for a test"
            return state.deciding("wait", reason)
        later = state.means[len(state.means) // 2 :]
        slope, p = _test(later)
        if p < self.p_value:
            reason = f"loss falls by {-slope / state.block:.2g} a batch (p = {p:.2g})"
            return state.deciding("wait", reason)
        seen = f"loss has not fallen over {len(later) * state.block} batches (p = {p:.2g})"
        change = reduction(observation.learning_rate, self.factor, self.min_lr)
        if change == 1.0:
            return state.deciding("floor", f"{seen}, and the rate is at min_lr {self.min_lr:g}")
        afresh = LossSlopeState(scale=state.scale * change)
        done = change_text(change, self.factor, "min_lr", self.min_lr)
        return afresh.deciding("reduce", seen, done)


@functools.lru_cache(maxsize=8)
def _test(values: tuple[float, ...]) -> tuple[float, float]:
    """Return the slope of some values, and the probability of one so low if there were none."""
    slope, error = least_squares_slope(values)
    return slope, student_cdf(slope / error, len(values) - 2) if error > 0 else float(slope >= 0)


def least_squares_slope(values: Sequence[float]) -> tuple[float, float]:
    """Return the slope of the least-squares line through values at 0, 1, 2 …, and its error.

    Examples:
        >>> least_squares_slope([0.0, 1.0, 2.0])
        (1.0, 0.0)
    """
    count = len(values)
    middle, mean = (count - 1) / 2, math.fsum(values) / count
    spread = math.fsum((place - middle) ** 2 for place in range(count))
    slope = (
        math.fsum((place - middle) * (value - mean) for place, value in enumerate(values)) / spread
    )
    rest = math.fsum(
        (value - mean - slope * (place - middle)) ** 2 for place, value in enumerate(values)
    )
    return slope, math.sqrt(rest / (count - 2) / spread)
