"""Around the application of gradients: the private hook of Keras that several parts enter.

Keras optimizers apply gradients in `_backend_apply_gradients`. On one optimizer, that method is
replaced by one that enters the contexts installed here, by name, and calls the optimizer's own.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable, Mapping
from typing import Any

HOOK = "_backend_apply_gradients"
Around = Callable[[Any], contextlib.AbstractContextManager[Any]]
"""Optimizer → the context in which it applies gradients."""


def install(optimizer: Any, name: str, around: Around) -> None:
    """Let an optimizer apply gradients within one more context, or another one of this name."""
    _replace(optimizer, {**_installed(optimizer), name: around})


def uninstall(optimizer: Any, name: str) -> None:
    """Take the context of this name out, if there is one."""
    contexts = dict(_installed(optimizer))
    if contexts.pop(name, None):
        _replace(optimizer, contexts)


def is_free(optimizer: Any) -> bool:
    """Whether nothing but what is installed here stands in the place of the optimizer's method."""
    return HOOK not in vars(optimizer) or bool(_installed(optimizer))


def _installed(optimizer: Any) -> Mapping[str, Around]:
    function = getattr(vars(optimizer).get(HOOK), "__func__", None)
    return getattr(function, "contexts", {})


def _replace(optimizer: Any, contexts: Mapping[str, Around]) -> None:
    # Past the optimizer's own __setattr__ and __delattr__, which would track what they are given.
    if not contexts:
        vars(optimizer).pop(HOOK, None)
        return

    # A method, and not a closure over `optimizer`: a deep copy is then bound to the copy.
    def apply(self: Any, *arguments: Any, **keywords: Any) -> Any:
        with contextlib.ExitStack() as stack:
            for around in contexts.values():
                stack.enter_context(around(self))
            return getattr(type(self), HOOK)(self, *arguments, **keywords)

    apply.contexts = contexts  # type: ignore[attr-defined]
    object.__setattr__(optimizer, HOOK, types.MethodType(apply, optimizer))
