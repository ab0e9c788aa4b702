"""Shows each batch to the rules that decide within epochs, and brings about what they decide."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasdecay.records import Event
from kerasdecay.rules import BatchObservation, Rule
from kerasdecay.training.guard import Guard
from kerasdecay.training.session import Session


class BatchRules:
    """The rules of one training that watch its batches."""

    def __init__(self, model: Any, rules: tuple[Rule[Any], ...]) -> None:
        self._guard = Guard(model) if any(rule.puts_back for rule in rules) else None

    def watch(
        self,
        callback: Any,
        session: Session,
        rules: tuple[Rule[Any], ...],
        seen: BatchObservation,
    ) -> list[Event]:
        """Show a batch to the rules, put back what they say is lost, and bring the new rates.

        The callback's model is asked for only where it is needed: on JAX that copies the whole
        state of the training. Returns what the rules, their directions settled, decided.
        """
        taken = None
        if self._guard is not None and session.controller.looks:
            taken, look = self._guard.look(callback.model)
            seen = dataclasses.replace(seen, look=look)
        events = session.observe_batch(rules, seen)
        which = {event.decision.put_back for event in events} - {""}
        if which:
            assert self._guard is not None  # else nobody may say so
            guard, state = self._guard, min(which)  # "first" goes furthest back
            model = callback.model
            session.put_back(model, lambda: guard.put_back(model, state), seen.batch)
            return events
        if self._guard is not None and session.controller.confirms:
            self._guard.confirm()
        if self._guard is not None and taken is not None:
            self._guard.hold(taken)
        restores = any(event.decision.restore_best for event in events)  # which brings them too
        if not restores and any(event.decision.changes_rate for event in events):
            _ = callback.model  # on JAX this brings the state of the training into the variables
            session.rescale(seen.batch)
        return events
