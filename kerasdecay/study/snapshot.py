"""Everything that training changes in a model and around it: saved, and put back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras

from kerasdecay.study.random_state import RandomState
from kerasdecay.training.find import all_optimizers, own_optimizers, with_wrapped
from kerasdecay.training.snapshot import copied

# The compiled step, the request to stop, and on JAX the state of a training in progress.
_MODEL_ATTRIBUTES = ("train_function", "stop_training", "_jax_state", "_jax_state_synced")

_COMPILED = ("_compile_metrics", "_compile_loss")


@contextlib.contextmanager
def unchanged(model: keras.Model) -> Iterator[None]:
    """Undo the training that happens inside, however it ends.

    These are put back bit for bit: all variables of the model (weights, moving statistics, the
    seeds of its random layers), of its optimizer, of other optimizers that it holds as attributes
    and of its metrics, the compiled train function, torch's training flags, gradients and buffers,
    and the random generators of `RandomState`. This holds after an error and after Ctrl-C, and
    also if a second Ctrl-C comes while things are put back.

    If `model.optimizer` was not built, it is built afterwards, with its first values, as `fit`
    would have built it. To train other variables with it (after unfreezing layers, for example),
    compile with a new one. Other optimizers, compiled metrics and compiled losses that were not
    built are not built afterwards either: `fit` reads data to build metrics and losses, which
    changes the next shuffle.

    Examples:
        >>> import numpy as np
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("adam", "mse")
        >>> before = model.get_weights()
        >>> with unchanged(model):
        ...     _ = model.train_on_batch(np.ones((2, 1)), np.zeros((2, 1)))
        >>> all(map(np.array_equal, model.get_weights(), before))
        True
    """
    _build_optimizer(model)
    snapshot = Snapshot(model)
    try:
        model.train_function = None  # a step traced inside must not serve the training to come
        if keras.backend.backend() == "torch":
            model.train()  # as `fit` does, and `train_on_batch` does not
        yield
    finally:
        try:
            snapshot.restore()
        except KeyboardInterrupt:
            snapshot.restore()
            raise


class Snapshot:
    """Everything that training changes, as it is now; `restore` may be called more than once.

    Values are copied to the host: JAX reuses the memory of the variables that go into a step, so
    a reference to an old value would become invalid.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._values = [(variable, copied(variable)) for variable in _variables(model)]
        self._attributes = {
            name: getattr(model, name) for name in _MODEL_ATTRIBUTES if hasattr(model, name)
        }
        parts = [getattr(model, name, None) for name in _COMPILED]
        parts += own_optimizers(model).values()
        self._unbuilt = [Contents(part) for part in parts if part is not None and not part.built]
        self._restore_torch = _torch_state(model) if keras.backend.backend() == "torch" else None
        self._random = RandomState()

    def restore(self) -> None:
        """Put everything back."""
        self._model.reset_metrics()  # metrics that were built meanwhile are in no snapshot
        for contents in self._unbuilt:
            contents.restore()
        for variable, value in self._values:
            variable.assign(value)
        if self._restore_torch is not None:
            self._restore_torch()
        for name, value in self._attributes.items():
            setattr(self._model, name, value)
        self._random.restore()


class Contents:
    """An object's attributes, and the contents of the dicts, lists and sets among them.

    Building a Keras object adds attributes to it and entries to its lists; `restore` removes both.
    The lists stay the same objects, because the object's tracker refers to them too.

    Examples:
        >>> from types import SimpleNamespace
        >>> thing = SimpleNamespace(built=False, variables=["iterations"])
        >>> before = Contents(thing)
        >>> thing.built, thing.momentums = True, []
        >>> thing.variables.append("momentum")
        >>> before.restore()
        >>> thing
        namespace(built=False, variables=['iterations'])
    """

    def __init__(self, owner: Any) -> None:
        self._saved: list[tuple[Any, Any]] = []
        seen: set[int] = set()
        self._visit(vars(owner), seen)
        if hasattr(owner, "_tracker"):
            self._visit(vars(owner._tracker), seen)

    def restore(self) -> None:
        """Put the attributes and the contents back; may be called more than once."""
        for container, saved in self._saved:
            # The plain methods: those of Keras' own lists and dicts would track or untrack.
            if isinstance(saved, list):
                list.__setitem__(container, slice(None), saved)
            else:
                kind = type(saved)
                kind.clear(container)
                kind.update(container, saved)

    def _visit(self, container: Any, seen: set[int]) -> None:
        kinds = [kind for kind in (dict, list, set) if issubclass(type(container), kind)]
        if not kinds or id(container) in seen:
            return
        seen.add(id(container))
        self._saved.append((container, kinds[0](container)))
        if kinds[0] is list and hasattr(container, "__dict__"):
            self._visit(vars(container), seen)  # TensorFlow's lists keep their items in another one
        for item in container.values() if kinds[0] is dict else container:
            self._visit(item, seen)


def _build_optimizer(model: keras.Model) -> None:
    if model.optimizer.built:
        return
    strategy = getattr(model, "distribute_strategy", None)  # TensorFlow's
    with contextlib.nullcontext() if strategy is None else strategy.scope():
        model.optimizer.build(model.trainable_variables)


def _variables(model: keras.Model) -> list[Any]:
    """Return every variable of the model, its metrics and its optimizers, each once."""
    found = [*model.variables, *model.metrics_variables]
    for optimizer in all_optimizers(model):
        for part in with_wrapped(optimizer):
            found += part.variables
    return list({id(variable): variable for variable in found}.values())


def _torch_state(model: keras.Model) -> Callable[[], None]:
    """Return a function that puts back torch's own training flags, buffers and gradients."""
    import torch

    # The torch modules of a Keras model do not include its layers.
    layers = model._flatten_layers()
    modules = {id(module): module for layer in layers for module in layer.modules()}
    flags = [(module, module.training) for module in modules.values()]
    buffers = [
        (buffer, buffer.detach().clone())
        for module in modules.values()
        for buffer in module.buffers(recurse=False)
    ]
    parameters = [variable.value for variable in model.trainable_variables]
    gradients = [(parameter, parameter.grad) for parameter in parameters]

    def restore() -> None:
        for module, training in flags:
            module.training = training
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
        for parameter, gradient in gradients:
            parameter.grad = gradient

    return restore
