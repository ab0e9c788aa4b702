"""What the reference pages show of the code: defaults as users write them, powers as powers."""

from __future__ import annotations

import re
from typing import Any

import griffe

_POWER = re.compile(r"(?<=[γη₀²)z])\^(\([^()]*\)|⌊[^⌋]*⌋|[a-z])")


class Fields(griffe.Extension):
    """Takes the default of a checked field out of the call that makes the field."""

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """Replace `field(0.1, number, above=0)` by `0.1`."""
        call = attr.value
        if isinstance(call, griffe.ExprCall) and str(call.function).endswith("_checks.field"):
            first = call.arguments[0]
            attr.value = None if str(first) == "..." else first

    def on_class_members(self, *, cls: griffe.Class, **_: Any) -> None:
        """Set the powers of a docstring's formulas above the line."""
        if cls.docstring:
            cls.docstring.value = _POWER.sub(_raised, cls.docstring.value)


def _raised(found: re.Match[str]) -> str:
    return f"<sup>{found.group(1).strip('()')}</sup>"
