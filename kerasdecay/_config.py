"""Plain-data round trip of the frozen dataclasses (schedules and rules): JSON in, JSON out."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, ClassVar, Self

_KIND = "class_name"


class Configurable:
    """Mixin for frozen dataclasses: `get_config()` gives plain data, `from_config` takes it back.

    Every subclass registers itself under its own name, so that a nested part is found again.
    """

    _registry: ClassVar[dict[str, type[Configurable]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Configurable._registry[cls.__name__] = cls

    def get_config(self) -> dict[str, Any]:
        """Return the class's name and its fields as plain data (JSON, if the fields allow it)."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        values = {field.name: to_config(getattr(self, field.name)) for field in fields}
        return {_KIND: type(self).__name__, **values}

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
    if isinstance(config, dict) and _KIND in config:
        values = {key: from_config(value) for key, value in config.items() if key != _KIND}
        try:
            kind = Configurable._registry[config[_KIND]]
        except KeyError:
            known = ", ".join(sorted(Configurable._registry))
            raise ValueError(
                f"from_config: {_KIND} must be one of {known}. Received: {config[_KIND]!r}. "
                "Was the config written by a newer kerasdecay?"
            ) from None
        return kind(**values)
    return config
