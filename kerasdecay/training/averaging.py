"""The mean of a model's weights over the last part of a training."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasdecay import _checks
from kerasdecay._warnings import warn
from kerasdecay.rules import OpenEnded, Rule
from kerasdecay.schedules import Timeline
from kerasdecay.schedules import duration as durations
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.timeline import unknown_steps
from kerasdecay.training import find
from kerasdecay.training.jax_state import weights_under_way

MOST_SAMPLES = 1000
"""States of the weights that a mean is made of at most: each costs a copy of the weights."""


def check_average(owner: str, value: Any, rules: tuple[Rule[Any], ...]) -> Duration | None:
    """Return `average_last` if it is a duration or None and the rules let it be known when."""
    if value is None:
        return None
    if any(isinstance(rule, OpenEnded) for rule in rules):
        allowed = "None for a training whose end is not known"
        raise _checks.invalid(owner, "average_last", allowed, value)
    return durations.check(owner, "average_last", value, positive=True)


class WeightAverage:
    """Takes the weights after each of the last steps, and puts their mean into the model.

    mean = (w(N−m+1) + … + w(N))/m over the last m steps of N. Where these are more than
    `MOST_SAMPLES`, every k-th of them is taken, k = ⌈m/1000⌉, the last one included. The mean is
    held in single precision, as one copy of the trainable weights, where they are, and moved by one
    call for all of them, which TensorFlow and JAX compile.

    Args:
        owner: The callback's class name, for messages.
        last: How much of the run is averaged.
        model: The model.
        timeline: The run.
        first_epoch: The epoch with which this training begins, or goes on.
    """

    def __init__(
        self, owner: str, last: Duration, model: Any, timeline: Timeline, first_epoch: int
    ) -> None:
        self.check(owner, model, timeline)
        assert timeline.steps_per_epoch is not None
        self._owner, self._last = owner, last
        steps = Timeline(timeline.epochs, timeline.steps_per_epoch)
        self._steps_per_epoch = timeline.steps_per_epoch
        averaged = min(max(durations.updates_in(last, steps), 1), steps.updates)
        self._every = math.ceil(averaged / MOST_SAMPLES)
        self._total = steps.updates
        self._due = self._first = self._total - (averaged - 1) // self._every * self._every
        self._goes_on_within = first_epoch * self._steps_per_epoch >= self._first
        self._done = 0
        self._trained: list[Any] = []
        self._means: list[Any] = []
        self._count = 0
        self._move = _moving()

    @property
    def note(self) -> str:
        """What will be done, in words."""
        which = "each step" if self._every == 1 else f"every {self._every} steps"
        return (
            f"the weights after {which} from step {self._first} on are averaged, and their mean is "
            "in the model as the training ends"
        )

    def begin_batch(self, callback: Any, epoch: int, batch: int) -> None:
        """Take the weights that the step before has left, if it is time.

        The callback's model is asked for only where the weights are not with the steps: on JAX that
        copies the whole state.
        """
        self._done = epoch * self._steps_per_epoch + batch
        if self._done >= self._due:
            under_way = weights_under_way(callback)
            self._trained = self._trained or callback._model.trainable_variables
            self._take(callback.model.trainable_variables if under_way is None else under_way)
            missed = (self._done - self._due) // self._every
            self._due += (missed + 1) * self._every

    def go_on(self, model: Any, timeline: Timeline) -> None:
        """Go on under a new optimizer: the mean is one of the weights, if the same ones train."""
        self.check(self._owner, model, timeline)
        before, now = (
            {id(one) for one in some} for some in (self._trained, model.trainable_variables)
        )
        if before and before != now:
            self._trained = []
            self.restart()
            self._warn(
                f"average_last={self._last!r}: other weights are trained from now on: their mean "
                "begins anew, and what was averaged before is not kept."
            )

    def restart(self) -> None:
        """Begin the mean anew, for a rule has put other weights back."""
        self._means, self._count = [], 0

    def end(self, model: Any) -> None:
        """Put the mean into the model, the weights of the last step included."""
        if self._done + getattr(model, "steps_per_execution", 1) < self._first:
            self._warn(
                f"the training has ended before its last part, average_last={self._last!r}, began "
                f"with step {self._first}: the weights are those of the last step."
            )
            return
        if self._goes_on_within:
            self._warn(
                f"the training went on within its last part, average_last={self._last!r}. The mean "
                "is one of the steps since then: what was averaged before is not kept."
            )
        self._take(model.trainable_variables)
        for variable, mean in zip(model.trainable_variables, self._means, strict=True):
            variable.assign(mean)

    def _take(self, weights: list[Any]) -> None:
        self._count += 1
        self._means = self._move(self._means, weights, self._count)

    def _warn(self, what: str) -> None:
        warn(f"{self._owner}: {what}")

    @staticmethod
    def check(owner: str, model: Any, timeline: Timeline) -> None:
        """Raise a ValueError where no mean can be taken.

        The steps of an epoch are unknown, the optimizer has a mean of its own, or a layer has
        statistics that belong to other weights than the mean.
        """
        if timeline.steps_per_epoch is None:
            raise unknown_steps("average_last")
        for optimizer in find.all_optimizers(model):
            if any(getattr(one, "use_ema", False) for one in find.with_wrapped(optimizer)):
                raise ValueError(
                    f"{owner}: average_last must be None for an optimizer that averages the "
                    f"weights itself. Received: {optimizer.name!r} with use_ema=True, whose mean "
                    "Keras puts into the model before the last weights are taken. Leave out "
                    "use_ema, and SwapEMAWeights, or average_last."
                )
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
                raise ValueError(
                    f"{owner}: average_last must be None for a model with BatchNormalization that "
                    f"is trained. Received: {layer.name!r}, whose moving statistics belong to the "
                    "weights of single steps and not to their mean. Use GroupNormalization or "
                    "LayerNormalization, freeze the layer, or let average_last be."
                )


Moving = Callable[[list[Any], list[Any], int], list[Any]]
"""(Means of n − 1 values, none for n = 1; the n-th values; n) → the means of all n."""


def _moving() -> Moving:
    """Return what moves the means of one training, by one call for all of them."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _InOneGraph()
    return _moved_on_torch if backend == "torch" else _moved_on_jax


class _InOneGraph:
    """TensorFlow's: traced as the mean begins, for the variables that are averaged."""

    def __call__(self, means: list[Any], weights: list[Any], count: int) -> list[Any]:
        means = means or self._begun(weights)
        self._move()
        return means

    def _begun(self, weights: list[Any]) -> list[Any]:
        import tensorflow as tf

        values = [one.value for one in weights]
        means = [tf.Variable(tf.zeros(one.shape), trainable=False) for one in weights]
        count = tf.Variable(0.0, trainable=False)

        def move() -> None:
            count.assign_add(1.0)
            for mean, value in zip(means, values, strict=True):
                mean.assign_add((tf.cast(value, "float32") - mean) / count)

        self._move = tf.function(move, input_signature=[], autograph=False)
        return means


def _moved_on_torch(means: list[Any], weights: list[Any], count: int) -> list[Any]:
    import torch

    with torch.no_grad():
        if not means:
            return [one.value.to(torch.float32, copy=True) for one in weights]
        values = [one.value.to(torch.float32) for one in weights]
        torch._foreach_lerp_(means, values, 1.0 / count)
    return means


def _moved_on_jax(means: list[Any], weights: list[Any], count: int) -> list[Any]:
    values = [getattr(one, "value", one) for one in weights]
    means = means or [np.zeros(one.shape, "float32") for one in values]
    return _jitted()(means, values, np.float32(count))


@functools.cache
def _jitted() -> Any:
    import jax

    def moved(means: list[Any], values: list[Any], count: Any) -> list[Any]:
        pairs = zip(means, values, strict=True)
        return [mean + (value.astype("float32") - mean) / count for mean, value in pairs]

    return jax.jit(moved, donate_argnums=0)
