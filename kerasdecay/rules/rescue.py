"""Rescue: put a training back that has collapsed, and go on with a lower rate."""

from __future__ import annotations

import dataclasses
import math
import statistics
from typing import ClassVar

from kerasdecay import _checks
from kerasdecay.rules.base import Rule
from kerasdecay.rules.observation import BatchObservation, Look, Observation
from kerasdecay.rules.state import RuleState

_NO_PROGRESS = 0.8
"""A loss above this share of the first level has not come down."""

_LEARNED = 0.3
"""A loss below this share of the first one is not that of a constant prediction."""

_IDLE = 0.5
"""The share of the kernels that stand still in a network that is dead."""

_RATE_LEFT = 0.01
"""Below this share of the highest rate so far, kernels stand still because the rate is so low."""

_MOVED = 0.05
"""The relative distance from the first weights, beyond which they were not left where they were."""

_THRASHING = 0.5
"""The relative change of the weights between two looks, beyond which they wander about."""

_EARLY = (32, 80)
"""Between so many batches kernels that a good rate trains have not grown much."""

_GROWN = 1.7
"""Times their first norm: so far no good rate takes the kernels in the first batches."""

_GROWN_FAR = 3.5
"""The same where the loss may still be coming down, or its noise hides that."""

_FLAT, _NOISY = 0.95, 0.25
"""Of the lowest early level: a loss above it stands still; of the level: more noise hides that."""

_GROWN_AGAIN = 1.35
"""The same after a rescue under Adam and its kin, where the loss has hardly come down."""

_ENORMOUS = 1.2
"""Times the kernels' first root mean square: no rate of Adam and its kin is near that."""

_GROWN_AND_DYING = 1.3
"""The same where half of a layer's units have died meanwhile."""

_UNLEARNED = ((56, 0.4), (32, 0.6))
"""After so many batches: a loss below this share of the first level comes down fast enough."""

_DEAD_UNITS = ((0.7, 0.9), (0.8, 0.0))
"""The share of a layer's units that have died, and the share of the lowest early level that the
loss is above: where it has stopped coming down, or comes down slowly for want of units."""

_GONE_FAR = 0.3
"""The relative distance from the first weights, beyond which units die of too large steps."""

_PATIENT = (48, 128)
"""For so many batches, within these bounds, or a quarter of the run, a loss may stay flat."""


@dataclasses.dataclass(frozen=True)
class RescueState(RuleState):
    """The `first` loss, the level at the `start`, the `lowest` since, the `recent` losses.

    `early` is the lowest level of the first 32 batches. `batches` are those since the beginning or
    the last rescue, `looked` those up to the last look. `pending` is the level of its snapshot
    until that is confirmed, `good` that of the last one confirmed, and `is_confirmed` tells whether
    the last batch did so. `rescues` are those in all, `highest` is the highest rate since the last,
    `is_anew` whether that went back to the first state, and `per_epoch` the most batches that an
    epoch had so far.
    """

    first: float | None = None
    start: float | None = None
    early: float | None = None
    lowest: float | None = None
    highest: float = 0.0
    good: float | None = None
    recent: tuple[float, ...] = ()
    batches: int = 0
    looked: int = 0
    pending: float | None = None
    is_confirmed: bool = False
    is_anew: bool = True
    per_epoch: int = 0
    rescues: int = 0

    @property
    def base(self) -> float | None:
        """What learning is measured by: the first loss, or the first level if that is lower."""
        if self.first is None or self.start is None:
            return None
        return min(self.first, self.start) if self.start > 0 else self.first


@dataclasses.dataclass(frozen=True)
class Rescue(Rule[RescueState]):
    """Put everything back and lower the rate, as soon as a training has collapsed.

    After each batch the rule looks at its loss; every so often also at the variables, of which a
    snapshot is taken then. With the level m, the median of the last `window` losses, the first loss
    L₀ > 0, and the lower B of L₀ and the first level, a training has collapsed if

    - a loss, or a variable of the model or its optimizers, is not finite;
    - m > `threshold` · L₀: far above the best;
    - m >= 0.6 · B after 32 batches, or 0.4 · B after 56 to 80, and the kernels have grown: half of
      them at least to 3.5 times their first norm; or to 1.7 times while the loss stands still, that
      is, m is not below 0.95 times the lowest level of the first 32 batches, and the standard
      deviation of the last losses is at most m / 4; or to 1.3 times while half of a layer's units
      stand still that have moved before. After a rescue 1.35 times is enough instead of 1.7, where
      m >= 0.6 · B and the optimizer is like Adam. For the sake of regressions on large targets, k
      kernels may always grow to B^(1/2k) times, or half of that while the loss stands still. A loss
      that starts above that of a constant prediction comes down in such a network too;
    - m >= 0.3 · L₀, and half of the kernels stand still although they have moved before, at a rate
      that has not decayed to 1 % yet: the network is dead and predicts a constant;
    - m >= 0.4 · B after a quarter of the run, or 128 batches, and 80 % of a layer's units stand
      still, or 70 % where m is not below 0.9 times the lowest level of the first 32 batches, while
      the weights have gone 0.3 times their norm from where they began;
    - m >= 0.8 · L₀ after 100 batches, while the weights change by half of their norm between two
      looks.

    The rule then restores the last good snapshot: weights, non-trainable state such as the moving
    averages of BatchNormalization, and all variables of the optimizers. It restores the first
    snapshot instead if the last good one shows no progress (m < 0.8 · B), or if the kernels have
    grown; once, where something is not finite, any progress is enough. The scale is multiplied by
    `factor`, and training continues with the next batch. In two cases the scale is multiplied by
    another number: by √factor if a training that has learned (m < 0.8 · B) meets a batch that is
    not finite, because the data are then the likelier cause; and by factor² if the rate of Adam, or
    of another optimizer whose steps are about the rate, is above 1.2 times the initial size of the
    kernels.

    A loss belongs to the weights before its batch's update, so a snapshot is good only once the
    losses after it have confirmed it: those of `window` batches, or of a quarter of an epoch if
    that is less. A second rescue before any snapshot is confirmed goes back to the one before.

    Costs: a call after each batch, which waits for its loss; a copy of everything that trains to
    the host's memory every 16 batches at first, later every 50, and at least twice an epoch, so
    that a spoilt batch costs less than an epoch; four such copies are held.

    A training that never collapses is not changed: its weights are the same, bit for bit.

    Args:
        factor: In (0, 1): new rate = rate × factor. A tenth, since a rate that is a little too low
            costs less than one that is still too high.
        threshold: The level, divided by the first loss, above which it has collapsed; > 1.
        window: The number of batches whose median loss is the level, an integer >= 3.
        max_rescues: The number of rescues after which the next collapse restores the state and ends
            the training, an integer >= 1.

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
        look copies all variables; and twice an epoch at least. Before there is a level, no snapshot
        could be called good.
        """
        most = 16 if state.batches < 160 else 50
        every = max(1, min(most, state.per_epoch // 2))
        has_level = len(state.recent) + 1 >= self.window
        return has_level and state.batches + 1 - state.looked >= every

    def confirms(self, state: RescueState) -> bool:
        """Whether the last batch has confirmed the snapshot of the last look."""
        return state.is_confirmed

    def advance_batch(self, state: RescueState, seen: BatchObservation) -> RescueState:
        """Return the state after one more batch, with the decision in it."""
        loss = seen.value
        if not math.isfinite(loss):
            return self._rescue(state, f"loss is {loss:g}", is_sudden=True)
        if seen.look is not None and not seen.look.is_finite:
            return self._rescue(state, "a variable is not finite", is_sudden=True)
        recent = (*state.recent, loss)[-self.window :]
        state = dataclasses.replace(
            state,
            first=loss if state.first is None else state.first,
            recent=recent,
            is_confirmed=False,
            batches=state.batches + seen.batches,
            highest=max(state.highest, seen.learning_rate),
            per_epoch=max(state.per_epoch, seen.batch + 1),
        )
        if len(recent) < self.window:
            return state.deciding("well", self._told(state))
        level = statistics.median(recent)
        state = self._at_level(state, level)
        assert state.first is not None
        assert state.base is not None
        fall = self._fall(state, level, seen) if state.base > 0 else None
        if fall is not None:
            size = 0.0 if seen.look is None else seen.look.size
            return self._rescue(
                state,
                self._told(state) + fall.told,
                is_enormous=0 < _ENORMOUS * size <= seen.learning_rate,
                to_first=fall.to_first,
            )
        if self._is_good_now(state, level):
            state = dataclasses.replace(state, good=state.pending, pending=None, is_confirmed=True)
        if seen.look is not None:
            state = dataclasses.replace(state, looked=state.batches, pending=level)
        return state.deciding("well", self._told(state))

    def advance(self, state: RescueState, observation: Observation) -> RescueState:
        """Return the state after an epoch: what there was to decide was decided at its batches."""
        count = f"{state.rescues} rescue{'s' * (state.rescues != 1)} so far"
        return state.deciding("well", f"{self._told(state)}; {count}")

    def _told(self, state: RescueState) -> str:
        """Say in words where the loss is."""
        if len(state.recent) < self.window:
            return f"{len(state.recent)} of {self.window} losses for a level"
        return f"loss is at {statistics.median(state.recent):.4g}, at first {state.first:.4g}"

    def _is_good_now(self, state: RescueState, level: float) -> bool:
        """Whether a snapshot is held that the losses since have confirmed."""
        if state.pending is None:
            return False
        enough = min(self.window, max(1, state.per_epoch // 4))
        had, has = (self._is_progress(state, one) for one in (state.pending, level))
        return state.batches - state.looked >= enough and (has or not had)

    @staticmethod
    def _at_level(state: RescueState, level: float) -> RescueState:
        """Return the state with its level noted."""
        lowest = level if state.lowest is None else min(level, state.lowest)
        start = level if state.start is None else state.start
        early = start if state.early is None else state.early
        if state.is_anew and state.batches <= _EARLY[0]:
            early = min(early, level)
        return dataclasses.replace(state, lowest=lowest, start=start, early=early)

    @staticmethod
    def _is_progress(state: RescueState, level: float) -> bool:
        """Whether a level is well below the one that learning began at; from 0 on all are."""
        return state.base is not None and (state.base <= 0 or level < _NO_PROGRESS * state.base)

    def _has_learned(self, state: RescueState) -> bool:
        if state.base is None or state.lowest is None:
            return False
        return self._is_progress(state, state.lowest) and state.lowest < state.base

    def _fall(self, state: RescueState, level: float, seen: BatchObservation) -> _Fall | None:
        """Return how a training has collapsed; None if it has not."""
        first, look = state.first, seen.look
        assert first is not None
        if level > self.threshold * first:
            return _Fall(", far above the best")
        if look is None or look.moved < _MOVED:
            return None
        if self._has_outgrown(state, level, look):
            dying = f", and {look.idle_units:.0%} of a layer's units stand still"
            told = dying if look.grown < self._too_grown(state, level, look) else ""
            return _Fall(f", while the kernels grow to {look.grown:.3g} times{told}", True)
        is_decayed = seen.learning_rate < _RATE_LEFT * state.highest
        if level >= _LEARNED * first and look.idle >= _IDLE and not is_decayed:
            return _Fall(f", and {look.idle:.0%} of the kernels stand still")
        if self._has_died(state, level, look, seen) and not is_decayed:
            had_learned = state.good is not None and not self._is_unlearned(state, state.good)
            told = f", and {look.idle_units:.0%} of a layer's units stand still"
            return _Fall(told, to_first=not had_learned)
        if not self._has_learned(state) and state.batches >= 100 and look.changed > _THRASHING:
            return _Fall(f", while the weights change by {look.changed:.0%} between two looks")
        return None

    def _has_outgrown(self, state: RescueState, level: float, look: Look) -> bool:
        """Whether the kernels have grown in the first batches, and the loss has not come down."""
        least, most = _EARLY
        if not state.is_anew or not least <= state.batches <= most:
            return False
        if not self._is_unlearned(state, level):
            return False
        if look.idle_units >= _IDLE:
            return look.grown >= _GROWN_AND_DYING
        # Where targets are large, or inputs few, kernels grow as a network learns.
        reach = self._reach(state, look)
        if look.grown >= max(_GROWN_FAR, reach):
            return True
        grown = max(self._too_grown(state, level, look), reach / 2)
        return look.grown >= grown and self._stands_still(state, level)

    @staticmethod
    def _reach(state: RescueState, look: Look) -> float:
        """Return by what factor kernels grow whose outputs come to be as large as the targets.

        The first squared errors are those of outputs that are small beside their targets.
        """
        assert state.base is not None
        return max(state.base, 1.0) ** (0.5 / look.kernels) if look.kernels else 1.0

    @staticmethod
    def _stands_still(state: RescueState, level: float) -> bool:
        """Whether the losses are about as high as the first ones, and their noise hides no fall."""
        assert state.early is not None
        return level >= _FLAT * state.early and statistics.stdev(state.recent) <= _NOISY * level

    @staticmethod
    def _too_grown(state: RescueState, level: float, look: Look) -> float:
        """Return the growth that is too much where no units have died."""
        assert state.base is not None
        is_flat = level >= _UNLEARNED[-1][1] * state.base
        return _GROWN_AGAIN if state.rescues and is_flat and look.size > 0 else _GROWN

    @staticmethod
    def _is_unlearned(state: RescueState, level: float) -> bool:
        """Whether a level is one that a good rate would have left behind by now."""
        assert state.base is not None
        return level >= state.base * next(
            (share for batches, share in _UNLEARNED if state.batches >= batches), 1.0
        )

    def _has_died(
        self, state: RescueState, level: float, look: Look, seen: BatchObservation
    ) -> bool:
        """Whether most of a layer's units are dead, and the loss has not come down far."""
        early = state.early
        assert early is not None
        least, most = _PATIENT
        run = None if seen.epochs is None else seen.epochs * state.per_epoch
        patience = most if run is None else min(most, max(least, run // 4))
        return (
            state.batches >= patience
            and look.moved >= _GONE_FAR
            and self._is_unlearned(state, level)
            and any(look.idle_units >= dead and level > flat * early for dead, flat in _DEAD_UNITS)
        )

    def _rescue(
        self,
        state: RescueState,
        seen: str,
        *,
        is_sudden: bool = False,
        is_enormous: bool = False,
        to_first: bool = False,
    ) -> RescueState:
        good, base = state.good, state.base
        has_progressed = good is not None and self._is_progress(state, good)
        # One batch that is not finite need not be the rate's fault: any progress is kept, once.
        is_better = is_sudden and good is not None and base is not None and good < base
        is_kept = (has_progressed or is_better) and not to_first
        where, put_back = ("last good", "good") if is_kept else ("first", "first")
        if state.rescues >= self.max_rescues:
            count = "1 rescue was" if self.max_rescues == 1 else f"{self.max_rescues} rescues were"
            done = f"{count} not enough, training ends with the {where} state"
            return state.deciding("rescue_failed", seen, done, stop=True, put_back=put_back)
        is_spoilt = is_sudden and self._has_learned(state)
        factor = self.factor ** (0.5 if is_spoilt else 2 if is_enormous else 1)
        state = dataclasses.replace(
            state,
            scale=state.scale * factor,
            recent=(),
            batches=0,
            looked=0,
            pending=None,
            is_confirmed=False,
            start=state.start if is_kept else None,
            early=state.early if is_kept else None,
            lowest=None,
            highest=0.0,
            good=good if has_progressed and is_kept else None,
            is_anew=not is_kept,
            rescues=state.rescues + 1,
        )
        done = f"back to the {where} state, rate × {factor:.4g}"
        return state.deciding("rescue", seen, done, put_back=put_back)


@dataclasses.dataclass(frozen=True)
class _Fall:
    """How a training has collapsed, in words, and whether nothing since the first state is good."""

    told: str
    to_first: bool = False
