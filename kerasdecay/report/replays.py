"""What a rule would have decided on a finished log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kerasdecay.report.stages import rate_text
from kerasdecay.report.timelines import decision_cells
from kerasdecay.report.wording import count, rule_text
from kerasdecay.rules import Rule


def replay_report(
    rule: Rule[Any], epochs: Sequence[Mapping[str, float]], learning_rate: float | None = None
) -> RenderableType:
    """Return the decisions of a rule on the metrics of each epoch, as a table and a closing line.

    Args:
        rule: The rule.
        epochs: The logs of each epoch.
        learning_rate: The open-loop rate of that training; None shows the rule's scale.
    """
    table = Table(
        title=rule_text(rule),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("epoch", justify="right")
    table.add_column("scale" if learning_rate is None else "rate")
    table.add_column("observed", no_wrap=True)
    table.add_column("decided")
    table.add_column("why", ratio=1)
    base = 1.0 if learning_rate is None else learning_rate
    scale, waits, changes = 1.0, 0, 0
    for place, (logs, state) in enumerate(zip(epochs, rule.replay(epochs, base), strict=True)):
        decision = state.decision
        waits = waits + 1 if decision.kind == "wait" else 0
        changes += state.scale != scale
        before, after = base * scale, base * state.scale
        observed = f"{rule.watched} {logs[rule.watched]:.4g}" if rule.watched in logs else ""
        number = f"{logs.get('epoch', place) + 1:.0f}"
        cells = decision_cells(decision, before, after, waits)
        table.add_row(number, rate_text(before), observed, *cells)
        scale = state.scale
    what = "scale" if learning_rate is None else "rate"
    end = f"{count(changes, 'change')} in {count(len(epochs), 'epoch')}: "
    end += (
        f"{what} {rate_text(base)} → {rate_text(base * scale)}" if changes else f"{what} as it was"
    )
    return Group(table, Text(end))
