"""The rates of a run in a few lines of text, one for each stage: a rate held, or a movement."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kerasdecay.schedules import Moment, Schedule, Timeline

if TYPE_CHECKING:
    from kerasdecay.records import Trace

Span = tuple[int, int]
"""Epochs as places in an array: the first, and the one after the last."""

_ROWS = 12
"""The most rows of a table of stages."""

_STEPS = 3
"""The most steps from epoch to epoch that are a stage each; more are one movement."""


@dataclasses.dataclass(frozen=True)
class Stage:
    """Epochs in a row, and the rates in them."""

    first: int
    last: int
    begin: float
    end: float
    low: float
    high: float

    @property
    def epochs(self) -> str:
        """The epochs, counted from 1 as Keras does: `3`, or `3-7`."""
        return f"{self.first + 1}" + (f"-{self.last + 1}" if self.last > self.first else "")

    @property
    def rate(self) -> str:
        """The rate; or the first and the last one; or, if it swings, the lowest and the highest."""
        if self.low == self.high:
            return rate_text(self.low)
        if {self.begin, self.end} == {self.low, self.high}:
            return f"{rate_text(self.begin)} → {rate_text(self.end)}"
        return f"{rate_text(self.low)} … {rate_text(self.high)}"

    def __str__(self) -> str:
        return f"{self.epochs}: {self.rate}"


def rate_text(rate: float) -> str:
    """Return a rate in three digits at most.

    Examples:
        >>> rate_text(0.010000000000000002), rate_text(1 / 3), rate_text(1e-5)
        ('0.01', '0.333', '1e-05')
    """
    return f"{rate:.3g}"


def movement_text(begin: float, end: float) -> str:
    """Return `begin → end`, or one rate if both look the same.

    Examples:
        >>> movement_text(0.1, 0.05), movement_text(0.1, 0.1)
        ('0.1 → 0.05', '0.1')
    """
    return " → ".join(dict.fromkeys((rate_text(begin), rate_text(end))))


def stages(
    begins: np.ndarray, ends: np.ndarray, *, first: int = 0, cuts: Collection[int] = ()
) -> list[Stage]:
    """Return the stages of a run; a single one if the rate moves one way throughout.

    Epochs of one rate are a stage, and so are epochs in which the rate moves on and on in one
    direction. A few steps down from epoch to epoch (three at most) stay stages of their own.

    The arrays hold the rate at the first and at the last update of each epoch. A rule has changed
    the rate before each of the `cuts`, places in these arrays, which begin a stage in any case.

    Examples:
        >>> rates = np.array([0.1, 0.1, 0.01])
        >>> [str(stage) for stage in stages(rates, rates)]
        ['1-2: 0.1', '3: 0.01']
    """
    spans = _movements(_plateaus(begins, ends), begins, ends, cuts)
    return [_stage(span, begins, ends, first) for span in spans]


def table_rows(
    begins: np.ndarray,
    ends: np.ndarray,
    *,
    first: int = 0,
    cuts: Collection[int] = (),
) -> list[Stage]:
    """Return the stages as the rows of a table; more than 12 become 6 equal parts."""
    found = stages(begins, ends, first=first, cuts=cuts)
    if len(found) <= _ROWS:
        return found
    edges = np.linspace(0, len(begins), _ROWS // 2 + 1).round().astype(int).tolist()
    return [_stage(span, begins, ends, first) for span in itertools.pairwise(edges)]


def whole(begins: np.ndarray, ends: np.ndarray) -> Stage:
    """Return all epochs as one stage."""
    return _stage((0, len(begins)), begins, ends, 0)


def planned(
    schedule: Schedule, timeline: Timeline, *, every: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return the planned rates of each epoch's first and last update; ValueError for a misfit."""
    schedule.check(Moment.of(0, timeline))
    count = timeline.updates_per_epoch
    firsts = np.arange(timeline.epochs) * count
    updates = np.stack([firsts, firsts + count - 1]) // every * every
    rates = np.asarray(schedule.rates(updates, timeline))
    return rates[0], rates[1]


def recorded(trace: Trace, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the rates of each epoch's first and last update, for the epochs in a trace's logs.

    Rates that a probe tried are left out: the epoch in which it ended begins with the training.
    """
    epochs = np.asarray([epoch for epoch, _ in trace.logs], dtype=np.int64)
    rates, starts = trace.learning_rates_of(key), trace.epochs
    # The row in force at an epoch's first batch is the one written there, else the one before it.
    written_there = np.isin(epochs, starts[trace.batches == 0])
    rows = np.where(
        written_there, np.searchsorted(starts, epochs), np.searchsorted(starts, epochs) - 1
    )
    rows = np.clip(rows, min(trace.tried, len(rates) - 1), None)
    ends = np.asarray([logs[key] for _, logs in trace.logs], dtype=np.float64)
    return rates[rows], ends


def _plateaus(begins: np.ndarray, ends: np.ndarray) -> list[Span]:
    """Return stretches of epochs with one rate; an epoch in which the rate moves is one alone."""
    joins = (begins[1:] == ends[:-1]) & (begins[1:] == ends[1:]) & (begins[:-1] == ends[:-1])
    edges = [0, *(np.flatnonzero(~joins) + 1).tolist(), len(begins)]
    return list(itertools.pairwise(edges))


def _movements(
    spans: Sequence[Span], begins: np.ndarray, ends: np.ndarray, cuts: Collection[int]
) -> list[Span]:
    """Join single epochs in a row in which the rate moves in one direction.

    Epochs within which the rate moves are not joined with those within which it stays.
    """
    joined: list[Span] = []
    direction, is_open = 0, False
    for start, stop in spans:
        inner = _sign(ends[start] - begins[start])
        alike = start > 0 and bool(inner) == bool(_sign(ends[start - 1] - begins[start - 1]))
        if is_open and alike and stop - start == 1 and start not in cuts:
            turns = {direction, _sign(begins[start] - ends[start - 1]), inner} - {0}
            if len(turns) == 1:
                joined[-1] = (joined[-1][0], stop)
                direction = turns.pop()
                continue
        joined.append((start, stop))
        direction, is_open = inner, stop - start == 1
    parts: list[Span] = []
    for span in joined:
        is_staircase = _is_staircase(span, begins, ends)
        parts += [(epoch, epoch + 1) for epoch in range(*span)] if is_staircase else [span]
    return parts


def _is_staircase(span: Span, begins: np.ndarray, ends: np.ndarray) -> bool:
    """Tell whether these are so few steps, from epoch to epoch, that each is worth a line."""
    start, stop = span
    stays_within = begins[start] == ends[start]
    return bool(stays_within and begins[start] != begins[stop - 1] and stop - start <= _STEPS)


def _stage(span: Span, begins: np.ndarray, ends: np.ndarray, first: int) -> Stage:
    start, stop = span
    rates = np.append(begins[start:stop], ends[start:stop])
    return Stage(
        first + start,
        first + stop - 1,
        float(begins[start]),
        float(ends[stop - 1]),
        float(rates.min()),
        float(rates.max()),
    )


def _sign(value: float) -> int:
    return int(value > 0) - int(value < 0)
