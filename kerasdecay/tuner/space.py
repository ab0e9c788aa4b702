"""The search space of decays, and a decay from its values."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import keras_tuner

from kerasdecay import _checks
from kerasdecay.callbacks import LearningRateDecay
from kerasdecay.schedules import Constant
from kerasdecay.tuner.candidates import DECAYS, Candidate, Settings
from kerasdecay.tuner.fitting import Drawn, long_epochs

Decays: TypeAlias = Iterable[str] | Mapping[str, Candidate]

RATES = {"sgd": (0.01, 0.5), "momentum": (0.001, 0.05), "adaptive": (0.0001, 0.005)}
"""Kind of optimizer → the lowest and the highest initial rate that are searched by default."""

DEFAULT_DECAYS = ("knee", "cosine", "warmup_stable", "plateau")


@dataclass(frozen=True)
class Space:
    """The hyperparameters of a searched decay; `Space.of` checks them.

    In a trial there are `<prefix>name`, `<prefix>learning_rate` and, for the decay of that name
    alone, `<prefix><name>_<parameter>`.
    """

    decays: Mapping[str, Candidate]
    min_learning_rate: float
    max_learning_rate: float
    learning_rate_step: float | None
    prefix: str
    settings: Settings

    @classmethod
    def of(
        cls,
        decays: Decays = DEFAULT_DECAYS,
        *,
        min_learning_rate: float | None = None,
        max_learning_rate: float | None = None,
        learning_rate_step: float | None = None,
        prefix: str = "decay_",
        monitor: str = "val_loss",
        update: str = "auto",
    ) -> Self:
        """Return the space.

        Args:
            decays: Names of `kerasdecay.tuner.DECAYS`, or a dict of name → `Candidate`.
            min_learning_rate: Lowest initial rate, > 0; None: 0.01, what suits SGD.
                `DecayHyperModel` knows the optimizer: there it is 0.001 for SGD with momentum, and
                0.0001 for Adam and all others.
            max_learning_rate: Highest initial rate; < 1 with `"power_step"`. None: 50 times the
                lowest one by default: 0.5, 0.05 or 0.005.
            learning_rate_step: None samples the initial rate from the whole range, uniformly by its
                logarithm. A number > 1 samples it from the lowest rate times powers of this number,
                which suits GridSearch.
            prefix: The name of every hyperparameter declared here begins with it.
            monitor: The metric that rules watch.
            update: When the rate is written, see `LearningRateDecay`.

        Raises:
            ValueError: For an argument out of its range.
        """
        owner = "kerasdecay.tuner"
        lowest, highest = RATES["sgd"]
        if min_learning_rate is None:
            min_learning_rate = lowest
        if max_learning_rate is None:
            max_learning_rate = max(highest, 2 * min_learning_rate)
        low = _checks.number(owner, "min_learning_rate", min_learning_rate, above=0)
        high = _checks.number(owner, "max_learning_rate", max_learning_rate, above=low)
        if learning_rate_step is not None:
            learning_rate_step = _checks.number(
                owner, "learning_rate_step", learning_rate_step, above=1
            )
        for argument, text in (("prefix", prefix), ("monitor", monitor)):
            _checks.text(owner, argument, text, what="a string that is not empty")
        settings = Settings(monitor, update=update)
        settings.decay(Constant(low))  # the callback knows which values of update there are
        chosen = _chosen(owner, decays)
        for name, candidate in chosen.items():
            if high >= candidate.rate_below:
                raise _checks.invalid(
                    owner,
                    "max_learning_rate",
                    f"< {candidate.rate_below:g} for the decay {name}",
                    max_learning_rate,
                    f"Lower it, or leave {name} out of decays=(…).",
                )
        return cls(chosen, low, high, learning_rate_step, prefix, settings)

    @property
    def name_key(self) -> str:
        """The hyperparameter that names the decay."""
        return f"{self.prefix}name"

    @property
    def rate_key(self) -> str:
        """The hyperparameter that holds the initial learning rate."""
        return f"{self.prefix}learning_rate"

    def key_of(self, name: str, parameter: str) -> str:
        """Return the full name of a decay's own hyperparameter."""
        return f"{self.prefix}{name}_{parameter}"

    def drawn(self, hp: Any) -> Drawn:
        """Declare all hyperparameters, and return the decay that their values choose.

        Raises:
            ValueError: If `hp` is not KerasTuner's, or chooses a decay that is not in the space.
        """
        if not isinstance(hp, keras_tuner.HyperParameters):
            allowed = "the keras_tuner.HyperParameters of a trial"
            raise _checks.invalid("kerasdecay.tuner", "hp", allowed, hp)
        name = hp.Choice(self.name_key, list(self.decays))
        rate = hp.Float(
            self.rate_key,
            self.min_learning_rate,
            self.max_learning_rate,
            step=self.learning_rate_step,
            sampling="log",
        )
        if name not in self.decays:
            allowed = "one of " + ", ".join(self.decays)
            raise _checks.invalid("kerasdecay.tuner", self.name_key, allowed, name)
        values: dict[str, Any] = {}
        for other, candidate in self.decays.items():
            if not candidate.parameters:
                continue
            with hp.conditional_scope(self.name_key, [other]):
                found = {
                    parameter: declare(hp, self.key_of(other, parameter))
                    for parameter, declare in candidate.parameters.items()
                }
            if other == name:
                values = found
        return Drawn(self.decays[name], self.settings, rate, values)

    def decay(
        self,
        hp: Any,
        *,
        epochs: int | None = None,
        state_path: str | os.PathLike[str] | None = None,
    ) -> LearningRateDecay:
        """Return the callback for the values of `hp`, or for the nearest that fit `epochs`."""
        drawn = self.drawn(hp)
        if epochs is not None:
            drawn = drawn.fitted(long_epochs(epochs))
        return drawn.decay(epochs=epochs, state_path=state_path)


def decay_from_hp(
    hp: Any,
    decays: Decays = DEFAULT_DECAYS,
    *,
    epochs: int | None = None,
    state_path: str | os.PathLike[str] | None = None,
    **space: Any,
) -> LearningRateDecay:
    """Return the decay that a trial's hyperparameters choose, for a `fit` of your own.

    Declare the hyperparameters before the first trial, in `declare_hyperparameters`. KerasTuner
    looks for them when the tuner is made, and runs only `build` for it; Hyperband ends without a
    single trial if it finds none.

    Args:
        hp: KerasTuner's `HyperParameters` of the trial.
        decays: Names of `kerasdecay.tuner.DECAYS`, or a dict of name → `Candidate`.
        epochs: The horizon. A parameter that does not fit it, such as 4 stages in 3 epochs, gives
            way to the nearest value that does. None takes the epochs of `fit` and the parameters as
            they are. Under Hyperband give its `max_epochs`: `fit` is told only the rung's epochs.
        state_path: A file for the states of rules, see `LearningRateDecay`.
        space: Further arguments of `Space.of`: `min_learning_rate`, `max_learning_rate`,
            `learning_rate_step`, `prefix`, `monitor`, `update`.

    Raises:
        ValueError: For an argument out of its range, or if no value of a parameter fits `epochs`.

    Examples:
        >>> import keras_tuner
        >>> class MyModel(keras_tuner.HyperModel):
        ...     def declare_hyperparameters(self, hp):
        ...         decay_from_hp(hp)
        ...
        ...     def fit(self, hp, model, *args, callbacks=(), **kwargs):
        ...         callbacks = [decay_from_hp(hp), *callbacks]
        ...         return model.fit(*args, callbacks=callbacks, **kwargs)
        >>> hp = keras_tuner.HyperParameters()
        >>> decay_from_hp(hp, ("cosine",), min_learning_rate=0.1).schedule
        Cosine(initial_learning_rate=0.1, final_learning_rate=0.0, ...)
        >>> hp.values
        {'decay_name': 'cosine', 'decay_learning_rate': 0.1, 'decay_cosine_final': 0.0}
    """
    return Space.of(decays, **space).decay(hp, epochs=epochs, state_path=state_path)


def _chosen(owner: str, decays: Any) -> dict[str, Candidate]:
    """Return the candidates by name, or raise a ValueError that says which names there are."""
    remedy = "A decay of your own comes as decays={'name': Candidate(…)}."
    known = ", ".join(DECAYS)
    if isinstance(decays, Mapping):
        chosen = dict(decays)
    elif isinstance(decays, str) or not isinstance(decays, Iterable):
        raise _checks.invalid(owner, "decays", f"several of {known}", decays, remedy)
    else:
        names = list(decays)
        for name in names:
            if not isinstance(name, str) or name not in DECAYS:
                meant = _checks.did_you_mean(DECAYS, str(name).replace("-", "_")) or remedy
                raise _checks.invalid(owner, "decays", f"some of {known}", name, meant)
        chosen = {name: DECAYS[name] for name in names}
    for name, candidate in chosen.items():
        if not isinstance(name, str) or not isinstance(candidate, Candidate):
            raise _checks.invalid(owner, "decays", "a dict of name → Candidate", {name: candidate})
    if not chosen:
        raise _checks.invalid(owner, "decays", "at least one decay", decays, f"There are {known}.")
    return chosen
