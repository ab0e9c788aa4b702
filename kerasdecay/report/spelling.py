"""Text for outputs that cannot spell everything: a pipe that is not UTF-8, as on Windows."""

from __future__ import annotations

_ASCII = str.maketrans(
    {
        "→": "->",
        "×": "x",
        "·": "|",
        "–": "-",
        "…": "...",
        "━": "-",
        "─": "-",
        "│": "|",
        "┤": "+",
        "└": "+",
        **dict(zip("▁▂▃▄▅▆▇█", "_.,-~=+#", strict=True)),
    }
)


def is_complete(encoding: str | None) -> bool:
    """Tell whether an encoding has every character."""
    return (encoding or "").lower().startswith("utf")


def spelled(text: str, encoding: str | None) -> str:
    """Return text as near to itself as the encoding can write it.

    Examples:
        >>> spelled("0.1 → 0.01 █▁", "ascii"), spelled("η₀", "ascii")
        ('0.1 -> 0.01 #_', '??')
    """
    if is_complete(encoding):
        return text
    encoding = encoding or "ascii"
    return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
