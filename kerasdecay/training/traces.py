"""Traced steps that use what was installed on an optimizer, and old traces that must not."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Iterable
from typing import Any

import keras

from kerasdecay._warnings import warn


@dataclasses.dataclass
class TracedStep:
    """What is known of the traced steps that use something installed on an optimizer.

    A `train_step` with a `tf.function` of its own is traced once and for all. On TensorFlow a
    variable, which is none of the optimizer's, makes that trace use the optimizer's own values
    once what was installed is removed.

    `in_force` is that variable, None where there is none; `is_asked`: a step has asked for it.
    """

    in_force: Any = None
    is_asked: bool = False

    def note(self, step: Any) -> None:
        """Note that this step, a tensor, asks."""
        self.is_asked = self.is_asked or _is_in_step(step)

    def choose(self, value: Any, otherwise: Any) -> Any:
        """Return `value` while it is installed, and then what a step does without it."""
        return value if self.in_force is None else keras.ops.where(self.in_force, value, otherwise)


class Traces:
    """The traced steps of all optimizers, for one kind of thing that is installed on them."""

    def __init__(self) -> None:
        # They live as long as the optimizer, because an old trace still reads their variables.
        self._steps: weakref.WeakKeyDictionary[Any, list[TracedStep]] = weakref.WeakKeyDictionary()

    def begin(self, optimizer: Any) -> TracedStep:
        """Return the record for steps that are traced from now on; end the one before."""
        self.end(optimizer)
        step = TracedStep()
        if keras.backend.backend() == "tensorflow":
            step.in_force = keras.Variable(True, dtype="bool", trainable=False, autocast=False)
        self._steps.setdefault(optimizer, []).append(step)
        return step

    def end(self, optimizer: Any) -> None:
        """Make old traces use the optimizer's own values again."""
        for step in self._steps.get(optimizer, [])[-1:]:
            if step.in_force is not None:
                step.in_force.assign(False)

    def reach(self, model: Any, optimizers: Iterable[Any], what: str, otherwise: str) -> bool:
        """Return whether what was installed last is in the steps of a model; warn if it is not.

        `what` was installed, in words; `otherwise` says what is done instead.
        """
        lasts = [self._steps.get(optimizer, [])[-1:] for optimizer in optimizers]
        if steps_untraced(model) or all(any(one.is_asked for one in last) for last in lasts):
            return True
        warn(
            f"{what} does not reach the training step, which was traced before: it is a "
            f"tf.function or jax.jit of its own. {otherwise}"
        )
        return False


def steps_of(optimizer: Any) -> int:
    """Return how many gradients an optimizer has been given, by the counter that its steps read."""
    return int(keras.ops.convert_to_numpy(optimizer._iterations))


def steps_untraced(model: Any) -> bool:
    """Whether no step uses an old trace, so that each asks the optimizer anew.

    Torch's compiler traces again where a method has been replaced.
    """
    backend = keras.backend.backend()
    is_jitted = backend == "tensorflow" or (backend == "jax" and model.jit_compile)
    return bool(model.run_eagerly or not is_jitted)


def trace_anew(model: Any) -> None:
    """Let the model's next training step be traced anew.

    JAX keeps a trace for as long as anything holds the step that it belongs to, a callback or the
    traceback of an interrupted training say, and takes two bound methods of one model for one step.
    A function made here is equal to none.
    """
    if not hasattr(model, "make_train_function"):  # a loop that is not `fit` may have no model
        return
    if keras.backend.backend() != "jax":
        model.make_train_function(force=True)
        return
    own, step = vars(model).get("train_step"), model.train_step
    # Past the model's own __setattr__, which would track what it is given.
    object.__setattr__(model, "train_step", lambda *given, **named: step(*given, **named))
    try:
        model.make_train_function(force=True)
    finally:
        object.__delattr__(model, "train_step")
        if own is not None:
            object.__setattr__(model, "train_step", own)


def _is_in_step(step: Any) -> bool:
    """Whether a tensor belongs to a training step, and is not just a read of the rate."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return not tf.executing_eagerly()
    return backend != "jax" or is_tracer(step)


def is_tracer(value: Any) -> bool:
    """Whether a value stands for one that a function of JAX's will have once it is compiled."""
    import jax

    return isinstance(value, jax.core.Tracer)
