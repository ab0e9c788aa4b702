"""The state of a training, kept in memory and put back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from kerasdecay._warnings import warn
from kerasdecay.records import Event
from kerasdecay.training import find
from kerasdecay.training.under_way import epoch_iterator


class Snapshot:
    """All that trains a model: its variables and those of its optimizers, but not its metrics.

    Weights alone would not do: an optimizer whose moments are NaN spoils restored weights with its
    next step.
    """

    def __init__(self, model: Any, *, weights_only: bool = False) -> None:
        kept = model.weights if weights_only else _variables(model)
        self._kept = [(variable, copied(variable)) for variable in kept]
        self._optimizers = [] if weights_only else find.all_optimizers(model)

    def restore(self) -> None:
        """Put everything back.

        Variables that an optimizer has made since, at its first step, are set to 0, as at first.
        """
        for variable, value in self._kept:
            variable.assign(value)
        self.restore_optimizers()

    def restore_optimizers(self) -> None:
        """Put back what the optimizers keep, their rates too, and leave the weights."""
        values = {id(variable): value for variable, value in self._kept}
        for optimizer in self._optimizers:
            for variable in optimizer.variables:
                none = np.zeros(variable.shape, keras.backend.floatx())
                variable.assign(values.get(id(variable), none))

    @property
    def is_finite(self) -> bool:
        """Whether every number in it is finite."""
        return all(
            np.isfinite(value.astype("float32")).all()
            for _, value in self._kept
            if value.dtype.kind not in "iub"
        )

    def kernels(self, model: Any) -> list[np.ndarray]:
        """Return the trainable weights of two or more dimensions."""
        return [value.astype("float32") for _, value in self._kernels(model)]

    def tables(self, model: Any) -> list[bool]:
        """Return of each of the kernels whether it is the table of an `Embedding`."""
        return [variable.name == "embeddings" for variable, _ in self._kernels(model)]

    def _kernels(self, model: Any) -> list[tuple[Any, np.ndarray]]:
        wanted = {id(one) for one in model.trainable_variables if len(one.shape) >= 2}
        return [pair for pair in self._kept if id(pair[0]) in wanted]


class BestStates:
    """The states of the best epochs, one for each rule that goes back to them."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._kept: dict[int, Snapshot] = {}
        self._has_missed = False

    def keep(self, rule: int, model: Any, *, weights_only: bool) -> None:
        """Keep the present state as the best that the rule with this index has seen."""
        self._kept[rule] = Snapshot(model, weights_only=weights_only)

    def miss(self, event: Event) -> None:
        """Warn, once, of a non-finite value if no state was kept that could be restored."""
        is_lost = event.kind == "nonfinite" and not event.decision.restore_best
        if is_lost and event.rule not in self._kept and not self._has_missed:
            self._has_missed = True
            warn(
                f"{self._owner}: there are no best weights to restore after {event.place} "
                f"({event.decision.seen}), for nothing before it was finite. The present ones "
                "stay. Begin again with finite weights and a lower rate, or add warmup=…."
            )

    def restore(self, rule: int) -> None:
        """Put the state of a rule back, or warn that there is none."""
        if rule in self._kept:
            self._kept[rule].restore()
            return
        warn(
            f"{self._owner}: the weights of the best epoch cannot be restored, for this training "
            "has not seen one: weights are not kept across a restart. The present ones stay.",
        )


def build(model: Any) -> None:
    """Let the model and its optimizer make their variables now, so that a snapshot holds them.

    On TensorFlow `fit` leaves that to the first step, and knows the shapes of its data before.

    Raises:
        ValueError: If the model is not built, and nothing tells the shapes of its inputs.
    """
    if _is_unbuilt(model):
        try:
            data = epoch_iterator()._distributed_dataset.element_spec
            inputs, *_ = keras.utils.unpack_x_y_sample_weight(data)
            model(keras.tree.map_structure(_symbolic, inputs))
        except Exception as error:
            raise ValueError(
                "kerasdecay: a model whose weights may be put back must be built before its first "
                f"step. Received: {model.name!r}, which is not ({type(error).__name__}: {error}). "
                "Start it with keras.Input, or call model(x[:1]) before the training."
            ) from error
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built and model.built:
        optimizer.build(model.trainable_variables)


def _is_unbuilt(model: Any) -> bool:
    """Whether a layer will still make its weights."""
    layers = model._flatten_layers() if hasattr(model, "_flatten_layers") else ()
    return any(
        not (one.built or isinstance(one, keras.Model))
        and type(one).build is not keras.layers.Layer.build
        for one in layers
    )


def _symbolic(spec: Any) -> keras.KerasTensor:
    dtype = keras.backend.standardize_dtype(spec.dtype)
    return keras.KerasTensor((None, *spec.shape[1:]), dtype)


def _variables(model: Any) -> Iterable[Any]:
    metrics = {id(variable) for variable in model.metrics_variables}
    own = [variable for variable in model.variables if id(variable) not in metrics]
    optimizers = find.all_optimizers(model)
    found = own + [variable for optimizer in optimizers for variable in optimizer.variables]
    return {id(variable): variable for variable in found}.values()


def copied(variable: Any) -> np.ndarray:
    """Return a copy of a variable's value, in the host's memory."""
    return np.array(keras.ops.convert_to_numpy(variable))
