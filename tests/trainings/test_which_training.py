"""Which training is this: one that goes on, another one, or the first again?"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
from tiny import (
    STEPS,
    Odometer,
    Scripted,
    fit,
    near,
    new_odometer,
    no_warning,
    ready,
    travelled,
    warned_once,
)

from kerasdecay import (
    CosineDecay,
    GreedyDecay,
    LearningRateDecay,
    LinearDecay,
    PlateauDecay,
    PowerStepDecay,
    StepDecay,
    WarmupDecay,
    WeightNormDecay,
)
from kerasdecay.rules import Plateau
from kerasdecay.schedules import Constant, Cosine, Linear

pytestmark = pytest.mark.any_backend


def sgd(rate: float, **options: Any) -> Any:
    return keras.optimizers.SGD(rate, **options)


def by_epoch(moves: list[float]) -> list[list[float]]:
    """Return the rates of each epoch's four batches."""
    return [moves[begin : begin + STEPS] for begin in range(0, len(moves), STEPS)]


# ------------------------------------------------- a fit that goes on is the same training

VALLEY = [3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5]

GOES_ON: dict[str, Callable[..., Any]] = {
    "plateau": lambda **how: PlateauDecay("m", factor=0.5, patience=2, mode="min", **how),
    "plateau, cooldown": lambda **how: PlateauDecay(
        "m", factor=0.1, patience=1, cooldown=2, mode="min", min_lr=1e-3, **how
    ),
    "greedy": lambda **how: GreedyDecay("m", factor=0.7, patience=1, mode="min", **how),
    "plateau on a shape": lambda **how: PlateauDecay(
        "m", factor=0.5, patience=1, mode="min", schedule=Linear(0.4), **how
    ),
    "plateau after a warmup": lambda **how: PlateauDecay(
        "m", factor=0.5, patience=1, mode="min", warmup=2, **how
    ),
    "shape from the optimizer": lambda **how: CosineDecay(**how),
    "power step": lambda **how: PowerStepDecay(stages=3, **how),
    "by a function": lambda **how: LearningRateDecay(
        lambda epoch, rate: rate * 0.8, rules=[Plateau("m", 0.5, 2, mode="min")], **how
    ),
    "weight norm": lambda **how: WeightNormDecay(factor=0.5, **how),
}
CUTS = {"every epoch": [*range(1, 12)], "once": [5], "unevenly": [1, 4, 5, 10]}


@functools.cache
def whole_rates_of(kind: str) -> list[float]:
    return rates_of(GOES_ON[kind](epochs=12), [])


def rates_of(decay: Any, cuts: list[int]) -> list[float]:
    model, real = ready(new_odometer()), Odometer()
    for begin, end in zip([0, *cuts], [*cuts, 12], strict=True):
        fit(model, [Scripted(m=VALLEY), decay, real], epochs=end, initial_epoch=begin)
    return real.moves


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("kind", GOES_ON)
def test_fits_that_go_on_train_as_one_fit_does(kind: str, cuts: str) -> None:
    whole = whole_rates_of(kind)
    with no_warning():
        parts = rates_of(GOES_ON[kind](epochs=12), CUTS[cuts])
    assert parts == near(whole)
    assert len(set(whole)) > 1 or kind == "weight norm"


@pytest.mark.parametrize("update", ["batch", "compiled", "2 steps"])
def test_they_do_by_every_update(update: str) -> None:
    def make() -> Any:
        return PlateauDecay("m", 0.5, 1, mode="min", schedule=Linear(0.4), epochs=12, update=update)

    assert rates_of(make(), [3, 4, 9]) == near(rates_of(make(), []))


def test_a_loop_of_such_fits_reduces_where_a_constant_metric_does() -> None:
    decay = PlateauDecay("m", factor=0.5, patience=2, mode="min")
    model, real = new_odometer(0.1), Odometer()
    logged = [
        fit(model, [Scripted(m=[1.0] * 8), decay, real], epoch + 1, initial_epoch=epoch)
        for epoch in range(8)
    ]
    expected = [0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.0125]
    assert real.moves[::STEPS] == near(expected)
    assert [one["learning_rate"][0] for one in logged] == near(expected)


def test_a_restored_best_is_that_of_the_whole_training() -> None:
    decay = PlateauDecay("m", 0.5, 2, mode="min", restore_best_weights=True)
    model = new_odometer(0.5)
    for epoch, value in enumerate([3.0, 1.0, 2.0, 2.0]):
        script = Scripted(m=[value] * 4)
        fit(model, [script, decay], epoch + 1, initial_epoch=epoch)
    # The weights of a fit before are not kept: they stay, which is told, and the rate falls.
    assert float(model.optimizer.learning_rate) == near(0.25)


@pytest.mark.parametrize("kind", ["plateau", "plateau on a shape", "plateau after a warmup"])
def test_a_new_object_in_mid_training_says_that_its_rules_start_afresh(kind: str) -> None:
    model = new_odometer()
    fit(model, [Scripted(m=VALLEY), GOES_ON[kind](epochs=12)], epochs=4)
    decay = GOES_ON[kind](epochs=12)
    if kind == "plateau on a shape":
        # It has its rates; what its rules forget is told in the trace.
        fit(model, [Scripted(m=VALLEY), decay], epochs=6, initial_epoch=4)
        assert any("the rules start afresh" in note for note in decay.trace.notes)
        return
    with warned_once("the optimizer has trained before", "pass the same callback object again"):
        fit(model, [Scripted(m=VALLEY), decay], epochs=6, initial_epoch=4)


def test_a_fit_that_goes_on_at_a_rate_of_0_says_so() -> None:
    with warned_once("is 0 after epoch 3", "goes on to epoch 4", "pass epochs=4"):
        fit(new_odometer(), [CosineDecay(0.5, epochs=3)], 4)
    with no_warning():
        fit(new_odometer(), [CosineDecay(0.5, final_learning_rate=0.1, epochs=3)], 4)
        fit(new_odometer(), [CosineDecay(0.5, epochs=3)], 3)


def test_a_training_that_goes_on_says_that_its_rules_remember() -> None:
    model, decay = new_odometer(), PlateauDecay("m", patience=1, mode="min")
    fit(model, [Scripted(m=VALLEY), decay], epochs=4)
    fit(model, [Scripted(m=VALLEY), decay], epochs=6, initial_epoch=4)
    assert decay.trace.notes == ["goes on with epoch 5: the rules keep what they have decided"]


@pytest.mark.parametrize("rate", [0.3, 0.01, 0.7])
def test_a_rate_that_the_user_has_set_meanwhile_is_a_new_beginning(rate: float) -> None:
    decay = PlateauDecay("m", factor=0.5, patience=1, mode="min")
    model, real = new_odometer(0.5), Odometer()
    fit(model, [Scripted(m=[1.0] * 4), decay], epochs=4)
    model.optimizer.learning_rate = rate
    real.places = [travelled(model)]
    with warned_once("its present learning_rate", "is taken for the initial one"):
        fit(model, [Scripted(m=[1.0] * 6), decay, real], epochs=6, initial_epoch=4)
    assert real.moves == near([rate] * 8, rel=1e-4)


def set_back(optimizer: Any) -> None:
    for variable in optimizer.variables:
        if variable is optimizer._iterations:
            variable.assign(0)


@pytest.mark.parametrize("epoch", [1, 4, 7])
def test_an_optimizer_that_was_set_back_is_another_training(epoch: int) -> None:
    decay = PlateauDecay("m", factor=0.5, patience=1, mode="min")
    model, real = new_odometer(0.5), Odometer()
    fit(model, [Scripted(m=[1.0] * 8), decay], epochs=epoch + 1)
    left = float(model.optimizer.learning_rate)
    set_back(model.optimizer)
    real.places = [travelled(model)]
    fit(model, [Scripted(m=[1.0] * 9), decay, real], epochs=epoch + 2, initial_epoch=epoch)
    assert real.moves == near([left] * 8)  # a first epoch never reduces, a second does afterwards


# --------------------------------------------------------------- what is left is gone on from


@pytest.mark.parametrize(
    ("decay", "scripts", "expected"),
    [
        (lambda: PlateauDecay("m", 0.5, 1, mode="min"), 2, [[0.5, 0.5], [0.25, 0.25]]),
        (lambda: PlateauDecay("m", 0.5, 0, mode="min"), 2, [[0.5, 0.5], [0.25, 0.25]]),
        (
            lambda: LearningRateDecay(Constant(), rules=[Plateau("m", 0.2, 1, mode="min")]),
            3,
            [[0.5, 0.5, 0.1], [0.02, 0.02, 0.004]],
        ),
    ],
)
def test_what_follows_the_optimizer_goes_on_from_the_rate_found(
    decay: Any, scripts: int, expected: list[list[float]]
) -> None:
    model, callback = new_odometer(0.5), decay()
    for rates in expected:
        real = Odometer()
        real.places = [travelled(model)]
        with no_warning():
            fit(model, [Scripted(m=[1.0] * scripts), callback, real], epochs=scripts)
        assert [one[0] for one in by_epoch(real.moves)] == near(rates)
    assert "where the training before left it" in callback.trace.setup.base_source


@pytest.mark.parametrize(
    ("decay", "first"),
    [
        (lambda: LinearDecay(), 0.5),
        (lambda: StepDecay(every=1, factor=0.5), 0.5),
        (lambda: WarmupDecay(1, then=Cosine()), 0.125),
        (lambda: PlateauDecay("m", 0.5, 1, mode="min", schedule=Linear()), 0.5),
    ],
)
def test_a_shape_begins_anew_from_its_first_rate(decay: Any, first: float) -> None:
    model, callback = new_odometer(0.5), decay()
    for _ in range(3):
        real = Odometer()
        real.places = [travelled(model)]
        with no_warning():
            fit(model, [Scripted(m=[1.0] * 2), callback, real], epochs=2)
        assert real.moves[0] == near(first)


# --------------------------------------------------------------------- another trained model


@pytest.mark.parametrize(
    "decay",
    [
        lambda: PowerStepDecay(stages=2),
        lambda: LinearDecay(final_learning_rate=0.25),
        lambda: StepDecay(every=1, factor=0.5),
    ],
)
@pytest.mark.parametrize("initial_epoch", [0, 1])
def test_another_trained_model_of_an_equal_rate_is_another(decay: Any, initial_epoch: int) -> None:
    callback = decay()
    first = new_odometer(0.5)
    fit(first, [callback], epochs=2)
    left = float(first.optimizer.learning_rate)
    other, real = new_odometer(left), Odometer()
    fit(other, epochs=1)
    real.places = [travelled(other)]
    with warned_once("the optimizer has trained before", "is taken for the initial one"):
        fit(other, [callback, real], epochs=2 + initial_epoch, initial_epoch=initial_epoch)
    if initial_epoch == 0:
        assert real.moves[0] == near(left)


def test_a_recompiled_model_is_another_training_for_the_same_object() -> None:
    decay = PlateauDecay("m", factor=0.5, patience=1, mode="min")
    model = new_odometer(0.5)
    fit(model, [Scripted(m=[1.0] * 4), decay], epochs=4)
    model.compile(sgd(0.01), loss=model.loss)
    real = Odometer()
    real.places = [travelled(model)]
    fit(model, [Scripted(m=[1.0] * 6), decay, real], epochs=6, initial_epoch=4)
    assert real.moves == near([0.01] * 8, rel=1e-3)


# --------------------------------------------------------------------------- with a state file


@pytest.mark.parametrize("rate", [1e-3, 0.3, 0.05])
@pytest.mark.parametrize(
    "make",
    [
        lambda path: PlateauDecay("m", 0.5, 5, mode="min", state_path=path),
        lambda path: StepDecay(every=5, factor=0.5, epochs=20, state_path=path),
        lambda path: GreedyDecay("m", patience=9, mode="min", state_path=path),
    ],
)
def test_a_new_optimizers_rate_wins_against_the_file(
    make: Any, rate: float, tmp_path: Path
) -> None:
    path = tmp_path / "state.json"
    model, real = new_odometer(0.5), Odometer()
    fit(model, [Scripted(m=[1.0] * 9), make(path)], epochs=3)
    model.compile(sgd(rate), loss=model.loss)
    real.places = [travelled(model)]
    with warned_once(f"holds learning_rate {rate:g}", "the state file left 0.5"):
        fit(model, [Scripted(m=[1.0] * 9), make(path), real], epochs=5, initial_epoch=3)
    assert real.moves == near([rate] * 8, rel=1e-3)


@pytest.mark.parametrize("rate", [1e-3, 0.3, 0.06])
def test_a_rate_set_by_hand_wins_against_the_file(rate: float, tmp_path: Path) -> None:
    model, real, path = new_odometer(0.5), Odometer(), tmp_path / "state.json"

    def decay() -> Any:
        return PlateauDecay("m", 0.5, 2, mode="min", state_path=path)

    fit(model, [Scripted(m=[1.0] * 9), decay()], epochs=4)
    model.optimizer.learning_rate = rate
    real.places = [travelled(model)]
    with warned_once("is taken for the initial one, and the rules start afresh at epoch 5"):
        fit(model, [Scripted(m=[1.0] * 9), decay(), real], epochs=6, initial_epoch=4)
    assert real.moves == near([rate] * 8, rel=1e-3)


@functools.cache
def whole_training(kind: str) -> tuple[list[float], float]:
    """Return the rates that the history tells, and the weight after them."""
    model = ready(new_odometer())
    history = fit(model, [Scripted(m=VALLEY), GOES_ON[kind](epochs=12)], epochs=12)
    return history["learning_rate"], travelled(model)


@pytest.mark.parametrize("cut", [2, 4, 7])
@pytest.mark.parametrize("kind", ["plateau", "plateau, cooldown", "plateau on a shape"])
def test_a_true_resume_is_exact(kind: str, cut: int, tmp_path: Path) -> None:
    path, saved = tmp_path / "state.json", tmp_path / "model.keras"
    rates, weight = whole_training(kind)
    model = new_odometer()
    how = {"epochs": 12, "state_path": path}
    fit(model, [Scripted(m=VALLEY), GOES_ON[kind](**how)], epochs=cut)
    model.save(saved)
    loaded = keras.models.load_model(saved, custom_objects={"distance": model.loss})
    with no_warning():
        rest = fit(loaded, [Scripted(m=VALLEY), GOES_ON[kind](**how)], epochs=12, initial_epoch=cut)
    assert rest["learning_rate"] == rates[cut:]
    assert travelled(loaded) == weight


# ---------------------------------------------------------------- one epoch, again and again


@pytest.mark.parametrize(
    "decay",
    [
        lambda: CosineDecay(0.1),
        lambda: PlateauDecay("m", factor=0.5, patience=1, mode="min"),
        lambda: StepDecay(0.1, every=2, factor=0.5),
    ],
)
@pytest.mark.parametrize("anew", [False, True])
def test_one_epoch_again_and_again_is_told_the_second_time_and_once(decay: Any, anew: bool) -> None:
    model, callback = new_odometer(), decay()
    with no_warning():
        fit(model, [Scripted(m=[1.0]), callback], epochs=1)
    if anew and isinstance(callback, PlateauDecay):
        with pytest.warns(UserWarning, match=r"initial_epoch=epoch, epochs=epoch \+ 1"):
            fit(model, [Scripted(m=[1.0]), decay()], epochs=1)
        return
    with warned_once("for epoch in range(epochs):", "model.fit(…, initial_epoch=epoch"):
        for _ in range(3):
            callback = decay() if anew else callback
            fit(model, [Scripted(m=[1.0]), callback], epochs=1)


def test_one_epoch_of_another_model_each_is_no_such_loop() -> None:
    decay = CosineDecay(0.1)
    with no_warning():
        for _ in range(3):
            fit(new_odometer(), [decay], epochs=1)


def test_one_epoch_by_initial_epoch_is_no_such_loop() -> None:
    decay, model = CosineDecay(0.1, epochs=4), new_odometer()
    with no_warning():
        for epoch in range(4):
            fit(model, [decay], epochs=epoch + 1, initial_epoch=epoch)
    assert travelled(model) == near(sum(0.05 * (1 + math.cos(math.pi * n / 16)) for n in range(16)))


# ------------------------------------------------------------------------- a longer horizon


@pytest.mark.parametrize(("first", "then"), [(4, 12), (2, 4), (3, 30)])
@pytest.mark.parametrize("shape", [LinearDecay, CosineDecay])
def test_a_longer_horizon_that_lifts_the_rate_is_told(shape: Any, first: int, then: int) -> None:
    model, decay = new_odometer(), shape(0.4)
    fit(model, [decay], epochs=first)
    with warned_once("learning_rate jumps up from", f"planned over {then} epochs now", "epochs=…"):
        fit(model, [decay], epochs=then, initial_epoch=first)


@pytest.mark.parametrize("anew", [False, True])
def test_with_epochs_given_nothing_jumps(anew: bool) -> None:
    model = new_odometer()
    decay = LinearDecay(0.4, epochs=8)
    real = Odometer()
    with no_warning():
        fit(model, [decay, real], epochs=4)
        decay = LinearDecay(0.4, epochs=8) if anew else decay
        fit(model, [decay, real], epochs=8, initial_epoch=4)
    assert real.moves == near([0.4 * (1 - n / 32) for n in range(32)])


# ------------------------------------------------------------------ a new optimizer in mid-fit


class Exchange(keras.callbacks.Callback):
    """Gives the model a new optimizer as an epoch begins, as progressive training does."""

    def __init__(self, epoch: int, rate: float, *, compiles: bool = False) -> None:
        super().__init__()
        self.epoch, self.rate, self.compiles = epoch, rate, compiles

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch != self.epoch:
            return
        model = self.model
        model.optimizer = sgd(self.rate)
        model.optimizer.build(model.trainable_variables)
        model.make_train_function(force=True)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="fit keeps its train function")
@pytest.mark.parametrize("rate", [0.05, 0.9, 1e-3])
def test_a_new_optimizer_in_mid_fit_is_no_second_writer(rate: float) -> None:
    model, real = new_odometer(0.5), Odometer()
    decay = PlateauDecay("m", 0.5, 1, mode="min")
    with warned_once("the model has a new optimizer from epoch 3 on", f"learning_rate {rate:g}"):
        history = fit(model, [Exchange(2, rate), Scripted(m=[1.0] * 4), decay, real], epochs=4)
    assert [one[0] for one in by_epoch(real.moves)] == near([0.5, 0.5, rate, rate], rel=1e-3)
    assert history["learning_rate"] == near([0.5, 0.5, rate, rate])


@pytest.mark.parametrize("rate", [0.05, 0.9, 1e-3])
def test_a_new_optimizer_that_the_step_looks_up_is_no_second_writer(rate: float) -> None:
    """The step is compiled anew by hand, as a program does that exchanges optimizers."""
    model = new_odometer(0.5)
    decay = PlateauDecay("m", 0.5, 1, mode="min")
    with warned_once("the model has a new optimizer from epoch 3 on", f"learning_rate {rate:g}"):
        fit(model, [Exchange(2, rate), Scripted(m=[1.0] * 4), decay], epochs=4)
    assert float(model.optimizer.learning_rate) == near(rate / 2)
