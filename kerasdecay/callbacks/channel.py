"""One optimizer's rate: its plan, its rules' states, the rate in force."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay.callbacks.plans import Plan
from kerasdecay.records import Event
from kerasdecay.rules import Observation, Rule, RuleState


class Channel:
    """What a training knows of one optimizer's rate.

    Args:
        key: Log name.
        plan: The open loop, as it is before a rule brings it down.
        rules: The rules.
        states: Their states, None to start afresh.

    Attributes:
        rate: The rate in force, NaN before the first write.
        held: What the optimizer's variable was left with.
        open_loop: The schedule's rates of the epoch: one, or one for each batch.
    """

    def __init__(
        self,
        key: str,
        plan: Plan,
        rules: tuple[Rule[Any], ...],
        states: tuple[RuleState, ...] | None = None,
    ) -> None:
        self.key = key
        self.plan = self.plan_in_force = plan
        self._rules = rules
        self.states = list(states or (rule.initial_state() for rule in rules))
        self.rate = self.held = float("nan")
        self.open_loop: list[float] = []

    @property
    def scale(self) -> float:
        """The product of what the rules have decided."""
        product = 1.0
        for state in self.states:
            product *= state.scale
        return product

    def begin_epoch(self, epoch: int) -> None:
        """Compute the epoch's open-loop rates."""
        self._cool_down()
        self.open_loop = self.plan_in_force.rates(epoch).tolist()

    def correct(self, open_loop: list[float]) -> None:
        """Put the open-loop rates that an epoch really had in the place of those computed."""
        self.open_loop = open_loop

    def planned(self) -> list[float]:
        """Return schedule × scale for the epoch: one rate, or one for each batch."""
        scale = self.scale
        return [rate * scale for rate in self.open_loop]

    def last_planned(self) -> float:
        """Return schedule × scale at the epoch's last update."""
        return self.open_loop[-1] * self.scale

    def observe(self, rules: tuple[Rule[Any], ...], seen: Observation) -> list[Event]:
        """Feed the rules what an epoch showed; return what they decided.

        Args:
            rules: The rules, their directions settled.
            seen: All but the rates, which are this optimizer's.
        """
        events = []
        for index, rule in enumerate(rules):
            before = self.last_planned()
            observation = dataclasses.replace(
                seen, learning_rate=before, planned=self.open_loop[-1]
            )
            self.states[index] = rule.advance(self.states[index], observation)
            decision = self.states[index].decision
            after = self.last_planned()
            events.append(Event(seen.epoch, type(rule).__name__, decision, before, after, self.key))
        return events

    def _cool_down(self) -> None:
        """Let the plan come down from where a rule has decided."""
        if self.plan_in_force is not self.plan:
            return
        for rule, state in zip(self._rules, self.states, strict=True):
            if state.cooldown_from is not None and rule.way_down is not None:
                self.plan_in_force = self.plan.cooled(rule.way_down, state.cooldown_from)
                return
