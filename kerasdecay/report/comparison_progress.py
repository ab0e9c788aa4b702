"""What a running comparison shows: a heading for each run, Keras' own progress, a closing line.

Runs that are trained at the same time show their closing lines only.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.rule import Rule
from rich.text import Text

from kerasdecay.report.console import log, show

if TYPE_CHECKING:
    from kerasdecay.records.run import Run


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
