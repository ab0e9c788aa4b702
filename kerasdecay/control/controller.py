"""The controller: all rates of a training, and the rules that scale them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from kerasdecay.control.bookmark import Bookmark
from kerasdecay.control.track import Track
from kerasdecay.records import Event
from kerasdecay.rules import BatchObservation, Observation, Rule


class Controller:
    """Computes what every rate should be; touches no optimizer.

    The rules rest in the first `resting` updates, in which the schedule warms up.
    """

    def __init__(
        self, tracks: list[Track], epochs: int, resting: int = 0, updates_per_epoch: int = 1
    ) -> None:
        self.tracks = tracks
        self._epochs = epochs
        self.resting = resting
        self._updates_per_epoch = updates_per_epoch

    def begin_epoch(self, epoch: int) -> None:
        """Move all tracks on to an epoch."""
        for track in self.tracks:
            track.begin_epoch(epoch)

    def observe(self, rules: tuple[Rule[Any], ...], seen: Observation) -> list[Event]:
        """Let the rules observe an epoch; return their decisions, also those to do nothing.

        During the warmup of the schedule the rules rest: they observe nothing.
        """
        if self._rests(seen.epoch):
            return []
        seen = dataclasses.replace(seen, epochs=self._epochs)
        return [event for track in self.tracks for event in track.observe(rules, seen)]

    def due(self, epoch: int, batch: int) -> int:
        """Return how many batches from this one on the rules may observe as one."""
        if self._rests(epoch, batch):  # a window may begin with the next one
            return 1
        return min(track.due for track in self.tracks)

    @property
    def looks(self) -> bool:
        """Whether a rule wants to see the variables after the next batch."""
        return any(track.looks for track in self.tracks)

    @property
    def confirms(self) -> bool:
        """Whether the rules call the snapshot of the last look good now."""
        return all(track.confirms for track in self.tracks)

    def observe_batch(self, rules: tuple[Rule[Any], ...], seen: BatchObservation) -> list[Event]:
        """Let the rules that watch batches observe one; return what they decided."""
        seen = dataclasses.replace(seen, epochs=self._epochs)
        rests = self._rests(seen.epoch, seen.batch)
        return [
            event
            for track in self.tracks
            for event in track.observe_batch(rules, seen, rests=rests)
        ]

    def _rests(self, epoch: int, batch: int = 0) -> bool:
        """Whether the schedule is warming up in this batch."""
        done = min(batch, self._updates_per_epoch - 1)
        return epoch * self._updates_per_epoch + done < self.resting

    def bookmark(self, epoch: int, *left: Mapping[str, float]) -> Bookmark:
        """Return what must be known to go on with `epoch`.

        `left` is what was last written to the optimizers' variables, before the last decisions and
        after them; it need not be the rate itself.
        """
        tracks = {}
        for track in self.tracks:
            mark = track.bookmark()
            written = [one.get(track.key, math.nan) for one in left]
            rates = dict.fromkeys([*mark.rates, *(one for one in written if not math.isnan(one))])
            tracks[track.key] = dataclasses.replace(mark, rates=tuple(rates))
        return Bookmark(epoch, tracks)
