"""Any hypermodel, with a searched decay."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import keras_tuner

from kerasdecay import _checks
from kerasdecay._names import check_arguments
from kerasdecay._warnings import warn
from kerasdecay.callbacks import LearningRateDecay
from kerasdecay.training.callback import DecayCallback
from kerasdecay.training.find import optimizer_kind
from kerasdecay.tuner import _requirements
from kerasdecay.tuner.fitting import Drawn, long_epochs, misfit
from kerasdecay.tuner.space import DEFAULT_DECAYS, RATES, Decays, Space
from kerasdecay.tuner.trial_files import TrialFiles

_OWN_RATES = {"lr", "learning_rate", "initial_learning_rate", "init_lr"}
"""What the guides call the hyperparameter of an optimizer's rate."""

_WRITERS = (
    DecayCallback,
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.ReduceLROnPlateau,
)


class DecayHyperModel(keras_tuner.HyperModel):
    """A hypermodel that also searches which decay to train with, from which initial rate.

    Works with every tuner. Under Hyperband a promoted trial goes on at its place in the schedule of
    all epochs, and a plateau rule with what it had decided. Note what Hyperband compares, though:
    its short rungs run only the beginning of each schedule, so that decays which pay late lose
    early. To choose between shapes, RandomSearch or BayesianOptimization is the fairer judge (give
    the latter `num_initial_points`: its default, three for each hyperparameter, may be all of the
    trials). KerasTuner scores a trial by its best epoch, not by its last.

    A parameter that does not fit the training, such as 4 stages in 3 epochs, gives way to the
    nearest value that does. KerasTuner's own tables still show the value that it drew;
    `search_result` and `best_decay` use the value that the trial trained with.

    Args:
        hypermodel: A function of `hp` that returns a compiled model, or a
            `keras_tuner.HyperModel`. The compiled learning rate must be a number; it is not used.
        decays: Names of `kerasdecay.tuner.DECAYS`, or a dict of name → `Candidate`.
        epochs: The horizon of the decays, an integer >= 1. None takes Hyperband's `max_epochs`, and
            with other tuners the epochs of `fit`.
        space: Further arguments of `Space.of`: `min_learning_rate`, `max_learning_rate`,
            `learning_rate_step`, `prefix`, `monitor`, `update`.

    Raises:
        ValueError: For an argument out of its range. From `search`, as KerasTuner's
            `FatalValueError` that ends it, for what no trial could do right: a model without an
            optimizer, an optimizer whose rate cannot be set or that does not train the model, a
            second callback that sets the rate, a decay that fits the epochs with no value of its
            parameters, a rung without a known total.
        ImportError: If tensorboard is missing on TensorFlow.

    Examples:
        >>> import keras
        >>> def build_model(hp):
        ...     model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        ...     model.compile("sgd", "mse")
        ...     return model
        >>> hypermodel = DecayHyperModel(build_model, decays=("constant", "cosine", "plateau"))
        >>> import keras_tuner  # keras_tuner.RandomSearch(hypermodel, "val_loss", max_trials=20)

    Source: `HyperModel.fit` is KerasTuner's own place for tuning the training process.
    """

    def __init__(
        self,
        hypermodel: Callable[[Any], keras.Model] | keras_tuner.HyperModel,
        decays: Decays = DEFAULT_DECAYS,
        *,
        epochs: int | None = None,
        **space: Any,
    ) -> None:
        _requirements.check()
        searched = inspect.signature(Space.of).parameters
        check_arguments("DecayHyperModel", space, ["hypermodel", "epochs", *searched])
        self.hypermodel = _checked(hypermodel)
        if epochs is not None:
            epochs = _checks.integer("DecayHyperModel", "epochs", epochs, at_least=1)
        self.epochs = epochs
        self.space = Space.of(decays, **space)
        self._rates_are_open = not {"min_learning_rate", "max_learning_rate"} & space.keys()
        self._has_warned = False
        super().__init__()

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        """Declare the decay's hyperparameters, all conditions at once, before the first trial."""
        if self._fits_itself:
            self.hypermodel.declare_hyperparameters(hp)
        if self._rates_are_open:
            self._rates_are_open = False
            optimizer = getattr(self.build(hp.copy()), "optimizer", None)
            if optimizer is not None:  # search the initial rates that suit it
                low, high = RATES[optimizer_kind(optimizer)]
                self.space = dataclasses.replace(
                    self.space, min_learning_rate=low, max_learning_rate=high
                )
        self.space.decay(hp)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Return the model that the hypermodel builds."""
        model = self.hypermodel.build(hp) if self._fits_itself else self.hypermodel(hp)
        own = sorted(_OWN_RATES & hp.values.keys())
        if own and not self._has_warned:
            self._has_warned = True
            warn(
                f"DecayHyperModel: the hyperparameter {own[0]!r} of the hypermodel is searched in "
                f"vain if it is the optimizer's rate, for the decay sets that, from "
                f"{self.space.rate_key!r}. Compile with a fixed number instead."
            )
        return model

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
        *args: Any,
        callbacks: Iterable[keras.callbacks.Callback] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Train the model as the hypermodel does, with the trial's decay as the first callback."""
        callbacks = list(callbacks or ())
        files = TrialFiles.of(callbacks)
        with _ending_the_search():
            _refuse_writers(callbacks)
            _refuse_without_optimizer(model)
            epochs = self._horizon(hp, callbacks)
            drawn = self.space.drawn(hp)
            if epochs is not None:
                drawn = drawn.fitted(long_epochs(epochs))

        steps = _steps_of(model)
        while True:
            state_path = None if files is None else files.begin()
            with _ending_the_search():
                decay = drawn.decay(epochs=epochs, state_path=state_path)
            try:
                result = self._train(hp, model, *args, callbacks=[decay, *callbacks], **kwargs)
                break
            except ValueError as error:
                if not _is_own(error):
                    raise
                drawn = self._fitted(drawn, decay, error)
                if _steps_of(model) != steps:  # in an earlier part of a fit of its own
                    raise
        if files is not None:
            files.end(decay, drawn.values)
        return result

    def _train(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        if self._fits_itself:
            return self.hypermodel.fit(hp, model, *args, **kwargs)
        return model.fit(*args, **kwargs)

    def _fitted(self, drawn: Drawn, decay: LearningRateDecay, error: ValueError) -> Drawn:
        """Return the nearest draw that fits the run which `decay` has refused.

        Only Keras knows how many epochs and steps a `fit` has. It tells them to the callback, which
        refuses what does not fit before the first step.

        Raises:
            FatalValueError: If the training was refused for another reason, which holds for every
                trial, or if no parameters fit so few epochs.
            ValueError: `error`, if the trial alone is at fault.
        """
        with _ending_the_search():
            run = drawn.timeline_of(decay)
            if misfit(decay, run) is None:
                raise error
        try:
            return drawn.fitted(run)
        except ValueError:
            # Epochs with more steps may have room for it, and a fit of the hypermodel's own may
            # choose more epochs in other trials.
            if self._fits_itself or misfit(decay, long_epochs(run.epochs)) is None:
                raise error from None
            raise keras_tuner.errors.FatalValueError(str(error)) from error

    @property
    def _fits_itself(self) -> bool:
        """Whether the hypermodel has a `fit`, which may choose other epochs than `search` says."""
        return isinstance(self.hypermodel, keras_tuner.HyperModel)

    def _horizon(self, hp: Any, callbacks: Iterable[Any]) -> int | None:
        """Return the epochs to plan for; None if `fit` is told all of them."""
        if self.epochs is not None or "tuner/epochs" not in hp.values:
            return self.epochs
        for callback in callbacks:
            oracle = getattr(getattr(callback, "tuner", None), "oracle", None)
            # A worker of a distributed search has a client in place of the oracle. The client hides
            # max_epochs, and keeps the oracle that the worker made with the same arguments.
            oracle = getattr(oracle, "_oracle", oracle)
            total = getattr(oracle, "max_epochs", None)
            if total is not None:
                return int(total)
        allowed = "given where a tuner trains in rungs and does not say its max_epochs"
        remedy = "Pass DecayHyperModel(…, epochs=…), the epochs of the longest rung."
        raise _checks.invalid("DecayHyperModel", "epochs", allowed, None, remedy)


@contextlib.contextmanager
def _ending_the_search() -> Iterator[None]:
    """Turn a ValueError into one that ends the search: KerasTuner hides other errors of trials."""
    try:
        yield
    except ValueError as error:
        raise keras_tuner.errors.FatalValueError(str(error)) from error


def _is_own(error: ValueError) -> bool:
    """Return whether this package has raised an error, and not the user's code or Keras."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__", "")).startswith("kerasdecay.")


def _steps_of(model: Any) -> int:
    return int(keras.ops.convert_to_numpy(model.optimizer.iterations))


def _refuse_writers(callbacks: Iterable[Any]) -> None:
    for callback in callbacks:
        if isinstance(callback, _WRITERS):
            raise ValueError(
                "DecayHyperModel: callbacks must not set the learning rate, for the trial's decay "
                f"does. Received: {type(callback).__name__}. Leave it out of search(callbacks=…), "
                "or write a fit of your own with decay_from_hp."
            )


def _refuse_without_optimizer(model: Any) -> None:
    if getattr(model, "optimizer", None) is not None:
        return
    compiled = "compiled with optimizer=None" if getattr(model, "compiled", False) else "uncompiled"
    raise ValueError(
        "DecayHyperModel: hypermodel must return a model that is compiled with an optimizer, for "
        f"the decay sets its learning rate. Received: {type(model).__name__}, {compiled}. Call "
        "model.compile(optimizer=…, loss=…) in the function or the build that makes the model."
    )


def _checked(hypermodel: Any) -> Any:
    is_hypermodel = isinstance(hypermodel, keras_tuner.HyperModel)
    if is_hypermodel or (callable(hypermodel) and not isinstance(hypermodel, keras.Model)):
        return hypermodel
    allowed = "a function of hp that returns a compiled model, or a keras_tuner.HyperModel"
    raise _checks.invalid("DecayHyperModel", "hypermodel", allowed, hypermodel)
