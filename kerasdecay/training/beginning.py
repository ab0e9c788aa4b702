"""The beginning of a training: schedules meet the optimizers and the run that they are for."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from kerasdecay.control import (
    Bookmark,
    Controller,
    FunctionRates,
    ScheduledRates,
    StateFile,
    Track,
    TrackBookmark,
)
from kerasdecay.control.origin import Found, Origin, Past, absolute, from_optimizer
from kerasdecay.records import Setup, Trace
from kerasdecay.records.range import Choice
from kerasdecay.schedules import Constant, Schedule
from kerasdecay.training import compiled, find
from kerasdecay.training.averaging import WeightAverage
from kerasdecay.training.host import HostActuator
from kerasdecay.training.in_step import CompiledActuator
from kerasdecay.training.knobs import Knobs, Run
from kerasdecay.training.memory import LEFT, Left, Memory
from kerasdecay.training.plan import Plan, has_auto
from kerasdecay.training.session import Session
from kerasdecay.training.targets import RateTarget
from kerasdecay.training.telling import tell


@dataclasses.dataclass(frozen=True)
class Beginning:
    """What is known as a training begins, or goes on.

    `former` is the session of the optimizer that was exchanged in mid-training. Its record and its
    mean of the weights are gone on with.
    """

    plan: Plan
    epoch: int
    targets: Mapping[str, RateTarget]
    found: Mapping[str, Found]
    origin: Origin
    former: Session | None = None

    @property
    def automatic(self) -> dict[str, RateTarget]:
        """The rates that must still be found by a probe."""
        if not self.origin.is_found:
            return {}
        return {
            key: target
            for key, target in self.targets.items()
            if isinstance(schedule := self.plan.schedule_of(key), Schedule) and schedule.is_auto
        }

    def write_given(self) -> None:
        """Write the first rates of the schedules that need no probe, to train beside it."""
        for key in self.targets.keys() - self.automatic.keys():
            planned = self.plan.open_loop(key, self.origin.base_rates[key])
            if isinstance(planned, ScheduledRates):
                planned.begin_epoch(self.epoch)
                self.targets[key].write(float(planned.rates(0, 1)[0]))

    def probed(self, choice: Choice) -> Beginning:
        """Return the beginning with what a probe has found for the automatic rates.

        A probe that has found nothing leaves the rate to the optimizer, with a warning.
        """
        if choice.rate is None:
            warning = f'"auto": {choice.reason}. The optimizer\'s rate is taken: ' + ", ".join(
                f"{key} {self.found[key].rate:g}" for key in self.automatic
            )
            return dataclasses.replace(
                self, origin=dataclasses.replace(self.origin, warning=f"{warning}.")
            )
        bases = {
            key: self.plan.accepted(key, choice.rate) if key in self.automatic else rate
            for key, rate in self.origin.base_rates.items()
        }
        told = ""
        if self.former is not None:
            told = _exchange_told(
                self.plan, self.epoch, f". Rates were tried for it: {choice.reason}"
            )
        origin = Origin(bases, None, f"found by the probe: {choice.reason}", told)
        return dataclasses.replace(self, origin=origin)

    def session(self, model: Any) -> Session:
        """Return the session of this training, and tell what may not be expected of the rate."""
        plan, former = self.plan, self.former
        controller = self._controller()
        trace = Trace(self._setup(controller)) if former is None else former.trace
        tell(self, controller, trace)
        for target in self.targets.values():
            before = LEFT.get(target.optimizer)
            LEFT[target.optimizer] = Left(
                math.nan,
                plan.timeline.epochs,
                plan.fits_one_epoch and self.epoch == 0,
                before is not None and before.has_told,
            )
        tracks, targets = controller.tracks, self.targets
        host = HostActuator(tracks, targets, trace, plan.timeline.updates_per_epoch)
        may_skip = find.scales_the_loss(model, plan.names)
        actuators: list[Any] = [host]
        if plan.update.compiled:
            actuators = [CompiledActuator(tracks, targets, trace, may_skip=may_skip), host]
        average = None if former is None else former.average
        if average is not None:
            average.go_on(model, plan.timeline)
        elif plan.average_last is not None:
            first = trace.setup.first_epoch
            average = WeightAverage(plan.owner, plan.average_last, model, plan.timeline, first)
            trace.record_note(average.note)
        return Session(
            controller,
            targets,
            trace,
            *actuators,
            knobs=self._knobs(model, tracks, trace, may_skip=may_skip),
            average=average,
            are_named=plan.names is not None,
            may_skip=may_skip,
        )

    def _controller(self) -> Controller:
        plan, goes_on = self.plan, self.origin.goes_on
        tracks = []
        for key in self.targets:
            states = None if goes_on is None else goes_on.tracks[key].rule_states(plan.rules)
            open_loop = plan.open_loop(key, self.origin.base_rates[key])
            tracks.append(Track(key, open_loop, plan.rules, states, self.found[key].rate))
        warming = max(
            (
                one.warmup_updates(plan.timeline)
                for one in plan.schedules.values()
                if isinstance(one, Schedule)
            ),
            default=0,
        )
        return Controller(tracks, plan.timeline.epochs, warming, plan.timeline.updates_per_epoch)

    def _setup(self, controller: Controller) -> Setup:
        plan = self.plan
        planned = {track.key: track.planned for track in controller.tracks}
        return Setup(
            decay=plan.owner,
            schedules={
                key: one.schedule if isinstance(one, ScheduledRates) else plan.schedule_of(key)
                for key, one in planned.items()
            },
            rules=plan.rules,
            update=str(plan.update),
            epochs=plan.timeline.epochs,
            steps_per_epoch=plan.timeline.steps_per_epoch,
            base_rates={
                key: None if plan.has_rate(key) else rate
                for key, rate in self.origin.base_rates.items()
            },
            base_source=self.origin.source,
            first_epoch=self.epoch,
            driven={name: what for knob in plan.knobs for name, what in knob.plans.items()},
        )

    def _knobs(self, model: Any, tracks: list[Track], trace: Trace, *, may_skip: bool) -> Knobs:
        """Return what is driven besides the rate, bound to the optimizers."""
        plan = self.plan
        bound = {}
        for track in tracks if plan.knobs else ():
            planned = track.planned
            base = (
                compiled.reference(planned)
                if isinstance(planned, ScheduledRates)
                else planned.base_rate or math.nan
            )
            run = Run(track.key, plan.timeline, plan.update.every, base, planned)
            optimizer = self.targets[track.key].optimizer
            bound[track.key] = [knob.bind(optimizer, model, run) for knob in plan.knobs]
            for note in filter(None, (one.note for one in bound[track.key])):
                trace.record_note(note)
        schedules = [one for knob in plan.knobs for one in knob.schedules]
        move = not all(isinstance(one, Constant) for one in schedules)
        return Knobs(bound, self.targets, trace, plan.timeline, may_skip=may_skip, move=move)


def begin(
    plan: Plan,
    model: Any,
    epoch: int,
    memory: Memory | None,
    state_file: StateFile | None,
    *,
    former: Session | None = None,
) -> Beginning:
    """Return what is known of the training that begins, or goes on, with `epoch`.

    `former` is the session of the optimizer that was exchanged in mid-training.
    """
    # They were found to be settable before the training, but for an exchanged optimizer.
    find_targets = find.targets_of if former is None else find.rate_targets
    targets = find_targets(model, plan.names)
    for target in targets.values():
        target.counts_steps = plan.counts_steps
    found = {key: _found(target, memory) for key, target in targets.items()}
    origin = _origin(plan, epoch, found, _past(plan, epoch, found, memory, state_file))
    if former is not None:
        rates = ", ".join(f"{key} {one.rate:g}" for key, one in found.items())
        taken = f"; its rate is taken for the initial one ({rates})"
        told = _exchange_told(plan, epoch, "" if plan.is_absolute else taken)
        origin = dataclasses.replace(origin, warning=told)
    return Beginning(plan, epoch, targets, found, origin, former)


def _exchange_told(plan: Plan, epoch: int, what: str) -> str:
    afresh = " The rules start afresh." if plan.rules else ""
    return f"the model has a new optimizer from epoch {epoch + 1} on{what}.{afresh}"


def _found(target: RateTarget, memory: Memory | None) -> Found:
    return Found(
        rate=target.read(),
        has_trained=bool(target.steps()),
        is_known=memory is not None and memory.knows(target),
        same=target.same,
    )


def _past(
    plan: Plan,
    epoch: int,
    found: Mapping[str, Found],
    memory: Memory | None,
    state_file: StateFile | None,
) -> Past:
    filed = None
    if state_file is not None:
        is_new = not any(one.has_trained for one in found.values())
        may_have_probed = is_new and has_auto(plan.schedules.values())
        filed = state_file.begin(epoch, may_have_probed=may_have_probed)
        if filed is not None:
            _check_filed(plan, filed, state_file)

    def planned(key: str, bookmark: TrackBookmark) -> Iterable[float]:
        assert filed is not None
        planned = plan.open_loop(key, bookmark.base_rate)
        if isinstance(planned, FunctionRates):
            return ()
        track = Track(key, planned, plan.rules, bookmark.rule_states(plan.rules))
        track.begin_epoch(epoch)
        assert isinstance(track.open_loop, ScheduledRates)
        count = plan.timeline.updates_per_epoch
        updates = np.arange(max(filed.epoch - 1, 0) * count, (epoch + 1) * count)
        return np.unique((track.open_loop.at(updates) * track.scale).astype(np.float32)).tolist()

    return Past(
        remembered=None if memory is None else memory.bookmark,
        filed=filed,
        last_filed=None if state_file is None else state_file.last,
        planned=planned,
    )


def _check_filed(plan: Plan, filed: Bookmark, state_file: StateFile) -> None:
    """Raise a ValueError that names the file, if what it holds is not of this training."""
    for track in filed.tracks.values():
        try:
            if not plan.is_absolute and track.base_rate is None:
                raise ValueError("base_rate must be a number. Received: null")
            track.rule_states(plan.rules)
        except ValueError as error:
            raise state_file.refusal(f"cannot be gone on with: {error}") from error


def _origin(plan: Plan, epoch: int, found: Mapping[str, Found], past: Past) -> Origin:
    if not plan.is_absolute:
        return from_optimizer(
            epoch,
            found,
            past,
            follows=plan.follows,
            has_rules=bool(plan.rules),
            remedy=f"If it has been decayed already, pass {plan.initial_rate_argument}.",
        )
    origin = absolute(epoch, found, past, has_rules=bool(plan.rules))
    if plan.names is None and len({one.rate for one in found.values()}) > 1:
        _refuse_to_flatten(plan, found, past)
    return origin


def _refuse_to_flatten(plan: Plan, found: Mapping[str, Found], past: Past) -> None:
    """Raise a ValueError where one absolute rate would take the place of several different ones."""
    for bookmark in (past.filed, past.remembered):
        if bookmark is not None and all(
            key in bookmark.tracks and one.holds(bookmark.tracks[key].rates)
            for key, one in found.items()
        ):
            return  # this callback has left them like that
    held = ", ".join(f"{key} {one.rate:g}" for key, one in found.items())
    named = ", ".join(
        f'"{key.removeprefix("learning_rate_")}": Cosine({one.rate:g})'
        for key, one in found.items()
    )
    raise ValueError(
        f"{plan.owner}: one initial rate would be given to several optimizers that hold different "
        f"ones: {held}. Leave it out, and each optimizer starts from its own; or give each its "
        f"schedule: LearningRateDecay(optimizers={{{named}}})."
    )
