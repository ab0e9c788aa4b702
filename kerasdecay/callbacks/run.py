"""One training: what is planned, what the rules remember, what was written. The single writer."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from kerasdecay.callbacks import optimizers
from kerasdecay.callbacks.plans import Plan
from kerasdecay.callbacks.trace import Event, Setup, Trace
from kerasdecay.callbacks.updates import Update
from kerasdecay.rules import Observation, Rule, RuleState


class Channel:
    """One optimizer's rate: its plan, its rules' states, and the rate it was left with.

    Args:
        key: Log name.
        plan: The open loop.
        rules: The rules.
        states: Their states, None to start afresh.
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
        self.rate = float("nan")
        self._open_loop = np.empty(0)

    @property
    def scale(self) -> float:
        """The product of what the rules have decided."""
        product = 1.0
        for state in self.states:
            product *= state.scale
        return product

    def begin_epoch(self, epoch: int) -> None:
        """Compute the epoch's open-loop rates."""
        self._open_loop = self.plan.rates(epoch)

    def planned(self, batch: int) -> float:
        """Return schedule × scale at a batch of this epoch."""
        return float(self._open_loop[min(batch, len(self._open_loop) - 1)]) * self.scale

    def last_planned(self) -> float:
        """Return schedule × scale at the epoch's last update."""
        return self.planned(len(self._open_loop) - 1)

    def advance(
        self, rules: tuple[Rule[Any], ...], epoch: int, metrics: Mapping[str, float]
    ) -> list[Event]:
        """Feed the rules an epoch's logs; return what they decided."""
        events = []
        for index, rule in enumerate(rules):
            before = self.last_planned()
            self.states[index] = rule.advance(
                self.states[index], Observation(epoch, metrics, before)
            )
            decision = self.states[index].decision
            name = type(rule).__name__
            events.append(Event(epoch, name, decision, before, self.last_planned(), self.key))
        return events


class Run:
    """A training under way: writes the rates of all channels and records them.

    Args:
        setup: How the training was set up.
        update: When rates are written.
        channels: One for each optimizer, in the order of `optimizers.leaves`.
        resting_epochs: Epochs from 0 on in which the rules rest, for the schedule warms up.
    """

    def __init__(
        self, setup: Setup, update: Update, channels: list[Channel], resting_epochs: int
    ) -> None:
        self.trace = Trace(setup)
        self.channels = channels
        self._update = update
        self._resting_epochs = resting_epochs
        self._epoch = setup.first_epoch
        self._wrote_once = False
        self._warned_of_writer = False

    @property
    def rates(self) -> list[float]:
        """The rates that the optimizers were left with."""
        return [channel.rate for channel in self.channels]

    def begin_epoch(self, model: Any, epoch: int) -> None:
        """Write the rate of the epoch's first update."""
        self._epoch = epoch
        if self._wrote_once:
            self._notice_other_writers(model)
        for channel in self.channels:
            channel.begin_epoch(epoch)
        self._write(model, 0, [channel.planned(0) for channel in self.channels])

    def begin_batch(self, callback: Any, batch: int) -> None:
        """Write the rate of a batch, if it is another; else leave the model alone.

        The model is taken from the callback only then: on JAX that alone copies its whole state.
        """
        if self._update.unit == "epoch":
            return
        rates = [channel.planned(batch) for channel in self.channels]
        if rates != self.rates:
            self._write(callback.model, batch, rates)

    def end_epoch(
        self, model: Any, epoch: int, logs: dict[str, Any], rules: tuple[Rule[Any], ...]
    ) -> list[Event]:
        """Put the rates used into the logs, feed the rules, write what they decided."""
        for channel in self.channels:
            logs[channel.key] = channel.rate
        metrics = {key: float(value) for key, value in logs.items() if _is_number(value)}
        self.trace.record_logs(epoch, metrics)
        if epoch < self._resting_epochs:
            return []
        decided = [
            event
            for channel in self.channels
            for event in channel.advance(rules, epoch, metrics)
        ]
        for event in decided:
            self.trace.record_decision(event)
        if any(event.kind == "reduce" for event in decided):
            reduced = [channel.last_planned() for channel in self.channels]
            for channel, optimizer, rate in self._paired(model, reduced):
                optimizers.write(optimizer, rate)
                channel.rate = rate
        return decided

    def _write(self, model: Any, batch: int, rates: list[float]) -> None:
        for channel, optimizer, rate in self._paired(model, rates):
            optimizers.write(optimizer, rate)
            channel.rate = rate
        self.trace.record_rates(self._epoch, batch, rates)
        self._wrote_once = True

    def _paired(self, model: Any, rates: list[float]) -> Iterable[tuple[Channel, Any, float]]:
        return zip(self.channels, optimizers.leaves(model).values(), rates, strict=True)

    def _notice_other_writers(self, model: Any) -> None:
        if self._warned_of_writer:
            return
        for channel, optimizer, left in self._paired(model, self.rates):
            found = optimizers.read(optimizer)
            if not optimizers.same(found, left):
                self._warned_of_writer = True
                warnings.warn(
                    f"{self.trace.setup.decay}: something else also writes the optimizer's "
                    f"{channel.key}: it was left at {left:g} and is {found:g} at the start "
                    f"of epoch {self._epoch + 1}. Only one callback may set the rate; look for "
                    "LearningRateScheduler, ReduceLROnPlateau or a second decay in callbacks=[…].",
                    stacklevel=2,
                )
                return


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
