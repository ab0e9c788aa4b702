"""What a running learning-rate range test shows: a progress bar, and then the suggestions."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kerasdecay.report.console import log, show

if TYPE_CHECKING:
    from kerasdecay.records.range import LearningRateRange


class RangeTestProgress:
    """Shows a bar with the rate and the loss on a terminal; elsewhere only the suggestions."""

    def __init__(self, speaks: bool, steps: int, *, interactive: bool = True) -> None:
        self._speaks = speaks
        self._steps = steps
        self._interactive = interactive
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        if self._speaks and self._interactive and sys.stdout.isatty():
            self._bar = Progress(
                TextColumn("[cyan]learning-rate range"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("rate {task.fields[rate]:.1e} · loss {task.fields[loss]:.4g}"),
                TimeRemainingColumn(),
                transient=True,
            )
            self._bar.add_task("", total=self._steps, rate=0.0, loss=float("nan"))
            self._bar.start()
        return self

    def advance(self, rate: float, loss: float) -> None:
        """Report that a step is done."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], advance=1, rate=rate, loss=loss)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def summarise(self, result: LearningRateRange) -> None:
        """Show the suggestions as a table."""
        if self._speaks:
            (show if self._interactive else log)(result.table())
