"""The rate of a step on JAX, written into the state that the trainer hands from step to step.

While JAX trains, the optimizer's variables are empty: their values are the arguments of the next
step. To write one by its variable, the trainer first brings the whole state back, which takes
longer than a small step. Here the one array is replaced on its way into the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kerasdecay.training.targets import RateTarget


def weights_under_way(callback: Any) -> list[Any] | None:
    """Return the weights that the last step of a JAX training has left; they are the next step's.

    None where they are in the model's variables. The next step may give their memory away: what is
    computed with them must have begun before it.
    """
    model = callback._model  # `callback.model` would bring the state into the variables
    state = getattr(model, "_jax_state", None)
    return None if not state or model._jax_state_synced else list(state["trainable_variables"])


class RatesInState:
    """Replaces the rates in the state of a JAX training.

    `train_function` is replaced until `end`. `places` are those of the rates' variables among the
    variables of the model's optimizer, and `dtypes` what they hold.
    """

    def __init__(self, model: Any, places: dict[str, int], dtypes: dict[str, Any]) -> None:
        self._model = model
        self._places = places
        self._dtypes = dtypes
        self._step = _Step(model.train_function)
        model.train_function = self._step

    @classmethod
    def of(cls, model: Any, targets: Mapping[str, RateTarget]) -> RatesInState | None:
        """Return it for a training in which this can be done, else None."""
        if keras.backend.backend() != "jax" or keras.distribution.distribution() is not None:
            return None
        if not isinstance(getattr(model, "optimizer", None), keras.optimizers.Optimizer):
            return None
        if not callable(getattr(model, "train_function", None)):  # a loop without `fit`
            return None
        present = {id(one): at for at, one in enumerate(model.optimizer.variables)}
        variables = {key: target.variable for key, target in targets.items()}
        if any(id(one) not in present for one in variables.values()):
            return None
        return cls(
            model,
            {key: present[id(one)] for key, one in variables.items()},
            {key: one.dtype for key, one in variables.items()},
        )

    @property
    def is_open(self) -> bool:
        """Whether the values are with the steps now, and not in the variables."""
        model = self._model
        is_with_steps = getattr(model, "_jax_state", None) and not model._jax_state_synced
        return bool(is_with_steps) and self._step.is_begun and self._is_in_place

    def write(self, rates: Mapping[str, float]) -> None:
        """Let the next step have these rates.

        They are also written where the trainer would bring the variables' values from, so that
        whoever asks for the model before that step finds them in the variables.
        """
        state = self._model._jax_state
        if isinstance(state["optimizer_variables"], tuple):  # what a step of the user's may return
            state["optimizer_variables"] = list(state["optimizer_variables"])
        variables = state["optimizer_variables"]  # asked for again, for Keras stores a copy
        for key, rate in rates.items():
            place, value = self._places[key], np.asarray(rate, self._dtypes[key])
            variables[place] = self._step.pending[place] = value

    def end(self) -> None:
        """Give the model its own `train_function` back."""
        if self._is_in_place:
            self._model.train_function = self._step.function

    @property
    def _is_in_place(self) -> bool:
        return self._model.train_function is self._step


class _Step:
    """The trainer's function of a step, whose state is changed on its way in."""

    def __init__(self, function: Any) -> None:
        # One of a training that was interrupted is left out of the chain.
        self.function: Any = function.function if isinstance(function, _Step) else function
        self.pending: dict[int, Any] = {}
        self._left: list[Any] = []

    @property
    def is_begun(self) -> bool:
        """Whether a step has been made, so that its results are known."""
        return bool(self._left)

    def __call__(self, state: Any, iterator: Any) -> Any:
        trainable, non_trainable, optimizer, metrics = state
        if self.pending:
            optimizer = list(optimizer)
            for place, value in self.pending.items():
                # Another array than the last step has left: the variable was written since.
                if optimizer[place] is self._left[place]:
                    optimizer[place] = value
            self.pending = {}
        logs, state = self.function((trainable, non_trainable, optimizer, metrics), iterator)
        self._left = state[2]
        return logs, state
