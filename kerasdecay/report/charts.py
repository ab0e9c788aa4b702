"""Curves drawn with characters: braille dots, eight in a cell."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kerasdecay.report.sparklines import heights, limits, needs_log
from kerasdecay.report.stages import rate_text

COLOURS = ("cyan", "yellow", "magenta", "green", "red", "blue", "white")

_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
_BLANK = 0x2800
SEVERAL = "*"
"""The letter for a place where several curves meet."""


class Piece(NamedTuple):
    """Characters in one colour (`""`: the terminal's own)."""

    text: str
    colour: str = ""


Line = list[Piece]


def chart(
    curves: Sequence[Any],
    epochs: int,
    *,
    width: int,
    height: int = 13,
    colour: bool = False,
    dots: bool = True,
) -> list[Line]:
    """Return curves over each other as lines of text, with axes.

    A single curve, and curves in colour, are drawn in dots. Several curves without colour are drawn
    in letters, with `*` where they meet.

    Args:
        curves: Rates at equal distances over the run.
        epochs: The number at the end of the horizontal axis.
        width: Characters in a line, labels included.
        height: Lines of the drawing without its axis, an odd number.
        colour: Whether curves can be told apart by colour.
        dots: Whether the output can write braille dots; plain ASCII cannot.
    """
    log = needs_log(*curves)
    low, high = limits(*curves, log=log)
    middle = np.sqrt(low * high) if log else (low + high) / 2
    labels = {0: rate_text(high), height // 2: rate_text(middle), height - 1: rate_text(low)}
    margin = max(map(len, labels.values()))
    inner = max(width - margin - 2, 10)
    cells = np.stack(
        [_cells(heights(rates, low, high, log=log), inner, height) for rates in curves]
    )
    drawn = _dotted(cells) if dots and (colour or len(curves) == 1) else _lettered(cells)
    lines = [
        [Piece(f"{labels.get(row, ''):>{margin}} {'┤' if row in labels else '│'}"), *pieces]
        for row, pieces in enumerate(drawn)
    ]
    scale = "epochs, rates on a log scale" if log else "epochs"
    return [*lines, *_axis(epochs, inner, margin, scale)]


def _cells(levels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the dots of a curve, whose heights are from 0 to 1: for each cell, as bits."""
    columns, rows = 2 * width, 4 * height
    places = np.rint((1.0 - levels) * (rows - 1)).astype(int)
    starts = np.arange(columns) * len(places) // columns
    ends = np.maximum(np.arange(1, columns + 1) * len(places) // columns, starts + 1)
    bits = np.zeros((height, width), dtype=int)
    before = places[0]
    for column, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        part = places[start:end]
        # The line begins where the column before it ended, so that it has no gaps.
        top, bottom = min(part.min(), before), max(part.max(), before)
        for row in range(top, bottom + 1):
            bits[row // 4, column // 2] |= _DOTS[row % 4, column % 2]
        before = part[-1]
    return bits


def _dotted(cells: np.ndarray) -> list[Line]:
    """Return all curves in dots; a cell has the colour of the last curve in it."""
    last = len(cells) - 1 - np.argmax(cells[::-1] > 0, axis=0)
    every = np.bitwise_or.reduce(cells, axis=0)
    lines = []
    for row, places in zip(every.tolist(), last.tolist(), strict=True):
        cells_of_row = zip(row, places, strict=True)
        stretches = itertools.groupby(cells_of_row, lambda cell: cell[1] if cell[0] else None)
        lines.append([_stretch(place, [bits for bits, _ in group]) for place, group in stretches])
    return lines


def _stretch(place: int | None, cells: list[int]) -> Piece:
    if place is None:
        return Piece(" " * len(cells))
    return Piece("".join(chr(_BLANK + bits) for bits in cells), COLOURS[place % len(COLOURS)])


def _lettered(cells: np.ndarray) -> list[Line]:
    """Return each curve in its letter, with a star where several meet."""
    counts = np.count_nonzero(cells, axis=0).tolist()
    places = np.argmax(cells > 0, axis=0).tolist()
    return [
        [Piece("".join(" " if not n else SEVERAL if n > 1 else _letter(k) for n, k in row))]
        for row in (zip(*both, strict=True) for both in zip(counts, places, strict=True))
    ]


def _axis(epochs: int, width: int, margin: int, scale: str) -> list[Line]:
    end = str(epochs)
    numbers = f"0{scale:^{width - 1 - len(end)}}{end}"
    return [[Piece(f"{'':>{margin}} └{'─' * width}")], [Piece(f"{'':>{margin + 2}}{numbers}")]]


def mark(place: int, *, colour: bool) -> Piece:
    """Return the sign of a curve in the legend: a line in its colour, or its letter."""
    hue = COLOURS[place % len(COLOURS)]
    return Piece("━━" if colour else _letter(place), hue)


def _letter(place: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[place % 26]
