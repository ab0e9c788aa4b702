"""The decay that a trial has drawn, and the nearest one that fits the training."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kerasdecay.callbacks import LearningRateDecay
from kerasdecay.schedules import Moment, Schedule, Timeline
from kerasdecay.schedules.duration import parse
from kerasdecay.tuner.candidates import Candidate, Settings

_STEPS_OF_A_LONG_EPOCH = 10**9
_MOST_STEPS = 2**53  # of a whole run: a float holds every smaller integer
_SHARES = range(5, 101, 5)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A candidate with the values that a tuner drew for it."""

    candidate: Candidate
    settings: Settings
    rate: float
    values: Mapping[str, Any]

    def decay(
        self, *, epochs: int | None = None, state_path: str | os.PathLike[str] | None = None
    ) -> LearningRateDecay:
        """Return a new callback."""
        settings = dataclasses.replace(self.settings, epochs=epochs, state_path=state_path)
        return self.candidate.build(settings, self.rate, **self.values)

    def fitted(self, timeline: Timeline) -> Drawn:
        """Return the nearest draw that fits a run, often this one, or raise what it causes."""
        error = misfit(self.decay(), timeline)
        if error is None:
            return self
        for values in _nearby(self.values, timeline):
            other = dataclasses.replace(self, values=values)
            try:
                decay = other.decay()
            except ValueError:  # no value of this parameter at all
                continue
            if misfit(decay, timeline) is None:
                return other
        raise error

    def timeline_of(self, decay: LearningRateDecay) -> Timeline:
        """Return the run that Keras has announced to one of this draw's callbacks."""
        params = decay.params or {}
        epochs = params.get("epochs", 1) if decay.epochs is None else decay.epochs
        return Timeline(
            epochs, params.get("steps"), "epoch" if self.settings.update == "epoch" else "step"
        )


def long_epochs(epochs: int) -> Timeline:
    """Return a run of this many epochs with as many steps as possible.

    The more steps an epoch has, the more fits into it: what does not fit here fits no run.
    """
    epochs = Timeline(epochs, unit="epoch").epochs  # checked: an integer >= 1
    return Timeline(epochs, max(min(_STEPS_OF_A_LONG_EPOCH, _MOST_STEPS // epochs), 1))


def misfit(decay: LearningRateDecay, timeline: Timeline) -> ValueError | None:
    """Return the error of a decay that does not fit a run, None if it fits."""
    if not isinstance(decay.schedule, Schedule):
        return None  # a function of the epoch has no length
    try:
        decay.schedule.check(Moment.of(0, timeline))
    except ValueError as error:
        return error
    return None


def _nearby(values: Mapping[str, Any], timeline: Timeline) -> Iterator[dict[str, Any]]:
    """Yield other values, changing as few parameters as possible, the nearest values first."""
    for count in range(1, len(values) + 1):
        for names in itertools.combinations(values, count):
            others = [_others(values[name], timeline) for name in names]
            for changed in itertools.product(*others):
                yield {**values, **dict(zip(names, changed, strict=True))}


def _others(value: Any, timeline: Timeline) -> Iterable[Any]:
    """Return what may stand in for a value, the nearest first.

    Numbers, and durations in epochs or steps, come down to a smaller whole number; shares of the
    horizon move up or down, in steps of 5 %.
    """
    if isinstance(value, bool):
        return ()
    if isinstance(value, (int, float)):
        return map(type(value), _below(value, timeline.epochs))
    try:
        amount, unit = parse("tuner", "value", value)
    except ValueError:  # a word, such as the name of a curve
        return ()
    if unit == "%":
        return [f"{share}%" for share in sorted(_SHARES, key=lambda share: abs(share - amount))]
    most = (
        timeline.epochs if unit == "epochs" else timeline.epochs * (timeline.steps_per_epoch or 1)
    )
    return (f"{number} {unit}" for number in _below(amount, most))


def _below(value: float, most: int) -> range:
    return range(min(math.ceil(value) - 1, most), 0, -1)
