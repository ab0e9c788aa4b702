"""Schedules and trainings as matplotlib figures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasdecay._checks import invalid
from kerasdecay._names import takes_familiar
from kerasdecay.records import Trace
from kerasdecay.report.figures import COLOURS, INK, dress, handed, heading, new_figure, rate_axis
from kerasdecay.report.histories import is_history, trace_of
from kerasdecay.report.sparklines import needs_log
from kerasdecay.report.trace_picture import trace_figure
from kerasdecay.report.wording import brief
from kerasdecay.schedules import Schedule, simulate
from kerasdecay.schedules.family import schedule_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MANY = 4000
"""The most changes of rate that are all drawn; of more, this number, evenly spread."""


@takes_familiar
def plot(
    *subjects: Any,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    initial_learning_rate: float | None = None,
    labels: Sequence[str] | None = None,
    title: str | None = None,
    path: str | os.PathLike[str] | None = None,
    show: bool = False,
) -> Figure:
    """Draw schedules in one picture, or what happened in a training.

    Args:
        *subjects: Schedules, or names of shapes (or decay callbacks that have not trained, or one
            list of them, or one mapping of names to them); or one trace, one decay callback after
            `fit`, or the History that `fit` returns, which knows one rate an epoch.
        epochs: For schedules: the horizon. It can be left out for callbacks that have one.
        steps_per_epoch: For schedules: batches in an epoch; None draws one rate for each epoch.
        initial_learning_rate: For schedules that have none of their own.
        labels: For schedules: their names in the picture.
        title: The title of the picture.
        path: Where to save the picture, if anywhere: a name that ends in .png, .svg or .pdf.
        show: True opens it in a window, as `pyplot.show()` does. A notebook shows it without.

    Returns:
        A matplotlib figure.

    Raises:
        ImportError: If matplotlib is missing, with the command that installs it.
        ValueError: For no subject, a mixture of schedules and trainings, or a missing horizon.

    Examples:
        >>> from kerasdecay.schedules import Cosine, PowerStep
        >>> figure = plot(PowerStep(0.1), Cosine(0.1), epochs=15)
    """
    if len(subjects) == 1 and isinstance(subjects[0], Mapping):
        labels, subjects = tuple(subjects[0]), tuple(subjects[0].values())
    if len(subjects) == 1 and isinstance(subjects[0], list | tuple):
        subjects = tuple(subjects[0])
    for one in subjects:
        if isinstance(one, str) and os.path.splitext(one)[1]:
            remedy = f"The file to save it to is path={one!r}."
            raise invalid("plot", "subjects", "what is drawn", one, remedy)
    subjects = tuple(schedule_of("plot", "subjects", one) for one in subjects)
    found = [trace_of(one) if is_history(one) else getattr(one, "trace", one) for one in subjects]
    if len(found) == 1 and isinstance(found[0], Trace):
        return handed(trace_figure(found[0], title=title), path, show=show)
    planned = all(isinstance(one, Schedule) or hasattr(one, "schedule") for one in subjects)
    if not found or not planned or any(isinstance(one, Trace) for one in found):
        raise invalid("plot", "subjects", "schedules, or one trained decay or trace", subjects)
    horizons = {getattr(one, "epochs", None) for one in subjects} - {None}
    if epochs is None and len(horizons) == 1:
        epochs = horizons.pop()
    if epochs is None:
        raise invalid(
            "plot", "epochs", "given, to draw schedules over", None, "Pass epochs=15, say."
        )
    if labels is None:
        labels = [brief(one if isinstance(one, Schedule) else one.schedule) for one in subjects]
    if len(labels) != len(subjects):
        raise invalid("plot", "labels", f"{len(subjects)} names, one a schedule", labels)
    rates = [
        simulate(
            one,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            initial_learning_rate=initial_learning_rate,
        )
        for one in subjects
    ]
    figure = curves_figure(dict(zip(labels, rates, strict=True)), epochs, title=title)
    return handed(figure, path, show=show)


def curves_figure(
    curves: Mapping[str, np.ndarray], epochs: int, *, title: str | None = None
) -> Figure:
    """Draw several curves in one picture: name → rates at equal distances over the epochs."""
    rows = -(-len(curves) // _columns(curves)) if len(curves) > 1 or title else 0
    figure = new_figure(7.2, 3.4 + 0.22 * rows)
    axes = figure.subplots()
    log = needs_log(*curves.values())
    # Each line is thinner than the one below it, so that curves of equal rate can all be seen.
    for place, (name, rates) in enumerate(curves.items()):
        positions, heights = _corners(rates, epochs)
        if log:
            heights = np.where(heights > 0, heights, np.nan)
        axes.plot(
            positions,
            heights,
            drawstyle="steps-post",
            color=COLOURS[place % len(COLOURS)],
            linewidth=min(2.0 + 0.8 * (len(curves) - 1 - place), 4.4),
            solid_joinstyle="round",
            label=name,
        )
    if len(curves) == 1:
        axes.fill_between(positions, heights, step="post", color=COLOURS[0], alpha=0.08)
    dress(axes, 0, epochs)
    axes.margins(y=0.08)
    rate_axis(axes, log=log)
    heading(axes, title or ("learning rate (log scale)" if log else "learning rate"))
    axes.set_xlabel("epochs done", color=INK)
    if rows:
        figure.legend(loc="outside lower left", ncols=_columns(curves), frameon=False)
    return figure


def _corners(rates: np.ndarray, epochs: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions where the rate changes, and the rates from there on."""
    changes = np.concatenate([[0], np.flatnonzero(np.diff(rates)) + 1])
    if len(changes) > _MANY:
        changes = np.linspace(0, len(rates) - 1, _MANY).astype(int)
    positions = np.append(changes, len(rates)) * epochs / len(rates)
    return positions, np.append(rates[changes], rates[-1])


def _columns(names: Iterable[str]) -> int:
    return max(1, min(4, 80 // (max(map(len, names)) + 6)))
