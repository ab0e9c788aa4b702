"""One optimizer's rate: its plan, its rules' states, the rate in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerasdecay.callbacks.plans import Plan
from kerasdecay.callbacks.trace import Event
from kerasdecay.rules import Observation, Rule, RuleState


class Channel:
    """What a training knows of one optimizer's rate.

    Args:
        key: Log name.
        plan: The open loop.
        rules: The rules.
        states: Their states, None to start afresh.

    Attributes:
        rate: The rate in force, NaN before the first write.
        held: What the optimizer's variable was left with.
    """

    def __init__(
        self,
        key: str,
        plan: Plan,
        rules: tuple[Rule[Any], ...],
        states: tuple[RuleState, ...] | None = None,
    ) -> None:
        self.key = key
        self.plan = plan
        self.states = list(states or (rule.initial_state() for rule in rules))
        self.rate = self.held = float("nan")
        self._open_loop: list[float] = []

    @property
    def scale(self) -> float:
        """The product of what the rules have decided."""
        product = 1.0
        for state in self.states:
            product *= state.scale
        return product

    def begin_epoch(self, epoch: int) -> None:
        """Compute the epoch's open-loop rates."""
        self._open_loop = self.plan.rates(epoch).tolist()

    def planned(self) -> list[float]:
        """Return schedule × scale for the epoch: one rate, or one for each batch."""
        scale = self.scale
        return [rate * scale for rate in self._open_loop]

    def last_planned(self) -> float:
        """Return schedule × scale at the epoch's last update."""
        return self._open_loop[-1] * self.scale

    def advance(
        self, rules: tuple[Rule[Any], ...], epoch: int, metrics: Mapping[str, float]
    ) -> list[Event]:
        """Feed the rules an epoch's logs; return what they decided."""
        events = []
        for index, rule in enumerate(rules):
            before = self.last_planned()
            observation = Observation(epoch, metrics, before)
            self.states[index] = rule.advance(self.states[index], observation)
            decision = self.states[index].decision
            name = type(rule).__name__
            events.append(Event(epoch, name, decision, before, self.last_planned(), self.key))
        return events
