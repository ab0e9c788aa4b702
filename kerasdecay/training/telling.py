"""What a user should know as a training begins: where it starts, and what has no effect."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from kerasdecay._warnings import warn
from kerasdecay.control import Controller, ScheduledRates
from kerasdecay.records import Trace
from kerasdecay.schedules import Moment, Schedule
from kerasdecay.training.memory import LEFT
from kerasdecay.training.plan import Plan
from kerasdecay.training.targets import RateTarget

if TYPE_CHECKING:
    from kerasdecay.training.beginning import Beginning


def tell(beginning: Beginning, controller: Controller, trace: Trace) -> None:
    """Record where the training starts from, and warn, once, of what may be unexpected."""
    plan, epoch, origin = beginning.plan, beginning.epoch, beginning.origin
    if origin.goes_on is not None:
        kept = ": the rules keep what they have decided" if plan.rules else ""
        trace.record_note(f"goes on with epoch {epoch + 1}{kept}")
    elif epoch > 0 and plan.rules:
        trace.record_note(f"begins with epoch {epoch + 1}: the rules start afresh")
    messages = [
        origin.warning,
        _jump(beginning, controller),
        _loop_of_fits(plan, epoch, beginning.targets),
        _idle(plan, controller),
        "" if epoch or origin.goes_on or plan.fits_one_epoch else _nothing(plan, controller),
    ]
    for message in filter(None, messages):
        trace.record_note(message)
        warn(f"{plan.owner}: {message}")


def _jump(beginning: Beginning, controller: Controller) -> str:
    """Return the warning where a longer horizon lifts the rate of a training that goes on."""
    plan, epoch = beginning.plan, beginning.epoch
    for track in controller.tracks:
        left, open_loop = LEFT.get(beginning.targets[track.key].optimizer), track.planned
        if epoch == 0 or left is None or not isinstance(open_loop, ScheduledRates):
            continue
        first = epoch * plan.timeline.updates_per_epoch
        before, now = (open_loop.at(np.asarray([first - 1, first])) * track.scale).tolist()
        rate = beginning.found[track.key].rate
        if plan.timeline.epochs > left.epochs and rate * 1.01 < min(before, now):
            return (
                f"{track.key} jumps up from {rate:g} to {now:.4g} with epoch {epoch + 1}, for the "
                f"schedule is planned over {plan.timeline.epochs} epochs now and was planned over "
                f"{left.epochs} before. Pass epochs=…, all the epochs that there will be, from the "
                "first fit on."
            )
    return ""


def _idle(plan: Plan, controller: Controller) -> str:
    """Return the warning where `fit` goes on beyond a horizon at which the rate is 0."""
    run, ends = plan.timeline, plan.fit_epochs
    if ends is None or ends <= run.epochs:
        return ""
    last = np.asarray([run.epochs * run.updates_per_epoch])
    for track in controller.tracks:
        if isinstance(track.planned, ScheduledRates) and not track.planned.at(last).any():
            return (
                f"{track.key} is 0 after epoch {run.epochs}, for the decay has "
                f"epochs={run.epochs}, and this fit goes on to epoch {ends}: nothing is trained "
                f"then. Leave epochs out, or pass epochs={ends}."
            )
    return ""


def _nothing(plan: Plan, controller: Controller) -> str:
    """Return the warning of arguments that have no effect in a run as short as this one."""
    run = plan.timeline
    messages: list[str] = []
    for schedule in plan.schedules.values():
        if isinstance(schedule, Schedule):
            messages += schedule.unreached(Moment.of(0, run))
    rests = math.ceil(controller.resting / run.updates_per_epoch)
    for rule in plan.rules:
        earliest = rule.earliest(run.epochs, run.steps_per_epoch, rests)
        if rule.waits and earliest > run.epochs:
            messages.append(
                f"{type(rule).__name__}: {rule.waits} lets it change the rate after epoch "
                f"{earliest} at the earliest"
            )
    if not messages:
        return ""
    epochs = f"{run.epochs} epoch{'s' if run.epochs > 1 else ''}"
    return f"some of it does nothing in {epochs}. {'. '.join(dict.fromkeys(messages))}."


def _loop_of_fits(plan: Plan, epoch: int, targets: Mapping[str, RateTarget]) -> str:
    """Return the warning where `fit(epochs=1)` is called again and again."""
    constant = plan.follows and not plan.rules
    if epoch > 0 or not plan.fits_one_epoch or constant:
        return ""
    for target in targets.values():
        left = LEFT.get(target.optimizer)
        if left is not None and left.was_one_epoch and not left.has_told and target.steps():
            left.has_told = True
            return (
                "fit(epochs=1) has been called again from epoch 0, which begins the decay anew "
                "each time. To let one decay go on, write:\n"
                "    for epoch in range(epochs):\n"
                "        model.fit(…, initial_epoch=epoch, epochs=epoch + 1, callbacks=[decay])  "
                "# decay made once, with epochs=…"
            )
    return ""
