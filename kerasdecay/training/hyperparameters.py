"""Weight decay, momentum and beta_1 by a schedule: numbers of an optimizer as knobs."""

from __future__ import annotations

import contextlib
import dataclasses
import types
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerasdecay import _checks
from kerasdecay.control import ScheduledRates
from kerasdecay.schedules import Moment, Schedule
from kerasdecay.schedules.one_cycle import OneCycleMomentum
from kerasdecay.training.as_schedule import as_schedule
from kerasdecay.training.in_step_number import number_in_step
from kerasdecay.training.knobs import BoundKnob, Knob, PlannedValue, Run, Step
from kerasdecay.training.trials import reason_against
from kerasdecay.training.velocities import scales_its_velocity, velocities_of

HOLD = "hold"
"""The weight decay that stays what it is while the rate changes."""


def hyperparameters(
    owner: str, *, weight_decay: Any = None, momentum: Any = None, beta_1: Any = None
) -> tuple[Knob, ...]:
    """Return the knobs of a callback's arguments; None is no knob."""
    given = {"weight_decay": weight_decay, "momentum": momentum, "beta_1": beta_1}
    return tuple(_knob(owner, name, value) for name, value in given.items() if value is not None)


def _knob(owner: str, name: str, value: Any) -> Knob:
    if name == "weight_decay" and isinstance(value, str) and value == HOLD:
        return HeldWeightDecay(owner)
    if _checks.real(value) is not None:
        _checked(owner, name, value)
    schedule = as_schedule(value, owner, name)
    if not isinstance(schedule, Schedule):
        allowed = "a schedule, a number, or a function of the epoch alone"
        raise _checks.invalid(owner, name, allowed, value)
    if schedule.is_auto:
        raise _checks.invalid(owner, name, "a schedule whose initial value is a number", value)
    return Hyperparameter(owner, name, schedule)


def _checked(owner: str, argument: str, value: Any) -> None:
    if argument == "weight_decay":
        _checks.number(owner, argument, value, at_least=0)
    else:
        _checks.number(owner, argument, value, at_least=0, below=1)


@dataclasses.dataclass(frozen=True)
class Hyperparameter(Knob):
    """A number of the optimizer, planned by a schedule.

    A schedule without an initial value starts from the optimizer's own.
    """

    owner: str
    argument: str
    schedule: Schedule

    @property
    def plans(self) -> dict[str, Any]:
        """The argument and its schedule."""
        return {self.argument: self.schedule}

    def check(self, optimizer: Any, model: Any) -> None:
        """Raise a ValueError for an optimizer without this number, or that does not go by it."""
        name, _, _ = self._found(optimizer)
        _try(self.owner, self.argument, optimizer, name)

    def bind(self, optimizer: Any, model: Any, run: Run) -> BoundKnob:
        """Return it for one optimizer; ValueError for values out of its range."""
        name, own, schedule = self._found(optimizer)
        schedule.check(Moment.of(0, run.timeline))
        planned = run.planned(schedule)
        for value in run.sampled(planned).tolist():
            _checked(self.owner, self.argument, value)
        value = PlannedValue(planned)
        if isinstance(self.schedule, OneCycleMomentum) and scales_its_velocity(optimizer):
            assert isinstance(run.open_loop, ScheduledRates)  # OneCycleDecay's own schedule
            rate = PlannedValue(run.open_loop)
            return _CorrectedMomentum(name, run.name(name), own, value, rate)
        return _BoundNumber(name, run.name(name), own, value)

    def _found(self, optimizer: Any) -> tuple[str, float | None, Schedule]:
        """Return the number's name, the optimizer's own value, and the schedule from there on."""
        name = self.argument
        if isinstance(self.schedule, OneCycleMomentum) and "momentum" not in vars(optimizer):
            name = "beta_1"  # which torch's OneCycleLR cycles without a momentum
        own = _own(self.owner, self.argument, optimizer, name)
        if self.schedule.is_resolved:
            return name, own, self.schedule
        if own is None:
            kind = type(optimizer).__name__
            allowed = f"a schedule with its initial value, since {kind} was made without one"
            remedy = f"Give the schedule its first argument, or make {kind}({self.argument}=…)."
            raise _checks.invalid(self.owner, self.argument, allowed, self.schedule, remedy)
        return name, own, self.schedule.resolve(own)


@dataclasses.dataclass(frozen=True)
class HeldWeightDecay(Knob):
    """The weight decay of each step stays what it is at the initial rate.

    Keras takes λη from each weight w in a step: w ← w − ληw. With λ(t) = λ η₀ / η(t) that is
    w ← w − λη₀w at whatever rate η(t).
    """

    owner: str

    @property
    def plans(self) -> dict[str, Any]:
        """The argument, as it was given."""
        return {"weight_decay": HOLD}

    def check(self, optimizer: Any, model: Any) -> None:
        """Raise a ValueError for an optimizer without weight decay."""
        own = _own(self.owner, "weight_decay", optimizer, "weight_decay")
        if own is None:
            kind = type(optimizer).__name__
            allowed = f'a number or a schedule, since {kind} has no weight decay to "hold"'
            remedy = f"Make {kind}(weight_decay=…)."
            raise _checks.invalid(self.owner, "weight_decay", allowed, HOLD, remedy)
        _try(self.owner, "weight_decay", optimizer, "weight_decay")

    def bind(self, optimizer: Any, model: Any, run: Run) -> BoundKnob:
        """Return it for one optimizer."""
        own = _own(self.owner, "weight_decay", optimizer, "weight_decay")
        assert own is not None
        return _Held(run.name("weight_decay"), own, run.base_rate)


@dataclasses.dataclass(frozen=True)
class _BoundNumber(BoundKnob):
    """An attribute of the optimizer, set while it applies gradients."""

    attribute: str
    key: str
    own: float | None
    value: PlannedValue

    @contextlib.contextmanager
    def within(self, optimizer: Any, step: Step) -> Iterator[None]:
        value = step.choose(self.value.in_step(step.number), self.own or 0.0)
        with _set(optimizer, self.attribute, value, self.own):
            yield

    def values(self, steps: np.ndarray, rates: np.ndarray) -> dict[str, np.ndarray]:
        return {self.key: self.value.at(steps)}


@dataclasses.dataclass(frozen=True)
class _Held(BoundKnob):
    """A weight decay against which the rate is divided out."""

    key: str
    own: float
    base_rate: float

    @contextlib.contextmanager
    def within(self, optimizer: Any, step: Step) -> Iterator[None]:
        """Set λ η₀ / η(t); at a rate of 0, where nothing is taken away, 0."""
        rate = keras.ops.cast(optimizer.learning_rate, "float32")
        divisor = keras.ops.where(rate > 0, rate, 1.0)
        value = keras.ops.where(rate > 0, self.own * self.base_rate / divisor, 0.0)
        with _set(optimizer, "weight_decay", step.choose(value, self.own), self.own):
            yield

    def values(self, steps: np.ndarray, rates: np.ndarray) -> dict[str, np.ndarray]:
        divisor = np.where(rates > 0, rates, 1.0)
        return {self.key: np.where(rates > 0, self.own * self.base_rate / divisor, 0.0)}


@dataclasses.dataclass(frozen=True)
class _CorrectedMomentum(_BoundNumber):
    """A momentum that makes up for changes of the rate, as torch's SGD does it implicitly.

    Keras keeps v ← μv − ηg, with the rates of the past in v; torch keeps b ← μb + g, and steps by
    −ηb. With μ(t) · η(t)/η(t−1) in the place of μ(t) both move the weights alike.
    """

    rate: PlannedValue

    @contextlib.contextmanager
    def within(self, optimizer: Any, step: Step) -> Iterator[None]:
        """Set the corrected number of this step.

        Nesterov's step goes by μ a second time, uncorrected: there it is the velocity that is
        multiplied by η(t)/η(t−1), before each variable's update.
        """
        back = optimizer.gradient_accumulation_steps or 1  # steps since the update before
        before = self.rate.in_step(keras.ops.maximum(step.number - back, 0))
        ratio = self.rate.in_step(step.number) / keras.ops.where(before > 0, before, 1.0)
        ratio = keras.ops.where(before > 0, ratio, 1.0)
        value = self.value.in_step(step.number)
        if not getattr(optimizer, "nesterov", False):
            value, ratio = value * ratio, None
        with contextlib.ExitStack() as stack:
            value = step.choose(value, self.own)
            stack.enter_context(_set(optimizer, self.attribute, value, self.own))
            if ratio is not None:
                stack.enter_context(_rescaled(optimizer, step.choose(ratio, 1.0)))
            yield


@contextlib.contextmanager
def _set(optimizer: Any, attribute: str, value: Any, own: float | None) -> Iterator[None]:
    # Past the optimizer's own __setattr__, which would track what it is given.
    vars(optimizer)[attribute] = number_in_step(value)
    try:
        yield
    finally:
        vars(optimizer)[attribute] = own


@contextlib.contextmanager
def _rescaled(optimizer: Any, ratio: Any) -> Iterator[None]:
    """Multiply the velocity of each variable before it is updated.

    Keras updates the variables one by one, under a TensorFlow strategy once for each replica; on
    torch all of them at a time.
    """
    on_torch = keras.backend.backend() == "torch"
    hook = "_backend_update_step" if on_torch else "update_step"
    outer = vars(optimizer).get(hook) if on_torch else None
    # The class's, and not what is found: under a strategy that may be another replica's.
    original = outer or types.MethodType(getattr(type(optimizer), hook), optimizer)

    def update(self: Any, gradients: Any, variables: Any, learning_rate: Any) -> None:
        for one in variables if isinstance(variables, (list, tuple)) else [variables]:
            velocity = velocities_of(self)[self._get_variable_index(one)]
            if on_torch:  # in place, as Keras' own steps are there
                velocity.value.mul_(ratio)
            else:
                self.assign(velocity, velocity * keras.ops.cast(ratio, velocity.dtype))
        original(gradients, variables, learning_rate)

    vars(optimizer)[hook] = types.MethodType(update, optimizer)
    try:
        yield
    finally:
        vars(optimizer).pop(hook, None)
        if outer is not None:
            vars(optimizer)[hook] = outer


def _own(owner: str, argument: str, optimizer: Any, name: str) -> float | None:
    """Return the optimizer's own constant, or raise a ValueError if it cannot be driven."""
    kind = type(optimizer).__name__
    own = vars(optimizer).get(name, "none")
    if own is None and name == "weight_decay":
        return None
    if _checks.real(own) is None:
        other = {"momentum": "beta_1", "beta_1": "momentum"}.get(argument, "")
        remedy = f"Use {other}=…." if other in vars(optimizer) else "Leave it out."
        allowed = f"None for {kind}, which has no number of this name"
        raise _checks.invalid(owner, argument, allowed, own, remedy)
    if name == "momentum" and own == 0:
        raise ValueError(
            f"{owner}: {argument} cannot be driven in an optimizer that was made without one, and "
            f"so keeps no velocity. Received: {kind}(momentum=0.0). Make {kind}(momentum=0.9), say."
        )
    return float(own)


_TRIED = (0.25, 0.75)


def _try(owner: str, argument: str, optimizer: Any, name: str) -> None:
    """Raise a ValueError unless a step of an optimizer of this kind really goes by the number.

    Copies, with a weight of their own, are stepped twice: one with the number set within the step,
    one with the number set by hand. Both must end alike.
    """

    def trial() -> str:
        found, expected = (_stepped(optimizer, name, within=within) for within in (True, False))
        is_same = np.allclose(found, expected, rtol=1e-5, equal_nan=True)
        return "" if is_same else "its step does not go by the number that it finds under way"

    reason = reason_against(trial)
    if reason:
        raise ValueError(
            f"{owner}: {argument} cannot be driven in {type(optimizer).__name__} of Keras "
            f"{keras.__version__}: {reason}. Leave it out, or use another optimizer."
        )


def _stepped(optimizer: Any, name: str, *, within: bool) -> Any:
    """Step a copy with the number set in one of two ways; return its weight."""
    copy = type(optimizer).from_config(optimizer.get_config())
    weight = keras.Variable(np.ones((2, 2), "float32"))
    copy.build([weight])
    own = vars(copy)[name]
    for value in _TRIED:
        for _ in range(copy.gradient_accumulation_steps or 1):
            gradients = [keras.ops.convert_to_tensor(np.eye(2, dtype="float32"))]
            if within:
                with _set(copy, name, keras.ops.convert_to_tensor(value, "float32"), own):
                    copy.apply(gradients, [weight])
            else:
                vars(copy)[name] = value
                copy.apply(gradients, [weight])
    return keras.ops.convert_to_numpy(weight)
