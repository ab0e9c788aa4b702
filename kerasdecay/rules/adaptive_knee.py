"""Hold the rate until a rule says that it is time, then come down to the horizon."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

from kerasdecay import _checks
from kerasdecay.rules.base import Descent, Rule
from kerasdecay.rules.observation import Observation
from kerasdecay.rules.plateau import Plateau
from kerasdecay.rules.reduction import share_of, single
from kerasdecay.rules.state import RuleState
from kerasdecay.rules.triggered import Triggered, TriggeredState, a_trigger


def usual_trigger(monitor: str = "val_loss") -> Plateau:
    """Return the trigger that is used where none is given."""
    return Plateau(monitor, patience=2, min_delta=0.0, smoothing=3)


@dataclasses.dataclass(frozen=True)
class AdaptiveKnee(Triggered[TriggeredState]):
    """Hold the planned rate; when the trigger fires, go down to the final rate at the horizon.

    With E the horizon and T the first epoch after the trigger, η(t) = η₁ + (η(T) − η₁) · c(u) for
    t >= T, where u = (t − T)/(E − T) and c(u) = 1 − u or 1 − √u. The way down begins only if the
    planned rate is above η₁. T lies between `min_hold` and `latest`, in whole epochs, and leaves at
    least the last epoch for the way down (unless the warmup takes it). The trigger is ignored
    before `min_hold`, because at a high rate a metric is mostly noise.

    Args:
        trigger: A rule; its first reduction begins the way down. By default a plateau: the
            validation loss, averaged over three epochs, has not improved for two.
        min_hold: The share of the horizon for which the rate is held at least, in [0, 1), or such
            as `"50%"`.
        latest: The share of the horizon after which the way down begins at the latest, in
            [`min_hold`, 1), or such as `"80%"`.
        curve: `"linear"` or `"1-sqrt"`.
        final_learning_rate: η₁ >= 0.

    Raises:
        ValueError: For a value out of its range; for an observation without the horizon.

    Examples:
        >>> rule = AdaptiveKnee(Plateau("loss", patience=1), min_hold=0.5)
        >>> states = list(rule.replay([4.0, 3.0, 2.0, 2.0, 2.0, 2.0]))
        >>> [state.cooldown_from for state in states]
        [None, None, None, 4, 4, 4]

    Source: the knee of Iyer et al., 2020 (arXiv:2003.03977), its moment chosen by a rule; that one
    late decay can be enough: Lewkowycz, 2021 (arXiv:2103.12682).
    """

    state_class: ClassVar[type[RuleState]] = TriggeredState

    trigger: Rule[Any] = _checks.field(usual_trigger, a_trigger)
    min_hold: float | str = _checks.field(0.5, _checks.share, at_least=0, below=1)
    latest: float | str = _checks.field(0.8, _checks.share, at_least=0, below=1)
    curve: str = _checks.field("linear", _checks.choice, allowed=("linear", "1-sqrt"))
    final_learning_rate: float = _checks.field(0.0, _checks.rate, zero=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.share("AdaptiveKnee", "latest", self.latest, at_least=float(self.min_hold), below=1)

    @property
    def way_down(self) -> Descent:
        """The curve, and the rate at its end."""
        return Descent(self.curve, self.final_learning_rate)

    @property
    def depends_on_rate(self) -> bool:
        """Whether the trigger's do, or the way down ends above 0."""
        return self.trigger.depends_on_rate or self.final_learning_rate > 0

    def earliest(self, epochs: int, steps_per_epoch: int | None = None, rests: int = 0) -> int:
        """Return after how many epochs the way down begins at the earliest."""
        sign = super().earliest(epochs, steps_per_epoch, rests)
        earliest, latest = self._moments(epochs)
        return min(max(sign, earliest), latest)

    def act(self, state: TriggeredState, observation: Observation) -> TriggeredState:
        """Begin the way down, unless it is too early."""
        if state.cooldown_from is not None:
            return self._on_the_way(state)
        done, (earliest, _) = observation.epoch + 1, self._moments(observation.epochs)
        if done < earliest:
            early = f"too early, {done} of {observation.epochs} epochs are done"
            return self.not_acting(state, "wait", early)
        return self._begin(state, observation, f"{state.decision.seen}; time to come down")

    def idle(self, state: TriggeredState, observation: Observation) -> TriggeredState:
        """Begin the way down if it is the latest moment."""
        if state.cooldown_from is not None:
            return self._on_the_way(state)
        done, (_, latest) = observation.epoch + 1, self._moments(observation.epochs)
        if done < latest:
            return state
        latest_moment = f"{done} of {observation.epochs} epochs are done, the latest moment"
        return self._begin(state, observation, f"{latest_moment}; {state.decision.seen}")

    def _begin(self, state: TriggeredState, observation: Observation, seen: str) -> TriggeredState:
        begin = observation.epoch + 1
        assert observation.epochs is not None  # without a horizon there are no moments
        if begin >= observation.epochs:
            return self.not_acting(state, "wait", "no epoch is left to come down in")
        if not single(observation.planned) > single(self.final_learning_rate):
            low = f"the planned rate {observation.planned:.4g} is not above"
            return self.not_acting(state, "floor", f"{low} {self.final_learning_rate:g}")
        state = dataclasses.replace(state, cooldown_from=begin)
        way = f"down to {self.final_learning_rate:g} from epoch {begin + 1} on ({self.curve})"
        return self.acting(state, "cooldown_start", seen, way)

    def _on_the_way(self, state: TriggeredState) -> TriggeredState:
        assert state.cooldown_from is not None
        since = f"on the way down since epoch {state.cooldown_from + 1}"
        return self.not_acting(state, "descent", since)

    def _moments(self, epochs: int | None) -> tuple[int, int]:
        """Return after how many epochs the way down begins at the earliest and at the latest."""
        if epochs is None:
            raise _checks.invalid(
                "AdaptiveKnee", "epochs", "known, to come down to a horizon", None, "Pass epochs=…"
            )
        earliest = math.ceil(share_of(float(self.min_hold), epochs))
        latest = max(math.floor(share_of(float(self.latest), epochs)), earliest)
        return min(earliest, epochs - 1), min(latest, epochs - 1)
