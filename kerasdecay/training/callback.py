"""The decay callback: drives a training session by the hooks of `fit`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerasdecay import _checks
from kerasdecay._config import to_config
from kerasdecay.control import StateFile
from kerasdecay.control.store import check_path
from kerasdecay.records import Event, Trace
from kerasdecay.rules import BatchObservation, Rule
from kerasdecay.schedules import Moment, Schedule, Timeline
from kerasdecay.schedules.duration import Duration
from kerasdecay.training import arguments, conflicts, find, interrupted, probes, updates
from kerasdecay.training.averaging import WeightAverage, check_average
from kerasdecay.training.batch_losses import BatchLosses
from kerasdecay.training.beginning import Beginning, begin
from kerasdecay.training.given import GivenArguments
from kerasdecay.training.groups import group_knobs
from kerasdecay.training.guard import BatchRules
from kerasdecay.training.hyperparameters import hyperparameters
from kerasdecay.training.knobs import Knob, check_knobs
from kerasdecay.training.looking import Looking
from kerasdecay.training.memory import Memory
from kerasdecay.training.metrics import MetricWatch
from kerasdecay.training.plan import Plan, has_auto
from kerasdecay.training.probing import Probing, probed
from kerasdecay.training.session import Session
from kerasdecay.training.snapshot import BestStates


class DecayCallback(Looking, GivenArguments, keras.callbacks.Callback):
    """The life of every decay callback; the named ones only fill in the parts.

    A training begins with a probe if an initial rate is "auto"; then, or at once, its session
    begins. `_probing` is kept until the epoch in which the session has begun is over.

    The arguments are those of `LearningRateDecay`, and `group_factors`: pattern of variables' paths
    → what their rate is multiplied by, a number or a schedule.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Show the shared options in the signature of a subclass that takes `**options`."""
        super().__init_subclass__(**kwargs)
        cls.__signature__ = arguments.signature(cls.__init__, DecayCallback.__init__)

    def __init__(
        self,
        schedule: Any = None,
        *,
        optimizers: Mapping[str, Any] | None = None,
        warmup: Duration | None = None,
        rules: Rule[Any] | Sequence[Rule[Any]] | None = (),
        epochs: int | None = None,
        update: str = "auto",
        state_path: str | os.PathLike[str] | None = None,
        verbose: int | bool = 0,
        group_factors: Mapping[str, Any] | None = None,
        weight_decay: Any = None,
        momentum: Any = None,
        beta_1: Any = None,
        average_last: Duration | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        arguments.refuse_unexpected(type(self), unknown)
        self.rules = arguments.checked_rules(owner, rules)
        self.schedules = arguments.checked_schedules(schedule, optimizers, warmup)
        """Name of the optimizer → schedule; the one name None stands for all of the model's."""
        arguments.check_ways_down(self.schedules.values(), self.rules)
        self.epochs = (
            None if epochs is None else _checks.integer(owner, "epochs", epochs, at_least=1)
        )
        self.knobs: tuple[Knob, ...] = (
            *group_knobs(owner, group_factors),  # entered first: the others go round it
            *hyperparameters(owner, weight_decay=weight_decay, momentum=momentum, beta_1=beta_1),
        )
        self.average_last = check_average(owner, average_last, self.rules)
        sampled = [
            *self.schedules.values(),
            *(one for knob in self.knobs for one in knob.schedules),
        ]
        self.update = updates.choose(update, sampled, self.rules, owner)
        check_path(owner, state_path)
        self.state_path = state_path
        self.verbose = _checks.verbose(owner, verbose)
        self.trace: Trace | None = None
        self._session: Session | None = None
        self._memory: Memory | None = None
        self.counts_steps = True
        """Whether the optimizers' own counters tell their steps: not in a stateless loop."""
        self._end_training()
        if self.needs_batch_losses:
            # On the instance, so that Keras sees the hook only where it is needed: a class that
            # defines it gives up the asynchronous dispatch of logs for all of its instances.
            self.on_train_batch_end = self._note_batch

    def _end_training(self) -> None:
        """Drop what belongs to one training."""
        owner = type(self).__name__
        self._remember()
        self._session = None
        self._probing: Probing | None = None
        self._batch_rules: BatchRules | None = None
        self._has_spoilt_metrics = False
        self._epoch = 0
        self._state_file: StateFile | None = None
        self._watch: MetricWatch = MetricWatch(owner)
        self._directed = self.rules
        self._best_states = BestStates(owner)
        self._batch_losses = BatchLosses(owner)

    @property
    def events(self) -> list[Event]:
        """What the rules decided in the last training, each with its reason; not the "not yet"s."""
        return [] if self.trace is None else self.trace.events

    def set_model(self, model: Any = None) -> None:
        """Take the model of the training that begins; refuse it in the middle of another one."""
        if not isinstance(self, DecayCallback):  # called on the class, with the model alone
            raise TypeError(
                "callbacks=[…] holds the class of a decay, and no decay. Make one: CosineDecay(…)."
            )
        if model is not self._model:
            conflicts.refuse_two_trainings(self, allowed=0)
        super().set_model(model)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Check, before the first step, that this training can be done."""
        conflicts.check(self)
        model, left_over = self.model, self._probing if self._is_probing else None
        find.release(model)  # first, so that the rate it leaves is remembered
        self._end_training()
        self.trace = None
        targets = find.rate_targets(model, self.optimizer_names)
        if left_over is not None:
            left_over.recover(targets)
        for schedule in self.schedules.values():
            if isinstance(schedule, Schedule):
                schedule.check(Moment.of(0, self._timeline()))
        check_knobs(type(self).__name__, self.knobs, targets, model, counts=self.counts_steps)
        probes.check(type(self).__name__, self.rules)
        if self.average_last is not None:
            WeightAverage.check(type(self).__name__, model, self._timeline())
        self._directed = tuple(self._watch.directed(rule, model) for rule in self.rules)
        if self.state_path is not None:
            self._state_file = StateFile(self.state_path, self._configuration())

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the rate of the epoch's first batch."""
        model = self.model
        self._epoch = epoch
        if not (self._is_probing or self._is_steered(model)):
            self._start(model, epoch)
        if self._session is not None:
            self._session.begin_epoch(model, epoch)
        elif self._probing is not None:
            self._probing.begin_epoch(epoch)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the rate of this batch, if the schedule moves within epochs."""
        if self._has_spoilt_metrics:
            # Only now: after the last batch of an epoch there would be nothing left to log.
            self._has_spoilt_metrics = False
            self.model.reset_metrics()
            self._batch_losses.reset_mean()
        if self._session is not None:
            self._session.begin_batch(self, batch)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Note what the metrics were given in training."""
        if self.rules:
            self._watch.begin_validation(self.rules, self.model)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Log the rate that was used, let the rules observe, write what they decided."""
        logs = {} if logs is None else logs
        if self._batch_losses.end_epoch():
            self._watch_batch()
        losses = self._batch_losses.take()
        self._has_spoilt_metrics = False  # Keras begins them anew with each epoch
        model, probing = self.model, self._probing
        if self._session is None:
            if probing is not None:
                probing.end_epoch(logs)
            return
        self._directed = tuple(
            self._watch.directed(rule, model, is_built=rule.watched in logs)
            for rule in self._directed
        )
        unfed = self._watch.unfed(self.rules, logs, model)
        events = self._session.end_epoch(model, epoch, logs, self._directed, losses, unfed)
        if probing is not None:  # it ended in this epoch, possibly with the last batch
            probing.log(logs)
            self._probing = None
        self._follow(events, model)
        self._watch.note(self.rules, logs)
        self._save_state(epoch + 1)
        if self._memory is not None:
            self._memory.next_epoch = epoch + 1

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Keep the last rate, show the summary, and drop the reference to the model."""
        interrupted.unwatch(self.model)
        probing = self._probing
        if self._session is not None:
            self._session.end(self.model)
        elif probing is not None:
            self._end_probing(probing, 0).end(self.model)
            probing.warn_untrained()
        if self.verbose and self.trace is not None:
            self._show("summary", self.trace, told=True)
        watch = self._watch
        self._end_training()
        self._model = None
        watch.close(self.rules)  # last, because a warning may be turned into an error

    def take_losses_as_they_are(self) -> None:
        """Take the losses in the logs as those of single batches, and not as running means."""
        self._batch_losses.take_as_they_are()

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles carry the configuration and the record, not the model or the run."""
        owner = type(self).__name__
        run = ("session", "state_file", "memory", "probing", "batch_rules")
        return {
            **self.__dict__,
            **{f"_{name}": None for name in ("model", *run)},
            "_best_states": BestStates(owner),
            "_batch_losses": BatchLosses(owner),
        }

    def _note_batch(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        logs, probing = logs or {}, self._probing if self._is_probing else None
        if probing is not None:
            _ = self.model  # on JAX this brings the state of the training to the variables
            try:
                probing.require_loss(logs)
            except ValueError:
                self._probing = None
                raise
        if not self._batch_losses.note(self, batch, logs.get("loss"), self._due()):
            return
        if probing is not None:
            probing.add(self._batch_losses.latest)
            if probing.is_done:
                self._end_probing(probing, batch + 1)
            elif probing.begin_batch(self._epoch, batch + 1):
                self._has_spoilt_metrics = True
        elif self._batch_rules is not None:
            self._watch_batch()

    def _due(self) -> int:
        """Return after how many batches since the last loss the next one must be known."""
        session, wants_each = self._session, any(rule.needs_batch_losses for rule in self.rules)
        if session is None or self._batch_rules is None or wants_each:
            return 1
        return session.due(self._batch_losses.done)

    def _end_probing(self, probing: Probing, batch: int) -> Session:
        """Put everything back, and begin the training with this batch, from the rate found."""
        model, found = self.model, probing.end()
        self._batch_losses.forget()
        self._has_spoilt_metrics = True
        session = self._open(model, found)
        probing.record(session.trace)
        session.begin_epoch(model, self._epoch, batch)
        return session

    def _watch_batch(self) -> None:
        """Let the rules that watch batches observe one, and do what they decide."""
        assert self._batch_rules is not None
        assert self._session is not None
        losses = self._batch_losses
        seen = BatchObservation(
            self._epoch, losses.done - 1, losses.latest, batches=losses.latest_batches
        )
        events = self._batch_rules.watch(self, self._session, self._directed, seen)
        if any(event.decision.put_back or event.decision.restore_best for event in events):
            self._has_spoilt_metrics = True
        if self._state_file is not None and any(one.decision.changes_rate for one in events):
            self._state_file.save(self._session.bookmark_within())
        if any(event.kind == "improve" or event.decision.is_event for event in events):
            self._follow(events, self.model)

    def _save_state(self, epoch: int) -> None:
        """Write, if there is a state file, the states with which `epoch` begins."""
        if self._state_file is not None and self._session is not None:
            self._state_file.save(self._session.bookmark(epoch))

    def _timeline(self) -> Timeline:
        params = self.params or {}
        epochs = self.epochs if self.epochs is not None else params.get("epochs")
        if epochs is None:
            raise ValueError(
                f"{type(self).__name__}: epochs must be given where no fit tells them. Received: "
                "epochs=None. Pass epochs=…, all epochs there will be, to the decay, to "
                "keras.callbacks.CallbackList(…), or use kerasdecay.steer(…)."
            )
        return Timeline(epochs, params.get("steps"), self.update.unit)

    @property
    def probes(self) -> bool:
        """Whether a training begins with a probe, which finds an initial rate."""
        return has_auto(self.schedules.values())

    @property
    def needs_batch_losses(self) -> bool:
        """Whether a probe or a rule needs the loss of each batch."""
        return self.probes or any(
            one.needs_batch_losses or one.watches_batches for one in self.rules
        )

    @property
    def may_put_back(self) -> bool:
        """Whether weights may be put back: by a rule, or after the trials of a probe."""
        return self.probes or any(one.restores_best_weights or one.puts_back for one in self.rules)

    @property
    def _is_probing(self) -> bool:
        """Whether a probe is under way: the session begins when it has ended."""
        return self._probing is not None and self._session is None

    def _is_steered(self, model: Any) -> bool:
        """Whether there is a session, whose optimizers are still those that train the model."""
        session = self._session
        return session is not None and session.drives(find.targets_of(model, self.optimizer_names))

    def has_lost_optimizer(self, model: Any) -> bool:
        """Whether the model has another optimizer than the one whose rate is set."""
        return self._session is not None and not self._is_steered(model)

    def _start(self, model: Any, epoch: int) -> None:
        """Begin the training with `epoch`, or go on with it under a new optimizer."""
        changed = self._session is not None
        if changed:
            self._remember()
        plan = Plan(
            owner=type(self).__name__,
            schedules=self.schedules,
            rules=self._directed,
            update=self.update,
            timeline=self._timeline(),
            names=self.optimizer_names,
            initial_rate_argument=arguments.initial_rate_argument(type(self)),
            counts_steps=self.counts_steps,
            fit_epochs=(self.params or {}).get("epochs"),
            knobs=self.knobs,
            average_last=self.average_last,
        )
        beginning = begin(
            plan,
            model,
            epoch,
            self._memory,
            None if changed else self._state_file,
            former=self._session,
        )
        if any(rule.watches_batches for rule in self.rules):
            self._batch_rules = BatchRules(model, self.rules)
        begun = probed(model, beginning)
        if isinstance(begun, Probing):
            self._probing, self._session = begun, None
        else:
            self._open(model, begun)

    def _open(self, model: Any, beginning: Beginning) -> Session:
        """Begin the session of a training whose initial rates are known."""
        self._session = session = beginning.session(model)
        if self.knobs or self.update.compiled:
            interrupted.watch(model, self)
        self.trace = session.trace
        self._memory = Memory(next_epoch=self._epoch)
        if self.verbose and beginning.former is None:
            self._show("announcement", self.trace)
        # The initial rate, which a model saved within this epoch no longer tells.
        self._save_state(self._epoch)
        return session

    def _follow(self, events: list[Event], model: Any) -> None:
        """Do what decisions ask for besides a change of the rate."""
        for event in events:  # first: restored weights are not those of the best epoch
            rule = self.rules[event.rule]
            if not rule.restores_best_weights:
                continue
            self._best_states.miss(event)
            if event.kind == "improve":
                weights_only = not rule.restores_optimizer
                self._best_states.keep(event.rule, model, weights_only=weights_only)
        for event in events:
            self._carry_out(event, model)

    def _carry_out(self, event: Event, model: Any) -> None:
        assert self._session is not None
        if self.verbose and event.decision.changes_rate and self.trace is not None:
            self._show("decision_line", event, self.trace, wrap=False)
        if event.decision.restore_best:
            self._session.restore(model, lambda: self._best_states.restore(event.rule), event.batch)
        if event.decision.stop:
            model.stop_training = True

    def _remember(self) -> None:
        """Keep what the next training needs of this one, without a reference to its model."""
        if self._session is not None and self._memory is not None:
            self._memory.close(self._session)

    def _configuration(self) -> Any:
        """Return what must be the same for a state file to be this training's."""
        schedules = {name or "": to_config(one) for name, one in self.schedules.items()}
        return {
            "schedules": schedules,
            "rules": to_config(self.rules),
            "update": str(self.update),
            **({"knobs": [knob.get_config() for knob in self.knobs]} if self.knobs else {}),
        }
