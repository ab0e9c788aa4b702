"""The arms of a comparison: checked before training, and described as data."""

from __future__ import annotations

import copy
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import keras

from kerasdecay._checks import invalid, rate, shown
from kerasdecay._names import member_named
from kerasdecay.callbacks import LearningRateDecay
from kerasdecay.records.run import slug
from kerasdecay.rules import FAMILY as RULES
from kerasdecay.rules import Rule
from kerasdecay.schedules import FAMILY as SHAPES
from kerasdecay.schedules import Schedule

Callbacks: TypeAlias = keras.callbacks.Callback | Sequence[keras.callbacks.Callback]
Arm: TypeAlias = float | keras.callbacks.Callback | Callable[[], Callbacks] | None

_REMEDY = (
    "Give None (the compiled learning rate), a number (a fixed one), the name of a shape or a "
    "rule, or one itself, a Keras callback, or a function without arguments that returns a "
    "callback or a list of them."
)


def check_arms(arms: Any) -> dict[str, Arm]:
    """Return the arms, with rates as floats, or raise a `ValueError`.

    In a list each arm is named by itself: by its class, or by what was written.
    """
    if isinstance(arms, (list, tuple)):
        names = [_name_of(arm) for arm in arms]
        for name in names:
            if names.count(name) > 1:
                remedy = f"Two are named {name!r}: give a dict, name → arm."
                raise invalid("compare", "arms", "a list of different arms", arms, remedy)
        arms = dict(zip(names, arms, strict=True))
    if not isinstance(arms, Mapping) or not arms:
        remedy = "Inputs and targets are one: data=(x, y)." if hasattr(arms, "shape") else _REMEDY
        if isinstance(arms, (str, Schedule, Rule, keras.callbacks.Callback)):
            remedy = f"Did you mean [{shown(arms)}]?"
        allowed = "a list of arms, or a dict of name → arm, with at least one"
        raise invalid("compare", "arms", allowed, arms, remedy)
    slugs: dict[str, str] = {}
    for name in arms:
        if not isinstance(name, str) or not slug(name):
            raise invalid(
                "compare", "arms", "named by strings with a letter or a digit in them", name
            )
        if slug(name) in slugs:
            raise ValueError(
                f"compare: arms {slugs[slug(name)]!r} and {name!r} would share the file name "
                f"{slug(name)!r}. Name them so that they differ in letters or digits."
            )
        slugs[slug(name)] = name
    return {name: _checked(name, _as_callback(name, arm)) for name, arm in arms.items()}


def is_arms(given: Any) -> bool:
    """Return whether something is made of arms, and not of the data that a model trains on."""
    members = given.values() if isinstance(given, Mapping) else given
    kinds = (str, Schedule, Rule, keras.callbacks.Callback, type)
    return isinstance(given, (Mapping, list, tuple)) and any(
        isinstance(one, kinds) for one in members
    )


def _name_of(arm: Any) -> str:
    """Return the name of an arm that was given without one."""
    if arm is None or isinstance(arm, str):
        return arm or "compiled rate"
    if isinstance(arm, numbers.Real):
        return f"{arm:g}"
    return getattr(arm, "__name__", type(arm).__name__)


def _as_callback(name: str, arm: Any) -> Any:
    """Return the decay that a schedule, a rule or the name of one stands for; else the arm."""
    if _is_optimizer(arm):
        raise invalid(
            "compare",
            f"arms[{name!r}]",
            "what sets the rate, and no optimizer",
            arm,
            "The optimizer is compiled in build_model; compare optimizers with a call for each.",
        )
    if isinstance(arm, str):
        families: dict[str, Any] = {**SHAPES, **RULES}
        arm = member_named(families, "compare", f"arms[{name!r}]", arm)()
    if isinstance(arm, Schedule | keras.optimizers.schedules.LearningRateSchedule):
        return LearningRateDecay(arm)
    return LearningRateDecay("constant", rules=[arm]) if isinstance(arm, Rule) else arm


def _is_optimizer(arm: Any) -> bool:
    """Return whether an arm is an optimizer of Keras, or the name of one."""
    if not isinstance(arm, str):
        return isinstance(arm, keras.optimizers.Optimizer)
    return arm.lower() in {
        name.lower()
        for name, kind in vars(keras.optimizers).items()
        if isinstance(kind, type) and issubclass(kind, keras.optimizers.Optimizer)
    }


def _checked(name: str, arm: Any) -> Arm:
    """Return an arm, a rate as a float, or raise a `ValueError`."""
    argument = f"arms[{name!r}]"
    if arm is None or isinstance(arm, keras.callbacks.Callback):
        return arm
    if isinstance(arm, numbers.Real) and not isinstance(arm, bool):
        return rate("compare", argument, arm, remedy=_REMEDY)
    if not callable(arm):
        raise invalid("compare", argument, "an arm", arm, _REMEDY)
    made = arm()
    for callback in made if isinstance(made, (list, tuple)) else [made]:
        if not isinstance(callback, keras.callbacks.Callback):
            allowed = "a Keras callback, or a list of them"
            raise invalid("compare", f"{argument}()", allowed, made, _REMEDY)
    return arm


def callbacks_of(arm: Arm) -> list[keras.callbacks.Callback]:
    """Return new callbacks for one run of the arm.

    A callback is deep-copied, without the model that it may still hold from an earlier training.
    """
    if arm is None or isinstance(arm, float):
        return []
    if isinstance(arm, keras.callbacks.Callback):
        return [copy.deepcopy(arm, {} if arm.model is None else {id(arm.model): None})]
    made = arm()
    return [made] if isinstance(made, keras.callbacks.Callback) else list(made)


def describe(arm: Arm) -> Any:
    """Return an arm as JSON data that is equal in every process.

    A callback is described by its class with its `get_config()`, or with its public attributes. A
    function in it is described by its name only: if its body changes, use a new output folder or
    put a version into `metadata`.
    """
    if arm is None:
        return "compiled learning rate"
    if isinstance(arm, float):
        return arm
    return [_describe(callback) for callback in callbacks_of(arm)]


def _describe(part: Any) -> Any:
    """Describe a callback or anything found in one."""
    if isinstance(part, Mapping):
        return {str(key): _describe(value) for key, value in part.items()}
    if isinstance(part, (list, tuple)):
        return [_describe(item) for item in part]
    if part is None or isinstance(part, (str, bool, numbers.Real)):
        return part
    if isinstance(part, keras.callbacks.Callback):
        get_config = getattr(part, "get_config", None)
        values = get_config() if get_config else _public(part)
        return {"callback": _name(type(part)), **_describe(values)}
    return _name(part if hasattr(part, "__qualname__") else type(part))


def _public(callback: keras.callbacks.Callback) -> dict[str, Any]:
    ignored = {"params", "model"}
    return {
        key: value
        for key, value in vars(callback).items()
        if not key.startswith("_") and key not in ignored
    }


def _name(thing: Any) -> str:
    return f"{getattr(thing, '__module__', '')}.{thing.__qualname__}".lstrip(".")
