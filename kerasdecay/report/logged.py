"""The absl log: where reports go after `keras.utils.disable_interactive_logging()`."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType


def log(renderable: RenderableType) -> None:
    """Write a report to the absl log at info level, one record per line, without colour."""
    from absl import logging

    console = Console(file=io.StringIO(), width=120, color_system=None, highlight=False)
    with console.capture() as captured:
        console.print(renderable, soft_wrap=True)
    for line in captured.get().splitlines():
        if line.strip():
            logging.info("%s", line.rstrip())
