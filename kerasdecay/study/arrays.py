"""The data of `compare`: arrays, so that every arm of a seed sees the same batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kerasdecay._checks import invalid

Data = tuple[Any, ...]
"""`(x,)` or `(x, y)`, each an array or a dict of arrays."""

_ALLOWED = (
    "arrays of one length, not empty: (x, y), (x,) or x, each an array or a dict of arrays, or a "
    "tf.data.Dataset in batches"
)


def arrays(argument: str, value: Any) -> Data:
    """Return `(x,)` or `(x, y)`, with a NumPy array at each leaf."""
    if hasattr(value, "as_numpy_iterator"):
        value = _read(argument, value)
    if isinstance(value, Mapping) or hasattr(value, "__array__"):
        value = (value,)
    if not isinstance(value, (tuple, list)) or len(value) not in (1, 2):
        raise invalid("compare", argument, _ALLOWED, type(value).__name__)
    found = tuple(_arrays(part) for part in value)
    shapes = [array.shape for array in leaves(found)]
    lengths = {shape[0] if shape else 0 for shape in shapes}
    if len(lengths) != 1 or 0 in lengths:
        listed = " and ".join(map(str, shapes))
        raise ValueError(f"compare: {argument} must be {_ALLOWED}. Received: shapes {listed}.")
    return found


def optional_arrays(argument: str, value: Any) -> Data | None:
    """Return `(x,)` or `(x, y)`, or None."""
    return None if value is None else arrays(argument, value)


def leaves(part: Any) -> Iterator[np.ndarray]:
    """Yield the arrays of a part of the data, in their order."""
    if isinstance(part, np.ndarray):
        yield part
        return
    for item in part.values() if isinstance(part, Mapping) else part:
        yield from leaves(item)


def length(data: Data) -> int:
    """Return the number of examples."""
    return len(next(leaves(data)))


def _arrays(part: Any) -> Any:
    if isinstance(part, Mapping):
        return {name: _arrays(item) for name, item in part.items()}
    return np.asarray(part)


def _read(argument: str, dataset: Any) -> Any:
    """Return what a `tf.data.Dataset` of batches yields once, joined."""
    if int(dataset.cardinality()) == -1:
        raise invalid("compare", argument, "of an end", "a dataset without", "Use take(steps).")
    batches = list(dataset.as_numpy_iterator())
    if not batches:
        raise invalid("compare", argument, _ALLOWED, "an empty dataset")
    try:
        return _joined(batches)
    except ValueError as error:
        raise invalid(
            "compare", argument, _ALLOWED, str(dataset.element_spec), "Call batch(32) on it."
        ) from error


def _joined(batches: list[Any]) -> Any:
    first = batches[0]
    if isinstance(first, tuple):
        return tuple(_joined(list(column)) for column in zip(*batches, strict=True))
    if isinstance(first, Mapping):
        return {name: _joined([batch[name] for batch in batches]) for name in first}
    return np.concatenate(batches)
