"""The result of a comparison: its runs, and queries about them."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from kerasdecay._checks import invalid
from kerasdecay._files import csv_text, write_atomically
from kerasdecay._json import to_json
from kerasdecay._names import Guessed
from kerasdecay._shown import InNotebook, Tabular
from kerasdecay.records.paired import Difference
from kerasdecay.records.run import OutputError, Run, is_rate, read_run, run_files
from kerasdecay.records.steadiness import steadiness

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table


@dataclass(frozen=True)
class Comparison(Guessed, InNotebook, Tabular):
    """The finished runs of a comparison.

    Printed with rich it is a table. All figures are those of the last epoch, not of the best one.

    Attributes:
        runs: One record for each arm and seed, arms in the order in which they were given.
    """

    runs: tuple[Run, ...]

    _guesses: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("best", "winner", "best_arm"), "mean('val_loss')"),
        **dict.fromkeys(("history", "histories", "results"), "runs[0].history"),
        **dict.fromkeys(("summary", "to_dataframe", "to_pandas"), "table()"),
        "save": "to_csv(path)",
    }

    def __post_init__(self) -> None:
        if not isinstance(self.runs, (tuple, list)) or not all(
            isinstance(run, Run) for run in self.runs
        ):
            raise invalid("Comparison", "runs", "a tuple of Run records", self.runs)

    @classmethod
    def load(cls, output: str | os.PathLike[str]) -> Self:
        """Read the finished runs in a comparison's output folder.

        Raises:
            OutputError: (a ValueError) If there are none, or a file is not a whole run.
        """
        if not isinstance(output, (str, os.PathLike)):
            raise invalid("Comparison.load", "output", "the path of a folder", output)
        runs = [read_run(path) for path in run_files(Path(output))]
        if not runs:
            raise OutputError(f"Comparison.load: output must hold finished runs: {output}")
        return cls(tuple(sorted(runs, key=lambda run: (run.arm_index, run.arm, run.seed))))

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms' names."""
        return tuple(dict.fromkeys(run.arm for run in self.runs))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that any arm was trained with, ascending."""
        return tuple(sorted({run.seed for run in self.runs}))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics, without learning rates.

        Those that were measured on the test data have the prefix `test_`.
        """
        names = [name for run in self.runs for name in run.history if not is_rate(name)]
        tests = [f"test_{name}" for run in self.runs for name in run.test]
        return tuple(dict.fromkeys([*names, *tests]))

    def of(self, arm: str) -> tuple[Run, ...]:
        """Return the runs of one arm, by seed.

        Raises:
            ValueError: If there is no such arm.
        """
        found = tuple(run for run in self.runs if run.arm == arm)
        if not found:
            names = ", ".join(map(repr, self.arms))
            raise invalid("Comparison", "arm", f"one of {names}", arm)
        return found

    def final(self, metric: str) -> dict[str, tuple[float, ...]]:
        """Return a metric of the last epoch: arm → one value per seed, in the order of the seeds.

        Raises:
            ValueError: If no run reported the metric.
        """
        self._check(metric)
        return {arm: tuple(run.final(metric) for run in self.of(arm)) for arm in self.arms}

    def mean(self, metric: str) -> dict[str, float]:
        """Return the mean of `final(metric)` over the seeds, for each arm."""
        return {arm: statistics.fmean(values) for arm, values in self.final(metric).items()}

    def spread(self, metric: str) -> dict[str, float]:
        """Return the sample standard deviation of `final(metric)`; NaN where there is one seed."""
        return {arm: _spread(values) for arm, values in self.final(metric).items()}

    def differences(self, metric: str, to: str) -> dict[str, Difference]:
        """Return how far the other arms lie above one, seed by seed, with 95 % intervals.

        Args:
            metric: A metric; its values after the last epoch are compared.
            to: The arm that the others are compared with.

        Returns:
            Arm → the mean of its paired differences; an arm that shares no seed is left out.

        Raises:
            ValueError: For an unknown metric or arm.
        """
        self._check(metric)
        base = {run.seed: run.final(metric) for run in self.of(to)}
        found: dict[str, Difference] = {}
        for arm in self.arms:
            pairs = [run.final(metric) - base[run.seed] for run in self.of(arm) if run.seed in base]
            if arm != to and pairs:
                found[arm] = Difference.of(pairs)
        return found

    def steadiness(self, metric: str, last: int = 5) -> dict[str, float]:
        """Return the `steadiness` of a metric for each arm, the mean over its seeds."""
        self._check(metric)
        return {
            arm: statistics.fmean(
                steadiness(run.history.get(metric, ()), last) for run in self.of(arm)
            )
            for arm in self.arms
        }

    def table(self, **options: Any) -> Table:
        """Return a rich table (see `kerasdecay.report.comparison.comparison_table`)."""
        from kerasdecay.report.comparison import comparison_table

        return comparison_table(self, **options)

    def __repr__(self) -> str:
        return f"Comparison({', '.join(self.arms)}: {len(self.runs)} runs, seeds {self.seeds})"

    def plot(
        self, path: str | os.PathLike[str] | None = None, *, show: bool = False, **options: Any
    ) -> Figure:
        """Draw the curves of all arms (see `kerasdecay.report.comparison.comparison_figure`).

        Args:
            path: Where to save the picture, if anywhere: a name that ends in .png, .svg or .pdf.
            show: True opens it in a window, as `pyplot.show()` does.
            options: Those of `comparison_figure`.

        Raises:
            ImportError: If matplotlib is missing, with the command that installs it.
        """
        from kerasdecay.report.comparison import comparison_figure
        from kerasdecay.report.figures import handed

        return handed(comparison_figure(self, **options), path, show=show)

    def to_dict(self) -> dict[str, Any]:
        """Return all runs as strict JSON data."""
        return {"runs": [run.to_dict() for run in self.runs]}

    def to_json(self, path: str | os.PathLike[str], extra: Mapping[str, Any] | None = None) -> Path:
        """Write all runs to one JSON file; `extra` is JSON data that comes before them."""
        return write_atomically(path, to_json({**(extra or {}), **self.to_dict()}))

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the histories as tidy CSV: one row per arm, seed and epoch.

        Epochs count from 0, as in Keras' CSVLogger. A value that an epoch did not report, or that
        is not a number, is `nan`.
        """
        names = dict.fromkeys(name for run in self.runs for name in run.history)
        rows: list[list[Any]] = [["arm", "seed", "epoch", *names]]
        for run in self.runs:
            for epoch in range(max(map(len, run.history.values()), default=0)):
                columns = [run.history.get(name, ()) for name in names]
                values = [one[epoch] if epoch < len(one) else math.nan for one in columns]
                rows.append([run.arm, run.seed, epoch, *values])
        return write_atomically(path, csv_text(rows))

    def _check(self, metric: str) -> None:
        rates = dict.fromkeys(name for run in self.runs for name in run.learning_rates)
        known = (*self.metrics, *rates)
        if metric not in known:
            raise invalid("Comparison", "metric", f"one of {', '.join(known)}", metric)


def _spread(values: tuple[float, ...]) -> float:
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return math.nan
    return statistics.stdev(values)
