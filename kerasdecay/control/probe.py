"""The probe: some batches at several rates, and the initial rate that they suggest.

A range test (Smith, 2015, "Cyclical Learning Rates for Training Neural Networks", arXiv 1506.01186,
section 3.3) shows up to where a network bears the rate. The probe takes a short one, batch by batch
as a training goes on, and then lets several rates from there down prove themselves.

Its constants were chosen by the final test figure after a hold and a linear way down, against a
grid of three rates a decade, with SGD, SGD with momentum, Adam and RMSprop: some 60 problems
(digits with dense, deep and convolutional networks, with and without normalisation, with pixels
that are not scaled; tables; moons and spirals; bags of tokens, recurrent networks and attention;
signals; regressions on scaled targets and on others). Where targets are far from 0, it still
chooses two to ten times too low in a short run: a trial fits little but their mean.
`benchmarks/robustness.py` trains other networks and data in Keras.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasdecay.control.range_test import (
    LEAST_RISE,
    checked_kind,
    has_diverged,
    noise_of,
    smoothed,
    times,
    without,
)
from kerasdecay.records.range import Choice

__all__ = ["Probe", "probe_steps"]

FIRST_RATES = {"sgd": 1e-9, "momentum": 1e-9, "adaptive": 1e-6}
LAST_RATE = 10.0
"""The range of a probe's ramp. Networks whose targets are not scaled need the low end; steps that
are scaled by the gradients' size do not."""

_SHARE, _LARGEST_SHARE = 1 / 6, 1 / 4  # of a run
_FEWEST_STEPS, _ENOUGH_STEPS, _MOST_STEPS = 30, 54, 124

_RAMP_SHARE = 0.3  # of the probe
_SHORTEST_RAMP, _LONGEST_RAMP = 16, 48
_TRIALS = 5  # at least, where the batches are enough
_FEWEST_IN_TRIAL, _MOST_IN_TRIAL = 6, 20  # batches
_LOWER = 0.4  # the rate of a trial, as a fraction of that of the trial before
_MUCH_LOWER = 0.1  # the same after one that was dead
_WIDE = 4.0  # the ratio of the best rate and one that was not borne that leaves room between them

# A rate that is best after some batches is a little too high for a long training; how much depends
# on how far the optimizer goes once it has gathered speed.
_OF_BEST = {"sgd": 0.7, "momentum": 0.3, "adaptive": 0.4}

# Where no trial shows that the network learns, the highest rate that does no harm is less certain.
_OF_CALM = {"sgd": 0.5, "momentum": 0.15, "adaptive": 0.25}

_ALIVE = 0.5  # of the units that the first batches moved: with fewer, a trial has killed a network
_LEAST_FALL = 0.01  # of the level: a fall of the ramp's loss below its noise that counts
_LEARNED = 0.1  # of the level: a fall that shows whatever the noise
_WORSE = 0.1  # of the best fall: a trial that is worse by so much ends the search
_WEIGHT = 0.1  # of the best fall: a trial that is worse by so much counts 1/e as much
_LARGE = 15.0  # a level at which no classification of scaled inputs begins: the targets are large
_FAR = 0.25  # of such a level: a loss below that is one of a network that has found their mean


def probe_steps(total_steps: int | None) -> int:
    """Return how many batches of a run a probe takes; 0 if the run is too short for one.

    A sixth of the run, at least 54 where that is at most a quarter of the run, and at most 124. A
    run of fewer than 120 batches has no probe.

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


class Probe:
    """A range test and some trials, taken batch by batch: `rate`, then `add`, until `is_done`.

    The test is a ramp of r = ⌊0.3 n⌋ of the n batches, between 16 and 48: batch k has the rate
    r₀ · (r₁ / r₀)^(k / (r − 1)), from r₀ = 1e-9, or 1e-6 for adaptive optimizers, to r₁ = 10; it
    ends early when the loss diverges.
    All that is read off it is the edge: the last rate at which the smoothed loss is still low, that
    is, half its fall below the level that it began with, or near that level if it never falls.

    Then each of some rates trains t = (n − r)/5 batches, between 6 and 20, all from the weights
    that the probe began with: the edge, 0.4 of it, 0.4² of it, …, but two of these steps at once
    after two at which the loss rose, and a tenth after one that was dead. Where the next rate above
    the best one was not borne and is more than four times as high, their geometric mean is tried
    before any lower rate. A rate counts by the mean loss of the second half of its trial, infinite
    if a loss was not finite or far above the level, or if the trial ended dead: its last batches,
    taken by an optimizer that has forgotten those before, move less than half as many units as the
    first ones did. (Such a network predicts a constant. Where the data are not scaled, its loss is
    far below that of a network that learns.)
    The trials end when no batches are left for another, or when there are three or more and the
    lowest rate has come down a tenth less than the best.

    The choice is a fraction of the geometric mean of these rates, each with the weight
    exp(−d / (0.1 f)): f is the best trial's fall below the level, d how much less this one fell.
    The fraction is 0.7 for SGD, 0.3 with momentum and 0.4 for adaptive optimizers.

    Where the level is above 15, the targets are large: a trial fits little but their mean, which
    takes a lower rate than what is left to learn then. There that mean is averaged, geometrically,
    with the highest rate whose loss is a quarter of the level or less in the last quarter of its
    trial, if that rate is higher.

    Where no loss comes down by a tenth of the level, a network is slow to start, or the rates are
    too high: it is 0.5, 0.15 or 0.25 of √(a · b). a is the highest rate whose loss is not above the
    level if the ramp's fell clearly, else the highest whose loss is within one standard error of
    the lowest; 0.4 of the last one if there is none. b >= a is the highest rate whose loss is not
    above the level by more than a twentieth: noise grows with the rate.

    Where all trials ended dead or far above the level, it is the fraction of a tenth of the last
    one.

    Args:
        steps: n, at least 30.
        kind: `"sgd"`, `"momentum"` (SGD with momentum) or `"adaptive"` (Adam, RMSprop and others
            that scale each step by the gradients' size).
        look_batches: After so many batches weights have moved: the steps over which an optimizer
            accumulates gradients.

    Examples:
        >>> probe = Probe(steps=100, kind="sgd")
        >>> while not probe.is_done:
        ...     if probe.restarts:
        ...         pass  # put everything back
        ...     probe.add(2 / (1 + 20 * probe.rate) + 9 * max(0, probe.rate - 1))
        >>> 0.1 < probe.choice().rate < 1
        True
    """

    def __init__(self, steps: int, kind: str, look_batches: int = 1) -> None:
        if steps < _FEWEST_STEPS:
            raise ValueError(
                f"Probe: steps must be an integer >= {_FEWEST_STEPS}. Received: steps={steps!r}. "
                "Train longer, or give a learning rate."
            )
        self._fraction = _OF_BEST[checked_kind("Probe", kind)]
        self._of_calm = _OF_CALM[kind]
        self._steps_left = steps
        length = min(max(int(_RAMP_SHARE * steps), _SHORTEST_RAMP), _LONGEST_RAMP)
        trial_steps = (steps - length) // _TRIALS
        self._trial_steps = min(max(trial_steps, _FEWEST_IN_TRIAL), _MOST_IN_TRIAL)
        self.look_batches = look_batches
        self._alive_at_first: float | None = None
        self._ramp = np.geomspace(FIRST_RATES[kind], LAST_RATE, length).tolist()
        self._losses: list[float] = []
        self._edge: _Edge | None = None
        self._trials: list[_Trial] = []
        self._has_ended = False

    @property
    def rate(self) -> float:
        """The rate of the next batch."""
        return self._trials[-1].rate if self._trials else self._ramp[len(self._losses)]

    @property
    def restarts(self) -> bool:
        """Whether everything has to be put back before the next batch."""
        return not self.is_done and bool(self._trials) and not self._trials[-1].losses

    @property
    def is_done(self) -> bool:
        """Whether no further batch is needed; everything is then to be put back."""
        return self._has_ended

    @property
    def looks(self) -> bool:
        """Whether a look at what moves begins with the next batch, after a fresh optimizer."""
        if self.is_done or not self._trials:
            return False
        done = len(self._trials[-1].losses)
        begins = done == 0 and len(self._trials) == 1
        return begins or done == self._trial_steps - self.look_batches

    def add(self, loss: float, alive: float | None = None) -> None:
        """Take the loss of the batch that was trained at `rate`.

        Args:
            loss: The batch's loss, of the weights before the batch's update.
            alive: The share of the units whose weights the batches of a look moved, if one ended
                with this batch and anything moved.
        """
        self._steps_left -= 1
        if self._edge is not None:
            trial = self._trials[-1]
            trial.losses.append(float(loss))
            if alive is not None and len(trial.losses) == self.look_batches:
                self._alive_at_first = alive
            elif alive is not None and self._alive_at_first is not None:
                trial.is_dead = alive < _ALIVE * self._alive_at_first
            if trial.has_ended(self._trial_steps, self._edge):
                self._go_on()
            return
        self._losses.append(float(loss))
        if len(self._losses) == len(self._ramp) or has_diverged(self._losses):
            self._edge = _Edge.of(self._ramp, self._losses)
            if self._edge.why_none:
                self._has_ended = True
            else:
                self._trials.append(_Trial(self._edge.rate, []))

    def _go_on(self) -> None:
        """Begin the next trial, or end."""
        rate = self._next_rate()
        if rate is None or self._steps_left < self._trial_steps:
            self._has_ended = True
        else:
            self._trials.append(_Trial(rate, []))

    def _next_rate(self) -> float | None:
        """Return the rate of the next trial; None if the rates so far tell where the best is."""
        assert self._edge is not None
        trials = sorted(self._trials, key=lambda trial: trial.rate)
        results = [self._result(trial) for trial in trials]
        best = int(np.argmin(results))
        if math.isfinite(results[best]) and math.inf in results[best + 1 : best + 2]:
            rate, higher = trials[best].rate, trials[best + 1].rate
            if higher > _WIDE * rate:
                return math.sqrt(rate * higher)
        fall = self._edge.level - results[best]
        is_worse = best > 0 and results[0] > results[best] + _WORSE * fall
        # A single trial may be worse by chance, and the first one has none above it.
        if is_worse and len(trials) > 2 and self._edge.is_learning(fall):
            return None
        above = self._edge.level + LEAST_RISE * abs(self._edge.level)
        both_rose = len(trials) > 1 and min(results[:2]) > above
        factor = _MUCH_LOWER if trials[0].is_dead else _LOWER**2 if both_rose else _LOWER
        return factor * trials[0].rate

    def _result(self, trial: _Trial) -> float:
        return trial.result(self._trial_steps)

    def choice(self) -> Choice:
        """Return the rate that the batches so far suggest."""
        if self._edge is None or not self._has_ended:
            return without(f"{len(self._losses)} losses are too few")
        if self._edge.why_none:
            return without(self._edge.why_none)
        results = {trial.rate: self._result(trial) for trial in self._trials}
        lowest = min(results.values())
        if math.isinf(lowest):
            last = self._trials[-1]
            if not math.isfinite(last.losses[-1]):
                return without(f"the loss is not finite at {last.rate:.2g}")
            where = f"no rate from {max(results):.2g} down to it was borne"
            return times(_MUCH_LOWER * self._fraction, last.rate, where)
        fall = self._edge.level - lowest
        tried = f"{len(results)} rates from {max(results):.2g} down"
        if self._edge.is_learning(fall):
            weights = {
                rate: math.exp((lowest - result) / (_WEIGHT * fall))
                for rate, result in results.items()
            }
            logarithm = sum(weight * math.log(rate) for rate, weight in weights.items())
            best = math.exp(logarithm / sum(weights.values()))
            if self._edge.level > _LARGE:
                ends = {trial.rate: trial.end(self._trial_steps) for trial in self._trials}
                far_down = [rate for rate, end in ends.items() if end <= _FAR * self._edge.level]
                best = math.sqrt(best * max([best, *far_down]))
            return times(self._fraction, best, f"the loss fell furthest among {tried}")
        level = self._edge.level
        enough, error = level, self._edge.noise / math.sqrt(self._trial_steps / 2)
        if not self._edge.has_fallen:
            far = max(3 * error, LEAST_RISE * abs(level))
            if not self._edge.has_risen and max(results.values()) <= level + far:
                return without("the loss neither falls nor rises by more than its noise")
            enough = min(enough, lowest + error)
        calm = [rate for rate, result in results.items() if result <= enough]
        # Nothing below the level: lower still, if the last was not worse already.
        best = max(calm) if calm else min(results, key=results.__getitem__)
        if not calm and best == self._trials[-1].rate:
            best *= _LOWER
        # The noise grows with the rate, so what rose by little may not have risen.
        little = level + LEAST_RISE * abs(level)
        highest = max((rate for rate, result in results.items() if result <= little), default=best)
        best = math.sqrt(best * max(best, highest))
        return times(self._of_calm, best, f"the loss did not rise, among {tried}")


@dataclass
class _Trial:
    """Some batches at one rate, from the weights that the probe began with."""

    rate: float
    losses: list[float]
    is_dead: bool = False

    def has_ended(self, steps: int, edge: _Edge) -> bool:
        """Whether it has had its batches, or the loss is not finite or far above the level."""
        losses = self.losses
        if len(losses) == steps or not math.isfinite(losses[-1]):
            return True
        return len(losses) >= 4 and min(losses[-2:]) > edge.level + 3 * edge.spread

    def result(self, steps: int) -> float:
        """The mean loss of the second half; infinite if the trial ended early."""
        return self._mean_from(steps // 2, steps)

    def end(self, steps: int) -> float:
        """The same of the last quarter."""
        return self._mean_from(3 * steps // 4, steps)

    def _mean_from(self, first: int, steps: int) -> float:
        if self.is_dead or len(self.losses) < steps or not math.isfinite(self.losses[-1]):
            return math.inf
        return float(np.mean(self.losses[first:]))


@dataclass(frozen=True)
class _Edge:
    """Up to where a ramp's loss is low, and what the losses of trials are judged by.

    Args:
        rate: The last rate at which the loss is low.
        level: The loss that the ramp began with.
        spread: The larger of the level and the range of the first losses: what far away means.
        noise: The standard deviation of a loss, but for the rate.
        has_fallen: Whether the loss fell by more than its noise.
        has_risen: Whether it was higher at the end.
        why_none: Why there is no such rate; empty if there is.
    """

    rate: float
    level: float
    spread: float
    noise: float
    has_fallen: bool
    has_risen: bool
    why_none: str = ""

    @classmethod
    def of(cls, rates: Sequence[float], losses: Sequence[float]) -> _Edge:
        """Return the edge of a ramp that was broken off perhaps."""
        head = max(5, len(rates) // 5)
        values = np.asarray(losses, dtype=float)
        if len(values) < head or not np.isfinite(values[:head]).all():
            why = f"the loss is not finite from {rates[0]:.2g} on"
            nan = math.nan
            return cls(rates[0], nan, nan, nan, has_fallen=False, has_risen=True, why_none=why)
        first = values[:head]
        level, noise = float(np.median(first)), noise_of(values[: max(head, len(rates) // 3)])
        spread = max(abs(level), float(np.ptp(first)))
        values = np.where(np.isfinite(values), np.minimum(values, level + spread), level + spread)
        weights = np.array([0.25, 0.5, 0.25])
        course = smoothed(values, weights)
        error = noise * float(np.linalg.norm(weights))
        fall = level - float(course[head:].min(initial=level))
        least = LEAST_RISE * abs(level)
        has_fallen = fall > max(6 * error, _LEAST_FALL * abs(level))
        limit = level - fall / 2 if has_fallen else level + max(3 * error, least)
        low = np.flatnonzero(course <= limit)
        last = int(low[-1]) if low.size else 0
        has_risen = last < len(rates) - 1
        return cls(rates[last], level, spread, noise, has_fallen, has_risen)

    def is_learning(self, fall: float) -> bool:
        """Whether a loss that has fallen so far shows that a network learns."""
        return fall > _LEARNED * abs(self.level)
