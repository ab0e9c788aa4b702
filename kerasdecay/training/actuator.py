"""How rates get into the optimizers: the host writes them, or the compiled step computes them."""

from __future__ import annotations

import abc
import math
from collections.abc import Iterator, Mapping
from typing import Any

from kerasdecay._warnings import warn
from kerasdecay.control import Track
from kerasdecay.records import Trace
from kerasdecay.training.targets import RateTarget


class Actuator(abc.ABC):
    """Writes the rates of all tracks to their targets, and records them."""

    def __init__(
        self, tracks: list[Track], targets: Mapping[str, RateTarget], trace: Trace
    ) -> None:
        self.tracks = tracks
        self.targets = targets
        self.trace = trace
        self.left = dict.fromkeys(targets, math.nan)
        """What was last written to each optimizer, by key; NaN before the first write."""
        self._has_warned = False

    @abc.abstractmethod
    def begin_epoch(self, model: Any, epoch: int, first: int = 0) -> None:
        """Write the rates of the epoch's first batch, or of the one with which training begins."""

    @abc.abstractmethod
    def begin_batch(self, callback: Any, epoch: int, batch: int) -> None:
        """Write the rates of a batch; the callback's model is read only if it is needed."""

    @abc.abstractmethod
    def end_epoch(self, epoch: int, steps: Mapping[str, int], last_trained: int) -> None:
        """Set the tracks to the open-loop rates that the epoch's last step had.

        `steps` are those that each optimizer has made, `last_trained` is the last batch that
        trained.
        """

    @abc.abstractmethod
    def apply_scale(self) -> None:
        """Write what the rules have just decided, after an epoch."""

    @abc.abstractmethod
    def go_on(self, model: Any, epoch: int, batch: int) -> None:
        """Write the rates again, for this batch and those after it, in the middle of an epoch.

        A rule has changed the scale, and the state of the optimizers was put back.
        """

    @abc.abstractmethod
    def rescale(self, epoch: int, batch: int) -> None:
        """Write a new scale, from this batch on, in the middle of an epoch."""

    @abc.abstractmethod
    def reach(self, batch: int) -> None:
        """Set the tracks to the open-loop rates of a batch, before rules observe it."""

    @abc.abstractmethod
    def end(self, model: Any) -> None:
        """Make the optimizers ordinary ones again, at their last rates."""

    def rewrite(self) -> None:
        """Write the rates in force again."""
        self.apply_scale()

    def pairs(self) -> Iterator[tuple[Track, RateTarget]]:
        """Return each track with its target."""
        return ((track, self.targets[track.key]) for track in self.tracks)

    def notice_others(self, epoch: int) -> None:
        """Warn, once, if something else has written the rates since."""
        for key, target in self.targets.items():
            left, found = self.left[key], self._stored(target)
            if math.isnan(left) or target.same(found, left):
                continue
            self.left[key] = found
            if not self._has_warned:
                self._has_warned = True
                warn(
                    f"{self.trace.setup.decay}: something else also writes the optimizer's {key}: "
                    f"it was left at {left:g} and is {found:g} in epoch {epoch + 1}. Only one "
                    "callback may set the rate; look for LearningRateScheduler or "
                    "ReduceLROnPlateau in callbacks=[…].",
                )

    def _stored(self, target: RateTarget) -> float:
        """Return what a target holds: what was last written, if nothing else has written it."""
        return target.read()

    def _write(self, rates: Mapping[str, float]) -> None:
        for key, rate in rates.items():
            self.targets[key].write(rate)
            self.targets[key].confirm(rate)
            self.left[key] = rate
