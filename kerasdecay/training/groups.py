"""Rates by group: variables of one optimizer that are trained at a multiple of its rate."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasdecay import _checks
from kerasdecay.schedules import Constant, Moment, Schedule
from kerasdecay.training.as_schedule import as_schedule
from kerasdecay.training.knobs import BoundKnob, Knob, PlannedValue, Run, Step
from kerasdecay.training.paths import matches, names_of, path_of
from kerasdecay.training.snapshot import build
from kerasdecay.training.trials import reason_against
from kerasdecay.training.velocities import scales_its_velocity, velocities_of

_UPDATE = "_backend_update_step"
_DECAY = "_apply_weight_decay"
GroupOf = Callable[[Any], int | None]
"""Variable → the index of its pattern and factor; None: it has the factor 1."""

_LISTED = 40
"""The most paths that an error lists."""


def group_knobs(owner: str, factors: Any) -> tuple[Knob, ...]:
    """Return the knob of a callback's `group_factors`; None is no knob."""
    if factors is None:
        return ()
    allowed = 'a dict of pattern → factor, such as {".*/backbone/.*": 0.1}'
    if not isinstance(factors, Mapping) or not factors:
        raise _checks.invalid(owner, "group_factors", allowed, factors)
    return (GroupFactors(owner, tuple((one, _factor(owner, one, factors)) for one in factors)),)


def _factor(owner: str, pattern: Any, factors: Mapping[Any, Any]) -> Schedule:
    argument, value = f"group_factors[{pattern!r}]", factors[pattern]
    try:
        re.compile(pattern)
    except (re.error, TypeError) as error:
        allowed = f"a dict whose keys are regular expressions ({error})"
        raise _checks.invalid(owner, "group_factors", allowed, pattern) from error
    if _checks.real(value) is not None:
        _checks.number(owner, argument, value, at_least=0)
    schedule = as_schedule(value, owner, argument)
    if not isinstance(schedule, Schedule) or schedule.is_auto:
        allowed = "a number >= 0, a schedule, or a function of the epoch alone"
        raise _checks.invalid(owner, argument, allowed, value)
    return schedule.resolve(1.0)


@dataclasses.dataclass(frozen=True)
class GroupFactors(Knob):
    """Factors on the rate, by patterns on the names of variables.

    The first pattern that matches a variable has it; a variable that none matches has the factor 1.
    """

    owner: str
    factors: tuple[tuple[str, Schedule], ...]

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """Those of the factors."""
        return tuple(schedule for _, schedule in self.factors)

    def get_config(self) -> dict[str, Any]:
        """Return plain data."""
        return {"group_factors": [[one, schedule.get_config()] for one, schedule in self.factors]}

    def check(self, optimizer: Any, model: Any) -> None:
        """Raise a ValueError for an optimizer that cannot have groups, or an idle pattern."""
        missing = [name for name in (_UPDATE, _DECAY) if not hasattr(optimizer, name)]
        if missing:
            raise self._refusal(optimizer, f"it has no method {missing[0]}")
        if not _names(optimizer, model):
            with contextlib.suppress(ValueError):  # nothing tells the shapes: `bind` refuses it
                build(model)
        if names := _names(optimizer, model):
            self._matched(names)
        self._try(optimizer, 0.5)
        if any(isinstance(one, Constant) and one.initial == 0 for one in self.schedules):
            self._try(optimizer, 0.0)

    def bind(self, optimizer: Any, model: Any, run: Run) -> BoundKnob:
        """Return it for one optimizer; ValueError for a factor that does not fit this run."""
        names = _names(optimizer, model)
        if not names:
            raise ValueError(
                f"{self.owner}: group_factors needs the model's variables before the first step. "
                "Received: a model that is not built. Give it an Input, or call "
                "model.build(input_shape); with an optimizer alone, optimizer.build(variables)."
            )
        factors = [self._bound(one, schedule, optimizer, run) for one, schedule in self.factors]
        matched, patterns = self._matched(names), [pattern for pattern, _ in self.factors]

        def group_of(variable: Any) -> int | None:
            if id(variable) in matched:
                return matched[id(variable)]
            # A copy of the optimizer has variables of its own.
            return _first_match(patterns, (path_of(variable),))

        if _has_velocity(optimizer) and optimizer.built:
            for velocity, one in zip(velocities_of(optimizer), _built(optimizer), strict=True):
                index = group_of(one)
                if index is not None and factors[index] == 0:  # it moved in a training before
                    velocity.assign(keras.ops.zeros(velocity.shape, velocity.dtype))
        keys = [f"{run.name('group_factor')}/{pattern}" for pattern in patterns]
        return _BoundGroups(group_of, factors, keys, self._note(group_of, optimizer, model))

    def _bound(
        self, pattern: str, schedule: Schedule, optimizer: Any, run: Run
    ) -> float | PlannedValue:
        """Return a factor for this run: a number if it stays, or what the step computes."""
        if isinstance(schedule, Constant):
            return schedule.initial
        argument = f"group_factors[{pattern!r}]"
        schedule.check(Moment.of(0, run.timeline))
        planned = run.planned(schedule)
        values = run.sampled(planned)
        for value in (np.min(values), np.max(values)):
            _checks.number(self.owner, argument, float(value), at_least=0)
        if np.any(values == 0):
            self._try(optimizer, 0.0)
        falls = np.any((values[1:] == 0) & (values[:-1] > 0))
        if falls and _has_velocity(optimizer) and _is_spread(optimizer):
            raise _checks.invalid(
                self.owner,
                argument,
                "a schedule that stays above 0 once it is, under a strategy of TensorFlow, where "
                f"the velocity of {type(optimizer).__name__} would go on moving what is frozen",
                schedule,
                "Freeze from the beginning of a fit, or use an optimizer such as AdamW.",
            )
        return PlannedValue(planned)

    def _note(self, group_of: GroupOf, optimizer: Any, model: Any) -> str:
        """Return the groups in words, with the number of variables in each."""
        variables = _built(optimizer) or model.trainable_variables
        indices = [group_of(one) for one in variables]
        told = []
        for index, (pattern, schedule) in enumerate(self.factors):
            is_constant = isinstance(schedule, Constant)
            by = f"{schedule.initial:g}" if is_constant else type(schedule).__name__
            told.append(f"{pattern!r} × {by} ({_variables_in_words(indices, index)})")
        if None in indices:
            told.append(f"{_variables_in_words(indices, None)} × 1")
        return f"group_factors: {', '.join(told)}"

    def _matched(self, variables: Mapping[int, tuple[str, ...]]) -> dict[int, int]:
        """Return id of a variable → index of its pattern, or raise a ValueError for an idle one."""
        patterns = [pattern for pattern, _ in self.factors]
        found = {one: _first_match(patterns, names) for one, names in variables.items()}
        matched = {one: index for one, index in found.items() if index is not None}
        for index, pattern in enumerate(patterns):
            if index in matched.values():
                continue
            taken = any(matches(pattern, names) for names in variables.values())
            why = "All that it matches belongs to a pattern before it. " if taken else ""
            paths = list(dict.fromkeys(names[-1] for names in variables.values()))
            listed = ", ".join(paths[:_LISTED])
            more = f" and {len(paths) - _LISTED} more" if len(paths) > _LISTED else ""
            allowed = "patterns that are found in the path of a trainable variable"
            remedy = f"{why}The paths are {listed}{more}."
            raise _checks.invalid(self.owner, "group_factors", allowed, pattern, remedy)
        return matched

    def _try(self, optimizer: Any, factor: float) -> None:
        """Raise a ValueError unless an optimizer of this kind can update by groups.

        Copies, with two weights of their own, are stepped: one with the first weight in a group,
        two at the one rate and at the other.
        """

        def trial() -> str:
            grouped = _stepped(optimizer, 1.0, factor)
            slow = _stepped(optimizer, factor)[0] if factor else np.ones((2, 2))
            if np.allclose(grouped, (slow, _stepped(optimizer, 1.0)[1]), rtol=1e-5):
                return ""
            if factor == 0:
                return "its step cannot be made at a rate of 0"
            return "what one group does changes the step of another"

        reason = reason_against(trial)
        if reason:
            raise self._refusal(optimizer, reason)

    def _refusal(self, optimizer: Any, reason: str) -> ValueError:
        return ValueError(
            f"{self.owner}: group_factors cannot be used with {type(optimizer).__name__} of Keras "
            f"{keras.__version__}: {reason}. Use another optimizer, such as AdamW, or set "
            "layer.trainable = False for what is to be frozen."
        )


@dataclasses.dataclass(frozen=True)
class _BoundGroups(BoundKnob):
    """The groups of one optimizer's variables."""

    group_of: GroupOf
    factors: Sequence[float | PlannedValue]
    names: Sequence[str]
    note: str

    @contextlib.contextmanager
    def within(self, optimizer: Any, step: Step) -> Iterator[None]:
        factors = [
            step.choose(one.in_step(step.number) if isinstance(one, PlannedValue) else one, 1.0)
            for one in self.factors
        ]
        freezes = [isinstance(one, PlannedValue) or one == 0 for one in self.factors]
        with _grouped(optimizer, self.group_of, factors, freezes):
            yield

    def values(self, steps: np.ndarray, rates: np.ndarray) -> dict[str, np.ndarray]:
        """Return the factors that are schedules."""
        return {
            name: factor.at(steps)
            for name, factor in zip(self.names, self.factors, strict=True)
            if isinstance(factor, PlannedValue)
        }


@contextlib.contextmanager
def _grouped(
    optimizer: Any, group_of: GroupOf, factors: Sequence[Any], freezes: Sequence[bool]
) -> Iterator[None]:
    """Let an optimizer update and decay its variables group by group.

    `freezes` tells of each factor whether it may be 0.
    """
    kind = type(optimizer)
    holds = _has_velocity(optimizer) and not _is_spread(optimizer)

    def groups(variables: Sequence[Any]) -> dict[int | None, list[int]]:
        places: dict[int | None, list[int]] = {}
        for place, variable in enumerate(variables):
            places.setdefault(group_of(variable), []).append(place)
        return places

    def times(rate: Any, index: int | None) -> Any:
        return rate if index is None else keras.ops.cast(rate, "float32") * factors[index]

    def update(self: Any, gradients: Any, variables: Any, learning_rate: Any) -> None:
        for index, found in groups(variables).items():
            chosen = [variables[place] for place in found]
            rate = times(learning_rate, index)
            step = functools.partial(
                getattr(kind, _UPDATE), self, [gradients[place] for place in found], chosen, rate
            )
            if not holds or index is None or not freezes[index]:
                step()
                continue
            before = [_copy(one) for one in chosen]
            step()
            for variable, value in zip(chosen, before, strict=True):
                # A velocity of the steps before would move it on while its factor is 0.
                variable.assign(keras.ops.where(factors[index] > 0, _copy(variable), value))

    def decay(self: Any, variables: Any) -> None:
        if self.weight_decay is None:
            return
        learning_rate = self.learning_rate
        for index, found in groups(variables).items():
            seen = _AtRate(self, times(learning_rate, index))
            getattr(kind, _DECAY)(seen, [variables[place] for place in found])

    # Past the optimizer's own __setattr__, which would track what it is given.
    vars(optimizer)[_UPDATE] = types.MethodType(update, optimizer)
    vars(optimizer)[_DECAY] = types.MethodType(decay, optimizer)
    try:
        yield
    finally:
        vars(optimizer).pop(_UPDATE, None)
        vars(optimizer).pop(_DECAY, None)


class _AtRate:
    """An optimizer seen at another rate.

    The optimizer itself stays as it is, because under a TensorFlow strategy several replicas are in
    the middle of their steps at the same time.
    """

    def __init__(self, optimizer: Any, rate: Any) -> None:
        self._optimizer = optimizer
        self.learning_rate = rate

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """The optimizer's, for a `super()` in its method."""
        return type(self._optimizer)

    def _get_current_learning_rate(self) -> Any:
        return self.learning_rate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._optimizer, name)


def _stepped(optimizer: Any, scale: float, factor: float | None = None) -> list[np.ndarray]:
    """Step a copy at a multiple of a rate, its first weight in a group; return both weights."""
    copy = type(optimizer).from_config(optimizer.get_config())
    weights = [keras.Variable(np.ones((2, 2), "float32")) for _ in range(2)]
    copy.build(weights)
    copy.learning_rate = 0.125 * scale
    gradient = keras.ops.convert_to_tensor(np.eye(2, dtype="float32"))
    grouped: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if factor is not None:
        grouped = _grouped(
            copy, lambda one: 0 if one is weights[0] else None, [factor], [factor == 0]
        )
    with grouped:
        for _ in range(2 * (copy.gradient_accumulation_steps or 1)):
            copy.apply([gradient, -gradient], weights)
    return [keras.ops.convert_to_numpy(weight) for weight in weights]


def _names(optimizer: Any, model: Any) -> dict[int, tuple[str, ...]]:
    """Return id of a trainable variable → the names that a pattern can match."""
    own = {id(one): (path_of(one),) for one in _built(optimizer)}
    return own | names_of(model)


def _built(optimizer: Any) -> Sequence[Any]:
    return optimizer._trainable_variables if optimizer.built else ()


def _variables_in_words(indices: Sequence[int | None], index: int | None) -> str:
    count = indices.count(index)
    return f"{count} variable" + ("s" if count != 1 else "")


def _first_match(patterns: Sequence[str], names: tuple[str, ...]) -> int | None:
    indices = (index for index, one in enumerate(patterns) if matches(one, names))
    return next(indices, None)


def _has_velocity(optimizer: Any) -> bool:
    """Whether it moves variables by a velocity that old rates are in."""
    return scales_its_velocity(optimizer) and bool(optimizer.momentum)


def _is_spread(optimizer: Any) -> bool:
    """Whether a strategy of TensorFlow applies the gradients on several replicas."""
    strategy = getattr(optimizer, "_distribution_strategy", None)
    return getattr(strategy, "num_replicas_in_sync", 1) > 1


def _copy(variable: Any) -> Any:
    return keras.ops.copy(keras.ops.stop_gradient(keras.ops.convert_to_tensor(variable)))
