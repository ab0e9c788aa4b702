"""The timeline of a training: what was observed, what was decided, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from kerasdecay._checks import invalid
from kerasdecay.report.console import show
from kerasdecay.report.stages import movement_text, rate_text, recorded
from kerasdecay.report.wording import shown_metrics
from kerasdecay.rules import Decision

if TYPE_CHECKING:
    from kerasdecay.records import Event, Trace

_SHORT = {
    "improve": ("improved", "dim green"),
    "wait": ("not yet", "dim"),
    "descent": ("coming down", "dim"),
    "cooldown": ("cooling down", "dim"),
    "absent": ("not measured", "dim"),
}

_FLAGGED = {
    "cooldown_start": "the way down begins",
    "floor": "at the floor",
    "nonfinite": "not finite",
}


def explain(training: Any) -> None:
    """Print the timeline of a training: epoch, rate, what was observed, what was decided and why.

    Args:
        training: A decay callback after `fit`, or its trace.

    Raises:
        ValueError: If the callback has not trained.
    """
    show(timeline(training))


def timeline(training: Any) -> RenderableType:
    """Return what `explain` prints: a rich table, or a line if no epoch was finished."""
    trace = trace_of("explain", training)
    if not trace.logs:
        return nothing_finished(trace)
    several = len(trace.setup.base_rates) > 1
    table = Table(
        title=f"{trace.setup.decay}: what was decided, and why",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("epoch", justify="right")
    if several:
        table.add_column("optimizer")
    table.add_column("rate")
    table.add_column("observed", no_wrap=True)
    table.add_column("decided")
    table.add_column("why", ratio=1)
    for key in trace.setup.base_rates:
        name = key.removeprefix("learning_rate_")
        for epoch, *cells in _rows(trace, key):
            table.add_row(epoch, *([name] if several else []), *cells)
        table.add_section()
    return table


def nothing_finished(trace: Trace) -> Text:
    """Return what there is to tell of a training that ended in its first epoch."""
    return Text(f"{trace.setup.decay}: no epoch was finished.")


def trace_of(owner: str, training: Any) -> Trace:
    """Return a trace, given it or a callback that has one."""
    trace = getattr(training, "trace", training)
    if not hasattr(trace, "decisions"):
        raise invalid(
            owner, "training", "a decay callback after fit, or its trace", training, "Train first."
        )
    return trace


def _rows(trace: Trace, key: str) -> Iterator[tuple[str | Text, ...]]:
    """Yield a row for each decision, and one for each epoch without any."""
    decided: dict[int, list[Event]] = {}
    for event in trace.decisions:
        if event.key == key:
            decided.setdefault(event.epoch, []).append(event)
    begins, ends = recorded(trace, key)
    rules = trace.setup.rules
    metrics = [rule.watched for rule in rules] or shown_metrics(logs for _, logs in trace.logs)
    shown = metrics[0] if metrics else ""
    waits: dict[int, int] = {}
    left = begins[0]
    for (epoch, logs), begin, end in zip(trace.logs, begins, ends, strict=True):
        rate = movement_text(begin, end)
        events = decided.get(epoch, [])
        if not events:
            undecided = _undecided(trace, moved=begin != left)
            yield str(epoch + 1), rate, observed_text(logs, shown), undecided, Text("")
        start = (str(epoch + 1), rate)
        for event, place in zip(events, _deciders(events, rules), strict=True):
            waits[place] = waits.get(place, 0) + 1 if event.kind == "wait" else 0
            observed = observed_text(logs, rules[place].watched)
            decision, why = decision_cells(event.decision, event.before, event.after, waits[place])
            if len(rules) > 1:
                decision = Text.assemble((f"{event.source}: ", "dim"), decision)
            yield *start, observed, decision, why
            start = ("", "")
        left = events[-1].after if events else end


def _undecided(trace: Trace, *, moved: bool) -> Text:
    if trace.setup.rules:
        return Text("the rules rest", style="dim")
    return Text("by the schedule" if moved else "", style="dim")


def observed_text(logs: Mapping[str, float], name: str) -> str:
    """Return what was seen of a metric, nothing where it was not measured."""
    return f"{name} {logs[name]:.4g}" if name in logs else ""


def _deciders(events: list[Event], rules: Sequence[Any]) -> Iterator[int]:
    """Yield, for the decisions of one epoch, the place of the rule that took each."""
    free = list(range(len(rules)))
    for event in events:
        place = next(place for place in free if type(rules[place]).__name__ == event.source)
        free.remove(place)
        yield place


def decision_cells(
    decision: Decision, before: float, after: float, waits: int
) -> tuple[Text, Text]:
    """Return what was decided and why, "not yet" in short form.

    Args:
        decision: The decision.
        before: The rate before it.
        after: The rate after it.
        waits: For how many epochs in a row it has been "not yet".
    """
    if decision.is_event:
        change = f"{rate_text(before)} → {rate_text(after)}"
        done = change if after != before else _FLAGGED.get(decision.kind, decision.kind)
        return Text(done, style="bold yellow"), Text(decision.reason)
    if decision.kind not in _SHORT:
        return Text(decision.kind, style="dim"), Text(decision.reason, style="dim")
    word, style = _SHORT[decision.kind]
    return Text(word + (f" ({waits})" if waits > 1 else ""), style=style), Text("")
