"""Stages that are entered when a rule says so: the power-step decay without a calendar."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from kerasdecay import _checks
from kerasdecay.rules.base import Observation, RuleState
from kerasdecay.rules.triggered import Triggered, TriggeredState


@dataclasses.dataclass(frozen=True)
class StagedState(TriggeredState):
    """How many stages have been entered after the first."""

    stage: int = 0


@dataclasses.dataclass(frozen=True)
class Staged(Triggered[StagedState]):
    """Enter the next power of the planned rate at each reduction of the trigger.

    Stage k = 0 … S−1 has the rate max(η₀^(k+1), η_min), where η₀ is the planned rate.

    Args:
        trigger: A rule; each of its reductions enters the next stage.
        stages: S, an integer >= 1.
        min_learning_rate: η_min >= 0.

    Raises:
        ValueError: For a value out of its range.

    Example:
        >>> from kerasdecay.rules import Plateau
        >>> rule = Staged(Plateau("loss", patience=1))
        >>> states = rule.replay([1.0, 1.0, 1.0, 1.0], learning_rate=0.1)
        >>> [round(0.1 * state.scale, 6) for state in states]
        [0.1, 0.01, 0.001, 0.001]

    Source: the power-step rule (iThome, 2021-09-16), its stages entered by a rule.
    """

    state_class: ClassVar[type[RuleState]] = StagedState

    stages: int = 3
    min_learning_rate: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        stages = _checks.integer("Staged", "stages", self.stages, at_least=1)
        object.__setattr__(self, "stages", stages)
        lowest = _checks.number("Staged", "min_learning_rate", self.min_learning_rate, at_least=0)
        object.__setattr__(self, "min_learning_rate", lowest)

    def fired(self, state: StagedState, observation: Observation) -> StagedState:
        """Enter the next stage, if there is one."""
        seen, planned = state.inner.decision.reason, observation.planned
        if state.stage + 1 >= self.stages:
            return state.deciding("floor", f"{seen}; but stage {self.stages} is the last")
        stage = state.stage + 1
        rate = max(planned ** (stage + 1), self.min_learning_rate)
        state = dataclasses.replace(state, stage=stage, scale=rate / planned)
        return state.deciding("reduce", f"{seen}: stage {stage + 1}, rate {rate:.4g}")

    def held(self, state: StagedState, observation: Observation) -> StagedState:
        """Stay in the stage."""
        return dataclasses.replace(state, decision=state.inner.decision)
