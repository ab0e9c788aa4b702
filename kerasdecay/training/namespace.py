"""The formulas' array functions on tensors: the same lines, inside a compiled step."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from kerasdecay.schedules.namespace import ArrayNamespace

_FLOAT = "float32"


def _real(value: Any) -> Any:
    return keras.ops.cast(value, _FLOAT)


def _take(values: Any, index: Any) -> Any:
    host = np.asarray(values)
    dtype = _FLOAT if host.dtype.kind == "f" else keras.backend.standardize_dtype(index.dtype)
    return keras.ops.take(keras.ops.convert_to_tensor(host, dtype=dtype), index)


def _passed(boundaries: Any, update: Any) -> Any:
    dtype = keras.backend.standardize_dtype(update.dtype)
    places = keras.ops.searchsorted(
        keras.ops.convert_to_tensor(np.asarray(boundaries), dtype=dtype),
        keras.ops.reshape(update, (-1,)),
        side="right",
    )
    return keras.ops.cast(keras.ops.reshape(places, keras.ops.shape(update)), dtype)


def _interpolate(values: Any, place: Any) -> Any:
    left = keras.ops.clip(keras.ops.floor(place), 0, len(values) - 2)
    index = keras.ops.cast(left, "int32")
    share = place - left
    return (1.0 - share) * _take(values, index) + share * _take(values, index + 1)


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(base, float):
        # The logarithm of a host number is taken in double precision: the error of a float32 base
        # would grow with the exponent.
        return keras.ops.exp(_real(exponent) * math.log(base))
    return keras.ops.power(base, exponent)


KERAS = ArrayNamespace(
    real=_real,
    take=_take,
    passed=_passed,
    interpolate=_interpolate,
    where=keras.ops.where,
    minimum=keras.ops.minimum,
    maximum=keras.ops.maximum,
    power=_power,
    sqrt=keras.ops.sqrt,
    sin=keras.ops.sin,
)
