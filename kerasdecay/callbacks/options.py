"""The arguments that all decay callbacks share, and how a subclass shows and passes them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
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
    rules: Iterable[Rule[Any]]
    verbose: int


def with_rule(rule: Rule[Any], options: Options) -> Options:
    """Return the options with a callback's own rule before the user's."""
    return {**options, "rules": (rule, *checked_rules("rules", options.get("rules", ())))}


def checked_rules(owner: str, rules: Any) -> tuple[Rule[Any], ...]:
    """Return one rule, or several, as a tuple; ValueError if something else is among them."""
    rules = (rules,) if isinstance(rules, Rule) else tuple(rules)
    for rule in rules:
        if not isinstance(rule, Rule):
            raise _checks.invalid(
                owner, "rules", "kerasdecay rules, such as Plateau('val_loss')", rule
            )
    return rules


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
