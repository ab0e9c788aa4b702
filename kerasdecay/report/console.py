"""Where reports are shown: standard output, whatever it is and whatever it can spell."""

from __future__ import annotations

from rich.console import Console, RenderableType

from kerasdecay.report.spelling import is_complete, spelled


def show(*renderables: RenderableType, wrap: bool = True) -> None:
    """Print to standard output: with colour on a terminal, plain text everywhere else.

    An output that is not UTF-8 (a pipe on Windows, say) gets what it can spell, never an error.

    Args:
        *renderables: What rich can print.
        wrap: Whether long lines are broken at the width of the terminal.
    """
    console = Console(highlight=False)
    if is_complete(console.encoding):
        console.print(*renderables, sep="\n", soft_wrap=not wrap)
        return
    with console.capture() as captured:
        console.print(*renderables, sep="\n", soft_wrap=not wrap)
    console.file.write(spelled(captured.get(), console.encoding))
