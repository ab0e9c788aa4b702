"""The arguments that all decay callbacks share, and how a subclass shows and passes them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from typing import Any, TypedDict, get_args, get_type_hints

from kerasdecay import _checks
from kerasdecay.rules import Rule
from kerasdecay.schedules.duration import Duration


class RunOptions(TypedDict, total=False):
    """What every decay callback takes of a training; see `LearningRateDecay`."""

    epochs: int | None
    update: str
    state_path: str | os.PathLike[str] | None


class Options(RunOptions, total=False):
    """What a decay callback takes besides its own arguments; see `LearningRateDecay`."""

    warmup: Duration | None
    rules: Rule[Any] | Sequence[Rule[Any]]
    verbose: int


def with_rule(owner: str, rule: Rule[Any], options: Options) -> Options:
    """Return the options with a callback's own rule before the user's."""
    return {**options, "rules": (rule, *checked_rules(owner, options.get("rules", ())))}


def checked_rules(owner: str, rules: Any) -> tuple[Rule[Any], ...]:
    """Return one rule, or several, as a tuple; ValueError for what cannot be had together."""
    allowed = "kerasdecay rules, such as [Plateau('val_loss')]"
    if isinstance(rules, Rule):
        return (rules,)
    if not isinstance(rules, (list, tuple)):  # an iterator would be used up before it is copied
        raise _checks.invalid(owner, "rules", allowed, rules)
    for rule in rules:
        if not isinstance(rule, Rule):
            raise _checks.invalid(owner, "rules", allowed, rule)
    ways = [type(rule).__name__ for rule in rules if rule.way_down is not None]
    if len(ways) > 1:
        raise _checks.invalid(owner, "rules", "at most one that comes down to the horizon", ways)
    return tuple(rules)


def spelt_out(init: Callable[..., None], common: Callable[..., None]) -> inspect.Signature:
    """Return the signature of a callback's `__init__`, its `**options` spelt out.

    Args:
        init: The subclass's; where its last parameter is not `**options: Unpack[…]`, it stays.
        common: The base's, which has the options with their defaults.
    """
    own = list(inspect.signature(init).parameters.values())[1:]
    if not own or (own[-1].name, own[-1].kind) != ("options", inspect.Parameter.VAR_KEYWORD):
        return inspect.Signature(own)
    (options,) = get_args(get_type_hints(init)["options"])
    defaults = inspect.signature(common).parameters
    shared = [one for name, one in defaults.items() if name in options.__annotations__]
    return inspect.Signature([*own[:-1], *shared])
