"""The arguments that an object was made with: for its configuration, its copies and its `repr`."""

from __future__ import annotations

import inspect
from typing import Any, Self

from kerasdecay._config import from_config, to_config
from kerasdecay._names import check_call


class GivenArguments:
    """Mixin that remembers the arguments of `__init__`, a subclass's own ones included."""

    _unnamed = ""
    """Where a rate belongs that came as an argument without a name."""

    _given: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Keep the arguments as they were given, for `get_config`, as Keras' layers do."""
        if args or kwargs:  # copies are made without any
            check_call(cls.__name__, inspect.signature(cls), args, kwargs, cls._unnamed)
        self = super().__new__(cls)
        self._given = (args, kwargs)
        return self

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain data; a function stays the object that it is."""
        args, kwargs = self._given
        bound = inspect.signature(type(self).__init__).bind(self, *args, **kwargs)
        given = dict(bound.arguments)
        kinds = {one.kind: name for name, one in bound.signature.parameters.items()}
        given.pop(next(iter(bound.signature.parameters)))
        given |= given.pop(kinds.get(inspect.Parameter.VAR_KEYWORD, ""), {})
        return {name: to_config(value) for name, value in given.items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Rebuild a callback from `get_config()`'s result."""
        given = {name: from_config(value) for name, value in config.items()}
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        kinds = [one.kind for one in parameters]
        if inspect.Parameter.VAR_POSITIONAL not in kinds:
            return cls(**given)
        rest = kinds.index(inspect.Parameter.VAR_POSITIONAL)  # a subclass's own `*args`
        first = [given.pop(one.name) for one in parameters[:rest] if one.name in given]
        return cls(*first, *given.pop(parameters[rest].name, ()), **given)

    def __repr__(self) -> str:
        args, kwargs = self._given
        given = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]
        return f"{type(self).__name__}({', '.join(given)})"
