"""What cannot stand beside a decay in a training, refused before the first step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from kerasdecay._warnings import warn
from kerasdecay.training import find
from kerasdecay.training.looking import Looking
from kerasdecay.training.under_way import beside, trainings_under_way

if TYPE_CHECKING:
    from kerasdecay.training.callback import DecayCallback


def check(decay: DecayCallback) -> None:
    """Raise a ValueError for what conflicts with a decay whose training begins."""
    refuse_two_trainings(decay, allowed=1)
    _refuse_two_writers(decay)
    if decay.may_put_back:
        _refuse_exchanged_weights(decay)
    if decay.average_last is not None:
        _refuse_restored_weights(decay)
    _warn_of_termination(decay)


def refuse_two_trainings(decay: DecayCallback, allowed: int) -> None:
    """Raise a ValueError if more trainings than allowed are under way with this object.

    Args:
        decay: The callback.
        allowed: How often `fit` calls and steered loops may hold the object: 0 as Keras hands it a
            model, before `fit` has its list of callbacks, and 1 as the training begins.
    """
    if trainings_under_way(decay) > allowed:
        raise ValueError(
            f"{type(decay).__name__}: one callback object cannot steer two trainings at once. "
            "Received: a second fit while the first is running, or the object twice in "
            "callbacks=[…]. Give each fit an object of its own."
        )


def _refuse_two_writers(decay: DecayCallback) -> None:
    """Raise a ValueError for a second decay, beside or around this one, of one optimizer."""
    owner = type(decay).__name__
    mine = {id(one) for one in find.optimizers_of(decay.model, decay.optimizer_names).values()}
    for other in beside(decay):
        model = _model_of(other)
        if not isinstance(other, Looking) or model is None:
            continue
        theirs = find.optimizers_of(model, other.optimizer_names).values()
        if mine & {id(one) for one in theirs}:
            raise ValueError(
                f"{owner}: one optimizer may have one decay, in callbacks=[…] or in a loop that is "
                f"steered. Received: {owner} and {type(other).__name__}, which would both write "
                "the learning_rate of one. Compose them into one, shape × warmup × rules: "
                "LearningRateDecay(Cosine(0.1), warmup=2, rules=[Plateau('val_loss')])."
            )


def _refuse_exchanged_weights(decay: DecayCallback) -> None:
    """Raise a ValueError where the weights would be kept while their mean is in the model."""
    owner, swap = type(decay).__name__, "SwapEMAWeights(swap_on_epoch=True)"
    is_listed = False
    for other in beside(decay):
        is_listed = is_listed or other is None
        is_swap = isinstance(other, keras.callbacks.SwapEMAWeights) and other.swap_on_epoch
        if not is_swap or _model_of(other) is not decay._model or (is_listed and not decay.probes):
            continue
        remedy = f"Write callbacks=[{owner}(…), {swap}], in this order."
        if decay.probes:  # a trial of the probe goes on in the next epoch
            remedy = f'Give an initial rate instead of "auto", and list {swap} after the decay.'
        raise ValueError(
            f"{owner}: {swap} exchanges the weights with their mean between epochs, and what is "
            f"put back would train and end as the other of the two. {remedy}"
        )


def _refuse_restored_weights(decay: DecayCallback) -> None:
    """Raise a ValueError where others than their mean are the model's weights at the end."""
    for other in beside(decay):
        if getattr(other, "restore_best_weights", False) and _model_of(other) is decay._model:
            raise ValueError(
                f"{type(decay).__name__}: average_last must be None beside {type(other).__name__}("
                f"restore_best_weights=True). Received: {decay.average_last!r}. Both put weights "
                "into the model as the training ends. Leave out one of them."
            )


def _warn_of_termination(decay: DecayCallback) -> None:
    if any(rule.puts_back for rule in decay.rules) and any(
        isinstance(other, keras.callbacks.TerminateOnNaN) and _model_of(other) is decay._model
        for other in beside(decay)
    ):
        warn(
            f"{type(decay).__name__}: TerminateOnNaN ends the training at the first loss that is "
            "not finite, from which Rescue would put it back and go on. Leave TerminateOnNaN out."
        )


def _model_of(callback: Any) -> Any:
    """Return a callback's model, None where it has none; on JAX `.model` would copy its state."""
    return getattr(callback, "_model", None)
