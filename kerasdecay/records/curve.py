"""The rates of a training as a curve: exact at its ends, of bounded length in between."""

from __future__ import annotations

import array
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

INTERIOR_ROWS = 32_768
"""Rows within epochs that are held at most; about 1 MiB for one optimizer."""

_START = -1
"""The number of a row that is never dropped: it is in force at the start of an epoch."""


class Curve:
    """Rates over a training: a row for each change, thinned where there are very many.

    A row is an epoch, a batch within it, and the rate of each optimizer from that batch on. A row
    whose rates are those of the row before is not written. Of the written rows, these are kept:

    - the first and the last one;
    - the one in force at the start of each epoch;
    - of all others, the *interior* rows, every `stride`-th. The stride is 1, so that every row is
      kept, until more than 32,768 interior rows are held. Then it doubles (1, 2, 4 …), and the
      interior rows that are off the new stride are dropped.

    Args:
        keys: The log name of each optimizer's rate.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._epochs = array.array("q")
        self._batches = array.array("q")
        # Interior rows are numbered from 0 in the order in which they are written.
        self._numbers = array.array("q")
        self._rates = {key: array.array("d") for key in keys}
        self._epoch = 0  # the one that rates were last added for
        self._stride = 1
        self._written = 0  # interior rows so far
        self._held = 0  # interior rows kept, a last row that is off the stride not counted

    def add(self, epoch: int, batch: int, rates: Sequence[float]) -> None:
        """Add the rates, one for each key, that are in force from a batch on."""
        opens = not len(self) or epoch != self._epoch
        self._epoch = epoch
        unchanged = len(self) > 0 and [one[-1] for one in self._rates.values()] == list(rates)
        if opens and len(self) and (unchanged or batch > 0):
            self._keep_last()
        if unchanged:
            return
        self._drop_last_if_off_stride()
        number = _START if not len(self) or (opens and batch == 0) else self._written
        if number != _START:
            self._written += 1
            while number % self._stride == 0 and self._held == INTERIOR_ROWS:
                self._double_stride()
            self._held += number % self._stride == 0
        self._epochs.append(epoch)
        self._batches.append(batch)
        self._numbers.append(number)
        for column, rate in zip(self._rates.values(), rates, strict=True):
            column.append(rate)

    def add_epoch(self, epoch: int, batches: np.ndarray, rates: Mapping[str, np.ndarray]) -> None:
        """Add the rates of many batches of one epoch; the result is that of `add` for each.

        Args:
            epoch: The epoch, from 0.
            batches: The batches, from 0, in increasing order.
            rates: Key → the rate of each of these batches.
        """
        if not len(batches):
            return
        table = np.stack([np.asarray(rates[key], dtype=np.float64) for key in self._rates])
        self.add(epoch, int(batches[0]), table[:, 0].tolist())
        places = np.flatnonzero((table[:, 1:] != table[:, :-1]).any(axis=0)) + 1
        if not len(places):
            return
        self._drop_last_if_off_stride()
        numbers = self._written + np.arange(len(places))
        self._written += len(places)
        while self._held + np.count_nonzero(numbers % self._stride == 0) > INTERIOR_ROWS:
            self._double_stride()
        kept = numbers % self._stride == 0
        self._held += int(np.count_nonzero(kept))
        kept[-1] = True
        places = places[kept]
        self._epochs.extend([epoch] * len(places))
        self._batches.frombytes(np.asarray(batches, dtype=np.int64)[places].tobytes())
        self._numbers.frombytes(numbers[kept].astype(np.int64).tobytes())
        for column, values in zip(self._rates.values(), table, strict=True):
            column.frombytes(values[places].tobytes())

    def withdraw(self, epoch: int, batch: int) -> None:
        """Take the last row back if it is of this batch."""
        if len(self) and (self._epochs[-1], self._batches[-1]) == (epoch, batch):
            number = self._numbers[-1]
            self._held -= number != _START and number % self._stride == 0
            for column in self._columns():
                column.pop()

    # The columns are copies: an array that is looked at through a view cannot grow.

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

    def _keep_last(self) -> None:
        """Keep the last row for good: a new epoch begins with its rates."""
        number = self._numbers[-1]
        self._held -= number != _START and number % self._stride == 0
        self._numbers[-1] = _START

    def _drop_last_if_off_stride(self) -> None:
        """Make room for a new last row."""
        if len(self) and self._numbers[-1] != _START and self._numbers[-1] % self._stride:
            for column in self._columns():
                column.pop()

    def _double_stride(self) -> None:
        """Double the stride and drop the interior rows that are off it."""
        self._stride *= 2
        numbers = np.array(self._numbers, dtype=np.int64)
        kept = (numbers == _START) | (numbers % self._stride == 0)
        self._held = int(np.count_nonzero(kept & (numbers != _START)))
        for column in self._columns():
            values = np.array(column, dtype=column.typecode)[kept]
            del column[:]
            column.frombytes(values.tobytes())

    def _columns(self) -> list[array.array]:
        return [self._epochs, self._batches, self._numbers, *self._rates.values()]
