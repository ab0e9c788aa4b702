"""The trainings that are under way with a callback, and the callbacks beside it."""

from __future__ import annotations

import inspect
import sys
import threading
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

    This is read off their stack frames: a note kept by the callback would outlive an interrupted
    training.
    """
    return sum(one is callback for listed in _listed(in_fits_alone=True) for one in listed)


def beside(callback: Any) -> Iterator[Any]:
    """Yield the other callbacks of the trainings that are under way: of all `fit` calls and loops.

    Those of one training come in their order, with None in the place of `callback`.
    """
    for listed in [*_listed(), list(LOOPS.values())]:
        yield from (None if one is callback else one for one in listed)


def epoch_iterator() -> Any:
    """Return the iterator, a local variable, of the `fit` in whose hook we are; None outside."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "fit":
            iterator = _local(frame, "epoch_iterator")
            if iterator is not None:
                return iterator
        frame = frame.f_back
    return None


def _listed(*, in_fits_alone: bool = False) -> Iterator[list[Any]]:
    """Yield the callbacks of each `fit` of all threads, and of each `CallbackList` of this one."""
    for thread, frame in sys._current_frames().items():
        sees_lists = not in_fits_alone and thread == threading.get_ident()
        caller: Any = frame
        while caller is not None:
            name = "callbacks" if caller.f_code.co_name == "fit" else "self"
            is_list = sees_lists and caller.f_code.co_filename == _LIST
            if name == "callbacks" or is_list:
                yield list(getattr(_local(caller, name), "callbacks", ()))
            caller = caller.f_back


def _local(frame: Any, name: str) -> Any:
    """Return a local variable of a frame, None if there is none of this name.

    Before Python 3.13 a frame whose locals are asked for keeps a copy of them, and with it what it
    deletes: an epoch's data until the epoch after, whose end then waits for TensorFlow's threads to
    let go of them. So the copy is emptied.
    """
    found = frame.f_locals
    value = found.get(name)
    if type(found) is dict and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        found.clear()
    return value
