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
    """Knows what every rate should be; touches no optimizer.

    Args:
        tracks: One for each rate.
        epochs: The horizon.
        resting_epochs: Epochs from 0 on in which the rules rest, for the schedule warms up.
    """

    def __init__(self, tracks: list[Track], epochs: int, resting_epochs: int = 0) -> None:
        self.tracks = tracks
        self._epochs = epochs
        self._resting_epochs = resting_epochs

    def begin_epoch(self, epoch: int) -> None:
        """Move all tracks on to an epoch."""
        for track in self.tracks:
            track.begin_epoch(epoch)

    def observe(self, rules: tuple[Rule[Any], ...], seen: Observation) -> list[Event]:
        """Feed the rules what an epoch showed; return what they decided, also the "not yet"s.

        While the schedule warms up the rules rest: they are shown nothing.
        """
        if seen.epoch < self._resting_epochs:
            return []
        seen = dataclasses.replace(seen, epochs=self._epochs)
        return [event for track in self.tracks for event in track.observe(rules, seen)]

    @property
    def looks(self) -> bool:
        """Whether a rule wants to see the variables after the next batch."""
        return any(track.looks for track in self.tracks)

    def observe_batch(self, rules: tuple[Rule[Any], ...], seen: BatchObservation) -> list[Event]:
        """Show the rules that watch batches what one has shown; return their events.

        They do not rest while the schedule warms up: a training can fall there too.
        """
        return [event for track in self.tracks for event in track.observe_batch(rules, seen)]

    def bookmark(self, epoch: int, *left: Mapping[str, float]) -> Bookmark:
        """Return what must be known to go on with `epoch`.

        Args:
            epoch: The epoch.
            *left: Log name → what the optimizer's variable was left with, before the last decisions
                and after them: it need not be the rate itself.
        """
        tracks = {}
        for track in self.tracks:
            mark = track.bookmark()
            held = (one.get(track.key, math.nan) for one in left)
            rates = dict.fromkeys([*mark.rates, *(rate for rate in held if not math.isnan(rate))])
            tracks[track.key] = dataclasses.replace(mark, rates=tuple(rates))
        return Bookmark(epoch, tracks)
