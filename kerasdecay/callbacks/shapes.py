"""The decays that follow a planned shape, as callbacks.

Each is `LearningRateDecay` with its shape filled in. All of them take its options
besides their own arguments.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeGuard, Unpack

from kerasdecay import _checks
from kerasdecay.rules import Rule, Staged
from kerasdecay.rules.family import rule_named
from kerasdecay.rules.triggered import a_trigger
from kerasdecay.schedules import (
    Constant,
    Cosine,
    Knee,
    Linear,
    OneCycle,
    PowerStep,
    Step,
    WarmupStable,
    warmup,
)
from kerasdecay.schedules.composition import require_schedule
from kerasdecay.schedules.duration import Duration
from kerasdecay.schedules.one_cycle import OneCycleMomentum
from kerasdecay.training.arguments import Options, RunOptions, with_rule
from kerasdecay.training.as_schedule import as_schedule
from kerasdecay.training.callback import DecayCallback


class PowerStepDecay(DecayCallback):
    """Powers of the initial rate, in stages of equal length: 0.1, then 0.01, then 0.001.

    η(t) = η₀^(k+1), k = min(⌊e / (E // S)⌋, S − 1), with e epochs done of E, and S stages: see
    `kerasdecay.schedules.PowerStep`.

    Args:
        initial_learning_rate: η₀ in (0, 1); None takes the optimizer's;
            `"auto"` finds one inside `fit`.
        stages: S, an integer >= 1, at most the number of epochs.
        remainder: Where S does not divide E: `"last"` gives the rest to the last stage,
            `"new_stage"` opens further stages.
        min_learning_rate: No stage goes below this; >= 0.
        advance_on: A rule, or its name; each reduction enters the next stage; `remainder` and the
            number of epochs have no effect. None: the stages have equal lengths.
        **options: Those of `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range; for fewer epochs than stages.

    Warns:
        UserWarning: If η₀ < 0.01, where each stage is more than a hundredfold drop (with
            `advance_on` only if η₀ is given).

    Examples:
        >>> from kerasdecay import PowerStepDecay, simulate
        >>> simulate(PowerStepDecay(0.1), epochs=6).round(6).tolist()
        [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]

        >>> from kerasdecay.rules import Plateau
        >>> decay = PowerStepDecay(0.1, advance_on=Plateau("val_loss", patience=3))

    Source: tutorial on learning-rate size and decay, iThome, 2021-09-16.
    """

    def __init__(
        self,
        initial_learning_rate: float | str | None = None,
        *,
        stages: int = 3,
        remainder: str = "last",
        min_learning_rate: float = 0.0,
        advance_on: Rule[Any] | str | None = None,
        **options: Unpack[Options],
    ) -> None:
        shape = PowerStep(initial_learning_rate, stages, remainder, min_learning_rate)
        if advance_on is not None:
            if isinstance(advance_on, str):
                advance_on = rule_named("PowerStepDecay", "advance_on", advance_on)
            advance_on = a_trigger("PowerStepDecay", "advance_on", advance_on)
            # One stage that lasts; the rule scales it to the further ones.
            shape = dataclasses.replace(shape, stages=1, remainder="last")
            staged = Staged(advance_on, stages, min_learning_rate)
            options = with_rule("PowerStepDecay", staged, options)
        super().__init__(shape, **options)


class StepDecay(DecayCallback):
    """The rate is multiplied by the same factor at equal intervals: η(t) = η₀ γ^⌊t/s⌋.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's; `"auto"` finds one inside `fit`.
        every: The interval s: epochs, `"500 steps"` or `"30%"` of the horizon, longer than 0.
        factor: γ in (0, 1].
        **options: Those of `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range, or one that does not fit the horizon.

    Examples:
        >>> from kerasdecay import StepDecay, simulate
        >>> simulate(StepDecay(0.1, every=2, factor=0.5), epochs=4).tolist()
        [0.1, 0.1, 0.05, 0.05]

    Source: He et al., Deep Residual Learning, 2015 (arXiv:1512.03385).
    """

    def __init__(
        self,
        initial_learning_rate: float | str | None = None,
        *,
        every: Duration = "30%",
        factor: float = 0.1,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(Step(initial_learning_rate, every=every, factor=factor), **options)


class LinearDecay(DecayCallback):
    """A straight line down: η(t) = η₁ + (η₀ − η₁)(1 − z), where z is the share done.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's; `"auto"` finds one inside `fit`.
        final_learning_rate: η₁ in [0, η₀].
        **options: Those of `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay import LinearDecay, simulate
        >>> simulate(LinearDecay(0.4), epochs=4).round(6).tolist()
        [0.4, 0.3, 0.2, 0.1]

    Source: Defazio et al., Optimal linear decay learning rate schedules, 2023 (arXiv:2310.07831).
    """

    def __init__(
        self,
        initial_learning_rate: float | str | None = None,
        *,
        final_learning_rate: float = 0.0,
        **options: Unpack[Options],
    ) -> None:
        shape = Linear(initial_learning_rate, final_learning_rate=final_learning_rate)
        super().__init__(shape, **options)


class CosineDecay(DecayCallback):
    """Half a cosine wave down: η(t) = η₁ + (η₀ − η₁) (1 + cos πz)/2, where z is the share done.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's; `"auto"` finds one inside `fit`.
        final_learning_rate: η₁ in [0, η₀].
        **options: Those of `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay import CosineDecay, simulate
        >>> simulate(CosineDecay(0.1), epochs=3).round(6).tolist()
        [0.1, 0.075, 0.025]

    Source: Loshchilov and Hutter, SGDR, 2016 (arXiv:1608.03983).
    """

    def __init__(
        self,
        initial_learning_rate: float | str | None = None,
        *,
        final_learning_rate: float = 0.0,
        **options: Unpack[Options],
    ) -> None:
        shape = Cosine(initial_learning_rate, final_learning_rate=final_learning_rate)
        super().__init__(shape, **options)


class OneCycleDecay(DecayCallback):
    """The rate rises to its peak η₀, then falls to almost nothing.

    See `kerasdecay.schedules.OneCycle` for the formula.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's; `"auto"` finds one inside `fit`.
        rise: The length of the rise: epochs, `"500 steps"` or `"30%"` of the horizon.
        div_factor: η₀ over the first rate, >= 1.
        final_div_factor: The first rate over the last, >= 1.
        curve: `"cosine"` or `"linear"`.
        momentum: A pair of numbers in [0, 1), such as `(0.85, 0.95)`: the momentum goes from the
            second number to the first while the rate rises to its peak, and back; for an optimizer
            without momentum this is beta_1. The weights equal those of torch's OneCycleLR with
            `cycle_momentum=True`: torch's velocity does not contain the rate, so the velocity of
            Keras' SGD and RMSprop is multiplied by η(t)/η(t−1) before each step. For any other
            value see `LearningRateDecay`; None does not change the momentum.
        **options: Those of `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range, or one that does not fit the horizon; for a pair
            as `momentum` with a `warmup`, because the cycle contains the warmup.

    Examples:
        >>> from kerasdecay import OneCycleDecay, simulate
        >>> simulate(OneCycleDecay(1.0, rise=3, div_factor=4), epochs=5).round(3).tolist()
        [0.25, 0.625, 1.0, 0.5, 0.0]

        >>> decay = OneCycleDecay(0.1, momentum=(0.85, 0.95))

    Source: Smith and Topin, Super-convergence, 2017 (arXiv:1708.07120); the velocity that follows
    the rate: Goyal et al., 2017 (arXiv:1706.02677), remark 3.
    """

    def __init__(
        self,
        initial_learning_rate: float | str | None = None,
        *,
        rise: Duration = "30%",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        curve: str = "cosine",
        **options: Unpack[Options],
    ) -> None:
        shape = OneCycle(
            initial_learning_rate,
            rise=rise,
            div_factor=div_factor,
            final_div_factor=final_div_factor,
            curve=curve,
        )
        momentum, beta_1 = options.get("momentum"), options.get("beta_1")
        if _are_numbers(beta_1, 2):
            allowed = "a number or a schedule; a pair that follows the cycle is that of momentum"
            remedy = f"Write momentum={tuple(beta_1)}, which is beta_1 for Adam."
            raise _checks.invalid("OneCycleDecay", "beta_1", allowed, beta_1, remedy)
        if _are_numbers(momentum, 3) and momentum[1] < min(momentum[0], momentum[2]):
            allowed = "a pair, which goes back to where it began by itself"
            remedy = f"Did you mean {(momentum[1], momentum[0])}?"
            raise _checks.invalid("OneCycleDecay", "momentum", allowed, momentum, remedy)
        if _are_numbers(momentum, 2):
            if options.get("warmup") is not None:
                allowed = "None with a pair as momentum, for the cycle warms up itself"
                raise _checks.invalid("OneCycleDecay", "warmup", allowed, options["warmup"])
            low, high = momentum
            if low > high:
                allowed = (
                    "a pair with the lower number first, which belongs to the peak of the rate"
                )
                remedy = f"Did you mean {(high, low)}?"
                raise _checks.invalid("OneCycleDecay", "momentum", allowed, momentum, remedy)
            options["momentum"] = OneCycleMomentum(low=low, high=high, cycle=shape)
        super().__init__(shape, **options)


def _are_numbers(value: Any, count: int) -> TypeGuard[Sequence[float]]:
    is_sequence = isinstance(value, (tuple, list)) and len(value) == count
    return is_sequence and all(_checks.real(one) is not None for one in value)


class WarmupStableDecay(DecayCallback):
    """The rate stays at η₀, then falls to η₁ in the last part of the horizon.

    The option `warmup` adds the warmup; there is none by default. With u the share done of the last
    part, η(t) = η₁ + (η₀ − η₁) (1 − √u); see `kerasdecay.schedules.WarmupStable`.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's; `"auto"` finds one inside `fit`.
        final_learning_rate: η₁ in [0, η₀].
        decay: The length of the way down: epochs, `"500 steps"` or `"20%"` of the horizon.
        curve: `"1-sqrt"`, `"linear"` or `"cosine"`.
        **options: Those of `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range, or one that does not fit the horizon.

    Examples:
        >>> from kerasdecay import WarmupStableDecay, simulate
        >>> decay = WarmupStableDecay(0.4, decay=2, curve="linear", warmup=2)
        >>> simulate(decay, epochs=6).round(6).tolist()
        [0.2, 0.4, 0.4, 0.4, 0.4, 0.2]

    Source: Hägele et al., 2024 (arXiv:2405.18392).
    """

    def __init__(
        self,
        initial_learning_rate: float | str | None = None,
        *,
        final_learning_rate: float = 0.0,
        decay: Duration = "20%",
        curve: str = "1-sqrt",
        **options: Unpack[Options],
    ) -> None:
        shape = WarmupStable(
            initial_learning_rate, final_learning_rate=final_learning_rate, decay=decay, curve=curve
        )
        super().__init__(shape, **options)


class KneeDecay(DecayCallback):
    """The rate stays at η₀ for most of the run, then goes down to η₁ in a straight line.

    See `kerasdecay.schedules.Knee` for the formula; the hold is 80 % of the horizon here, as in
    `kerasdecay.AutoDecay`.

    Args:
        initial_learning_rate: η₀ > 0; None takes the optimizer's; `"auto"` finds one inside `fit`.
        final_learning_rate: η₁ in [0, η₀].
        hold: How long the rate stays at η₀: epochs, `"500 steps"` or `"80%"` of the horizon,
            shorter than the horizon.
        **options: Those of `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range, or one that does not fit the horizon.

    Examples:
        >>> from kerasdecay import KneeDecay, simulate
        >>> simulate(KneeDecay(0.4), epochs=10).round(6).tolist()
        [0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.2]

    Source: Iyer et al., Wide-minima density hypothesis, 2020 (arXiv:2003.03977).
    """

    def __init__(
        self,
        initial_learning_rate: float | str | None = None,
        *,
        final_learning_rate: float = 0.0,
        hold: Duration = "80%",
        **options: Unpack[Options],
    ) -> None:
        shape = Knee(initial_learning_rate, final_learning_rate=final_learning_rate, hold=hold)
        super().__init__(shape, **options)


class WarmupDecay(DecayCallback):
    """The rate rises linearly to the initial rate, then follows a schedule over the rest.

    See `kerasdecay.schedules.Warmup` for the formula.

    Args:
        duration: The length of the warmup: epochs, `"500 steps"` or `"10%"` of the horizon.
        then: The schedule that follows, in any form that `LearningRateDecay` accepts, such as 0.1
            or `"cosine"`; None: constant, at the optimizer's rate.
        start: The first rate's share of the initial rate, in [0, 1] or such as `"10%"`; None: 1/N
            in a warmup of N updates, so that the first update already trains.
        rules: Rules that scale the rate; they are inactive during the warmup.
        verbose: See `LearningRateDecay`.
        **options: `epochs`, `update` and `state_path`, as for `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range; for a warmup longer than the horizon.

    Examples:
        >>> from kerasdecay import WarmupDecay, simulate
        >>> from kerasdecay.schedules import Constant
        >>> simulate(WarmupDecay(2, then=Constant(0.1)), epochs=3).tolist()
        [0.05, 0.1, 0.1]

    Source: Goyal et al., Accurate, Large Minibatch SGD, 2017 (arXiv:1706.02677).
    """

    def __init__(
        self,
        duration: Duration,
        then: Any = None,
        start: float | str | None = None,
        *,
        rules: Rule[Any] | Sequence[Rule[Any]] | None = (),
        verbose: int | bool = 0,
        **options: Unpack[RunOptions],
    ) -> None:
        after = Constant() if then is None else as_schedule(then, "WarmupDecay", "then")
        schedule = warmup(require_schedule("WarmupDecay", "then", after), duration, start)
        super().__init__(schedule, rules=rules, verbose=verbose, **options)
