"""A number that a compiled step computes, where an optimizer asks whether it is 0."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

_SMALLEST = float(np.finfo("float32").tiny)


def number_in_step(value: Any) -> Any:
    """Return a tensor so that Keras' optimizers can take it for one of their constants.

    SGD asks `if self.momentum != 0`, and RMSprop `> 0`: whether there is a velocity, which cannot
    be asked of a tensor that is being traced. There is one, also while the number is 0: on torch,
    where it can be asked, the velocity would stay what it was, and move the weights again later.
    """
    if keras.backend.backend() == "torch":
        return keras.ops.maximum(value, _SMALLEST)
    return _Number(value)


class _Number:
    """A tensor that counts, and is known to be above 0.

    Any other comparison raises a TypeError.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any) -> None:
        self._value = value

    @property
    def dtype(self) -> Any:
        """The tensor's."""
        return self._value.dtype

    @property
    def shape(self) -> Any:
        """The tensor's."""
        return self._value.shape

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        import tensorflow as tf

        return self._value if dtype is None else tf.cast(self._value, dtype)

    def __jax_array__(self) -> Any:
        return self._value

    def __eq__(self, other: object) -> bool:
        return not _Number._is_above(other)

    def __gt__(self, other: object) -> bool:
        return _Number._is_above(other)

    @staticmethod
    def _is_above(other: object) -> bool:
        if other != 0:
            raise TypeError(f"a number that the step computes cannot be compared with {other!r}")
        return True

    def __add__(self, other: Any) -> Any:
        return self._value + other

    def __radd__(self, other: Any) -> Any:
        return other + self._value

    def __sub__(self, other: Any) -> Any:
        return self._value - other

    def __rsub__(self, other: Any) -> Any:
        return other - self._value

    def __mul__(self, other: Any) -> Any:
        return self._value * other

    def __rmul__(self, other: Any) -> Any:
        return other * self._value
