"""Which optimizers train a model, and where their rates are."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras

from kerasdecay.training import compiled, knobs
from kerasdecay.training.memory import LEFT
from kerasdecay.training.targets import ParameterGroupRate, RateTarget

_KINDS: list[tuple[type, Callable[[Any, str], RateTarget]]] = []

_NAMED: weakref.WeakKeyDictionary[Any, weakref.WeakSet[Any]] = weakref.WeakKeyDictionary()
"""Model → the optimizers that were named for it, which one of its parts may hold."""


def register_target(kind: type, make: Callable[[Any, str], RateTarget]) -> None:
    """Register how the rate of a kind of optimizer is read and written.

    Args:
        kind: A class of optimizers, which need not be Keras'.
        make: Called with the optimizer and the log name; returns a `RateTarget`.

    Examples:
        >>> class TorchRate(RateTarget):
        ...     def read(self):
        ...         return self.optimizer.param_groups[0]["lr"]
        ...     def write(self, rate):
        ...         for group in self.optimizer.param_groups:
        ...             group["lr"] = rate
        >>> # register_target(torch.optim.Optimizer, TorchRate)
    """
    _KINDS.insert(0, (kind, make))


def optimizers_of(model: Any, names: Iterable[str] | None = None) -> dict[str, Any]:
    """Return the optimizers that train a model: log name → optimizer.

    Wrappers are taken off: a LossScaleOptimizer's inner optimizer, a MultiOptimizer's several. The
    log names are Keras' own: `learning_rate`, or `learning_rate_<name>` where there are several (a
    name that occurs twice gets a number).

    Args:
        model: The model.
        names: Attributes of the model that hold an optimizer each, such as `"d_optimizer"` or
            `"gan.d_optimizer"`, or names of a MultiOptimizer's parts; None takes
            `model.optimizer`. Here the log name is always `learning_rate_<name>`.

    Raises:
        ValueError: If there is no optimizer, or none of a name.
    """
    if names is None:
        found = _parts(model)
    else:
        found = {f"learning_rate_{name}": _named(model, name) for name in names}
        for one in found.values():
            twins = [name for name, other in found.items() if other is one]
            if len(twins) > 1:
                raise ValueError(
                    "LearningRateDecay: optimizers must name each optimizer once. Received: "
                    f"{' and '.join(name.removeprefix('learning_rate_') for name in twins)}, which "
                    "are one optimizer."
                )
    return {key: _without_loss_scale(one) for key, one in found.items()}


def targets_of(model: Any, names: Iterable[str] | None = None) -> dict[str, RateTarget]:
    """Return the rates that train a model: log name → target; see `optimizers_of`.

    The parameter groups of a torch optimizer have a rate each: `learning_rate_0` …
    """
    found: dict[str, RateTarget] = {}
    for key, optimizer in optimizers_of(model, names).items():
        groups = getattr(optimizer, "param_groups", [])
        if len(groups) == 1:
            found[key] = ParameterGroupRate(optimizer, key, 0)
        elif groups:
            for number in range(len(groups)):
                name = f"{key}_{number}"
                found[name] = ParameterGroupRate(optimizer, name, number)
        else:
            found[key] = _target(optimizer, key)
    return found


def rate_targets(model: Any, names: Iterable[str] | None = None) -> dict[str, RateTarget]:
    """Return the rates that train a model, log name → target; ValueError if one cannot be set.

    Optimizers that are named count as the model's from now on: see `all_optimizers`.
    """
    targets = targets_of(model, names)
    for target in targets.values():
        target.check()
    if names is not None and isinstance(model, keras.Model):
        named = _NAMED.setdefault(model, weakref.WeakSet())
        named.update(target.optimizer for target in targets.values())
    return targets


def is_optimizer(value: Any) -> bool:
    """Whether a value has a rate that can be read: Keras' optimizers, torch's, registered ones."""
    is_known = isinstance(value, _kinds()) or hasattr(value, "learning_rate")
    return is_known or hasattr(value, "param_groups")


def optimizer_kind(optimizer: Any) -> str:
    """Return how an optimizer turns a rate into steps, for `kerasdecay.control.probe`.

    Returns:
        `"sgd"`; `"momentum"` for SGD with momentum; `"adaptive"` for every other optimizer, since
        those that Keras offers scale each step by the gradients' size, and an unknown one is
        treated with the same caution.
    """
    optimizer = _without_loss_scale(optimizer)
    if not isinstance(optimizer, keras.optimizers.SGD):
        return "adaptive"
    momentum = optimizer.momentum
    return "sgd" if isinstance(momentum, (int, float)) and momentum == 0 else "momentum"


def steps_by_rate(optimizer: Any) -> bool:
    """Return whether an optimizer's first steps are about its rate, whatever the gradient."""
    optimizers = keras.optimizers
    kinds = (optimizers.Adam, optimizers.Adamax, optimizers.Nadam, optimizers.RMSprop)
    return isinstance(_without_loss_scale(optimizer), (*kinds, optimizers.Lion))


def own_optimizers(model: Any) -> dict[str, Any]:
    """Return the optimizers among an object's attributes, and in lists and dicts among these.

    Name → optimizer: `"d_optimizer"`, `"optimizers[0]"`. Of a model, `model.optimizer` and those
    that it wraps are left out.
    """
    compiled_one = getattr(model, "optimizer", None) if isinstance(model, keras.Model) else None
    known = [] if compiled_one is None else with_wrapped(compiled_one)
    found: dict[str, Any] = {}
    seen: set[int] = set()

    optimizers = _kinds()

    def visit(name: str, value: Any) -> None:
        if isinstance(value, optimizers):
            if not _is_in([*known, *found.values()], value):
                found[name] = value
        elif id(value) not in seen:
            seen.add(id(value))
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            for key, item in items:
                if isinstance(item, (*optimizers, Mapping, list, tuple)):
                    visit(f"{name}[{key!r}]", item)

    for name, value in vars(model).items():
        # TensorFlow keeps lists of its own of all attributes.
        if isinstance(value, (*optimizers, Mapping, list, tuple)) and not name.startswith("_self_"):
            visit(name, value)
    return found


def with_wrapped(optimizer: Any) -> list[Any]:
    """Return an optimizer and those that it wraps."""
    found = [optimizer]
    for part in found:  # grows by what a part wraps
        found += [one for one in own_optimizers(part).values() if not _is_in(found, one)]
    return found


def all_optimizers(model: Any) -> list[Any]:
    """Return every optimizer of a model, `model.optimizer` first.

    Those that its parts hold are among them if a decay has named them: "gan.d_optimizer".
    """
    optimizer = getattr(model, "optimizer", None)
    found = [*([] if optimizer is None else [optimizer]), *own_optimizers(model).values()]
    named = _NAMED.get(model, ()) if isinstance(model, keras.Model) else ()
    if named:
        known = [part for one in found for part in with_wrapped(one)]
        found += [one for one in named if not _is_in(known, one)]
    return found


def release(model: Any) -> bool:
    """Make the model's optimizers ordinary ones again, at the rates they have now.

    An interrupted `fit` (Ctrl-C, an exception) has no hook that could do this where the step itself
    computes something: the rate under `update="compiled"`, and under every `update` the momentum,
    beta_1, weight decay and factors of groups that were driven. The next `fit` or `train_on_batch`
    does it first; before a loop of your own that applies the optimizer, you do.

    Args:
        model: A compiled model, or one whose training was interrupted.

    Returns:
        Whether there was anything to do.

    Examples:
        >>> import keras, kerasdecay
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> kerasdecay.release(model)
        False
    """
    parts = [part for optimizer in all_optimizers(model) for part in with_wrapped(optimizer)]
    rates = compiled.uninstall(model, parts)
    had_knobs = knobs.uninstall(model, parts)
    for place, rate in rates.items():
        if (left := LEFT.get(parts[place])) is not None:
            left.rate = rate
    return bool(rates) or had_knobs


def wrong_optimizer(owner: str, model: Any, why: str) -> str:
    """Return the message for a model that `model.optimizer` does not train, for what was found."""
    names = list(own_optimizers(model))
    if not names:
        return (
            f"{owner}: {why}. A decay sets the rate of model.optimizer: pass the optimizer that "
            "trains to model.compile(optimizer=…)."
        )
    schedules = ", ".join(f'"{name}": Cosine(0.001)' for name in names)
    return (
        f"{owner}: {why}. The model holds other optimizers: {', '.join(names)}. Name those that "
        f"train it, each with its schedule: LearningRateDecay(optimizers={{{schedules}}})."
    )


def scales_the_loss(model: Any, names: Iterable[str] | None = None) -> bool:
    """Whether an optimizer scales the loss, and so skips steps that overflow."""
    optimizers = [model.optimizer] if names is None else [_named(model, name) for name in names]
    return any(_without_loss_scale(one) is not one for one in optimizers)


def _parts(model: Any) -> dict[str, Any]:
    optimizer = _without_loss_scale(getattr(model, "optimizer", None))
    if optimizer is None:
        raise ValueError(wrong_optimizer("kerasdecay", model, "model.optimizer is None"))
    if not hasattr(optimizer, "optimizers"):
        return {"learning_rate": optimizer}
    if not optimizer.optimizers and model.built:
        # Made from a function, it knows its optimizers only once it is built.
        optimizer.build(model.trainable_variables)
    if not optimizer.optimizers:
        raise ValueError(
            "kerasdecay: a MultiOptimizer made from a function knows its optimizers only once it "
            "has seen the model's variables, and the model is not built yet. Start it with a "
            "keras.Input, or call model.build(input_shape) before fit."
        )
    found: dict[str, Any] = {}
    for part in optimizer.optimizers:
        key, count = f"learning_rate_{part.name}", 1
        while key in found:
            count += 1
            key = f"learning_rate_{part.name}_{count}"
        found[key] = part
    return found


def _named(model: Any, name: str) -> Any:
    value = model
    for part in name.split("."):
        value = getattr(value, part, None)
    if value is not None and isinstance(value, _kinds()):
        return value
    own = own_optimizers(model)
    if name in own:
        return own[name]
    compiled_one = getattr(model, "optimizer", None)
    parts = {} if compiled_one is None else _parts(model)
    if f"learning_rate_{name}" in parts:
        return parts[f"learning_rate_{name}"]
    known = [
        *own,
        *(key.removeprefix("learning_rate_") for key in parts if key != "learning_rate"),
    ]
    if compiled_one is not None:
        known.append("optimizer")
    raise ValueError(
        f"LearningRateDecay: optimizers must name attributes of the model that hold an optimizer: "
        f"{', '.join(known) or 'there are none'}. Received: {name!r}."
    )


def _target(optimizer: Any, key: str) -> RateTarget:
    for kind, make in _KINDS:
        if isinstance(optimizer, kind):
            return make(optimizer, key)
    return RateTarget(optimizer, key)


def _kinds() -> tuple[type, ...]:
    """Return the classes of optimizers that are known."""
    return (keras.optimizers.Optimizer, *(kind for kind, _ in _KINDS))


def _is_in(values: list[Any], value: Any) -> bool:
    return any(value is one for one in values)


def _without_loss_scale(optimizer: Any) -> Any:
    return getattr(optimizer, "inner_optimizer", optimizer)
