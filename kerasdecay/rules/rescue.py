"""Rescue: put a training back that has fallen, and go on with a lower rate."""

from __future__ import annotations

import dataclasses
import math
import statistics
from typing import ClassVar

from kerasdecay import _checks
from kerasdecay.rules.base import Rule
from kerasdecay.rules.observation import BatchObservation, Observation
from kerasdecay.rules.state import RuleState

_NO_PROGRESS = 0.8
"""A loss above this share of the first one has not come down."""

_LEARNED = 0.3
"""A loss below this share of the first one is not that of a constant prediction."""

_EXPLODED = 100.0
"""Beyond so many times the first loss the rate is not a little too high."""

_IDLE = 0.5
"""The share of the kernels that stand still in a network that is dead."""

_RATE_LEFT = 0.01
"""Below this share of the highest rate so far, kernels stand still because the rate is so low."""

_MOVED = 0.05
"""The relative distance from the first weights, beyond which they were not left where they were."""

_THRASHING = 0.5
"""The relative change of the weights between two looks, beyond which they wander about."""


@dataclasses.dataclass(frozen=True)
class RescueState(RuleState):
    """The `first` loss, the `lowest` level since, the `recent` losses, and what was done so far.

    `batches` are those since the beginning or the last rescue; `rescues` those in all; `highest` is
    the highest rate since; `good` the level at which the last good snapshot was confirmed.
    """

    first: float | None = None
    lowest: float | None = None
    highest: float = 0.0
    good: float | None = None
    recent: tuple[float, ...] = ()
    batches: int = 0
    rescues: int = 0


@dataclasses.dataclass(frozen=True)
class Rescue(Rule[RescueState]):
    """Put everything back and lower the rate, as soon as a training has fallen.

    After each batch the rule looks at its loss; every so often also at the variables, of which a
    snapshot is taken then. With the level m, the median of the last `window` losses, and the first
    loss L₀ > 0, a training has fallen if

    - a loss, or a variable of the model or its optimizers, is not finite;
    - m > `threshold` · L₀: far above the best;
    - m >= 0.3 · L₀, and half of the kernels stand still although they have moved before, at a rate
      that has not decayed to 1 % yet: the network is dead and predicts a constant;
    - m >= 0.8 · L₀ after 100 batches, while the weights change by half of their norm between two
      looks.

    Then the last good snapshot is put back, or the first one if there has been no progress up to
    the last good one: weights, non-trainable state such as the moving averages of
    BatchNormalization, and all of the optimizers. The scale is multiplied by `factor`, and training
    goes on with the next batch. It is multiplied by the square of the factor where m > 100 · L₀,
    and by its square root where a training that has learned, m < 0.8 · L₀, meets a batch that is
    not finite, for which the data are rather to blame. After a death L₀ is lowered to the level m
    of the dead network.

    A loss belongs to the weights before its batch's update, so a snapshot is good only once the
    losses after it have confirmed it. A second rescue before any snapshot is confirmed goes back to
    the one before.

    Costs: a call after each batch, which waits for its loss; a copy of everything that trains to
    the host's memory every 16 batches at first, later every 50; four such copies are held.

    A training that never falls is not touched: its weights are the same, bit for bit.

    Args:
        factor: In (0, 1): new rate = rate × factor. A tenth, since a rate that is a little too low
            costs less than one that is still too high.
        threshold: How far above the first loss the level may lie, > 1.
        window: Batches whose median is the level, an integer >= 3.
        max_rescues: After so many rescues the next fall ends the training, in the state that is put
            back then, an integer >= 1.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay import LearningRateDecay
        >>> from kerasdecay.rules import Rescue
        >>> from kerasdecay.schedules import Cosine
        >>> decay = LearningRateDecay(Cosine(0.1), rules=[Rescue()])

    Source: ours; going back to an earlier state at a lower rate is common practice in the training
    of large models, e.g. Chowdhery et al., PaLM, 2022 (arXiv:2204.02311), section 5.1.
    """

    state_class: ClassVar[type[RuleState]] = RescueState

    factor: float = _checks.field(0.1, _checks.number, above=0, below=1)
    threshold: float = _checks.field(1.5, _checks.number, above=1)
    window: int = _checks.field(8, _checks.integer, at_least=3)
    max_rescues: int = _checks.field(12, _checks.integer, at_least=1)

    @property
    def watched(self) -> str:
        """`"loss"`."""
        return "loss"

    @property
    def watches_batches(self) -> bool:
        """Always."""
        return True

    @property
    def puts_back(self) -> bool:
        """Always."""
        return True

    def looks_after(self, state: RescueState) -> bool:
        """Whether the variables are to be looked at after the next batch.

        At first every 16 batches, since a rate that is too high shows early; later every 50, for a
        look copies all variables.
        """
        every = 16 if state.batches < 160 else 50
        return (state.batches + 1) % every == 0

    def advance_batch(self, state: RescueState, seen: BatchObservation) -> RescueState:
        """Return the state after one more batch, with the decision in it."""
        loss = seen.value
        if not math.isfinite(loss):
            return self._rescue(state, f"loss is {loss:g}", is_sudden=True)
        if seen.look is not None and not seen.look.is_finite:
            return self._rescue(state, "a variable is not finite", is_sudden=True)
        recent = (*state.recent, loss)[-self.window :]
        first = loss if state.first is None else state.first
        state = dataclasses.replace(
            state,
            first=first,
            recent=recent,
            batches=state.batches + 1,
            highest=max(state.highest, seen.learning_rate),
        )
        if len(recent) < self.window:
            return state.deciding("wait", self._told(state))
        level = statistics.median(recent)
        lowest = level if state.lowest is None else min(level, state.lowest)
        state = dataclasses.replace(state, lowest=lowest)
        fallen = self._fallen(state, level, seen) if first > 0 else ""
        if fallen:
            told = self._told(state) + fallen
            state = dataclasses.replace(state, first=min(first, level))
            return self._rescue(state, told, exploded=level > _EXPLODED * first)
        if seen.look is not None:
            state = dataclasses.replace(state, good=level)
        return state.deciding("wait", self._told(state))

    def advance(self, state: RescueState, observation: Observation) -> RescueState:
        """Return the state after an epoch: what there was to decide was decided at its batches."""
        count = f"{state.rescues} rescue{'s' * (state.rescues != 1)} so far"
        return state.deciding("wait", f"{self._told(state)}; {count}")

    def _told(self, state: RescueState) -> str:
        """Say in words where the loss is."""
        if len(state.recent) < self.window:
            return f"{len(state.recent)} of {self.window} losses for a level"
        return f"loss is at {statistics.median(state.recent):.4g}, at first {state.first:.4g}"

    @staticmethod
    def _has_learned(state: RescueState) -> bool:
        if state.first is None or state.lowest is None:
            return False
        return state.lowest < (_NO_PROGRESS * state.first if state.first > 0 else state.first)

    def _fallen(self, state: RescueState, level: float, seen: BatchObservation) -> str:
        """Say in words how a training has fallen; empty if it has not."""
        assert state.first is not None
        has_learned = self._has_learned(state)
        if level > self.threshold * state.first:
            return ", far above the best"
        look = seen.look
        if look is None or look.moved < _MOVED:
            return ""
        is_decayed = seen.learning_rate < _RATE_LEFT * state.highest
        if level >= _LEARNED * state.first and look.idle >= _IDLE and not is_decayed:
            return f", and {look.idle:.0%} of the kernels stand still"
        if not has_learned and state.batches >= 100 and look.changed > _THRASHING:
            return f", while the weights change by {look.changed:.0%} between two looks"
        return ""

    def _rescue(
        self, state: RescueState, seen: str, *, is_sudden: bool = False, exploded: bool = False
    ) -> RescueState:
        has_progressed = (
            state.first is not None
            and state.good is not None
            and (state.first <= 0 or state.good < _NO_PROGRESS * state.first)
        )
        where, put_back = ("last good", "good") if has_progressed else ("first", "first")
        if state.rescues >= self.max_rescues:
            count = "1 rescue was" if self.max_rescues == 1 else f"{self.max_rescues} rescues were"
            done = f"{count} not enough, training ends with the {where} state"
            return state.deciding("rescue_failed", seen, done, stop=True, put_back=put_back)
        power = 2.0 if exploded else 0.5 if is_sudden and self._has_learned(state) else 1.0
        factor = self.factor**power
        state = dataclasses.replace(
            state,
            scale=state.scale * factor,
            recent=(),
            batches=0,
            lowest=None,
            highest=0.0,
            good=state.good if has_progressed else None,
            rescues=state.rescues + 1,
        )
        done = f"back to the {where} state, rate × {factor:.4g}"
        return state.deciding("rescue", seen, done, put_back=put_back)
