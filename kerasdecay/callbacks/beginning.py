"""The beginning of a training: a schedule meets the run that it is for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kerasdecay.callbacks import plans
from kerasdecay.callbacks.base_rates import BaseRates
from kerasdecay.callbacks.channel import Channel
from kerasdecay.callbacks.run import Run
from kerasdecay.callbacks.state_file import StateFile
from kerasdecay.callbacks.updates import Update
from kerasdecay.records import Setup
from kerasdecay.rules import Rule, RuleState
from kerasdecay.schedules import Schedule, Timeline


def begin(
    decay: str,
    schedule: Any,
    rules: tuple[Rule[Any], ...],
    update: Update,
    timeline: Timeline,
    epoch: int,
    leaves: Mapping[str, Any],
    base_rates: BaseRates,
    state_file: StateFile | None,
) -> Run:
    """Return the run that begins with `epoch`: initial rates found, rules' states restored.

    Args:
        decay: The callback's class name.
        schedule: The schedule, or the function of (epoch, learning_rate).
        rules: The rules.
        update: When rates are written.
        timeline: Horizon and steps.
        epoch: The first epoch, from 0.
        leaves: Log name → optimizer.
        base_rates: Finds initial rates that were left to the optimizer.
        state_file: Holds the rules' states from before, or None.
    """
    held = None if state_file is None else state_file.begin(epoch)
    bases: dict[str, float | None] = dict.fromkeys(leaves)
    source = "given"
    is_schedule = isinstance(schedule, Schedule)
    if not (is_schedule and schedule.is_resolved):
        bases, source = base_rates.find(leaves, held[0] if held else {}, warn=is_schedule)
    channels = []
    for key, base in bases.items():
        plan = plans.plan(schedule, base, timeline, update.every)
        channels.append(Channel(key, plan, rules, _restored(key, held[1], rules) if held else None))
    setup = Setup(
        decay=decay,
        schedule=getattr(channels[0].plan, "schedule", schedule),
        rules=rules,
        update=str(update),
        epochs=timeline.epochs,
        steps_per_epoch=timeline.steps_per_epoch,
        base_rates=bases,
        base_source=source,
        first_epoch=epoch,
    )
    warming = schedule.warmup_updates(timeline) if is_schedule else 0
    return Run(setup, update, channels, math.ceil(warming / timeline.updates_per_epoch))


def _restored(
    key: str, held: Mapping[str, Any], rules: tuple[Rule[Any], ...]
) -> tuple[RuleState, ...]:
    found = held.get(key)
    if not isinstance(found, list) or len(found) != len(rules):
        raise ValueError(
            f"kerasdecay: the state file holds no states of {len(rules)} rule(s) for {key}. Pass "
            "the file of this training as state_path, or delete it to let the rules start afresh."
        )
    return tuple(rule.state_from_data(data) for rule, data in zip(rules, found, strict=True))
