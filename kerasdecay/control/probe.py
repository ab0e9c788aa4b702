"""The probe: some batches with a rising rate, and the initial rate that they suggest.

A range test (Smith, 2015, "Cyclical Learning Rates for Training Neural Networks", arXiv 1506.01186,
section 3.3) shows from which rate on a network learns, and at which it diverges. `choose` reads one
rate off such losses; `Probe` takes the test batch by batch, as a training goes on.

Smith reads the range off a picture, fastai takes a point of its shape. The constants here were
chosen by what trains best; `benchmarks/probe_calibration.py` checks them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FIRST_RATE, LAST_RATE = 1e-6, 10.0
"""The range of a probe. Networks with targets that are not scaled need the low end."""

FEWEST_STEPS, MOST_STEPS = 30, 100
_SHARE = 0.1  # of the run

# Kind of optimizer → (share of the fall, fraction of the rate there).
_RULES = {"sgd": (0.9, 0.7), "momentum": (0.8, 0.5), "adaptive": (0.8, 0.5)}

KINDS = tuple(_RULES)

_FEWEST_LOSSES = 12
_CLEAR = 3.0  # standard errors
_REBOUND = 0.5  # of the fall: so far the loss may rise again after its lowest point


@dataclass(frozen=True)
class Choice:
    """An initial learning rate, or why there is none.

    Attributes:
        rate: The learning rate; None if the losses suggest none.
        reason: Why it is this rate, in words.
    """

    rate: float | None
    reason: str


def probe_steps(total_steps: int | None) -> int:
    """Return how many batches of a run a probe may take; 0 if the run is too short for one.

    Args:
        total_steps: All batches of the run; None if they are not known.

    Examples:
        >>> probe_steps(540), probe_steps(200), probe_steps(100_000), probe_steps(90)
        (54, 30, 100, 0)
    """
    if total_steps is None:
        return 60
    if total_steps < 5 * FEWEST_STEPS:
        return 0
    return min(max(FEWEST_STEPS, int(_SHARE * total_steps)), MOST_STEPS)


class Probe:
    """A range test, taken batch by batch: `rate`, then `add` the loss, until `is_done`.

    Step k of n trains one batch with the rate r₀ · (r₁ / r₀)^(k / (n − 1)), from r₀ = 1e-6 to
    r₁ = 10. Whoever trains puts the model back before and after.

    Args:
        steps: n, the number of batches, at least 12.
        kind: The kind of optimizer: `"sgd"`, `"momentum"` (SGD with momentum) or `"adaptive"`
            (Adam, RMSprop and others that scale each step by the size of the gradients).

    Examples:
        >>> probe = Probe(steps=60, kind="sgd")
        >>> while not probe.is_done:
        ...     probe.add(2.0 / (1 + 20 * probe.rate) + max(0, probe.rate - 1))
        >>> 0.1 < probe.choice().rate < 1
        True
    """

    def __init__(self, steps: int, kind: str) -> None:
        if steps < _FEWEST_LOSSES:
            raise ValueError(
                f"Probe: steps must be an integer >= {_FEWEST_LOSSES}. Received: steps={steps!r}."
            )
        _rule(kind, "Probe")
        self._planned = np.geomspace(FIRST_RATE, LAST_RATE, steps).tolist()
        self._losses: list[float] = []
        self._kind = kind
        self._diverged = False

    @property
    def rate(self) -> float:
        """The rate of the next batch."""
        return self._planned[min(len(self._losses), len(self._planned) - 1)]

    def add(self, loss: float) -> None:
        """Take the loss of the batch that was trained with `rate`.

        Args:
            loss: The batch's loss, which belongs to the weights before the batch's update.
        """
        self._losses.append(float(loss))

    @property
    def is_done(self) -> bool:
        """Whether the last rate has been tried, or the loss has diverged."""
        return len(self._losses) == len(self._planned) or _has_diverged(self._losses)

    def choice(self) -> Choice:
        """Return the rate that the losses so far suggest."""
        return choose(self._planned[: len(self._losses)], self._losses, self._kind)


def choose(rates: Sequence[float], losses: Sequence[float], kind: str) -> Choice:
    """Return the initial rate that a range test suggests for one kind of optimizer.

    With n losses ℓₖ, each of the weights before the update with rate rₖ:

    - level L: the median of the first max(5, ⌊n/6⌋) losses, when the rates did nothing yet;
    - noise σ: 1.4826 · median|ℓₖ₊₁ − ℓₖ| / √2 over the first third;
    - smoothed loss s: the mean of each loss and its h = max(3, ⌊n/20⌋) neighbours on each side,
      with weights that fall linearly to the sides. A centred mean has no lag, unlike a moving
      average. Losses above L + max(4σ, |L|) count as that much, so that one explosion does not
      reach back. e = σ · (the norm of the weights) is its standard error;
    - end: the first k with sₖ > L + 3e, or sₖ above the lowest s before it by half of L minus that
      lowest, plus 3e; what comes later is not looked at;
    - lowest: the lowest s up to the end. The fall is L minus it, and must be > 3e.

    The rate that led to the first s at or below L − q · fall, times a fraction f, is the choice.
    Unlike the place of the lowest loss itself, which wanders along a flat bottom, that place varies
    little from one seed to the next.

    Args:
        rates: Rising learning rates > 0.
        losses: The loss of the batch that was trained with each rate.
        kind: `"sgd"`, `"momentum"` or `"adaptive"`, as for `Probe`.

    Examples:
        >>> rates = [10 ** (k / 10 - 6) for k in range(61)]
        >>> losses = [2.0 / (1 + 20 * rate) for rate in rates]
        >>> choose(rates, losses, "sgd").reason
        '0.1: 0.7 of 0.16, where the loss had first fallen by 90 % of its whole fall'
    """
    share, fraction = _rule(kind, "choose")
    if len(losses) < _FEWEST_LOSSES:
        return _none(f"{len(losses)} losses are too few; it takes {_FEWEST_LOSSES}")
    curve = _Curve.of(losses)
    if curve is None:
        return _none("the loss is not finite from the beginning")
    lowest = int(np.argmin(curve.smoothed[: curve.end + 1]))
    fall = curve.level - curve.smoothed[lowest]
    if fall <= _CLEAR * curve.error:
        return _none("the loss does not fall by more than its noise")
    reached = int(np.argmax(curve.smoothed <= curve.level - share * fall))
    at = rates[max(reached - 1, 0)]  # a loss is that of the update before
    rate = fraction * at
    return Choice(
        rate,
        f"{rate:.2g}: {fraction:g} of {at:.2g}, where the loss had first fallen by "
        f"{share:.0%} of its whole fall".replace("%", " %"),
    )


@dataclass(frozen=True)
class _Curve:
    """The smoothed losses and what they are judged against; see `choose`."""

    smoothed: np.ndarray
    level: float
    error: float
    end: int

    @classmethod
    def of(cls, losses: Sequence[float]) -> _Curve | None:
        """Return the curve of the losses before the first that is not finite."""
        values = np.asarray(losses, dtype=float)
        count = len(values)
        head = max(5, count // 6)
        finite = np.isfinite(values)
        values = values if finite.all() else values[: int(np.argmin(finite))]
        if len(values) < head:
            return None
        level = float(np.median(values[:head]))
        noise = 1.4826 * float(np.median(np.abs(np.diff(values[: max(head, count // 3)])))) / 2**0.5
        half = max(3, count // 20)
        weights = 1 - np.abs(np.arange(-half, half + 1)) / (half + 1)
        ceiling = level + max(4 * noise, abs(level))
        sums = np.convolve(np.minimum(values, ceiling), weights)[half:-half]
        smoothed = sums / np.convolve(np.ones(len(values)), weights)[half:-half]
        error = noise * float(np.linalg.norm(weights) / weights.sum())
        return cls(smoothed, level, error, _end(smoothed, level, error))


def _end(smoothed: np.ndarray, level: float, error: float) -> int:
    """Return where the loss has risen again, or the last place."""
    margin = _CLEAR * error
    fallen = level - np.minimum.accumulate(smoothed)
    limit = np.where(fallen > 2 * margin, level - (1 - _REBOUND) * fallen, level) + margin
    risen = smoothed > limit
    risen[0] = False
    return int(np.argmax(risen)) if risen.any() else len(smoothed) - 1


def _has_diverged(losses: list[float]) -> bool:
    """Whether going on shows nothing new: a loss not finite, or three far above the first ones."""
    if not losses:
        return False
    if not math.isfinite(losses[-1]):
        return True
    if len(losses) < _FEWEST_LOSSES:
        return False
    head = losses[:5]
    level = float(np.median(head))
    return min(losses[-3:]) > level + 3 * max(abs(level), max(head) - min(head))


def _rule(kind: str, owner: str) -> tuple[float, float]:
    if kind not in _RULES:
        raise ValueError(
            f"{owner}: kind must be one of {', '.join(KINDS)}. Received: kind={kind!r}."
        )
    return _RULES[kind]


def _none(why: str) -> Choice:
    return Choice(None, f"no suggestion, because {why}")
