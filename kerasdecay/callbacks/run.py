"""One training: what is planned, what the rules remember, what was written. The single writer."""

from __future__ import annotations

from typing import Any

from kerasdecay.callbacks.channel import Channel
from kerasdecay.callbacks.measurements import MEASUREMENTS
from kerasdecay.callbacks.updates import Update
from kerasdecay.callbacks.writers import CompiledWriter, HostWriter
from kerasdecay.records import Event, Setup, Trace
from kerasdecay.rules import Observation, Rule


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
        self._writer = (CompiledWriter if update.compiled else HostWriter)(channels, self.trace)
        self._resting_epochs = resting_epochs
        self._epoch = setup.first_epoch

    def begin_epoch(self, model: Any, epoch: int) -> None:
        """Bring the rate of the epoch's first update."""
        self._epoch = epoch
        self._writer.notice_others(model, epoch)
        for channel in self.channels:
            channel.begin_epoch(epoch)
        self._writer.begin_epoch(model, epoch)

    def begin_batch(self, callback: Any, batch: int) -> None:
        """Bring the rate of a batch; the callback's model is touched only if that is another."""
        self._writer.begin_batch(callback, self._epoch, batch)

    def end_epoch(
        self,
        model: Any,
        epoch: int,
        logs: dict[str, Any],
        rules: tuple[Rule[Any], ...],
        losses: tuple[float, ...] = (),
    ) -> list[Event]:
        """Put the rates used into the logs, feed the rules, write what they decided.

        Args:
            model: The model.
            epoch: The epoch that has ended.
            logs: Its logs; the rates and what the rules have measured are added.
            rules: The rules, their directions settled.
            losses: The loss of each batch, if a rule asks for them.
        """
        self._writer.end_epoch(model, epoch)
        for channel in self.channels:
            logs[channel.key] = channel.rate
        for name in {rule.measurement for rule in rules if rule.measurement is not None}:
            logs[name] = MEASUREMENTS[name](model)
        metrics = {key: float(value) for key, value in logs.items() if _is_number(value)}
        self.trace.record_logs(epoch, metrics)
        if epoch < self._resting_epochs:
            return []
        seen = Observation(epoch, metrics, epochs=self.trace.setup.epochs, losses=losses)
        decided = [event for channel in self.channels for event in channel.observe(rules, seen)]
        for event in decided:
            self.trace.record_decision(event)
        if any(event.decision.changes_rate for event in decided):
            self._writer.apply_scale(model)
        return decided

    def end(self, model: Any) -> None:
        """Leave the optimizers ordinary ones, at their last rates."""
        self._writer.end(model)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
