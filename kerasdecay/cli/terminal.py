"""Standard output as the command line draws on it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from typing import Any

from kerasdecay.report.charts import Line
from kerasdecay.report.spelling import is_complete, spelled


class Terminal:
    """Lines of coloured pieces, printed: in colour on a terminal, plain everywhere else.

    rich, which knows terminals, is loaded only where there is one.
    """

    def __init__(self) -> None:
        self._console: Any = None
        self.width = shutil.get_terminal_size().columns
        self.colour = False
        self.dots = is_complete(sys.stdout.encoding)
        if sys.stdout.isatty():
            from rich.console import Console

            self._console = Console(highlight=False)
            self.colour = self._console.color_system is not None and not self._console.no_color

    def print(self, lines: Iterable[Line]) -> None:
        """Print lines; they are not broken."""
        if self._console is None:
            text = "".join("".join(piece.text for piece in line).rstrip() + "\n" for line in lines)
            sys.stdout.write(spelled(text, sys.stdout.encoding))
            return
        from rich.text import Text

        for line in lines:
            self._console.print(Text.assemble(*line), soft_wrap=True)
