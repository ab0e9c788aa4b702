"""The decisions that a rule would have taken on a finished training log."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from kerasdecay.records import Event
from kerasdecay.report.decisions import Epoch, decision_table
from kerasdecay.report.stages import movement_text, rate_text
from kerasdecay.report.timelines import observed_text
from kerasdecay.report.wording import count, rule_text
from kerasdecay.rules import Rule, RuleState
from kerasdecay.rules.observation import epochs_of
from kerasdecay.schedules import Constant, Schedule, Timeline, cooldown


def replay_report(
    rule: Rule[Any],
    epochs: Sequence[Mapping[str, float]],
    learning_rate: float | None = None,
    losses: Sequence[Iterable[float]] | None = None,
    *,
    every_epoch: bool = False,
) -> RenderableType:
    """Return the decisions of a rule on the metrics of each epoch, as a table and a closing line.

    Without a learning rate it shows the rule's scale. Where the rule ends the training, the table
    ends too.
    """
    base = 1.0 if learning_rate is None else learning_rate
    what = "scale" if learning_rate is None else "rate"
    batches = None if losses is None else [list(one) for one in losses]
    states = list(rule.replay(epochs, base, batches))
    places = list(_places(rule, epochs, batches or ()))
    ends = next((n for n, state in enumerate(states, 1) if state.decision.stop), len(states))
    states, places = states[:ends], places[:ends]
    rates = _rates(rule, states, base, [place[:2] for place in places])
    timeline = []
    for (number, batch, seen), state, (begin, end, after) in zip(
        places, states, rates, strict=True
    ):
        event = Event(number, type(rule).__name__, state.decision, end, after, batch=batch)
        timeline.append(Epoch(number, movement_text(begin, end), [event], [seen]))
    table = decision_table(
        rule_text(rule),
        {what: timeline},
        kinds=collections.Counter(state.decision.kind for state in states),
        rate=what,
        every_epoch=every_epoch,
        remedy="--all",
    )
    changes = sum(state.decision.changes_rate for state in states)
    moved = f"{rate_text(base)} → {rate_text(rates[-1][-1])}" if changes else "as it was"
    end_line = f"{count(changes, 'change')} in {count(len(epochs), 'epoch')}: {what} {moved}"
    if states and states[-1].decision.stop:
        end_line += f"; the rule ends the training after epoch {places[-1][0] + 1}"
    return Group(table, Text(end_line))


def _places(
    rule: Rule[Any], epochs: Sequence[Mapping[str, float]], losses: Sequence[Sequence[float]]
) -> Iterator[tuple[int, int | None, str]]:
    """Yield epoch, batch (None at an epoch's end) and what was seen, for each observation."""
    if rule.every is None:
        for number, logs in zip(epochs_of(epochs), epochs, strict=True):
            yield number, None, observed_text(logs, rule.watched)
        return
    every, done = int(rule.every.split()[0]), 0
    for number, batches in zip(epochs_of(epochs), losses, strict=True):
        for batch in range(every - 1 - done % every, len(batches), every):
            yield number, batch, f"batch {batch + 1}"
        done += len(batches)


def _rates(
    rule: Rule[Any],
    states: Sequence[RuleState],
    learning_rate: float,
    places: Sequence[tuple[int, int | None]],
) -> list[list[float]]:
    """Return each observation's rates: as its epoch begins, then, and after the decision."""
    if not places:
        return []
    timeline = Timeline(places[-1][0] + 1, unit="epoch")
    begun = np.asarray([epoch for epoch, _ in places])
    ended = begun + np.asarray([batch is None for _, batch in places])
    planned = open_loop(rule, states, learning_rate)
    first, last = planned.rates(begun, timeline), planned.rates(ended, timeline)
    scales = np.asarray([rule.initial_state().scale, *(state.scale for state in states)])
    return np.stack([scales[:-1] * first, scales[:-1] * last, scales[1:] * last], axis=1).tolist()


def open_loop(rule: Rule[Any], states: Sequence[RuleState], learning_rate: float) -> Schedule:
    """Return the schedule of a replay, before scaling: a constant rate, and its way down if any.

    Examples:
        >>> from kerasdecay.rules import AdaptiveKnee, Plateau
        >>> from kerasdecay.schedules import simulate
        >>> rule = AdaptiveKnee(Plateau("loss", patience=1))
        >>> states = list(rule.replay([3.0, 2.0, 2.0, 2.0, 2.0]))
        >>> simulate(open_loop(rule, states, 0.4), epochs=5).tolist()
        [0.4, 0.4, 0.4, 0.4, 0.2]
    """
    constant, begin, way_down = Constant(learning_rate), states[-1].cooldown_from, rule.way_down
    if begin is None or way_down is None:
        return constant
    final = way_down.final_learning_rate
    return cooldown(constant, begin, way_down.curve, final, states[-1].cooldown_to)
