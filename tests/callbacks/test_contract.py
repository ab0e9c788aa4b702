"""What every decay callback owes: one table, one contract."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import json
import pickle
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
from tiny import (
    Kill,
    Odometer,
    Scripted,
    fit,
    fit_until_killed,
    near,
    new_odometer,
    odometer,
    travelled,
)

from kerasdecay import (
    AdaptiveKneeDecay,
    AutoDecay,
    CosineDecay,
    GreedyDecay,
    KneeDecay,
    LearningRateDecay,
    LinearDecay,
    LossSlopeDecay,
    OneCycleDecay,
    OpenEndedDecay,
    PlateauDecay,
    PowerStepDecay,
    StepDecay,
    WarmupDecay,
    WarmupStableDecay,
    WeightNormDecay,
)
from kerasdecay.rules import Plateau, Rescue
from kerasdecay.schedules import Linear, PowerStep
from kerasdecay.training.callback import DecayCallback

pytestmark = [
    pytest.mark.any_backend,
    pytest.mark.filterwarnings("ignore:AutoDecay. .auto.. no suggestion"),
]

EPOCHS = 6
SCRIPT = [5.0, 4.0, 4.0, 4.0, 3.0, 3.0]
RULE = Plateau("val_loss", factor=0.5, patience=2)


def of_epoch(epoch: int) -> float:
    return 0.5 / (epoch + 1)


def of_both(epoch: int, learning_rate: float) -> float:
    return learning_rate if epoch < 2 else learning_rate / 2


# A new callback is one row: how to make it, and the rates of the last batches of six epochs of four
# batches, from an optimizer at 0.5, computed by hand. The rule halves after epoch 3.
FAMILY: dict[str, tuple[Callable[..., DecayCallback], list[float]]] = {
    "LearningRateDecay": (
        lambda **given: LearningRateDecay(PowerStep(stages=2), rules=[RULE], **given),
        [0.5, 0.5, 0.5, 0.25, 0.125, 0.125],
    ),
    "LearningRateDecay of a function of the epoch": (
        lambda **given: LearningRateDecay(of_epoch, rules=[RULE], **given),
        [0.5, 0.25, 0.5 / 3, 0.125, 0.05, 0.5 / 12],
    ),
    "LearningRateDecay of a function of epoch and rate": (
        lambda **given: LearningRateDecay(of_both, rules=[RULE], **given),
        [0.5, 0.5, 0.25, 0.125, 0.03125, 0.015625],
    ),
    "LearningRateDecay every few steps": (
        lambda **given: LearningRateDecay(Linear(), update="8 steps", rules=[RULE], **given),
        [0.5, 0.5, 0.5 * 2 / 3, 0.5 * 2 / 3, 0.25 / 3, 0.25 / 3],
    ),
    "LearningRateDecay with a rescue": (
        lambda **given: LearningRateDecay(PowerStep(stages=2), rules=[Rescue(), RULE], **given),
        [0.5, 0.5, 0.5, 0.25, 0.125, 0.125],
    ),
    "AutoDecay": (
        # The 24 batches are too few for a probe: the rate is the optimizer's.
        lambda **given: AutoDecay(**given),
        # The knee is after 19.2 batches, rounded to 19: down to 0 in five.
        [0.5, 0.5, 0.5, 0.5, 0.5, 0.5 / 5],
    ),
    "KneeDecay": (
        lambda **given: KneeDecay(**given),
        [0.5, 0.5, 0.5, 0.5, 0.5, 0.5 / 5],  # as above
    ),
    "PowerStepDecay": (
        lambda **given: PowerStepDecay(**given),
        [0.5, 0.5, 0.25, 0.25, 0.125, 0.125],
    ),
    "PlateauDecay": (
        lambda **given: PlateauDecay("val_loss", factor=0.5, patience=2, **given),
        [0.5, 0.5, 0.5, 0.5, 0.25, 0.25],
    ),
    "PlateauDecay with everything": (
        lambda **given: PlateauDecay(
            "val_loss", 0.5, 1, schedule=PowerStep(stages=2), warmup="8 steps", **given
        ),
        [0.25, 0.5, 0.5, 0.5, 0.125, 0.125],
    ),
    "WarmupDecay": (
        lambda **given: WarmupDecay(2, PowerStep(stages=2), 0.0, **given),
        [0.5 * 3 / 8, 0.5 * 7 / 8, 0.5, 0.5, 0.25, 0.25],
    ),
    "StepDecay": (
        lambda **given: StepDecay(every=2, factor=0.1, **given),
        [0.5, 0.5, 0.05, 0.05, 0.005, 0.005],
    ),
    "LinearDecay": (
        lambda **given: LinearDecay(**given),
        [0.5 * (1 - (4 * epoch + 3) / 24) for epoch in range(6)],
    ),
    "CosineDecay": (
        lambda **given: CosineDecay(update="epoch", **given),
        [0.5, 0.25 * (1 + 0.75**0.5), 0.375, 0.25, 0.125, 0.25 * (1 - 0.75**0.5)],
    ),
    "OneCycleDecay": (
        lambda **given: OneCycleDecay(rise="50%", div_factor=5, curve="linear", **given),
        # Up from 0.1 in 11 steps, then down in 12 to 0.1 / 1e4.
        [0.1 + 0.4 * 3 / 11, 0.1 + 0.4 * 7 / 11, 0.5]
        + [0.5 + (1e-5 - 0.5) * share for share in (4 / 12, 8 / 12, 1)],
    ),
    "GreedyDecay": (
        lambda **given: GreedyDecay("val_loss", 0.5, patience=0, **given),
        # Better, better (at max_lr 1), worse, worse, better.
        [0.5, 1.0, 1.0, 0.5, 0.25, 0.5],
    ),
    "WeightNormDecay": (
        lambda **given: WeightNormDecay(last_decay=0.5, **given),
        # The one weight only grows: no bounce, but the late reduction after half of the epochs.
        [0.5, 0.5, 0.5, 0.05, 0.05, 0.05],
    ),
    "LossSlopeDecay": (
        lambda **given: LossSlopeDecay(min_losses=20, schedule=PowerStep(stages=2), **given),
        # The loss falls at every batch: nothing to reduce.
        [0.5, 0.5, 0.5, 0.25, 0.25, 0.25],
    ),
    "AdaptiveKneeDecay": (
        lambda **given: AdaptiveKneeDecay(
            Plateau("val_loss", patience=1), min_hold=0.5, update="batch", **given
        ),
        # No improvement in epoch 2, after which half is over: down to 0 in twelve batches.
        [0.5, 0.5, 0.5, 0.5 * 9 / 12, 0.5 * 5 / 12, 0.5 / 12],
    ),
    "OpenEndedDecay": (
        lambda **given: OpenEndedDecay(
            trigger=Plateau("val_loss", patience=1), cooldown="100%", **given
        ),
        # No improvement in epoch 3: down to 0 in as many more.
        [0.5, 0.5, 0.5, 0.5 * 9 / 12, 0.5 * 5 / 12, 0.5 / 12],
    ),
    "WarmupStableDecay": (
        lambda **given: WarmupStableDecay(decay=2, curve="linear", **given),
        [0.5, 0.5, 0.5, 0.5, 0.5 * 5 / 8, 0.5 / 8],
    ),
}
each = pytest.mark.parametrize("name", FAMILY)
watching = [
    name for name in FAMILY if any(rule.watched == "val_loss" for rule in FAMILY[name][0]().rules)
]


def train(decay: DecayCallback, model: keras.Model | None = None, **fitting: Any) -> list[float]:
    history = fit(model or odometer(), [Scripted(val_loss=SCRIPT), decay], EPOCHS, **fitting)
    return history["learning_rate"]


def test_every_callback_has_a_row() -> None:
    import kerasdecay.callbacks as home

    public = [getattr(home, name) for name in home.__all__]
    decays = {
        one.__name__ for one in public if inspect.isclass(one) and issubclass(one, DecayCallback)
    }
    assert decays == {type(make()).__name__ for make, _ in FAMILY.values()}


@each
def test_the_rates_are_those_computed_by_hand_and_train_the_weights(name: str) -> None:
    make, expected = FAMILY[name]
    decay, model, real = make(), odometer(), Odometer()
    rates = fit(model, [Scripted(val_loss=SCRIPT), decay, real], EPOCHS)["learning_rate"]
    assert rates == near(expected)
    assert real.moves[3::4] == near(expected)
    assert travelled(model) == near(sum(real.moves))
    assert [logs["learning_rate"] for _, logs in decay.trace.logs] == rates
    assert float(model.optimizer.learning_rate) > 0


@each
def test_deep_copy_pickle_and_configuration_train_alike(name: str) -> None:
    make, _ = FAMILY[name]
    decay = make(verbose=0)
    expected = train(make())
    config = decay.get_config()
    if "function" not in name:
        config = json.loads(json.dumps(config))
    twins = {
        "deep copy": copy.deepcopy(decay),
        "pickle": pickle.loads(pickle.dumps(decay)),
        "configuration": type(decay).from_config(config),
    }
    assert {kind: train(twin) for kind, twin in twins.items()} == dict.fromkeys(twins, expected)
    assert type(decay).from_config(config).get_config() == decay.get_config()


@each
def test_a_copy_of_a_trained_callback_trains_a_new_model_alike(name: str) -> None:
    # As KerasTuner does, and as a process pool does.
    make, _ = FAMILY[name]
    decay = make()
    expected = train(decay)
    trained = pickle.loads(pickle.dumps(copy.deepcopy(decay)))
    assert trained.events == decay.events
    assert train(trained) == expected


# What only scales the optimizer's own rate goes on from the rate found, as ReduceLROnPlateau does.
FOLLOWING = ("PlateauDecay", "GreedyDecay", "WeightNormDecay")


@pytest.mark.filterwarnings("ignore:.*has trained before")
@each
def test_a_second_fit_starts_afresh(name: str) -> None:
    make, _ = FAMILY[name]
    decay, model = make(), odometer()
    first = train(decay, model)
    if "epoch and rate" in name:
        model.optimizer.learning_rate = 0.5  # it goes on from the present rate, by its nature
    if name in FOLLOWING:
        left = float(model.optimizer.learning_rate)
        assert left != first[0]
        first = train(make(), new_odometer(left))
    assert train(decay, model) == near(first, rel=1e-7)


@each
def test_a_training_that_was_killed_goes_on_with_the_same_rates(name: str, tmp_path: Path) -> None:
    make, _ = FAMILY[name]
    expected = train(make())
    path = tmp_path / "state.json"
    model = new_odometer()
    before = [Scripted(val_loss=SCRIPT), make(state_path=path)]
    fit_until_killed(model, [*before, Kill(2)], EPOCHS)
    assert train(make(state_path=path), model, initial_epoch=3) == expected[3:]


COMPILED: dict[str, Callable[..., DecayCallback]] = {
    f"{name}, compiled": functools.partial(make, update="compiled")
    for name, (make, _) in FAMILY.items()
    if name in ("LinearDecay", "WeightNormDecay", "LossSlopeDecay")
}
HOLDERS: dict[str, Callable[..., DecayCallback]] = {
    **{name: make for name, (make, _) in FAMILY.items()},
    **COMPILED,
    "PlateauDecay with the best weights": lambda: PlateauDecay(
        "val_loss", 0.5, 2, restore_best_weights=True
    ),
}


@pytest.mark.filterwarnings("ignore:.*has trained before")
def test_no_reference_to_the_model_survives_the_training() -> None:
    # One model for all, which need not be compiled for each.
    decays, model = [make() for make in HOLDERS.values()], new_odometer()
    dies = weakref.ref(model), weakref.ref(model.optimizer)
    for decay in decays:
        model.optimizer.learning_rate = 0.5
        train(decay, model)
    del model
    gc.collect()
    assert [one() for one in dies] == [None, None]
    assert all(len(decay.trace) > 0 for decay in decays)


@pytest.mark.parametrize("name", watching)
def test_a_metric_that_is_missing_changes_nothing(name: str) -> None:
    make, _ = FAMILY[name]
    decay = make()
    with pytest.warns(UserWarning, match="'val_loss', which is not in the logs"):
        rates = fit(odometer(), [decay], EPOCHS)["learning_rate"]
    alone = LearningRateDecay(decay.schedule, update=str(decay.update))
    expected = fit(odometer(), [alone], EPOCHS)["learning_rate"]
    if name == "AdaptiveKneeDecay":  # which comes down at `latest`, after 4 epochs, at any rate
        expected[4:] = [0.5 * 5 / 8, 0.5 / 8]
    if name == "OpenEndedDecay":  # which comes down as late as it can: here after 3 epochs
        expected[3:] = [0.5 * 9 / 12, 0.5 * 5 / 12, 0.5 / 12]
    assert rates == near(expected)


@each
@pytest.mark.parametrize(
    ("argument", "value", "wanted"),
    [
        ("epochs", 0, "epochs must be an integer >= 1"),
        ("verbose", -1, "verbose must be an integer >= 0"),
        ("rules", ["plateaus"], "rules must be one of plateau"),
        ("rules", iter([Plateau("loss")]), "rules must be kerasdecay rules"),
    ],
)
def test_a_wrong_option_is_named(name: str, argument: str, value: Any, wanted: str) -> None:
    kind = type(FAMILY[name][0]())
    first = {"LearningRateDecay": (PowerStep(),), "WarmupDecay": (1,)}.get(kind.__name__, ())
    with pytest.raises(ValueError, match=wanted):
        kind(*first, **{argument: value})
