"""Which optimizers belong to a model, and whether the compiled one takes steps."""

from __future__ import annotations

import keras

from kerasdecay.training.find import own_optimizers, with_wrapped


def named(model: keras.Model) -> str:
    """Return a sentence for error messages that names a model's own optimizers, if it has some."""
    names = ", ".join(f"model.{name}" for name in own_optimizers(model))
    return f" It holds optimizers of its own: {names}." if names else ""


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
