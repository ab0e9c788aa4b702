"""What a user's function is made of: a changed one is noticed without a call of it."""

from __future__ import annotations

import dis
import functools
import types
from typing import Any

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def makings(value: Any) -> Any:
    """Return plain data that tell one function, or object that is called, from another.

    These are its code, its defaults, and the numbers and strings that it takes from around it: from
    an enclosing function, its module or its object. Functions of its module that it calls are
    looked at alike. What it assigns itself is left out, for a counter changes and the function does
    not; so is what can be changed in its place, as a list. An object with a configuration, as
    Keras' schedules have, is told by that. The same function gives the same in every process.
    """
    return _made_of(value, [])


def _made_of(value: Any, seen: list[Any]) -> Any:
    """Return the makings of a value, unless it is one of the functions that were `seen`."""
    if isinstance(value, functools.partial):
        parts = (value.func, value.args, *sorted(value.keywords.items()))
        return [_part(one, seen) for one in parts]
    if callable(getattr(value, "get_config", None)):
        items = sorted(value.get_config().items())
        return [
            [name, _part(tuple(one) if isinstance(one, list) else one, seen)] for name, one in items
        ]
    holder = getattr(value, "__self__", value)
    function = getattr(value, "__func__", value)
    if not isinstance(function, types.FunctionType):
        function = vars(type(value)).get("__call__")
    if not isinstance(function, types.FunctionType) or function in seen:
        return None
    seen.append(function)
    code = function.__code__
    stored = {one.argval for one in dis.get_instructions(code) if one.opname.startswith("STORE_")}
    outer = {**function.__globals__, **getattr(holder, "__dict__", {})}
    around = {name: outer.get(name) for name in code.co_names}
    around |= zip(code.co_freevars, _contents(function.__closure__ or ()), strict=True)
    return [
        _code(code),
        _part(function.__defaults__, seen),
        [[name, _part(around[name], seen)] for name in sorted(around.keys() - stored)],
    ]


def _contents(cells: tuple[Any, ...]) -> list[Any]:
    contents = []
    for cell in cells:
        try:
            contents.append(cell.cell_contents)
        except ValueError:  # it is still empty
            contents.append(None)
    return contents


def _part(value: Any, seen: list[Any]) -> Any:
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, tuple):
        return [_part(one, seen) for one in value]
    if not isinstance(value, types.FunctionType):
        return None
    # Not the functions of a library, which may be many, and other ones in its next version.
    is_near = not seen or value.__module__ == seen[0].__module__
    return _made_of(value, seen) if is_near else value.__qualname__


def _code(code: types.CodeType) -> Any:
    return [code.co_code.hex(), [_constant(one) for one in code.co_consts], list(code.co_names)]


def _constant(value: Any) -> Any:
    if isinstance(value, types.CodeType):
        return _code(value)
    # Of `epoch in {…}`: the order of strings in it differs from process to process.
    return sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)
