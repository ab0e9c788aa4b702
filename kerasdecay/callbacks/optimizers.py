"""The only code that touches an optimizer's learning rate."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


def leaves(model: Any) -> dict[str, Any]:
    """Return the optimizers that hold a rate: log name → optimizer.

    Wrappers are taken off: a LossScaleOptimizer's inner optimizer, a MultiOptimizer's several. The
    log names are Keras' own: `learning_rate`, or `learning_rate_<name>` where there are several (a
    name that occurs twice gets a number).
    """
    optimizer = _without_loss_scale(model.optimizer)
    if not hasattr(optimizer, "optimizers"):
        return {"learning_rate": optimizer}
    if not optimizer.optimizers and model.built:
        # Made from a function, it knows its optimizers only once it is built.
        optimizer.build(model.trainable_variables)
    found: dict[str, Any] = {}
    for part in optimizer.optimizers:
        key, count = f"learning_rate_{part.name}", 1
        while key in found:
            count += 1
            key = f"learning_rate_{part.name}_{count}"
        found[key] = part
    return found


def check_settable(model: Any) -> None:
    """Raise a ValueError if a rate is not a plain number, which alone can be set."""
    found = leaves(model)
    if not found:
        raise ValueError(
            "kerasdecay: a MultiOptimizer made from a function knows its optimizers only once it "
            "has seen the model's variables, and the model is not built yet. Start it with a "
            "keras.Input, or call model.build(input_shape) before fit."
        )
    for key, optimizer in found.items():
        rate = optimizer._learning_rate
        if isinstance(rate, keras.Variable):
            continue
        if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            what = f"the schedule {type(rate).__name__}"
        else:
            what = "a function"
        raise ValueError(
            f"kerasdecay: the optimizer's learning_rate must be a float for a callback to set it. "
            f"Received: {type(optimizer).__name__}({key}={what}). Compile the model with "
            f"{type(optimizer).__name__}(learning_rate=0.1), say, and leave the decay to the "
            "callback."
        )


def read(optimizer: Any) -> float:
    """Return the raw rate that the optimizer's variable holds.

    The variable is in single precision; what is returned is the shortest decimal number that it
    stands for: 0.1, not 0.10000000149.
    """
    return shortest(float(np.float32(keras.ops.convert_to_numpy(optimizer._learning_rate))))


def shortest(value: float) -> float:
    """Return a float32 as the shortest decimal that names it, as its user wrote it.

    A rate of 0.1, read from an optimizer, is the float64 0.10000000149011612. Everything that is
    not exactly a float32 stays as it is.

    Examples:
        >>> shortest(0.10000000149011612)
        0.1
    """
    single = np.float32(value)
    return float(str(single)) if float(single) == value else value


def effective(optimizer: Any) -> float:
    """Return the rate that the optimizer's next step would use."""
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


def write(optimizer: Any, rate: float) -> None:
    """Set the rate."""
    optimizer.learning_rate = rate


def same(one: float, other: float) -> bool:
    """Whether two rates are equal as the optimizer holds them, in single precision."""
    return bool(np.float32(one) == np.float32(other))


def has_trained(optimizer: Any) -> bool:
    """Whether the optimizer has taken a step before."""
    return int(keras.ops.convert_to_numpy(optimizer._iterations)) > 0


def may_skip_steps(model: Any) -> bool:
    """Whether the model's optimizer scales the loss, and so skips steps that overflow."""
    return _without_loss_scale(model.optimizer) is not model.optimizer


def _without_loss_scale(optimizer: Any) -> Any:
    return getattr(optimizer, "inner_optimizer", optimizer)
