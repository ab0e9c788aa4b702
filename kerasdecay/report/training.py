"""What a decay callback prints at verbose=1: a panel, a line for each change, a table."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from kerasdecay.report.decisions import new_table
from kerasdecay.report.sparklines import needs_log, sparkline
from kerasdecay.report.stages import planned, rate_text, recorded, stages, table_rows, whole
from kerasdecay.report.timelines import nothing_finished, trace_of
from kerasdecay.report.wording import (
    base_rates,
    best_place,
    brief,
    count,
    driven_lines,
    is_known_ahead,
    rule_text,
    schedules_of,
    shown_metrics,
    way_text,
)
from kerasdecay.rules import Rule
from kerasdecay.schedules import Schedule, Timeline
from kerasdecay.schedules.one_cycle import OneCycleMomentum

if TYPE_CHECKING:
    from kerasdecay.records import Event, Setup, Trace

_STAGES = 8
"""The most stages that the panel lists."""

_POINTS = 400
"""The number of points of a run that a sparkline shows."""

_EVENTS = 100
"""The most decisions that are all listed."""

_FEW = 5
"""How many of more decisions are listed at each end."""


def decision_line(event: Event, trace: Trace) -> Text:
    """Return the line for a change of the rate: as Keras' ReduceLROnPlateau prints it, and why."""
    name = event.key.replace("_", " ", 2)
    done = ""  # the reason tells where a way down begins
    if event.after != event.before:
        verb = "raising" if event.after > event.before else "reducing"
        done = f" {verb} {name} to {rate_text(event.after)}"
    # The line break at the start leaves the line of Keras' progress bar.
    line = f"{event.place.capitalize()}: {trace.setup.decay}{done}"
    return Text(f"\n{line}{'.' if done else ':'} {event.reason}")


def announcement(trace: Trace) -> Panel:
    """Return the panel before a training: curve, stages, base rate, horizon, rules, notes."""
    setup = trace.setup
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    for name, value in _facts(setup):
        facts.add_row(name, value)
    for text in trace.notes:
        facts.add_row("note", Text(text))
    title = Text(setup.decay, style="bold")
    return Panel(facts, title=title, title_align="left", expand=False, box=box.ROUNDED)


def _facts(setup: Setup) -> Iterable[tuple[str, RenderableType]]:
    for text, key in schedules_of(setup):
        yield "schedule", Text(text)
        yield from _curve(setup, setup.schedules[key])
    for text in base_rates(setup):
        yield "base rate", Text(text)
    horizon = count(setup.epochs, "epoch")
    if setup.steps_per_epoch is not None:
        horizon += f" of {count(setup.steps_per_epoch, 'step')}"
    if setup.first_epoch:
        horizon += f", going on with epoch {setup.first_epoch + 1}"
    yield "horizon", Text(horizon)
    yield "written", Text(_WRITTEN.get(setup.update, f"every {setup.update}"))
    for name, plan in setup.driven.items():
        yield name.replace("_", " "), Text(_driven(setup, plan))
    for index, rule in enumerate(setup.rules):
        yield "" if index else "rules", Text(rule_text(rule))
        yield from _earliest(setup, rule)


def _driven(setup: Setup, plan: Any) -> str:
    """Return what is planned for a number besides the rate."""
    if isinstance(plan, OneCycleMomentum):  # the cycle is the rate's own, told above
        timeline = _timeline(setup)
        return way_text(plan.rates(range(timeline.updates), timeline))
    return plan if isinstance(plan, str) else brief(plan)


def _earliest(setup: Setup, rule: Rule[Any]) -> Iterable[tuple[str, RenderableType]]:
    """Yield when a rule may act, where that is known ahead."""
    if rule.watches_batches and not rule.waits:
        yield "", Text("may act after any batch")
    known = all(isinstance(one, Schedule) for one in setup.schedules.values())
    if not rule.waits or not known or setup.first_epoch:
        return
    timeline = _timeline(setup)
    warming = max(one.warmup_updates(timeline) for one in setup.schedules.values())
    rests = math.ceil(warming / timeline.updates_per_epoch)
    earliest = rule.earliest(setup.epochs, setup.steps_per_epoch, rests)
    yield "", Text(f"acts after epoch {earliest} at the earliest")


def _timeline(setup: Setup) -> Timeline:
    unit: Literal["epoch", "step"] = "epoch" if setup.update == "epoch" else "step"
    return Timeline(setup.epochs, setup.steps_per_epoch, unit)


_WRITTEN = {
    "epoch": "at each epoch",
    "batch": "at each batch",
    "compiled": "inside the compiled step",
}


def _curve(setup: Setup, schedule: Any) -> Iterable[tuple[str, RenderableType]]:
    if not is_known_ahead(schedule):
        note = "none: a function of yours is asked when its epoch comes"
        yield "curve", Text(note, style="dim")
        return
    timeline = _timeline(setup)
    every = int(setup.update.split()[0]) if setup.update.endswith(" steps") else 1
    begins, ends = planned(schedule, timeline, every=every)
    updates = np.linspace(0, timeline.updates - 1, min(timeline.updates, _POINTS)).astype(int)
    rates = np.asarray(schedule.rates(updates, timeline))
    lines = stages(begins, ends)
    line = Text.assemble((sparkline(rates), "cyan"), f"  {whole(begins, ends).rate}")
    yield "curve, log" if needs_log(rates) else "curve", line
    between_epochs = not schedule.changes_within_epochs
    stay = [
        one for one in lines if one.low == one.high and (one.first < one.last or between_epochs)
    ]
    if stay and 1 < len(lines) <= _STAGES:
        grid = Table.grid(padding=(0, 2))
        for stage in lines:
            plural = "s" if stage.last > stage.first else ""
            grid.add_row(f"epoch{plural} {stage.epochs}", Text(stage.rate))
        yield "stages", grid


def summary(training: Any, *, told: bool = False) -> RenderableType:
    """Return the table after a training: stage, epochs, rate, metrics; decisions under it.

    Args:
        training: A decay callback after `fit`, or its trace.
        told: Whether each change of the rate was already shown when it was decided. The summary
            then gives only their number.

    Raises:
        ValueError: If the callback has not trained.
    """
    trace = trace_of("summary", training)
    setup = trace.setup
    if not trace.logs:
        return nothing_finished(trace)
    keys = list(setup.base_rates)
    metrics = shown_metrics(logs for _, logs in trace.logs)
    after = " after the probe's" if trace.tried and trace.logs[0][0] > setup.first_epoch else ""
    title = f"{setup.decay}: {count(len(trace.logs), 'epoch')}{after}"
    table = new_table(title, title_style="bold")
    table.add_column("stage", justify="right")
    table.add_column("epochs")
    for key in keys:
        table.add_column(key.removeprefix("learning_rate_").replace("learning_rate", "rate"))
    for metric in metrics:
        table.add_column(f"{metric}\nbest", justify="right", no_wrap=True)
        table.add_column("\nlast", justify="right", no_wrap=True)
    first = trace.logs[0][0]
    rates = {key: recorded(trace, key) for key in keys}
    # A decision at an epoch's end holds from the next epoch on.
    cuts = {
        one.epoch + 1 - first
        for one in trace.events
        if one.batch is None and one.decision.changes_rate
    }
    for number, stage in enumerate(table_rows(*rates[keys[0]], first=first, cuts=cuts), 1):
        part = slice(stage.first - first, stage.last + 1 - first)
        others = [
            whole(begins[part], ends[part]).rate
            for begins, ends in (rates[key] for key in keys[1:])
        ]
        cells = [cell for metric in metrics for cell in _best_and_last(trace, part, metric)]
        table.add_row(str(number), stage.epochs, stage.rate, *others, *cells)
    return Group(table, *driven_lines(trace), *_decisions(trace, told))


def _best_and_last(trace: Trace, part: slice, metric: str) -> tuple[str, str]:
    values = [logs[metric] for _, logs in trace.logs[part] if metric in logs]
    if not values:
        return "–", "–"
    best = best_place(metric, values)
    return "–" if best is None else f"{values[best]:.4f}", f"{values[-1]:.4f}"


def _decisions(trace: Trace, told: bool) -> list[Text]:
    changes = [event for event in trace.events if event.decision.changes_rate]
    shown = [event for event in trace.events if not (told and event in changes)]
    lines = [_decision(event) for event in shown]
    if len(lines) > _EVENTS:
        lines[_FEW:-_FEW] = [Text(f"… {len(lines) - 2 * _FEW} more decisions …", style="dim")]
    if told and changes:
        times = "once" if len(changes) == 1 else f"{len(changes)} times"
        repeated = (
            f"Rules changed the course {times}, as told above; explain(decay) shows each epoch."
        )
        lines.insert(0, Text(repeated))
    if trace.setup.rules and not trace.events:
        names = " and ".join(dict.fromkeys(type(rule).__name__ for rule in trace.setup.rules))
        looked = count(trace.decided_epochs, "epoch")
        lines.append(Text(f"{names} looked at {looked} and changed nothing."))
    return lines


def _decision(event: Event) -> Text:
    change = ""
    if event.after != event.before:
        change = f"{rate_text(event.before)} → {rate_text(event.after)}, because "
    name = event.key.removeprefix("learning_rate").lstrip("_")
    where = f"{event.place}, {event.source}{f' ({name})' if name else ''}: "
    return Text.assemble((where, "bold"), f"{change}{event.reason}")
