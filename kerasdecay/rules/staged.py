"""The power-step decay whose stages are entered by a rule, not at fixed epochs."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from kerasdecay import _checks
from kerasdecay.rules.base import Rule
from kerasdecay.rules.observation import Observation
from kerasdecay.rules.plateau import Plateau
from kerasdecay.rules.reduction import single
from kerasdecay.rules.state import RuleState
from kerasdecay.rules.triggered import Triggered, TriggeredState, a_trigger


@dataclasses.dataclass(frozen=True)
class StagedState(TriggeredState):
    """How many stages have been entered after the first one."""

    stage: int = 0


@dataclasses.dataclass(frozen=True)
class Staged(Triggered[StagedState]):
    """Enter the next power of the planned rate at each reduction of the trigger.

    Stage k = 0 … S−1 begins with the rate max(η₀^(k+1), η_min), where η₀ is the planned rate at
    that moment. Within a stage the rate follows the plan. The rule does not enter a stage whose
    rate would not be lower than the present rate.

    Args:
        trigger: A rule; each of its reductions enters the next stage. By default a plateau of the
            validation loss.
        stages: S, an integer >= 1.
        min_learning_rate: η_min >= 0.

    Raises:
        ValueError: For a value out of its range; for a planned rate >= 1, whose powers do not
            decay.

    Examples:
        >>> from kerasdecay.rules import Plateau
        >>> rule = Staged(Plateau("loss", patience=1))
        >>> states = rule.replay([1.0, 1.0, 1.0, 1.0], learning_rate=0.1)
        >>> [round(0.1 * state.scale, 6) for state in states]
        [0.1, 0.01, 0.001, 0.001]

    Source: the power-step rule (iThome, 2021-09-16), its stages entered by a rule.
    """

    state_class: ClassVar[type[RuleState]] = StagedState

    trigger: Rule[Any] = _checks.field(Plateau, a_trigger)
    stages: int = _checks.field(3, _checks.integer, at_least=1)
    min_learning_rate: float = _checks.field(0.0, _checks.rate, zero=True)

    depends_on_rate = True  # the stages are its powers

    def act(self, state: StagedState, observation: Observation) -> StagedState:
        """Enter the next stage, if there is one."""
        planned = self._planned(observation)
        if state.stage + 1 >= self.stages:
            return self.not_acting(state, "floor", f"but stage {self.stages} is the last")
        stage = state.stage + 1
        rate = max(planned ** (stage + 1), self.min_learning_rate)
        if not single(rate) < single(planned * state.scale):
            no_lower = f"but stage {stage + 1} would be no lower, with {rate:.4g}"
            return self.not_acting(state, "floor", no_lower)
        seen = state.decision.seen
        state = dataclasses.replace(state, stage=stage, scale=rate / planned)
        return self.acting(state, "reduce", seen, f"stage {stage + 1}, rate {rate:.4g}")

    def idle(self, state: StagedState, observation: Observation) -> StagedState:
        """Stay in the stage."""
        self._planned(observation)
        return state

    @staticmethod
    def _planned(observation: Observation) -> float:
        if observation.planned >= 1:
            allowed = "below 1"
            remedy = "Powers of a rate >= 1 do not decay; let the rule itself reduce: rules=[…]."
            raise _checks.invalid("Staged", "learning_rate", allowed, observation.planned, remedy)
        return observation.planned
