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
    an enclosing function, its module or its object. What it assigns itself is left out, for a
    counter changes and the function does not; so is what can be changed in its place, as a list.
    An object with a configuration, as Keras' schedules have, is told by that.
    """
    return _made_of(value, ())


def _made_of(value: Any, within: tuple[Any, ...]) -> Any:
    if isinstance(value, functools.partial):
        parts = (value.func, value.args, *sorted(value.keywords.items()))
        return [_part(one, within) for one in parts]
    if callable(getattr(value, "get_config", None)):
        return repr(value.get_config())
    holder = getattr(value, "__self__", value)
    function = getattr(value, "__func__", value)
    if not isinstance(function, types.FunctionType):
        function = vars(type(value)).get("__call__")
    if not isinstance(function, types.FunctionType) or function in within:
        return None
    code = function.__code__
    stored = {one.argval for one in dis.get_instructions(code) if one.opname.startswith("STORE_")}
    outer = {**function.__globals__, **getattr(holder, "__dict__", {})}
    around = {name: outer.get(name) for name in code.co_names}
    around |= zip(code.co_freevars, _contents(function.__closure__ or ()), strict=True)
    within = (*within, function)
    return [
        _code(code),
        _part(function.__defaults__, within),
        [[name, _part(around[name], within)] for name in sorted(around.keys() - stored)],
    ]


def _contents(cells: tuple[Any, ...]) -> list[Any]:
    contents = []
    for cell in cells:
        try:
            contents.append(cell.cell_contents)
        except ValueError:  # it is still empty
            contents.append(None)
    return contents


def _part(value: Any, within: tuple[Any, ...]) -> Any:
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, tuple):
        return [_part(one, within) for one in value]
    return _made_of(value, within) if isinstance(value, types.FunctionType) else None


def _code(code: types.CodeType) -> Any:
    constants = [
        _code(one) if isinstance(one, types.CodeType) else repr(one) for one in code.co_consts
    ]
    return [code.co_code.hex(), constants, list(code.co_names)]
