"""What a trial leaves in KerasTuner's folder: the states of its rules, the record of its decay."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from kerasdecay._files import write_atomically
from kerasdecay._json import decode_number, to_json
from kerasdecay.callbacks import LearningRateDecay

STATE = "decay_state.json"
RECORD = "decay_record.json"


@dataclass(frozen=True)
class Record:
    """What the decay of a trial did, including the rungs that the trial was promoted from.

    Of each epoch, from 0 on, it has the rate in the last step. The parameters are those that it
    trained with, and `horizon` the epochs that it was planned for.
    """

    horizon: int
    learning_rates: tuple[float, ...]
    events: tuple[str, ...]
    parameters: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Return the record in a trial's folder; None where there is none that can be read."""
        try:
            data = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            rates = tuple(map(decode_number, data["learning_rates"]))
            # A folder of an earlier version has no parameters, and the tuner's own values count.
            parameters = dict(data.get("parameters", {}))
            return cls(int(data["horizon"]), rates, tuple(map(str, data["events"])), parameters)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @classmethod
    def of(
        cls, decay: LearningRateDecay, parameters: Mapping[str, Any], before: Self | None
    ) -> Self | None:
        """Return what a training under `decay` did, after the rungs `before`."""
        trace = decay.trace
        if trace is None:
            return None
        key = next(iter(trace.setup.base_rates))
        past = () if before is None else before.learning_rates[: trace.setup.first_epoch]
        rates = tuple(logs[key] for _, logs in trace.logs)
        events = () if before is None else before.events
        events = (*events, *map(str, trace.events))
        return cls(trace.setup.epochs, (*past, *rates), events, parameters)


class TrialFiles:
    """The files of one execution of a trial.

    KerasTuner keeps the weights of the best epoch of all executions, and a promoted trial goes on
    with them. Therefore state and record stay from the execution that these weights come from.
    """

    def __init__(self, folder: Path, parent: Path | None, saver: Any) -> None:
        self._folder = folder
        self._parent = parent
        self._saver = saver
        self._best_before = self._best()

    @classmethod
    def of(cls, callbacks: Iterable[Any]) -> Self | None:
        """Return the files of the trial that KerasTuner's callbacks belong to; None without one."""
        tuner = trial = saver = None
        for callback in callbacks:
            if hasattr(callback, "tuner") and hasattr(callback, "trial"):
                tuner, trial = callback.tuner, callback.trial
            if hasattr(callback, "best_value") and hasattr(callback, "objective"):
                saver = callback
        if tuner is None or trial is None:
            return None
        folder = str(tuner.get_trial_dir(trial.trial_id))
        if "://" in folder:
            # A bucket has no such files. Rates are right without them; at each rung, rules begin
            # anew.
            return None
        promoted_from = trial.hyperparameters.values.get("tuner/trial_id")
        parent = None if promoted_from is None else Path(tuner.get_trial_dir(promoted_from))
        return cls(Path(folder), parent, saver)

    def begin(self) -> Path:
        """Return the path of this execution's state file, with the state of the rung before."""
        path = self._folder / f"{STATE}.running"
        path.unlink(missing_ok=True)  # left by an execution that was interrupted
        if self._parent is not None and (self._parent / STATE).is_file():
            shutil.copyfile(self._parent / STATE, path)
        return path

    def end(self, decay: LearningRateDecay, parameters: Mapping[str, Any]) -> None:
        """Keep state and record if KerasTuner has kept this execution's weights."""
        running = self._folder / f"{STATE}.running"
        if not self._is_kept():
            running.unlink(missing_ok=True)
            return
        if running.is_file():
            os.replace(running, self._folder / STATE)
        before = None if self._parent is None else Record.read(self._parent)
        record = Record.of(decay, parameters, before)
        if record is not None:
            write_atomically(self._folder / RECORD, to_json(asdict(record)))

    def _best(self) -> float:
        return float(getattr(self._saver, "best_value", math.inf))

    def _is_kept(self) -> bool:
        # Where the objective is not in the logs, the best value stays infinite and KerasTuner saves
        # the weights of every epoch, so that those of the last execution stay.
        return self._best() != self._best_before or math.isinf(self._best())
