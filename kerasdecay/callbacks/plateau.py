"""Reduction on a plateau as a callback: a drop-in for Keras' ReduceLROnPlateau."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Unpack

from kerasdecay.callbacks.base import DecayCallback
from kerasdecay.callbacks.options import RunOptions, checked_rules
from kerasdecay.rules import Plateau, Rule
from kerasdecay.schedules import Constant, Schedule
from kerasdecay.schedules.duration import Duration


class PlateauDecay(DecayCallback):
    """Multiply the rate by `factor` when a metric has not improved for `patience` epochs.

    rate(t) = schedule(t) × scale: with the default constant schedule this is Keras'
    ReduceLROnPlateau, argument for argument and epoch for epoch, but for its NaN trap, and with a
    state that survives a crash. What the rule does exactly: `kerasdecay.rules.Plateau`.

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
        smoothing: The metric is averaged over the last so many epochs; 1: it is not.
        min_delta_mode: `"abs"`, or `"rel"`: `min_delta` in shares of the best value's magnitude.
        restore_best_weights: Go back to the weights of the best epoch at each reduction.
        stop_at_min_lr: End the training when a reduction is due at `min_lr`.
        warmup: A linear warmup: epochs, `"500 steps"`, `"10%"`; the rules rest meanwhile.
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
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        *,
        schedule: Schedule | Callable[..., float] | None = None,
        min_delta_mode: str = "abs",
        smoothing: int = 1,
        restore_best_weights: bool = False,
        stop_at_min_lr: bool = False,
        warmup: Duration | None = None,
        rules: Rule[Any] | Sequence[Rule[Any]] = (),
        **options: Unpack[RunOptions],
    ) -> None:
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
            stop_at_min_lr=stop_at_min_lr,
        )
        super().__init__(
            Constant() if schedule is None else schedule,
            warmup=warmup,
            rules=(rule, *checked_rules("PlateauDecay", rules)),
            verbose=verbose,
            **options,
        )
