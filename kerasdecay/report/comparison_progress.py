"""What a running comparison says: a heading a run, Keras' own progress, a closing line.

Runs that are trained at the same time would talk across each other: of them, the closing line.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.rule import Rule
from rich.text import Text

from kerasdecay.report.console import show

if TYPE_CHECKING:
    from kerasdecay.study.runs import Run


class Progress:
    """Speaks at the beginning and at the end of each run; in between, Keras does.

    Where standard output is a terminal the headings have colour and Keras draws its bar;
    everywhere else (a file, a pipe) it is plain text, one line an epoch, with no escape codes.

    Args:
        speaks: False for silence: not one byte.
        total: Runs in the comparison, those already finished included.
        parallel: Whether the runs are trained at the same time, and end in any order.
    """

    def __init__(self, speaks: bool, total: int, parallel: bool = False) -> None:
        self._speaks = speaks
        self._total = total
        self._parallel = parallel
        self._number = 0
        self._terminal = sys.stdout.isatty()

    @property
    def keras_verbose(self) -> int:
        """What `fit` gets as `verbose`."""
        if not self._speaks:
            return 0
        return 1 if self._terminal else 2

    def resumed(self, count: int, output: Path | None) -> None:
        """Say that finished runs were found and are not trained again."""
        self._number = count
        if count:
            self._say(f"{count} of {self._total} runs were finished before, in {output}: skipped")

    def started(self, arm: str, seed: int) -> None:
        """Head a run."""
        self._number += 1
        text = f"{arm} · seed {seed} · run {self._number} of {self._total}"
        if self._speaks and self._terminal:
            show(Rule(Text(text, style="bold cyan"), style="cyan"))
        else:
            self._say(f"== {text}")

    def finished(self, run: Run) -> None:
        """Close a run."""
        speed = f"{run.images_per_second:,.0f} images/s"
        count = ""
        if self._parallel:
            self._number += 1
            count = f" · {self._number} of {self._total}"
        self._say(f"{run.arm} · seed {run.seed}: done in {run.seconds:,.0f} s, {speed}{count}")

    def stopped(self, count: int, output: Path | None) -> None:
        """Say what is left of a comparison that did not come to its end."""
        if output is None:
            self._say(
                f"stopped after {count} of {self._total} runs; nothing is kept without output"
            )
        else:
            self._say(
                f"stopped after {count} of {self._total} runs; they are in {output}, and "
                "resume=True goes on with the others"
            )

    def _say(self, text: str) -> None:
        if self._speaks:
            show(Text(text, style="cyan" if self._terminal else ""), wrap=False)
            sys.stdout.flush()
