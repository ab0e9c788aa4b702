"""Any hypermodel, with a searched decay."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import keras_tuner

from kerasdecay import _checks
from kerasdecay.callbacks import LearningRateDecay, optimizers
from kerasdecay.training.callback import DecayCallback
from kerasdecay.schedules import Moment, Schedule, Timeline
from kerasdecay.tuner import _requirements
from kerasdecay.tuner.space import DEFAULT_DECAYS, Decays, Space
from kerasdecay.tuner.trial_files import TrialFiles

_WRITERS = (
    DecayCallback,
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.ReduceLROnPlateau,
)

_STEPS_OF_A_LONG_EPOCH = 10**9


class DecayHyperModel(keras_tuner.HyperModel):
    """A hypermodel that also searches which decay to train with, from which rate.

    Works with every tuner. Under Hyperband a promoted trial goes on at its place in the schedule of
    all epochs, and a plateau rule with what it had decided. Note what Hyperband compares, though:
    in its short rungs only the beginning of each schedule is run, so that decays which pay late
    lose early. To choose between shapes, RandomSearch or BayesianOptimization is the fairer judge
    (give the latter `num_initial_points`: its default, three for each hyperparameter, may be all
    of the trials). KerasTuner scores a trial by its best epoch, not by its last.

    Args:
        hypermodel: A function of `hp` that returns a compiled model, or a
            `keras_tuner.HyperModel`. The compiled learning rate must be a number; it is not used.
        decays: Names of `kerasdecay.tuner.DECAYS`, or a dict of name → `Candidate`.
        epochs: The horizon of the decays, an integer >= 1. None takes Hyperband's `max_epochs`, and
            with other tuners the epochs of `fit`.
        min_learning_rate: Lowest initial rate, > 0.
        max_learning_rate: Highest initial rate; < 1 with `"power_step"`.
        learning_rate_step: None samples the initial rate from the whole range, uniformly by its
            logarithm; a number > 1 from the lowest times powers of it, which suits GridSearch.
        prefix: Begins the name of every hyperparameter declared here.
        monitor: The metric that rules watch.
        update: When the rate is written, see `LearningRateDecay`.

    Raises:
        ValueError: For an argument out of its range; from `search`, as KerasTuner's
            `FatalValueError` that ends it, for what no trial could do right: an optimizer whose
            rate is not a number, a second callback that sets the rate, a schedule that does not fit
            the epochs, a rung without a known total.
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
        min_learning_rate: float = 0.01,
        max_learning_rate: float = 0.5,
        learning_rate_step: float | None = None,
        prefix: str = "decay_",
        monitor: str = "val_loss",
        update: str = "auto",
    ) -> None:
        _requirements.check()
        self.hypermodel = _checked(hypermodel)
        self.epochs = (
            None
            if epochs is None
            else _checks.integer("DecayHyperModel", "epochs", epochs, at_least=1)
        )
        self.space = Space.of(
            decays,
            min_learning_rate=min_learning_rate,
            max_learning_rate=max_learning_rate,
            learning_rate_step=learning_rate_step,
            prefix=prefix,
            monitor=monitor,
            update=update,
        )
        super().__init__()

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        """Declare the decay's hyperparameters, all conditions at once, before the first trial."""
        if self._fits_itself:
            self.hypermodel.declare_hyperparameters(hp)
        self.space.decay(hp)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Return the model that the hypermodel builds."""
        if self._fits_itself:
            return self.hypermodel.build(hp)
        return self.hypermodel(hp)

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
        with _fatal():
            _refuse_writers(callbacks)
            optimizers.check_settable(model)
            horizon = self._horizon(hp, callbacks)
            state_path = None if files is None else files.begin()
            decay = self.space.decay(hp, epochs=horizon, state_path=state_path)
            _check_fits(decay, horizon or (None if self._fits_itself else kwargs.get("epochs")))
        callbacks = [decay, *callbacks]
        if self._fits_itself:
            result = self.hypermodel.fit(hp, model, *args, callbacks=callbacks, **kwargs)
        else:
            result = model.fit(*args, callbacks=callbacks, **kwargs)
        if files is not None:
            files.end(decay)
        return result

    @property
    def _fits_itself(self) -> bool:
        """Whether the hypermodel has a `fit`, which may choose other epochs than `search` says."""
        return isinstance(self.hypermodel, keras_tuner.HyperModel)

    def _horizon(self, hp: Any, callbacks: Iterable[Any]) -> int | None:
        """Return the epochs to plan for; None leaves them to `fit`, where it is told them all."""
        if self.epochs is not None or "tuner/epochs" not in hp.values:
            return self.epochs
        for callback in callbacks:
            oracle = getattr(getattr(callback, "tuner", None), "oracle", None)
            total = getattr(oracle, "max_epochs", None)
            if total is not None:
                return int(total)
        raise _checks.invalid(
            "DecayHyperModel",
            "epochs",
            "given where a tuner trains in rungs and does not say its max_epochs",
            None,
            "Pass DecayHyperModel(…, epochs=…), the epochs of the longest rung.",
        )


@contextlib.contextmanager
def _fatal() -> Iterator[None]:
    """Turn a ValueError into one that ends the search: KerasTuner hides the others in trials."""
    try:
        yield
    except ValueError as error:
        raise keras_tuner.errors.FatalValueError(str(error)) from error


def _refuse_writers(callbacks: Iterable[Any]) -> None:
    for callback in callbacks:
        if isinstance(callback, _WRITERS):
            raise ValueError(
                "DecayHyperModel: callbacks must hold none that sets the learning rate, for the "
                f"trial's decay does. Received: {type(callback).__name__}. Leave it out of "
                "search(callbacks=…), or write a fit of your own with decay_from_hp."
            )


def _check_fits(decay: LearningRateDecay, epochs: int | None) -> None:
    """Raise a ValueError if the schedule cannot be laid over these epochs, however long they are.

    The more steps an epoch has, the more fits into it. What takes too many for the real ones is
    refused when the training begins.
    """
    if epochs is not None and isinstance(decay.schedule, Schedule):
        decay.schedule.check(Moment.of(0, Timeline(epochs, _STEPS_OF_A_LONG_EPOCH)))


def _checked(hypermodel: Any) -> Any:
    is_hypermodel = isinstance(hypermodel, keras_tuner.HyperModel)
    if is_hypermodel or (callable(hypermodel) and not isinstance(hypermodel, keras.Model)):
        return hypermodel
    raise _checks.invalid(
        "DecayHyperModel",
        "hypermodel",
        "a function of hp that returns a compiled model, or a keras_tuner.HyperModel",
        hypermodel,
    )
