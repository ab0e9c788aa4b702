"""What rules want to know of a model at the end of an epoch, besides its metrics."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import keras

from kerasdecay import _checks
from kerasdecay.rules import Rule


def weight_norm(model: Any) -> float:
    """Return Σw² over the trainable kernels: the trainable weights of two or more dimensions.

    The sums are taken on the device; one number comes back.
    """
    kernels = [
        keras.ops.convert_to_tensor(weight)
        for weight in model.trainable_variables
        if len(weight.shape) >= 2
    ]
    return float(keras.ops.convert_to_numpy(_fused_sum_of_squares()(kernels)))


@functools.cache
def _fused_sum_of_squares() -> Callable[[list[Any]], Any]:
    """Return the function that computes it; on JAX compiled, because single operations are slow."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(_sum_of_squares)
    return _sum_of_squares


def _sum_of_squares(kernels: list[Any]) -> Any:
    squares = [
        keras.ops.sum(keras.ops.square(keras.ops.cast(kernel, "float32"))) for kernel in kernels
    ]
    return sum(squares, start=keras.ops.zeros(()))


_MEASUREMENTS: dict[str, Callable[[Any], float]] = {"weight_norm": weight_norm}


def register_measurement(name: str, function: Callable[[Any], float]) -> None:
    """Let rules watch a number that is measured of the model at each epoch's end.

    A rule asks for it by its property `measurement`; the number then stands in the logs.

    Args:
        name: Its name in the logs.
        function: Takes the model and returns the number.

    Raises:
        ValueError: If the name is empty or the function cannot be called.

    Examples:
        >>> def largest_weight(model):
        ...     return max(float(abs(weight).max()) for weight in model.get_weights())
        >>> register_measurement("largest_weight", largest_weight)
    """
    owner = "register_measurement"
    name = _checks.text(owner, "name", name, what="a name for the logs")
    _MEASUREMENTS[name] = _checks.function(owner, "function", function, "a function of the model")


def check(owner: str, rules: Iterable[Rule[Any]]) -> None:
    """Raise a ValueError if a rule asks for a measurement that is not registered."""
    for rule in rules:
        if rule.measurement is not None and rule.measurement not in _MEASUREMENTS:
            raise _checks.invalid(
                owner,
                f"the measurement of {type(rule).__name__}",
                f"one of {', '.join(map(repr, sorted(_MEASUREMENTS)))}",
                rule.measurement,
                "Register it with kerasdecay.callbacks.register_measurement(name, function).",
            )


def measure(rules: Iterable[Rule[Any]], model: Any, logs: dict[str, Any]) -> None:
    """Put into the logs what the rules ask for."""
    for name in sorted({rule.measurement for rule in rules if rule.measurement is not None}):
        logs[name] = _MEASUREMENTS[name](model)
