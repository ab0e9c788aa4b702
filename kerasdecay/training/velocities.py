"""The velocities of optimizers that keep gradients times rates."""

from __future__ import annotations

from typing import Any

import keras


def scales_its_velocity(optimizer: Any) -> bool:
    """Whether its velocity is made of gradients times rates, as SGD's and RMSprop's is."""
    return isinstance(optimizer, (keras.optimizers.SGD, keras.optimizers.RMSprop))


def velocities_of(optimizer: Any) -> list[Any]:
    """Return the velocity of each variable of such an optimizer, none if it has no momentum."""
    is_sgd = isinstance(optimizer, keras.optimizers.SGD)
    return list((optimizer.momentums if is_sgd else optimizer._momentums) or ())
