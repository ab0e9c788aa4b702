"""The table of decisions that timelines and replays share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kerasdecay.records import Event
from kerasdecay.report.stages import rate_text
from kerasdecay.report.wording import FLAGGED, count

_LONG = 500
"""The most epochs that are all shown."""

_FEW = 5
"""How many epochs, and how many events, are shown at each end of a long training."""

_SHORT = {
    "improve": ("improved", "dim green"),
    "wait": ("not yet", "dim"),
    "well": ("all is well", "dim"),
    "descent": ("coming down", "dim"),
    "cooldown": ("cooling down", "dim"),
    "absent": ("not measured", "dim"),
}

Row = tuple[str | Text, ...]

_GAP: Row = ("…", "", "", "", "")

_WORDS = {kind: word for kind, (word, _) in _SHORT.items()} | FLAGGED
_COUNTED = _WORDS | {"reduce": "reduced", "raise": "raised"}


class Epoch(NamedTuple):
    """An epoch of the table.

    `observed` has a text for each event, or a single one if there was no decision; the text
    `undecided` then takes the place of the decision.
    """

    number: int
    rate: str
    events: Sequence[Event]
    observed: Sequence[str]
    undecided: str = ""

    @property
    def is_eventful(self) -> bool:
        """Whether a decision was more than "not yet"."""
        return any(event.decision.is_event for event in self.events)


def new_table(title: str | None = None, *, caption: str | None = None, **style: Any) -> Table:
    """Return an empty table in the style of all reports."""
    return Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        **style,
    )


def decision_table(
    title: str,
    timelines: Mapping[str, Sequence[Epoch]],
    *,
    kinds: Mapping[str, int],
    rate: str = "rate",
    sources: bool = False,
    complete_from: int = 0,
    every_epoch: bool = False,
    remedy: str = "",
    caption: str = "",
) -> RenderableType:
    """Return a table of decisions, shortened where there are very many epochs.

    `timelines` is optimizer → its epochs, `kinds` how many decisions there were of each kind. From
    the epoch `complete_from` on every decision is known. `remedy` is what the user writes for
    `every_epoch`.
    """
    table = new_table(title, title_style="bold")
    table.caption = Text(caption) if caption else None
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
        waits = _waits(epochs, complete_from)
        last = -1
        for place in sorted(places):
            rows = list(_rows(epochs[place], waits[place], sources))
            for number, *cells in rows if place == last + 1 else [_GAP, *rows]:
                table.add_row(number, *([name] if len(timelines) > 1 else []), *cells)
            last = place
        table.add_section()
    if shown == total:
        return table
    often_first = sorted(kinds.items(), key=lambda one: -one[1])
    counts = ", ".join(f"{_COUNTED.get(kind, kind)} {number}" for kind, number in often_first)
    rest = f"{shown} of {count(total, 'epoch')} are shown; {remedy} shows every one."
    return Group(table, Text(f"decisions: {counts}"), Text(rest))


def _selected(epochs: Sequence[Epoch]) -> Iterable[int]:
    """Return the places of the epochs to show: all, or the ends and the first and last events."""
    number = len(epochs)
    if number <= _LONG:
        return range(number)
    events = [place for place, epoch in enumerate(epochs) if epoch.is_eventful]
    return [*range(_FEW), *events[:_FEW], *events[-_FEW:], *range(number - _FEW, number)]


def _waits(epochs: Sequence[Epoch], complete_from: int) -> list[list[float]]:
    """Return for each decision for how many epochs in a row it has been "not yet".

    The number is −∞ where it is unknown, because earlier decisions were not kept.
    """
    waits: dict[int, float] = {}
    unknown = -math.inf if epochs and epochs[0].number < complete_from else 0
    found = []
    for epoch in epochs:
        if epoch.number < complete_from:
            waits.clear()
        waited = []
        for event in epoch.events:
            waits[event.rule] = waits.get(event.rule, unknown) + 1 if event.kind == "wait" else 0
            waited.append(waits[event.rule])
        found.append(waited)
    return found


def _rows(epoch: Epoch, waits: Sequence[float], sources: bool) -> Iterator[Row]:
    """Yield a row for each decision of an epoch, or one if there is none."""
    start = (str(epoch.number + 1), epoch.rate)
    if not epoch.events:
        yield *start, *epoch.observed, Text(epoch.undecided, style="dim"), ""
        return
    for event, observed, waited in zip(epoch.events, epoch.observed, waits, strict=True):
        decided, why = _decided(event, waited)
        if sources:
            decided = Text.assemble((f"{event.source}: ", "dim"), decided)
        yield *start, observed, decided, why
        start = ("", "")


def _decided(event: Event, waited: float) -> tuple[Text, Text]:
    """Return what was decided and why; a "not yet" is short, with its number in a row."""
    if event.decision.is_event:
        change = f"{rate_text(event.before)} → {rate_text(event.after)}"
        done = change if event.after != event.before else _WORDS.get(event.kind, event.kind)
        return Text(done, style="bold yellow"), Text(event.reason)
    if event.kind not in _SHORT:
        kind = FLAGGED.get(event.kind, event.kind)
        return Text(kind, style="dim"), Text(event.reason, style="dim")
    word, style = _SHORT[event.kind]
    return Text(word + (f" ({waited:.0f})" if waited > 1 else ""), style=style), Text("")
