"""The refined schedule: the best rates in hindsight, from the gradient norms of a probe run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from kerasdecay import _checks
from kerasdecay.schedules.annealing import Annealing
from kerasdecay.schedules.timeline import Moment

_SMOOTHING = 0.1
"""The width of the median filter as a share of the run (the paper's τ)."""

_EXPONENTS = {"sgd": 2, "adam": 1}
"""w = norm^−exponent: the Euclidean norm for SGD, the sum of absolute values for Adam."""


def _relative_rates(owner: str, argument: str, value: Any) -> tuple[float, ...]:
    given = _numbers(owner, argument, value)
    if given.size < 2 or given.min() < 0 or not _checks.SMALLEST_RATE <= given.max() <= 1:
        allowed = "2 or more numbers in [0, 1], one of which is above 0"
        raise _checks.invalid(owner, argument, allowed, value)
    return tuple(given.tolist())


def _numbers(owner: str, argument: str, values: Any) -> np.ndarray:
    given = _checks.items(owner, argument, values, "a sequence of finite numbers")
    return np.asarray([_checks.number(owner, argument, one) for one in given])


@dataclasses.dataclass(frozen=True)
class Refined(Annealing):
    """Relative rates at equal distances over the horizon, with straight lines between them.

    η(t) = η₁ + (η₀ − η₁) r(z), where r is made by `from_gradient_norms` from a probe run of the
    same training: ηₜ ∝ wₜ Σ_{s>t} w_s with w = 1/‖g‖² for SGD and 1/‖g‖₁ for Adam. The rate is
    small where the gradients are large, and goes to 0 at the end. Constant norms give `Linear`,
    which is also the default.

    Args:
        initial_learning_rate: η₀ > 0, the highest rate; None takes the optimizer's.
        final_learning_rate: η₁ in [0, η₀].
        relative_rates: r at z = 0 … 1, two or more numbers in [0, 1], not all of them 0.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> probe = Refined.from_gradient_norms([1.0] * 50, 0.4)
        >>> simulate(probe, epochs=4).round(6).tolist()
        [0.4, 0.3, 0.2, 0.1]

    Source: Defazio et al., When, why and how much?, 2023 (arXiv:2310.07831).
    """

    relative_rates: tuple[float, ...] = _checks.field((1.0, 0.0), _relative_rates)

    @classmethod
    def from_gradient_norms(
        cls,
        norms: Sequence[float],
        initial_learning_rate: float | str | None = None,
        *,
        optimizer: str = "sgd",
        points: int = 200,
    ) -> Self:
        """Return the schedule for the gradient norms of a probe run.

        Args:
            norms: The norm of each step's or epoch's gradient, of the whole probe run, two or more
                numbers > 0: for `"sgd"` the Euclidean norm, for `"adam"` the sum of the absolute
                values.
            initial_learning_rate: η₀, the highest rate; None takes the optimizer's.
            optimizer: `"sgd"`, or `"adam"` (also for similar optimizers).
            points: The number of rates kept, an integer >= 2. A longer series of norms is divided
                into this many parts, and each part counts with its median.

        Raises:
            ValueError: For a value out of its range.
        """
        _checks.choice("Refined", "optimizer", optimizer, tuple(_EXPONENTS))
        points = _checks.integer("Refined", "points", points, at_least=2)
        given = _numbers("Refined", "norms", norms)
        if given.size < 2 or given.min() <= 0:
            raise _checks.invalid("Refined", "norms", "2 or more numbers > 0", norms)
        parts = np.array_split(given, min(points, given.size))
        smooth = _median_filter(np.asarray([np.median(part) for part in parts]))
        weights = (smooth.min() / smooth) ** _EXPONENTS[optimizer]
        later = np.append(np.cumsum(weights[:0:-1])[::-1], 0.0)
        rates = weights * later
        if rates.max() <= 0:
            allowed = "of magnitudes whose ratios float64 can square"
            raise _checks.invalid("Refined", "norms", allowed, norms)
        return cls(initial_learning_rate, relative_rates=tuple((rates / rates.max()).tolist()))

    def share(self, now: Moment) -> Any:
        """r(z), counted from the end, which is exact in single precision too."""
        backwards = self.relative_rates[::-1]
        return now.xp.interpolate(backwards, now.remaining * (len(backwards) - 1.0))


def _median_filter(values: np.ndarray) -> np.ndarray:
    """Return the median around each value; the first value is repeated, the end is mirrored."""
    half = int(_SMOOTHING * values.size) // 2
    padded = np.concatenate([np.full(half, values[0]), values, values[::-1][:half]])
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1), axis=1)
