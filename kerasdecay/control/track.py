"""One rate: what the open loop plans, times what the rules have decided."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from kerasdecay.control.bookmark import TrackBookmark
from kerasdecay.records import Event
from kerasdecay.rules import BatchObservation, Decision, Descent, Observation, Rule, RuleState
from kerasdecay.schedules import Moment, Schedule, Timeline, cooldown
from kerasdecay.schedules.by_epoch import checked_rate
from kerasdecay.schedules.timeline import unknown_steps


class OpenLoop(Protocol):
    """What is planned before any rule has decided.

    `base_rate` is what must be known to go on from here: see `TrackBookmark`.
    """

    base_rate: float | None

    def begin_epoch(self, epoch: int) -> None:
        """Move on to an epoch, counted from 0."""

    def rates(self, first: int, last: int) -> np.ndarray:
        """Return the rates of batches `first` … `last` − 1 of the epoch."""


class ScheduledRates:
    """A schedule laid over a run.

    A rate holds for `every` updates; it is that of the first of them. The initial rates were filled
    in with `base_rate`, None if they were given.
    """

    def __init__(
        self, schedule: Schedule, timeline: Timeline, base_rate: float | None = None, every: int = 1
    ) -> None:
        self.schedule = schedule
        self.base_rate = base_rate
        self.timeline = timeline
        self._every = every
        self._first = 0

    def begin_epoch(self, epoch: int) -> None:
        """Move on to an epoch."""
        self._first = epoch * self.timeline.updates_per_epoch

    def rates(self, first: int, last: int) -> np.ndarray:
        """Return the rates of batches `first` … `last` − 1 of the epoch."""
        if self.timeline.unit == "epoch":
            updates = np.asarray([self._first])
        else:
            updates = np.arange(self._first + first, self._first + last)
        rates = self.schedule.formula(self._moment(updates))
        return np.broadcast_to(rates, (last - first,))

    def at(self, updates: np.ndarray) -> np.ndarray:
        """Return the rates of these updates of the run, in one evaluation of the formula."""
        return np.asarray(self.schedule.formula(self._moment(updates)))

    def epoch_of(self, step: Any) -> Any:
        """Return the epoch of a step of the run: a number, or a tensor inside the step."""
        if self.timeline.steps_per_epoch is None:
            raise unknown_steps("a value that the training step computes")
        return step // self.timeline.steps_per_epoch

    def update_of(self, step: Any) -> Any:
        """Return the update whose rate holds at a step of the run: a number, or a tensor."""
        if self.timeline.unit == "epoch":
            return self.epoch_of(step)
        return step if self._every == 1 else step // self._every * self._every

    def coming_down(self, way: Descent, begin: int, end: int | None) -> ScheduledRates:
        """Return the plan that comes down from the start of one epoch to that of another.

        Without an end it comes down to the horizon.
        """
        schedule = cooldown(self.schedule, begin, way.curve, way.final_learning_rate, end)
        return ScheduledRates(schedule, self.timeline, self.base_rate, self._every)

    def _moment(self, updates: np.ndarray) -> Moment:
        return Moment.of(updates // self._every * self._every, self.timeline)


class FunctionRates:
    """A user's `f(epoch, learning_rate)`: each epoch's rate follows from the one before.

    The function is given the open-loop rate, so that what rules have decided is not counted twice.
    """

    def __init__(self, function: Callable[[int, float], float], initial: float) -> None:
        self._function = function
        self.base_rate: float | None = initial

    def begin_epoch(self, epoch: int) -> None:
        """Call the function, once for this epoch."""
        assert self.base_rate is not None
        self.base_rate = checked_rate(self._function(epoch, self.base_rate), epoch)

    def rates(self, first: int, last: int) -> np.ndarray:
        """Return the epoch's one rate, for each batch."""
        return np.full(last - first, self.base_rate)


class Track:
    """One optimizer's rate in a training: open loop × scale."""

    def __init__(
        self,
        key: str,
        planned: OpenLoop,
        rules: tuple[Rule[Any], ...],
        states: tuple[RuleState, ...] | None = None,
        found: float = float("nan"),
    ) -> None:
        self.key = key
        self.planned = self.open_loop = planned
        self.open_rate = float("nan")
        self._rules = rules
        self._states = list(states or (rule.initial_state() for rule in rules))
        self._rate_before = found

    @property
    def scale(self) -> float:
        """The product of what the rules have decided."""
        product = 1.0
        for state in self._states:
            product *= state.scale
        return product

    @property
    def rate(self) -> float:
        """The rate in force: that of the last step, times what was decided since."""
        return self.open_rate * self.scale

    def begin_epoch(self, epoch: int) -> None:
        """Move on to an epoch; from here on the rate comes down, if a rule has decided so."""
        self._come_down()
        self.open_loop.begin_epoch(epoch)

    def observe(self, rules: tuple[Rule[Any], ...], seen: Observation) -> list[Event]:
        """Let the rules observe an epoch; return what they decided.

        `seen` lacks only the rates, which are this track's.
        """
        self._rate_before = self.rate
        events = []
        for index, rule in enumerate(rules):
            before, state = self.rate, self._states[index]
            observation = dataclasses.replace(seen, learning_rate=before, planned=self.open_rate)
            take = rule.advance if rule.every is None else rule.end_epoch
            self._states[index] = take(state, observation)
            if self._states[index] is state:  # it decides within epochs
                continue
            decision = self._states[index].decision
            events.append(self._event(seen.epoch, rule, index, decision, before))
        return events

    @property
    def due(self) -> int:
        """After how many batches the rules that watch batches must observe them."""
        pairs = zip(self._rules, self._states, strict=True)
        return min(rule.due(state) for rule, state in pairs if rule.watches_batches)

    @property
    def looks(self) -> bool:
        """Whether a rule wants to see the variables after the next batch."""
        return any(
            rule.looks_after(state) for rule, state in zip(self._rules, self._states, strict=True)
        )

    @property
    def confirms(self) -> bool:
        """Whether all rules that put back call the snapshot of the last look good now."""
        return all(
            rule.confirms(state)
            for rule, state in zip(self._rules, self._states, strict=True)
            if rule.puts_back
        )

    def observe_batch(
        self, rules: tuple[Rule[Any], ...], seen: BatchObservation, *, rests: bool = False
    ) -> list[Event]:
        """Let the rules that watch batches observe one; return what they decided.

        Of rules with `every` all decisions are returned, of the others only their events.

        During the warmup (`rests`) only rules without `every` observe, such as `Rescue`.
        """
        events = []
        for index, rule in enumerate(rules):
            if not rule.watches_batches or (rests and rule.every is not None):
                continue
            before = self.rate
            seen = dataclasses.replace(seen, learning_rate=before, planned=self.open_rate)
            self._states[index] = state = rule.advance_batch(self._states[index], seen)
            decides = rule.every is not None and rule.has_observed(state)
            if decides or (rule.every is None and state.decision.is_event):
                events.append(
                    self._event(seen.epoch, rule, index, state.decision, before, seen.batch)
                )
        return events

    def _event(
        self,
        epoch: int,
        rule: Rule[Any],
        index: int,
        decision: Decision,
        before: float,
        batch: int | None = None,
    ) -> Event:
        """Return what a rule has decided, as a record."""
        name = type(rule).__name__
        return Event(epoch, name, decision, before, self.rate, self.key, index, batch)

    def bookmark(self) -> TrackBookmark:
        """Return what must be known to go on from here."""
        rates = dict.fromkeys(
            rate for rate in (self.rate, self._rate_before) if not math.isnan(rate)
        )
        states = tuple(state.to_data() for state in self._states)
        return TrackBookmark(self.open_loop.base_rate, tuple(rates), states)

    def _come_down(self) -> None:
        if self.open_loop is not self.planned:
            return
        for rule, state in zip(self._rules, self._states, strict=True):
            way = rule.way_down
            if state.cooldown_from is not None and way is not None:
                assert isinstance(self.planned, ScheduledRates)  # checked by the callback
                self.open_loop = self.planned.coming_down(
                    way, state.cooldown_from, state.cooldown_to
                )
                return
