"""What a running learning-rate range test says: a bar, and what came of it."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from kerasdecay.report.console import show

if TYPE_CHECKING:
    from kerasdecay.study.learning_rate_range import LearningRateRange


class Progress:
    """A bar with the rate and the loss on a terminal; elsewhere only the closing lines.

    Args:
        speaks: False for silence: not one byte.
        steps: How many steps were planned.
    """

    def __init__(self, speaks: bool, steps: int) -> None:
        self._speaks = speaks
        self._steps = steps
        self._bar: Bar | None = None

    def __enter__(self) -> Self:
        if self._speaks and sys.stdout.isatty():
            self._bar = Bar(
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
        """Say that a step is done."""
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
        """Show the result as a table."""
        if self._speaks:
            show(result.table())
