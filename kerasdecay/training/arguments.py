"""The arguments that all decay callbacks share: their checks and their signature."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, get_args, get_type_hints

import keras

from kerasdecay import _checks
from kerasdecay._names import check_arguments
from kerasdecay.rules import Rule
from kerasdecay.rules.family import rule_named
from kerasdecay.rules.triggered import rule_meant
from kerasdecay.schedules import Schedule
from kerasdecay.schedules import warmup as warmed_up
from kerasdecay.schedules.duration import Duration
from kerasdecay.training.as_schedule import as_schedule


class RunOptions(TypedDict, total=False):
    """What every decay callback takes of a training; see `LearningRateDecay`."""

    epochs: int | None
    update: str
    state_path: str | os.PathLike[str] | None
    group_factors: Mapping[str, Any] | None
    weight_decay: Any
    momentum: Any
    beta_1: Any
    average_last: Duration | None


class Options(RunOptions, total=False):
    """What a decay callback takes besides its own arguments; see `LearningRateDecay`."""

    warmup: Duration | None
    rules: Rule[Any] | Sequence[Rule[Any]] | None
    verbose: int | bool


_RULES = "kerasdecay rules, such as [Plateau('val_loss')] or ['plateau']"


def with_rule(owner: str, rule: Rule[Any], options: Options) -> Options:
    """Return the options with a callback's own rule before the user's."""
    return {**options, "rules": (rule, *checked_rules(owner, options.get("rules", ())))}


def checked_rules(owner: str, rules: Any) -> tuple[Rule[Any], ...]:
    """Return one rule, or several, as a tuple; ValueError for rules that cannot be combined.

    The name of a rule is that rule as it is by default; None is no rule.
    """
    if rules is None:
        return ()
    if not isinstance(rules, (list, tuple)):  # an iterator would be used up before it is copied
        rules = (rules,)
    rules = tuple(_rule(owner, rule) for rule in rules)
    ways = [type(rule).__name__ for rule in rules if rule.way_down is not None]
    if len(ways) > 1:
        raise _checks.invalid(owner, "rules", "at most one that comes down to the horizon", ways)
    return rules


def _rule(owner: str, rule: Any) -> Rule[Any]:
    if isinstance(rule, str):
        return rule_named(owner, "rules", rule)
    remedy = rule_meant(rule)
    if isinstance(rule, Schedule):
        remedy = "A schedule is the first argument of LearningRateDecay."
    elif isinstance(rule, keras.callbacks.ReduceLROnPlateau):
        remedy = "Write kerasdecay.Plateau(…), which takes the same arguments."
    elif isinstance(rule, keras.callbacks.Callback) and not remedy:
        remedy = "A callback is given to fit: callbacks=[…]."
    found: Rule[Any] = _checks.instance(owner, "rules", rule, Rule, _RULES, remedy)
    return found


def checked_schedules(
    schedule: Any, optimizers: Mapping[str, Any] | None, warmup: Duration | None
) -> dict[str | None, Any]:
    """Return name of the optimizer → schedule or function, the warmup in front of each.

    The name None stands for the model's own optimizer, whatever it is made of.
    """
    if optimizers is None:
        return {None: _warmed_up(as_schedule(schedule), warmup)}
    owner = "LearningRateDecay"
    if schedule is not None:
        allowed = "None where optimizers= gives each optimizer its schedule"
        raise _checks.invalid(owner, "schedule", allowed, schedule)
    allowed = 'a dict of optimizer → schedule, such as {"d_optimizer": Cosine(4e-4)}'
    are_named = isinstance(optimizers, Mapping) and all(
        isinstance(name, str) and name for name in optimizers
    )
    if not are_named or not optimizers:
        raise _checks.invalid(owner, "optimizers", allowed, optimizers)
    return {name: _warmed_up(as_schedule(one), warmup) for name, one in optimizers.items()}


def check_ways_down(schedules: Iterable[Any], rules: tuple[Rule[Any], ...]) -> None:
    """Raise a ValueError for a rule that would come down from a function, whose end is unknown."""
    comes_down = any(rule.way_down for rule in rules)
    if comes_down and not all(isinstance(schedule, Schedule) for schedule in schedules):
        raise ValueError(
            "kerasdecay: a rule that comes down to the horizon needs a schedule, or a function of "
            "the epoch alone. Received: a function of (epoch, learning_rate)."
        )


def signature(init: Callable[..., None], common: Callable[..., None]) -> inspect.Signature:
    """Return the signature of a callback's `__init__`, the shared options spelt out.

    Only a last parameter `**options: Unpack[…]` is replaced, by the options of `common`.
    """
    own = list(inspect.signature(init).parameters.values())[1:]
    last = own[-1] if own else None
    if last is None or last.kind is not inspect.Parameter.VAR_KEYWORD:
        return inspect.Signature(own)
    options = get_args(get_type_hints(init).get(last.name))
    if not options:  # a user's own `**kwargs`
        return inspect.Signature(own)
    defaults = inspect.signature(common).parameters
    shared = [one for name, one in defaults.items() if name in options[0].__annotations__]
    return inspect.Signature([*own[:-1], *shared])


def refuse_unexpected(kind: type, unknown: Mapping[str, Any]) -> None:
    """Raise a TypeError for keywords that a callback does not take."""
    variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    own = inspect.signature(kind).parameters
    known = [name for name, one in own.items() if one.kind not in variable]
    if len(known) < len(own):  # a subclass of the user's that passes its `**options` on
        known += [
            name
            for name in (*RunOptions.__annotations__, *Options.__annotations__)
            if name not in known
        ]
    check_arguments(kind.__name__, unknown, known)


def initial_rate_argument(kind: type) -> str:
    """Return how an initial rate is given to a callback of this class, as a user writes it."""
    known = inspect.signature(kind).parameters
    if "initial_learning_rate" in known:
        return "initial_learning_rate=…"
    if "schedule" in known:
        return "schedule=Constant(0.1)"
    if "then" in known:
        return "then=Constant(0.1)"
    return "a schedule with its initial_learning_rate"


def _warmed_up(schedule: Any, warmup: Duration | None) -> Any:
    if warmup is None:
        return schedule
    if not isinstance(schedule, Schedule):
        raise _checks.invalid(
            "LearningRateDecay",
            "warmup",
            "None with a function of (epoch, learning_rate), whose rates are known only as they "
            "come",
            warmup,
            "Use a schedule, or a function of the epoch alone.",
        )
    return warmed_up(schedule, warmup)
