"""A search for a decay with KerasTuner, one line a trial."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _errors import UsageError


@dataclass(frozen=True)
class DecaySearch:
    """What is searched, and how.

    Attributes:
        kind: `"random"`, `"bayesian"` or `"hyperband"`.
        trials: The number of trials; Hyperband has its own.
        epochs: The epochs of a whole training.
        decays: Names of `kerasdecay.tuner.DECAYS`.
        folder: KerasTuner writes its files into the subfolder `search` of this one.
        seed: Not 0, which KerasTuner takes for "none given".
    """

    kind: str
    trials: int
    epochs: int
    batch_size: int
    decays: tuple[str, ...]
    folder: Path
    seed: int


def search(
    settings: DecaySearch,
    build_model: Callable[[Any], Any],
    training: tuple[Any, Any],
    validation: tuple[Any, Any],
    tell: Callable[[str], None],
) -> tuple[Any, Any]:
    """Return the tuner, after its search, and the best decay.

    Raises:
        UsageError: If a package is missing, a decay unknown, or no trial came to its end.
    """
    try:
        import keras_tuner

        from kerasdecay.tuner import DecayHyperModel, best_decay

        hypermodel = DecayHyperModel(build_model, settings.decays, epochs=settings.epochs)
    except (ImportError, ValueError) as error:
        raise UsageError(str(error)) from error
    kind, options = {
        "random": (keras_tuner.RandomSearch, {"max_trials": settings.trials}),
        "bayesian": (
            keras_tuner.BayesianOptimization,
            # Its own default is three random trials for each hyperparameter: all of these.
            {"max_trials": settings.trials, "num_initial_points": max(settings.trials // 2, 2)},
        ),
        "hyperband": (keras_tuner.Hyperband, {"max_epochs": settings.epochs, "factor": 3}),
    }[settings.kind]
    with contextlib.redirect_stdout(io.StringIO()):  # "Reloading Tuner from …"
        tuner = telling(kind, tell)(
            hypermodel,
            objective="val_accuracy",
            directory=settings.folder,
            project_name="search",
            seed=settings.seed,
            **options,
        )
    tuner.search(
        *training,
        validation_data=validation,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        verbose=0,
    )
    try:
        return tuner, best_decay(tuner)
    except ValueError as error:
        raise UsageError(str(error)) from error


def telling(kind: type, tell: Callable[[str], None]) -> type:
    """Return a tuner class with a line after each trial instead of KerasTuner's tables."""

    class Telling(kind):
        def on_trial_begin(self, trial: Any) -> None:
            self.started = time.perf_counter()
            super().on_trial_begin(trial)

        def on_trial_end(self, trial: Any) -> None:
            super().on_trial_end(trial)
            limit = self.oracle.max_trials
            values = trial.hyperparameters.values
            score = self.oracle.get_trial(trial.trial_id).score
            first = values.get("tuner/initial_epoch")
            tell(
                f"trial {len(self.oracle.end_order)}{f' of {limit}' if limit else ''}: "
                f"{values['decay_name']} from {values['decay_learning_rate']:.3g}"
                f"{f', on from epoch {first + 1}' if first else ''}: "
                f"{'failed' if score is None else f'{score:.4f}'} "
                f"({time.perf_counter() - self.started:.0f} s)"
            )

    return Telling
