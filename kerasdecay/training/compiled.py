"""A schedule inside the compiled training step: the only code that touches Keras' private hook.

Keras optimizers ask `_get_current_learning_rate()` for the rate of a step. On one optimizer, and
for one training, that method is replaced by schedule(step) × variable / base, where the variable is
the optimizer's own. So nothing is added to its state, and checkpoints keep their layout.
"""

from __future__ import annotations

import dataclasses
import types
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from kerasdecay._checks import SMALLEST_RATE
from kerasdecay.control import ScheduledRates
from kerasdecay.schedules import Moment
from kerasdecay.training.namespace import KERAS
from kerasdecay.training.targets import shortest

_HOOK = "_get_current_learning_rate"
_OFFSET = "_kerasdecay_offset"
_TRIED = 0.125
_SAMPLES = 10_000
"""The most steps that are asked for a rate above 0."""


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
    """Let the step compute the optimizer's rate.

    Args:
        model: The model, whose training function is built anew.
        optimizer: Its optimizer, or one of them.
        planned: What the step follows.
        base: The rate that the optimizer's variable holds at scale 1.
        done: The number, in the run, of the next step.

    The caller has checked that all this can be done.
    """
    offset = done - _steps_of(optimizer)
    rate_of = _rate_of_step(planned)
    trace = _new_trace(optimizer)

    # A method, and not a closure over `optimizer`: a deep copy is then bound to the copy.
    def learning_rate(self: Any) -> Any:
        step = keras.ops.convert_to_tensor(self._iterations) + offset
        trace.is_asked = trace.is_asked or _is_in_step(step)
        # The variable is of the floatx, and the schedule is computed in single precision.
        variable = keras.ops.cast(self._learning_rate, "float32")
        rate = rate_of(step) * (variable / base)
        return rate if trace.in_force is None else keras.ops.where(trace.in_force, rate, variable)

    _replace(optimizer, learning_rate)
    object.__setattr__(optimizer, _OFFSET, offset)
    model.make_train_function(force=True)


@dataclasses.dataclass
class _Trace:
    """What is known of the traced steps that go by an installed schedule.

    A `train_step` with a `tf.function` of its own is traced once and for all. On TensorFlow a
    variable, which is none of the optimizer's, lets that trace go by the optimizer's own rate once
    the schedule is taken out.

    Args:
        in_force: Whether the schedule is installed, as a variable; None where there is none.
        is_asked: Whether a step has asked for its rate.
    """

    in_force: Any = None
    is_asked: bool = False


_TRACES: weakref.WeakKeyDictionary[Any, list[_Trace]] = weakref.WeakKeyDictionary()


def _new_trace(optimizer: Any) -> _Trace:
    _end_traces(optimizer)
    trace = _Trace()
    if keras.backend.backend() == "tensorflow":
        trace.in_force = keras.Variable(True, dtype="bool", trainable=False, autocast=False)
    # They live as long as the optimizer, for an old trace still reads their variables.
    _TRACES.setdefault(optimizer, []).append(trace)
    return trace


def _end_traces(optimizer: Any) -> None:
    for trace in _TRACES.get(optimizer, [])[-1:]:
        if trace.in_force is not None:
            trace.in_force.assign(False)


def is_asked(optimizer: Any) -> bool:
    """Whether a training step has asked the schedule that is installed for its rate."""
    return any(trace.is_asked for trace in _TRACES.get(optimizer, [])[-1:])


def steps_untraced(model: Any) -> bool:
    """Whether no step goes by an old trace, so that each asks the optimizer for its rate anew.

    Torch's compiler traces again where a method has been replaced.
    """
    backend = keras.backend.backend()
    is_jitted = backend == "tensorflow" or (backend == "jax" and model.jit_compile)
    return bool(model.run_eagerly or not is_jitted)


def _is_in_step(step: Any) -> bool:
    """Whether a tensor belongs to a training step, and to nobody who just reads the rate."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return not tf.executing_eagerly()
    if backend == "jax":
        import jax

        return isinstance(step, jax.core.Tracer)
    return True


def _rate_of_step(planned: ScheduledRates) -> Callable[[Any], Any]:
    """Return what computes a step's rate: the formula, or on torch a table of the whole run.

    A step of torch's is compiled only on demand; operation by operation a formula takes a tenth of
    the time of a small step, and looking up a rate next to nothing.
    """
    schedule, timeline = planned.schedule, planned.timeline
    if keras.backend.backend() != "torch":
        return lambda step: schedule.rates(step, timeline, KERAS)
    last = timeline.updates  # beyond it the last rate stays
    table = keras.ops.convert_to_tensor(planned.at(np.arange(last + 1)), dtype="float32")
    # Torch's own methods: those of `keras.ops` take longer than what they do here.
    return lambda step: table.take(step.clamp(max=last).long())


def next_step(optimizer: Any) -> int | None:
    """Return the number, in the run, of the optimizer's next step; None if nothing is installed."""
    if not _is_installed(optimizer):
        return None
    return _steps_of(optimizer) + getattr(optimizer, _OFFSET)


def held(optimizer: Any) -> float:
    """Return what the optimizer's own variable holds: base × scale, while one is installed."""
    return shortest(float(np.float32(keras.ops.convert_to_numpy(optimizer._learning_rate))))


def uninstall(model: Any, optimizers: Any) -> dict[int, float]:
    """Make optimizers ordinary ones again, at the rates that they have now.

    Returns:
        Place in `optimizers` → rate, of those that had something installed.
    """
    rates: dict[int, float] = {}
    for place, optimizer in enumerate(optimizers):
        if _is_installed(optimizer):
            try:
                rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
            finally:  # a schedule of the user's own may fail, and must not stay for that
                object.__delattr__(optimizer, _HOOK)
                object.__delattr__(optimizer, _OFFSET)
                _end_traces(optimizer)
            optimizer.learning_rate = rates[place] = rate
    if rates:
        model.make_train_function(force=True)
    return rates


def check(optimizer: Any, planned: ScheduledRates) -> None:
    """Raise a ValueError unless a step of this optimizer can compute these rates."""
    planned.schedule.rates(keras.ops.convert_to_tensor(0), planned.timeline, KERAS)
    if keras.backend.backend() != "torch":  # where the host computes a table of the rates
        traced = _Traced(_rate_of_step(planned))
        traced.compute_output_spec(keras.KerasTensor((), dtype="int32"))
        if traced.error is not None:
            raise traced.error
    check_supported(optimizer)


class _Traced(keras.Operation):
    """Calls a function as a compiled step does, with a step that has no value yet.

    A user's function that asks "if step < …" fails with nothing else.
    """

    def __init__(self, rate_of: Callable[[Any], Any]) -> None:
        super().__init__()
        self._rate_of = rate_of
        self.error: ValueError | None = None

    def call(self, step: Any) -> Any:
        try:
            return self._rate_of(step)
        except ValueError as error:  # kept, because Keras would put its own words around it
            self.error = error
            return step


def check_supported(optimizer: Any) -> None:
    """Raise a ValueError unless a step of an optimizer of this kind really goes by the hook.

    A copy of it, with a weight of its own, is stepped by a rate that only the hook gives. It must
    ask, and the weight must then be where an ordinary copy with this very rate puts it. The copies
    step in a thread of their own, which is outside of any `strategy.scope()`: within one, a weight
    cannot be made and stepped like this.
    """
    reason = ""
    try:
        with ThreadPoolExecutor(1) as thread:
            hooked = thread.submit(_step_of_copy, optimizer, held=3 * _TRIED, hooked=True)
            asked, found = hooked.result()
            _, expected = thread.submit(
                _step_of_copy, optimizer, held=_TRIED, hooked=False
            ).result()
        if not asked:
            reason = "it does not ask the hook for its rate"
        elif not np.allclose(found, expected, rtol=1e-5, equal_nan=True):
            reason = "its step does not go by the rate that the hook gives"
    except (AttributeError, TypeError, ValueError, NotImplementedError) as error:
        reason = f"trying it failed ({type(error).__name__}: {error})"
    if reason:
        raise ValueError(
            f'kerasdecay: update="compiled" cannot be used with {type(optimizer).__name__} in '
            f'Keras {keras.__version__}: {reason}. Use update="batch", which gives the same rates.'
        )


def _step_of_copy(optimizer: Any, *, held: float, hooked: bool) -> tuple[bool, Any]:
    """Step a copy that holds a rate, perhaps with a hook that gives `_TRIED`; return its weight."""
    probe = type(optimizer).from_config(optimizer.get_config())
    weight = keras.Variable(np.ones((1,), "float32"))
    asked = []

    def learning_rate(self: Any) -> Any:
        asked.append(True)
        return keras.ops.full((), _TRIED, "float32")

    probe.learning_rate = held
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


def _steps_of(optimizer: Any) -> int:
    return int(keras.ops.convert_to_numpy(optimizer._iterations))
