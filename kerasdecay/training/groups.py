"""Rates by group: a factor on the rate of the variables whose paths match a pattern."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from kerasdecay import _checks
from kerasdecay.schedules import Moment, Schedule
from kerasdecay.training.as_schedule import as_schedule
from kerasdecay.training.in_step_number import number_in_step
from kerasdecay.training.knobs import BoundKnob, Knob, PlannedValue, Run, Step
from kerasdecay.training.traces import TracedStep

_UPDATE = "_backend_update_step"
_DECAY = "_apply_weight_decay"
_SAMPLES = 10_000
"""The most steps at which a factor is looked at for a 0."""


def group_knobs(owner: str, factors: Any) -> tuple[Knob, ...]:
    """Return the knob of a callback's `group_factors=`; none for None.

    Raises:
        ValueError: For what is no mapping of patterns to numbers >= 0 or schedules.
    """
    if factors is None:
        return ()
    allowed = 'a dict of pattern → factor, such as {"backbone/": 0.1}'
    if not isinstance(factors, Mapping) or not factors:
        raise _checks.invalid(owner, "group_factors", allowed, factors)
    return (GroupFactors(owner, tuple(_factor(owner, *one) for one in factors.items())),)


def _factor(owner: str, pattern: Any, factor: Any) -> tuple[str, float | Schedule]:
    if not isinstance(pattern, str) or not pattern:
        allowed = "patterns that are strings, to be found in variable.path"
        raise _checks.invalid(owner, "group_factors", allowed, pattern)
    try:
        re.compile(pattern)
    except re.error as error:
        raise _checks.invalid(
            owner, "group_factors", "patterns that are regular expressions", pattern, f"{error}."
        ) from error
    argument = f"group_factors[{pattern!r}]"
    if _checks.real(factor) is not None:
        return pattern, _checks.number(owner, argument, factor, at_least=0)
    schedule = as_schedule(factor, owner, argument)
    if not isinstance(schedule, Schedule) or schedule.is_auto:
        allowed = "a number, a schedule of numbers, or a function of the epoch alone"
        raise _checks.invalid(owner, argument, allowed, factor)
    return pattern, schedule if schedule.is_resolved else schedule.resolve(1.0)


@dataclasses.dataclass(frozen=True)
class GroupFactors(Knob):
    """Factors of groups of variables, each a number or a schedule.

    Args:
        owner: The callback's class name.
        factors: Pattern and factor, in the user's order.
    """

    owner: str
    factors: tuple[tuple[str, float | Schedule], ...]

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """The factors that are schedules."""
        return tuple(one for _, one in self.factors if isinstance(one, Schedule))

    def get_config(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "group_factors": {
                pattern: factor.get_config() if isinstance(factor, Schedule) else factor
                for pattern, factor in self.factors
            }
        }

    def check(self, optimizer: Any, model: Any) -> None:
        """Raise a ValueError for patterns that match nothing, and for what cannot be grouped."""
        self._check_patterns(_variables(optimizer, model))
        _try(self.owner, optimizer)

    def bind(self, optimizer: Any, model: Any, run: Run) -> BoundKnob:
        """Return it for one optimizer.

        Raises:
            ValueError: If a factor is 0 for a part of the run where a group cannot be held still.
        """
        variables = _variables(optimizer, model)
        self._check_patterns(variables)
        groups = []
        for pattern, factor in self.factors:
            planned = None
            if isinstance(factor, Schedule):
                factor.check(Moment.of(0, run.timeline))
                planned = PlannedValue(run.planned(factor))
                if _is_spread(optimizer):
                    self._check_above_zero(pattern, planned, run)
            groups.append(_Group(pattern, factor, planned))
        return _BoundFactors(run.name("group_factor"), groups, variables)

    def _check_above_zero(self, pattern: str, planned: PlannedValue, run: Run) -> None:
        """Raise a ValueError for a group that could not be held still while its factor is 0."""
        steps = run.timeline.epochs * (run.timeline.steps_per_epoch or 1)
        places = np.linspace(0, steps - 1, min(steps, _SAMPLES)).astype(np.int64)
        if np.any(planned.at(places) == 0):
            raise _checks.invalid(
                self.owner,
                f"group_factors[{pattern!r}]",
                "above 0 throughout, or the number 0, under a distribution strategy of TensorFlow",
                dict(self.factors)[pattern],
            )

    def _check_patterns(self, variables: list[Any]) -> None:
        """Raise a ValueError for a pattern to which no variable is left."""
        found = _partition([pattern for pattern, _ in self.factors], variables)
        for pattern, _ in self.factors:
            if pattern not in found:
                paths = ", ".join(map(_path, variables[:40])) + (", …" * (len(variables) > 40))
                before = ""
                if any(_matches(pattern, one) for one in variables):
                    before = " All that it matches belongs to a pattern before it."
                raise _checks.invalid(
                    self.owner,
                    "group_factors",
                    "patterns that are found in the path of a trainable variable",
                    pattern,
                    f"{before} The paths are {paths}.".strip(),
                )


@dataclasses.dataclass(frozen=True)
class _Group:
    """The variables of one pattern.

    Args:
        pattern: The pattern.
        factor: A number, or the schedule of it.
        planned: The schedule laid over the run, or None.
    """

    pattern: str
    factor: float | Schedule
    planned: PlannedValue | None

    @property
    def may_rest(self) -> bool:
        """Whether the factor may be 0."""
        return self.planned is not None or self.factor == 0

    def at(self, step: Step, *, is_spread: bool) -> Any:
        """Return the factor of a step: a number, or a tensor."""
        if self.planned is not None:
            return step.choose(self.planned.in_step(step.number), 1.0)
        # Under a strategy a group that rests is left out of the step, and cannot be in it again.
        return self.factor if is_spread and self.factor == 0 else step.choose(self.factor, 1.0)


class _BoundFactors(BoundKnob):
    """The groups of one optimizer, in one run."""

    def __init__(self, key: str, groups: list[_Group], variables: list[Any]) -> None:
        self._key = key
        self._groups = {one.pattern: one for one in groups}
        found = _partition(list(self._groups), variables)
        counts = {pattern: len(found.get(pattern, ())) for pattern in (*self._groups, None)}
        self.note = "group_factors: " + ", ".join(
            f"{one.pattern!r} × {_shown(one.factor)} ({_variables_in_words(counts[one.pattern])})"
            for one in groups
        )
        if counts[None]:
            self.note += f", {_variables_in_words(counts[None])} × 1"

    @contextlib.contextmanager
    def within(self, optimizer: Any, step: Step) -> Iterator[None]:
        """Let the update and the weight decay take the groups one after the other."""
        is_spread = _is_spread(optimizer)
        factors = {key: one.at(step, is_spread=is_spread) for key, one in self._groups.items()}
        with (
            _bound(optimizer, _UPDATE, self._update(optimizer, factors)),
            _bound(optimizer, _DECAY, self._decay(optimizer, factors)),
        ):
            yield

    def values(self, steps: np.ndarray, rates: np.ndarray) -> dict[str, np.ndarray]:
        """Return the factors that are schedules."""
        return {
            f"{self._key}/{one.pattern}": one.planned.at(steps)
            for one in self._groups.values()
            if one.planned is not None
        }

    def _update(self, optimizer: Any, factors: Mapping[str, Any]) -> Callable[..., None]:
        inner = getattr(optimizer, _UPDATE)

        def update(_: Any, gradients: Any, variables: Any, learning_rate: Any) -> None:
            for pattern, places in _partition(list(factors), variables).items():
                chosen = [variables[place] for place in places]
                given = [gradients[place] for place in places]
                if pattern is None:
                    inner(given, chosen, learning_rate)
                    continue
                factor = factors[pattern]
                if _is_zero(factor):
                    continue
                rests = self._groups[pattern].may_rest and not _is_spread(optimizer)
                before = [_copy(one) for one in chosen] if rests else []
                inner(given, chosen, learning_rate * _like(factor, learning_rate))
                for variable, value in zip(chosen, before, strict=False):
                    # A velocity of the steps before would move it on.
                    variable.assign(keras.ops.where(factor > 0, _copy(variable), value))

        return update

    def _decay(self, optimizer: Any, factors: Mapping[str, Any]) -> Callable[..., None]:
        inner = getattr(optimizer, _DECAY)

        def decay(self: Any, variables: Any) -> None:
            own = vars(self)["weight_decay"]
            if own is None:
                return
            for pattern, places in _partition(list(factors), variables).items():
                chosen = [variables[place] for place in places]
                if not any(self._use_weight_decay(one) for one in chosen):
                    continue
                factor = 1.0 if pattern is None else factors[pattern]
                if _is_zero(factor):
                    continue
                scaled = own * factor
                is_tensor = not isinstance(scaled, float)
                vars(self)["weight_decay"] = number_in_step(scaled) if is_tensor else scaled
                try:
                    inner(chosen)
                finally:
                    vars(self)["weight_decay"] = own

        return decay


@contextlib.contextmanager
def _bound(optimizer: Any, hook: str, function: Callable[..., None]) -> Iterator[None]:
    """Bind a method to the optimizer alone, past its own __setattr__, for a while."""
    outer = vars(optimizer).get(hook)
    vars(optimizer)[hook] = types.MethodType(function, optimizer)
    try:
        yield
    finally:
        vars(optimizer).pop(hook, None)
        if outer is not None:
            vars(optimizer)[hook] = outer


def _partition(patterns: list[str], variables: Iterable[Any]) -> dict[str | None, list[int]]:
    """Return pattern → the places of its variables, each with the first pattern that matches."""
    places: dict[str | None, list[int]] = {}
    for place, variable in enumerate(variables):
        found = (pattern for pattern in patterns if _matches(pattern, variable))
        places.setdefault(next(found, None), []).append(place)
    return places


def _matches(pattern: str, variable: Any) -> bool:
    path = _path(variable)
    return bool(re.search(pattern, path) or re.search(pattern, f"/{path}"))


def _path(variable: Any) -> str:
    return str(getattr(variable, "path", variable.name))


def _variables(optimizer: Any, model: Any) -> list[Any]:
    """Return what an optimizer trains, as far as it is known."""
    return list(getattr(model, "trainable_variables", ()) or optimizer._trainable_variables)


def _is_zero(factor: Any) -> bool:
    """Whether a factor is the number 0, known before the step."""
    return isinstance(factor, float) and factor == 0


def _is_spread(optimizer: Any) -> bool:
    """Whether a strategy of TensorFlow applies the gradients on several replicas."""
    strategy = getattr(optimizer, "_distribution_strategy", None)
    return getattr(strategy, "num_replicas_in_sync", 1) > 1


def _copy(variable: Any) -> Any:
    return keras.ops.copy(keras.ops.stop_gradient(keras.ops.convert_to_tensor(variable)))


def _like(factor: Any, rate: Any) -> Any:
    """Return a factor of the dtype of the rate."""
    if isinstance(factor, float):
        return factor
    return keras.ops.cast(factor, keras.backend.standardize_dtype(rate.dtype))


def _shown(factor: float | Schedule) -> str:
    return f"{factor:g}" if isinstance(factor, float) else type(factor).__name__


def _variables_in_words(count: int) -> str:
    return f"{count} variable" + ("s" if count != 1 else "")


_TRIED = {"first": 1.0, "second": 0.5}
_TRIED_RATE = 0.125
_TRIED_STEPS = 3


def _try(owner: str, optimizer: Any) -> None:
    """Raise a ValueError unless a step of an optimizer of this kind can take groups by turns.

    A copy, with two weights in two groups, must move each as a copy of its own does at the rate of
    its group. In a thread of their own, they are outside of any `strategy.scope()`.
    """
    reason = ""
    try:
        with ThreadPoolExecutor(1) as thread:
            together = thread.submit(_stepped, optimizer, _TRIED, grouped=True).result()
            for name, factor in _TRIED.items():
                alone = thread.submit(_stepped, optimizer, {name: factor}, grouped=False).result()
                if not np.allclose(together[name], alone[name], rtol=1e-5, atol=1e-7):
                    reason = "what one group does changes the step of another"
    except (AttributeError, TypeError, ValueError, NotImplementedError) as error:
        reason = f"trying it failed ({type(error).__name__}: {error})"
    if reason:
        raise ValueError(
            f"{owner}: group_factors cannot be used with {type(optimizer).__name__} of Keras "
            f"{keras.__version__}: {reason}. Use another optimizer, such as Adam or SGD."
        )


def _stepped(optimizer: Any, factors: dict[str, float], *, grouped: bool) -> dict[str, Any]:
    """Step a copy that trains a weight for each name; return where the weights are."""
    # A norm over all gradients joins the groups on purpose.
    config = {**optimizer.get_config(), "global_clipnorm": None}
    copy = type(optimizer).from_config(config)
    copy.learning_rate = _TRIED_RATE if grouped else _TRIED_RATE * next(iter(factors.values()))
    weights = [keras.Variable(np.ones((2, 2), "float32"), name=name) for name in factors]
    copy.build(weights)
    groups = [_Group(name, factor, None) for name, factor in factors.items()]
    bound = _BoundFactors("", groups, weights)
    step = Step(keras.ops.convert_to_tensor(0), TracedStep())
    for number in range(_TRIED_STEPS * (copy.gradient_accumulation_steps or 1)):
        gradient = np.array([[1.0, -0.5], [0.25 * number, 2.0]], "float32")
        gradients = [keras.ops.convert_to_tensor(gradient) for _ in weights]
        with bound.within(copy, step) if grouped else contextlib.nullcontext():
            copy.apply(gradients, weights)
    return {
        name: keras.ops.convert_to_numpy(weight)
        for name, weight in zip(factors, weights, strict=True)
    }
