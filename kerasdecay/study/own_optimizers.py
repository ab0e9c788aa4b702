"""Which optimizers belong to a model, and whether the compiled one takes steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras


def own_optimizers(model: Any) -> dict[str, Any]:
    """Return the optimizers among an object's attributes and in lists and dicts among these.

    Returns:
        Name → optimizer: `"d_optimizer"`, `"optimizers[0]"`, `"optimizers['left']"`. Of a model,
        `model.optimizer` and the optimizers that it wraps are left out.
    """
    compiled = getattr(model, "optimizer", None) if isinstance(model, keras.Model) else None
    known = [] if compiled is None else with_wrapped(compiled)
    found: dict[str, Any] = {}
    seen: set[int] = set()

    def visit(name: str, value: Any) -> None:
        if isinstance(value, keras.optimizers.Optimizer):
            if not _is_in([*known, *found.values()], value):
                found[name] = value
        elif isinstance(value, (Mapping, list, tuple)) and id(value) not in seen:
            seen.add(id(value))
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            for key, item in items:
                visit(f"{name}[{key!r}]", item)

    for name, value in vars(model).items():
        if not name.startswith("_self_"):  # TensorFlow's own lists of all attributes
            visit(name, value)
    return found


def named(model: keras.Model) -> str:
    """Return a sentence for error messages that names a model's own optimizers, if it has some."""
    names = ", ".join(f"model.{name}" for name in own_optimizers(model))
    return f" It holds optimizers of its own: {names}." if names else ""


def with_wrapped(optimizer: Any) -> list[Any]:
    """Return an optimizer and those that it wraps."""
    found = [optimizer]
    for part in found:  # grows by what a part wraps
        found += [one for one in own_optimizers(part).values() if not _is_in(found, one)]
    return found


def counters(model: keras.Model) -> list[float]:
    """Return all single numbers but the rates in `model.optimizer`; every step changes some.

    These are the iterations and, where a loss scale skips a step that overflows, the scale.
    """
    variables = [
        variable
        for optimizer in with_wrapped(model.optimizer)
        for variable in optimizer.variables
        if not variable.ndim and variable.name != "learning_rate"
    ]
    return [float(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _is_in(values: list[Any], value: Any) -> bool:
    return any(value is one for one in values)
