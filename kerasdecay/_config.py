"""Plain-data round trip of the frozen dataclasses (schedules and rules): JSON in, JSON out."""

from __future__ import annotations

import dataclasses
import inspect
import os
from typing import Any, ClassVar, Self

from kerasdecay._checks import Checked
from kerasdecay._names import Guessed, check_arguments

_KIND = "class_name"
_PACKAGE = __name__.partition(".")[0]


class Configurable(Guessed, Checked):
    """Mixin for frozen dataclasses: `get_config()` gives plain data, `from_config` takes it back.

    Every subclass registers itself, so that a nested part is found again: the package's own classes
    under their bare names, all others as `module:qualified name`. A user's class can therefore not
    take the place of the package's, nor of one of another module; defined again, as in a notebook,
    it replaces itself.
    """

    _registry: ClassVar[dict[str, type[Configurable]]] = {}

    def __init_subclass__(cls, *, formerly: str | None = None, **kwargs: Any) -> None:
        """Register the class, and under the name that older configurations know it by."""
        super().__init_subclass__(**kwargs)
        Configurable._registry[_registered_name(cls)] = cls
        if formerly is not None:
            Configurable._registry[formerly] = cls

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Say of an argument that there is not which one is meant."""
        if kwargs:
            parameters = inspect.signature(cls.__init__).parameters
            if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
                check_arguments(cls.__name__, kwargs, list(parameters)[1:])
        return super().__new__(cls)

    def get_config(self) -> dict[str, Any]:
        """Return the class's name and its fields as plain data (JSON, if the fields allow it)."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        values = {field.name: to_config(getattr(self, field.name)) for field in fields}
        return {_KIND: _registered_name(type(self)), **values}

    def __getattr__(self, name: str) -> Any:
        """Say of what Keras asks of a callback that this is none."""
        if name in ("set_model", "set_params"):
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}: it is no callback. "
                f"Write callbacks=[{self.as_callback()}]."
            )
        return super().__getattr__(name)  # type: ignore[misc]

    def as_callback(self) -> str:
        """Return how a callback of this part is written."""
        return f"LearningRateDecay({type(self).__name__}(…))"

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Rebuild a part from `get_config()`'s result; ValueError if it is of another class."""
        part = from_config(config)
        if not isinstance(part, cls):
            raise ValueError(
                f"{cls.__name__}.from_config: config must describe a {cls.__name__}. "
                f"Received: {config!r}."
            )
        return part


def _registered_name(kind: type) -> str:
    if kind.__module__.partition(".")[0] == _PACKAGE:
        return kind.__name__
    return f"{kind.__module__}:{kind.__qualname__}"


def to_config(value: Any) -> Any:
    """Turn parts, tuples of parts and paths into plain data; everything else stays as it is."""
    if isinstance(value, Configurable):
        return value.get_config()
    if isinstance(value, (tuple, list)):
        return [to_config(item) for item in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def from_config(config: Any) -> Any:
    """Reverse `to_config`; lists become tuples, as the frozen parts hold them."""
    if isinstance(config, list):
        return tuple(from_config(item) for item in config)
    if not isinstance(config, dict) or _KIND not in config:
        return config
    name = config[_KIND]
    kind = Configurable._registry.get(name) if isinstance(name, str) else None
    if kind is None:
        known = ", ".join(sorted(Configurable._registry))
        raise ValueError(
            f"from_config: {_KIND} must be one of {known}. Received: {name!r}. Import the module "
            "that defines the class first; a class of kerasdecay that is missing here may come "
            "from a newer version."
        )
    values = {key: from_config(value) for key, value in config.items() if key != _KIND}
    fields = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if not values.keys() <= fields:
        raise ValueError(
            f"from_config: the fields of {name} must be among {', '.join(sorted(fields))}. "
            f"Received: {', '.join(sorted(values))}. Was the config written by another version?"
        )
    return kind(**values)
