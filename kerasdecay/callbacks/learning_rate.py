"""The general decay callback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Unpack

from kerasdecay.schedules import Schedule
from kerasdecay.training.arguments import Options
from kerasdecay.training.as_schedule import by_steps
from kerasdecay.training.callback import DecayCallback


class LearningRateDecay(DecayCallback):
    """Set the learning rate by any schedule, warmed up and scaled by any rules.

    rate(t) = schedule(t) × scale. The schedule is a pure function of the position t in epochs. The
    scale starts at 1 and is what the rules have decided so far. Rules are inactive in the warmup.

    Args:
        schedule: A schedule of `kerasdecay.schedules`; or a function f(epoch), or
            f(epoch, learning_rate) as for Keras' LearningRateScheduler (the second argument is the
            rate before, without the rules' scale), whose own errors are raised as they are. Also a
            shape's name, such as `"cosine"`, with the optimizer's rate; a number, a constant rate;
            a list, one rate for each epoch; any `LearningRateSchedule` of Keras.
        by_step: In place of `schedule`: a function f(step), the step counted in batches from 0. In
            the compiled step it is called with a tensor.
        optimizers: In place of `schedule`, for a model that several optimizers train: name →
            schedule. A name is an attribute of the model (`"d_optimizer"`, `"gan.d_optimizer"`) or
            a part of its MultiOptimizer. Each rate is logged as `learning_rate_<name>`.
        warmup: A linear warmup before the schedule: epochs, `"500 steps"` or `"10%"`; None: none.
        rules: A rule of `kerasdecay.rules`, or several, such as `Plateau("val_loss")`.
        epochs: The horizon in epochs, warmup included, an integer >= 1; None takes `fit`'s. Beyond
            it the final rate holds.
        update: When the rate is written. `"epoch"`: at each epoch's start; `"batch"`: at each
            batch; `"20 steps"`: every 20 batches, where a write is expensive; `"compiled"`: inside
            the compiled step, at no cost (see `kerasdecay.release` for what an interrupted
            training leaves behind); `"auto"`: once an epoch for schedules that change only between
            epochs, else at each batch.
        state_path: A JSON file that keeps the rules' states after each epoch, so that a training
            that was killed resumes with its decisions. List this callback before the one that
            saves the model.
        verbose: 0 prints nothing; 1 prints a panel before the training, each reduction, and a
            summary after it.
        weight_decay: The optimizer's weight decay λ: a number >= 0, or any form of `schedule` but
            a function of (epoch, learning_rate); `"hold"`: λ(t) = λ η₀ / η(t), so that each step
            subtracts λη₀w from each weight w, where Keras subtracts λη(t)w. None does not change
            it. `weight_decay`, `momentum` and `beta_1` act inside the training step; after the
            training the optimizer has its own values.
        momentum: The momentum of SGD, RMSprop or Muon, in [0, 1), in the same forms.
        beta_1: The beta_1 of Adam and similar optimizers, in [0, 1), in the same forms.
        group_factors: Pattern of variables' paths → the factor of their rate: a number >= 0 or a
            schedule. None: all have the same rate.
        average_last: The last part of the training: epochs, `"500 steps"` or `"10%"` of the
            horizon. As `fit` ends, the model gets the mean of the weights over it. None: no mean.

    Attributes:
        trace: The record of the last training: rates, decisions, logs (None before the first).
        events: The decisions that changed or flagged something, each with its reason.

    Raises:
        ValueError: For an argument out of its range, or two rules that come down to the horizon.
            When training begins: for an optimizer whose rate cannot be set, a schedule that does
            not fit the horizon, or an unknown number of steps where one is needed.

    Examples:
        >>> from kerasdecay import LearningRateDecay
        >>> from kerasdecay.rules import Plateau
        >>> from kerasdecay.schedules import PowerStep
        >>> decay = LearningRateDecay(PowerStep(0.1), warmup="5%", rules=[Plateau("val_loss")])

        >>> decay = LearningRateDecay(by_step=lambda step: 0.1 / (1 + step / 500))

        >>> from kerasdecay.schedules import Cosine
        >>> decay = LearningRateDecay(Cosine(0.01), weight_decay="hold", beta_1=0.95)

        >>> gan = {"d_optimizer": Cosine(4e-4), "g_optimizer": Cosine(1e-4)}
        >>> decay = LearningRateDecay(optimizers=gan)
    """

    _unnamed = (
        "The rate belongs to the schedule: LearningRateDecay(Cosine(0.1)). Rules are rules=[…]."
    )

    def __init__(
        self,
        schedule: Any = None,
        *,
        by_step: Callable[[Any], Any] | None = None,
        optimizers: Mapping[str, Schedule | Callable[..., float]] | None = None,
        **options: Unpack[Options],
    ) -> None:
        if by_step is not None:
            schedule = by_steps(schedule, by_step)
        super().__init__(schedule, optimizers=optimizers, **options)
