"""The table of decisions that timelines and replays share."""

from __future__ import annotations

import collections
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kerasdecay.report.stages import rate_text
from kerasdecay.report.wording import count
from kerasdecay.rules import Decision

_LONG = 500
"""Epochs beyond which most are left out."""

_FEW = 5
"""Of a long training, so many first and last epochs are shown, and first and last events."""

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

_COUNTED = {kind: word for kind, (word, _) in _SHORT.items()} | _FLAGGED
_COUNTED |= {"reduce": "reduced", "raise": "raised"}


class Taken(NamedTuple):
    """One rule's decision in one epoch.

    Args:
        decision: Kind and reason.
        before: The rate before it.
        after: The rate after it.
        observed: What the rule looked at.
        rule: The place of the rule among those of the training.
        label: Stands before the decision where several rules decide.
    """

    decision: Decision
    before: float
    after: float
    observed: str
    rule: int = 0
    label: str = ""


class Epoch(NamedTuple):
    """An epoch of the table.

    Args:
        number: The epoch, from 0.
        rate: Its rate, or how the rate moved.
        taken: The decisions at its end.
        observed: What was observed, where nothing was decided.
        undecided: What stands in place of a decision, where there is none.
    """

    number: int
    rate: str
    taken: Sequence[Taken]
    observed: str = ""
    undecided: str = ""

    @property
    def is_eventful(self) -> bool:
        """Whether a decision was more than "not yet"."""
        return any(one.decision.is_event for one in self.taken)


def new_table(title: str) -> Table:
    """Return an empty table in the style of all reports."""
    return Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )


def decision_table(
    title: str,
    timelines: Mapping[str, Sequence[Epoch]],
    *,
    rate: str = "rate",
    every_epoch: bool = False,
    remedy: str = "",
    waited: float = 0,
) -> RenderableType:
    """Return a table of decisions, shortened where there are very many epochs.

    Args:
        title: Stands above it.
        timelines: Optimizer → its epochs. Where there are several, the table names them.
        rate: The heading of the rates.
        every_epoch: Show all epochs, however many.
        remedy: What the user writes for `every_epoch`.
        waited: For how many epochs in a row each rule had said "not yet" before the first epoch.
    """
    table = new_table(title)
    table.add_column("epoch", justify="right")
    if len(timelines) > 1:
        table.add_column("optimizer")
    table.add_column(rate)
    table.add_column("observed", no_wrap=True)
    table.add_column("decided")
    table.add_column("why", ratio=1)
    shown = total = 0
    for name, epochs in timelines.items():
        places = set(range(len(epochs)) if every_epoch else _selected(epochs))
        shown, total = shown + len(places), total + len(epochs)
        for number, *cells in _rows(epochs, places, waited):
            table.add_row(number, *([name] if len(timelines) > 1 else []), *cells)
        table.add_section()
    if shown == total:
        return table
    taken = (one for epochs in timelines.values() for epoch in epochs for one in epoch.taken)
    kinds = collections.Counter(one.decision.kind for one in taken).most_common()
    counts = ", ".join(f"{_COUNTED.get(kind, kind)} {number}" for kind, number in kinds)
    rest = f"{shown} of {count(total, 'epoch')} are shown; {remedy} shows every one."
    return Group(table, Text(f"decisions: {counts}"), Text(rest))


def _selected(epochs: Sequence[Epoch]) -> Iterable[int]:
    """Return the places of the epochs to show: all, or the ends and the first and last events."""
    number = len(epochs)
    if number <= _LONG:
        return range(number)
    events = [place for place, epoch in enumerate(epochs) if epoch.is_eventful]
    return [*range(_FEW), *events[:_FEW], *events[-_FEW:], *range(number - _FEW, number)]


def _rows(
    epochs: Sequence[Epoch], places: Container[int], waited: float
) -> Iterator[tuple[str | Text, ...]]:
    """Yield a row for each decision, for each epoch without any, and for each gap."""
    waits: dict[int, float] = {}
    is_gap = False
    for place, epoch in enumerate(epochs):
        for one in epoch.taken:
            waits[one.rule] = waits.get(one.rule, waited) + 1 if one.decision.kind == "wait" else 0
        if place not in places:
            if not is_gap:
                yield "…", "", "", "", ""
            is_gap = True
            continue
        is_gap = False
        start = (str(epoch.number + 1), epoch.rate)
        if not epoch.taken:
            yield *start, epoch.observed, Text(epoch.undecided, style="dim"), ""
        for one in epoch.taken:
            decided, why = _decided(one.decision, one.before, one.after, waits[one.rule])
            if one.label:
                decided = Text.assemble((f"{one.label}: ", "dim"), decided)
            yield *start, one.observed, decided, why
            start = ("", "")


def _decided(decision: Decision, before: float, after: float, waits: float) -> tuple[Text, Text]:
    """Return what was decided and why; a "not yet" is short, with its number in a row."""
    if decision.is_event:
        change = f"{rate_text(before)} → {rate_text(after)}"
        done = change if after != before else _FLAGGED.get(decision.kind, decision.kind)
        return Text(done, style="bold yellow"), Text(decision.reason)
    if decision.kind not in _SHORT:
        kind = _FLAGGED.get(decision.kind, decision.kind)
        return Text(kind, style="dim"), Text(decision.reason, style="dim")
    word, style = _SHORT[decision.kind]
    return Text(word + (f" ({waits:.0f})" if waits > 1 else ""), style=style), Text("")
