"""The few array functions that formulas are written against, and NumPy's version of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class ArrayNamespace(NamedTuple):
    """What a formula may call, besides the operators of Python.

    A formula is written once against these and then serves Python numbers and NumPy vectors (on the
    host, in double precision) and tensors inside a compiled step (in single precision).

    Attributes:
        real: Turns integers into floats.
        take: `take(values, index)`: elements of a host sequence; integers stay integers.
        passed: `passed(boundaries, update)`: how many of the ascending host integers are <= update.
        interpolate: `interpolate(values, place)`: values at the places 0, 1, … of a host sequence,
            and straight lines between them.
        where: `where(condition, one, other)`.
        minimum: The smaller of two.
        maximum: The larger of two.
        power: `power(base, exponent)`, either of which may be a host number; base >= 0.
        sqrt: Square root.
        sin: Sine.
    """

    real: Callable[[Any], Any]
    take: Callable[[Any, Any], Any]
    passed: Callable[[Any, Any], Any]
    interpolate: Callable[[Any, Any], Any]
    where: Callable[[Any, Any, Any], Any]
    minimum: Callable[[Any, Any], Any]
    maximum: Callable[[Any, Any], Any]
    power: Callable[[Any, Any], Any]
    sqrt: Callable[[Any], Any]
    sin: Callable[[Any], Any]


NUMPY = ArrayNamespace(
    real=np.float64,
    take=lambda values, index: np.asarray(values)[index],
    passed=lambda boundaries, update: np.searchsorted(boundaries, update, side="right"),
    interpolate=lambda values, place: np.interp(place, np.arange(len(values)), values),
    where=np.where,
    minimum=np.minimum,
    maximum=np.maximum,
    power=np.power,
    sqrt=np.sqrt,
    sin=np.sin,
)
