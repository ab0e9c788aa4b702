"""Rules that wait for another rule's reduction, and do something else at it."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Generic, Self, TypeVar

from kerasdecay import _checks
from kerasdecay.rules.base import Rule
from kerasdecay.rules.monitor import finite_or
from kerasdecay.rules.observation import Observation
from kerasdecay.rules.state import Decision, RuleState


@dataclasses.dataclass(frozen=True)
class TriggeredState(RuleState):
    """The trigger's own state, beside what the rule itself decided."""

    inner: RuleState = dataclasses.field(default_factory=RuleState)


State = TypeVar("State", bound=TriggeredState)


@dataclasses.dataclass(frozen=True)
class Triggered(Rule[State], Generic[State]):
    """A rule that another rule sets off: whatever that asks of a rule, this asks too.

    Args:
        trigger: A rule that reduces; its reductions set this one off, and its own scale is ignored.

    Raises:
        ValueError: If the trigger is no rule, or one that never reduces: an `AdaptiveKnee`.
    """

    trigger: Rule[Any]

    def __post_init__(self) -> None:
        if not isinstance(self.trigger, Rule) or self.trigger.way_down is not None:
            allowed = "a rule that reduces, such as Plateau('val_loss')"
            remedy = "A rate belongs in the schedule, not in the rule."
            raise _checks.invalid(type(self).__name__, "trigger", allowed, self.trigger, remedy)

    @abc.abstractmethod
    def fired(self, state: State, observation: Observation) -> State:
        """Return the state, what the trigger has seen inside, after an epoch in which it fired."""

    @abc.abstractmethod
    def held(self, state: State, observation: Observation) -> State:
        """Return the state, the trigger's decision inside, after an epoch in which it has not."""

    def initial_state(self) -> State:
        """Return the state before any observation."""
        return self.state_class(inner=self.trigger.initial_state())  # type: ignore[call-arg, return-value]

    def state_from_data(self, data: Mapping[str, Any]) -> State:
        """Reverse `RuleState.to_data`."""
        state = super().state_from_data(data)
        return dataclasses.replace(state, inner=self.trigger.state_from_data(data["inner"]))

    def advance(self, state: State, observation: Observation) -> State:
        """Return the state after one more epoch."""
        inner = self.trigger.advance(state.inner, observation)
        decision = told = inner.decision
        if told.changes_rate:  # what the trigger would have done about the rate is not done
            inner = dataclasses.replace(inner, scale=1.0)
            value = observation.metrics.get(self.watched, 0.0)
            decision = Decision(finite_or("wait", value), told.seen)
        state = dataclasses.replace(state, inner=inner, decision=decision)
        if told.kind == "reduce":
            return self.fired(state, observation)
        return self.held(state, observation)

    def directed(self, find: Callable[[str], str | None]) -> Self:
        """Return the rule with its trigger's direction settled."""
        return dataclasses.replace(self, trigger=self.trigger.directed(find))

    @property
    def undirected(self) -> str | None:
        """The trigger's."""
        return self.trigger.undirected

    @property
    def watched(self) -> str:
        """The trigger's."""
        return self.trigger.watched

    @property
    def measurement(self) -> str | None:
        """The trigger's."""
        return self.trigger.measurement

    @property
    def needs_batch_losses(self) -> bool:
        """The trigger's."""
        return self.trigger.needs_batch_losses

    @property
    def restores_best_weights(self) -> bool:
        """The trigger's."""
        return self.trigger.restores_best_weights

    @property
    def depends_on_rate(self) -> bool:
        """The trigger does."""
        return self.trigger.depends_on_rate

    @staticmethod
    def waiting(state: State, kind: str, why: str) -> State:
        """Tell what the trigger has seen, and why nothing follows from it.

        That the metric was absent or no number goes before `kind`.
        """
        if state.decision.kind in ("absent", "nonfinite"):
            kind = state.decision.kind
        return state.deciding(kind, f"{state.decision.seen}; {why}")

    @staticmethod
    def obeying(state: State, kind: str, seen: str, done: str) -> State:
        """Return the state with a decision at which the trigger's wish for the weights is heard."""
        restore = state.inner.decision.restore_best
        done += ", best weights restored" * restore
        return state.deciding(kind, seen, done, restore_best=restore)
