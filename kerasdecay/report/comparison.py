"""A comparison as a table and as curves."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from kerasdecay._checks import invalid
from kerasdecay._names import takes_familiar
from kerasdecay.report import figures
from kerasdecay.report.decisions import new_table
from kerasdecay.report.sparklines import needs_log
from kerasdecay.report.stages import rate_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.table import Table

    from kerasdecay.records.comparison import Comparison
    from kerasdecay.records.run import Run

# The line styles of several optimizers' rates, in matplotlib's names.
_LINES = ("solid", "dashed", "dotted", "dashdot")

_CELL = len("± 0.0000")


@takes_familiar
def comparison_table(
    comparison: Comparison,
    *,
    title: str | None = None,
    caption: str | None = None,
    metrics: Sequence[str] | None = None,
    steadiness: str | None = None,
    references: Mapping[str, Mapping[str, float]] | None = None,
    reference_name: str = "reference",
    against: str | None = None,
) -> Table:
    """Return a comparison as a rich table, one row per arm.

    Args:
        comparison: What was trained.
        title: Text above the table.
        caption: Text below it, after the line that says what the figures are.
        metrics: The metrics to show, those of the last epoch; by default all but those of the
            training data that were measured on others too.
        steadiness: A metric whose `steadiness` gets a column.
        references: Arm → metric → a figure from another source (a paper, for example), printed
            under the measured one.
        reference_name: The name of those figures.
        against: An arm; of the others, how far each metric lies above that arm's, taken seed by
            seed, with the 95 % interval, is written below the table.
    """
    metrics = (
        _unseen(comparison) if metrics is None else _given("comparison_table", comparison, metrics)
    )
    references = references or {}
    notes = [_what_the_figures_are(comparison), *([caption] if caption else [])]
    if against is not None:
        notes += _differences(comparison, metrics, against)
    table = new_table(title, caption="\n".join(map(escape, notes)), collapse_padding=True)
    table.add_column("arm", no_wrap=True)
    table.add_column("rate")  # on a narrow screen in two lines, so that no number is broken
    headings = [metric.replace("_", "\n", 1).replace("_", " ") for metric in metrics]
    headings += ["steadiness"] if steadiness else []
    for heading in [*headings, "seconds", "images/s"]:
        longest = max(map(len, heading.replace("\n", " ").split()))
        wide = max(longest, _CELL if heading in headings else 0)
        table.add_column(heading, justify="right", overflow="fold", min_width=wide)

    means = {metric: comparison.mean(metric) for metric in metrics}
    spreads = {metric: comparison.spread(metric) for metric in metrics}
    swings = comparison.steadiness(steadiness) if steadiness else {}
    for arm in comparison.arms:
        runs = comparison.of(arm)
        cells = [_number(means[metric][arm]) for metric in metrics]
        if len(runs) > 1:
            spread = [_number(spreads[metric][arm]) for metric in metrics]
            cells = [
                f"{mean}\n[dim]± {other}[/]" for mean, other in zip(cells, spread, strict=True)
            ]
        cells += [_number(swings[arm])] if steadiness else []
        cells.append(f"{statistics.fmean(run.seconds for run in runs):,.0f}")
        cells.append(f"{statistics.fmean(run.images_per_second for run in runs):,.0f}")
        table.add_row(f"[bold]{escape(arm)}[/]", rate_cell(runs[0]), *cells)
        if arm in references:
            known = [references[arm].get(metric) for metric in metrics]
            figures = ["" if value is None else _number(value) for value in known]
            table.add_row(f"  {escape(reference_name)}", "", *figures, style="dim")
    return table


def _unseen(comparison: Comparison) -> tuple[str, ...]:
    """Return the metrics but those of the training data that were measured on others too."""
    names = comparison.metrics
    return tuple(name for name in names if not {f"val_{name}", f"test_{name}"} & set(names))


def _differences(comparison: Comparison, metrics: Sequence[str], against: str) -> list[str]:
    """Return a line for each metric and arm."""
    lines = [f"minus {against}, seed by seed, mean ± half the 95 % interval (* clear of 0):"]
    for metric in metrics:
        for arm, found in comparison.differences(metric, to=against).items():
            star = " *" if found.is_clear else ""
            lines.append(f"  {metric.replace('_', ' ')}, {arm}: {found}{star}")
    return lines


def rate_cell(run: Run) -> str:
    """Return the first and the last rate of a run, `0.1 → 0.001`, or one that never changed.

    A highest rate in between stands between them: `0.004 → 0.1 → 4e-07`.

    Several optimizers take a line each, with their names.
    """
    courses = {_optimizer(name): _course(run.course(name)[1]) for name in run.learning_rates}
    if len(courses) > 1:
        return "\n".join(f"{escape(name)} {course}" for name, course in courses.items())
    return next(iter(courses.values()), "–")


def _course(rates: Sequence[float]) -> str:
    changed = any(rate != rates[0] for rate in rates)
    ends = [rates[0], rates[-1]] if changed else [rates[0]]
    peak = [max(rates)] if max(rates) > max(ends) else []
    return " → ".join(map(rate_text, [*ends[:1], *peak, *ends[1:]]))


def _optimizer(name: str) -> str:
    return name.removeprefix("learning_rate_")


def _what_the_figures_are(comparison: Comparison) -> str:
    seeds = comparison.seeds
    if len(seeds) == 1:
        return f"last epoch, seed {seeds[0]}"
    listed = ", ".join(map(str, seeds))
    return f"last epoch, mean ± standard deviation over {len(seeds)} seeds ({listed})"


def _given(owner: str, comparison: Comparison, metrics: Any) -> tuple[str, ...]:
    is_list = isinstance(metrics, Sequence) and not isinstance(metrics, str)
    if not is_list or not all(isinstance(metric, str) for metric in metrics):
        raise invalid(owner, "metrics", "a list of names of metrics, or None", metrics)
    for metric in metrics:
        comparison.final(metric)  # a ValueError for an unknown name
    return tuple(metrics)


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"


@takes_familiar
def comparison_figure(
    comparison: Comparison,
    *,
    title: str | None = None,
    metrics: Sequence[str] | None = None,
) -> Figure:
    """Draw the curves of a comparison: one panel per metric, and the rates under them.

    Lines are means over the seeds, bands reach from the lowest seed to the highest. A metric that
    was also measured on the validation data is drawn for them (solid) and for training (dotted).

    Args:
        comparison: What was trained.
        title: Text above the panels, at the left.
        metrics: One or two training metrics; by default the first that is no loss, and `loss`.

    Returns:
        A figure that is not registered with pyplot.

    Raises:
        ImportError: If matplotlib is missing, with the command that installs it.
        ValueError: If there is not a single metric to draw.
    """
    metrics = (
        _panels(comparison) if metrics is None else _given("comparison_figure", comparison, metrics)
    )
    if not metrics:
        raise ValueError("comparison_figure: metrics must name at least one. Received: none.")
    figure = figures.new_figure(5.6 * len(metrics), 6.2)
    names: list[list[Any]] = [[*metrics], ["learning_rate"] * len(metrics)]
    panels = figure.subplot_mosaic(names, height_ratios=[2.6, 1])
    colours = figures.colours_of(comparison.arms)
    for metric in metrics:
        _draw_metric(panels[metric], comparison, metric, colours)
    _draw_rates(panels["learning_rate"], comparison, colours)
    figures.key(figure, colours)
    if title:
        figures.headline(figure, title)
    return figure


def _panels(comparison: Comparison) -> tuple[str, ...]:
    trained = [name for name in comparison.metrics if not name.startswith(("val_", "test_"))]
    others = [name for name in trained if name != "loss"]
    return (*others[:1], *(["loss"] if "loss" in trained else []))


def _draw_metric(
    axes: Axes, comparison: Comparison, metric: str, colours: Mapping[str, str]
) -> None:
    validated = f"val_{metric}"
    has_validation = validated in comparison.metrics
    for arm, colour in colours.items():
        bold = validated if has_validation else metric
        _draw_mean(axes, comparison, arm, bold, colour, {"linewidth": 2.2})
        if has_validation:
            faint = {"linewidth": 1.3, "linestyle": (0, (1, 1.6)), "alpha": 0.8}
            _draw_mean(axes, comparison, arm, metric, colour, faint)
    figures.heading(axes, metric.replace("_", " "))
    if has_validation:
        figures.note(axes, "solid: validation   dotted: training")
    figures.dress(axes, 0, _epochs(comparison))


def _draw_mean(
    axes: Axes,
    comparison: Comparison,
    arm: str,
    metric: str,
    colour: str,
    style: dict[str, Any],
) -> None:
    curves = [run.history.get(metric, ()) for run in comparison.of(arm)]
    by_epoch = [
        [curve[epoch] for curve in curves if epoch < len(curve) and math.isfinite(curve[epoch])]
        for epoch in range(max(map(len, curves)))
    ]
    points = [(epoch + 1, values) for epoch, values in enumerate(by_epoch) if values]
    epochs = [epoch for epoch, _ in points]
    axes.plot(epochs, [statistics.fmean(values) for _, values in points], color=colour, **style)
    if len(curves) > 1:
        low = [min(values) for _, values in points]
        high = [max(values) for _, values in points]
        axes.fill_between(epochs, low, high, color=colour, alpha=0.13, linewidth=0)


def _draw_rates(axes: Axes, comparison: Comparison, colours: Mapping[str, str]) -> None:
    firsts = {arm: comparison.of(arm)[0] for arm in colours}
    rates_of = {
        arm: {name: run.course(name) for name in run.learning_rates} for arm, run in firsts.items()
    }
    names = list(dict.fromkeys(name for rates in rates_of.values() for name in rates))
    lines = {name: _LINES[place % len(_LINES)] for place, name in enumerate(names)}
    for arm, colour in colours.items():
        for name, (positions, rates) in rates_of[arm].items():
            style = {"color": colour, "linewidth": 2.2, "alpha": 0.8, "linestyle": lines[name]}
            figures.steps(axes, positions, rates, len(firsts[arm].history[name]), **style)
    if len(names) > 1:
        figures.note(axes, "   ".join(f"{lines[name]}: {_optimizer(name)}" for name in names))
    log = needs_log(*(rates for columns in rates_of.values() for _, rates in columns.values()))
    figures.rate_axis(axes, log=log)
    axes.margins(y=0.12)
    figures.heading(axes, "learning rate")
    axes.set_xlabel("epochs done", color=figures.INK)
    figures.dress(axes, 0, _epochs(comparison))


def _epochs(comparison: Comparison) -> int:
    return max(len(column) for run in comparison.runs for column in run.history.values())
