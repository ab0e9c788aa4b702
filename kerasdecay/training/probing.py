"""The probe inside `fit`: tries rising rates on its first batches, and puts everything back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerasdecay.control.probe import Probe
from kerasdecay.records import Trace
from kerasdecay.records.range import Choice
from kerasdecay.training.snapshot import Snapshot, build_optimizer
from kerasdecay.training.targets import RateTarget


class Probing:
    """A probe under way.

    Args:
        model: The model, before its first batch.
        targets: The rates that are to be found.
        probe: Which rates to try, and what follows from the losses.
    """

    def __init__(self, model: Any, targets: Mapping[str, RateTarget], probe: Probe) -> None:
        build_optimizer(model)
        self._snapshot = Snapshot(model)
        self._targets = targets
        self._probe = probe
        self._first_rates = {key: target.read() for key, target in targets.items()}
        self._tried: list[tuple[int, int, float]] = []  # epoch, batch, rate: of batches that came
        self._begun = (0, 0, self._probe.rate)

    @property
    def is_done(self) -> bool:
        """Whether the probe has seen enough."""
        return self._probe.is_done

    def begin_batch(self, epoch: int, batch: int) -> bool:
        """Write the rate that is tried with this batch, and those of its execution.

        Returns:
            Whether everything was put back before it, for a new trial.
        """
        restarts = self._probe.restarts
        if restarts:
            self._snapshot.restore()
        for target in self._targets.values():
            target.write(self._probe.rate)
        self._begun = (epoch, batch, self._probe.rate)
        return restarts

    def add(self, loss: float) -> None:
        """Take the loss of the batch."""
        self._tried.append(self._begun)
        self._probe.add(loss)

    def end(self) -> Choice:
        """Put everything back, the rates too, and return what was found."""
        self._snapshot.restore()
        for key, target in self._targets.items():
            target.write(self._first_rates[key])
        return self._probe.choice()

    def is_left_in(self, targets: Mapping[str, RateTarget]) -> bool:
        """Whether the optimizers still hold what was tried last, as after Ctrl-C."""
        return all(
            key in targets
            and targets[key].optimizer is target.optimizer
            and target.same(target.read(), self._begun[2])
            for key, target in self._targets.items()
        )

    def log(self, logs: dict[str, Any]) -> None:
        """Log the rate that was tried last, in an epoch that has seen no other."""
        if not self._tried:  # no batch came
            return
        for key, target in self._targets.items():
            logs.setdefault(key, target.held(self._tried[-1][2]))

    def record(self, trace: Trace) -> None:
        """Record the rates that were tried, before those of the training."""
        for epoch, batch, rate in self._tried:
            trace.record_rates(epoch, batch, [rate] * len(trace.setup.base_rates))
