"""The rates of a training as a curve: exact at its ends, of bounded length in between."""

from __future__ import annotations

import array
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

INTERIOR_ROWS = 32_768
"""Rows within epochs that are held at most: 1 MiB for one optimizer."""

_START = 0
"""The number of a row in force at the start of an epoch: on every stride, so always kept."""

_CHUNK = 65_536
"""Batches that are looked at in one go; the memory that this takes for a moment is about 3 MiB."""


class Curve:
    """Rates over a training: a row for each change, thinned where there are very many.

    A row is an epoch, a batch within it, and the rate of each optimizer from that batch on. A row
    whose rates are those of the row before is not written. Of the written rows, these are kept:

    - the first and the last one;
    - the one in force at the start of each epoch;
    - of all others, the *interior* rows, every `stride`-th. The stride is 1, so that every row is
      kept, until more than 32,768 interior rows are held. Then it doubles (1, 2, 4 …), and the
      interior rows that are off the new stride are dropped.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._epochs = array.array("q")
        self._batches = array.array("q")
        # Interior rows are numbered from 1 in the order in which they are written.
        self._numbers = array.array("q")
        self._rates = {key: array.array("d") for key in keys}
        self._columns: tuple[array.array, ...] = (
            self._epochs,
            self._batches,
            self._numbers,
            *self._rates.values(),
        )
        self._epoch = 0  # the one that rates were last added for
        self._stride = 1
        self._written = 0  # interior rows so far
        self._kept = 0  # interior rows on the stride

    def add(self, epoch: int, batch: int, rates: Sequence[float]) -> None:
        """Add the rates, one for each key, that are in force from a batch on."""
        is_first = not self._epochs
        opens = is_first or epoch != self._epoch
        self._epoch = epoch
        unchanged = not is_first and [one[-1] for one in self._columns[3:]] == list(rates)
        if opens and not is_first and (unchanged or batch > 0):
            self._keep_last()
        if unchanged:
            return
        number = _START
        if not is_first and not (opens and batch == 0):
            self._written = number = self._written + 1
            while number % self._stride == 0 and self._kept == INTERIOR_ROWS:
                self._double_stride()
            self._kept += number % self._stride == 0
        row = (epoch, batch, number, *rates)
        if self._last_is_off_stride():
            for column, value in zip(self._columns, row, strict=True):
                column[-1] = value
        else:
            for column, value in zip(self._columns, row, strict=True):
                column.append(value)

    def add_epoch(self, epoch: int, batches: np.ndarray, rates: Mapping[str, np.ndarray]) -> None:
        """Add the rates of many batches of one epoch; the result is that of `add` for each."""
        for first in range(0, len(batches), _CHUNK):
            part = slice(first, first + _CHUNK)
            columns = [np.asarray(rates[key][part], dtype=np.float64) for key in self._rates]
            self._add_part(epoch, np.asarray(batches[part], dtype=np.int64), np.stack(columns))

    def _add_part(self, epoch: int, batches: np.ndarray, rates: np.ndarray) -> None:
        self.add(epoch, int(batches[0]), rates[:, 0].tolist())
        changes = np.flatnonzero((rates[:, 1:] != rates[:, :-1]).any(axis=0)) + 1
        if not len(changes):
            return
        numbers = self._written + 1 + np.arange(len(changes), dtype=np.int64)
        self._written += len(changes)
        while self._kept + np.count_nonzero(numbers % self._stride == 0) > INTERIOR_ROWS:
            self._double_stride()
        on_stride = numbers % self._stride == 0
        self._kept += int(np.count_nonzero(on_stride))
        if self._last_is_off_stride():
            for column in self._columns:
                column.pop()
        on_stride[-1] = True  # the last row, whether it is or not
        kept = changes[on_stride]
        rows = (
            np.full(len(kept), epoch, dtype=np.int64),
            batches[kept],
            numbers[on_stride],
            *rates[:, kept],
        )
        for column, values in zip(self._columns, rows, strict=True):
            column.frombytes(values.tobytes())

    def withdraw(self, epoch: int, batch: int) -> None:
        """Remove the last row if it belongs to this batch."""
        if len(self) and (self._epochs[-1], self._batches[-1]) == (epoch, batch):
            number = self._numbers[-1]
            self._kept -= number != _START and number % self._stride == 0
            for column in self._columns:
                column.pop()

    @property
    def is_thinned(self) -> bool:
        """Whether rows within epochs were dropped."""
        return self._stride > 1

    # The columns are copied: while an array is shared it cannot grow.

    @property
    def epochs(self) -> np.ndarray:
        """The epoch of each row, from 0."""
        return np.array(self._epochs, dtype=np.int64)

    @property
    def batches(self) -> np.ndarray:
        """The batch within its epoch of each row, from 0."""
        return np.array(self._batches, dtype=np.int64)

    def rates(self, key: str) -> np.ndarray:
        """The rate of each row for one optimizer."""
        return np.array(self._rates[key], dtype=np.float64)

    def __len__(self) -> int:
        return len(self._epochs)

    def _last_is_off_stride(self) -> bool:
        return len(self) > 0 and self._numbers[-1] % self._stride != 0

    def _keep_last(self) -> None:
        """Keep the last row for good: it is in force at the start of an epoch."""
        number = self._numbers[-1]
        self._kept -= number != _START and number % self._stride == 0
        self._numbers[-1] = _START

    def _double_stride(self) -> None:
        """Double the stride and drop the rows that are off it."""
        self._stride *= 2
        numbers = np.array(self._numbers, dtype=np.int64)
        kept = numbers % self._stride == 0
        self._kept = int(np.count_nonzero(numbers[kept] != _START))
        for column in self._columns:
            values = np.array(column, dtype=column.typecode)[kept]
            del column[:]
            column.frombytes(values.tobytes())
