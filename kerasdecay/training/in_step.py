"""The compiled step computes the rate: `update="compiled"`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasdecay.control import ScheduledRates, Track
from kerasdecay.records import Trace
from kerasdecay.training import compiled
from kerasdecay.training.actuator import Actuator
from kerasdecay.training.steps import has_strayed
from kerasdecay.training.targets import RateTarget

_CHUNK = 65536
"""Steps whose rates are recorded at a time."""

_BLOCK = 4096
"""Steps whose rates are computed at a time for rules that watch each batch."""


class CompiledActuator(Actuator):
    """Lets the compiled step compute the rate.

    The optimizer's variable holds base × scale, a real rate, and is written only when the scale
    changes. The step multiplies it by schedule / base.
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
        self._bases = {track.key: compiled.reference(_scheduled(track.planned)) for track in tracks}
        self._installed: dict[str, ScheduledRates] = {}
        self._begun_at: dict[str, int] = {}
        self._scaled: dict[str, float] = {}
        self._scales: dict[str, float] = {}
        self._first = self._recorded = 0
        self._block: tuple[int, dict[str, list[float]]] = (0, {})
        self._stored_then: dict[str, float] = {}
        self.is_new = False
        """Whether the schedule was installed, or anew, as the present epoch began."""

    def begin_epoch(self, model: Any, epoch: int, first: int = 0) -> None:
        """Install the schedule at the first epoch; write base × scale if it is not there yet.

        The schedule is installed anew, at its place, where an epoch had fewer steps than it should
        and where a rule has decided to come down. Steps that loss scaling skips are no such case:
        the schedule then waits with the updates.
        """
        self.is_new = False
        if not self._installed:
            for track, target in self.pairs():
                compiled.check(target.optimizer, _scheduled(track.planned))
        for track, target in self.pairs():
            follows = _scheduled(track.open_loop)
            done = epoch * follows.timeline.updates_per_epoch + first
            present = compiled.next_step(target.optimizer)
            is_other = self._installed.get(track.key) is not follows
            if present is None or is_other or has_strayed(present, done, may_skip=self._may_skip):
                self._install(model, track, target, done)
                present = done
            self._begun_at[track.key] = present
        self._first, self._recorded = first, 0
        self._block = (0, {})
        self.apply_scale()

    def begin_batch(self, callback: Any, epoch: int, batch: int) -> None:
        """Do nothing: the step computes the rate."""

    def end_epoch(self, epoch: int, steps: Mapping[str, int], last_trained: int) -> None:
        """Record the rates of the steps that were made.

        They alone are recorded, as the first batches of the epoch: which ones loss scaling has
        skipped is not known. Where all steps were skipped, the rate of the first is recorded. One
        of several optimizers to which no variable belongs never steps, and has the others' rates.
        """
        count = max(1, *steps.values())
        for track in self.tracks:
            last = self._begun_at[track.key] + (steps[track.key] or count) - 1
            track.open_rate = float(self._installed[track.key].at(np.asarray(last)))
        self._record(epoch, count, steps)

    def leave(self, model: Any, epoch: int, count: int, steps: Mapping[str, int]) -> None:
        """Take the schedule out of the optimizers, in mid-epoch, for the host to take over."""
        self._record(epoch, count, steps)
        compiled.uninstall(model, [target.optimizer for target in self.targets.values()])

    def go_on(self, model: Any, epoch: int, batch: int) -> None:
        """Install the schedule anew, at its place, and write base × scale."""
        self._record(epoch, batch - self._first)
        for track, target in self.pairs():
            done = self._begun_at[track.key] + batch - self._first
            self._install(model, track, target, done)
            track.open_rate = float(self._installed[track.key].at(np.asarray(max(done - 1, 0))))
        self.rewrite()

    def rescale(self, epoch: int, batch: int) -> None:
        """Write base × the new scale."""
        self._record(epoch, batch - self._first)
        self.apply_scale()

    def reach(self, batch: int) -> None:
        """Set the tracks to the open-loop rates of a batch, computed by blocks."""
        place = batch - self._first
        start, block = self._block
        if not block or place >= start + _BLOCK:
            start = place
            steps = np.arange(start, start + _BLOCK)
            block = {
                key: planned.at(self._begun_at[key] + steps).tolist()
                for key, planned in self._installed.items()
            }
            self._block = start, block
        for track in self.tracks:
            track.open_rate = block[track.key][place - start]

    def _install(self, model: Any, track: Track, target: RateTarget, done: int) -> None:
        follows = _scheduled(track.open_loop)
        compiled.install(model, target.optimizer, follows, self._bases[track.key], done)
        self.is_new = True
        self._installed[track.key] = follows

    def _record(self, epoch: int, count: int, made: Mapping[str, int] | None = None) -> None:
        """Record the rates of the first `count` steps of the epoch, at the scale they had.

        An optimizer that has made fewer steps stays at the rate of its last one.
        """
        last = {key: ((made or {}).get(key) or count) - 1 for key in self._installed}
        for begin in range(self._recorded, count, _CHUNK):
            steps = np.arange(begin, min(begin + _CHUNK, count))
            rates = {
                key: planned.at(self._begun_at[key] + np.minimum(steps, last[key]))
                * self._scales[key]
                for key, planned in self._installed.items()
            }
            self.trace.record_epoch(epoch, self._first + steps, rates)
        self._recorded = count

    def apply_scale(self) -> None:
        """Write base × scale, if it has changed."""
        rates = {track.key: self._bases[track.key] * track.scale for track in self.tracks}
        if rates != self._scaled or self.left != self._stored_then:
            self._scaled = rates
            self._scales = {track.key: track.scale for track in self.tracks}
            self._write(rates)
            for target in self.targets.values():
                compiled.note_written(target.optimizer)
            # As the variables hold it, which need not be in single precision.
            self.left = {key: self._stored(target) for key, target in self.targets.items()}
            self._stored_then = dict(self.left)

    def rewrite(self) -> None:
        """Write base × scale again."""
        self._scaled = {}
        self.apply_scale()

    def end(self, model: Any) -> None:
        """Take the schedule out of the optimizers again."""
        compiled.uninstall(model, [target.optimizer for target in self.targets.values()])
        self._write({track.key: track.rate for track in self.tracks})

    def _stored(self, target: RateTarget) -> float:
        return compiled.stored(target.optimizer)


def _scheduled(open_loop: Any) -> ScheduledRates:
    assert isinstance(open_loop, ScheduledRates)  # a function is refused for this engine
    return open_loop
