"""JSON that every reader accepts: strict, with NaN and the infinities as strings."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

_FLAT_LIST = re.compile(r"\[\n\s*([^\[\]{}]*?)\n\s*\]")
_BREAK = re.compile(r"\n\s*")

NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def encode(value: Any) -> Any:
    """Turn `value` into strict JSON data: NumPy scalars become numbers, tuples lists.

    JSON knows no NaN and no infinity, so these three numbers become the strings `"NaN"`,
    `"Infinity"` and `"-Infinity"`; `decode_number` takes them back where a number stands.

    Raises:
        TypeError: For a value that JSON has no form for.

    Examples:
        >>> encode({"loss": (0.5, float("nan"))})
        {'loss': [0.5, 'NaN']}
    """
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return encode(value.item())
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")


def decode_number(value: Any) -> float:
    """Reverse `encode` for one number.

    Raises:
        ValueError: If `value` is neither a number nor one of the three strings.

    Examples:
        >>> decode_number("-Infinity"), decode_number(0.5)
        (-inf, 0.5)
    """
    if isinstance(value, str) and value in NON_FINITE:
        return NON_FINITE[value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"expected a number, NaN or an infinity. Received: {value!r}")
    return float(value)


def to_json(value: Any) -> str:
    """Return `value` as indented, strict JSON text: a list of plain values takes one line."""
    text = json.dumps(encode(value), indent=2, ensure_ascii=False, allow_nan=False)
    # No string of JSON text holds a line break, so these brackets are those of lists.
    return _FLAT_LIST.sub(lambda match: f"[{_BREAK.sub(' ', match[1])}]", text) + "\n"
