"""Who brings the rates into the optimizers: the host, or the compiled step itself."""

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
    """Brings the rates of all tracks into their targets, and records what it brought."""

    def __init__(
        self, tracks: list[Track], targets: Mapping[str, RateTarget], trace: Trace
    ) -> None:
        self.tracks = tracks
        self.targets = targets
        self.trace = trace
        self.left = dict.fromkeys(targets, math.nan)
        """What each optimizer was left with, by key; NaN before the first write."""
        self._has_warned = False

    @abc.abstractmethod
    def begin_epoch(self, model: Any, epoch: int, first: int = 0) -> None:
        """Bring the rates of the epoch's first batch, or of the one with which training begins."""

    @abc.abstractmethod
    def begin_batch(self, callback: Any, epoch: int, batch: int) -> None:
        """Bring the rates of a batch; the callback's model is asked for only if it is needed."""

    @abc.abstractmethod
    def end_epoch(self, epoch: int, steps: Mapping[str, int], last_trained: int) -> None:
        """Tell the tracks which open-loop rates the epoch's last step really had.

        `steps` are those that each optimizer has made, `last_trained` is the last batch that
        trained.
        """

    @abc.abstractmethod
    def apply_scale(self) -> None:
        """Write what the rules have just decided, after an epoch."""

    @abc.abstractmethod
    def go_on(self, model: Any, epoch: int, batch: int) -> None:
        """Bring the rates again, for this batch and those after it, in the middle of an epoch.

        A rule has changed the scale, and everything that the optimizers held was put back.
        """

    @abc.abstractmethod
    def rescale(self, epoch: int, batch: int) -> None:
        """Bring a new scale, from this batch on, in the middle of an epoch."""

    @abc.abstractmethod
    def reach(self, batch: int) -> None:
        """Tell the tracks the open-loop rates of a batch of this epoch, before rules see it."""

    @abc.abstractmethod
    def end(self, model: Any) -> None:
        """Leave the optimizers ordinary ones, at their last rates."""

    def rewrite(self) -> None:
        """Write the rates in force again."""
        self.apply_scale()

    def pairs(self) -> Iterator[tuple[Track, RateTarget]]:
        """Return each track with its target."""
        return ((track, self.targets[track.key]) for track in self.tracks)

    def notice_others(self, epoch: int) -> None:
        """Look whether the rates are those that were left there; warn once if they are not."""
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
        """Return what a target was left with, if nothing else has written it."""
        return target.read()

    def _write(self, rates: Mapping[str, float]) -> None:
        for key, rate in rates.items():
            self.targets[key].write(rate)
            self.targets[key].confirm(rate)
            self.left[key] = rate
