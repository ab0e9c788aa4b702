"""The compiled step computes the rate: `update="compiled"`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasdecay.control import ScheduledRates, Track
from kerasdecay.records import Trace
from kerasdecay.training import compiled
from kerasdecay.training.actuator import Actuator
from kerasdecay.training.targets import RateTarget

_CHUNK = 65536
"""Steps whose rates are recorded at a time."""


class CompiledActuator(Actuator):
    """Lets the compiled step compute the rate.

    The optimizer's variable holds base × scale, a real rate, and is written only when the scale
    changes. The step multiplies it by schedule / base.

    Args:
        tracks: What the rates should be.
        targets: Where they go.
        trace: Where they are recorded.
        may_skip: Whether loss scaling may skip steps.
    """

    def __init__(
        self,
        tracks: list[Track],
        targets: Mapping[str, RateTarget],
        trace: Trace,
        *,
        may_skip: bool,
    ) -> None:
        super().__init__(tracks, targets, trace)
        self._may_skip = may_skip
        self._installed: dict[str, ScheduledRates] = {}
        self._begun_at: dict[str, int] = {}
        self._scaled: dict[str, float] = {}
        self._held_then: dict[str, float] = {}

    def begin_epoch(self, model: Any, epoch: int) -> None:
        """Install the schedule at the first epoch; write base × scale if it is not there yet.

        The schedule is installed anew, at its place, where an epoch had fewer steps than it should
        and where a rule has decided to come down. Steps that loss scaling skips are no such case:
        the schedule then waits with the updates.
        """
        if not self._installed:
            for track, target in self.pairs():
                compiled.check(target.optimizer, _scheduled(track.planned))
        for track, target in self.pairs():
            follows = _scheduled(track.open_loop)
            done = epoch * follows.timeline.updates_per_epoch
            present = compiled.next_step(target.optimizer)
            strayed = present != done and not self._may_skip
            if present is None or strayed or self._installed.get(track.key) is not follows:
                base = compiled.reference(_scheduled(track.planned))
                compiled.install(model, target.optimizer, follows, base, done)
                self._installed[track.key] = follows
                present = done
            self._begun_at[track.key] = present
        self.apply_scale()

    def begin_batch(self, callback: Any, epoch: int, batch: int) -> None:
        """Nothing to do: the step computes the rate."""

    def end_epoch(self, epoch: int, steps: Mapping[str, int], last_trained: int) -> None:
        """Record the rates of the steps that were made.

        They alone are recorded, as the first batches of the epoch: nobody tells which ones loss
        scaling has skipped. Where no step was made one was tried, and its rate is told. Of several
        optimizers, one to which no variable belongs never steps, and has the rates of the others.
        """
        count = max(1, *steps.values())
        last = {key: (made or count) - 1 for key, made in steps.items()}
        for track in self.tracks:
            place = np.asarray(self._begun_at[track.key] + last[track.key])
            track.open_rate = float(self._installed[track.key].at(place))
        for begin in range(0, count, _CHUNK):
            batches = np.arange(begin, min(begin + _CHUNK, count))
            rates = {
                track.key: track.scale
                * self._installed[track.key].at(
                    self._begun_at[track.key] + np.minimum(batches, last[track.key])
                )
                for track in self.tracks
            }
            self.trace.record_epoch(epoch, batches, rates)

    def apply_scale(self) -> None:
        """Write base × scale, if it has changed."""
        rates = {
            track.key: compiled.reference(_scheduled(track.planned)) * track.scale
            for track in self.tracks
        }
        if rates != self._scaled or self.left != self._held_then:
            self._scaled = rates
            self._write(rates)
            # As the variables hold it, which need not be in single precision.
            self.left = {key: self._held(target) for key, target in self.targets.items()}
            self._held_then = dict(self.left)

    def rewrite(self) -> None:
        """Write base × scale again."""
        self._scaled = {}
        self.apply_scale()

    def end(self, model: Any) -> None:
        """Take the schedule out of the optimizers again."""
        compiled.uninstall(model, [target.optimizer for target in self.targets.values()])
        self._write({track.key: track.rate for track in self.tracks})

    def _held(self, target: RateTarget) -> float:
        return compiled.held(target.optimizer)


def _scheduled(open_loop: Any) -> ScheduledRates:
    assert isinstance(open_loop, ScheduledRates)  # a function is refused for this engine
    return open_loop
