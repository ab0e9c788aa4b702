"""Standard output, adapted to what it can show: everything that is printed goes through here.

rich, which knows terminals, is loaded only when it is needed: a preview in a pipe does without it.
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from kerasdecay.report.charts import Line

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

_LOGGED = 120
"""Characters in a line of the log."""


def show(*renderables: RenderableType, wrap: bool = True) -> None:
    """Print to standard output: with colour on a terminal, plain text everywhere else.

    An output that is not UTF-8 (a pipe on Windows, say) gets what it can write, never an error.
    """
    console = _console()
    if _is_complete(console.encoding):
        console.print(*renderables, sep="\n", soft_wrap=not wrap)
        return
    with console.capture() as captured:
        console.print(*renderables, sep="\n", soft_wrap=not wrap)
    console.file.write(spelled(captured.get(), console.encoding))


def plain(*renderables: RenderableType, width: int = 80) -> str:
    """Return what `show` prints as text without colour, for a logger or a file."""
    output = io.StringIO()
    console = _console(file=output, width=width, color_system=None, force_terminal=False)
    console.print(*renderables, sep="\n")
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines())


def printed(renderable: RenderableType) -> str:
    """Return text for `print`: at the terminal's width, in what standard output can write."""
    return spelled(plain(renderable, width=width()), getattr(sys.stdout, "encoding", "utf-8"))


def log(*renderables: RenderableType) -> None:
    """Write to the absl log at info level, one record a line, without colour.

    Keras' own callbacks do the same after `keras.utils.disable_interactive_logging()`.
    """
    from absl import logging

    for line in plain(*renderables, width=_LOGGED).splitlines():
        if line:
            logging.info("%s", line)


def show_lines(lines: Iterable[Line]) -> None:
    """Print lines of coloured pieces, unbroken: in colour on a terminal, plain everywhere else."""
    if not sys.stdout.isatty():
        write("".join("".join(one.text for one in line).rstrip() + "\n" for line in lines))
        return
    from rich.text import Text

    console = _console()
    for line in lines:
        console.print(Text.assemble(*line), soft_wrap=True)


def write(text: str) -> None:
    """Write text to standard output as it is, as far as its encoding allows."""
    sys.stdout.write(spelled(text, sys.stdout.encoding))


def width() -> int:
    """Return how many characters a line of standard output has."""
    return shutil.get_terminal_size().columns


def has_colour() -> bool:
    """Tell whether standard output is a terminal with colours."""
    if not sys.stdout.isatty():
        return False
    console = _console()
    return console.color_system is not None and not console.no_color


def has_dots() -> bool:
    """Tell whether standard output can write braille dots."""
    return _is_complete(sys.stdout.encoding)


def spelled(text: str, encoding: str | None) -> str:
    """Return text as near to itself as the encoding can write it.

    Examples:
        >>> spelled("0.1 → 0.01 █▁", "ascii"), spelled("η₀", "ascii")
        ('0.1 -> 0.01 #_', '??')
    """
    if _is_complete(encoding):
        return text
    encoding = encoding or "ascii"
    return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)


def _is_complete(encoding: str | None) -> bool:
    """Tell whether an encoding has every character."""
    return (encoding or "").lower().startswith("utf")


def _console(**options: Any) -> Console:
    from rich.console import Console

    return Console(highlight=False, **options)
