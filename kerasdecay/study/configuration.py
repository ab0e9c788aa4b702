"""What makes two runs the same experiment, as data that outlives the process."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kerasdecay.study.storage import encode

_SAMPLED_ROWS = 1000


def describe_data(data: tuple[np.ndarray, np.ndarray] | None) -> Any:
    """Describe arrays by shape, type and a checksum of up to 1,000 evenly spaced rows."""
    if data is None:
        return None
    return [
        {"shape": list(array.shape), "dtype": str(array.dtype), "crc32": _checksum(array)}
        for array in data
    ]


def _checksum(array: np.ndarray) -> int:
    rows = np.linspace(0, len(array) - 1, min(len(array), _SAMPLED_ROWS)).astype(int)
    return zlib.crc32(np.ascontiguousarray(array[rows]).tobytes())


def describe_model(model: keras.Model) -> dict[str, Any]:
    """Describe a compiled model: layers, weights, optimizer, loss, metrics.

    Names are left out, because Keras counts them up within a process; so is `jit_compile`, which
    changes the speed of a training and not its meaning.
    """
    compiled = model.get_compile_config() or {}
    compiled.pop("jit_compile", None)
    return {
        "layers": [type(layer).__name__ for layer in model.layers],
        "weights": [list(weight.shape) for weight in model.weights],
        "compiled": _plain(compiled),
    }


def describe_fit_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Describe further arguments of `fit`; one with no JSON form counts by its type."""
    return _plain(arguments)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items() if key != "name"}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    try:
        return encode(value)
    except TypeError:
        return type(value).__name__
