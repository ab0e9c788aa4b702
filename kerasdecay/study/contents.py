"""The attributes of an object: saved, and put back."""

from __future__ import annotations

from typing import Any


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
        self._held: list[tuple[Any, Any]] = []
        seen: set[int] = set()
        self._visit(vars(owner), seen)
        if hasattr(owner, "_tracker"):
            self._visit(vars(owner._tracker), seen)

    def restore(self) -> None:
        """Put the attributes and the contents back; may be called more than once."""
        for container, held in self._held:
            # The plain methods: those of Keras' own lists and dicts would track or untrack.
            if isinstance(held, list):
                list.__setitem__(container, slice(None), held)
            else:
                kind = type(held)
                kind.clear(container)
                kind.update(container, held)

    def _visit(self, container: Any, seen: set[int]) -> None:
        kinds = [kind for kind in (dict, list, set) if issubclass(type(container), kind)]
        if not kinds or id(container) in seen:
            return
        seen.add(id(container))
        self._held.append((container, kinds[0](container)))
        if kinds[0] is list and hasattr(container, "__dict__"):
            self._visit(vars(container), seen)  # TensorFlow's lists keep their items in another one
        for item in container.values() if kinds[0] is dict else container:
            self._visit(item, seen)
