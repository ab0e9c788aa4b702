"""What rules want to know of a model at the end of an epoch, besides its metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


def weight_norm(model: Any) -> float:
    """Return Σw² over the trainable kernels: the trainable weights of two or more dimensions.

    The sums are taken on the device; one number comes back.
    """
    kernels = [weight for weight in model.trainable_variables if len(weight.shape) >= 2]
    squares = [
        keras.ops.sum(keras.ops.square(keras.ops.cast(kernel, "float32"))) for kernel in kernels
    ]
    return float(keras.ops.convert_to_numpy(sum(squares, start=keras.ops.zeros(()))))


MEASUREMENTS: dict[str, Callable[[Any], float]] = {"weight_norm": weight_norm}
"""Log name → function of the model."""
