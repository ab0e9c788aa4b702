"""The timeline of a training: what was observed, what was decided, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from kerasdecay._checks import invalid
from kerasdecay.records import Event, Trace
from kerasdecay.report.console import show
from kerasdecay.report.decisions import Epoch, decision_table
from kerasdecay.report.stages import movement_text, recorded
from kerasdecay.report.wording import base_rates, driven_lines, shown_metrics


def explain(training: Any, *, every_epoch: bool = False) -> None:
    """Print the timeline of a training: epoch, rate, what was observed, what was decided and why.

    It prints and returns nothing, as a model's `summary()` does; `timeline` returns the table.
    "not yet (3)" is the third epoch in a row in which a rule saw no reason to act. Below stand the
    rates that the schedules began with: where they came from, and why, if a probe has found them.

    Of more than 500 epochs it shows the first and the last ones, the first and the last events, and
    how often each decision was taken.

    Args:
        training: A decay callback after `fit`, or its trace.
        every_epoch: Show every epoch, however many there are.

    Raises:
        ValueError: If the callback has not trained.
    """
    show(timeline(training, every_epoch=every_epoch))


def timeline(training: Any, *, every_epoch: bool = False) -> RenderableType:
    """Return what `explain` prints: a rich table, or a line if no epoch was finished."""
    trace = trace_of("explain", training)
    if not trace.logs:
        return nothing_finished(trace)
    table = decision_table(
        f"{trace.setup.decay}: what was decided, and why",
        {key.removeprefix("learning_rate_"): _epochs(trace, key) for key in trace.setup.base_rates},
        kinds=trace.kinds,
        sources=len(trace.setup.rules) > 1,
        complete_from=trace.decisions_from,
        every_epoch=every_epoch,
        remedy="every_epoch=True",
        caption="\n".join(f"base rate {text}" for text in base_rates(trace.setup)),
    )
    return Group(table, *driven_lines(trace)) if trace.knobs else table


def nothing_finished(trace: Trace) -> Text:
    """Return the line for a training that ended in its first epoch."""
    return Text(f"{trace.setup.decay}: no epoch was finished.")


def trace_of(owner: str, training: Any) -> Trace:
    """Return a trace, given it or a callback that has one."""
    trace = getattr(training, "trace", training)
    if not isinstance(trace, Trace):
        raise invalid(
            owner, "training", "a decay callback after fit, or its trace", training, "Train first."
        )
    return trace


def observed_text(logs: Mapping[str, float], name: str) -> str:
    """Return the value of a metric, nothing where it was not measured."""
    return f"{name} {logs[name]:.4g}" if name in logs else ""


def _epochs(trace: Trace, key: str) -> list[Epoch]:
    """Return the epochs of one optimizer, each with what was decided at its end."""
    decided: dict[int, list[Event]] = {}
    for event in trace.decisions:
        if event.key == key:
            decided.setdefault(event.epoch, []).append(event)
    begins, ends = recorded(trace, key)
    rules = trace.setup.rules
    metrics = [rule.watched for rule in rules] or shown_metrics(logs for _, logs in trace.logs)
    shown = metrics[0] if metrics else ""
    epochs = []
    left = begins[0]
    for (epoch, logs), begin, end in zip(trace.logs, begins, ends, strict=True):
        events = decided.get(epoch, [])
        observed = [
            observed_text(logs, rules[event.rule].watched)
            if event.batch is None
            else f"batch {event.batch + 1}"
            for event in events
        ] or [observed_text(logs, shown)]
        undecided = _undecided(trace, epoch, moved=begin != left)
        epochs.append(Epoch(epoch, movement_text(begin, end), events, observed, undecided))
        left = events[-1].after if events else end
    return epochs


def _undecided(trace: Trace, epoch: int, *, moved: bool) -> str:
    if not trace.setup.rules:
        return "by the schedule" if moved else ""
    return "the rules rest" if epoch >= trace.decisions_from else "not kept"
