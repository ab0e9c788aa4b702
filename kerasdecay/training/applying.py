"""Around the application of gradients: the private hook of Keras that several parts enter.

Keras optimizers apply gradients in `_backend_apply_gradients`. On one optimizer, that method is
replaced by one that enters the contexts installed here, by name, and calls the optimizer's own.
"""

from __future__ import annotations

import contextlib
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras

from kerasdecay.training.traces import is_tracer

HOOK = "_backend_apply_gradients"
Around = Callable[[Any], contextlib.AbstractContextManager[Any]]
"""Optimizer → the context in which it applies gradients."""


def install(optimizer: Any, name: str, around: Around) -> None:
    """Let an optimizer apply gradients within one more context, or another one of this name."""
    _replace(optimizer, {**_installed(optimizer), name: around})


def uninstall(optimizer: Any, name: str) -> None:
    """Take the context of this name out, if there is one."""
    _replace(optimizer, {key: one for key, one in _installed(optimizer).items() if key != name})


def _installed(optimizer: Any) -> Mapping[str, Around]:
    return vars(optimizer)[HOOK].__func__.contexts if HOOK in vars(optimizer) else {}


def _replace(optimizer: Any, contexts: Mapping[str, Around]) -> None:
    # Past the optimizer's own __setattr__ and __delattr__, which would track what they are given.
    if not contexts:
        vars(optimizer).pop(HOOK, None)
        return

    # A method, and not a closure over `optimizer`: a deep copy is then bound to the copy.
    def apply(self: Any, *arguments: Any, **keywords: Any) -> Any:
        with contextlib.ExitStack() as stack:
            for around in contexts.values():
                stack.enter_context(around(self))
            return getattr(type(self), HOOK)(self, *arguments, **keywords)

    apply.contexts = contexts  # type: ignore[attr-defined]
    object.__setattr__(optimizer, HOOK, types.MethodType(apply, optimizer))


class Once:
    """A tensor that is computed once in each application of gradients, however often it is asked.

    Keras asks for the rate anew with the weight decay of each variable. A compiler may merge equal
    formulas, but TensorFlow without jit does not merge those that read the optimizer's counter.
    """

    def __init__(self) -> None:
        # The replicas of a TensorFlow strategy are threads.
        self._of_thread = threading.local()

    @contextlib.contextmanager
    def within(self, optimizer: Any) -> Iterator[None]:
        """Return the context in which it stays as it was computed."""
        self._of_thread.values = {}
        try:
            yield
        finally:
            del self._of_thread.values

    def of(self, compute: Callable[[], Any]) -> Any:
        """Return what was computed, or compute it: the first time, and outside of the context."""
        values = getattr(self._of_thread, "values", {})
        place = _graph()
        if place not in values:
            value = compute()
            # A branch is no graph of its own on JAX: what is computed in it may not leave it.
            if keras.backend.backend() == "jax" and is_tracer(value):
                return value
            values[place] = value
        return values[place]


def _graph() -> Any:
    """Return what a tensor made here belongs to: a branch of a condition is a graph of its own."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    return tf.compat.v1.get_default_graph()
