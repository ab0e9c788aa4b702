"""Reduce the rate when the norm of the weights bounces: ABEL."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

from kerasdecay import _checks
from kerasdecay.rules.base import Rule
from kerasdecay.rules.observation import Observation
from kerasdecay.rules.reduction import change_text, reduction, share_of
from kerasdecay.rules.state import RuleState


@dataclasses.dataclass(frozen=True)
class WeightNormState(RuleState):
    """What `WeightNorm` remembers.

    Args:
        last: The norm of the epoch before; None at first.
        before_last: The norm of the epoch before that.
        armed: Whether the last bounce was a first one, so that the next one reduces the rate.
        decayed_late: Whether the late reduction is done.
    """

    last: float | None = None
    before_last: float | None = None
    armed: bool = False
    decayed_late: bool = False


@dataclasses.dataclass(frozen=True)
class WeightNorm(Rule[WeightNormState]):
    """Multiply the rate by `factor` at every second bounce of the weight norm.

    With n = Σw² over the trainable kernels after each epoch, a bounce is
    (nₜ − nₜ₋₁)(nₜ₋₁ − nₜ₋₂) < 0: the norm has turned. The first bounce (a minimum) arms the rule,
    the second reduces the rate and disarms it. One more reduction comes late in the run, before its
    last epoch. Without weight decay or a similar pull towards zero the norm may never bounce, and
    only the late reduction remains.

    Args:
        factor: γ in (0, 1): new rate = rate × γ.
        last_decay: The share of the horizon after which the late reduction comes, in (0, 1),
            or such as `"85%"`; None for no late reduction.
        min_lr: No reduction goes below this; >= 0.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> rule = WeightNorm(factor=0.1, last_decay=None)
        >>> norms = [10.0, 8.0, 9.0, 10.0, 9.5]
        >>> [round(state.scale, 3) for state in rule.replay(norms)]
        [1.0, 1.0, 1.0, 1.0, 0.1]

    Source: Lewkowycz, How to decay your learning rate, 2021 (arXiv:2103.12682), Algorithm 1.
    """

    state_class: ClassVar[type[RuleState]] = WeightNormState

    factor: float = _checks.field(0.1, _checks.number, above=0, below=1)
    last_decay: float | str | None = _checks.field(
        0.85, _checks.share, optional=True, above=0, below=1
    )
    min_lr: float = _checks.field(0.0, _checks.rate, zero=True)

    watched = measurement = "weight_norm"

    def advance(self, state: WeightNormState, observation: Observation) -> WeightNormState:
        """Return the state after one more epoch."""
        norm = observation.value("weight_norm")
        if norm is None:
            return state.unmeasured("weight_norm")
        if not math.isfinite(norm):
            return state.deciding("nonfinite", f"weight_norm is {norm:g}: does not count")
        before_last, last, was_armed = state.before_last, state.last, state.armed
        bounced, late = _turned(before_last, last, norm), self._is_late(state, observation)
        state = dataclasses.replace(
            state,
            last=norm,
            before_last=last,
            armed=was_armed != bounced,
            decayed_late=state.decayed_late or late,
        )
        if bounced:
            number = "second" if was_armed else "first"
            seen = f"weight_norm turned at {last:.6g}, its {number} bounce"
        elif before_last is None:
            seen = f"weight_norm {norm:.6g}: too few to see a bounce"
        else:
            seen = f"weight_norm {norm:.6g} has not turned" + ", armed" * was_armed
        if late:
            done = f"{observation.epoch + 1} of {observation.epochs} epochs are done"
            seen = f"{done}, time for the late decay; {seen}"
        due = int(bounced and was_armed) + int(late)
        if due == 0:
            return state.deciding("armed" if bounced else "wait", seen)
        return self._reduce(state, observation, self.factor**due, seen)

    def _is_late(self, state: WeightNormState, observation: Observation) -> bool:
        if self.last_decay is None or observation.epochs is None or state.decayed_late:
            return False
        done, epochs = observation.epoch + 1, observation.epochs
        return min(share_of(float(self.last_decay), epochs), epochs - 1) <= done < epochs

    def _reduce(
        self, state: WeightNormState, observation: Observation, factor: float, seen: str
    ) -> WeightNormState:
        change = reduction(observation.learning_rate, factor, self.min_lr)
        if change == 1.0:
            return state.deciding("floor", f"{seen}, and the rate is at min_lr {self.min_lr:g}")
        state = dataclasses.replace(state, scale=state.scale * change)
        done = change_text(change, factor, "min_lr", self.min_lr)
        return state.deciding("reduce", seen, done)


def _turned(before_last: float | None, last: float | None, norm: float) -> bool:
    """Whether the norm has risen and now falls, or the other way round."""
    if before_last is None or last is None:
        return False
    return before_last < last > norm or before_last > last < norm
