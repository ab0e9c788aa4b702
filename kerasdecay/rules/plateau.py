"""Reduce on a plateau: when a metric has stopped improving."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

from kerasdecay import _checks
from kerasdecay.rules import monitor as monitors
from kerasdecay.rules.base import Rule
from kerasdecay.rules.observation import Observation
from kerasdecay.rules.reduction import reduction, single
from kerasdecay.rules.state import RuleState


@dataclasses.dataclass(frozen=True)
class PlateauState(RuleState):
    """`best` value so far (None before the first), epochs of `wait`, of `cooldown` still to go.

    `recent` are the values that smoothing averages.
    """

    best: float | None = None
    wait: int = 0
    cooldown: int = 0
    recent: tuple[float, ...] = ()


@dataclasses.dataclass(frozen=True)
class Plateau(Rule[PlateauState]):
    """Multiply the rate by `factor` when the metric has not improved for `patience` epochs.

    The decisions of Keras' ReduceLROnPlateau, argument for argument, but that a NaN or an infinity
    counts as an epoch without improvement and never becomes the best value, that an epoch without
    the metric does not count, that `min_lr` never raises a rate, and that the state can be saved.

    Args:
        monitor: Name of the metric in the epoch's logs.
        factor: In (0, 1): new rate = rate × factor.
        patience: Epochs without improvement before a reduction, an integer >= 0.
        mode: `"min"`, `"max"`, or `"auto"`: by the metric's name.
        min_delta: A change that exceeds this counts as an improvement (compared in single
            precision, as Keras does); >= 0.
        cooldown: Epochs after a reduction in which nothing is counted, an integer >= 0.
        min_lr: The scale is lowered only while the rate is above this (compared in single
            precision, as the optimizer holds it), and no further than to it; >= 0.
        min_delta_mode: `"abs"`: `min_delta` is in the metric's units; `"rel"`: in shares of the
            best value's magnitude.
        smoothing: The metric is averaged over the last so many epochs, an integer >= 1; 1: it is
            not.
        restore_best_weights: Go back to the weights of the best epoch at each reduction.
        stop_at_min_lr: End the training when a reduction is due and the rate is at `min_lr`.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> rule = Plateau("val_loss", factor=0.1, patience=1)
        >>> *_, state = rule.replay([0.5, 0.6])
        >>> state.decision.reason
        'val_loss 0.6 has not improved on 0.5 by 0.0001 for 1 epoch: rate × 0.1'

    Source: keras.callbacks.ReduceLROnPlateau, Keras 3.
    """

    state_class: ClassVar[type[RuleState]] = PlateauState

    monitor: str = "val_loss"
    factor: float = 0.1
    patience: int = 10
    mode: str = "auto"
    min_delta: float = 1e-4
    cooldown: int = 0
    min_lr: float = 0.0
    min_delta_mode: str = "abs"
    smoothing: int = 1
    restore_best_weights: bool = False
    stop_at_min_lr: bool = False

    def __post_init__(self) -> None:
        monitors.check("Plateau", self.monitor, self.mode, self.min_delta_mode)
        numbers = {
            "factor": _checks.number("Plateau", "factor", self.factor, above=0, below=1),
            "patience": _checks.integer("Plateau", "patience", self.patience, at_least=0),
            "min_delta": _checks.number("Plateau", "min_delta", self.min_delta, at_least=0),
            "cooldown": _checks.integer("Plateau", "cooldown", self.cooldown, at_least=0),
            "min_lr": _checks.number("Plateau", "min_lr", self.min_lr, at_least=0),
            "smoothing": _checks.integer("Plateau", "smoothing", self.smoothing, at_least=1),
        }
        for argument, value in numbers.items():
            object.__setattr__(self, argument, value)

    @property
    def watched(self) -> str:
        """`monitor`."""
        return self.monitor

    @property
    def restores_best_weights(self) -> bool:
        """`restore_best_weights`."""
        return self.restore_best_weights

    def advance(self, state: PlateauState, observation: Observation) -> PlateauState:
        """Return the state after one more epoch."""
        value = observation.metrics.get(self.monitor)
        if value is None:
            return state.unmeasured(self.monitor)
        value, recent = monitors.smoothed(value, state.recent, self.smoothing)
        seen = monitors.told(self.monitor, value, recent)
        state = dataclasses.replace(state, recent=recent)
        if state.cooldown > 0:
            state = dataclasses.replace(state, cooldown=state.cooldown - 1, wait=0)
        if self._is_improvement(value, state.best):
            state = dataclasses.replace(state, best=float(value), wait=0)
            return state.deciding("improve", f"{seen} is the best so far")
        if state.cooldown > 0:
            reason = f"{self._complaint(seen, value, state.best)}; cooling down"
            return state.deciding(monitors.finite_or("cooldown", value), reason)
        state = dataclasses.replace(state, wait=state.wait + 1)
        waited = f"{self._complaint(seen, value, state.best)} for {_epochs(state.wait)}"
        if state.wait < self.patience:
            reason = f"{waited} of {self.patience}"
            return state.deciding(monitors.finite_or("wait", value), reason)
        return self._reduce(state, observation, value, waited)

    def _reduce(
        self, state: PlateauState, observation: Observation, value: float, waited: str
    ) -> PlateauState:
        rate = observation.learning_rate
        change = reduction(rate, self.factor, self.min_lr)
        if change == 1.0:
            seen = f"{waited}, and the rate is at min_lr {self.min_lr:g}"
            done = "stop" if self.stop_at_min_lr else ""
            return state.deciding(
                monitors.finite_or("floor", value), seen, done, stop=self.stop_at_min_lr
            )
        state = dataclasses.replace(
            state, scale=state.scale * change, wait=0, cooldown=self.cooldown
        )
        done = f"rate × {change:.4g}" + ", best weights restored" * self.restore_best_weights
        return state.deciding("reduce", waited, done, restore_best=self.restore_best_weights)

    def _is_improvement(self, value: float, best: float | None) -> bool:
        direction = monitors.settled("Plateau", self.monitor, self.mode)
        if not math.isfinite(value):
            return False
        if best is None:
            return True
        delta = self.min_delta * (abs(best) if self.min_delta_mode == "rel" else 1.0)
        if direction == "min":
            return single(value + delta) < single(best)
        return single(value - delta) > single(best)

    def _complaint(self, seen: str, value: float, best: float | None) -> str:
        if not math.isfinite(value):
            return f"{self.monitor} is {value:g}, which counts as no improvement,"
        if best is None:
            return f"{seen} has no value to improve on"
        share = " of it" if self.min_delta_mode == "rel" else ""
        return f"{seen} has not improved on {best:.4g} by {self.min_delta:g}{share}"


def _epochs(count: int) -> str:
    return f"{count} epoch" + ("s" if count != 1 else "")
