"""Several trainings that take turns, an epoch each: the clock of callback_overhead.py.

The speed of a machine wanders within seconds by more than there is to measure. So all trainings are
under way at once, each in a thread of its own, and only one of them runs: the others wait where an
epoch begins. What is compared is then never more than an epoch apart.
"""

from __future__ import annotations

import contextvars
import functools
import threading
import time
from collections.abc import Callable
from typing import Any

import keras


class Turns:
    """One training's place in the queue.

    Args:
        train: Called with a list of callbacks; returns when the training is over. Its epochs are
            the turns that it is given.
        callbacks: What is measured: their work in and between the batches, and at an epoch's ends.
    """

    def __init__(self, train: Callable[[list[Any]], None], callbacks: list[Any]) -> None:
        self._go, self._parked = threading.Semaphore(0), threading.Semaphore(0)
        self._begun = self._spent = (0.0, 0.0)
        self._error: BaseException | None = None
        # The first waits before any other callback's work, the last stops after all of it.
        first = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs=None: self._park())
        last = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs=None: self._stop())
        self._train = lambda: train([first, *callbacks, last])
        # In this thread's context: torch keeps its settings there.
        run = functools.partial(contextvars.copy_context().run, self._run)
        threading.Thread(target=run, daemon=True).start()
        self._wait()

    def take(self) -> tuple[float, float]:
        """Train one epoch, to the point where the next one would begin.

        Returns:
            The seconds that it took of the processors, and those by the clock.
        """
        self._go.release()
        self._wait()
        return self._spent

    def _park(self) -> None:
        """Tell that an epoch could begin; begin it when the turn comes."""
        self._parked.release()
        self._go.acquire()
        self._begun = _now()

    def _stop(self) -> None:
        """Note the time: the epoch's last callback has done its work."""
        (cpu, clock), begun = _now(), self._begun
        self._spent = (cpu - begun[0], clock - begun[1])

    def _run(self) -> None:
        try:
            self._train()
        except BaseException as error:  # noqa: BLE001 (raised where the turn was given)
            self._error = error
        finally:
            self._parked.release()

    def _wait(self) -> None:
        self._parked.acquire()
        if self._error is not None:
            raise self._error


def _now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()
