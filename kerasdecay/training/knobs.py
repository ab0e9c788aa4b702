"""What is driven besides the rate, inside the step: weight decay, momentum, factors of groups.

On one optimizer, and for one training, the knobs are set around the application of gradients, and
set back. Between steps an optimizer therefore has its own constants; nothing is added to its
state, and a step that was traced once stays valid.
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from fractions import Fraction
from typing import Any

import keras
import numpy as np

from kerasdecay._config import to_config
from kerasdecay._warnings import warn
from kerasdecay.control import ScheduledRates, Track
from kerasdecay.records import Trace
from kerasdecay.schedules import ByEpoch, Constant, EpochRates, Schedule, Timeline
from kerasdecay.training import applying
from kerasdecay.training.planned import check, of_step
from kerasdecay.training.steps import has_strayed
from kerasdecay.training.targets import RateTarget
from kerasdecay.training.traces import TracedStep, Traces, steps_of, trace_anew

_APPLYING = "the knobs"
_PLACE = "_kerasdecay_knobs_place"
_CHUNK = 65536
"""Steps whose values are recorded at a time."""

_SAMPLES = 10_000
"""The most values of a plan that are checked."""

_TRACES = Traces()


@dataclasses.dataclass(frozen=True)
class Run:
    """What a knob needs to know of the run.

    `key` is the log name of the optimizer's rate. A sampled value holds for `every` steps.
    `base_rate` is the rate at the end of the warmup, before any rule has decided; `open_loop` what
    is planned for it.
    """

    key: str
    timeline: Timeline
    every: int
    base_rate: float
    open_loop: Any

    def name(self, knob: str) -> str:
        """Return the log name of a knob of this optimizer: `momentum`, or `momentum_<name>`."""
        return knob + self.key.removeprefix("learning_rate")

    def planned(self, schedule: Schedule) -> ScheduledRates:
        """Return a schedule laid over the run, and sampled when the rate is.

        A function of the epoch is called for all epochs now, because a step cannot call it.
        """
        if isinstance(schedule, ByEpoch):
            starts = np.arange(self.timeline.epochs) * self.timeline.updates_per_epoch
            schedule = EpochRates(tuple(schedule.rates(starts, self.timeline).tolist()))
        return ScheduledRates(schedule, self.timeline, every=self.every)

    def sampled(self, planned: ScheduledRates) -> np.ndarray:
        """Return values of a plan from the run's beginning to its end, to be checked."""
        last = self.timeline.updates
        return planned.at(np.linspace(0, last, min(last + 1, _SAMPLES)).astype(np.int64))


@dataclasses.dataclass(frozen=True)
class Step:
    """The step that is under way, or that is being traced.

    Its `number` in the run is an integer tensor.
    """

    number: Any
    traced: TracedStep

    def choose(self, value: Any, otherwise: Any) -> Any:
        """Return `value` while the knobs are installed, and `otherwise` in an old trace."""
        return self.traced.choose(value, otherwise)


class Knob(abc.ABC):
    """One thing besides the rate that a plan drives, as a user has asked for it.

    It is data: copied and pickled with the callback, and bound to an optimizer when the training
    begins.
    """

    @property
    def plans(self) -> dict[str, Any]:
        """What a report shows of it: argument → its schedule, or a word."""
        return {}

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """What is sampled: they decide whether `update="auto"` samples within epochs."""
        return tuple(one for one in self.plans.values() if isinstance(one, Schedule))

    def get_config(self) -> dict[str, Any]:
        """Return plain data by which a state file tells one configuration from another."""
        return {name: to_config(one) for name, one in self.plans.items()}

    @abc.abstractmethod
    def check(self, optimizer: Any, model: Any) -> None:
        """Raise a ValueError, before the training begins, for an optimizer that cannot have it."""

    @abc.abstractmethod
    def bind(self, optimizer: Any, model: Any, run: Run) -> BoundKnob:
        """Return it for one optimizer and one run; ValueError for what does not fit."""


class BoundKnob(abc.ABC):
    """A knob of one optimizer, in one run."""

    note = ""
    """A note for the report of the training; empty for none."""

    @abc.abstractmethod
    def within(self, optimizer: Any, step: Step) -> AbstractContextManager[None]:
        """Return the context in which the optimizer applies gradients: it sets, and sets back.

        Under a TensorFlow strategy the contexts of several replicas overlap, in threads: what is
        set back is a constant, known before, and not what was found.
        """

    @abc.abstractmethod
    def values(self, steps: np.ndarray, rates: np.ndarray) -> dict[str, np.ndarray]:
        """Return log name → what the step used, for steps of the run and their rates."""


class PlannedValue:
    """A number that a schedule plans: the same on the host and inside the step."""

    def __init__(self, planned: ScheduledRates) -> None:
        self._planned = planned
        self._constant: float | None = None
        self._compute: Callable[[Any], Any] | None = None
        if isinstance(planned.schedule, Constant):
            self._constant = planned.schedule.initial
        else:
            check(planned)
            self._compute = of_step(planned)

    def in_step(self, step: Any) -> Any:
        """Return the value at a step, a float32 tensor."""
        if self._compute is None:
            return keras.ops.convert_to_tensor(self._constant, dtype="float32")
        return self._compute(step)

    def at(self, steps: np.ndarray) -> np.ndarray:
        """Return the values at these steps of the run."""
        if self._constant is not None:
            return np.full(np.shape(steps), self._constant)
        return self._planned.at(np.asarray(self._planned.update_of(steps)))


def check_knobs(
    owner: str,
    knobs: Iterable[Knob],
    targets: Mapping[str, RateTarget],
    model: Any,
    *,
    counts: bool,
) -> None:
    """Raise a ValueError, before the training, where an optimizer cannot have a knob."""
    for knob in knobs:
        for target in targets.values():
            optimizer = target.optimizer
            is_kerass = isinstance(optimizer, keras.optimizers.Optimizer)
            if not is_kerass or not hasattr(optimizer, applying.HOOK):
                raise ValueError(
                    f"{owner}: only a Keras optimizer can be driven in more than its rate, in "
                    f"Keras {keras.__version__} by its method {applying.HOOK}. Received: "
                    f"{type(optimizer).__name__}."
                )
            if not counts:
                raise ValueError(
                    f"{owner}: a stateless loop keeps the optimizer's counter to itself, by which "
                    "all but the rate is computed inside the step. Use a loop that is not "
                    "stateless, or leave the argument out."
                )
            knob.check(optimizer, model)


@dataclasses.dataclass(eq=False)
class Knobs:
    """All knobs of a training: installs them, keeps them in their place, tells their values.

    `bound` is log name of a rate → the knobs of its optimizer, where there are some; `move` tells
    whether any of them changes. Where loss scaling may skip steps, the knobs wait with the updates.
    """

    bound: Mapping[str, list[BoundKnob]]
    targets: Mapping[str, RateTarget]
    trace: Trace
    timeline: Timeline
    may_skip: bool
    move: bool

    def __post_init__(self) -> None:
        self._begun_at: dict[str, int] = {}
        self._times = dict.fromkeys(self.bound, Fraction(1))
        self._is_checked = False
        self._scales: dict[str, list[tuple[int, float]]] = {}
        """Log name of a rate → the batches of this epoch from which on it had a scale."""

    def begin_epoch(self, model: Any, epoch: int, tracks: Iterable[Track], first: int = 0) -> None:
        """Install them at the first epoch, and anew where the steps made are not those planned."""
        self._scales = {track.key: [(0, track.scale)] for track in tracks}
        per_epoch = self.timeline.steps_per_epoch
        planned = epoch * (per_epoch or 0) + first
        are_constant = per_epoch is None
        for key, knobs in self.bound.items():
            optimizer = self.targets[key].optimizer
            present = _next_step(optimizer)
            if present is None or (
                not are_constant and has_strayed(present, planned, may_skip=self.may_skip)
            ):
                _install(model, optimizer, knobs, planned, self._times[key])
                present = planned
            self._begun_at[key] = present

    def rescale(self, batch: int, tracks: Iterable[Track]) -> None:
        """Note the scales that rules have decided on for this batch and those after it."""
        for track in tracks:
            self._scales[track.key].append((batch, track.scale))

    def go_on(self, model: Any, batch: int) -> None:
        """Install them anew for the next batch, after the optimizers' counters were put back.

        `batch` is the number of batches that this epoch has trained.
        """
        for key, knobs in self.bound.items():
            optimizer = self.targets[key].optimizer
            _install(model, optimizer, knobs, self._begun_at[key] + batch, self._times[key])

    def end_epoch(
        self, model: Any, epoch: int, first: int, made: Mapping[str, int], tracks: Iterable[Track]
    ) -> dict[str, float]:
        """Record the values of an epoch's steps.

        Returns log name → the value of the last step. `first` is the first batch that was trained
        in the epoch, `made` log name of the rate → the steps made.
        """
        logs: dict[str, float] = {}
        for track in tracks:
            count = made[track.key]
            if track.key not in self.bound or not count:
                continue
            times = self._times[track.key]
            from_batch, scales = map(np.asarray, zip(*self._scales[track.key], strict=True))
            for begin in range(0, count, _CHUNK):
                made_so_far = np.arange(begin, min(begin + _CHUNK, count))
                places = made_so_far * times.denominator // times.numerator
                batches = first + places
                rates = track.open_loop.rates(batches[0], batches[-1] + 1)[places - places[0]]
                rates = rates * scales[np.searchsorted(from_batch, batches, "right") - 1]
                values: dict[str, np.ndarray] = {}
                for knob in self.bound[track.key]:
                    values |= knob.values(self._begun_at[track.key] + places, rates)
                self.trace.record_knobs(epoch, batches, values)
            logs |= {name: float(column[-1]) for name, column in values.items()}
        if not self._is_checked:
            self._check(model, [self.targets[key].optimizer for key in self.bound if made[key]])
        return logs

    def _check(self, model: Any, optimizers: Iterable[Any]) -> None:
        """Warn, once a step was made, if it was traced before and goes by none of them."""
        # What was installed anew after the last step is asked by the next one, and not before.
        asked = [one for one in optimizers if steps_of(one) > getattr(one, _PLACE).counted]
        if asked:
            self._is_checked = True
            _TRACES.reach(
                model,
                asked,
                f"{self.trace.setup.decay}: what was to be driven besides the rate",
                "The optimizer keeps its own constants.",
            )

    def adapt(self, times: Mapping[str, float], batches: int, model: Any = None) -> None:
        """Count the optimizers' steps by batches, once it is known how many they make in one.

        `batches` is the number of batches that the epoch has trained. With a `model` the change
        takes effect at once, in the middle of the epoch.
        """
        for key, knobs in self.bound.items():
            present = self._times[key]
            is_known = abs(times[key] - present) * batches < 1
            if not times[key] or is_known or (model is None and present != 1):
                continue
            self._times[key] = Fraction(times[key]).limit_denominator(1000)
            if model is not None:
                optimizer, done = self.targets[key].optimizer, self._begun_at[key] + batches
                _install(model, optimizer, knobs, done, self._times[key])
            message = (
                f"the optimizer of {key} is applied {times[key]:.3g} times a batch. What is driven "
                "besides its rate has gone by the optimizer's own steps so far, and goes by "
                "batches from now on."
            )
            self.trace.record_note(message)
            if batches > 1 and times[key] > present:  # it has run ahead for several batches
                warn(f"{self.trace.setup.decay}: {message}")

    def end(self, model: Any) -> None:
        """Leave the optimizers with their own constants."""
        uninstall(model, [self.targets[key].optimizer for key in self.bound])


def uninstall(model: Any, optimizers: Iterable[Any]) -> bool:
    """Take the knobs out of optimizers; return whether there were any."""
    found = [one for one in optimizers if hasattr(one, _PLACE)]
    for optimizer in found:
        applying.uninstall(optimizer, _APPLYING)
        object.__delattr__(optimizer, _PLACE)
        _TRACES.end(optimizer)
    if found:
        trace_anew(model)
    return bool(found)


@dataclasses.dataclass(frozen=True)
class _Place:
    """How an optimizer's counter tells the number of a step in the run.

    `counted` is the value of the counter when the knobs were installed, `done` the number in the
    run of the step that followed, and `times` how often the optimizer is applied in a batch.
    """

    counted: int
    done: int
    times: Fraction

    def of(self, count: Any) -> Any:
        """Return the number of the step that follows `count` counted ones; a tensor's, too."""
        since = count - self.counted
        if self.times != 1:
            since = since * self.times.denominator // self.times.numerator
        return since + self.done


def _install(
    model: Any, optimizer: Any, knobs: list[BoundKnob], done: int, times: Fraction
) -> None:
    """Let the optimizer's next step be the one with the number `done` in the run."""
    place = _Place(steps_of(optimizer), done, times)
    traced = _TRACES.begin(optimizer)

    @contextlib.contextmanager
    def within(optimizer: Any) -> Iterator[None]:
        number = place.of(keras.ops.convert_to_tensor(optimizer._iterations))
        traced.note(number)
        with contextlib.ExitStack() as stack:
            for knob in knobs:
                stack.enter_context(knob.within(optimizer, Step(number, traced)))
            yield

    applying.install(optimizer, _APPLYING, within)
    # Past the optimizer's own __setattr__, which would track what it is given.
    object.__setattr__(optimizer, _PLACE, place)
    trace_anew(model)


def _next_step(optimizer: Any) -> int | None:
    if not hasattr(optimizer, _PLACE):
        return None
    return int(getattr(optimizer, _PLACE).of(steps_of(optimizer)))
