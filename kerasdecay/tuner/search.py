"""What a search has found: its trials as data, and the best decay as a callback."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdecay import _checks
from kerasdecay._files import write_atomically
from kerasdecay._json import to_json
from kerasdecay.callbacks import LearningRateDecay
from kerasdecay.tuner.space import Space
from kerasdecay.tuner.trial_files import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

COMPLETED = "COMPLETED"


@dataclass(frozen=True)
class TrialResult:
    """One trial.

    Attributes:
        trial_id: KerasTuner's.
        rank: 1 is the best; None for a trial that was not completed.
        status: KerasTuner's: `"COMPLETED"`, `"FAILED"`, `"RUNNING"` …
        decay: The decay's name.
        learning_rate: Its initial rate.
        parameters: Its own parameters, by their short names.
        others: The other hyperparameters, the model's.
        score: The objective, None where there is none.
        epochs: Epochs done, those of the rungs before included; None where unknown.
        horizon: The epochs that the decay was planned for; None where unknown.
        learning_rates: The rate in the last step of each epoch, empty where unknown.
        events: What rules decided.
        failure: Why it failed, in a line; empty if it did not.
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
class SearchResult:
    """The trials of a search, the best first. Printed with rich it is a table.

    Attributes:
        objective: The objective's name.
        direction: `"min"` or `"max"`.
        trials: Ranked; those that were not completed stand last.
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

    def __rich__(self) -> Table:
        return self.table()

    def plot(self, path: str | os.PathLike[str] | None = None, **options: Any) -> Figure:
        """Draw the search (see `kerasdecay.report.tuner.search_figure`).

        Args:
            path: Where to save the picture, if anywhere: a name that ends in .png, .svg or .pdf.
            options: Those of `search_figure`.

        Raises:
            ImportError: If matplotlib is missing, with the command that installs it.
        """
        from kerasdecay.report.figures import saved
        from kerasdecay.report.tuner import search_figure

        return saved(search_figure(self, **options), path)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return asdict(self)

    def to_json(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to one JSON file."""
        return write_atomically(path, to_json(self.to_dict()))


def search_result(tuner: Any, *, prefix: str | None = None) -> SearchResult:
    """Return the trials of a search, finished or not.

    Args:
        tuner: A KerasTuner tuner; also one made again over the folder of an earlier search.
        prefix: Of the decay's hyperparameters; None takes the `DecayHyperModel`'s, else `"decay_"`.

    Raises:
        ValueError: If no trial has a decay under this prefix.
    """
    space = getattr(tuner.hypermodel, "space", None)
    if prefix is None:
        prefix = space.prefix if isinstance(space, Space) else "decay_"
    objective = tuner.oracle.objective
    trials = [trial for trial in tuner.oracle.trials.values() if trial.hyperparameters.values]
    if trials and not any(f"{prefix}name" in trial.hyperparameters.values for trial in trials):
        known = ", ".join(trials[0].hyperparameters.values)
        raise ValueError(
            f"search_result: prefix must be the one that the decay was searched with. Received: "
            f"prefix={prefix!r}, where the hyperparameters are {known}."
        )
    ranks = {trial.trial_id: rank for rank, trial in enumerate(_ranked(tuner), start=1)}
    ordered = sorted(
        trials, key=lambda trial: (ranks.get(trial.trial_id, math.inf), trial.trial_id)
    )
    results = [_result(tuner, trial, ranks.get(trial.trial_id), prefix) for trial in ordered]
    return SearchResult(objective.name, objective.direction, tuple(results))


def best_decay(tuner: Any, *, epochs: int | None = None, **space: Any) -> LearningRateDecay:
    """Return a new callback with the best trial's decay, ready for `fit`.

    Args:
        tuner: A KerasTuner tuner that has searched.
        epochs: The horizon; None takes that of the `fit` it is used in.
        space: After a search with a `fit` of your own, the arguments of its `decay_from_hp`
            (`decays`, `prefix` …). Nothing after a search with `DecayHyperModel`, which knows them.

    Raises:
        ValueError: If no trial was completed, or the arguments are not those of the search.

    Examples:
        >>> # model = tuner.hypermodel.build(tuner.get_best_hyperparameters()[0])
        >>> # model.fit(x, y, epochs=30, callbacks=[best_decay(tuner)])
    """
    ranked = _ranked(tuner)
    if not ranked:
        failures = [text for trial in tuner.oracle.trials.values() if (text := _failure(trial))]
        first = f" The first that failed said: {failures[0]}" if failures else ""
        raise ValueError(f"best_decay: tuner has not completed a single trial.{first}")
    known = getattr(tuner.hypermodel, "space", None)
    if isinstance(known, Space) and space:
        raise _checks.invalid(
            "best_decay", "further arguments", "none after a search with DecayHyperModel", space
        )
    found = known if isinstance(known, Space) else Space.of(**space)
    hp = ranked[0].hyperparameters.copy()
    searched = set(hp.values)
    decay = found.decay(hp, epochs=epochs)
    if unknown := sorted(set(hp.values) - searched):
        raise ValueError(
            f"best_decay: the best trial has no {', '.join(unknown)}. Received: a trial with "
            f"{', '.join(sorted(searched))}. Pass the arguments that decay_from_hp had."
        )
    return decay


def _ranked(tuner: Any) -> list[Any]:
    """Return the completed trials, best first; of equals, the one that began earlier.

    KerasTuner's own list is filled up with trials that failed, and breaks ties by the order in
    which it found the files of a search that it reloaded.
    """
    completed = [trial for trial in tuner.oracle.trials.values() if trial.status == COMPLETED]
    sign = -1.0 if tuner.oracle.objective.direction == "max" else 1.0
    return sorted(completed, key=lambda trial: (sign * trial.score, trial.trial_id))


def _result(tuner: Any, trial: Any, rank: int | None, prefix: str) -> TrialResult:
    values = dict(trial.hyperparameters.values)
    name = str(values.get(f"{prefix}name", ""))
    own = f"{prefix}{name}_"
    record = Record.read(Path(tuner.get_trial_dir(trial.trial_id)))
    epochs = len(record.learning_rates) if record else values.get("tuner/epochs")
    return TrialResult(
        trial_id=trial.trial_id,
        rank=rank,
        status=trial.status,
        decay=name,
        learning_rate=float(values.get(f"{prefix}learning_rate", math.nan)),
        parameters={
            key.removeprefix(own): value for key, value in values.items() if key.startswith(own)
        },
        others={
            key: value for key, value in values.items() if not key.startswith((prefix, "tuner/"))
        },
        score=None if trial.score is None or math.isnan(trial.score) else float(trial.score),
        epochs=None if epochs is None else int(epochs),
        horizon=record.horizon if record else None,
        learning_rates=record.learning_rates if record else (),
        events=record.events if record else (),
        failure=_failure(trial),
    )


def _failure(trial: Any) -> str:
    if trial.status in (COMPLETED, "RUNNING"):
        return ""
    lines = (trial.message or "").strip().splitlines()
    if lines:
        return lines[-1]
    return "the objective is not a number" if trial.score is not None else trial.status.lower()
