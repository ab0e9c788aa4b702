"""A training under way: the controller decides, an actuator writes, the trace records."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from kerasdecay._warnings import warn
from kerasdecay.control import Bookmark, Controller
from kerasdecay.records import Event, Trace
from kerasdecay.records.numbers import as_number
from kerasdecay.rules import BatchObservation, Observation, Rule
from kerasdecay.training import compiled, find, probes
from kerasdecay.training.actuator import Actuator
from kerasdecay.training.averaging import WeightAverage
from kerasdecay.training.host import HostActuator
from kerasdecay.training.in_step import CompiledActuator
from kerasdecay.training.knobs import Knobs
from kerasdecay.training.steps import StepCount
from kerasdecay.training.targets import RateTarget
from kerasdecay.training.under_way import epoch_iterator


@dataclasses.dataclass(eq=False)
class Session:
    """A training of one set of optimizers.

    `actuator` writes the rates to the targets; `fallback` takes over where the compiled step cannot
    count its batches. `may_skip` tells whether loss scaling may skip steps.
    """

    controller: Controller
    targets: Mapping[str, RateTarget]
    trace: Trace
    actuator: Actuator
    fallback: HostActuator | None = None
    _: dataclasses.KW_ONLY
    knobs: Knobs
    average: WeightAverage | None
    are_named: bool
    may_skip: bool

    def __post_init__(self) -> None:
        self._epoch = self.trace.setup.first_epoch
        self._first = 0
        self._steps = StepCount({}, 1)
        self._is_checked = False
        self._has_begun = False
        """Whether a batch was begun in an epoch before this one."""
        self._has_told_lost_count = False
        self._has_left_compiled = False
        is_looked_at = self.fallback is not None or self.knobs.bound
        self._next_look: float = 1 if is_looked_at else math.inf
        self._left_before: Mapping[str, float] = {}
        self._marked = Bookmark(self._epoch, {})
        self._decided: tuple[int, Mapping[str, float]] = (-1, {})
        """The last batch after which rules have decided, and the rates that it was trained at."""

    @property
    def left(self) -> Mapping[str, float]:
        """What was last written to each optimizer; NaN before the first write."""
        return self.actuator.left

    def drives(self, present: Mapping[str, RateTarget]) -> bool:
        """Whether these are the rates of the session's optimizers, and not of exchanged ones.

        A ValueError tells of a parameter group that was added since.
        """
        ours, theirs = (
            {id(one.optimizer) for one in rates.values()} for rates in (self.targets, present)
        )
        if ours == theirs and len(present) > len(self.targets):
            added = list(present.values())[-1]
            raise ValueError(
                f"{self.trace.setup.decay}: an optimizer must have all its parameter groups before "
                f"the first epoch. Received: {added.key}, added since, at a rate of its own, "
                f"{added.read():g}. Add it before, and set requires_grad when it is to train."
            )
        return ours == theirs

    def begin_epoch(self, model: Any, epoch: int, first: int = 0) -> None:
        """Write the rates of the epoch's first batch, or of the one with which training begins."""
        self._epoch, self._first = epoch, first
        self._has_begun = self._has_begun or self._steps.last_begun is not None
        self._decided = (-1, {})
        self.actuator.notice_others(epoch)
        self.controller.begin_epoch(epoch)
        self.knobs.begin_epoch(model, epoch, self.controller.tracks, first)
        self.actuator.begin_epoch(model, epoch, first)
        if isinstance(self.actuator, CompiledActuator) and self.actuator.is_new:
            self._next_look = 1
        self._steps = StepCount(self.targets, getattr(model, "steps_per_execution", 1), first)

    def begin_batch(self, callback: Any, batch: int) -> None:
        """Write the rates of a batch."""
        self._steps.last_begun = batch
        if self.average is not None:
            self.average.begin_batch(callback, self._epoch, batch)
        if self._steps.begun >= self._next_look:
            self._look_at_steps(callback, batch)
        self.actuator.begin_batch(callback, self._epoch, batch)

    def end_epoch(
        self,
        model: Any,
        epoch: int,
        logs: dict[str, Any],
        rules: tuple[Rule[Any], ...],
        losses: tuple[float, ...] = (),
        unfed: Collection[str] = (),
    ) -> list[Event]:
        """Log the rates that were used, let the rules observe, write what they decided.

        The rates and what the rules have measured are added to the logs; the `unfed` metrics are
        kept from the rules. Returns what the rules decided, also decisions to do nothing; an empty
        list where the epoch had no batch.
        """
        self._refuse_unbegun_batches(epoch)
        made = self._steps.close()
        most = max(made.values())
        self._warn_of_lost_count(most)
        if self._steps.last_begun is None and most == 0:
            # A batch began, possibly right after a probe, but none was trained.
            self.trace.withdraw(epoch, self._first)
            self.actuator.rewrite()  # on JAX the variables are back at what the last step left
            return []
        last = self._steps.last_trained(most, may_skip=self.may_skip)
        self.actuator.end_epoch(epoch, made, last)
        logs |= self.knobs.end_epoch(model, epoch, self._first, made, self.controller.tracks)
        self._check_steps(model, made)
        # The rate that was used is not in force any more, if a rule has decided after that batch.
        used = self._decided[1] if self._decided[0] >= last else {}
        for track in self.controller.tracks:
            # A part of a MultiOptimizer to which no variable belongs has the rates of the others.
            if made[track.key] or self.may_skip or (not self.are_named and most):
                logs[track.key] = self.targets[track.key].stored(used.get(track.key, track.rate))
        probes.measure(rules, model, logs)
        numbers = {key: as_number(value) for key, value in logs.items()}
        metrics = {key: number for key, number in numbers.items() if number is not None}
        self.trace.record_logs(epoch, metrics)
        seen = {key: number for key, number in metrics.items() if key not in unfed}
        events = self.controller.observe(rules, Observation(epoch, seen, losses=losses))
        for event in events:
            self.trace.record_decision(event)
        self._left_before = dict(self.left)
        if any(event.decision.changes_rate for event in events):
            self.actuator.apply_scale()
        return events

    def due(self, batch: int) -> int:
        """Return how many batches from this one on the rules may observe as one."""
        return self.controller.due(self._epoch, batch)

    def observe_batch(self, rules: tuple[Rule[Any], ...], seen: BatchObservation) -> list[Event]:
        """Let the rules that watch batches observe one; return what they decided.

        The rates follow by `rescale`, or once everything has been put back: see `put_back`.
        """
        self.actuator.reach(seen.batch)
        events = self.controller.observe_batch(rules, seen)
        for event in events:
            self.trace.record_decision(event)
        if events:
            self._decided = seen.batch, {event.key: event.before for event in reversed(events)}
            self.knobs.rescale(seen.batch + 1, self.controller.tracks)
        return events

    def rescale(self, batch: int) -> None:
        """Write the scale that was decided after `batch`, for the batches that follow."""
        self.actuator.rescale(self._epoch, batch + 1)

    def put_back(self, model: Any, restore: Callable[[], None], batch: int) -> None:
        """Put back what the optimizers held, and go on with the batch after `batch`.

        `restore` puts everything back, the optimizers' counters of steps too.
        """
        made = self._steps.made()
        self._restore(restore)
        self._steps.set_back(made)
        self.knobs.go_on(model, batch + 1 - self._first)
        self.actuator.go_on(model, self._epoch, batch + 1)
        # A schedule that was installed anew is asked by the next step, and not before.
        self._next_look = max(self._next_look, self._steps.begun + 2)

    def restore(self, model: Any, restore: Callable[[], None], batch: int | None) -> None:
        """Put back what the optimizers held, after a batch or, without one, an epoch."""
        if batch is not None:
            self.put_back(model, restore, batch)
            return
        self._restore(restore)
        self.actuator.rewrite()

    def _restore(self, restore: Callable[[], None]) -> None:
        restore()
        if self.average is not None:
            self.average.restart()

    def bookmark(self, epoch: int) -> Bookmark:
        """Return what must be known to go on with `epoch`."""
        self._marked = self.controller.bookmark(epoch, self._left_before, self.left)
        return self._marked

    def bookmark_within(self) -> Bookmark:
        """Return the last bookmark, with the rates that a model saved now, in mid-epoch, holds.

        Such a model repeats the epoch from its beginning, and the rules do so too.
        """
        present = self.controller.bookmark(self._epoch, self.left).tracks
        tracks = {
            key: dataclasses.replace(
                mark, rates=tuple(dict.fromkeys([*mark.rates, *present[key].rates]))
            )
            for key, mark in self._marked.tracks.items()
        }
        self._marked = dataclasses.replace(self._marked, tracks=tracks)
        return self._marked

    def end(self, model: Any) -> None:
        """Make the optimizers ordinary ones again, at their last rates."""
        self.actuator.notice_others(self._epoch)
        self.actuator.end(model)
        self.knobs.end(model)
        if self.average is not None:
            self.average.end(model)

    def _look_at_steps(self, callback: Any, batch: int) -> None:
        """Check how often the first batches have applied each optimizer.

        Inside the step the position is counted by the optimizer's own steps, so that a schedule
        would run too fast or too slow. What is driven besides the rate is counted by batches then,
        and the host takes the rate over.
        """
        model = callback.model
        made, begun = self._steps.made(), self._steps.begun
        # One of several optimizers may step seldom. Each look costs JAX a copy of the whole state.
        self._next_look = 2 * begun if self.are_named or self.may_skip else math.inf
        if min(made.values()) < 0:  # the counter was set back, which is told as the epoch ends
            return
        times = self._whole({key: count / begun for key, count in made.items()})
        self.knobs.adapt(times, begun, model)
        if self.fallback is None:
            return
        is_ordinary = all(one in (0, 1) for one in times.values())
        if self._is_reached(model, made) and is_ordinary and (self.may_skip or any(made.values())):
            return
        assert isinstance(self.actuator, CompiledActuator)
        self.actuator.leave(model, self._epoch, begun, made)
        self.actuator = self._take_host(times)
        self.actuator.begin_epoch(model, self._epoch, batch)

    def _whole(self, times: Mapping[str, float]) -> Mapping[str, float]:
        """Return the applications a batch, those that loss scaling may have skipped included."""
        if not self.may_skip:
            return times
        return {key: max(1, math.ceil(one)) for key, one in times.items()}

    def _is_reached(self, model: Any, made: Mapping[str, int]) -> bool:
        """Whether the schedules are in the steps that were made; warn if they are not."""
        return compiled.TRACES.reach(
            model,
            [target.optimizer for key, target in self.targets.items() if made[key]],
            f'{self.trace.setup.decay}: update="compiled"',
            'From now on the rate is written before each batch instead, as with update="batch".',
        )

    def _take_host(self, times: Mapping[str, float]) -> HostActuator:
        """Return the actuator that takes over; warn if an optimizer was the reason."""
        fallback, self.fallback = self.fallback, None
        assert fallback is not None
        if not self.knobs.bound:
            self._next_look = math.inf
        other = next((key for key, count in times.items() if count not in (0, 1)), None)
        if other is not None:
            self._has_left_compiled = True
            self._warn(
                f'update="compiled" counts the optimizer\'s steps, and that of {other} is applied '
                f"{times[other]:.3g} times a batch here. From now on the rate is written before "
                'each batch instead, as with update="batch".'
            )
        return fallback

    def _check_steps(self, model: Any, made: Mapping[str, int]) -> None:
        """Check, after the first epoch, whether these optimizers train the model, and how often."""
        if self._is_checked or (self.may_skip and not any(made.values())):
            return
        self._is_checked = True
        if not any(made.values()):
            self._refuse_idle(model)
            return
        a_batch = self._whole({key: self._steps.a_batch(count) for key, count in made.items()})
        is_ordinary = all(times in (0, 1) for times in a_batch.values())
        if self.fallback is not None and not (self._is_reached(model, made) and is_ordinary):
            self.actuator.end(model)
            self.actuator = self._take_host(a_batch)
            self.actuator.apply_scale()
        self._next_look = math.inf
        if isinstance(self.actuator, HostActuator):
            self._refuse_deaf(model)
        self.knobs.adapt(a_batch, self._steps.begun + 1)
        for key, count in made.items():
            if count == 0:
                if self.are_named and not self.may_skip:
                    self._warn(
                        f"the optimizer of {key} has made no step in epoch {self._epoch + 1}: its "
                        "rate is logged only for epochs in which it trains."
                    )
                continue
            times = a_batch[key]
            if times != 1:
                message = (
                    f"the optimizer of {key} is applied {times:.3g} times a batch; the schedule "
                    "goes by batches"
                )
                self.trace.record_note(message)
                if not self.are_named and not self._has_left_compiled:
                    self._warn(f"{message}.")

    def _warn_of_lost_count(self, most: int) -> None:
        """Warn, once, where the counter that the compiled step goes by was set back in an epoch.

        An optimizer that has made no step, of those that it made before, was probably set back too.
        """
        is_single = not (self.are_named or self.may_skip)
        none_made = (
            self._is_checked and is_single and self._steps.last_begun is not None and not most
        )
        goes_by_it = isinstance(self.actuator, CompiledActuator) or self.knobs.move
        if self._has_told_lost_count or not goes_by_it:
            return
        if self._steps.was_set_back or none_made:
            self._has_told_lost_count = True
            self._warn(
                f"the counter of the optimizer's steps was set back within epoch {self._epoch + 1}"
                ", and what the step computes went by it: a driven momentum, weight decay or "
                'factor, and under update="compiled" the rate. The log and the trace of such an '
                "epoch do not tell it. List what sets the counter back before the decay."
            )

    def _refuse_unbegun_batches(self, epoch: int) -> None:
        """Raise a RuntimeError where a loop has told of no batch, and each was to be known."""
        changes = isinstance(self.actuator, HostActuator) and self.actuator.changes_within_epochs
        if not (changes or self.average is not None) or epoch_iterator() is not None:
            return
        if not self._steps.is_unbegun(uncounted=not self._has_begun):
            return
        rates = ", ".join(f"{key} {rate:g}" for key, rate in self.left.items())
        what = "the learning rate changes" if changes else "the mean of the weights grows"
        raise RuntimeError(
            f"{self.trace.setup.decay}: {what} within an epoch, and epoch {epoch + 1} was trained "
            f"without one batch begun, at {rates}. Call run.begin_step() before each batch; with "
            "a keras.callbacks.CallbackList, on_train_batch_begin(batch)."
        )

    def _refuse_idle(self, model: Any) -> None:
        epoch = f"in epoch {self._epoch + 1}"
        if self.are_named:
            self._warn(f"none of the optimizers named in optimizers=… has made a step {epoch}.")
            return
        kind = type(model.optimizer).__name__
        why = f"model.optimizer, {kind}, has made no step {epoch}: it does not train this model"
        message = find.wrong_optimizer(self.trace.setup.decay, model, why)
        if find.own_optimizers(model):
            self.actuator.end(model)
            raise ValueError(message)
        if epoch_iterator() is None:
            message += (
                " Where a loop keeps the optimizer's state itself, or takes steps at the rate that "
                "run.begin_step() returns, pass stateless=True to steer."
            )
        warn(f"{message} Its rate is not logged.")

    def _refuse_deaf(self, model: Any) -> None:
        """Raise a ValueError if a wrapper's steps use a rate that is not set by it."""
        for key, target in self.targets.items():
            inner = target.inner_with_own_rate()
            if inner is None:
                continue
            self.actuator.end(model)
            (name, rate), kind = inner, type(target.optimizer).__name__
            path = key.removeprefix("learning_rate_") if self.are_named else "optimizer"
            raise ValueError(
                f"{self.trace.setup.decay}: the learning_rate of {kind} does not train this model: "
                f"{kind}.{name} takes the steps, at a rate of its own, {rate:g}. Make the "
                f"learning_rate of {kind} a property that hands it on, or name the other one: "
                f'LearningRateDecay(optimizers={{"{path}.{name}": Cosine({rate:g})}}).'
            )

    def _warn(self, what: str) -> None:
        warn(f"{self.trace.setup.decay}: {what}")
