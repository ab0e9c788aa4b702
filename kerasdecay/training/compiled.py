"""A schedule inside the compiled training step: the only code that touches Keras' private hook.

Keras optimizers ask `_get_current_learning_rate()` for the rate of a step. On one optimizer, and
for one training, that method is replaced by schedule(step) × variable / base, where the variable is
the optimizer's own. So nothing is added to its state, and checkpoints keep their layout.
"""

from __future__ import annotations

import contextlib
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from kerasdecay._checks import SMALLEST_RATE
from kerasdecay.control import ScheduledRates
from kerasdecay.schedules import Moment
from kerasdecay.training import applying
from kerasdecay.training.planned import check as check_planned
from kerasdecay.training.planned import of_step
from kerasdecay.training.targets import shortest
from kerasdecay.training.traces import Traces, is_tracer, steps_of, trace_anew
from kerasdecay.training.trials import reason_against

_HOOK = "_get_current_learning_rate"
_APPLYING = "the rate"
_OFFSET = "_kerasdecay_offset"
_WRITTEN = "_kerasdecay_written"
_TRIED = 0.125
_SAMPLES = 10_000
"""The most steps that are asked for a rate above 0."""

TRACES = Traces()


def reference(planned: ScheduledRates) -> float:
    """Return the base rate that the optimizer's variable holds at scale 1.

    It is the rate at the end of the warmup: the schedule's initial one, for every usual shape.
    """
    schedule, timeline = planned.schedule, planned.timeline
    start = Moment.of(schedule.warmup_updates(timeline), timeline)
    rate = float(schedule.learning_rate(start))
    if rate > 0:
        return rate
    # A rate that begins at 0, or that is 0 throughout: any other of the run will do.
    places = np.linspace(0, timeline.updates - 1, min(timeline.updates, _SAMPLES)).astype(np.int64)
    return float(np.max(schedule.rates(places, timeline))) or SMALLEST_RATE


def install(model: Any, optimizer: Any, planned: ScheduledRates, base: float, done: int) -> None:
    """Let the step compute the optimizer's rate. The caller has checked that this can be done.

    The optimizer's variable holds `base` at scale 1, and its next step has the number `done` in the
    run.
    """
    offset = done - steps_of(optimizer)
    rate_of = of_step(planned)
    trace, once = TRACES.begin(optimizer), _Once()

    def computed(optimizer: Any) -> Any:
        step = keras.ops.convert_to_tensor(optimizer._iterations) + offset
        trace.note(step)
        # The variable is of the floatx, and the schedule is computed in single precision.
        variable = keras.ops.cast(optimizer._learning_rate, "float32")
        rate = rate_of(step) * (variable / base)
        return trace.choose(rate, variable)

    # A method, and not a closure over `optimizer`: a deep copy is then bound to the copy.
    def learning_rate(self: Any) -> Any:
        return once.of(lambda: computed(self))

    _replace(optimizer, learning_rate)
    # On torch a rate is looked up in a table, and its compiler cannot follow what a thread keeps.
    if keras.backend.backend() != "torch" and applying.is_free(optimizer):
        applying.install(optimizer, _APPLYING, once.within)
    object.__setattr__(optimizer, _OFFSET, offset)
    trace_anew(model)


class _Once:
    """A tensor that is computed once in each application of gradients, however often it is asked.

    Keras asks for the rate anew with the weight decay of each variable. A compiler may merge equal
    formulas, but TensorFlow without jit does not merge those that read the optimizer's counter.
    """

    def __init__(self) -> None:
        # The replicas of a TensorFlow strategy are threads.
        self._of_thread = threading.local()

    @contextlib.contextmanager
    def within(self, optimizer: Any) -> Iterator[None]:
        """Enter the context of one application, in which `of` computes only once."""
        self._of_thread.values = {}
        try:
            yield
        finally:
            self._of_thread.values = None

    def of(self, compute: Callable[[], Any]) -> Any:
        """Return what was computed, or compute it: the first time, and outside of the context."""
        values = getattr(self._of_thread, "values", None)
        if values is None:
            return compute()
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


def next_step(optimizer: Any) -> int | None:
    """Return the number, in the run, of the optimizer's next step; None if nothing is installed."""
    if not _is_installed(optimizer):
        return None
    return steps_of(optimizer) + getattr(optimizer, _OFFSET)


def stored(optimizer: Any) -> float:
    """Return what the optimizer's own variable holds: base × scale, while one is installed."""
    return shortest(float(np.float32(keras.ops.convert_to_numpy(optimizer._learning_rate))))


def note_written(optimizer: Any) -> None:
    """Note that what the optimizer's own variable holds now is base × scale."""
    object.__setattr__(optimizer, _WRITTEN, stored(optimizer))


def uninstall(model: Any, optimizers: Any) -> dict[int, float]:
    """Make optimizers ordinary ones again, at the rates that they have now.

    Returns place in `optimizers` → rate, for those that had a schedule installed. A rate that was
    set by something else since then stays as it is: it is no base of the schedule.
    """
    rates: dict[int, float] = {}
    for place, optimizer in enumerate(optimizers):
        if _is_installed(optimizer):
            try:
                rate = stored(optimizer)
                if rate == getattr(optimizer, _WRITTEN, rate):
                    rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
            finally:  # a schedule of the user's own may fail, and must not stay for that
                object.__delattr__(optimizer, _HOOK)
                object.__delattr__(optimizer, _OFFSET)
                applying.uninstall(optimizer, _APPLYING)
                TRACES.end(optimizer)
            optimizer.learning_rate = rates[place] = rate
    if rates:
        trace_anew(model)
    return rates


def check(optimizer: Any, planned: ScheduledRates) -> None:
    """Raise a ValueError unless a step of this optimizer can compute these rates."""
    check_planned(planned)
    check_supported(optimizer)


def check_supported(optimizer: Any) -> None:
    """Raise a ValueError unless a step of an optimizer of this kind really goes by the hook.

    A copy of it, with a weight of its own, is stepped by a rate that only the hook gives. It must
    ask, and the weight must then be where an ordinary copy with this very rate puts it.
    """

    def trial() -> str:
        asked, found = _step_of_copy(optimizer, stored=3 * _TRIED, hooked=True)
        if not asked:
            return "it does not ask the hook for its rate"
        _, expected = _step_of_copy(optimizer, stored=_TRIED, hooked=False)
        is_same = np.allclose(found, expected, rtol=1e-5, equal_nan=True)
        return "" if is_same else "its step does not go by the rate that the hook gives"

    reason = reason_against(trial)
    if reason:
        raise ValueError(
            f'kerasdecay: update="compiled" cannot be used with {type(optimizer).__name__} in '
            f'Keras {keras.__version__}: {reason}. Use update="batch", which gives the same rates.'
        )


def _step_of_copy(optimizer: Any, *, stored: float, hooked: bool) -> tuple[bool, Any]:
    """Step a copy that holds a rate, perhaps with a hook that gives `_TRIED`; return its weight."""
    probe = type(optimizer).from_config(optimizer.get_config())
    weight = keras.Variable(np.ones((1,), "float32"))
    asked = []

    def learning_rate(self: Any) -> Any:
        asked.append(True)
        return keras.ops.full((), _TRIED, "float32")

    probe.learning_rate = stored
    if hooked:
        _replace(probe, learning_rate)
    for _ in range(probe.gradient_accumulation_steps or 1):
        probe.apply([keras.ops.ones((1,), "float32")], [weight])
    return bool(asked), keras.ops.convert_to_numpy(weight)


def _replace(optimizer: Any, function: Any) -> None:
    # Past the optimizer's own __setattr__, which would track what it is given.
    object.__setattr__(optimizer, _HOOK, types.MethodType(function, optimizer))


def _is_installed(optimizer: Any) -> bool:
    return _HOOK in vars(optimizer)
