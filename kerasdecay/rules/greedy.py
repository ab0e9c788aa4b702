"""Greedy: faster while it goes well, slower while it does not."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

from kerasdecay import _checks
from kerasdecay.rules import monitor as monitors
from kerasdecay.rules.base import Decision, Observation, Rule, RuleState


@dataclasses.dataclass(frozen=True)
class GreedyState(RuleState):
    """The `best` value (None before the first), epochs better and worse in a row, rests to go.

    `recent` are the values that smoothing averages; `patience_at_floor` counts down to a reset.
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

    Better than the best for more than `patience` epochs in a row: rate / F, up to `max_lr`. Not
    better for more than `patience` in a row: rate × F, down to `min_lr`. After `reset_start`
    reductions that were due at the floor, everything starts again from the planned rate.

    Args:
        monitor: Name of the metric in the epoch's logs.
        factor: F in (0, 1).
        patience: Epochs in a row that are not enough yet, an integer >= 0.
        mode: `"min"`, `"max"`, or `"auto"`: by the metric's name.
        min_delta: A change that exceeds this counts as an improvement; >= 0.
        min_delta_mode: `"abs"`: `min_delta` is in the metric's units; `"rel"`: in shares of the
            best value.
        cooldown: Epochs that are not counted after a reduction, an integer >= 0.
        warmup: Epochs that are not counted after a raise, an integer >= 0.
        min_lr: Lowest rate, >= 0.
        max_lr: Highest rate, >= `min_lr`.
        eps: A change of the rate of at most this is not made; >= 0.
        smoothing: The metric is averaged over the last so many epochs, an integer >= 1; 1: it is
            not.
        reset_start: Reductions due at the floor until a reset, an integer >= 1.

    Raises:
        ValueError: For a value out of its range.

    Example:
        >>> rule = Greedy("loss", factor=0.5, patience=1)
        >>> losses = [4.0, 3.0, 2.0, 2.0, 2.0]
        >>> [state.scale for state in rule.replay(losses, learning_rate=0.1)]
        [1.0, 2.0, 2.0, 2.0, 1.0]

    Source: GreedyLR, 2025 (arXiv:2512.14527); the arguments and their defaults are those of
    transformers' GreedyLR.
    """

    state_class: ClassVar[type[RuleState]] = GreedyState

    monitor: str = "val_loss"
    factor: float = 0.95
    patience: int = 10
    mode: str = "auto"
    min_delta: float = 1e-6
    min_delta_mode: str = "abs"
    cooldown: int = 0
    warmup: int = 0
    min_lr: float = 1e-3
    max_lr: float = 1.0
    eps: float = 1e-8
    smoothing: int = 1
    reset_start: int = 500

    def __post_init__(self) -> None:
        if not isinstance(self.monitor, str) or not self.monitor:
            raise _checks.invalid("Greedy", "monitor", "the name of a metric", self.monitor)
        values: dict[str, float] = {
            "factor": _checks.number("Greedy", "factor", self.factor, above=0, below=1),
            "max_lr": _checks.number("Greedy", "max_lr", self.max_lr, at_least=self.min_lr),
        }
        for argument in ("min_delta", "min_lr", "eps"):
            values[argument] = _checks.number(
                "Greedy", argument, getattr(self, argument), at_least=0
            )
        for argument in ("patience", "cooldown", "warmup"):
            values[argument] = _checks.integer(
                "Greedy", argument, getattr(self, argument), at_least=0
            )
        for argument in ("reset_start", "smoothing"):
            values[argument] = _checks.integer(
                "Greedy", argument, getattr(self, argument), at_least=1
            )
        for argument, value in values.items():
            object.__setattr__(self, argument, value)
        _checks.choice("Greedy", "mode", self.mode, monitors.MODES)
        _checks.choice("Greedy", "min_delta_mode", self.min_delta_mode, ("abs", "rel"))

    @property
    def watched(self) -> str:
        """`monitor`."""
        return self.monitor

    def initial_state(self) -> GreedyState:
        """Return the state before any observation."""
        return GreedyState(patience_at_floor=self.reset_start)

    def advance(self, state: GreedyState, observation: Observation) -> GreedyState:
        """Return the state after one more epoch."""
        value = observation.metrics.get(self.monitor)
        if value is None:
            return state.deciding("absent", f"{self.monitor} was not measured: does not count")
        if self.smoothing > 1 and math.isfinite(value):
            value, recent = monitors.smoothed(value, state.recent, self.smoothing)
            state = dataclasses.replace(state, recent=recent)
        if state.cooldown > 0 or state.warmup > 0:
            return self._rest(state)
        seen = f"{self.monitor} {value:.4g}"
        if self._is_better(value, state.best):
            state = dataclasses.replace(state, best=value, better=state.better + 1, worse=0)
            if state.better > self.patience:
                return self._raise(state, observation, seen)
            return state.deciding("improve", f"{seen} is the best so far, {state.better} in a row")
        state = dataclasses.replace(state, worse=state.worse + 1, better=0)
        if state.worse > self.patience:
            return self._reduce(state, observation, seen)
        kind = "wait" if math.isfinite(value) else "nonfinite"
        return state.deciding(kind, f"{seen} is no improvement, {state.worse} in a row")

    def _rest(self, state: GreedyState) -> GreedyState:
        """Count a rest down: that after a reduction first."""
        left = (state.cooldown - 1, state.warmup) if state.cooldown else (0, state.warmup - 1)
        state = dataclasses.replace(state, cooldown=left[0], warmup=left[1], better=0, worse=0)
        return state.deciding("cooldown", f"resting for {sum(left)} more")

    def _raise(self, state: GreedyState, observation: Observation, seen: str) -> GreedyState:
        rate = observation.learning_rate
        new = min(rate / self.factor, self.max_lr)
        reason = f"{seen} has improved for {state.better} epochs"
        state = dataclasses.replace(
            state, better=0, warmup=self.warmup, patience_at_floor=self.reset_start
        )
        if new - rate <= self.eps:
            return state.deciding("floor", f"{reason}, and the rate is at max_lr {self.max_lr:g}")
        state = dataclasses.replace(state, scale=state.scale * (new / rate))
        return state.deciding("raise", f"{reason}: rate × {new / rate:.4g}")

    def _reduce(self, state: GreedyState, observation: Observation, seen: str) -> GreedyState:
        rate = observation.learning_rate
        new = max(rate * self.factor, self.min_lr)
        reason = f"{seen} has not improved for {state.worse} epochs"
        state = dataclasses.replace(state, worse=0, cooldown=self.cooldown)
        decision = Decision("floor", f"{reason}, and the rate is at min_lr {self.min_lr:g}")
        if rate - new > self.eps:
            state = dataclasses.replace(state, scale=state.scale * (new / rate))
            decision = Decision("reduce", f"{reason}: rate × {new / rate:.4g}")
            rate = new
        if rate > self.min_lr:
            return dataclasses.replace(state, decision=decision)
        left = state.patience_at_floor - 1
        if left <= 0:
            afresh = f"{reason}, {self.reset_start} times at min_lr: back to the planned rate"
            return self.initial_state().deciding("raise", afresh)
        return dataclasses.replace(state, patience_at_floor=left, decision=decision)

    def _is_better(self, value: float, best: float | None) -> bool:
        if not math.isfinite(value):
            return False
        if best is None:
            return True
        sign = 1.0 if monitors.settled("Greedy", self.monitor, self.mode) == "max" else -1.0
        delta = self.min_delta * (best if self.min_delta_mode == "rel" else 1.0)
        return sign * value > sign * (best + sign * delta)
