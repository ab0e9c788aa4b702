"""A finished search for a decay: its trials, the best first."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdecay._files import write_atomically
from kerasdecay._json import to_json
from kerasdecay._shown import Tabular

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table


@dataclass(frozen=True)
class TrialResult:
    """One trial.

    Attributes:
        trial_id: KerasTuner's name for the trial.
        rank: 1 is the best; None for a trial that was not completed.
        status: KerasTuner's: `"COMPLETED"`, `"FAILED"`, `"RUNNING"` …
        decay: The decay's name.
        learning_rate: Its initial rate.
        parameters: Its own parameters, by their short names, as the trial trained with them. They
            differ from the values that the tuner drew where those did not fit the epochs.
        others: The other hyperparameters, those of the model.
        score: The objective, None where there is none.
        epochs: Epochs done, including those of earlier rungs; None where unknown.
        horizon: The epochs that the decay was planned for; None where unknown.
        learning_rates: The rate in the last step of each epoch, empty where unknown.
        events: What the rules decided.
        failure: Why it failed, in one line; empty if it did not.
    """

    trial_id: str
    rank: int | None
    status: str
    decay: str
    learning_rate: float
    parameters: Mapping[str, Any]
    others: Mapping[str, Any]
    score: float | None
    epochs: int | None
    horizon: int | None
    learning_rates: tuple[float, ...] = ()
    events: tuple[str, ...] = ()
    failure: str = ""


@dataclass(frozen=True)
class SearchResult(Tabular):
    """The trials of a search, the best first. Printed with rich, it is a table.

    Attributes:
        objective: The objective's name.
        direction: `"min"` or `"max"`.
        trials: In the order of their ranks; trials that were not completed come last.
    """

    objective: str
    direction: str
    trials: tuple[TrialResult, ...]

    @property
    def best(self) -> TrialResult | None:
        """The best trial, None if none was completed."""
        return next((trial for trial in self.trials if trial.rank == 1), None)

    def table(self, **options: Any) -> Table:
        """Return a rich table (see `kerasdecay.report.tuner.search_table`)."""
        from kerasdecay.report.tuner import search_table

        return search_table(self, **options)

    def plot(
        self, path: str | os.PathLike[str] | None = None, *, show: bool = False, **options: Any
    ) -> Figure:
        """Draw the search (see `kerasdecay.report.tuner.search_figure`).

        Args:
            path: Where to save the picture, if anywhere: a name that ends in .png, .svg or .pdf.
            show: True opens it in a window, as `pyplot.show()` does.
            options: Those of `search_figure`.

        Raises:
            ImportError: If matplotlib is missing, with the command that installs it.
        """
        from kerasdecay.report.figures import handed
        from kerasdecay.report.tuner import search_figure

        return handed(search_figure(self, **options), path, show=show)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return asdict(self)

    def to_json(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to one JSON file."""
        return write_atomically(path, to_json(self.to_dict()))
