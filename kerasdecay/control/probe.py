"""The probe: some batches at a rising rate, and the initial rate that they suggest.

A range test (Smith, 2015, "Cyclical Learning Rates for Training Neural Networks", arXiv 1506.01186,
section 3.3) shows from which rate on a network learns, and at which it diverges. `choose` reads one
rate off such losses. `Probe` takes the test batch by batch as a training goes on, and then lets
the rate that was read prove itself against a lower one.

Smith reads the range off a picture; fastai takes a point of the curve's shape. Here the constants
were chosen by what trains best: 41 pairs of ten small problems and up to six optimizers, ten seeds,
a grid of three rates a decade, and the final test figure after a hold and a linear way down. No
pair was held out of all choices. `benchmarks/probe_calibration.py` is a check with Keras.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kerasdecay.records.range import Choice

__all__ = ["KINDS", "Choice", "Probe", "choose", "most_cautious", "probe_steps"]

FIRST_RATE, LAST_RATE = 1e-6, 10.0
"""The range of a probe's ramp. Networks whose targets are not scaled need the low end."""


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
_LEAST_RISE = 0.05
_REBOUND = 0.5  # of the fall

_FEWEST_LOSSES = 12

_SHARE, _LARGEST_SHARE = 1 / 6, 1 / 4  # of a run
_FEWEST_STEPS, _ENOUGH_STEPS, _MOST_STEPS = 30, 54, 124

_LOWER = 0.2  # the rate that the choice has to beat, as a fraction of it
_FEWEST_IN_TRIAL, _MOST_IN_TRIAL = 6, 12  # batches


def probe_steps(total_steps: int | None) -> int:
    """Return how many batches of a run a probe takes; 0 if the run is too short for one.

    A sixth of the run, at least 54 where that is at most a quarter of the run, and at most 124. A
    run of fewer than 120 batches has no probe. On the pairs that the constants were chosen on, a
    ramp of 100 batches with two trials of 12 ended within 0.02 of the grid's best for 33 of 41; one
    of 60 for 28; one of 30 for 24. The figures are read off the grid, between its rates.

    Args:
        total_steps: All batches of the run; None if they are not known, which gives 60.

    Examples:
        >>> probe_steps(540), probe_steps(100_000), probe_steps(300), probe_steps(160)
        (90, 124, 54, 40)
        >>> probe_steps(100)
        0
    """
    if total_steps is None:
        return 60
    most = min(int(total_steps * _LARGEST_SHARE), _MOST_STEPS)
    if most < _FEWEST_STEPS:
        return 0
    return min(max(int(total_steps * _SHARE), _ENOUGH_STEPS), most)


def most_cautious(kinds: Iterable[str]) -> str:
    """Return the kind that bears the lowest rate, for optimizers that share one.

    Examples:
        >>> most_cautious(["sgd", "adaptive"])
        'adaptive'
    """
    return max(kinds, key=KINDS.index)


class Probe:
    """A range test and a trial, taken batch by batch: `rate`, then `add`, until `is_done`.

    The test is a ramp of r batches: batch k has the rate r₀ · (r₁ / r₀)^(k / (r − 1)), from
    r₀ = 1e-6 to r₁ = 10; it ends early when the loss diverges. `choose` reads a rate off it. In the
    trial, that rate and a fifth of it train t batches each, both from the weights that the probe
    began with. The fifth is chosen if the loss of its second half is the lower one in the mean: a
    rate at which the network dies within some batches looks good on some ramps, but loses here.

    Of n batches, t = n/5, between 6 and 12; the rest is the ramp's.

    Args:
        steps: n, at least 30.
        kind: `"sgd"`, `"momentum"` (SGD with momentum) or `"adaptive"` (Adam, RMSprop and others
            that scale each step by the gradients' size).

    Examples:
        >>> probe = Probe(steps=100, kind="sgd")
        >>> while not probe.is_done:
        ...     if probe.restarts:
        ...         pass  # put everything back
        ...     probe.add(2 / (1 + 20 * probe.rate) + 9 * max(0, probe.rate - 1))
        >>> 0.1 < probe.choice().rate < 1
        True
    """

    def __init__(self, steps: int, kind: str) -> None:
        if steps < _FEWEST_STEPS:
            raise ValueError(
                f"Probe: steps must be an integer >= {_FEWEST_STEPS}. Received: steps={steps!r}. "
                "Train longer, or give a learning rate."
            )
        self._kind = _checked("Probe", kind)
        self._trial_steps = min(max(steps // 5, _FEWEST_IN_TRIAL), _MOST_IN_TRIAL)
        self._ramp = np.geomspace(FIRST_RATE, LAST_RATE, steps - 2 * self._trial_steps).tolist()
        self._losses: list[float] = []
        self._chosen: Choice | None = None  # by the ramp
        self._trials: list[_Trial] = []

    @property
    def rate(self) -> float:
        """The rate of the next batch."""
        if self._chosen is None:
            return self._ramp[len(self._losses)]
        return self._trial.rate

    @property
    def restarts(self) -> bool:
        """Whether everything has to be put back before the next batch."""
        return not self.is_done and self._chosen is not None and not self._trial.losses

    @property
    def is_done(self) -> bool:
        """Whether no further batch is needed; everything is then to be put back."""
        return self._chosen is not None and all(trial.is_done for trial in self._trials)

    def add(self, loss: float) -> None:
        """Take the loss of the batch that was trained at `rate`.

        Args:
            loss: The batch's loss, of the weights before the batch's update.
        """
        if self._chosen is not None:
            self._trial.losses.append(float(loss))
            return
        self._losses.append(float(loss))
        if len(self._losses) == len(self._ramp) or _has_diverged(self._losses):
            self._chosen = choose(self._ramp[: len(self._losses)], self._losses, self._kind)
            if self._chosen.rate is not None:
                rates = (self._chosen.rate, _LOWER * self._chosen.rate)
                self._trials = [_Trial(rate, self._trial_steps, []) for rate in rates]

    def choice(self) -> Choice:
        """Return the rate that the batches so far suggest."""
        if self._chosen is None:
            return choose(self._ramp[: len(self._losses)], self._losses, self._kind)
        if self._chosen.rate is None or not self.is_done:
            return self._chosen
        higher, lower = self._trials
        if math.isinf(lower.result) and math.isinf(higher.result):
            return _none(f"the loss is not finite at {lower.rate:.2g}")
        if higher.result <= lower.result:
            return self._chosen
        return Choice(
            lower.rate,
            f"{lower.rate:.2g}: better than {higher.rate:.2g} after {self._trial_steps} batches "
            f"from the start, loss {lower.result:.3g} against {higher.result:.3g}",
        )

    @property
    def _trial(self) -> _Trial:
        return next((trial for trial in self._trials if not trial.is_done), self._trials[-1])


@dataclass(frozen=True)
class _Trial:
    """Some batches at one rate, from the weights that the probe began with."""

    rate: float
    steps: int
    losses: list[float]

    @property
    def is_done(self) -> bool:
        return len(self.losses) == self.steps or not all(map(math.isfinite, self.losses))

    @property
    def result(self) -> float:
        """The mean loss of the second half; infinite if a loss was not finite."""
        if not all(map(math.isfinite, self.losses)):
            return math.inf
        return float(np.mean(self.losses[self.steps // 2 :]))


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

    Args:
        rates: Rising learning rates > 0.
        losses: The loss of the batch that was trained at each rate.
        kind: `"sgd"`, `"momentum"` or `"adaptive"`; see `Probe`.

    Examples:
        >>> rates = [10 ** (k / 10 - 6) for k in range(71)]
        >>> losses = [2 / (1 + 20 * rate) for rate in rates]
        >>> choose(rates, losses, "sgd").reason
        "0.4: 1 × 0.4, where 90 % of the loss's fall had happened"
    """
    rule = _RULES[_checked("choose", kind)]
    if len(losses) < _FEWEST_LOSSES:
        return _none(f"{len(losses)} losses are too few; it takes {_FEWEST_LOSSES}")
    curve = _Curve.of(losses)
    if curve is None:
        return _none(f"the loss is not finite from {rates[0]:.2g} on")
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
            return _times(rule.of_fall, at_fall, place)
    if curve.rise is None:
        return _none("the loss neither falls nor rises by more than its noise")
    if curve.rise <= curve.head:
        return _none(f"the loss rises from {rates[0]:.2g} on")
    return _times(rule.of_rise, at_rise, "the loss rose")


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
        steps = np.abs(np.diff(values[: max(head, count // 3)]))
        noise = 1.4826 * float(np.median(steps)) / math.sqrt(2)
        values = np.minimum(values, level + max(4 * noise, abs(level)))
        half = max(3, count // 20)
        weights = 1 - np.abs(np.arange(-half, half + 1)) / (half + 1)
        smoothed = _convolved(values, weights) / _convolved(np.ones(len(values)), weights)
        error = noise * float(np.linalg.norm(weights) / weights.sum())
        rise = _rise(smoothed, level, error)
        if rise is None and len(values) < count:
            rise = len(values) - 1  # the next loss was not finite
        return cls(smoothed, level, error, head, rise)


def _convolved(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    half = len(weights) // 2
    return np.convolve(values, weights)[half : half + len(values)]


def _rise(smoothed: np.ndarray, level: float, error: float) -> int | None:
    """Return where the loss begins to rise, or None."""
    fallen = level - np.minimum.accumulate(smoothed)
    least = _LEAST_RISE * abs(level)
    rebounds = level - (1 - _REBOUND) * fallen + max(_CLEAR_REBOUND * error, least)
    rises = level + max(_CLEAR_RISE * error, least)
    risen = smoothed > np.where(fallen > _CLEAR_FALL * error, rebounds, rises)
    risen[0] = False
    return int(np.argmax(risen)) if risen.any() else None


def _has_diverged(losses: Sequence[float]) -> bool:
    """Whether going on shows nothing new: a loss not finite, or three far above the first ones."""
    if not math.isfinite(losses[-1]):
        return True
    if len(losses) < _FEWEST_LOSSES:
        return False
    first = losses[:5]
    level = float(np.median(first))
    return min(losses[-3:]) > level + 3 * max(abs(level), max(first) - min(first))


def _times(fraction: float, rate: float, place: str) -> Choice:
    chosen = fraction * rate
    return Choice(chosen, f"{chosen:.2g}: {fraction:g} × {rate:.2g}, where {place}")


def _none(why: str) -> Choice:
    return Choice(None, f"no suggestion, because {why}")


def _checked(owner: str, kind: str) -> str:
    if kind not in _RULES:
        raise ValueError(
            f"{owner}: kind must be one of {', '.join(KINDS)}. Received: kind={kind!r}. "
            "optimizer_kind(optimizer) gives it."
        )
    return kind
