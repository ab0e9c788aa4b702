"""Which trainings are under way with a callback, and which callbacks are there beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import keras


def fits_under_way(callback: Any) -> int:
    """Return how often the `fit` calls of all threads have this callback.

    Their frames tell it: a note of the callback's own would outlive an interrupted training.
    """
    count = 0
    for frame in sys._current_frames().values():
        caller: Any = frame
        while caller is not None:
            if caller.f_code.co_name == "fit":
                held = getattr(caller.f_locals.get("callbacks"), "callbacks", ())
                count += sum(one is callback for one in held)
            caller = caller.f_back
    return count


def beside(callback: Any) -> Iterator[Any]:
    """Yield the callbacks that Keras calls together with this one, in one of whose hooks we are."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        caller = frame.f_locals.get("self")
        held = caller.callbacks if isinstance(caller, keras.callbacks.CallbackList) else ()
        if any(one is callback for one in held):
            yield from (one for one in held if one is not callback)
            return
        frame = frame.f_back
