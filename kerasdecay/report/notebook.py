"""What a notebook shows of a schedule or a trace: a picture, or text without matplotlib."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, Any

from kerasdecay.report.sparklines import sparkline
from kerasdecay.report.wording import brief, is_known_ahead
from kerasdecay.schedules import Schedule, simulate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_EPOCHS = (30, 100, 300)
_STEPS = 100
_INITIAL = 0.1
_WIDTH = 560
"""Of the picture, in CSS pixels."""


def picture_of(shown: Any) -> str:
    """Return HTML for a schedule or a trace.

    A schedule knows nothing of a run yet, so it is drawn over one that is said in the caption: as
    many epochs of 100 steps as it needs, from 0.1 where it has no initial rate of its own. A user's
    functions are not called.
    """
    if isinstance(shown, Schedule):
        return _schedule(shown)
    if not len(shown):
        return _text(repr(shown))
    from kerasdecay.report.trace_picture import trace_figure

    try:
        return _image(trace_figure(shown), repr(shown))
    except ImportError:
        return _text(f"{shown!r}\n{sparkline(shown.learning_rates)}")


def _schedule(schedule: Schedule) -> str:
    found = _rates(schedule) if is_known_ahead(schedule) else None
    if found is None:
        return _text(repr(schedule))
    rates, epochs = found
    start = "" if schedule.is_resolved else f", from {_INITIAL}"
    caption = f"{brief(schedule)}, over {epochs} epochs of {_STEPS} steps{start}"
    try:
        from kerasdecay.report.pictures import curves_figure

        return _image(curves_figure({brief(schedule): rates}, epochs), caption)
    except ImportError:
        return _text(f"{caption}\n{sparkline(rates)}")


def _rates(schedule: Schedule) -> tuple[Any, int] | None:
    """Return the rates over the shortest run that the schedule fits, and its epochs, or None."""
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
    from kerasdecay.report.figures import picture

    data = base64.b64encode(picture(figure)).decode()
    text = html.escape(caption)
    return (
        f'<figure style="margin:0"><img width="{_WIDTH}" alt="{text}" '
        f'src="data:image/png;base64,{data}"><figcaption><code>{text}</code></figcaption></figure>'
    )


def _text(text: str) -> str:
    return f"<pre>{html.escape(text)}</pre>"
