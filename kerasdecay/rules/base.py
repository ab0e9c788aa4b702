"""The rule: an immutable state and a pure `advance(state, observation)`, which returns the next."""

from __future__ import annotations

import abc
import dataclasses
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

    A subclass states `watched` and `advance`, and of the other members those that it needs. The
    checks of its fields (`kerasdecay._checks.field`) run when it is made.

    Examples:
        >>> from kerasdecay.rules import Plateau
        >>> rule = Plateau("loss", factor=0.5, patience=2)
        >>> [state.scale for state in rule.replay([1.0, 1.0, 1.0, 1.0, 1.0])]
        [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    state_class: ClassVar[type[RuleState]] = RuleState

    @abc.abstractmethod
    def advance(self, state: State, observation: Observation) -> State:
        """Return the state after one more epoch, with the decision in it."""

    @property
    @abc.abstractmethod
    def watched(self) -> str:
        """The name in the epoch's logs of the value that the rule watches."""

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
        """Whether it decides after each batch, by `advance_batch`, which costs a call at each."""
        return False

    def looks_after(self, state: State) -> bool:
        """Whether it wants to see the variables after the next batch; see `Look`."""
        return False

    def advance_batch(self, state: State, seen: BatchObservation) -> State:
        """Return the state after one more batch, with the decision in it."""
        return state

    @property
    def restores_best_weights(self) -> bool:
        """Whether its decisions may ask for the weights of the best epoch."""
        return False

    @property
    def restores_optimizer(self) -> bool:
        """Whether optimizer variables and non-trainable state are restored with the weights."""
        return True

    @property
    def depends_on_rate(self) -> bool:
        """Whether its decisions depend on the rate itself, for a bound say."""
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
        """Yield the state after each epoch of a finished training.

        Args:
            values: For each epoch the watched value, or a mapping of all logs. Their key
                `"epoch"`, if all have it, tells which epochs they are. The horizon is the end of
                the last one.
            learning_rate: The open-loop rate of that training, > 0.
            losses: For each epoch the losses of its batches, where they are known.

        Raises:
            ValueError: For an argument of another kind, before the first state is asked for.
        """
        owner, watched = f"{self.owner()}.replay", self.watched
        values = _checks.items(owner, "values", values, "a sequence of numbers or of logs")
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
        for epoch, metrics, losses in zip(epochs, logs, batches, strict=True):
            losses = tuple(losses)
            event = None
            for batch, loss in enumerate(losses if self.watches_batches else ()):
                seen = BatchObservation(epoch, batch, loss, rate * state.scale)
                state = self.advance_batch(state, seen)
                event = state.decision if state.decision.is_event else event
            in_force = rate * state.scale
            observation = Observation(epoch, metrics, in_force, rate, epochs[-1] + 1, losses)
            state = self.advance(state, observation)
            if event is not None:  # what was decided at a batch is the epoch's decision
                state = dataclasses.replace(state, decision=event)
            yield state
