"""The plain arguments of this package's functions, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from kerasdecay._checks import integer, invalid
from kerasdecay._json import encode

_OWN_ARGUMENTS = {
    "x": "data",
    "y": "data",
    "epochs": "epochs",
    "batch_size": "batch_size",
    "validation_data": "validation_data",
    "callbacks": "arms",
    "verbose": "verbose",
}


def pair(argument: str, value: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return `(x, y)` as arrays of one length."""
    allowed = "a pair (x, y) of arrays of the same length, not empty"
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise invalid("compare", argument, allowed, type(value).__name__)
    x, y = (np.asarray(array) for array in value)
    if not x.ndim or not y.ndim or len(x) != len(y) or not len(x):
        raise ValueError(
            f"compare: {argument} must be {allowed}. Received: shapes {x.shape} and {y.shape}."
        )
    return x, y


def optional_pair(argument: str, value: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Return `(x, y)` as arrays of one length, or None."""
    return None if value is None else pair(argument, value)


def different_seeds(seeds: Any) -> tuple[int, ...]:
    """Return the seeds as a tuple."""
    allowed = "different integers >= 0, at least one"
    if isinstance(seeds, str) or not isinstance(seeds, Iterable):
        raise invalid("compare", "seeds", allowed, seeds, "For n seeds give range(n).")
    values = tuple(integer("compare", "seeds", seed, at_least=0) for seed in seeds)
    if not values or len(set(values)) < len(values):
        raise invalid("compare", "seeds", allowed, values)
    return values


def is_verbose(owner: str, value: Any) -> bool:
    """Return whether `owner` is to say what it does."""
    if value not in (0, 1):
        raise invalid(owner, "verbose", "0 or 1", value)
    return bool(value)


def optional_function(argument: str, value: Any) -> Callable[..., Any] | None:
    """Return a function, or None."""
    if value is not None and not callable(value):
        raise invalid("compare", argument, "a function or None", value)
    return value


def fit_arguments_of(arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return further arguments of `fit`, none of which `compare` sets itself."""
    for name in arguments or {}:
        if name in _OWN_ARGUMENTS:
            raise ValueError(
                f"compare: fit_arguments must not hold {name!r}. "
                f"Use compare's own argument {_OWN_ARGUMENTS[name]}."
            )
    return dict(arguments or {})


def plain_metadata(metadata: Mapping[str, Any] | None) -> Any:
    """Return metadata as JSON data."""
    try:
        return encode(dict(metadata or {}))
    except (TypeError, ValueError) as error:
        raise ValueError(f"compare: metadata must be JSON data ({error}).") from error
