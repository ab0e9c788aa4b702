"""The arguments of `compare` and `find_learning_rate`, checked before anything is trained."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerasdecay._checks import integer, invalid, real
from kerasdecay._json import encode

# Keras and NumPy count with 32 bits: the first in epochs and steps, the second in seeds.
_LARGEST_COUNT = 2**31 - 1
LARGEST_SEED = 2**32 - 1

_OWN_ARGUMENTS = {
    "x": "data",
    "y": "data",
    "epochs": "epochs",
    "batch_size": "batch_size",
    "validation_data": "validation_data",
    "callbacks": "arms",
    "verbose": "verbose",
}


def count(owner: str, argument: str, value: Any, *, at_least: int) -> int:
    """Return an integer that Keras can count to."""
    return integer(owner, argument, value, at_least=at_least, at_most=_LARGEST_COUNT)


def speaks(owner: str, verbose: Any) -> bool:
    """Return whether `owner` reports its progress: `verbose` is 0 or 1, or a flag."""
    if not isinstance(verbose, (bool, np.bool_, int)) or verbose not in (0, 1):
        raise invalid(owner, "verbose", "0 or 1", verbose)
    return bool(verbose)


def different_seeds(seeds: Any) -> tuple[int, ...]:
    """Return the seeds as a tuple."""
    allowed = "different integers >= 0, at least one"
    if real(seeds) is not None:
        seeds = range(count("compare", "seeds", seeds, at_least=1))
    if isinstance(seeds, str) or not isinstance(seeds, Iterable):
        raise invalid("compare", "seeds", allowed, seeds, "For n seeds give n.")
    values = tuple(
        integer("compare", "seeds", seed, at_least=0, at_most=LARGEST_SEED) for seed in seeds
    )
    if not values or len(set(values)) < len(values):
        raise invalid("compare", "seeds", allowed, values)
    return values


def folder(owner: str, argument: str, value: Any) -> Path | None:
    """Return the path of a folder, or None."""
    if value is not None and not isinstance(value, (str, os.PathLike)):
        raise invalid(owner, argument, "the path of a folder, or None", value)
    return None if value is None else Path(value)


def fit_arguments_of(arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return further arguments of `fit`, without those that `compare` itself sets."""
    if arguments is not None and not isinstance(arguments, Mapping):
        raise invalid("compare", "fit_arguments", "a dict or None", arguments)
    for name in arguments or {}:
        if name in _OWN_ARGUMENTS:
            raise ValueError(
                f"compare: fit_arguments must not hold {name!r}. "
                f"Use compare's own argument {_OWN_ARGUMENTS[name]}."
            )
    return dict(arguments or {})


def plain_metadata(metadata: Mapping[str, Any] | None) -> Any:
    """Return metadata as JSON data."""
    if metadata is not None and not isinstance(metadata, Mapping):
        raise invalid("compare", "metadata", "JSON data, a dict or None", metadata)
    try:
        return encode(dict(metadata or {}))
    except (TypeError, ValueError) as error:
        raise ValueError(f"compare: metadata must be JSON data ({error}).") from error
