"""The range test on every backend, what it measures, and what it refuses."""

from __future__ import annotations

import io
import math
import os
import sys

import keras
import numpy as np
import pytest
from finder_cases import OPTIMIZERS, X, Y, assert_leaves_no_trace, assert_same, build, state_of
from rich.console import Console

from kerasdecay.control.range_test import choose
from kerasdecay.records.range import LearningRateRange
from kerasdecay.study.finder import _Curve, find_learning_rate
from kerasdecay.study.suggestions import suggest
from kerasdecay.training.find import optimizer_kind

BACKEND = os.environ["KERAS_BACKEND"]
SOME = {"steps": 12, "batch_size": 16, "verbose": 0}


def linear(**compiling) -> keras.Model:
    """A model whose loss is a function of its weights alone."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(**{"optimizer": keras.optimizers.SGD(0.125), "loss": "mse", **compiling})
    return model


TARGET = X.sum(axis=1, keepdims=True)
BATCHES = [(X[start : start + 16], TARGET[start : start + 16]) for start in (0, 16, 32)]


# ------------------------------------------------------------------- nothing remains of it


def find_and_finish(model) -> None:
    find_learning_rate(model, (X, Y), **SOME)


def find_and_fail(model) -> None:
    def broken():
        yield from [(X[:16], Y[:16])] * 5
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        find_learning_rate(model, broken(), steps=12, verbose=0)


def find_and_interrupt(model) -> None:
    def interrupted():
        yield from [(X[:16], Y[:16])] * 5
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_learning_rate(model, interrupted(), steps=12, verbose=0)


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("optimizer", "find", "trained_before"),
    [
        ("sgd", find_and_finish, False),
        ("adam", find_and_finish, False),
        ("adam", find_and_finish, True),
        ("adam", find_and_fail, False),
        ("sgd", find_and_interrupt, False),
    ],
)
def test_training_after_it_equals_training_without_it(optimizer, find, trained_before):
    assert_leaves_no_trace(find, optimizer, trained_before=trained_before)


@pytest.mark.any_backend
def test_the_model_is_as_it_was_also_when_the_weights_became_nan():
    keras.utils.set_random_seed(0)
    model = build("sgd")
    model.fit(X, Y, verbose=0)
    before = state_of(model)
    found = find_learning_rate(model, (X * 1e4, Y), **{**SOME, "end": 1e30})
    assert found.stopped
    assert_same(state_of(model), before)


# ------------------------------------------------------------------------ what it measures


@pytest.mark.any_backend
@pytest.mark.parametrize("steps_per_execution", [1] if BACKEND == "torch" else [1, 2])
def test_losses_are_those_of_each_batch_and_not_a_running_mean(steps_per_execution):
    model = linear(steps_per_execution=steps_per_execution)
    expected = []
    for batch in BATCHES:
        model.reset_metrics()  # which Keras 3.12 does not by itself
        expected.append(float(model.test_on_batch(*batch)))
    assert max(expected) > 1.05 * min(expected)
    tiny = find_learning_rate(model, BATCHES, start=1e-20, end=1e-19, steps=7, verbose=0)
    np.testing.assert_allclose(tiny.losses, (expected * 3)[:7], rtol=1e-6)  # and round again


@pytest.mark.any_backend
def test_every_step_is_one_of_gradient_descent_with_the_rate_it_says():
    model = linear()
    kernel, bias = (np.float64(value) for value in model.get_weights())
    found = find_learning_rate(model, BATCHES, start=0.01, end=0.08, steps=4, verbose=0)
    np.testing.assert_allclose(found.rates, [0.01, 0.02, 0.04, 0.08])
    for rate, loss, (x, y) in zip(found.rates, found.losses, [*BATCHES, BATCHES[0]], strict=True):
        error = x @ kernel + bias - y
        assert loss == pytest.approx((error**2).mean(), rel=1e-4)
        kernel = kernel - rate * 2 * x.T @ error / len(x)
        bias = bias - rate * 2 * error.mean()


def test_the_smoothed_loss_worked_out_by_hand():
    curve = _Curve(smoothing=0.5, divergence=4.0)
    for rate, loss in [(0.1, 4.0), (0.2, 2.0), (0.3, 1.0)]:
        curve.add(rate, loss)
    # a = 2, 2, 1.5; divided by 1/2, 3/4, 7/8
    assert curve.smoothed == pytest.approx([4.0, 8 / 3, 12 / 7])
    assert curve.stopped == ""


@pytest.mark.parametrize(
    ("losses", "stops_at"),
    [
        ([2.0, 1.0, 4.0, 4.1], 3),  # more than 4 times the lowest, not as much
        ([1.0, 0.0, 0.1], 2),
        ([-1.0, 1.9, 2.1], 2),  # −1 + 3 · 1
        ([1.0, math.nan], 1),
        ([1.0, -math.inf], 1),
        ([math.inf], 0),
    ],
)
def test_where_it_stops(losses, stops_at):
    curve = _Curve(smoothing=0.0, divergence=4.0)
    for index, loss in enumerate(losses):
        curve.add(0.1 * (index + 1), loss)
        assert bool(curve.stopped) == (index == stops_at)


@pytest.mark.any_backend
def test_a_divergence_ends_it_and_is_recorded_and_no_suggestion():
    found = find_learning_rate(linear(), (X, TARGET), steps=60, batch_size=16, verbose=0)
    assert len(found.rates) == len(found.losses) == len(found.smoothed) < 60
    assert "more than 4 times the lowest" in found.stopped
    assert 1e-4 < found.valley < 1
    assert found.suggestions == suggest(found.rates, found.smoothed, 60)
    assert found.suggestion == choose(found.rates, found.losses, "sgd")
    assert 1e-3 < found.suggestion.rate < 1

    # The loss jumps from one batch to the next: it is over before it is large.
    found = find_learning_rate(linear(), (X, TARGET * 1e30), **{**SOME, "start": 1.0, "end": 1e9})
    assert not math.isfinite(found.losses[-1])
    assert found.stopped.startswith("the loss was inf") or "nan" in found.stopped
    assert (found.valley, found.steepest, found.minimum_tenth) == (None, None, None)
    assert found.suggestion.rate is None
    assert found.suggestion.reason.startswith("no suggestion, because ")


@pytest.mark.parametrize(
    ("optimizer", "kind"),
    [
        (keras.optimizers.SGD(0.1), "sgd"),
        (keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True), "momentum"),
        (keras.optimizers.AdamW(), "adaptive"),
        (keras.optimizers.RMSprop(), "adaptive"),
        (keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), "sgd"),
    ],
)
def test_the_suggestion_is_that_for_the_models_optimizer(optimizer, kind):
    assert optimizer_kind(optimizer) == kind
    found = find_learning_rate(
        linear(optimizer=optimizer), (X, TARGET), steps=60, batch_size=16, verbose=0
    )
    assert found.suggestion == choose(found.rates, found.losses, kind)


def test_several_optimizers_with_one_rate_get_the_most_cautious_suggestion():
    keras.utils.set_random_seed(1)
    model = build("multi" if "multi" in OPTIMIZERS else "adam")
    found = find_learning_rate(model, (X, Y), **{**SOME, "steps": 40})
    assert found.suggestion == choose(found.rates, found.losses, "adaptive")


@pytest.mark.parametrize("steps", [2, 6, 11])
def test_too_few_steps_for_a_suggestion_say_so(steps):
    found = find_learning_rate(linear(), (X, TARGET), **{**SOME, "steps": steps, "end": 1e-3})
    assert found.suggestion.rate is None
    assert found.suggestion.reason == (
        f"no suggestion, because {steps} losses are too few; it takes 12"
    )


def test_twice_the_same_and_another_order_with_another_seed():
    model = build()
    one, other = (find_learning_rate(model, (X, Y), **SOME) for _ in range(2))
    assert one == other
    assert find_learning_rate(model, (X, Y), **SOME, seed=1).losses != one.losses


# ------------------------------------------------------------------------------- the data


@pytest.mark.any_backend
def test_a_py_dataset_starts_again_when_it_ends():
    class Pairs(keras.utils.PyDataset):
        num_batches = 3

        def __getitem__(self, index):
            return BATCHES[index]

    found = find_learning_rate(linear(), Pairs(), start=1e-20, end=1e-19, steps=6, verbose=0)
    plain = find_learning_rate(linear(), BATCHES, start=1e-20, end=1e-19, steps=6, verbose=0)
    for epoch in (slice(0, 3), slice(3, 6)):
        assert sorted(found.losses[epoch]) == pytest.approx(sorted(plain.losses[:3]))


@pytest.mark.any_backend
@pytest.mark.parametrize("library", ["tensorflow", "torch"])
def test_batches_of_another_library(library):
    if library == "tensorflow":
        tf = pytest.importorskip("tensorflow")
        data = tf.data.Dataset.from_tensor_slices((X, TARGET)).batch(16)
    else:
        torch = pytest.importorskip("torch")
        pairs = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(TARGET))
        data = torch.utils.data.DataLoader(pairs, batch_size=16)
    plain = find_learning_rate(linear(), BATCHES, steps=8, verbose=0)
    found = find_learning_rate(linear(), data, steps=8, verbose=0)
    np.testing.assert_allclose(found.losses, plain.losses, rtol=1e-6)


@pytest.mark.any_backend
def test_nested_arrays_in_double_precision_with_sample_weights():
    def run(x, y, weight):
        keras.utils.set_random_seed(1)
        left, right = keras.Input((2,), name="left"), keras.Input((2,), name="right")
        joined = keras.layers.Concatenate()([left, right])
        model = keras.Model({"left": left, "right": right}, keras.layers.Dense(1)(joined))
        model.compile("sgd", "mse")
        return find_learning_rate(model, (x, y, weight), **SOME)

    halves = {"left": X[:, :2].astype("float64"), "right": X[:, 2:].astype("float64")}
    found = run(halves, TARGET.astype("float64"), np.ones(48))
    doubled = run(halves, TARGET.astype("float64"), np.full(48, 2.0))
    np.testing.assert_allclose(doubled.losses[0], 2 * found.losses[0], rtol=1e-6)


def test_fewer_rows_than_a_batch_are_one_batch():
    found = find_learning_rate(linear(), (X[:5], TARGET[:5]), steps=3, verbose=0)
    assert len(found.losses) == 3


@pytest.mark.any_backend
def test_x_and_y_as_two_arguments():
    plain = find_learning_rate(linear(), (X, TARGET), **SOME)
    assert find_learning_rate(linear(), X, TARGET, **SOME) == plain


@pytest.mark.parametrize("kind", ["array", "dict", "dataset"])
def test_a_step_of_its_own_without_a_call_and_without_targets(kind):
    tf = pytest.importorskip("tensorflow")

    class Autoencoder(keras.Model):
        def __init__(self):
            super().__init__()
            start = keras.initializers.Constant(0.1)
            dense = keras.layers.Dense(4, kernel_initializer=start)
            self.inner = keras.Sequential([keras.Input((4,)), dense])

        def train_step(self, data):
            images = data["images"] if isinstance(data, dict) else data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self.inner(images) - images) ** 2)
            gradients = tape.gradient(loss, self.trainable_weights)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
            return {"loss": loss}

    model = Autoencoder()
    model.compile("sgd")
    dataset = tf.data.Dataset.from_tensor_slices(X).batch(16)
    data = {"array": X, "dict": {"images": X}, "dataset": dataset}[kind]
    before = model.get_weights()
    found = find_learning_rate(model, data, steps=60, verbose=0)
    assert found.suggestion.rate is not None
    assert all(map(np.array_equal, model.get_weights(), before))


def test_short_data_end_the_test_early():
    found = find_learning_rate(linear(), iter(BATCHES), steps=12, verbose=0)
    assert len(found.losses) == 3
    assert found.stopped == "the data ended after 3 of 12 batches"


def test_the_recommended_rate_is_applied():
    model = linear(optimizer=keras.optimizers.SGD(0.5))
    found = find_learning_rate(model, (X, TARGET), apply=True, verbose=0)
    assert found.suggestion.rate is not None
    assert float(model.optimizer.learning_rate) == pytest.approx(found.suggestion.rate)
    with pytest.warns(UserWarning, match="stays as it was: no suggestion, because"):
        find_learning_rate(model, iter(BATCHES), apply=True, verbose=0)
    assert float(model.optimizer.learning_rate) == pytest.approx(found.suggestion.rate)


# ------------------------------------------------------------------------- what it refuses


def with_schedule() -> keras.Model:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    return linear(optimizer=keras.optimizers.SGD(schedule))


def not_compiled() -> keras.Model:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])


def not_built() -> keras.Model:
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": 0}, "start must be a finite number > 0. Received: start=0"),
        (
            {"start": 1.0, "end": 1.0},
            "end must be a finite number > 1. Received: end=1.0. The",
        ),
        ({"steps": 1}, "steps must be an integer >= 2. Received: steps=1"),
        ({"batch_size": 0}, "batch_size must be an integer >= 1. Received: batch_size=0"),
        ({"smoothing": 1}, "smoothing must be a finite number >= 0 and < 1. Received: smoothing=1"),
        ({"divergence": 1}, "divergence must be a finite number > 1. Received: divergence=1"),
        ({"seed": -1}, "seed must be an integer >= 0. Received: seed=-1"),
        ({"verbose": 2}, "verbose must be 0 or 1. Received: verbose=2"),
        ({"model": not_compiled}, "model must be a compiled keras.Model"),
        ({"model": not_built}, "model must be built"),
        ({"model": lambda: "a model"}, "model must be a compiled keras.Model"),
        ({"model": with_schedule}, "learning_rate must be a float"),
        ({"data": [X, TARGET]}, "Arrays go in as one tuple, data=(x, y)"),
        ({"data": 3}, "data must be a tuple of arrays (x, y)"),
        ({"data": (X, TARGET, None, None)}, "Received: 4 parts"),
        ({"data": (X, TARGET[:3])}, "arrays of one length >= 1. Received: shapes (48, 4), (3, 1)"),
        ({"data": (X[:0], TARGET[:0])}, "arrays of one length >= 1"),
        ({"data": BATCHES, "batch_size": 8}, "batch_size must be None for data that come in batch"),
        ({"data": iter(BATCHES[:1])}, "a batch for each of 12 steps. Received: 1 batches"),
        ({"y": TARGET}, "y must be None where data is a tuple (x, y)"),
        ({"data": []}, "a batch for each of 12 steps. Received: 0 batches"),
    ],
)
def test_errors_say_argument_range_and_value(change, message):
    arguments = {"model": linear, "data": (X, TARGET), "steps": 12, "verbose": 0, **change}
    model = arguments.pop("model")()
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        find_learning_rate(model, **arguments)
    assert message in str(caught.value)


def test_a_model_that_reports_no_loss():
    class Silent(keras.Model):
        def train_step(self, data):
            super().train_step(data)
            return {"other": 0.0}

    inputs = keras.Input((4,))
    model = Silent(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"must report a 'loss' when it trains\. Received: other"):
        find_learning_rate(model, (X, TARGET), **SOME)


# ---------------------------------------------------------------------------- what it shows


@pytest.mark.any_backend
def test_verbose_0_writes_not_one_byte(capfd):
    model = linear()
    capfd.readouterr()
    find_learning_rate(model, (X, TARGET), **SOME)
    assert capfd.readouterr().out == ""


def test_verbose_1_shows_the_suggestions_and_no_escape_codes_in_a_file(capsys):
    find_learning_rate(linear(), (X, TARGET), **{**SOME, "verbose": 1})
    written = capsys.readouterr().out
    assert "valley" in written
    assert "\x1b" not in written


def test_a_terminal_gets_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", Terminal())
    find_learning_rate(linear(), (X, TARGET), **{**SOME, "verbose": 1})
    assert "learning-rate range" in sys.stdout.getvalue()
    assert "12/12" in sys.stdout.getvalue()


RATES = tuple(10 ** (k / 10 - 6) for k in range(60))
LOSSES = (*[2.0] * 30, *[2.0 - k / 20 for k in range(20)], *[1.0 + k for k in range(10)])
RESULT = LearningRateRange(
    RATES,
    (*LOSSES[:-1], math.nan),
    LOSSES,
    suggest(RATES, LOSSES, 60),
    80,
    "the loss was nan",
    choose(RATES, LOSSES, "sgd"),
)

TABLE = """
 suggestion    learning rate   why
 ──────────────────────────────────────────────────────────────────────
 recommended           0.024   0.3 × 0.079, where the loss rose
 valley               0.0079   half way down a fall of 21 points
 steepest               0.01   the loss changes by -0.5 a decade there
 minimum/10             0.01   a tenth of 0.1, where the loss is lowest
60 of 80 steps, rates 1e-06 to 0.79; stopped: the loss was nan
"""


def test_the_table():
    console = Console(width=100, no_color=True, file=io.StringIO())
    console.print(RESULT)
    shown = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert "\n".join(line for line in shown if line.strip()) == TABLE.strip("\n")


def test_the_picture(tmp_path):
    pytest.importorskip("matplotlib")
    figure = RESULT.plot(tmp_path / "range.png")
    assert (tmp_path / "range.png").read_bytes().startswith(b"\x89PNG")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "recommended  0.024",
        "valley  0.0079",
        "steepest  0.01",
        "minimum/10  0.01",
    ]
    assert axes.get_ylim()[1] < 3  # the rise to 10 leaves the picture


def test_the_picture_has_in_colour_what_suggestions_are_read_off():
    pytest.importorskip("matplotlib")
    axes = RESULT.plot().axes[0]
    everything, seen = (list(line.get_xdata()) for line in axes.get_lines()[:2])
    assert everything == list(RATES)
    assert seen == list(RATES[8:-5])  # without a tenth of 80 planned steps, and the last 5
    beyond = [math.nan] * 8 + list(LOSSES[8:-5]) + [math.nan] * 5
    assert suggest(RATES, beyond, 80) == suggest(RATES, LOSSES, 80)


def test_a_picture_of_hardly_anything():
    pytest.importorskip("matplotlib")
    for losses in ((1.0, math.nan), (math.nan,), (1.0, 1.0, 1.0)):
        rates = RATES[: len(losses)]
        LearningRateRange(rates, losses, losses, suggest(rates, losses), 9).plot()


def test_without_matplotlib_the_error_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "kerasdecay\[plot\]"'):
        RESULT.plot()
