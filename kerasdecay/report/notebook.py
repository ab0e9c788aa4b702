"""What a notebook shows of what can be drawn: a picture, or text without matplotlib."""

from __future__ import annotations

import base64
import functools
import html
from typing import TYPE_CHECKING, Any

from kerasdecay.records import Comparison, LearningRateRange, Trace
from kerasdecay.report.console import plain
from kerasdecay.report.figures import picture
from kerasdecay.report.pictures import curves_figure
from kerasdecay.report.sparklines import sparkline
from kerasdecay.report.trace_picture import trace_figure
from kerasdecay.report.wording import brief, is_known_ahead
from kerasdecay.schedules import Schedule, simulate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_EPOCHS = (30, 100, 300)
_STEPS = 100
_INITIAL = 0.1
_WIDTH = 560
"""Width of a picture, in CSS pixels."""

_COLUMNS = 100
"""Width of a table, in characters."""


@functools.singledispatch
def html_of(shown: Any) -> str:
    """Return HTML for a schedule, a trace, a comparison or a range test."""
    return _text(repr(shown))


@html_of.register
def _trace(trace: Trace) -> str:
    if not len(trace):
        return _text(repr(trace))
    try:
        return _image(trace_figure(trace), repr(trace))
    except ImportError:
        return _text(f"{trace!r}\n{sparkline(trace.learning_rates)}")


@html_of.register
def _schedule(schedule: Schedule) -> str:
    """Draw a schedule over a run that the caption names.

    The run has as many epochs of 100 steps as the schedule needs. It starts from 0.1 if the
    schedule has no initial rate. A user's functions are not called.
    """
    found = _rates(schedule) if is_known_ahead(schedule) else None
    if found is None:
        return _text(repr(schedule))
    rates, epochs = found
    start = "" if schedule.is_resolved else f", from {_INITIAL}"
    caption = f"{brief(schedule)}, over {epochs} epochs of {_STEPS} steps{start}"
    try:
        return _image(curves_figure({brief(schedule): rates}, epochs), caption)
    except ImportError:
        return _text(f"{caption}\n{sparkline(rates)}")


@html_of.register
def _result(result: Comparison | LearningRateRange) -> str:
    """Draw the curves, and set the table below them."""
    table = _text(plain(result.table(), width=_COLUMNS).strip("\n"))
    try:
        return _image(result.plot(), repr(result)) + table
    except (ImportError, ValueError):  # nothing to draw, or nothing to draw with
        return table


def _rates(schedule: Schedule) -> tuple[Any, int] | None:
    """Return the rates and the epochs of the shortest run that the schedule fits; None if none."""
    for epochs in _EPOCHS:
        try:
            rates = simulate(
                schedule,
                epochs=epochs,
                steps_per_epoch=_STEPS,
                initial_learning_rate=None if schedule.is_resolved else _INITIAL,
            )
        except ValueError:
            continue
        return rates, epochs
    return None


def _image(figure: Figure, caption: str) -> str:
    data = base64.b64encode(picture(figure)).decode()
    text = html.escape(caption)
    return (
        f'<figure style="margin:0"><img width="{_WIDTH}" alt="{text}" '
        f'src="data:image/png;base64,{data}"><figcaption><code>{text}</code></figcaption></figure>'
    )


def _text(text: str) -> str:
    return f"<pre>{html.escape(text)}</pre>"
