"""The rule: immutable state + pure `advance(state, observation)` → new state with its reason."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

from kerasdecay._config import Configurable
from kerasdecay.rules.monitor import direction_of
from kerasdecay.rules.observation import Observation, epochs_of
from kerasdecay.rules.state import RuleState


@dataclasses.dataclass(frozen=True)
class WayDown:
    """How a rule that has chosen the moment wants the rate to come down: see `Cooldown`.

    Args:
        curve: `"linear"`, `"1-sqrt"` or `"cosine"`.
        final_learning_rate: The rate at the horizon, >= 0.
    """

    curve: str
    final_learning_rate: float = 0.0


State = TypeVar("State", bound=RuleState)


@dataclasses.dataclass(frozen=True)
class Rule(Configurable, abc.ABC, Generic[State]):
    """A closed-loop rule. Subclasses are final, frozen, and need no Keras.

    Examples:
        >>> from kerasdecay.rules import Plateau
        >>> rule = Plateau("loss", factor=0.5, patience=2)
        >>> [state.scale for state in rule.replay([1.0, 1.0, 1.0, 1.0, 1.0])]
        [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    state_class: ClassVar[type[RuleState]] = RuleState

    @abc.abstractmethod
    def advance(self, state: State, observation: Observation) -> State:
        """Return the state after one more epoch, its decision inside."""

    @property
    @abc.abstractmethod
    def watched(self) -> str:
        """The name, in the epoch's logs, of what the rule looks at."""

    @property
    def way_down(self) -> WayDown | None:
        """How the rate comes down once the rule has set `cooldown_from`; None: it never does."""
        return None

    @property
    def measurement(self) -> str | None:
        """What must be measured of the model and put into the logs: `"weight_norm"`, or None."""
        return None

    @property
    def needs_batch_losses(self) -> bool:
        """Whether `Observation.losses` must be filled, which costs a call at each batch."""
        return False

    @property
    def restores_best_weights(self) -> bool:
        """Whether its decisions may ask for the weights of the best epoch."""
        return False

    @property
    def depends_on_rate(self) -> bool:
        """Whether it looks at the rate itself, for a bound say, and not at its scale alone."""
        return getattr(self, "min_lr", 0.0) > 0

    def directed(self, find: Callable[[str], str | None]) -> Self:
        """Return the rule with a mode of `"auto"` settled, if `find` knows the watched metric."""
        direction = find(self.watched) if getattr(self, "mode", None) == "auto" else None
        if direction is None:
            return self
        return dataclasses.replace(self, mode=direction)  # type: ignore[call-arg]

    @property
    def undirected(self) -> str | None:
        """The watched metric, if neither mode nor name tells which direction is better."""
        if getattr(self, "mode", None) != "auto" or direction_of(self.watched):
            return None
        return self.watched

    def initial_state(self) -> State:
        """Return the state before any observation."""
        return self.state_class()  # type: ignore[return-value]

    def state_from_data(self, data: Mapping[str, Any]) -> State:
        """Reverse `RuleState.to_data`.

        Raises:
            ValueError: If the data are not those of this rule's state.
        """
        expected = set(self.initial_state().to_data())
        if set(data) != expected:
            raise ValueError(
                f"{type(self).__name__}: the state must hold {sorted(expected)}. "
                f"Received: {sorted(data)}."
            )
        scale = data["scale"]
        if not isinstance(scale, (int, float)) or not 0 < scale < math.inf:
            raise ValueError(
                f"{type(self).__name__}: the state's scale must be a finite number > 0. "
                f"Received: {scale!r}."
            )
        values = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        return self.state_class(**values)  # type: ignore[arg-type, return-value]

    def replay(
        self,
        values: Iterable[float | Mapping[str, float]],
        learning_rate: float = 1.0,
        losses: Sequence[Iterable[float]] | None = None,
    ) -> Iterator[State]:
        """Yield the state after each epoch of a finished training.

        Args:
            values: For each epoch the watched value, or a mapping of all logs; see `epochs_of`. The
                horizon is the end of the last one.
            learning_rate: The open-loop rate of that training, > 0.
            losses: For each epoch the losses of its batches, where they are known.
        """
        logs = [one if isinstance(one, Mapping) else {self.watched: one} for one in values]
        epochs = epochs_of(logs)
        state = self.initial_state()
        for place, (epoch, metrics) in enumerate(zip(epochs, logs, strict=True)):
            observation = Observation(
                epoch,
                metrics,
                learning_rate * state.scale,
                learning_rate,
                epochs=epochs[-1] + 1,
                losses=() if losses is None else tuple(losses[place]),
            )
            state = self.advance(state, observation)
            yield state
