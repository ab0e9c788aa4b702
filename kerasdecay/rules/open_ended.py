"""Hold the rate until a rule says that it is time, come down, and end the training."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

from kerasdecay import _checks
from kerasdecay.rules.adaptive_knee import usual_trigger
from kerasdecay.rules.base import Descent, Rule
from kerasdecay.rules.observation import Observation
from kerasdecay.rules.reduction import share_of
from kerasdecay.rules.state import RuleState
from kerasdecay.rules.triggered import Triggered, TriggeredState, a_trigger


@dataclasses.dataclass(frozen=True)
class OpenEnded(Triggered[TriggeredState]):
    """Hold the planned rate until the trigger fires, lower it over a share of that time, and stop.

    With T the epochs done when the trigger fires and L = ⌈c T⌉, η(t) = η₁ + (η(T) − η₁) · d(u) for
    T <= t <= T + L, where u = (t − T)/L and d(u) is 1 − u, 1 − √u or (1 + cos πu)/2. After epoch
    T + L the training ends. The rule needs no horizon. If there is one and the trigger does not
    fire, the way down begins as late as it still fits into the horizon.

    Args:
        trigger: A rule; its first reduction begins the way down. By default a plateau: the
            validation loss, averaged over three epochs, has not improved for two.
        cooldown: c, the length of the way down as a share of the epochs trained before it, in
            (0, 1], or such as `"20%"`.
        curve: d: `"linear"`, `"1-sqrt"` or `"cosine"`.
        final_learning_rate: η₁ >= 0.
        every: `"500 steps"`: how often the trigger observes; the way down begins with the next
            epoch. None: the trigger's own `every`.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay.rules import Plateau
        >>> rule = OpenEnded(Plateau("loss", patience=1), cooldown="50%")
        >>> states = list(rule.replay([4.0, 3.0, 2.0, 2.0, 2.0, 2.0, 1.9]))
        >>> [(state.cooldown_from, state.cooldown_to) for state in states[2:5]]
        [(None, None), (4, 6), (4, 6)]
        >>> [state.decision.stop for state in states[3:6]]
        [False, False, True]

    Source: the cooldown that may begin whenever a training is good enough: Hägele et al., 2024
    (arXiv:2405.18392), who find 20 % of the steps sufficient; its moment chosen by a rule.
    """

    state_class: ClassVar[type[RuleState]] = TriggeredState

    trigger: Rule[Any] = _checks.field(usual_trigger, a_trigger)
    cooldown: float | str = _checks.field(0.2, _checks.share, above=0, at_most=1)
    curve: str = _checks.field("linear", _checks.choice, allowed=("linear", "1-sqrt", "cosine"))
    final_learning_rate: float = _checks.field(0.0, _checks.rate, zero=True)

    @property
    def way_down(self) -> Descent:
        """The curve, and the rate at its end."""
        return Descent(self.curve, self.final_learning_rate)

    def earliest(self, epochs: int, steps_per_epoch: int | None = None, rests: int = 0) -> int:
        """Return after how many epochs the way down begins at the earliest."""
        latest = max(math.floor(epochs / (1 + float(self.cooldown))), 1)
        return min(super().earliest(epochs, steps_per_epoch, rests), latest)

    def act(self, state: TriggeredState, observation: Observation) -> TriggeredState:
        """Begin the way down."""
        if state.cooldown_from is not None:
            return self._on_the_way(state, observation)
        return self._begin(state, observation, f"{state.decision.seen}; time to come down")

    def idle(self, state: TriggeredState, observation: Observation) -> TriggeredState:
        """Begin the way down if it would not fit into the horizon any more."""
        if state.cooldown_from is not None:
            return self._on_the_way(state, observation)
        done, epochs = observation.epoch + 1, observation.epochs
        if epochs is None or done >= epochs or done + 1 + self._length(done + 1) <= epochs:
            return state
        latest = f"{done} of {epochs} epochs are done, the latest moment"
        return self._begin(state, observation, f"{latest}; {state.decision.seen}")

    def end_epoch(self, state: TriggeredState, observation: Observation) -> TriggeredState:
        """End the training with the epoch in which the way down ends."""
        if state.cooldown_to is None or observation.epoch + 1 < state.cooldown_to:
            return state
        observed = state.decision
        restore = observed.kind == "nonfinite" and state.inner.decision.restore_best
        done = "best weights restored, " * restore + "training ends"
        seen = f"{observed.seen}; the way down is over"
        return state.deciding("descent", seen, done, restore_best=restore, stop=True)

    def _length(self, done: int) -> int:
        return math.ceil(share_of(float(self.cooldown), done))

    def _begin(self, state: TriggeredState, observation: Observation, seen: str) -> TriggeredState:
        begin = observation.epoch + 1
        end = begin + self._length(begin)
        if observation.epochs is not None:
            end = min(end, observation.epochs)
        if begin >= end:
            return self.not_acting(state, "wait", "no epoch is left to come down in")
        state = dataclasses.replace(state, cooldown_from=begin, cooldown_to=end)
        where = f"from epoch {begin + 1} to {end}" if end > begin + 1 else f"in epoch {end}"
        way = f"down to {self.final_learning_rate:g} {where} ({self.curve})"
        return self.acting(state, "cooldown_start", seen, way)

    def _on_the_way(self, state: TriggeredState, observation: Observation) -> TriggeredState:
        assert state.cooldown_from is not None
        ended = state if self.every is not None else self.end_epoch(state, observation)
        if ended is not state:
            return ended
        since = f"on the way down since epoch {state.cooldown_from + 1}"
        return self.not_acting(state, "descent", since)
