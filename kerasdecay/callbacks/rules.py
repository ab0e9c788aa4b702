"""The decays that decide from the training itself, as callbacks.

Each is `LearningRateDecay` with its rule filled in, on a constant schedule by default. All of them
take, besides their own arguments, the options `warmup`, `rules` (further ones), `epochs`, `update`,
`state_path` and `verbose`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Unpack

from kerasdecay import _checks
from kerasdecay._names import key_named
from kerasdecay.rules import AdaptiveKnee, Greedy, LossSlope, Plateau, Rule, WeightNorm
from kerasdecay.rules.adaptive_knee import usual_trigger
from kerasdecay.rules.family import FAMILY, rule_named
from kerasdecay.rules.monitor import direction_of
from kerasdecay.schedules import Constant, Schedule
from kerasdecay.schedules.base import AUTO, Shape
from kerasdecay.schedules.duration import Duration
from kerasdecay.training.arguments import Options, RunOptions, with_rule
from kerasdecay.training.as_schedule import as_schedule
from kerasdecay.training.callback import DecayCallback

Scaled = Schedule | Callable[..., float] | Sequence[float] | float | str | None
"""What a rule scales: whatever `LearningRateDecay` takes; None is the optimizer's own rate."""


_RATE = "A rate is schedule=0.1."


class RuleDecay(DecayCallback):
    """A decay that is one rule on a schedule."""

    def __init__(self, rule: Rule[Any], schedule: Scaled, options: Options) -> None:
        super().__init__(
            Constant() if schedule is None else schedule,
            **with_rule(type(self).__name__, rule, options),
        )


class PlateauDecay(RuleDecay):
    """Multiply the rate by `factor` when a metric has not improved for `patience` epochs.

    rate(t) = schedule(t) × scale. With the default constant schedule this takes the arguments of
    Keras' ReduceLROnPlateau and makes the same decisions in every epoch. Unlike Keras', it never
    takes a NaN for the best value, and its state can survive a crash. `kerasdecay.rules.Plateau`
    defines the rule exactly.

    Args:
        monitor: Name of the metric in the epoch's logs.
        factor: In (0, 1): new rate = rate × factor.
        patience: Epochs without improvement before a reduction, an integer >= 0.
        verbose: 1 prints each reduction as Keras does, a panel before and a summary after the
            training.
        mode: `"min"`, `"max"`, or `"auto"`: by the compiled metric, else by its name.
        min_delta: Smallest change that counts as an improvement, >= 0.
        cooldown: Epochs after a reduction in which nothing is counted, an integer >= 0.
        min_lr: No reduction goes below this; >= 0.
        schedule: What is reduced: a schedule or a function of the epoch; None: the optimizer's
            rate, constant.
        smoothing: The number of epochs over which the metric is averaged, an integer >= 1.
        min_delta_mode: `"abs"`, or `"rel"`: `min_delta` in shares of the best value's magnitude.
        restore_best_weights: Whether each reduction goes back to the best epoch: to the model's
            weights and its other state, and to the optimizer's moments.
        restore_optimizer: False goes back to the model's weights alone.
        stop_at_min_lr: Whether the training ends when a reduction is due at `min_lr`.
        every: `"500 steps"`: the rule observes the mean loss of every 500 batches in place of an
            epoch's logs; patience and cooldown then count observations. Only for
            `monitor="loss"`. None: once an epoch.
        warmup: A linear warmup: epochs, `"500 steps"` or `"10%"`; rules are inactive during it.
        rules: A further rule, or several.
        **options: `epochs`, `update` and `state_path`, as for `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range; after the first epoch, if neither the metric's
            name nor the compiled metric tells which direction is better and `mode` is `"auto"`.

    Examples:
        >>> from kerasdecay import PlateauDecay
        >>> decay = PlateauDecay("val_loss", factor=0.2, patience=3, warmup=1)

    Source: keras.callbacks.ReduceLROnPlateau, Keras 3.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int | bool = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        *,
        schedule: Scaled = None,
        min_delta_mode: str = "abs",
        smoothing: int = 1,
        restore_best_weights: bool = False,
        restore_optimizer: bool = True,
        stop_at_min_lr: bool = False,
        every: str | None = None,
        warmup: Duration | None = None,
        rules: Rule[Any] | Sequence[Rule[Any]] | None = (),
        **options: Unpack[RunOptions],
    ) -> None:
        _check_monitor("PlateauDecay", monitor)
        rule = Plateau(
            monitor=monitor,
            factor=factor,
            patience=patience,
            mode=mode,
            min_delta=min_delta,
            cooldown=cooldown,
            min_lr=min_lr,
            min_delta_mode=min_delta_mode,
            smoothing=smoothing,
            restore_best_weights=restore_best_weights,
            restore_optimizer=restore_optimizer,
            stop_at_min_lr=stop_at_min_lr,
            every=every,
        )
        given: Options = {"warmup": warmup, "rules": rules, "verbose": verbose, **options}
        super().__init__(rule, schedule, given)


class GreedyDecay(RuleDecay):
    """Raise the rate while a metric improves, lower it while it does not.

    After more than `patience` epochs in a row that improve on the best value, the rate becomes
    rate / factor; after more than `patience` epochs in a row that do not, rate × factor. See
    `kerasdecay.rules.Greedy`.

    Args:
        monitor: Name of the metric in the epoch's logs.
        factor: In (0, 1).
        patience: The rate changes after more than this many epochs in a row, an integer >= 0.
        mode: `"min"`, `"max"`, or `"auto"`: by the compiled metric, else by its name.
        min_lr: Lowest rate, >= 0.
        max_lr: Highest rate that a raise leads to, >= `min_lr`.
        smoothing: The number of epochs over which the metric is averaged, an integer >= 1.
        every: `"500 steps"`: the rule observes the mean loss of every 500 batches in place of an
            epoch's logs; patience then counts observations. Only for `monitor="loss"`. None: once
            an epoch.
        schedule: What is scaled: a schedule or a function of the epoch; None: the optimizer's rate,
            constant.
        **options: Those of `LearningRateDecay`; `rules` are further ones.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay import GreedyDecay
        >>> decay = GreedyDecay("val_loss", patience=2, smoothing=3)

    Source: GreedyLR, 2025 (arXiv:2512.14527).
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.95,
        patience: int = 10,
        mode: str = "auto",
        *,
        min_lr: float = 1e-3,
        max_lr: float = 1.0,
        smoothing: int = 1,
        every: str | None = None,
        schedule: Scaled = None,
        **options: Unpack[Options],
    ) -> None:
        _check_monitor("GreedyDecay", monitor)
        rule = Greedy(
            monitor,
            factor,
            patience,
            mode,
            min_lr=min_lr,
            max_lr=max_lr,
            smoothing=smoothing,
            every=every,
        )
        super().__init__(rule, schedule, options)


def _check_monitor(owner: str, monitor: Any) -> None:
    """Raise a ValueError for a rate or an optimizer in the place of a metric's name."""
    is_rate = _checks.real(monitor) is not None or callable(monitor)
    remedy = _checks.rate_within(monitor) or (f"A rate is schedule={monitor!r}." if is_rate else "")
    if remedy:
        raise _checks.invalid(owner, "monitor", "the name of a metric", monitor, remedy)


class WeightNormDecay(RuleDecay):
    """Multiply the rate by `factor` at every second bounce of the weight norm, and once late.

    The callback computes n = Σw² over the trainable kernels once an epoch, on the device, and logs
    it as `weight_norm`. The rule needs weight decay to work. See `kerasdecay.rules.WeightNorm`.

    Args:
        factor: In (0, 1): new rate = rate × factor.
        last_decay: The share of the horizon after which one more reduction comes, in (0, 1) or
            such as `"85%"`; None for no such reduction.
        min_lr: No reduction goes below this; >= 0.
        schedule: What is scaled: a schedule or a function of the epoch; None: the optimizer's rate,
            constant.
        **options: Those of `LearningRateDecay`; `rules` are further ones.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay import WeightNormDecay
        >>> decay = WeightNormDecay(factor=0.2)

    Source: Lewkowycz, How to decay your learning rate, 2021 (arXiv:2103.12682).
    """

    _unnamed = _RATE

    def __init__(
        self,
        *,
        factor: float = 0.1,
        last_decay: float | str | None = 0.85,
        min_lr: float = 0.0,
        schedule: Scaled = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(WeightNorm(factor, last_decay, min_lr), schedule, options)


class LossSlopeDecay(RuleDecay):
    """Multiply the rate by `factor` once a test finds that the training loss no longer falls.

    It needs a call after every batch, which waits for the batch's loss and ends Keras' asynchronous
    logging; the documentation of the engines gives the cost. `kerasdecay.rules.LossSlope` defines
    the test.

    Args:
        factor: In (0, 1): new rate = rate × factor.
        p_value: The loss counts as falling while the p of the one-sided test is below this; in
            (0, 1).
        min_losses: Batches since the last reduction that a test needs, an integer >= 20.
        min_lr: No reduction goes below this; >= 0.
        every: `"50 steps"`: the rule tests every 50 batches, and their mean counts as one loss.
            None: it tests once an epoch, with the loss of each batch.
        schedule: What is scaled: a schedule or a function of the epoch; None: the optimizer's rate,
            constant.
        **options: Those of `LearningRateDecay`; `rules` are further ones.

    Raises:
        ValueError: For a value out of its range.

    Warns:
        UserWarning: Once, if the batches of an epoch differ in size so that their losses are not
            exact.

    Examples:
        >>> from kerasdecay import LossSlopeDecay
        >>> decay = LossSlopeDecay(factor=0.2, min_losses=1000)

    Source: Zhang et al., Statistical adaptive stochastic gradient methods, 2020 (arXiv:2002.10597).
    """

    _unnamed = _RATE

    def __init__(
        self,
        *,
        factor: float = 0.1,
        p_value: float = 0.05,
        min_losses: int = 400,
        min_lr: float = 0.0,
        every: str | None = None,
        schedule: Scaled = None,
        **options: Unpack[Options],
    ) -> None:
        rule = LossSlope(factor, p_value, min_losses, min_lr, every=every)
        super().__init__(rule, schedule, options)


class AdaptiveKneeDecay(RuleDecay):
    """Hold the rate until a rule triggers the way down, then lower it until the horizon.

    The formula is that of `kerasdecay.rules.AdaptiveKnee`.

    Args:
        trigger: A rule; its first reduction begins the way down. None: a plateau of the
            validation loss, averaged over three epochs. A number stands for `schedule`, the rate
            that is held.
        monitor: Another metric for that plateau, such as `"val_accuracy"`; not with `trigger`.
        min_hold: The share of the horizon before which the trigger is ignored, in [0, 1) or such
            as `"50%"`.
        latest: The share of the horizon after which the way down begins at the latest, in
            [`min_hold`, 1) or such as `"80%"`.
        curve: The curve of the way down: `"linear"` or `"1-sqrt"`.
        final_learning_rate: The rate at the horizon, >= 0, at most the schedule's initial one.
        schedule: What is held: a schedule or a function of the epoch; None: the optimizer's rate,
            constant.
        **options: Those of `LearningRateDecay`; `rules` are further ones.

    Raises:
        ValueError: For a value out of its range.

    Examples:
        >>> from kerasdecay import AdaptiveKneeDecay
        >>> from kerasdecay.rules import WeightNorm
        >>> decay = AdaptiveKneeDecay(WeightNorm(), latest=0.9)
        >>> decay = AdaptiveKneeDecay(0.1, monitor="val_accuracy")

    Source: Iyer et al., 2020 (arXiv:2003.03977), its moment chosen by a rule.
    """

    _unnamed = _RATE

    def __init__(
        self,
        trigger: Rule[Any] | float | str | None = None,
        *,
        monitor: str | None = None,
        min_hold: float | str = 0.5,
        latest: float | str = 0.8,
        curve: str = "linear",
        final_learning_rate: float = 0.0,
        schedule: Scaled = None,
        **options: Unpack[Options],
    ) -> None:
        owner = type(self).__name__
        if trigger == AUTO or _checks.real(trigger) is not None:
            if schedule is not None:
                allowed = "a rule where schedule= gives what is held"
                raise _checks.invalid(owner, "trigger", allowed, trigger)
            trigger, schedule = None, Constant(trigger)
        rule = AdaptiveKnee(
            trigger_given(owner, trigger, monitor),
            min_hold=min_hold,
            latest=latest,
            curve=curve,
            final_learning_rate=final_learning_rate,
        )
        held = Constant() if schedule is None else as_schedule(schedule)
        check_end(owner, held, final_learning_rate)
        super().__init__(rule, held, options)


def trigger_given(owner: str, trigger: Any, monitor: str | None) -> Any:
    """Return the trigger of an `AdaptiveKnee`, by default the usual one for a metric."""
    if monitor is not None:
        if trigger is None:
            return usual_trigger(monitor)
        remedy = "Write it into the trigger, such as Plateau('val_accuracy')."
        raise _checks.invalid(owner, "monitor", "None beside a trigger", monitor, remedy)
    if isinstance(trigger, str):
        if key_named(FAMILY, trigger) is None and direction_of(trigger) is not None:
            allowed = "a rule, the name of one, or the initial rate"
            remedy = f"Did you mean monitor={trigger!r}?"
            raise _checks.invalid(owner, "trigger", allowed, trigger, remedy)
        if written := _checks.meant(trigger):
            raise _checks.invalid(owner, "trigger", "a rule, or a rate", trigger, written)
        return rule_named(owner, "trigger", trigger)
    return usual_trigger() if trigger is None else trigger


def check_end(owner: str, held: Any, final_learning_rate: float) -> None:
    """Raise a ValueError for a way down that ends above the rate that is held before it."""
    if isinstance(held, Shape) and held.is_resolved:
        _checks.number(
            owner,
            "final_learning_rate",
            final_learning_rate,
            at_most=held.initial,
            remedy="It is where the way down ends.",
        )
