"""The decay callback: binds a schedule to a training, feeds the rules, keeps the record."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from typing import Any, Self

import keras

from kerasdecay import _checks
from kerasdecay._config import from_config, to_config
from kerasdecay.callbacks import compiled, metrics, optimizers, plans, updates
from kerasdecay.callbacks.base_rates import BaseRates
from kerasdecay.callbacks.batch_losses import BatchLosses
from kerasdecay.callbacks.beginning import begin
from kerasdecay.callbacks.best_weights import BestWeights
from kerasdecay.callbacks.options import checked_rules, spelt_out
from kerasdecay.callbacks.run import Run
from kerasdecay.callbacks.state_file import StateFile
from kerasdecay.records import Event, Trace
from kerasdecay.rules import Rule
from kerasdecay.schedules import Moment, Schedule, Timeline
from kerasdecay.schedules import warmup as warmed_up
from kerasdecay.schedules.duration import Duration


class DecayCallback(keras.callbacks.Callback):
    """The life of every decay callback; subclasses are final and only fill in the parts.

    Args:
        schedule: A schedule, or a function f(epoch) or f(epoch, learning_rate).
        warmup: A linear warmup before it: a duration, or None.
        rules: The rules that scale it.
        epochs: The horizon in epochs, warmup included; None takes `fit`'s.
        update: When the rate is written: `"auto"`, `"epoch"`, `"batch"`, `"20 steps"` or
            `"compiled"`.
        state_path: A file for the rules' states; needed only to go on after a crash.
        verbose: 0 shows nothing, 1 a panel before and a summary after the training.
    """

    _arguments: tuple[tuple[Any, ...], dict[str, Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Spell the `**options` of a subclass out in its signature, for help and completion."""
        super().__init_subclass__(**kwargs)
        cls.__signature__ = spelt_out(cls.__init__, DecayCallback.__init__)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Keep the arguments as given, for `get_config`; refuse a keyword that there is not."""
        known = inspect.signature(cls).parameters
        for name in kwargs.keys() - known.keys():
            raise TypeError(
                f"{cls.__name__}() got an unexpected keyword argument {name!r}. It takes "
                f"{', '.join(known)}."
            )
        self = super().__new__(cls)
        self._arguments = (args, kwargs)
        return self

    def __init__(
        self,
        schedule: Any,
        *,
        warmup: Duration | None = None,
        rules: Rule[Any] | Sequence[Rule[Any]] = (),
        epochs: int | None = None,
        update: str = "auto",
        state_path: str | os.PathLike[str] | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        schedule = plans.as_schedule(schedule)
        if warmup is not None:
            if not isinstance(schedule, Schedule):
                raise _checks.invalid(
                    owner,
                    "warmup",
                    "None with a function of (epoch, learning_rate), whose rates are known only as "
                    "they come",
                    warmup,
                    "Use a schedule, or a function of the epoch alone.",
                )
            schedule = warmed_up(schedule, warmup)
        self.schedule = schedule
        self.rules = checked_rules(owner, rules)
        if not isinstance(schedule, Schedule) and any(rule.way_down for rule in self.rules):
            raise plans.no_way_down()
        self.epochs = (
            None if epochs is None else _checks.integer(owner, "epochs", epochs, at_least=1)
        )
        self.update = updates.choose(update, schedule, self.rules)
        self.state_path = state_path
        self.verbose = _checks.integer(owner, "verbose", verbose, at_least=0)
        self.trace: Trace | None = None
        self._run: Run | None = None
        self._state_file: StateFile | None = None
        self._best_weights = BestWeights(owner)
        self._watch = metrics.Watch(owner)
        self._directed = self.rules
        self._base_rates = BaseRates(owner)
        self._batch_losses = BatchLosses()
        if any(rule.needs_batch_losses for rule in self.rules):
            # On the instance, so that Keras sees the hook only where it is needed: a class that
            # defines it gives up the asynchronous dispatch of logs for all of its instances.
            self.on_train_batch_end = self._note_batch

    @property
    def events(self) -> list[Event]:
        """What the rules decided in the last training, each with its reason; not the "not yet"s."""
        return [] if self.trace is None else self.trace.events

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Find out, before the first step, whether this training can be done."""
        self._forget()
        self.trace = None
        compiled.release(self.model)
        self._base_rates.found_at(compiled.released_rates(self.model))
        optimizers.check_settable(self.model)
        if isinstance(self.schedule, Schedule):
            self.schedule.check(Moment.of(0, self._timeline()))
        self._watch = metrics.Watch(type(self).__name__)
        self._directed = tuple(self._watch.directed(rule, self.model) for rule in self.rules)
        if self.state_path is not None:
            self._state_file = StateFile(self.state_path, self._fingerprint())

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the rate of the epoch's first batch."""
        if self._run is None:
            self._run = self._start(epoch)
            # The initial rate, which a model saved within this epoch no longer tells.
            self._save_state(epoch)
        self._run.begin_epoch(self.model, epoch)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the rate of this batch, if the schedule moves within epochs."""
        if self._run is not None:
            self._run.begin_batch(self, batch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Log the rate used, feed the rules, write what they decided."""
        if self._run is None:
            return
        logs = {} if logs is None else logs
        model = self.model
        self._directed = tuple(
            self._watch.directed(rule, model, built=rule.watched in logs) for rule in self._directed
        )
        events = self._run.end_epoch(model, epoch, logs, self._directed, self._batch_losses.take())
        decided = [(event, index % len(self.rules)) for index, event in enumerate(events)]
        for event, rule in decided:  # first of all, for a restored weight is nobody's best
            if event.kind == "improve" and self.rules[rule].restores_best_weights:
                self._best_weights.keep(rule, model)
        for event, rule in decided:
            self._obey(event, rule, model)
        self._watch.note(self.rules, epoch, logs)
        self._save_state(epoch + 1)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Leave the last rate in place, show the summary, let go of the model."""
        if self._run is not None:
            self._run.end(self.model)
        if self.verbose and self.trace is not None:
            from kerasdecay.report import console, training

            console.show(training.summary(self.trace))
        self._forget()
        self._model = None
        self._watch.close(self.rules)  # last, for a warning may be made an error

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain data; a function stays the object that it is."""
        args, kwargs = self._arguments
        given = inspect.signature(type(self)).bind(*args, **kwargs).arguments
        return {name: to_config(value) for name, value in given.items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Rebuild a callback from `get_config()`'s result."""
        return cls(**{name: from_config(value) for name, value in config.items()})

    def __repr__(self) -> str:
        args, kwargs = self._arguments
        given = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]
        return f"{type(self).__name__}({', '.join(given)})"

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles carry the configuration and the record, not the model or the run."""
        emptied = {"_best_weights": BestWeights(type(self).__name__)}
        return {**self.__dict__, **_NOT_CARRIED, **emptied}

    def _note_batch(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        mean = (logs or {}).get("loss")
        if mean is not None:  # a training step of one's own may tell none
            self._batch_losses.note(batch, float(mean), (self.params or {}).get("steps"))

    def _save_state(self, epoch: int) -> None:
        """Write, if there is a state file, the states with which `epoch` begins."""
        if self._state_file is None or self._run is None:
            return
        channels = self._run.channels
        states = {
            channel.key: [state.to_data() for state in channel.states] for channel in channels
        }
        bases = {channel.key: channel.plan.base_rate for channel in channels}
        self._state_file.save(epoch, bases, states)

    def _timeline(self) -> Timeline:
        params = self.params or {}
        epochs = self.epochs if self.epochs is not None else params.get("epochs", 1)
        return Timeline(epochs, params.get("steps"), self.update.unit)

    def _start(self, epoch: int) -> Run:
        run = begin(
            decay=type(self).__name__,
            schedule=self.schedule,
            rules=self._directed,
            update=self.update,
            timeline=self._timeline(),
            epoch=epoch,
            leaves=optimizers.leaves(self.model),
            base_rates=self._base_rates,
            state_file=self._state_file,
        )
        self.trace = run.trace
        if self.verbose:
            from kerasdecay.report import console, training

            console.show(training.announcement(self.trace))
        return run

    def _obey(self, event: Event, rule: int, model: Any) -> None:
        """Do what a decision of the rule with this index asks for besides the rate."""
        if self.verbose and self.trace is not None and event.decision.changes_rate:
            from kerasdecay.report import console, training

            console.show(training.decision_line(event, self.trace), wrap=False)
        if event.decision.restore_best:
            self._best_weights.restore(rule, model)
        if event.decision.stop:
            model.stop_training = True

    def _forget(self) -> None:
        """Drop what belongs to one training; remember with which rates it left the optimizer."""
        if self._run is not None:
            self._base_rates.remember(self._run.channels)
        self._run = self._state_file = None
        self._best_weights = BestWeights(type(self).__name__)
        self._batch_losses.take()  # of an epoch that was interrupted

    def _fingerprint(self) -> Any:
        schedule = to_config(self.schedule)
        return {"schedule": schedule, "rules": to_config(self.rules), "update": str(self.update)}


_NOT_CARRIED = {"_model": None, "_run": None, "_state_file": None}
