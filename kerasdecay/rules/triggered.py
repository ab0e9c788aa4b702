"""Rules that wait for another rule to reduce the rate, and do something else instead."""

from __future__ import annotations

import abc
import dataclasses
import operator
from collections.abc import Callable, Mapping
from typing import Any, Generic, Self, TypeVar

from kerasdecay import _checks
from kerasdecay.rules.base import Rule
from kerasdecay.rules.monitor import kind_of
from kerasdecay.rules.observation import Observation
from kerasdecay.rules.state import Decision, RuleState


@dataclasses.dataclass(frozen=True)
class TriggeredState(RuleState):
    """The trigger's own state, beside what the rule itself decided."""

    inner: RuleState = dataclasses.field(default_factory=RuleState)


State = TypeVar("State", bound=TriggeredState)


def a_trigger(owner: str, argument: str, value: Any) -> Rule[Any]:
    """Return `value` if it is a rule that reduces, or raise a ValueError."""
    if isinstance(value, Rule) and value.watches_batches and value.every is None:
        allowed = "a rule that reduces at an epoch's end, such as Plateau('val_loss')"
        remedy = "Put it beside this rule instead, into the callback's rules=[…]."
        raise _checks.invalid(owner, argument, allowed, value, remedy)
    if not isinstance(value, Rule) or value.way_down is not None:
        allowed = "a rule that reduces, such as Plateau('val_loss')"
        remedy = "A rate belongs in the schedule, not in the rule."
        if isinstance(value, str):
            remedy = "Write the rule itself."
        raise _checks.invalid(owner, argument, allowed, value, rule_meant(value) or remedy)
    return value


def rule_meant(value: Any) -> str:
    """Return what to write for a class, or for a callback, in the place of a rule; else nothing."""
    own = () if isinstance(value, type) else getattr(value, "rules", ())
    return f"Take its rule: {type(own[0]).__name__}(…)." if own else _checks.made(value, Rule)


def _of_trigger(name: str) -> Any:
    """Return a property that is the trigger's."""
    return property(operator.attrgetter(f"trigger.{name}"), doc=f"The trigger's `{name}`.")


@dataclasses.dataclass(frozen=True)
class Triggered(Rule[State], Generic[State]):
    """A rule that acts when another rule reduces. It has the needs of that rule.

    The trigger's own scale is ignored. `every` is how often the trigger observes; None: as its own
    `every` says. A trigger never comes down to the horizon, nor decides by itself within epochs.
    """

    trigger: Rule[Any] = _checks.field(..., a_trigger)

    watched = _of_trigger("watched")
    waits = _of_trigger("waits")
    measurement = _of_trigger("measurement")
    needs_batch_losses = _of_trigger("needs_batch_losses")
    restores_best_weights = _of_trigger("restores_best_weights")
    restores_optimizer = _of_trigger("restores_optimizer")
    depends_on_rate = _of_trigger("depends_on_rate")
    undirected = _of_trigger("undirected")

    def __post_init__(self) -> None:
        """Check every field, and observe as often as the trigger does."""
        super().__post_init__()
        inside = self.trigger.every
        if inside is not None and self.every not in (None, inside):
            allowed = f"None or the trigger's own, {inside!r}"
            raise _checks.invalid(self.owner(), "every", allowed, self.every)
        object.__setattr__(self, "every", self.every or inside)

    @abc.abstractmethod
    def act(self, state: State, observation: Observation) -> State:
        """Return the state after an epoch in which the trigger has reduced."""

    @abc.abstractmethod
    def idle(self, state: State, observation: Observation) -> State:
        """Return the state after an epoch in which the trigger has not reduced; see `act`."""

    def earliest(self, epochs: int, steps_per_epoch: int | None = None, rests: int = 0) -> int:
        """Return what holds for the trigger."""
        return self.trigger.earliest(epochs, steps_per_epoch, rests)

    def initial_state(self) -> State:
        """Return the state before any observation."""
        return self.state_class(inner=self.trigger.initial_state())  # type: ignore[call-arg, return-value]

    def state_from_data(self, data: Mapping[str, Any]) -> State:
        """Reverse `RuleState.to_data`."""
        state = super().state_from_data(data)
        return dataclasses.replace(state, inner=self.trigger.state_from_data(data["inner"]))

    def directed(self, find: Callable[[str], str | None]) -> Self:
        """Return the rule with its trigger's direction replaced; see `Rule.directed`."""
        return dataclasses.replace(self, trigger=self.trigger.directed(find))

    def advance(self, state: State, observation: Observation) -> State:
        """Return the state after one more epoch."""
        inner = self.trigger.advance(state.inner, observation)
        decision = triggers = inner.decision
        if triggers.changes_rate:  # the trigger's own change of the rate is not made
            inner = dataclasses.replace(inner, scale=1.0)
            value = observation.value(self.watched)
            decision = Decision(kind_of("wait", 0.0 if value is None else value), triggers.seen)
        state = dataclasses.replace(state, inner=inner, decision=decision)
        if triggers.kind == "reduce":
            return self.act(state, observation)
        return self.idle(state, observation)

    @staticmethod
    def not_acting(state: State, kind: str, why: str) -> State:
        """Return the state with a decision to do nothing: what was observed, and why.

        An absent or non-finite metric keeps its kind; the best weights are still asked for then, if
        the trigger asks for them.
        """
        observed = state.decision
        if observed.kind in ("absent", "nonfinite"):
            kind = observed.kind
        restore = observed.kind == "nonfinite" and state.inner.decision.restore_best
        done = "best weights restored" * restore
        return state.deciding(kind, f"{observed.seen}; {why}", done, restore_best=restore)

    @staticmethod
    def acting(state: State, kind: str, seen: str, done: str) -> State:
        """Return the state with a decision, and the best weights if the trigger asks for them."""
        restore = state.inner.decision.restore_best
        done += ", best weights restored" * restore
        return state.deciding(kind, seen, done, restore_best=restore)
