"""Who writes the optimizer: the host, before an epoch or a batch, or the compiled step itself."""

from __future__ import annotations

import abc
import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from kerasdecay.callbacks import compiled, optimizers
from kerasdecay.callbacks.channel import Channel
from kerasdecay.callbacks.plans import SchedulePlan
from kerasdecay.records import Trace


class Writer(abc.ABC):
    """Brings the planned rates of all channels into a model's optimizers.

    Args:
        channels: One for each optimizer, in the order of `optimizers.leaves`.
        trace: Where the rates are recorded.
    """

    def __init__(self, channels: list[Channel], trace: Trace) -> None:
        self.channels = channels
        self.trace = trace
        self._warned = False

    @abc.abstractmethod
    def begin_epoch(self, model: Any, epoch: int) -> None:
        """Bring the rate of the epoch's first batch."""

    def begin_batch(self, callback: Any, epoch: int, batch: int) -> None:
        """Bring the rate of a batch; nothing to do unless the host writes batches."""
        return

    @abc.abstractmethod
    def end_epoch(self, model: Any, epoch: int) -> None:
        """Settle which rates the epoch's steps had: it may have ended before its time."""

    @abc.abstractmethod
    def apply_scale(self, model: Any) -> None:
        """Write what the rules have just decided, after an epoch."""

    def end(self, model: Any) -> None:
        """Leave the optimizers ordinary ones, at their last rates: nothing to do if they are."""
        return

    def paired(self, model: Any) -> Iterator[tuple[Channel, Any]]:
        """Return each channel with its optimizer."""
        return zip(self.channels, optimizers.leaves(model).values(), strict=True)

    def notice_others(self, model: Any, epoch: int) -> None:
        """Look whether the rates are those that were left there; warn once if they are not."""
        for channel, optimizer in self.paired(model):
            found = optimizers.read(optimizer)
            if math.isnan(channel.held) or optimizers.same(found, channel.held):
                continue
            if not self._warned:
                self._warned = True
                warnings.warn(
                    f"{self.trace.setup.decay}: something else also writes the optimizer's "
                    f"{channel.key}: it was left at {channel.held:g} and is {found:g} in epoch "
                    f"{epoch + 1}. Only one callback may set the rate; look for "
                    "LearningRateScheduler, ReduceLROnPlateau or a second decay in callbacks=[…].",
                    stacklevel=2,
                )
            channel.held = found

    def _write(self, model: Any, values: list[float]) -> None:
        for (channel, optimizer), value in zip(self.paired(model), values, strict=True):
            optimizers.write(optimizer, value)
            channel.held = value


class HostWriter(Writer):
    """Writes the rate itself: `update="epoch"`, `"batch"` and `"20 steps"`.

    A planned list of one rate holds for its whole epoch.
    """

    def begin_epoch(self, model: Any, epoch: int) -> None:
        """Write the first rate, whatever the optimizer holds."""
        self._planned = list(zip(*(channel.planned() for channel in self.channels), strict=True))
        self._set(model, epoch, 0)

    def begin_batch(self, callback: Any, epoch: int, batch: int) -> None:
        """Write a batch's rate if it is another than the one before.

        The model is asked for only then: on JAX that alone copies its whole state. The first time
        in an epoch shows whether a callback listed later has set the rate of its first batches.
        """
        if batch < len(self._planned) and self._planned[batch] != self._present:
            model = callback.model
            if self._batch == 0:
                self.notice_others(model, epoch)
            self._set(model, epoch, batch)

    def end_epoch(self, model: Any, epoch: int) -> None:
        """Forget the batches that were not reached, or lay within an execution of several."""
        for channel in self.channels:
            channel.correct(channel.open_loop[: self._batch + 1])

    def apply_scale(self, model: Any) -> None:
        """Write the last rate times the new scale."""
        self._write(model, [channel.last_planned() for channel in self.channels])
        for channel in self.channels:
            channel.rate = channel.held

    def _set(self, model: Any, epoch: int, batch: int) -> None:
        self._batch, self._present = batch, self._planned[batch]
        self._write(model, list(self._present))
        for channel in self.channels:
            channel.rate = channel.held
        self.trace.record_rates(epoch, batch, self._present)


class CompiledWriter(Writer):
    """Lets the compiled step compute the rate: `update="compiled"`.

    The optimizer's variable holds base × scale, a real rate, and is written only when the scale
    changes. The step multiplies it by schedule / base.
    """

    def __init__(self, channels: list[Channel], trace: Trace) -> None:
        super().__init__(channels, trace)
        self._installed: dict[str, SchedulePlan] = {}
        self._begun_at: dict[str, int] = {}

    def begin_epoch(self, model: Any, epoch: int) -> None:
        """Install the schedule at the first epoch; write base × scale if it is not there yet.

        Where an epoch had fewer steps than it should, the schedule is installed anew, at its place;
        likewise when a rule has brought it down.
        Steps that loss scaling skips are not such a case: the schedule then waits with the updates.
        """
        if not self._installed:
            for channel, optimizer in self.paired(model):
                assert isinstance(channel.plan, SchedulePlan)
                compiled.check(optimizer, channel.plan)
        may_skip = optimizers.may_skip_steps(model)
        for channel, optimizer in self.paired(model):
            plan = channel.plan_in_force
            assert isinstance(plan, SchedulePlan)
            done = epoch * plan.timeline.updates_per_epoch
            present = compiled.next_step(optimizer)
            strayed = present != done and not may_skip
            if present is None or strayed or self._installed.get(channel.key) is not plan:
                base = compiled.reference(channel.plan)
                compiled.install(model, optimizer, plan, base, done)
                self._installed[channel.key] = plan
                present = done
            self._begun_at[channel.key] = present
        self.apply_scale(model)

    def end_epoch(self, model: Any, epoch: int) -> None:
        """Find out how many steps were made, and with which rates.

        They alone are recorded, as the first batches of the epoch: which ones loss scaling has
        skipped, nobody tells.
        """
        steps = self._steps_made(model)
        for channel in self.channels:
            first = self._begun_at[channel.key]
            used = self._installed[channel.key].rates_of(np.arange(first, first + steps))
            channel.correct(used.tolist())
            channel.rate = channel.last_planned()
        rates = zip(*(channel.planned() for channel in self.channels), strict=True)
        for batch, present in enumerate(rates):
            self.trace.record_rates(epoch, batch, present)

    def apply_scale(self, model: Any) -> None:
        """Write base × scale, if it has changed."""
        values = [compiled.reference(channel.plan) * channel.scale for channel in self.channels]
        if values != [channel.held for channel in self.channels]:
            self._write(model, values)

    def end(self, model: Any) -> None:
        """Take the schedule out of the optimizers again."""
        compiled.release(model)
        self._write(model, [channel.last_planned() for channel in self.channels])
        for channel in self.channels:
            channel.rate = channel.held

    def _steps_made(self, model: Any) -> int:
        """Return how many steps the epoch had: 1 if none was made, for one was tried.

        Of several optimizers, one to which no variable belongs never steps.
        """
        made = (
            (compiled.next_step(optimizer) or 0) - self._begun_at[channel.key]
            for channel, optimizer in self.paired(model)
        )
        return max(1, *made)
