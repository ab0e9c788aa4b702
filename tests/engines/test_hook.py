"""`compiled` only where an optimizer's step, tried out, really goes by Keras' private hook."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from engines.trainings import built, fit, sgd, trained

from kerasdecay import LearningRateDecay
from kerasdecay.schedules import Cosine
from kerasdecay.training import compiled

pytestmark = pytest.mark.any_backend

KERAS_OPTIMIZERS = sorted(
    name
    for name, kind in vars(keras.optimizers).items()
    if isinstance(kind, type)
    and issubclass(kind, keras.optimizers.Optimizer)
    and name not in ("Optimizer", "LossScaleOptimizer", "MultiOptimizer")
)


class ByItsVariable(keras.optimizers.SGD):
    """Takes the rate from its variable, whatever the hook says."""

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> Any:
        held = keras.ops.convert_to_tensor(self._learning_rate)
        return super()._backend_update_step(grads, trainable_variables, held)


class NeverAsking(keras.optimizers.SGD):
    """Gives out what its variable holds."""

    @property
    def learning_rate(self) -> Any:
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self._learning_rate.assign(rate)


class NotRebuilt(keras.optimizers.SGD):
    """Cannot be made again from its configuration."""

    def __init__(self, rate: float, model_size: int) -> None:
        super().__init__(rate)
        self.model_size = model_size


@pytest.mark.parametrize("name", KERAS_OPTIMIZERS)
def test_every_optimizer_of_keras_goes_by_the_hook(name: str) -> None:
    if name == "Muon" and keras.__version__.startswith("3.12."):
        # It fails on TensorFlow in a plain fit as well.
        with pytest.raises(ValueError, match="trying it failed"):
            compiled.check_supported(keras.optimizers.Muon(0.1))
        return
    compiled.check_supported(getattr(keras.optimizers, name)(0.1))


@pytest.mark.parametrize(
    "options",
    [{"gradient_accumulation_steps": 3}, {"use_ema": True}, {"weight_decay": 0.1, "clipnorm": 1.0}],
    ids=str,
)
def test_so_it_does_with_every_option(options: dict[str, Any]) -> None:
    compiled.check_supported(sgd(0.1, **options))


@pytest.mark.parametrize(
    ("optimizer", "reason"),
    [
        (lambda: ByItsVariable(0.1), "its step does not go by the rate that the hook gives"),
        (lambda: NeverAsking(0.1), "it does not ask the hook for its rate"),
        (lambda: NotRebuilt(0.1, model_size=3), "trying it failed"),
    ],
)
def test_anything_else_is_refused_before_the_first_step(optimizer: Any, reason: str) -> None:
    model = built(optimizer())
    with pytest.raises(ValueError, match=reason) as refusal:
        fit(model, [LearningRateDecay(Cosine(0.1), update="compiled")])
    assert type(model.optimizer).__name__ in str(refusal.value)
    assert 'update="batch"' in str(refusal.value)
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 0
    fit(model, epochs=1)  # and nothing was changed


def test_so_is_a_keras_whose_optimizers_do_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    base = next(kind for kind in keras.optimizers.SGD.__mro__ if "learning_rate" in vars(kind))
    own = property(lambda self: self._learning_rate, vars(base)["learning_rate"].fset)
    monkeypatch.setattr(base, "learning_rate", own)
    with pytest.raises(ValueError, match=f"in Keras {keras.__version__}: it does not ask"):
        trained(sgd(0.1), LearningRateDecay(Cosine(0.1), update="compiled"))
