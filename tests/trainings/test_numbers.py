"""What is in the logs, what is held by optimizers, and what is counted."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
from tiny import (
    BATCH,
    STEPS,
    Odometer,
    Scripted,
    X,
    Y,
    fit,
    near,
    new_odometer,
    no_warning,
    warned_once,
)

from kerasdecay import (
    CosineDecay,
    GreedyDecay,
    LearningRateDecay,
    LinearDecay,
    PlateauDecay,
    StepDecay,
)
from kerasdecay.rules import Greedy, Plateau
from kerasdecay.schedules import Constant

pytestmark = pytest.mark.any_backend

DECAYS = {
    "plateau": lambda: PlateauDecay("m", factor=0.5, patience=2, mode="min"),
    "greedy": lambda: GreedyDecay("m", factor=0.5, patience=0, mode="min"),
    "rules": lambda: LearningRateDecay(
        Constant(), rules=[Plateau("m", 0.5, 2, mode="min"), Greedy("m", 0.9, 0, mode="min")]
    ),
}

# ---------------------------------------------------------------- metrics that are no scalars

VECTORS = {
    "vector": np.array([0.5, 0.6]),
    "list": [0.5, 0.6],
    "empty": np.array([]),
    "matrix": np.ones((2, 2)),
}


@pytest.mark.parametrize("value", VECTORS)
@pytest.mark.parametrize("decay", DECAYS)
def test_a_vector_is_told_once_and_decides_nothing(decay: str, value: str) -> None:
    callback = DECAYS[decay]()
    with warned_once("the rules watch 'm'", "no single number", "average='macro'"):
        history = fit(new_odometer(), [Scripted(m=[VECTORS[value]] * 5), callback], epochs=5)
    assert history["learning_rate"] == [0.5] * 5
    assert callback.events == []


@pytest.mark.parametrize("value", ["0.5", b"0.5", None.__class__, object()])
@pytest.mark.parametrize("decay", DECAYS)
def test_text_is_no_number(decay: str, value: Any) -> None:
    callback = DECAYS[decay]()
    with warned_once("the rules watch 'm'", "Let the metric give a number"):
        fit(new_odometer(), [Scripted(m=[value] * 4), callback], epochs=4)
    assert callback.events == []


@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1)])
@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "bool"])
def test_an_array_of_one_element_counts(shape: tuple[int, ...], kind: str) -> None:
    values = [np.full(shape, value, kind) for value in (1, 1, 1, 1, 1)]
    with no_warning():
        history = fit(new_odometer(), [Scripted(m=values), DECAYS["plateau"]()], epochs=5)
    assert history["learning_rate"] == [0.5, 0.5, 0.5, 0.25, 0.25]


def test_a_tensor_of_one_element_counts() -> None:
    values = [keras.ops.ones((1,))] * 5
    history = fit(new_odometer(), [Scripted(m=values), DECAYS["plateau"]()], epochs=5)
    assert history["learning_rate"] == [0.5, 0.5, 0.5, 0.25, 0.25]


@pytest.mark.parametrize("value", [10**400, -(10**400), 10**4000], ids=["e400", "-e400", "e4000"])
@pytest.mark.parametrize("decay", DECAYS)
def test_a_number_that_no_float_holds_ends_nothing(decay: str, value: int) -> None:
    callback = DECAYS[decay]()
    history = fit(new_odometer(), [Scripted(m=[1.0, value, 0.9, 0.8]), callback], epochs=4)
    assert len(history["learning_rate"]) == 4
    assert any("inf" in event.reason for event in callback.events)


def test_keras_own_f1_score_is_told_and_its_macro_average_is_watched() -> None:
    x = np.random.default_rng(0).normal(size=(24, 2)).astype("float32")
    y = np.eye(3, dtype="float32")[np.arange(24) % 3]
    for average, words in ((None, ["average='macro'"]), ("macro", None)):
        layers = [keras.Input((2,)), keras.layers.Dense(3, activation="softmax")]
        model = keras.Sequential(layers)
        score = keras.metrics.F1Score(average)
        model.compile("sgd", "categorical_crossentropy", metrics=[score])
        decay = PlateauDecay("f1_score", factor=0.5, patience=1, min_delta=10.0)
        data = {"x": x, "y": y, "batch_size": 8}
        if words:
            with warned_once(*words):
                fit(model, [decay], epochs=3, **data)
            assert decay.events == []
        else:
            with no_warning():
                fit(model, [decay], epochs=3, **data)
            assert [event.epoch for event in decay.events] == [1, 2]


# -------------------------------------------------------------------- what comes late, or never


@pytest.mark.parametrize("every", [2, 5, 8])
@pytest.mark.parametrize("monitor", ["val_loss", "val_mae"])
def test_nothing_is_said_before_it_can_be_known(every: int, monitor: str) -> None:
    model = new_odometer(metrics=["mae"])
    data = {"validation_data": (X, Y), "validation_freq": every}
    with no_warning():
        fit(model, [PlateauDecay(monitor, patience=1)], epochs=every + 1, **data)


def test_a_run_that_ends_before_its_first_validation_is_told_of_validation_freq() -> None:
    data = {"validation_data": (X, Y), "validation_freq": 4}
    with warned_once("'val_loss', which is not in the logs so far", "validation_freq"):
        fit(new_odometer(), [PlateauDecay("val_loss", patience=1)], epochs=3, **data)


@pytest.mark.parametrize("monitor", ["val_accuracy", "val_los", "val_f1"])
def test_what_the_first_validation_lacks_is_told_then(monitor: str) -> None:
    told: list[int] = []

    class Noted(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            told.append(epoch)

    data = {"validation_data": (X, Y), "validation_freq": 3}
    with warned_once(f"{monitor!r}, which is not in the logs so far", "val_loss"):
        decay = PlateauDecay(monitor, patience=3, mode="min")
        fit(new_odometer(), [decay, Noted()], epochs=7, **data)
    assert told == list(range(7))


# -------------------------------------------------------------------- remedies that there are

TRAINED = {
    "plateau": (lambda: PlateauDecay("m", patience=1, mode="min"), "pass schedule=Constant(0.1)"),
    "greedy": (lambda: GreedyDecay("m", patience=1, mode="min"), "pass schedule=Constant(0.1)"),
    "cosine": (lambda: CosineDecay(), "pass initial_learning_rate=…"),
    "step": (lambda: StepDecay(), "pass initial_learning_rate=…"),
}


@pytest.mark.parametrize("kind", TRAINED)
def test_a_remedy_is_an_argument_that_the_class_has(kind: str) -> None:
    import inspect

    make, remedy = TRAINED[kind]
    model = new_odometer()
    fit(model, epochs=1)
    decay = make()
    with warned_once("has trained before", remedy):
        fit(model, [Scripted(m=[1.0] * 3), decay], epochs=3)
    argument = remedy.removeprefix("pass ").split("=")[0]
    assert argument in inspect.signature(type(decay)).parameters
    given = {argument: 0.1 if argument.startswith("initial") else Constant(0.1)}
    if argument == "schedule":
        given |= {"monitor": "loss"}
    remedied = type(decay)(**given)
    with no_warning():
        fit(new_odometer(), [remedied], epochs=1)


# ------------------------------------------------------------------ precisions of the variables


@pytest.fixture(params=["bfloat16", "float16", "float64"])
def floatx(request: Any) -> Iterator[str]:
    with in_precision(request.param):
        yield request.param


@contextlib.contextmanager
def in_precision(name: str) -> Iterator[None]:
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(name)
    keras.config.set_dtype_policy(name)
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


@pytest.mark.parametrize(
    "make",
    [
        lambda: CosineDecay(0.1),
        lambda: PlateauDecay("m", factor=0.3, patience=1, mode="min"),
        lambda: StepDecay(0.3, every=1, factor=0.7),
        lambda: LearningRateDecay(lambda epoch, rate: rate * 0.9),
        lambda: LinearDecay(0.7, update="compiled"),
    ],
)
def test_in_any_precision_there_is_no_second_writer_and_the_log_tells_what_is_held(
    floatx: str, make: Any
) -> None:
    model, decay = new_odometer(0.1), make()
    with no_warning():
        history = fit(model, [Scripted(m=[1.0] * 4), decay], epochs=4)
    variable = model.optimizer.learning_rate
    assert keras.backend.standardize_dtype(variable.dtype) == floatx
    held = float(keras.ops.convert_to_numpy(keras.ops.cast(variable, "float64")))
    last = decay.trace.learning_rates_of("learning_rate")[-1] if not decay.events else None
    if last is not None and not isinstance(decay, LinearDecay):
        assert history["learning_rate"][-1] == pytest.approx(held, rel=1e-7)


@pytest.mark.parametrize("update", ["epoch", "batch"])
def test_double_precision_trains_at_the_rates_told(update: str) -> None:
    with in_precision("float64"):
        model, real = new_odometer(0.1), Odometer()
        fit(model, [StepDecay(every=1, factor=0.5, update=update), real], epochs=3)
    expected = np.repeat([0.1, 0.05, 0.025], STEPS).tolist()
    if keras.backend.backend() == "jax":  # which has no float64 unless it is asked for
        assert real.moves == near(expected)
    else:
        assert real.moves == pytest.approx(expected, rel=1e-6)


# ------------------------------------------------------------------------- epochs that end early


def batches(count: int) -> Iterator[Any]:
    for _ in range(count):
        yield X[:BATCH], Y[:BATCH]


@pytest.mark.parametrize(("given", "steps"), [(7, 4), (5, 4), (6, 5)])
@pytest.mark.parametrize("update", ["batch", "2 steps", "compiled"])
def test_a_batch_that_never_came_is_neither_logged_nor_counted(
    given: int, steps: int, update: str
) -> None:
    model, real = new_odometer(), Odometer()
    decay = LinearDecay(0.4, update=update)
    with no_warning():
        history = model.fit(
            batches(given),
            epochs=2,
            steps_per_epoch=steps,
            callbacks=[decay, real],
            verbose=0,
        ).history
    held = 2 if update == "2 steps" else 1
    expected = [0.4 * (1 - (n // held * held) / (2 * steps)) for n in range(given)]
    assert real.moves == near(expected)
    assert history["learning_rate"][-1] == near(expected[-1])
    places = decay.trace.learning_rates_of("learning_rate")
    assert places[-1] == near(expected[-1])


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras refuses it on torch alone")
@pytest.mark.parametrize("update", ["batch", "compiled"])
@pytest.mark.parametrize("per_execution", [2, 3, 4])
def test_several_steps_a_call_train_at_the_rates_told(update: str, per_execution: int) -> None:
    model = new_odometer(steps_per_execution=per_execution)
    real = Odometer()
    history = fit(model, [LinearDecay(0.4, update=update), real], epochs=2)
    line = [0.4 * (1 - n / 8) for n in range(8)]
    groups = [range(4)[begin : begin + per_execution] for begin in range(0, 4, per_execution)]
    told = []
    for epoch in (0, 4):
        for group in groups:
            rates = [line[epoch + (n if update == "compiled" else group[0])] for n in group]
            told.append(sum(rates))
    assert real.moves == near(told)
    last = 3 if update == "compiled" else groups[-1][0]
    assert history["learning_rate"] == near([line[last], line[4 + last]])


# -------------------------------------------------------------------------- numbers as arguments


@pytest.mark.parametrize("number", [10**30, 10**400, 2**60], ids=["e30", "e400", "2^60"])
def test_epochs_that_cannot_be_counted_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match="epochs must be an integer"):
        CosineDecay(0.1, epochs=number)


@pytest.mark.parametrize(
    "number", [10**400, 1e39, 1e-46, -(10**400)], ids=["e400", "e39", "e-46", "-e400"]
)
def test_rates_that_no_optimizer_holds_are_refused(number: Any) -> None:
    for make in (CosineDecay, StepDecay, LinearDecay):
        with pytest.raises(ValueError, match="initial_learning_rate must be"):
            make(number)


@pytest.mark.parametrize("value", [1, 0, "yes", None, 1.0])
def test_flags_take_booleans_only(value: Any) -> None:
    for name in ("restore_best_weights", "stop_at_min_lr", "restore_optimizer"):
        with pytest.raises(ValueError, match=f"{name} must be True or False"):
            PlateauDecay("m", **{name: value})


@pytest.mark.parametrize("value", [True, np.True_])
def test_numpys_booleans_are_booleans(value: Any) -> None:
    assert PlateauDecay("m", restore_best_weights=value).rules[0].restore_best_weights is True


@pytest.mark.parametrize("smallest", [1e-37, 1e-30, 1e-10])
def test_the_log_tells_what_the_optimizer_holds_of_tiny_rates(smallest: float) -> None:
    model = new_odometer(smallest)
    history = fit(model, [StepDecay(every=1, factor=0.1)], epochs=4)
    held = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
    assert history["learning_rate"][-1] == pytest.approx(held, rel=1e-6, abs=0)


# --------------------------------------------------------------------------------------- output


def test_verbose_true_is_1() -> None:
    assert [PlateauDecay(verbose=value).verbose for value in (True, False, 1, 2)] == [1, 0, 1, 2]


@pytest.mark.parametrize(
    "make",
    [
        lambda: PlateauDecay("m", factor=0.5, patience=1, mode="min", verbose=True),
        lambda: CosineDecay(0.1, verbose=1),
        lambda: LearningRateDecay(Constant(), rules=[Plateau("m", 0.5, 1, mode="min")], verbose=1),
    ],
)
def test_disabled_interactive_logging_is_respected(make: Any, capsys: Any, caplog: Any) -> None:
    import logging

    keras.config.disable_interactive_logging()
    try:
        with caplog.at_level(logging.INFO, "absl"):
            fit(new_odometer(), [Scripted(m=[1.0] * 3), make()], epochs=3)
    finally:
        keras.config.enable_interactive_logging()
    sys.stdout.flush()
    assert capsys.readouterr().out == ""
    assert len(caplog.records) >= 2
