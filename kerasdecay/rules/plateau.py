"""Reduce the rate when a metric has stopped improving."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

from kerasdecay import _checks
from kerasdecay.rules import monitor as monitors
from kerasdecay.rules.base import Rule
from kerasdecay.rules.observation import Observation
from kerasdecay.rules.reduction import change_text, reduction, single
from kerasdecay.rules.state import RuleState


@dataclasses.dataclass(frozen=True)
class PlateauState(RuleState):
    """What `Plateau` remembers.

    Args:
        best: The best value so far; None before the first.
        wait: Epochs without improvement.
        cooldown: Epochs that are still not counted.
        recent: The values that smoothing averages.
        restored: How often the best weights were asked for since the last finite value: once when
            the value stopped being finite, and once more with the first reduction after that.
    """

    best: float | None = None
    wait: int = 0
    cooldown: int = 0
    recent: tuple[float, ...] = ()
    restored: int = 0


@dataclasses.dataclass(frozen=True)
class Plateau(Rule[PlateauState]):
    """Multiply the rate by `factor` when the metric has not improved for `patience` epochs.

    It decides as Keras' ReduceLROnPlateau does with the same arguments, with four differences: a
    NaN or an infinity counts as an epoch without improvement and never becomes the best value; an
    epoch without the metric does not count; `min_lr` never raises a rate; the state can be saved.

    Args:
        monitor: Name of the metric in the epoch's logs.
        factor: In (0, 1): new rate = rate × factor.
        patience: Epochs without improvement before a reduction, an integer >= 0.
        mode: `"min"`, `"max"`, or `"auto"`: by the metric's name.
        min_delta: A change that exceeds this counts as an improvement (compared in single
            precision, as Keras does); >= 0.
        cooldown: Epochs after a reduction in which nothing is counted, an integer >= 0.
        min_lr: No reduction goes below this rate (compared in single precision, as the optimizer
            holds it); >= 0.
        min_delta_mode: `"abs"`: `min_delta` is in the metric's units; `"rel"`: in shares of the
            best value's magnitude.
        smoothing: The number of epochs over which the metric is averaged, an integer >= 1.
        restore_best_weights: Restore the weights of the best epoch at each reduction, and at once
            when the metric is a NaN or an infinity. If the metric stays non-finite, restore them
            once more at the next reduction, and not again before the metric was finite.
        restore_optimizer: Whether the optimizer's variables and the non-trainable state are
            restored with the weights.
        stop_at_min_lr: End the training when a reduction is due and the rate is at `min_lr`.
        every: `"500 steps"`: the rule observes the mean loss of every 500 batches in place of an
            epoch's logs, and counts observations in place of epochs. Only for `monitor="loss"`.

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

    monitor: str = _checks.field("val_loss", _checks.text, what="the name of a metric")
    factor: float = _checks.field(
        0.1, _checks.number, above=0, below=1, remedy=f"For a tenth write 0.1. {monitors.PATIENCE}"
    )
    patience: int = _checks.field(10, _checks.integer, at_least=0)
    mode: str = _checks.field("auto", _checks.choice, allowed=monitors.MODES)
    min_delta: float = _checks.field(1e-4, _checks.number, at_least=0)
    cooldown: int = _checks.field(0, _checks.integer, at_least=0)
    min_lr: float = _checks.field(0.0, _checks.rate, zero=True)
    min_delta_mode: str = _checks.field("abs", _checks.choice, allowed=monitors.DELTA_MODES)
    smoothing: int = _checks.field(1, _checks.integer, at_least=1)
    restore_best_weights: bool = _checks.field(False, _checks.flag)
    restore_optimizer: bool = _checks.field(True, _checks.flag)
    stop_at_min_lr: bool = _checks.field(False, _checks.flag)

    @property
    def watched(self) -> str:
        """`monitor`."""
        return self.monitor

    def advance(self, state: PlateauState, observation: Observation) -> PlateauState:
        """Return the state after one more epoch."""
        value = observation.value(self.monitor)
        if value is None:
            return state.unmeasured(self.monitor)
        value, recent = monitors.smoothed(value, state.recent, self.smoothing)
        seen = monitors.described(self.monitor, value, recent)
        restored = state.restored if not math.isfinite(value) else 0
        cooldown, wait = max(state.cooldown - 1, 0), 0 if state.cooldown > 0 else state.wait
        state = dataclasses.replace(
            state, recent=recent, restored=restored, cooldown=cooldown, wait=wait
        )
        if self._is_improvement(value, state.best):
            state = dataclasses.replace(state, best=value, wait=0)
            return state.deciding("improve", f"{seen} is the best so far")
        complaint = self._complaint(seen, value, state.best)
        if cooldown > 0:
            return self._hold(state, "cooldown", value, f"{complaint}; cooling down")
        state = dataclasses.replace(state, wait=wait + 1)
        waited = f"{complaint} for {self.observations(state.wait)}"
        if state.wait < self.patience:
            return self._hold(state, "wait", value, f"{waited} of {self.patience}")
        return self._reduce(state, observation, value, waited)

    def _hold(
        self, state: PlateauState, kind: str, value: float, seen: str, *, stop: bool = False
    ) -> PlateauState:
        """Keep the rate; go back to the best weights if the value has just become non-finite."""
        lost = not math.isfinite(value) and state.best is not None and state.restored == 0
        restore = self.restore_best_weights and lost
        done = ", ".join(["best weights restored"] * restore + ["stop"] * stop)
        state = dataclasses.replace(state, restored=state.restored + restore)
        kind = monitors.kind_of(kind, value)
        return state.deciding(kind, seen, done, restore_best=restore, stop=stop)

    def _reduce(
        self, state: PlateauState, observation: Observation, value: float, waited: str
    ) -> PlateauState:
        rate = observation.learning_rate
        change = reduction(rate, self.factor, self.min_lr)
        if change == 1.0:
            seen = f"{waited}, and the rate is at min_lr {self.min_lr:g}"
            return self._hold(state, "floor", value, seen, stop=self.stop_at_min_lr)
        lost = not math.isfinite(value)
        # With a lower rate the best weights may stay finite: it is worth one more restoration.
        useful = state.best is not None and state.restored < 2
        restore = self.restore_best_weights and (useful or not lost)
        state = dataclasses.replace(
            state,
            scale=state.scale * change,
            wait=0,
            cooldown=self.cooldown,
            restored=2 if lost and restore else state.restored,
        )
        done = change_text(change, self.factor, "min_lr", self.min_lr)
        done += ", best weights restored" * restore
        return state.deciding("reduce", waited, done, restore_best=restore)

    def _is_improvement(self, value: float, best: float | None) -> bool:
        direction = monitors.resolved("Plateau", self.monitor, self.mode)
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
        by = f" by {self.min_delta:g}{share}" if self.min_delta else ""
        return f"{seen} has not improved on {best:.4g}{by}"
