"""What the losses of a range test suggest as the initial rate, by what trains best.

Smith reads the range off a picture; fastai takes a point of the curve's shape. Here the constants
were chosen by the final test figure after a hold and a linear way down, against a grid of three
rates a decade: 41 pairs of ten small problems and up to six optimizers, ten seeds. No pair was held
out of all choices. `benchmarks/probe_calibration.py` is a check with Keras.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kerasdecay import _checks
from kerasdecay.records.range import Choice

__all__ = ["KINDS", "checked_kind", "choose", "most_cautious"]


@dataclass(frozen=True)
class _Rule:
    """How the losses of a range test become a rate, for one kind of optimizer.

    Args:
        share: The share of the whole fall of the loss that a good rate has behind it.
        of_fall: The choice, as a fraction of the rate where the loss has fallen so far.
        of_rise: The highest choice, as a fraction of the rate where the loss rises again.
    """

    share: float
    of_fall: float
    of_rise: float


# Momentum 0.9 moves the weights ten times as far at the same rate, and Adam's first steps have the
# full length whatever the gradients are: both go further in a long training than in a short test.
_RULES = {
    "sgd": _Rule(share=0.9, of_fall=1.0, of_rise=0.3),
    "momentum": _Rule(share=0.8, of_fall=0.25, of_rise=0.07),
    "adaptive": _Rule(share=0.8, of_fall=0.35, of_rise=0.05),
}

KINDS = tuple(_RULES)
"""Kinds of optimizers, from the one that bears the highest rates to the one that bears the least:
plain SGD, SGD with momentum, and those that scale each step by the gradients' size."""

# In standard errors of the smoothed loss. The level itself is uncertain by about one.
_CLEAR_FALL, _CLEAR_RISE, _CLEAR_REBOUND = 6.0, 5.0, 3.0
_LIKELY_FALL = 3.0  # enough where no rise tells more
# A loss is that of the update before, and a divergence takes one more to show.
_LAG = 2
# Relative to the level: where the noise is tiny, a rise beyond the noise may still be harmless.
LEAST_RISE = 0.05
_REBOUND = 0.5  # of the fall

_FEWEST_LOSSES = 12


def most_cautious(kinds: Iterable[str]) -> str:
    """Return the kind that bears the lowest rate, for optimizers that share one.

    Examples:
        >>> most_cautious(["sgd", "adaptive"])
        'adaptive'
    """
    return max(kinds, key=KINDS.index)


def choose(rates: Sequence[float], losses: Sequence[float], kind: str) -> Choice:
    """Return the initial rate that a range test suggests for one kind of optimizer.

    Of n losses ℓₖ, each of the weights before the update at the rate rₖ:

    - level L: the median of the first max(5, ⌊n/5⌋) losses, when the rate was too low to matter;
    - noise σ: 1.4826 · median|ℓₖ₊₁ − ℓₖ| / √2 over the first third;
    - smoothed loss s: a mean over each loss and its max(3, ⌊n/20⌋) neighbours on both sides, with
      weights that fall linearly. A centred mean has no lag, unlike a moving average. Losses count
      up to L + max(4σ, |L|), so that one explosion does not reach back. e is its standard error,
      σ times the norm of the weights;
    - rise: the first k where s is above L by max(5e, 0.05|L|); or, once s has fallen by more than
      6e, where it has regained half of that and max(3e, 0.05|L|). What follows is not looked at;
    - fall: L minus the lowest s before the rise. It counts if it is more than 6e, or more than 3e
      where there is no rise.

    The choice is the rate that brought s to L − q · fall for the first time, times a fraction; but
    no more than another fraction of the rate where the rise begins, which is also the choice where
    the fall does not count. The place of the lowest loss itself, which wanders along a flat bottom,
    varies much more from one seed to the next. q and the fractions depend on the kind:

    | kind | q | of the rate at the fall | of the rate at the rise |
    | --- | --- | --- | --- |
    | sgd | 0.9 | 1 | 0.3 |
    | momentum | 0.8 | 0.25 | 0.07 |
    | adaptive | 0.8 | 0.35 | 0.05 |

    Examples:
        >>> rates = [10 ** (k / 10 - 6) for k in range(71)]
        >>> losses = [2 / (1 + 20 * rate) for rate in rates]
        >>> choose(rates, losses, "sgd").reason
        "1 × 0.4, where 90 % of the loss's fall had happened"
    """
    rule = _RULES[checked_kind("choose", kind)]
    if len(losses) < _FEWEST_LOSSES:
        return without(f"{len(losses)} losses are too few; it takes {_FEWEST_LOSSES}")
    curve = _Curve.of(losses)
    if curve is None:
        return without(f"the loss is not finite from {rates[0]:.2g} on")
    # A loss belongs to the weights that the update before left, so the rate is the one before.
    highest = math.inf
    if curve.rise is not None:
        at_rise = rates[max(curve.rise - _LAG, 0)]
        highest = rule.of_rise * at_rise
    seen = curve.smoothed[: curve.rise]
    fall = curve.level - float(seen.min())
    needed = _LIKELY_FALL if curve.rise is None else _CLEAR_FALL
    if fall > needed * curve.error:
        at_fall = rates[max(int(np.argmax(seen <= curve.level - rule.share * fall)) - 1, 0)]
        rate = rule.of_fall * at_fall
        if rate <= highest:
            place = f"{rule.share * 100:.0f} % of the loss's fall had happened"
            return times(rule.of_fall, at_fall, place)
    if curve.rise is None:
        return without("the loss neither falls nor rises by more than its noise")
    if curve.rise <= curve.head:
        return without(f"the loss rises from {rates[0]:.2g} on")
    return times(rule.of_rise, at_rise, "the loss rose")


@dataclass(frozen=True)
class _Curve:
    """The smoothed losses and what they are judged by; `choose` defines them."""

    smoothed: np.ndarray
    level: float
    error: float
    head: int
    rise: int | None

    @classmethod
    def of(cls, losses: Sequence[float]) -> _Curve | None:
        """Return the curve up to the first loss that is not finite; None if it has no level."""
        values = np.asarray(losses, dtype=float)
        count = len(values)
        head = max(5, count // 5)
        finite = np.isfinite(values)
        if not finite.all():
            values = values[: int(np.argmin(finite))]
        if len(values) < head:
            return None
        level = float(np.median(values[:head]))
        noise = noise_of(values[: max(head, count // 3)])
        values = np.minimum(values, level + max(4 * noise, abs(level)))
        half = max(3, count // 20)
        weights = 1 - np.abs(np.arange(-half, half + 1)) / (half + 1)
        course = smoothed(values, weights)
        error = noise * float(np.linalg.norm(weights) / weights.sum())
        rise = _rise(course, level, error)
        if rise is None and len(values) < count:
            rise = len(values) - 1  # the next loss was not finite
        return cls(course, level, error, head, rise)


def noise_of(values: np.ndarray) -> float:
    """Return the standard deviation of values around a slow course, of which one may jump."""
    return 1.4826 * float(np.median(np.abs(np.diff(values)))) / math.sqrt(2)


def smoothed(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean over each value and its neighbours, as far as there are any."""
    return _convolved(values, weights) / _convolved(np.ones(len(values)), weights)


def _convolved(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    half = len(weights) // 2
    return np.convolve(values, weights)[half : half + len(values)]


def _rise(smoothed: np.ndarray, level: float, error: float) -> int | None:
    """Return where the loss begins to rise, or None."""
    fallen = level - np.minimum.accumulate(smoothed)
    least = LEAST_RISE * abs(level)
    rebounds = level - (1 - _REBOUND) * fallen + max(_CLEAR_REBOUND * error, least)
    rises = level + max(_CLEAR_RISE * error, least)
    risen = smoothed > np.where(fallen > _CLEAR_FALL * error, rebounds, rises)
    risen[0] = False
    return int(np.argmax(risen)) if risen.any() else None


def has_diverged(losses: Sequence[float]) -> bool:
    """Whether going on shows nothing new: a loss not finite, or three far above the first ones."""
    if not math.isfinite(losses[-1]):
        return True
    if len(losses) < _FEWEST_LOSSES:
        return False
    first = losses[:5]
    level = float(np.median(first))
    return min(losses[-3:]) > level + 3 * max(abs(level), max(first) - min(first))


def times(fraction: float, rate: float, place: str) -> Choice:
    """Return a fraction of a rate as the choice, with the place of that rate as its reason."""
    chosen = fraction * rate
    return Choice(chosen, f"{fraction:g} × {rate:.2g}, where {place}")


def without(why: str) -> Choice:
    """Return that no rate is suggested, and why."""
    return Choice(None, f"no suggestion, because {why}")


def checked_kind(owner: str, kind: str) -> str:
    """Return a kind of optimizers, or raise if there is no such."""
    if kind not in _RULES:
        allowed, remedy = f"one of {', '.join(KINDS)}", "optimizer_kind(optimizer) gives it."
        raise _checks.invalid(owner, "kind", allowed, kind, remedy)
    return kind
