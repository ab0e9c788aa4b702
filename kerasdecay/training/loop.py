"""The driver for every loop that is not `fit`: it calls a decay's hooks as `fit` would."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import keras

from kerasdecay import _checks
from kerasdecay._names import Guessed, takes_familiar
from kerasdecay.records import Event, Trace
from kerasdecay.training import find, under_way
from kerasdecay.training.callback import DecayCallback


@takes_familiar
def steer(
    model: Any,
    decay: DecayCallback,
    *,
    epochs: int,
    steps_per_epoch: int | None = None,
    initial_epoch: int = 0,
    stateless: bool = False,
) -> Steering:
    """Steer the learning rate of a training loop of your own.

    Args:
        model: The model with its optimizer as `model.optimizer`, the model or object whose
            attributes `optimizers=…` names, or an optimizer alone. Rules that put weights back need
            the model.
        decay: The decay callback, with rules, `state_path` and `verbose` as in `fit`.
        epochs: All epochs that there will be, an integer >= 1: the horizon.
        steps_per_epoch: Batches in an epoch, an integer >= 1; None if the rate changes between
            epochs alone.
        initial_epoch: The epoch to go on with, an integer >= 0.
        stateless: Whether the optimizer's state lives outside of it, as in a functional JAX loop,
            or the loop takes steps itself at the rate that `begin_step` returns. The optimizer's
            own counter then does not tell the steps, and the rate is handed out: see
            `Steering.begin_step` and `Steering.into`.

    Returns:
        A context manager; see `Steering`.

    Raises:
        ValueError: For a value out of its range, an optimizer whose rate cannot be set, or
            `update="compiled"`, whose step only `fit` compiles.

    Examples:
        >>> import keras, kerasdecay, numpy as np
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x, y = np.ones((4, 2)), np.ones((4, 1))
        >>> decay = kerasdecay.CosineDecay(0.1)
        >>> with kerasdecay.steer(model, decay, epochs=2, steps_per_epoch=3) as run:
        ...     for epoch in run:
        ...         for step in range(3):
        ...             rate = run.begin_step()
        ...             loss = model.train_on_batch(x, y)
        ...         logs = run.end_epoch({"loss": loss})
        >>> len(decay.trace.learning_rates)
        6
    """
    if not isinstance(decay, DecayCallback):
        is_exchanged = isinstance(model, DecayCallback)
        remedy = "A schedule goes into one: LearningRateDecay(Cosine(0.1))."
        if is_exchanged:
            remedy = "The order is steer(model, decay, …)."
        if isinstance(decay, type):
            remedy = f"Make one: {decay.__name__}(…)."
        raise _checks.invalid("steer", "decay", "a decay callback of kerasdecay", decay, remedy)
    if decay.update.compiled:
        allowed = '"auto", "epoch", "batch" or "20 steps" in a loop of your own'
        raise _checks.invalid("steer", "the decay's update", allowed, "compiled")
    epochs = _checks.integer("steer", "epochs", epochs, at_least=1)
    if steps_per_epoch is not None:
        steps_per_epoch = _checks.integer("steer", "steps_per_epoch", steps_per_epoch, at_least=1)
    first = _checks.integer("steer", "initial_epoch", initial_epoch, at_least=0, at_most=epochs)
    is_model = hasattr(model, "optimizer") or isinstance(model, keras.Model)
    is_bare = not is_model and decay.optimizer_names is None
    if is_bare and not find.is_optimizer(model):
        allowed = "a model of Keras, or an optimizer"
        remedy = "Pass the optimizer that takes the steps: steer(optimizer, decay, …)."
        raise _checks.invalid("steer", "model", allowed, type(model).__name__, remedy)
    steered = _OptimizerAlone(model) if is_bare else model
    if decay.may_put_back or decay.average_last is not None:
        _refuse_to_put_back(model, steered, decay.optimizer_names)
    parameters = {"epochs": epochs, "steps": steps_per_epoch, "verbose": 0}
    return Steering(
        steered, decay, parameters, first, _checks.flag("steer", "stateless", stateless)
    )


def _refuse_to_put_back(model: Any, steered: Any, names: list[str] | None) -> None:
    """Raise a ValueError unless it is a model of Keras, trained by optimizers of Keras alone."""
    held = [getattr(steered, "optimizer", None)]
    remedy = "Pass the keras.Model, with its optimizer as model.optimizer."
    if names is not None:
        held = list(find.optimizers_of(steered, names).values())
        remedy = "Pass the keras.Model that holds them."
    is_of_torch = any(hasattr(one, "param_groups") for one in held)
    if isinstance(model, keras.Model) and not is_of_torch:
        return
    if is_of_torch:
        remedy = (
            "With an optimizer of torch give the rate as a number, and leave out Rescue, "
            "restore_best_weights and average_last."
        )
    allowed = "a model where weights are put back or averaged, and an optimizer of Keras in it"
    raise _checks.invalid("steer", "model", allowed, type(model).__name__, remedy)


class Steering(Guessed):
    """A training loop under way, as `steer` returns it; iterate over it for the epochs.

    Args:
        model: The model.
        decay: The decay callback.
        parameters: What Keras would tell the callback of the run.
        first_epoch: The epoch to begin with.
        stateless: Whether the optimizer's own counter of steps tells nothing.
    """

    _guesses: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("step", "begin_batch", "batches", "on_train_batch_begin"), "begin_step()"),
        **dict.fromkeys(("epochs", "begin_epoch", "on_epoch_begin"), "for epoch in run"),
        **dict.fromkeys(("lr", "learning_rate"), "learning_rates"),
    }

    def __init__(
        self,
        model: Any,
        decay: DecayCallback,
        parameters: dict[str, Any],
        first_epoch: int,
        stateless: bool,
    ) -> None:
        self._model = model
        self._decay = decay
        self._parameters = parameters
        self._first_epoch = first_epoch
        self._stateless = stateless
        self._epoch: int | None = None
        self._step = -1
        self._has_stepped = False
        self._awaits_loss = decay.needs_batch_losses
        """Whether no batch's loss has been told yet, and one must be."""

    def __enter__(self) -> Self:
        self._decay.set_model(self._model)
        self._decay.set_params(self._parameters)
        under_way.LOOPS[self] = self._decay
        try:
            self._decay.counts_steps = not self._stateless
            self._decay.on_train_begin()
        except BaseException:
            del under_way.LOOPS[self]
            raise
        self._model.stop_training = False
        self._decay.take_losses_as_they_are()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        under_way.LOOPS.pop(self, None)
        self._decay.counts_steps = True
        if kind is None:
            self._decay.on_train_end()
        else:  # as with `fit`, an interrupted training ends without its last hook
            find.release(self._model)

    def __iter__(self) -> Iterator[int]:
        """Yield the epochs, from 0, as each begins; end when a rule stops the training."""
        if self not in under_way.LOOPS:
            raise RuntimeError(
                "steer: the rate is driven within a with-block alone. Received: a loop outside of "
                "it. Write `with steer(…) as run:` around the loop."
            )
        for epoch in range(self._first_epoch, self._parameters["epochs"]):
            if self._epoch is not None:
                raise RuntimeError(
                    "steer: call run.end_epoch(logs) at the end of each epoch. Received: the next "
                    f"epoch, while epoch {self._epoch + 1} has not ended."
                )
            if self.is_stopped:
                return
            self._epoch, self._step = epoch, -1
            self._decay.on_epoch_begin(epoch)
            yield epoch

    @property
    def is_stopped(self) -> bool:
        """Whether a rule has ended the training."""
        return bool(self._model.stop_training)

    @property
    def learning_rates(self) -> Mapping[str, float]:
        """Log name → the rate in force."""
        targets = find.targets_of(self._model, self._decay.optimizer_names)
        return {key: target.read() for key, target in targets.items()}

    @property
    def trace(self) -> Trace | None:
        """The record of the training, None before its first epoch."""
        return self._decay.trace

    @property
    def events(self) -> list[Event]:
        """What the rules have decided so far, each with its reason."""
        return self._decay.events

    def begin_step(self) -> float:
        """Write the rate of the next batch, and return it (the first, where there are several).

        Raises:
            ValueError: For more batches in an epoch than `steps_per_epoch`, for which the schedule
                has no rate.
            RuntimeError: Outside of an epoch, where `end_step` is needed and was not called, or
                where the model's optimizer was exchanged since the epoch began.
        """
        if self._epoch is None:
            raise RuntimeError(
                "steer: run.begin_step() belongs into an epoch of `for epoch in run`."
            )
        if self._awaits_loss and self._has_stepped:
            raise self._missing_loss("the second batch, and no loss of the first")
        steps = self._parameters["steps"]
        if steps is not None and self._step + 1 >= steps:
            allowed = "the number of batches that an epoch has"
            received = f"{steps}, and batch {self._step + 2} of epoch {self._epoch + 1}"
            raise ValueError(f"steer: steps_per_epoch must be {allowed}. Received: {received}.")
        self._step += 1
        self._has_stepped = True
        if self._decay.has_lost_optimizer(self._model):
            rates = ", ".join(f"{key} {rate:g}" for key, rate in self.learning_rates.items())
            raise RuntimeError(
                f"steer: the model has a new optimizer in the middle of epoch {self._epoch + 1}, "
                f"and batch {self._step + 1} would train at its own {rates}. Exchange optimizers "
                "after run.end_epoch(), before the next epoch begins."
            )
        self._decay.on_train_batch_begin(self._step)
        return next(iter(self.learning_rates.values()))

    def _missing_loss(self, received: str) -> RuntimeError:
        return RuntimeError(
            f"steer: call run.end_step(loss) after each batch. Received: {received}, without which "
            f'{type(self._decay).__name__} finds no "auto" and its rules see no batch.'
        )

    def end_step(self, loss: Any) -> None:
        """Tell the batch's loss, for rules that look at each batch and for `"auto"`.

        Args:
            loss: The loss of this batch. `train_on_batch` returns a mean over the batches since
                `model.reset_metrics()`, so call that before each.
        """
        if self._step < 0 and self._parameters["steps"] is not None:
            raise RuntimeError(
                "steer: run.end_step(loss) belongs after run.begin_step(), which writes the rate."
            )
        self._awaits_loss = False
        self._decay.on_train_batch_end(self._step, {"loss": loss})

    def end_epoch(self, logs: dict[str, Any] | None = None) -> dict[str, Any]:
        """End the epoch: feed the rules, and write what they decided.

        Args:
            logs: The epoch's metrics by name, such as `{"val_loss": 0.5}`.

        Returns:
            The logs, with the learning rates that were used.

        Raises:
            RuntimeError: Outside of an epoch; or where the rate changes by batches, or a rule
                watches them, and the epoch was trained without `begin_step` or `end_step`.
        """
        if self._epoch is None:
            raise RuntimeError("steer: run.end_epoch() ends an epoch of `for epoch in run`.")
        allowed = "a dict of name → number, such as {'loss': 0.5}"
        logs = dict(
            _checks.instance("steer", "logs", {} if logs is None else logs, Mapping, allowed)
        )
        if self._awaits_loss:
            raise self._missing_loss(f"the end of epoch {self._epoch + 1}, and no loss of a batch")
        self._decay.on_epoch_end(self._epoch, logs)
        self._epoch = None
        return logs

    def into(self, optimizer_variables: list[Any]) -> list[Any]:
        """Return the state of a stateless optimizer, with the rate in force in its place.

        Args:
            optimizer_variables: The values of `model.optimizer.variables`, in their order.
        """
        optimizer = self._model.optimizer
        places = [
            place
            for place, variable in enumerate(optimizer.variables)
            if variable is optimizer.learning_rate
        ]
        changed = list(optimizer_variables)
        for place in places:
            changed[place] = optimizer.learning_rate.value
        return changed


class _OptimizerAlone(types.SimpleNamespace):
    """Stands in for a model whose loop holds the optimizer alone."""

    __slots__ = ("optimizer",)  # so that it is none of the attributes that hold others

    def __init__(self, optimizer: Any) -> None:
        super().__init__(metrics=[], built=False, stop_training=False)
        self.optimizer = optimizer

    def reset_metrics(self) -> None:
        """Nothing to do: there are no metrics."""
