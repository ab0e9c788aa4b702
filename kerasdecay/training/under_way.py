"""Which trainings are under way with a callback, and which callbacks are there beside it."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from typing import Any

import keras

_LIST = keras.callbacks.CallbackList.__init__.__code__.co_filename

LOOPS: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
"""Loop that is being steered → its callback. An interrupted `with` leaves it, as any other."""


def trainings_under_way(callback: Any) -> int:
    """Return how often the `fit` calls of all threads, and steered loops, have this callback."""
    return fits_under_way(callback) + sum(one is callback for one in LOOPS.values())


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
    """Yield the other callbacks of the trainings within which this one begins, its own included.

    These are the `fit` calls of this thread, in one of whose hooks or steps we are, and all loops
    that are being steered.
    """
    held = list(LOOPS.values())
    frame: Any = sys._getframe(1)
    while frame is not None:
        name = "callbacks" if frame.f_code.co_name == "fit" else "self"
        # Only these: a frame whose locals are asked for keeps what it deletes.
        if name == "callbacks" or frame.f_code.co_filename == _LIST:
            held += getattr(frame.f_locals.get(name), "callbacks", ())
        frame = frame.f_back
    yield from (one for one in held if one is not callback)
