"""What a comparison and a learning-rate range test show while they run.

Of a run of a comparison: a heading, Keras' own progress, a closing line; of runs trained at a
time the closing lines alone. Of a range test: a progress bar, and then the suggestions.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.rule import Rule
from rich.text import Text

from kerasdecay.report.console import log, show

if TYPE_CHECKING:
    from kerasdecay.records import LearningRateRange, Run


class ComparisonProgress:
    """Reports the beginning and the end of each run; in between, Keras reports.

    On a terminal the headings have colour and Keras draws its bar. Everywhere else (a file, a pipe)
    the text is plain, one line per epoch, without escape codes.
    """

    def __init__(
        self, speaks: bool, total: int, *, parallel: bool = False, interactive: bool = True
    ) -> None:
        self._speaks = speaks
        self._total = total
        self._parallel = parallel
        self._interactive = interactive
        self._number = 0
        self._terminal = interactive and sys.stdout.isatty()

    @property
    def keras_verbose(self) -> int:
        """The argument `verbose` of `fit`."""
        if not self._speaks:
            return 0
        return 1 if self._terminal else 2

    def resumed(self, count: int, output: Path | None) -> None:
        """Report that finished runs were found and are not trained again."""
        self._number = count
        if count:
            self._say(f"{count} of {self._total} runs were finished before, in {output}: skipped")

    def started(self, arm: str, seed: int) -> None:
        """Report the beginning of a run."""
        self._number += 1
        text = f"{arm} · seed {seed} · run {self._number} of {self._total}"
        if self._speaks and self._terminal:
            show(Rule(Text(text, style="bold cyan"), style="cyan"))
        else:
            self._say(f"== {text}")

    def finished(self, run: Run) -> None:
        """Report the end of a run."""
        speed = f"{run.images_per_second:,.0f} images/s"
        count = ""
        if self._parallel:
            self._number += 1
            count = f" · {self._number} of {self._total}"
        self._say(f"{run.arm} · seed {run.seed}: done in {run.seconds:,.0f} s, {speed}{count}")

    def stopped(self, count: int, output: Path | None) -> None:
        """Report what was finished when the comparison stopped early."""
        if output is None:
            kept = "nothing is kept without output"
        else:
            kept = f"they are in {output}, and resume=True goes on with the others"
        self._say(f"stopped after {count} of {self._total} runs; {kept}")

    def _say(self, text: str) -> None:
        if not self._speaks:
            return
        if not self._interactive:
            log(Text(text))
            return
        show(Text(text, style="cyan" if self._terminal else ""), wrap=False)
        sys.stdout.flush()


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
