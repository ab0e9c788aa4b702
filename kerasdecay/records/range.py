"""What a learning-rate range test measured, and what it suggests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NoReturn

from kerasdecay._names import Guessed
from kerasdecay._shown import InNotebook, Tabular

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table


# fastai leaves out as much: at the beginning the rate is too small to do anything and the average
# of few losses is noise; at the end the loss is already diverging.
FIRST_LEFT_OUT = 10  # the first tenth of the planned steps
LAST_LEFT_OUT = 5  # the last steps


@dataclass(frozen=True)
class Suggestion:
    """A learning rate read off the curve, or why there is none.

    Attributes:
        name: `"valley"`, `"steepest"` or `"minimum/10"`.
        rate: The learning rate; None if the curve suggests none.
        reason: Where the rate is on the curve, or what the curve lacks.
    """

    name: str
    rate: float | None
    reason: str


@dataclass(frozen=True)
class Choice(Guessed):
    """The one learning rate that a range test recommends, or why there is none.

    Attributes:
        rate: The learning rate; None if the losses suggest none.
        reason: Why it is this rate, or "no suggestion, because …".
    """

    _guesses: ClassVar[Mapping[str, str]] = dict.fromkeys(("lr", "learning_rate", "value"), "rate")

    rate: float | None
    reason: str

    def __call__(self) -> NoReturn:
        """Say of `found.suggestion()`, as other libraries have it, that this is no function."""
        raise TypeError("'Choice' object is no function. Write found.suggestion.rate.")


@dataclass(frozen=True)
class LearningRateRange(Guessed, InNotebook, Tabular):
    """The result of `find_learning_rate`.

    `print` shows it as a table.

    Attributes:
        rates: The learning rate of each step.
        losses: The loss of each step's batch. Where the test stopped early, the last loss is the
            one that stopped it, and may be NaN or infinite.
        smoothed: The smoothed loss after each step, as `find_learning_rate` defines it.
        suggestions: Valley, steepest and minimum/10, as fastai defines them.
        steps: How many steps were planned.
        stopped: Why the test ended early; empty if it did not.
        suggestion: The one rate to train with, or why there is none; see
            `kerasdecay.control.range_test.choose`.

    Examples:
        >>> suggestion = Suggestion("valley", 0.02, "half way down a fall of 40 points")
        >>> result = LearningRateRange((0.01, 0.1), (2.0, 1.5), (2.0, 1.7), (suggestion,), 2)
        >>> result.valley
        0.02
    """

    _guesses: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("lr", "learning_rate", "rate", "best", "best_lr", "suggested", "suggested_lr"),
            "suggestion.rate",
        ),
        **dict.fromkeys(("lrs", "learning_rates"), "rates"),
        **dict.fromkeys(("minimum", "lr_min"), "minimum_tenth"),
        **dict.fromkeys(("steep", "lr_steep", "min_grad_lr"), "steepest"),
        **dict.fromkeys(("history", "loss"), "losses"),
    }

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestions: tuple[Suggestion, ...]
    steps: int
    stopped: str = ""
    suggestion: Choice = Choice(None, "no suggestion, because the losses were not judged")

    @property
    def valley(self) -> float | None:
        """The rate half way down the longest fall of the loss; None if there is none.

        Of fastai's three it varies least, because it does not depend on a single point. It is often
        many times lower than the rate that trains best: prefer `suggestion`.
        """
        return self._rate("valley")

    @property
    def steepest(self) -> float | None:
        """The rate where the loss falls fastest; None if it never falls."""
        return self._rate("steepest")

    @property
    def minimum_tenth(self) -> float | None:
        """A tenth of the rate where the loss is lowest; None if it never falls."""
        return self._rate("minimum/10")

    @property
    def looked_at(self) -> slice:
        """The steps from which the suggestions are read."""
        return looked_at(len(self.rates), self.steps)

    def table(self) -> Table:
        """Return the suggestions as a rich table."""
        from kerasdecay.report.finder import range_table

        return range_table(self)

    def __float__(self) -> NoReturn:
        raise TypeError("'LearningRateRange' object is no number. Write found.suggestion.rate.")

    def __repr__(self) -> str:
        choice = self.suggestion
        text = choice.reason if choice.rate is None else f"{choice.rate:.2g} recommended"
        return f"LearningRateRange({len(self.rates)} of {self.steps} steps: {text})"

    def plot(self, path: str | os.PathLike[str] | None = None, *, show: bool = False) -> Figure:
        """Draw the losses over the rates, with the suggestions.

        Args:
            path: Where to save the picture, if anywhere: a name that ends in .png, .svg or .pdf.
            show: True opens it in a window, as `pyplot.show()` does.

        Raises:
            ImportError: If matplotlib is missing, with the command that installs it.
        """
        from kerasdecay.report.figures import handed
        from kerasdecay.report.finder import range_figure

        return handed(range_figure(self), path, show=show)

    def _rate(self, name: str) -> float | None:
        return next((each.rate for each in self.suggestions if each.name == name), None)


def looked_at(points: int, planned: int) -> slice:
    """Return the points of a curve from which suggestions are read.

    Examples:
        >>> looked_at(points=60, planned=100)
        slice(10, 55, None)
    """
    return slice(planned // FIRST_LEFT_OUT, max(0, points - LAST_LEFT_OUT))
