"""A learning-rate range test as a table and as a curve."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.markup import escape

from kerasdecay.records.range import Suggestion
from kerasdecay.report import figures
from kerasdecay.report.decisions import new_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.table import Table

    from kerasdecay.records.range import LearningRateRange

_VALLEY, _CURVE, _STEEPEST, _MINIMUM = figures.COLOURS[:4]
_COLOURS = {
    "recommended": figures.INK,
    "valley": _VALLEY,
    "steepest": _STEEPEST,
    "minimum/10": _MINIMUM,
}


def range_table(result: LearningRateRange) -> Table:
    """Return the recommended rate, fastai's three, and below them the range that was tried."""
    table = new_table(caption=escape(_summary(result)))
    table.add_column("suggestion", no_wrap=True)
    table.add_column("learning rate", justify="right", no_wrap=True)
    table.add_column("why")
    for suggestion in _suggestions(result):
        rate = "none" if suggestion.rate is None else two_digits(suggestion.rate)
        table.add_row(f"[bold]{suggestion.name}[/]", rate, escape(suggestion.reason))
    return table


def _suggestions(result: LearningRateRange) -> tuple[Suggestion, ...]:
    choice = result.suggestion
    return (Suggestion("recommended", choice.rate, choice.reason), *result.suggestions)


def two_digits(rate: float) -> str:
    """Return a rate with two digits, in the form of a number in code: 0.0023, 1.5e-05."""
    return f"{float(f'{rate:.1e}'):g}"


def _summary(result: LearningRateRange) -> str:
    tried = f"{len(result.rates)} of {result.steps} steps"
    tried += f", rates {two_digits(result.rates[0])} to {two_digits(result.rates[-1])}"
    return f"{tried}; stopped: {result.stopped}" if result.stopped else tried


def range_figure(result: LearningRateRange) -> Figure:
    """Draw the losses over the rates, with the suggestions.

    Dots are the losses of the batches, the line is the smoothed loss; the part that no suggestion
    is read from is grey. The vertical axis ends a little above the first loss, so the curve leaves
    the picture where the training diverges.
    """
    figure = figures.new_figure(7.6, 4.6)
    axes = figure.subplots()
    axes.scatter(result.rates, result.losses, s=9, color=_CURVE, alpha=0.4, linewidths=0)
    axes.plot(result.rates, result.smoothed, color="#bbbbbb", linewidth=2.2)
    seen = result.looked_at
    axes.plot(result.rates[seen], result.smoothed[seen], color=_CURVE, linewidth=2.6)
    axes.set_xscale("log")
    if len(result.rates) > 1:
        axes.set_xlim(result.rates[0], result.rates[-1])
    axes.set_ylim(*_heights(result))
    _mark_suggestions(axes, result)
    _dress(axes)
    return figure


def _heights(result: LearningRateRange) -> tuple[float, float]:
    """Return the vertical range: the whole fall, and the beginning of the rise."""
    smoothed = [loss for loss in result.smoothed if math.isfinite(loss)] or [0.0, 1.0]
    low = min([*smoothed, *(loss for loss in result.losses if math.isfinite(loss))])
    start = max(smoothed[: max(1, len(smoothed) // 2)])
    room = max(start - low, 1e-3 * abs(start), 1e-12)
    return low - 0.08 * room, start + 0.3 * room


def _mark_suggestions(axes: Axes, result: LearningRateRange) -> None:
    for suggestion in _suggestions(result):
        if suggestion.rate is None:
            continue
        colour = _COLOURS[suggestion.name]
        axes.axvline(suggestion.rate, color=colour, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.plot(
            suggestion.rate,
            _height_at(result, suggestion.rate),
            marker="o",
            markersize=9,
            color=colour,
            markeredgecolor="white",
            markeredgewidth=1.5,
            linestyle="none",
            label=f"{suggestion.name}  {two_digits(suggestion.rate)}",
            zorder=5,
        )
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower left", frameon=False, labelcolor=figures.INK)


def _height_at(result: LearningRateRange, rate: float) -> float:
    """Return the smoothed loss of the step whose rate is nearest."""
    nearest = min(
        range(len(result.rates)), key=lambda index: abs(math.log(result.rates[index] / rate))
    )
    return result.smoothed[nearest]


def _dress(axes: Axes) -> None:
    figures.heading(axes, "learning-rate range test")
    figures.note(axes, "dots: each batch   line: smoothed")
    axes.set_xlabel("learning rate", color=figures.INK)
    axes.set_ylabel("loss", color=figures.INK)
    figures.frame(axes)
