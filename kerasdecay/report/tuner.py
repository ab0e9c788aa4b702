"""A search for a decay as a table and as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from kerasdecay.report import figures
from kerasdecay.report.decisions import new_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.table import Table

    from kerasdecay.records import SearchResult, TrialResult

_HEADINGS = {"min": "lower is better", "max": "higher is better"}


def search_table(
    result: SearchResult, *, title: str | None = None, rows: int | None = None
) -> Table:
    """Return a search as a rich table, one row a trial, the best first."""
    shown = result.trials[:rows]
    completed = sum(trial.rank is not None for trial in result.trials)
    caption = f"{completed} of {len(result.trials)} trials completed; {_HEADINGS[result.direction]}"
    if len(shown) < len(result.trials):
        caption += f"; the first {len(shown)} shown"
    table = new_table(title, caption=caption)
    others = any(trial.others for trial in shown)
    table.add_column("", justify="right")
    table.add_column("decay", no_wrap=True)
    table.add_column("rate", justify="right")
    table.add_column("parameters")
    if others:
        table.add_column("model")
    table.add_column(escape(result.objective.replace("_", " ")), justify="right")
    table.add_column("epochs", justify="right", no_wrap=True)
    for trial in shown:
        cells = [
            "–" if trial.rank is None else str(trial.rank),
            escape(trial.decay),
            f"{trial.learning_rate:.3g}",
            escape(trial.failure) if trial.failure else _listed(trial.parameters),
            *([_listed(trial.others)] if others else []),
            "–" if trial.score is None else f"{trial.score:.4f}",
            _epochs(trial),
        ]
        style = "bold" if trial.rank == 1 else "dim" if trial.rank is None else ""
        table.add_row(*cells, style=style)
    return table


def search_figure(result: SearchResult, *, title: str | None = None) -> Figure:
    """Draw a search: the score of each trial over its rate, and the rates of the best trials.

    Left, a dot a trial, its area the share of the epochs that it ran, the best one ringed. Right,
    for each decay, the rate in the epochs of its best trial.

    Raises:
        ImportError: If matplotlib is missing, with the command that installs it.
        ValueError: If no trial was completed.
    """
    ranked = [trial for trial in result.trials if trial.rank is not None]
    if not ranked:
        raise ValueError("search_figure: result must hold a completed trial. Received: none.")
    colours = figures.colours_of(dict.fromkeys(trial.decay for trial in ranked))
    figure = figures.new_figure(11.2, 4.6)
    left, right = figure.subplots(1, 2)
    _draw_scores(left, result, ranked, colours)
    _draw_rates(right, ranked, colours)
    figures.key(figure, colours)
    if title:
        figures.headline(figure, title)
    return figure


def _draw_scores(
    axes: Axes, result: SearchResult, ranked: list[TrialResult], colours: Mapping[str, str]
) -> None:
    from matplotlib.ticker import LogLocator

    longest = max((trial.epochs or 0) for trial in ranked) or 1
    for trial in ranked:
        axes.scatter(
            trial.learning_rate,
            _score(trial),
            s=20 + 60 * (trial.epochs or longest) / longest,
            color=colours[trial.decay],
            alpha=0.85,
            linewidths=0,
        )
    best = ranked[0]
    axes.scatter(
        best.learning_rate,
        _score(best),
        s=230,
        facecolors="none",
        edgecolors=figures.INK,
        linewidths=1.4,
    )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    figures.heading(axes, result.objective.replace("_", " "))
    figures.note(axes, _HEADINGS[result.direction])
    axes.set_xlabel("initial learning rate", color=figures.INK)
    _dress(axes)


def _draw_rates(axes: Axes, ranked: list[TrialResult], colours: Mapping[str, str]) -> None:
    from matplotlib.ticker import MaxNLocator

    drawn = set()
    for trial in ranked:
        # A zero, where a schedule comes down to nothing, has no place on this scale.
        rates = [rate if rate > 0 else float("nan") for rate in trial.learning_rates]
        if trial.decay in drawn or not rates:
            continue
        drawn.add(trial.decay)
        edges = list(range(len(rates) + 1))
        width = 3.2 if trial.rank == 1 else 1.8
        axes.stairs(rates, edges, baseline=None, color=colours[trial.decay], linewidth=width)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figures.heading(axes, "learning rate, best trial of each")
    figures.note(axes, "bold: the best of all")
    axes.set_xlabel("epochs done", color=figures.INK)
    _dress(axes)


def _dress(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    scales = ((axes.xaxis, axes.get_xscale()), (axes.yaxis, axes.get_yscale()))
    for axis in (axis for axis, scale in scales if scale == "log"):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    figures.frame(axes)


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(
        escape(f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}")
        for key, value in values.items()
    )


def _score(trial: TrialResult) -> float:
    return math.nan if trial.score is None else trial.score


def _epochs(trial: TrialResult) -> str:
    if trial.epochs is None:
        return "–"
    if trial.horizon is None or trial.horizon == trial.epochs:
        return str(trial.epochs)
    return f"{trial.epochs} of {trial.horizon}"
