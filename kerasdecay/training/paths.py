"""The names by which a pattern finds a variable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import keras


def path_of(variable: Any) -> str:
    """Return a variable's path, such as `backbone/dense/kernel`."""
    return str(getattr(variable, "path", variable.name))


def matches(pattern: str, names: tuple[str, ...]) -> bool:
    """Whether a regular expression is found in one of these names.

    A name may begin with a slash, so that `/head/` finds a `head` that nothing is around.

    Examples:
        >>> matches("/head/", ("head/kernel",)), matches("^net/", ("head/kernel",))
        (True, False)
    """
    return any(re.search(pattern, lead + name) for name in names for lead in ("", "/"))


def layers_in(model: Any, around: str = "") -> Iterator[tuple[str, Any]]:
    """Return each layer of a model and of the models inside it, with the models' names before it.

    A layer that is no model counts as one, whatever it is made of.
    """
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_in(layer, f"{around}{layer.name}/")
        else:
            yield around, layer


def names_of(model: Any) -> dict[int, tuple[str, ...]]:
    """Return id of a trainable variable → the names that a pattern can match, its path first.

    A model inside a model gives its name to the paths of its variables only where it was built as a
    part of it; one that was loaded did not. So the names of the models around a variable, before
    its path, are a name of it, too.
    """
    if not getattr(model, "built", False):
        return {}
    found: dict[int, tuple[str, ...]] = {
        id(one): (path_of(one),) for one in model.trainable_variables
    }
    if isinstance(model, keras.Model):
        for around, layer in layers_in(model):
            for one in layer.trainable_variables:
                if around and id(one) in found:
                    found[id(one)] = (path_of(one), around + path_of(one))
    return found
