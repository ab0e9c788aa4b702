"""Makes a model ordinary again before the fit that follows an interrupted one."""

from __future__ import annotations

import types
import weakref
from typing import Any

from kerasdecay.training import find
from kerasdecay.training.under_way import fits_under_way

_HOOK = "make_train_function"


def watch(model: Any, callback: Any) -> None:
    """Let the model release its optimizers before it trains on without this callback's `fit`.

    `fit` has no hook for its interruption, and what was installed inside the step would train on.
    But Keras asks the model for its training function as each `fit`, and each `train_on_batch`,
    begins. Outside of `fit` it is not known whether a loop is still under way.
    """
    if not fits_under_way(callback):
        return
    reference = weakref.ref(callback)

    def make_train_function(self: Any, *given: Any, **named: Any) -> Any:
        if not fits_under_way(reference()):
            unwatch(self)
            find.release(self)
        return getattr(type(self), _HOOK)(self, *given, **named)

    # Past the model's own __setattr__, which would track what it is given.
    object.__setattr__(model, _HOOK, types.MethodType(make_train_function, model))


def unwatch(model: Any) -> None:
    """Remove the hook from the model."""
    vars(model).pop(_HOOK, None)
