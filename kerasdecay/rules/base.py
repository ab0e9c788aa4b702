"""The rule: an immutable state and a pure `advance(state, observation)`, which returns the next."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

from kerasdecay import _checks
from kerasdecay._config import Configurable
from kerasdecay.rules.monitor import direction_of
from kerasdecay.rules.observation import BatchObservation, Observation, epochs_of
from kerasdecay.rules.state import RuleState, fields_from_data


@dataclasses.dataclass(frozen=True)
class Descent:
    """How the rate comes down once a rule has chosen the moment; see `schedules.cooldown`.

    Args:
        curve: `"linear"`, `"1-sqrt"` or `"cosine"`.
        final_learning_rate: The rate at the horizon, >= 0.
    """

    curve: str
    final_learning_rate: float = 0.0


WayDown = Descent
"""The former name of `Descent`."""

State = TypeVar("State", bound=RuleState)


@dataclasses.dataclass(frozen=True)
class Rule(Configurable, abc.ABC, Generic[State]):
    """A closed-loop rule. Subclasses are frozen dataclasses, final, and need no Keras.

    rate(t) = schedule(t) × scale: a rule maps its state and an observation to the next state, which
    contains the scale. A subclass defines `watched` and `advance`, and overrides other members only
    where it needs to. The checks of its fields (`kerasdecay._checks.field`) run when it is made.

    Args:
        every: `"500 steps"`: the rule observes the mean loss of every 500 batches in place of an
            epoch's logs, and decides within epochs. Its patience and its cooldown then count
            observations. Windows continue from one epoch into the next. In `fit` the mean is taken
            over the samples, within each epoch's part of a window. None: once an epoch.

    Raises:
        ValueError: For `every` with a rule that watches anything but `"loss"`, which is not known
            within an epoch.

    Examples:
        >>> from kerasdecay.rules import Plateau
        >>> rule = Plateau("loss", factor=0.5, patience=2)
        >>> [state.scale for state in rule.replay([1.0, 1.0, 1.0, 1.0, 1.0])]
        [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    state_class: ClassVar[type[RuleState]] = RuleState

    every: str | None = dataclasses.field(
        default=None, kw_only=True, metadata=_checks.checking(_checks.steps, optional=True)
    )

    def __post_init__(self) -> None:
        """Check every field, and that what it watches can be observed that often."""
        super().__post_init__()
        if self.every is None:
            return
        if type(self).advance_batch is not Rule.advance_batch:
            raise _checks.invalid(
                self.owner(), "every", "None for a rule that looks at each batch", self.every
            )
        if self.watched != "loss":
            raise _checks.invalid(
                self.owner(),
                "every",
                f"None for a rule that watches {self.watched!r}, which is known at an epoch's end",
                self.every,
                "Within an epoch only monitor='loss' can be observed.",
            )

    def as_callback(self) -> str:
        """Return how a callback of this rule is written."""
        return f'LearningRateDecay("constant", rules=[{type(self).__name__}(…)])'

    @abc.abstractmethod
    def advance(self, state: State, observation: Observation) -> State:
        """Return the state after one more epoch, with the decision in it."""

    @property
    @abc.abstractmethod
    def watched(self) -> str:
        """The name in the epoch's logs of the value that the rule watches."""

    @property
    def waits(self) -> str:
        """The argument that makes it wait before it decides: `patience=10`; empty without one."""
        return f"patience={self.patience}" if hasattr(self, "patience") else ""

    def earliest(self, epochs: int, steps_per_epoch: int | None = None, rests: int = 0) -> int:
        """Return after how many epochs it can change the rate at the earliest.

        Args:
            epochs: The horizon.
            steps_per_epoch: Batches in an epoch, if they are known.
            rests: The epochs at the start in which rules rest.

        Examples:
            >>> from kerasdecay.rules import Plateau
            >>> Plateau("loss", patience=5).earliest(epochs=30, rests=2)
            8
        """
        # The first observation is the best so far.
        observed = max(getattr(self, "patience", 0), 1) + 1 if self.waits else 1
        if self.every is None:
            return rests + observed
        steps = int(self.every.split()[0]) * observed
        return rests + (0 if steps_per_epoch is None else steps // steps_per_epoch)

    @property
    def way_down(self) -> Descent | None:
        """How the rate comes down from `cooldown_from` on; None for a rule that never sets it."""
        return None

    @property
    def measurement(self) -> str | None:
        """The name of a measurement of the model that must be in the logs, or None.

        `"weight_norm"` is built in; a rule may name one that its user has registered.
        """
        return None

    @property
    def needs_batch_losses(self) -> bool:
        """Whether it reads `Observation.losses`, which costs a call at each batch."""
        return False

    @property
    def watches_batches(self) -> bool:
        """Whether it is shown each batch, by `advance_batch`, which costs a call at each."""
        return self.every is not None

    def due(self, state: State) -> int:
        """Return after how many batches at most the rule must observe them.

        With `every` this is the rest of its window, whose batches may be observed as one.
        """
        return 1 if self.every is None else int(self.every.split()[0]) - state.window_batches

    @property
    def puts_back(self) -> bool:
        """Whether its decisions may put everything back, of which copies are kept for it."""
        return False

    def looks_after(self, state: State) -> bool:
        """Whether it wants to see the variables after the next batch; see `Look`."""
        return False

    def confirms(self, state: State) -> bool:
        """Whether the snapshot of the last look has turned out good with the batch just seen.

        Only a rule that puts back is asked.
        """
        return True

    def advance_batch(self, state: State, seen: BatchObservation) -> State:
        """Return the state after one more batch, with the decision in it.

        Unless a rule overrides this, it gathers the losses of the batches, and observes their mean
        once there are as many as `every` says.
        """
        state = state.gathering(seen.value, seen.batches)
        if self.every is None or self.due(state) > 0:
            return state
        total = math.nan if state.window_sum is None else state.window_sum
        logs = {"loss": total / state.window_batches}
        state = dataclasses.replace(state, window_sum=0.0, window_batches=0)
        observed = Observation(seen.epoch, logs, seen.learning_rate, seen.planned, seen.epochs)
        return self.advance(state, observed)

    def end_epoch(self, state: State, observation: Observation) -> State:
        """Return the state after an epoch, for a rule that observes every N steps.

        The end of an epoch is no observation for it: the state is the same if there is nothing to
        decide.
        """
        return state

    def has_observed(self, state: State) -> bool:
        """Whether the batch after which it has this state was the last one of an observation."""
        return state.window_batches == 0

    def observations(self, count: int) -> str:
        """Return a number of observations in words: `3 epochs`, or `3 × 500 steps`."""
        if self.every is not None:
            return f"{count} × {self.every}"
        return f"{count} epoch" + ("s" if count != 1 else "")

    @property
    def restores_best_weights(self) -> bool:
        """Whether its decisions may ask for the weights of the best epoch."""
        return getattr(self, "restore_best_weights", False)

    @property
    def restores_optimizer(self) -> bool:
        """Whether optimizer variables and non-trainable state are restored with the weights."""
        return getattr(self, "restore_optimizer", True)

    @property
    def depends_on_rate(self) -> bool:
        """Whether its decisions depend on the rate itself, because of a bound for instance."""
        return getattr(self, "min_lr", 0.0) > 0

    def directed(self, find: Callable[[str], str | None]) -> Self:
        """Return the rule with its mode `"auto"` replaced, if `find` knows the watched metric.

        Args:
            find: Called with the metric's name; returns `"min"`, `"max"`, or None.
        """
        direction = find(self.watched) if getattr(self, "mode", None) == "auto" else None
        if direction is None:
            return self
        return dataclasses.replace(self, mode=direction)  # type: ignore[call-arg]

    @property
    def undirected(self) -> str | None:
        """The watched metric, if neither mode nor name tells which direction is better, or None."""
        if getattr(self, "mode", None) != "auto" or direction_of(self.watched):
            return None
        return self.watched

    def initial_state(self) -> State:
        """Return the state before any observation."""
        return self.state_class()  # type: ignore[return-value]

    def state_from_data(self, data: Mapping[str, Any]) -> State:
        """Reverse `RuleState.to_data`.

        Raises:
            ValueError: If the data are not those of this rule's state; names the rule and the
                field.
        """
        expected = self.initial_state().to_data()
        values = fields_from_data(self.owner(), self.state_class, expected, data)
        return self.state_class(**values)  # type: ignore[return-value]

    def replay(
        self,
        values: Iterable[float | Mapping[str, float]],
        learning_rate: float = 1.0,
        losses: Sequence[Iterable[float]] | None = None,
    ) -> Iterator[State]:
        """Yield the state after each epoch of a finished training, or after each observation.

        Args:
            values: For each epoch the watched value, or a mapping of all logs. The key `"epoch"`,
                if all mappings have it, gives the number of the epoch. The horizon is the end of
                the last epoch.
            learning_rate: The open-loop rate of that training, > 0.
            losses: For each epoch the losses of its batches, if they are known. With `every` the
                rule observes these.

        Returns:
            An iterator over the states; `list(…)` makes a list of it.

        Raises:
            ValueError: At once, for an argument of another kind.

        Examples:
            >>> from kerasdecay.rules import Plateau
            >>> states = Plateau("loss", factor=0.5, patience=1).replay([0.9, 0.7, 0.8])
            >>> [state.scale for state in states]
            [1.0, 1.0, 0.5]
        """
        owner, watched = f"{self.owner()}.replay", self.watched
        allowed = "a sequence of numbers or of logs"
        if isinstance(values, Mapping) or hasattr(values, "history"):
            remedy = f"Of a History give one metric: history.history[{watched!r}]."
            raise _checks.invalid(owner, "values", allowed, values, remedy)
        values = _checks.items(owner, "values", values, allowed)
        logs = [one if isinstance(one, Mapping) else {watched: one} for one in values]
        rate = _checks.rate(owner, "learning_rate", learning_rate)
        if losses is None:
            batches: tuple[Iterable[float], ...] = ((),) * len(logs)
        else:
            allowed = f"a sequence of the losses of each of the {len(logs)} epochs"
            batches = _checks.items(owner, "losses", losses, allowed)
            if len(batches) != len(logs):
                raise _checks.invalid(owner, "losses", allowed, f"{len(batches)} items")
        return self._replayed(logs, rate, batches)

    def _replayed(
        self, logs: list[Mapping[str, float]], rate: float, batches: Iterable[Iterable[float]]
    ) -> Iterator[State]:
        epochs, state = epochs_of(logs), self.initial_state()
        horizon = epochs[-1] + 1 if epochs else None
        for epoch, metrics, losses in zip(epochs, logs, batches, strict=True):
            losses = tuple(losses)
            event = None
            for batch, loss in enumerate(losses if self.watches_batches else ()):
                in_force = rate * state.scale
                seen = BatchObservation(epoch, batch, loss, in_force, planned=rate, epochs=horizon)
                state = self.advance_batch(state, seen)
                if self.every is not None and self.has_observed(state):
                    yield state
                event = state.decision if state.decision.is_event else event
            if self.every is not None:
                continue
            in_force = rate * state.scale
            observation = Observation(epoch, metrics, in_force, rate, horizon, losses)
            state = self.advance(state, observation)
            if event is not None:  # what was decided at a batch is the epoch's decision
                state = dataclasses.replace(state, decision=event)
            yield state
