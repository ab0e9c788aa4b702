"""Raise the rate while the metric improves, lower it while it does not."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

from kerasdecay import _checks
from kerasdecay.rules import monitor as monitors
from kerasdecay.rules.base import Rule
from kerasdecay.rules.observation import Observation
from kerasdecay.rules.reduction import change_text, single
from kerasdecay.rules.state import Decision, RuleState


@dataclasses.dataclass(frozen=True)
class GreedyState(RuleState):
    """What `Greedy` remembers.

    Args:
        best: The best value so far; None before the first.
        better: Epochs in a row that were better.
        worse: Epochs in a row that were not.
        cooldown: Epochs after a reduction that are still not counted.
        warmup: Epochs after a raise that are still not counted.
        recent: The values that smoothing averages.
        patience_at_floor: Reductions due at the floor until a reset.
    """

    best: float | None = None
    better: int = 0
    worse: int = 0
    cooldown: int = 0
    warmup: int = 0
    recent: tuple[float, ...] = ()
    patience_at_floor: int = 0


@dataclasses.dataclass(frozen=True)
class Greedy(Rule[GreedyState]):
    """Raise the rate after a run of improvements, lower it after a run of failures.

    After more than `patience` epochs in a row that improve on the best value, the rate becomes
    rate / F, up to `max_lr`. After more than `patience` epochs in a row that do not, it becomes
    rate × F, down to `min_lr`. After `reset_start` reductions that were due while the rate was at
    `min_lr`, the rule starts again from the planned rate.

    Args:
        monitor: Name of the metric in the epoch's logs.
        factor: F in (0, 1).
        patience: The rate changes after more than this many epochs in a row, an integer >= 0.
        mode: `"min"`, `"max"`, or `"auto"`: by the metric's name.
        min_delta: A change that exceeds this counts as an improvement; >= 0.
        min_delta_mode: `"abs"`: `min_delta` is in the metric's units; `"rel"`: in shares of the
            best value's magnitude.
        cooldown: Epochs that are not counted after a reduction, an integer >= 0.
        warmup: Epochs that are not counted after a raise, an integer >= 0.
        min_lr: Lowest rate, >= 0.
        max_lr: Highest rate that a raise leads to, >= `min_lr`. If the schedule then rises and
            takes the rate above this, the raise is taken back at the epoch's end.
        eps: A change of the rate by no more than this is not made; >= 0.
        smoothing: The number of epochs over which the metric is averaged, an integer >= 1.
        reset_start: Reductions due at `min_lr` before a reset, an integer >= 1.
        every: `"500 steps"`: the rule observes the mean loss of every 500 batches in place of an
            epoch's logs, and counts observations in place of epochs. Only for `monitor="loss"`.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> rule = Greedy("loss", factor=0.5, patience=1)
        >>> losses = [4.0, 3.0, 2.0, 2.0, 2.0]
        >>> [state.scale for state in rule.replay(losses, learning_rate=0.1)]
        [1.0, 2.0, 2.0, 2.0, 1.0]

    Source: GreedyLR, 2025 (arXiv:2512.14527). The decisions, arguments and defaults are those of
    transformers' GreedyLR, with three differences: a NaN or an infinity never becomes the best
    value and does not enter the average; with `"rel"` and a negative best value, a slightly worse
    value is not taken for a better one; a rate that differs from `min_lr` or `max_lr` by rounding
    alone counts as equal to it.
    """

    state_class: ClassVar[type[RuleState]] = GreedyState

    monitor: str = _checks.field("val_loss", _checks.text, what="the name of a metric")
    factor: float = _checks.field(0.95, _checks.number, above=0, below=1, remedy=monitors.PATIENCE)
    patience: int = _checks.field(10, _checks.integer, at_least=0)
    mode: str = _checks.field("auto", _checks.choice, allowed=monitors.MODES)
    min_delta: float = _checks.field(1e-6, _checks.number, at_least=0)
    min_delta_mode: str = _checks.field("abs", _checks.choice, allowed=monitors.DELTA_MODES)
    cooldown: int = _checks.field(0, _checks.integer, at_least=0)
    warmup: int = _checks.field(0, _checks.integer, at_least=0)
    min_lr: float = _checks.field(1e-3, _checks.rate, zero=True)
    max_lr: float = _checks.field(1.0, _checks.rate)
    eps: float = _checks.field(1e-8, _checks.number, at_least=0)
    smoothing: int = _checks.field(1, _checks.integer, at_least=1)
    reset_start: int = _checks.field(500, _checks.integer, at_least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.number("Greedy", "max_lr", self.max_lr, at_least=self.min_lr)

    @property
    def watched(self) -> str:
        """`monitor`."""
        return self.monitor

    depends_on_rate = True  # `max_lr` bounds it

    def initial_state(self) -> GreedyState:
        """Return the state before any observation."""
        return GreedyState(patience_at_floor=self.reset_start)

    def advance(self, state: GreedyState, observation: Observation) -> GreedyState:
        """Return the state after one more epoch."""
        value = observation.value(self.monitor)
        if value is None:
            return state.unmeasured(self.monitor)
        before = state.scale
        value, recent = monitors.smoothed(value, state.recent, self.smoothing)
        seen = monitors.described(self.monitor, value, recent)
        state = self._judge(dataclasses.replace(state, recent=recent), observation, value, seen)
        return self._within_max_lr(state, observation, before)

    def _judge(
        self, state: GreedyState, observation: Observation, value: float, seen: str
    ) -> GreedyState:
        """Count the epoch, and do what follows from the count."""
        if state.cooldown > 0 or state.warmup > 0:
            state, left = self._rested(state)
            kind = monitors.kind_of("cooldown", value)
            return state.deciding(kind, f"{seen} does not count: at rest for {left} more")
        if self._is_better(value, state.best):
            state = dataclasses.replace(state, best=value, better=state.better + 1, worse=0)
            reason = f"{seen} is the best so far, {state.better} in a row"
            if state.better > self.patience:
                return self._raise(state, observation, reason)
            return state.deciding("improve", reason)
        state = dataclasses.replace(state, worse=state.worse + 1, better=0)
        reason = f"{seen} is no improvement, {state.worse} in a row"
        if state.worse <= self.patience:
            return state.deciding(monitors.kind_of("wait", value), reason)
        state = self._reduce(state, observation, reason)
        if state.decision.changes_rate:
            return state
        kind = monitors.kind_of(state.decision.kind, value)
        return state.deciding(kind, state.decision.seen, state.decision.done)

    def _within_max_lr(
        self, state: GreedyState, observation: Observation, before: float
    ) -> GreedyState:
        """Take back what a raise has come to be too much, where the schedule has risen since."""
        rate = observation.learning_rate * (state.scale / before)
        if state.scale <= 1 or single(rate) <= single(self.max_lr):
            return state
        scale = max(state.scale * (self.max_lr / rate), 1.0)
        over = f"the schedule has risen, and {rate:.4g} is above max_lr {self.max_lr:g}"
        seen = f"{state.decision.seen}; {over}"
        state = dataclasses.replace(state, scale=scale)
        return state.deciding("reduce", seen, f"rate × {scale / before:.4g}")

    @staticmethod
    def _rested(state: GreedyState) -> tuple[GreedyState, int]:
        """Count a rest down, that after a reduction first; return how much is left too."""
        left = (state.cooldown - 1, state.warmup) if state.cooldown else (0, state.warmup - 1)
        state = dataclasses.replace(state, cooldown=left[0], warmup=left[1], better=0, worse=0)
        return state, sum(left)

    def _raise(self, state: GreedyState, observation: Observation, reason: str) -> GreedyState:
        rate = observation.learning_rate
        new = min(rate / self.factor, self.max_lr)
        state = dataclasses.replace(
            state, better=0, warmup=self.warmup, patience_at_floor=self.reset_start
        )
        if single(rate) >= single(self.max_lr):
            return state.deciding("floor", f"{reason}, and the rate is at max_lr {self.max_lr:g}")
        if new - rate <= self.eps:
            return state.deciding("floor", f"{reason}, and the change is within eps {self.eps:g}")
        state = dataclasses.replace(state, scale=state.scale * (new / rate))
        done = change_text(new / rate, 1 / self.factor, "max_lr", self.max_lr)
        return state.deciding("raise", reason, done)

    def _reduce(self, state: GreedyState, observation: Observation, reason: str) -> GreedyState:
        rate, before = observation.learning_rate, state.scale
        new = max(rate * self.factor, self.min_lr)
        state = dataclasses.replace(state, worse=0, cooldown=self.cooldown)
        decision = Decision("floor", f"{reason}, and the change is within eps {self.eps:g}")
        if self._is_at_floor(rate):
            decision = Decision("floor", f"{reason}, and the rate is at min_lr {self.min_lr:g}")
        elif rate - new > self.eps:
            state = dataclasses.replace(state, scale=state.scale * (new / rate))
            done = change_text(new / rate, self.factor, "min_lr", self.min_lr)
            decision = Decision("reduce", reason, done)
            rate = new
        if not self._is_at_floor(rate):
            return dataclasses.replace(state, decision=decision)
        left = state.patience_at_floor - 1
        if left <= 0:
            return self._reset(before, reason)
        return dataclasses.replace(state, patience_at_floor=left, decision=decision)

    def _reset(self, before: float, reason: str) -> GreedyState:
        """Start again from the planned rate, after the rest that follows every reduction."""
        reached = f"at min_lr reset_start {self.reset_start} is reached"
        kind = "raise" if before < 1 else "reduce" if before > 1 else "floor"
        afresh = dataclasses.replace(self.initial_state(), cooldown=self.cooldown)
        return afresh.deciding(kind, f"{reason}, and {reached}", "back to the planned rate")

    def _is_at_floor(self, rate: float) -> bool:
        # In single precision, as the optimizer holds it: a product of scales is not exact.
        return single(rate) <= single(self.min_lr)

    def _is_better(self, value: float, best: float | None) -> bool:
        if not math.isfinite(value):
            return False
        if best is None:
            return True
        sign = 1.0 if monitors.resolved("Greedy", self.monitor, self.mode) == "max" else -1.0
        if self.min_delta_mode == "rel":
            bound = best * (1.0 + math.copysign(self.min_delta, best) * sign)
        else:
            bound = best + sign * self.min_delta
        return sign * value > sign * bound
