"""Python's `random`, kept apart for one thread.

Keras seeds the functions of `random` and draws every layer's seed from them. A Dask worker trains
in a thread beside others that draw from the same functions (to jitter their timers, to test the
disk), so that seeds alone would not give the same weights twice.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def own_random() -> Iterator[None]:
    """Give this thread a generator of its own behind `random`'s functions, unless it is the main.

    The other threads go on with the shared one. Not for two threads at the same time.

    Example:
        >>> with own_random():
        ...     random.seed(3)
        ...     first = random.random()
        >>> first == random.Random(3).random()
        True
    """
    thread = threading.current_thread()
    if thread is threading.main_thread():
        yield
        return
    own = random.Random()
    shared = {
        name: function
        for name, function in vars(random).items()
        if isinstance(getattr(function, "__self__", None), random.Random)
    }
    for name, function in shared.items():
        setattr(random, name, _either(thread, getattr(own, name), function))
    try:
        yield
    finally:
        for name, function in shared.items():
            setattr(random, name, function)


def _either(
    thread: threading.Thread, own: Callable[..., Any], shared: Callable[..., Any]
) -> Callable[..., Any]:
    """Return a function that is `own` in the thread and `shared` in all others."""

    def function(*arguments: Any, **named: Any) -> Any:
        here = threading.current_thread() is thread
        return (own if here else shared)(*arguments, **named)

    return function
