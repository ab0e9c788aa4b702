"""The probe inside `fit`: tries rising rates on its first batches, and puts everything back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasdecay._warnings import warn
from kerasdecay.control.probe import Probe, probe_steps
from kerasdecay.control.range_test import most_cautious
from kerasdecay.records import Trace
from kerasdecay.records.numbers import as_number
from kerasdecay.records.range import Choice
from kerasdecay.training import find
from kerasdecay.training.beginning import Beginning
from kerasdecay.training.snapshot import Snapshot, build, copied
from kerasdecay.training.targets import RateTarget
from kerasdecay.training.units import moving_units


class Probing:
    """A probe under way.

    Args:
        model: The model, before its first batch.
        beginning: The training that begins, with rates that are to be found.
        steps: The batches of the probe.
    """

    def __init__(self, model: Any, beginning: Beginning, steps: int) -> None:
        build(model)
        self._first_rates = {key: target.read() for key, target in beginning.targets.items()}
        beginning.write_given()  # before the snapshot: each trial trains beside these rates
        self._snapshot = Snapshot(model)
        self._beginning = beginning
        self._targets = targets = beginning.automatic
        optimizers = [target.optimizer for target in targets.values()]
        self._probe = Probe(
            steps,
            most_cautious(find.optimizer_kind(optimizer) for optimizer in optimizers),
            # An optimizer that accumulates gradients moves nothing before.
            max(getattr(each, "gradient_accumulation_steps", None) or 1 for each in optimizers),
        )
        self._model = model
        self._look: _Look | None = None
        self._trial: Snapshot | None = None
        self._tried: list[tuple[int, int, float]] = []  # epoch, batch, rate: of batches that came
        self._begun = (0, 0, self._probe.rate)

    @property
    def is_done(self) -> bool:
        """Whether the probe has seen enough."""
        return self._probe.is_done

    def begin_epoch(self, epoch: int) -> None:
        """Go on with the trial that the epoch before has left."""
        if self._trial is not None:
            self._trial.restore()
            self._trial = None
        self.begin_batch(epoch, 0)

    def end_epoch(self, logs: dict[str, Any]) -> None:
        """Log the rate, and put everything back until the next epoch.

        A model that is saved in between, and trained on after a crash, is then no trial.
        """
        self.log(logs)
        self._trial = Snapshot(self._model)
        self.put_back()

    def begin_batch(self, epoch: int, batch: int) -> bool:
        """Write the rate that is tried with this batch, and those of its execution.

        Returns:
            Whether everything was put back before it, for a new trial.
        """
        restarts = self._probe.restarts
        if restarts:
            self._snapshot.restore()
            self._look = None  # of a trial that ended in it
        if self._probe.looks:
            # With moments from before, a network that has died goes on moving for many batches.
            self._snapshot.restore_optimizers()
            self._look = _Look(self._model)
        for target in self._targets.values():
            target.write(self._probe.rate)
        self._begun = (epoch, batch, self._probe.rate)
        return restarts

    def add(self, loss: float) -> None:
        """Take the loss of the batch."""
        self._tried.append(self._begun)
        alive = None
        if self._look is not None:
            self._look.batches += 1
            if self._look.batches == self._probe.look_batches:
                alive, self._look = self._look.alive(), None
        self._probe.add(loss, alive)

    def put_back(self) -> None:
        """Put everything back, the rates too."""
        self._snapshot.restore()
        for key, rate in self._first_rates.items():
            self._beginning.targets[key].write(rate)

    def end(self) -> Beginning:
        """Put everything back, and return the beginning with the rates that were found."""
        self.put_back()
        return self._beginning.probed(self._probe.choice())

    def recover(self, targets: Mapping[str, RateTarget]) -> None:
        """Put everything back where a training was interrupted within its probe, by Ctrl-C say.

        These are the rates of the training that begins: they tell whether the optimizers still hold
        what was tried last.
        """
        if all(
            key in targets
            and targets[key].optimizer is target.optimizer
            and target.same(target.read(), self._begun[2])
            for key, target in self._targets.items()
        ):
            self.put_back()
            self._warn(
                "the training before was interrupted while rates were tried for it. The model and "
                "its optimizer are put back to where it began."
            )

    def require_loss(self, logs: Mapping[str, Any]) -> None:
        """Put everything back and raise a ValueError where the logs of a batch hold no loss."""
        if as_number(logs.get("loss")) is not None:
            return
        self.put_back()
        raise ValueError(
            f'{self._beginning.plan.owner}: "auto" finds a rate by the loss of each batch, and the '
            f'logs of a batch hold no number as their "loss". There are: '
            f'{", ".join(logs) or "none"}. Let train_step return one as "loss", or give an initial '
            'rate instead of "auto".'
        )

    def warn_untrained(self) -> None:
        """Warn that the training has ended within the probe."""
        self._warn(
            "the training has ended while rates were tried for it, and all was put back: the model "
            'is not trained. Train it for more batches, or give an initial rate instead of "auto".'
        )

    def _warn(self, what: str) -> None:
        warn(f"{self._beginning.plan.owner}: {what}")

    def log(self, logs: dict[str, Any]) -> None:
        """Log the rate that was tried last, in an epoch that has seen no other."""
        if not self._tried:  # no batch came
            return
        for key, target in self._targets.items():
            logs.setdefault(key, target.stored(self._tried[-1][2]))

    def record(self, trace: Trace) -> None:
        """Record the rates that were tried, before those of the training.

        Those of an optimizer that has come later stay out, for the first rows alone are a probe's.
        """
        if self._beginning.former is not None:
            return
        for epoch, batch, rate in self._tried:
            trace.record_tried(epoch, batch, rate)


def probed(model: Any, beginning: Beginning) -> Probing | Beginning:
    """Return the probe that a training begins with, or the beginning of one that needs none.

    Args:
        model: The model, before its first batch.
        beginning: What is known of the training.
    """
    if not beginning.automatic:
        return beginning
    timeline, total = beginning.plan.timeline, None
    if timeline.steps_per_epoch is not None:
        end = min(timeline.epochs, beginning.plan.fit_epochs or timeline.epochs)
        total = timeline.steps_per_epoch * (end - beginning.epoch)
    steps = probe_steps(total)
    if steps:
        if beginning.epoch and any(one.has_trained for one in beginning.found.values()):
            warn(
                f"{beginning.plan.owner}: the training goes on at epoch {beginning.epoch + 1}, and "
                "nothing tells the rate that was found for it: rates are tried anew, on a model "
                "that has been trained. Pass state_path=…, or that rate."
            )
        return Probing(model, beginning, steps)
    why = f"no suggestion, because a run of {total} batches is too short to try rates in"
    return beginning.probed(Choice(None, why))


class _Look:
    """Which units' weights some batches move: what has died gets no gradient.

    Args:
        model: The model, before the first of these batches.
    """

    def __init__(self, model: Any) -> None:
        self.batches = 0
        self._variables = list(model.trainable_variables)
        self._before = [copied(variable).astype("float32") for variable in self._variables]

    def alive(self) -> float | None:
        """Return the share of the kernels' units that moved; None if nothing did at all.

        Nothing moves where a scaled loss overflows, or with a rate that is lost in rounding.
        """
        after = [copied(variable).astype("float32") for variable in self._variables]
        if not any((now != then).any() for now, then in zip(after, self._before, strict=True)):
            return None
        units = [
            moving_units(now, then)
            for now, then in zip(after, self._before, strict=True)
            if now.ndim >= 2
        ]
        return float(np.mean(np.concatenate(units))) if units else None
