"""A fingerprint of a user's function: a changed one is noticed without a call of it."""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Iterable, Iterator
from typing import Any

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def fingerprint(value: Any) -> Any:
    """Return plain data that tell one function, or object that is called, from another.

    These are its code, its defaults, and the numbers and strings that it takes from around it: from
    an enclosing function, its module, its object or the class of that. Functions of its module that
    it calls are looked at alike. What is assigned by it, or by another function of its module or
    method of its class, is left out, for a counter changes and the function does not; so is what
    can be changed in its place, as a list. An object with a configuration, as Keras' schedules
    have, is told by that. The same function gives the same in every process.
    """
    return _of_callable(value, [])


def _of_callable(value: Any, seen: list[Any]) -> Any:
    """Return the fingerprint of what is called, unless its function was `seen`.

    `seen` begins with the name of the module that is looked at, then come functions.
    """
    if isinstance(value, functools.partial):
        called = _of_callable(value.func, seen)
        return [called, _of_value((value.args, *sorted(value.keywords.items())), seen)]
    settings = _configuration(value)
    if settings is not None:
        return _of_value(tuple(settings), seen)
    holder, function = getattr(value, "__self__", value), getattr(value, "__func__", value)
    module = getattr(value, "__module__", None)
    if not isinstance(function, types.FunctionType):
        function, module = getattr(type(value), "__call__", None), type(value).__module__  # noqa: B004
    if not isinstance(function, types.FunctionType) or function in seen:
        return None
    # Not the functions of a library, which may be many, and other ones in its next version.
    if function.__module__ != (seen[0] if seen else module):
        return function.__qualname__
    seen += [function] if seen else [module, function]
    attributes = _attributes(holder)
    codes = list(_codes(function.__code__))
    outer = {**function.__globals__, **attributes}
    around = {name: outer.get(name) for code in codes for name in code.co_names}
    cells = function.__closure__ or ()
    around |= zip(function.__code__.co_freevars, map(_content, cells), strict=True)
    assigned = _assigned(function, attributes)
    return [
        _of_code(function.__code__),
        _of_value(function.__defaults__, seen),
        _of_value(tuple(sorted((function.__kwdefaults__ or {}).items())), seen),
        [[name, _of_value(around[name], seen)] for name in sorted(around.keys() - assigned)],
    ]


def _configuration(value: Any) -> list[tuple[str, Any]] | None:
    """Return the configuration of an object, in order; None where it has none, or fails."""
    if not callable(getattr(value, "get_config", None)):
        return None
    try:
        items = sorted(value.get_config().items())
    except Exception:  # noqa: BLE001 — a schedule of the user's trains without one
        return None
    return [(name, tuple(one) if isinstance(one, list) else one) for name, one in items]


def _attributes(holder: Any) -> dict[str, Any]:
    """Return what is read as `self.…`, its methods bound; no property is asked."""
    owner = holder if isinstance(holder, type) else type(holder)
    found: dict[str, Any] = {}
    for one in reversed(owner.__mro__):
        for name, value in vars(one).items():
            method = value.fget if isinstance(value, property) else value
            if isinstance(method, types.FunctionType):
                found[name] = types.MethodType(method, holder)
            else:
                found[name] = value
    return found | dict(getattr(holder, "__dict__", {}))


def _assigned(function: types.FunctionType, attributes: dict[str, Any]) -> set[str]:
    """Return the names that a call of the function, or of one beside it, may assign."""
    near = [one for one in function.__globals__.values() if isinstance(one, types.FunctionType)]
    methods = [one.__func__ for one in attributes.values() if isinstance(one, types.MethodType)]
    of_module = {one.__code__ for one in near if one.__globals__ is function.__globals__}
    of_object = {one.__code__ for one in methods if one.__name__ != "__init__"}
    return (
        _stored(of_module, "STORE_GLOBAL")
        | _stored(of_object, "STORE_ATTR")
        | _stored([function.__code__], "STORE_GLOBAL", "STORE_ATTR", "STORE_DEREF")
    )


def _stored(codes: Iterable[types.CodeType], *operations: str) -> set[str]:
    return {
        step.argval
        for code in codes
        for inner in _codes(code)
        for step in dis.get_instructions(inner)
        if step.opname in operations and step.argval not in inner.co_cellvars
    }


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield a code, and those of the functions within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is still empty
        return None


def _of_value(value: Any, seen: list[Any]) -> Any:
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, tuple):
        return [_of_value(one, seen) for one in value]
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    if isinstance(value, (types.FunctionType, types.MethodType, functools.partial)):
        return _of_callable(value, seen)
    return None


def _of_code(code: types.CodeType) -> Any:
    # The constants that are loaded: a docstring is none of them.
    steps = [
        [step.opname, _of_constant(step.argval) if step.opcode in dis.hasconst else step.arg]
        for step in dis.get_instructions(code)
    ]
    return [steps, list(code.co_names)]


def _of_constant(value: Any) -> Any:
    if isinstance(value, types.CodeType):
        return _of_code(value)
    # Of `epoch in {…}`: the order of strings in it differs from process to process.
    return sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)
