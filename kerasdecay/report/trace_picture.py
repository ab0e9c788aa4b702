"""A training as a figure: the monitored metrics above, the learning rate below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasdecay.report.figures import (
    COLOURS,
    FAINT,
    INK,
    dress,
    heading,
    headline,
    new_figure,
    note,
    rate_axis,
    steps,
)
from kerasdecay.report.sparklines import needs_log
from kerasdecay.report.stages import rate_text
from kerasdecay.report.wording import FLAGGED, best_place, shown_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kerasdecay.records import Trace

_DECISION = COLOURS[0]
_METRIC = COLOURS[1]
_RATES = (INK, *COLOURS[2:])

_DOTTED = 60
"""The most epochs for which a metric is drawn with dots, which would merge otherwise."""

_MARKED = 400
"""The most epochs with decisions that are marked; more lines would fill the picture."""

_LETTER = 0.012
"""The width of a small letter as a share of the panel, to keep labels from overlapping."""


def trace_figure(trace: Trace, *, title: str | None = None) -> Figure:
    """Draw the monitored metrics and the rate of a training, its decisions marked in both.

    What was driven besides the rate has a panel each, in between.
    """
    # Of Rescue, which sees each batch, the mean of an epoch shows little: then the validation does.
    watched = dict.fromkeys(one.watched for one in trace.setup.rules if not one.puts_back)
    logged = {name for _, logs in trace.logs for name in logs}
    metrics = [name for name in watched if name in logged]
    metrics = metrics or shown_metrics(logs for _, logs in trace.logs)[:1]
    heights = [2.2] * len(metrics) + [1.0] * len(trace.knobs) + [1.5]
    figure = new_figure(7.2, 0.8 + sum(heights))
    grid = figure.subplots(len(heights), sharex=True, height_ratios=heights, squeeze=False)
    panels: list[Axes] = list(grid[:, 0])
    for axes, metric in zip(panels, metrics, strict=False):
        _draw_metric(axes, trace, metric)
    for axes, name in zip(panels[len(metrics) :], trace.knobs, strict=False):
        _draw_knob(axes, trace, name)
    _draw_rates(panels[-1], trace)
    first, last = trace.setup.first_epoch, _end(trace)
    _mark_decisions(panels, trace)
    for axes in panels:
        dress(axes, first, last + 0.02 * (last - first))
    tried = trace.tried
    rates = [trace.learning_rates_of(key)[tried:] for key in trace.setup.base_rates]
    falls = any(event.after < event.before for event in trace.events)
    rate_axis(
        panels[-1],
        log=needs_log(*rates) or (falls and np.min(np.concatenate(rates), initial=np.inf) > 0),
    )
    panels[-1].set_xlabel("epochs done", color=INK)
    if title:
        headline(figure, title)
    return figure


def _end(trace: Trace) -> int:
    return trace.logs[-1][0] + 1 if trace.logs else trace.setup.first_epoch + 1


def _draw_metric(axes: Axes, trace: Trace, metric: str) -> None:
    points = [(epoch + 1, logs[metric]) for epoch, logs in trace.logs if metric in logs]
    epochs, values = zip(*points, strict=True)
    dot = "o" if len(points) <= _DOTTED else ""
    axes.plot(epochs, values, color=_METRIC, linewidth=1.8, marker=dot, markersize=4)
    place = best_place(metric, values)
    if place is not None:
        epoch, best = points[place]
        axes.plot(epoch, best, marker="*", markersize=13, color=COLOURS[4], zorder=4)
        note(axes, f"★ best: {best:.4g} in epoch {epoch}")
    heading(axes, metric)


def _draw_rates(axes: Axes, trace: Trace) -> None:
    """Draw the rates of the training; where a probe tried others before, that part is grey."""
    tried = trace.tried if trace.tried < len(trace) else 0
    positions = trace.positions()[tried:]
    if tried:
        axes.axvspan(trace.setup.first_epoch, positions[0], color=FAINT, linewidth=0, zorder=0)
        _tag(axes, trace.setup.first_epoch, "probe", shift=3, color=INK)
    for place, key in enumerate(trace.setup.base_rates):
        rates = trace.learning_rates_of(key)[tried:]
        style = {"color": _RATES[place % len(_RATES)], "linewidth": 1.8}
        label = key.removeprefix("learning_rate_")
        steps(axes, positions, rates, _end(trace), label=label, **style)
    if len(trace.setup.base_rates) > 1:
        axes.legend(frameon=False, fontsize=8)
    heading(axes, "learning rate")


def _draw_knob(axes: Axes, trace: Trace, name: str) -> None:
    curve = trace.knobs[name]
    positions = trace.positions(curve)
    steps(axes, positions, curve.rates(name), _end(trace), color=INK, linewidth=1.4)
    heading(axes, name.replace("_", " "))


def _mark_decisions(panels: list[Axes], trace: Trace) -> None:
    events = {event.epoch: event for event in trace.events}
    if len(events) > _MARKED:
        return
    letter = _LETTER * (_end(trace) - trace.setup.first_epoch)
    taken = -np.inf  # up to where the last label goes
    for epoch, event in events.items():
        for axes in panels:
            axes.axvline(epoch + 1, color=_DECISION, linewidth=1, linestyle=(0, (3, 2)), zorder=0)
        label = FLAGGED.get(event.kind, "training ends" if event.decision.stop else event.kind)
        if event.after != event.before:
            label = f"× {rate_text(event.after / event.before)}"
        if epoch + 1 - letter * len(label) >= taken:
            _tag(panels[0], epoch + 1, label, shift=-3, ha="right", color=_DECISION)
            taken = epoch + 1


def _tag(axes: Axes, position: float, text: str, *, shift: int, **style: Any) -> None:
    """Write small print at the top of a panel, beside a position."""
    axes.annotate(
        text,
        (position, 1),
        xycoords=("data", "axes fraction"),
        xytext=(shift, -3),
        textcoords="offset points",
        va="top",
        fontsize=8,
        **style,
    )
