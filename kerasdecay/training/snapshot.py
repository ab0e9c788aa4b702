"""What a training has learned, kept in memory and put back."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np

from kerasdecay.training import find


class Snapshot:
    """All that trains a model: its variables and those of its optimizers, but not its metrics.

    Weights alone would not do: an optimizer whose moments are NaN spoils restored weights with its
    next step.

    Args:
        model: The model, whose present state is kept.
        weights_only: Whether only the model's weights are kept.
    """

    def __init__(self, model: Any, *, weights_only: bool = False) -> None:
        self._weights_only = weights_only
        self._values = [
            np.array(keras.ops.convert_to_numpy(variable))
            for variable in _variables(model, weights_only)
        ]

    def restore(self, model: Any) -> None:
        """Put everything back."""
        variables = _variables(model, self._weights_only)
        # A variable that was made since has no value to go back to.
        for variable, value in zip(variables, self._values, strict=False):
            variable.assign(value)


class BestStates:
    """The states of the best epochs, one for each rule that goes back to them.

    Args:
        owner: The callback's class name, for messages.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._held: dict[int, Snapshot] = {}

    def keep(self, rule: int, model: Any, *, weights_only: bool) -> None:
        """Keep the present state as the best that the rule with this index has seen."""
        self._held[rule] = Snapshot(model, weights_only=weights_only)

    def restore(self, rule: int, model: Any) -> None:
        """Put it back, or warn that this training has not seen any."""
        if rule in self._held:
            self._held[rule].restore(model)
            return
        warnings.warn(
            f"{self._owner}: the weights of the best epoch cannot be restored, for this training "
            "has not seen one: weights are not kept across a restart. The present ones stay.",
            stacklevel=2,
        )


def _variables(model: Any, weights_only: bool) -> list[Any]:
    if weights_only:
        return list(model.weights)
    metrics = {id(variable) for variable in model.metrics_variables}
    own = [variable for variable in model.variables if id(variable) not in metrics]
    optimizers = find.all_optimizers(model)
    return own + [variable for optimizer in optimizers for variable in optimizer.variables]
