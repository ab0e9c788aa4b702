"""The host writes the rate itself: `update="epoch"`, `"batch"` and `"20 steps"`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerasdecay.control import Track
from kerasdecay.records import Trace
from kerasdecay.training.actuator import Actuator
from kerasdecay.training.jax_state import RatesInState
from kerasdecay.training.targets import RateTarget

_BLOCK = 4096
"""Batches whose rates are computed at a time: an epoch may have millions."""


class HostActuator(Actuator):
    """Writes the rates before an epoch, or before each batch whose rate is another.

    `batches` of an epoch have rates of their own: 1 where one rate holds for the whole epoch.
    """

    def __init__(
        self, tracks: list[Track], targets: Mapping[str, RateTarget], trace: Trace, batches: int
    ) -> None:
        super().__init__(tracks, targets, trace)
        self._batches = batches
        self._first = self._end = 0
        self._block: list[tuple[float, ...]] = []
        self._batch = 0
        self._present: tuple[float, ...] = ()
        self._before: tuple[int, tuple[float, ...]] = (0, ())
        self._is_scaled_anew = False
        self._in_state: RatesInState | None = None

    @property
    def changes_within_epochs(self) -> bool:
        """Whether batches have rates of their own."""
        return self._batches > 1

    def begin_epoch(self, model: Any, epoch: int, first: int = 0) -> None:
        """Write the first rate, whatever the optimizer holds."""
        if self.changes_within_epochs:
            self.end(model)
            self._in_state = RatesInState.of(model, self.targets)
        self._load(first)
        self._batch, self._present = first, self._block[0]
        self._set(epoch, first)

    def begin_batch(self, callback: Any, epoch: int, batch: int) -> None:
        """Write a batch's rate if it is another than the one before.

        The model is asked for once an epoch where it can be: on JAX that alone copies its whole
        state. That first write within an epoch shows whether a callback listed later has set the
        rate of its first batches.
        """
        if batch >= self._batches:  # one rate holds for the whole epoch, or data are too long
            return
        if batch >= self._end:
            self._load(batch)
        if self._is_scaled_anew or self._block[batch - self._first] != self._present:
            is_first = self._batch == 0
            if is_first or self._in_state is None or not self._in_state.is_open:
                _ = callback.model  # on JAX this brings the state of the training to the variables
            if is_first:
                self.notice_others(epoch)
            self._set(epoch, batch)

    def go_on(self, model: Any, epoch: int, batch: int) -> None:
        """Write the rate in force again."""
        self.rescale(epoch, batch)

    def rescale(self, epoch: int, batch: int) -> None:
        """Write the rate in force; it is recorded with the batch, if that comes."""
        self.apply_scale()
        if batch < self._batches:
            self._is_scaled_anew = True  # so that its begin hook records it, at its own rate
            return
        self._before, self._batch = (self._batch, self._present), batch
        self.trace.record_rates(epoch, batch, [track.rate for track in self.tracks])

    def reach(self, batch: int) -> None:
        """Do nothing: the tracks have the rates that were written."""

    def end_epoch(self, epoch: int, steps: Mapping[str, int], last_trained: int) -> None:
        """Withdraw the rate of a batch that began but did not train."""
        is_in_force = self._batch <= last_trained
        if not is_in_force:
            self.trace.withdraw(epoch, self._batch)
            self._batch, self._present = self._before
        self._settle()
        if not is_in_force:  # on JAX the variables are back by now at what the last step left
            self.apply_scale()

    def apply_scale(self) -> None:
        """Write the last rate times the new scale."""
        self._write({track.key: track.rate for track in self.tracks})

    def end(self, model: Any) -> None:
        """Give the model its own step back."""
        if self._in_state is not None:
            self._in_state.end()
            self._in_state = None

    def _load(self, first: int) -> None:
        """Compute the open-loop rates of a block of batches."""
        first = min(first, self._batches - 1)
        self._first, self._end = first, min(first + _BLOCK, self._batches)
        rates = [track.open_loop.rates(first, self._end).tolist() for track in self.tracks]
        self._block = list(zip(*rates, strict=True))

    def _set(self, epoch: int, batch: int) -> None:
        self._before = self._batch, self._present
        self._batch, self._is_scaled_anew = batch, False
        self._present = self._block[min(batch, self._end - 1) - self._first]
        self._settle()
        rates = {track.key: track.rate for track in self.tracks}
        if self._in_state is not None and self._in_state.is_open:
            self._in_state.write(rates)
        else:
            for key, rate in rates.items():
                self.targets[key].write(rate)
                self.targets[key].confirm(rate)
        self.left.update(rates)
        self.trace.record_rates(epoch, batch, list(rates.values()))

    def _settle(self) -> None:
        for track, rate in zip(self.tracks, self._present, strict=True):
            track.open_rate = rate
