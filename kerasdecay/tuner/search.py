"""The results of a search: its trials as data, the best decay as a callback."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kerasdecay import _checks
from kerasdecay.callbacks import LearningRateDecay
from kerasdecay.records import SearchResult, TrialResult
from kerasdecay.tuner.space import Space
from kerasdecay.tuner.trial_files import Record

COMPLETED = "COMPLETED"


def search_result(tuner: Any, *, prefix: str | None = None) -> SearchResult:
    """Return the trials of a search, finished or not.

    Args:
        tuner: A KerasTuner tuner, also one made again over the folder of an earlier search. In a
            distributed search it must be the chief's; made again, it finds the search's folder with
            KERASTUNER_TUNER_ID=chief.
        prefix: Of the decay's hyperparameters; None takes the `DecayHyperModel`'s, else `"decay_"`.

    Raises:
        ValueError: If no trial has a decay under this prefix, or the tuner is a worker's.
    """
    trials = [trial for trial in _trials("search_result", tuner) if trial.hyperparameters.values]
    space = getattr(tuner.hypermodel, "space", None)
    if prefix is None:
        prefix = space.prefix if isinstance(space, Space) else "decay_"
    if trials and not any(f"{prefix}name" in trial.hyperparameters.values for trial in trials):
        known = ", ".join(trials[0].hyperparameters.values)
        raise ValueError(
            f"search_result: prefix must be the one that the decay was searched with. Received: "
            f"prefix={prefix!r}, where the hyperparameters are {known}."
        )
    objective = tuner.oracle.objective
    ranks = {trial.trial_id: rank for rank, trial in enumerate(_ranked(trials, objective), start=1)}
    ordered = sorted(
        trials, key=lambda trial: (ranks.get(trial.trial_id, math.inf), trial.trial_id)
    )
    results = [_result(tuner, trial, ranks.get(trial.trial_id), prefix) for trial in ordered]
    return SearchResult(objective.name, objective.direction, tuple(results))


def best_decay(tuner: Any, *, epochs: int | None = None, **space: Any) -> LearningRateDecay:
    """Return a new callback with the best trial's decay, ready for `fit`.

    Its parameters are those that the trial trained with, which differ from the values that the
    tuner drew where those did not fit the epochs.

    Args:
        tuner: A KerasTuner tuner that has searched. In a distributed search it must be the chief's.
        epochs: The horizon; None takes that of the `fit` it is used in.
        space: After a search with a `fit` of your own, the arguments of its `decay_from_hp`
            (`decays`, `prefix` …). Nothing after a search with `DecayHyperModel`, which knows them.

    Raises:
        ValueError: If no trial was completed, the arguments are not those of the search, or the
            tuner is a worker's.

    Examples:
        >>> # model = tuner.hypermodel.build(tuner.get_best_hyperparameters()[0])
        >>> # model.fit(x, y, epochs=30, callbacks=[best_decay(tuner)])
    """
    trials = _trials("best_decay", tuner)
    ranked = _ranked(trials, tuner.oracle.objective)
    if not ranked:
        failures = [text for trial in trials if (text := _failure(trial))]
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
    drawn = found.drawn(hp)
    if unknown := sorted(set(hp.values) - searched):
        raise ValueError(
            f"best_decay: the best trial has no {', '.join(unknown)}. Received: a trial with "
            f"{', '.join(sorted(searched))}. Pass the arguments that decay_from_hp had."
        )
    record = _record(tuner, ranked[0])
    if record is not None:
        drawn = dataclasses.replace(drawn, values={**drawn.values, **record.parameters})
    return drawn.decay(epochs=epochs)


def _trials(owner: str, tuner: Any) -> list[Any]:
    """Return all trials of a tuner; raise a ValueError where it is no tuner, or knows none."""
    oracle = getattr(tuner, "oracle", None)
    if oracle is None:
        raise _checks.invalid(owner, "tuner", "a KerasTuner tuner", tuner)
    if not hasattr(oracle, "trials"):  # the client through which a worker asks the chief
        raise ValueError(
            f"{owner}: tuner must be the chief's in a distributed search, for a worker does not "
            f"know the trials. Received: a tuner with an {type(oracle).__name__}. Call {owner} "
            "after search(…) in the process whose KERASTUNER_TUNER_ID is chief, or later in one "
            "that makes the tuner again over the same directory and project_name, with "
            "KERASTUNER_TUNER_ID=chief and without KERASTUNER_ORACLE_IP."
        )
    return list(oracle.trials.values())


def _ranked(trials: Iterable[Any], objective: Any) -> list[Any]:
    """Return the completed trials, the best first; of equals, the one that began earlier.

    KerasTuner's own list also has trials that failed. It breaks ties by the order in which it found
    the trials' files, which changes when a search is reloaded.
    """
    completed = [trial for trial in trials if trial.status == COMPLETED]
    sign = -1.0 if objective.direction == "max" else 1.0
    return sorted(completed, key=lambda trial: (sign * trial.score, trial.trial_id))


def _result(tuner: Any, trial: Any, rank: int | None, prefix: str) -> TrialResult:
    values = dict(trial.hyperparameters.values)
    name = str(values.get(f"{prefix}name", ""))
    own = f"{prefix}{name}_"
    record = _record(tuner, trial)
    parameters = {
        key.removeprefix(own): value for key, value in values.items() if key.startswith(own)
    }
    epochs = len(record.learning_rates) if record else values.get("tuner/epochs")
    return TrialResult(
        trial_id=trial.trial_id,
        rank=rank,
        status=trial.status,
        decay=name,
        learning_rate=float(values.get(f"{prefix}learning_rate", math.nan)),
        parameters={**parameters, **(record.parameters if record else {})},
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


def _record(tuner: Any, trial: Any) -> Record | None:
    return Record.read(Path(tuner.get_trial_dir(trial.trial_id)))


def _failure(trial: Any) -> str:
    """Return in one line why a trial failed; an empty text if it did not."""
    if trial.status in (COMPLETED, "RUNNING"):
        return ""
    lines = (trial.message or "").strip().splitlines()
    if lines:
        return lines[-1]
    return "the objective is not a number" if trial.score is not None else trial.status.lower()
