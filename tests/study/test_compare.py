"""`compare`: equal terms for all arms, finished runs that are kept, errors that speak."""

from __future__ import annotations

import copy
import json
import math
import pickle
import sys

import keras
import numpy as np
import pytest

from kerasdecay import PowerStepDecay
from kerasdecay.study import Comparison, OutputError, Run, compare
from kerasdecay.study.arms import check_arms, describe
from kerasdecay.study.training import RunSpec, train

ROWS, BATCH, EPOCHS = 24, 8, 3
_random = np.random.default_rng(0)
X = _random.normal(size=(ROWS, 5)).astype("float32")
Y = (X.sum(axis=1) > 0).astype("int64")
VALIDATION = (X[:16], Y[:16])
# A rate at which no float32 weight moves: the loss of a batch then tells which batch it was.
STILL = 1e-30


def build_model(learning_rate=0.1, run_eagerly=True, dropout=0.3):
    """Return a model that is compiled only where a test is about that: tracing takes a second."""
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(6, activation="relu"),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(2),
        ]
    )
    model.compile(
        keras.optimizers.SGD(learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        run_eagerly=run_eagerly,
    )
    return model


def another_model():
    layers = [keras.Input((5,)), *(keras.layers.Dense(2, "tanh", False) for _ in range(3))]
    model = keras.Sequential(layers)
    model.compile("adam", "mse")
    return model


def run_compare(arms, **options):
    defaults = {"epochs": EPOCHS, "batch_size": BATCH, "verbose": 0}
    build = options.pop("build_model", build_model)
    data = options.pop("data", (X, Y))
    return compare(build, data, arms, **{**defaults, **options})


class Recorder(keras.callbacks.Callback):
    """Keeps the weights of the start and the running loss after each batch."""

    def __init__(self, sink):
        super().__init__()
        self.sink = sink

    def on_train_begin(self, logs=None):
        self.weights = [np.array(weight) for weight in self.model.get_weights()]
        self.losses = []
        self.sink.append(self)

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(float(logs["loss"]))


# ------------------------------------------------------------------------------- equal terms


@pytest.mark.any_backend
def test_arms_of_a_seed_share_weights_and_batches():
    sink = []

    def drawing():
        np.random.random(7)
        keras.random.uniform((7,))
        return Recorder(sink)

    arms = {"compiled": lambda: Recorder(sink), "drawing": drawing}
    run_compare(arms, seeds=(0, 1), build_model=lambda: build_model(STILL, run_eagerly=False))
    first, first_again, second, second_again = sink
    for one, other in ((first, first_again), (second, second_again)):
        assert all(map(np.array_equal, one.weights, other.weights))
        assert one.losses == other.losses
    assert not np.array_equal(first.weights[0], second.weights[0])
    assert first.losses != second.losses
    steps = ROWS // BATCH
    assert first.losses[:steps] != first.losses[steps : 2 * steps]  # epochs are shuffled anew


@pytest.mark.any_backend
def test_a_run_is_what_a_hand_written_training_gives():
    def build():
        return build_model(run_eagerly=False)

    result = run_compare({"0.05": 0.05}, seeds=(3,), build_model=build, validation_data=VALIDATION)
    keras.utils.set_random_seed(3)
    model = build()
    model.optimizer.learning_rate = 0.05
    keras.utils.set_random_seed(3)
    history = model.fit(
        X, Y, epochs=EPOCHS, batch_size=BATCH, validation_data=VALIDATION, verbose=0
    ).history
    found = dict(result.runs[0].history)
    assert found.pop("learning_rate") == [0.05] * EPOCHS
    assert set(found) == set(history)
    for name, values in history.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-6)


def named_inputs():
    """Return a model of two named inputs."""
    inputs = {"a": keras.Input((2,), name="a"), "b": keras.Input((3,), name="b")}
    hidden = keras.layers.Dense(6, activation="relu")(
        keras.layers.concatenate(list(inputs.values()))
    )
    model = keras.Model(inputs, keras.layers.Dense(2)(hidden))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True)
    return model


class Reconstruction(keras.layers.Layer):
    """Adds a loss of its own, as an autoencoder does: there are no targets."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(5)

    def call(self, x):
        self.add_loss(keras.ops.mean(keras.ops.square(self.dense(x) - x)))
        return x


def without_targets():
    model = keras.Sequential([keras.Input((5,)), Reconstruction()])
    model.compile("sgd", run_eagerly=True)
    return model


def trained_by_hand(build, *data):
    keras.utils.set_random_seed(0)
    model = build()
    model.optimizer.learning_rate = 0.1
    keras.utils.set_random_seed(0)
    return model.fit(*data, epochs=EPOCHS, batch_size=BATCH, verbose=0).history["loss"]


def test_inputs_may_have_names():
    named = {"a": X[:, :2], "b": X[:, 2:]}
    result = run_compare({"a": 0.1}, build_model=named_inputs, data=(named, Y))
    np.testing.assert_allclose(
        result.runs[0].history["loss"], trained_by_hand(named_inputs, named, Y), rtol=1e-6
    )
    described = result.runs[0].configuration["data"]
    assert described[0]["a"]["shape"] == [ROWS, 2]
    assert described[1]["shape"] == [ROWS]


@pytest.mark.parametrize("data", [(X,), X])
def test_targets_may_be_left_out(data):
    result = run_compare(
        {"a": 0.1}, build_model=without_targets, data=data, validation_data=data, test_data=data
    )
    (run,) = result.runs
    np.testing.assert_allclose(run.history["loss"], trained_by_hand(without_targets, X), rtol=1e-6)
    assert run.test["loss"] == pytest.approx(run.history["val_loss"][-1])


def test_a_dataset_is_read_once_so_that_all_arms_see_the_same_batches():
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensor_slices((X, Y))
    batches = dataset.batch(7)  # the last one is shorter
    from_dataset = run_compare({"a": 0.1}, data=batches, validation_data=batches)
    from_arrays = run_compare({"a": 0.1}, data=(X, Y), validation_data=(X, Y))
    assert from_dataset.runs[0].history == from_arrays.runs[0].history
    shuffled = run_compare({"a": STILL, "b": STILL}, data=dataset.shuffle(24).batch(7))
    assert shuffled.runs[0].history["loss"] == shuffled.runs[1].history["loss"]
    named = tf.data.Dataset.from_tensor_slices(({"a": X[:, :2], "b": X[:, 2:]}, Y)).batch(7)
    by_name = run_compare({"a": 0.1}, build_model=named_inputs, data=named)
    assert by_name.runs[0].configuration["data"][0]["b"]["shape"] == [ROWS, 3]
    with pytest.raises(ValueError, match=r"data must be of an end.*Use take\(steps\)"):
        run_compare({"a": 0.1}, data=batches.repeat())
    with pytest.raises(ValueError, match=r"Call batch\(32\) on it"):
        run_compare({"a": 0.1}, data=dataset)


@pytest.mark.any_backend
def test_every_kind_of_arm_sets_the_rate_that_it_names():
    def scheduled(epoch):
        return (0.1, 0.01, 0.001)[epoch]

    result = run_compare(
        {
            "compiled": None,
            "fixed": np.float32(0.02),
            "instance": PowerStepDecay(0.1),
            "function": lambda: keras.callbacks.LearningRateScheduler(scheduled),
            "class": PowerStepDecay,
        },
        build_model=lambda: build_model(0.3, run_eagerly=False),
    )
    rates = {run.arm: run.history["learning_rate"] for run in result.runs}
    expected = {
        "compiled": [0.3] * 3,
        "fixed": [0.02] * 3,
        "instance": [0.1, 0.01, 0.001],
        "function": [0.1, 0.01, 0.001],
        "class": [0.3, 0.09, 0.027],
    }
    assert set(rates) == set(expected)
    for arm, values in expected.items():
        assert rates[arm] == pytest.approx(values, rel=1e-6), arm
    losses = result.final("loss")
    assert losses["instance"] == pytest.approx(losses["function"], rel=1e-6)
    assert losses["compiled"] != losses["fixed"]


def test_an_instance_is_copied_for_each_run_and_never_touched():
    callback = keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=0, min_delta=10.0)
    before = copy.deepcopy(vars(callback))
    result = run_compare({"plateau": callback}, seeds=(0, 1))
    assert vars(callback) == before
    first, second = (run.history["learning_rate"] for run in result.runs)
    assert first == second and first[0] == pytest.approx(0.1) and first[-1] < first[0]


def test_an_instance_used_before_does_not_bring_its_model():
    callback = keras.callbacks.TerminateOnNaN()
    model = build_model()
    model.fit(X, Y, callbacks=[callback], verbose=0)
    weights = model.get_weights()
    run_compare({"used": callback})
    assert callback.model is model
    assert all(map(np.array_equal, model.get_weights(), weights))


@pytest.mark.skipif(not hasattr(keras.optimizers, "MultiOptimizer"), reason="since Keras 3.13")
def test_several_optimizers_are_called_the_same_in_every_run():
    def build():
        model = keras.Sequential([keras.Input((5,)), *map(keras.layers.Dense, (3, 3, 2))])
        rates = {".*bias": keras.optimizers.SGD(0.01), "none": keras.optimizers.SGD(0.02)}
        optimizer = keras.optimizers.MultiOptimizer(
            keras.optimizers.OptimizerMap(keras.optimizers.Adam(0.1, name="own_1"), rates)
        )
        model.compile(optimizer, "mse", run_eagerly=True)
        return model

    arms = {"compiled": None, "decayed": lambda: PowerStepDecay(stages=2)}
    data = (X, np.eye(2)[Y])
    result = run_compare(arms, seeds=(0, 1), build_model=build, data=data, epochs=2)
    assert result.metrics == ("loss",)
    for run in result.of("compiled"):
        assert run.learning_rates == {
            "learning_rate_own_1": [0.1, 0.1],
            "learning_rate_sgd": [0.01, 0.01],
            "learning_rate_sgd_2": [0.02, 0.02],
        }
    assert result.final("learning_rate_own_1")["decayed"] == pytest.approx((0.01, 0.01))
    assert result.final("learning_rate_sgd_2")["decayed"] == pytest.approx((0.0004, 0.0004))


def test_decisions_are_kept_in_words():
    class Decider(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.events = []

        def on_epoch_end(self, epoch, logs=None):
            self.events.append(("lowered after", epoch))

    result = run_compare({"rule": Decider}, epochs=2)
    assert result.runs[0].events == ("('lowered after', 0)", "('lowered after', 1)")


# ------------------------------------------------------------------------------- the record


def test_test_data_is_evaluated_after_the_last_epoch():
    result = run_compare({"a": 0.1}, validation_data=VALIDATION, test_data=VALIDATION)
    assert result.final("test_loss")["a"] == pytest.approx(result.final("val_loss")["a"], rel=1e-6)
    assert result.final("test_accuracy") == result.final("val_accuracy")
    assert not run_compare({"a": 0.1}).runs[0].test


def test_epochs_without_validation_are_nan_and_in_their_place():
    every_other = {"validation_data": VALIDATION, "fit_arguments": {"validation_freq": 2}}
    (run,) = run_compare({"a": 0.1}, epochs=4, **every_other).runs
    assert [math.isnan(value) for value in run.history["val_loss"]] == [True, False, True, False]
    assert len(run.history["loss"]) == 4


def test_an_arm_that_stops_early_has_a_shorter_history():
    stop = keras.callbacks.EarlyStopping(monitor="loss", min_delta=10.0, patience=0)
    (run,) = run_compare({"a": stop}, epochs=5).runs
    assert (run.epochs, len(run.history["loss"])) == (5, 2)


def test_divergence_is_recorded_as_strict_json(tmp_path):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    result = run_compare({"huge": 1e30}, output=tmp_path)
    assert not math.isfinite(result.final("loss")["huge"][0])
    (path,) = (tmp_path / "runs").iterdir()
    json.loads(path.read_text("utf-8"), parse_constant=refuse)
    again = Comparison.load(tmp_path).runs[0]
    np.testing.assert_array_equal(again.history["loss"], result.runs[0].history["loss"])


def test_the_record_says_where_and_how_it_was_made(tmp_path):
    metadata = {"data": "random", "sizes": (1, 2)}
    (run,) = run_compare({"a": 0.1}, output=tmp_path, metadata=metadata).runs
    assert run.environment["backend"] == keras.backend.backend()
    assert run.environment["versions"]["keras"] == keras.__version__
    assert run.configuration["metadata"] == {"data": "random", "sizes": [1, 2]}
    assert run.configuration["data"][0]["shape"] == [ROWS, 5]
    assert run.seconds > 0 and run.images_per_second > 0
    assert Comparison.load(tmp_path) == Comparison((run,))


def test_a_model_with_a_schedule_inside_is_left_alone():
    def build():
        return build_model(keras.optimizers.schedules.ExponentialDecay(0.1, ROWS // BATCH, 0.5))

    (run,) = run_compare({"schedule": None}, build_model=build).runs
    assert run.history["learning_rate"] == pytest.approx([0.1, 0.05, 0.025])


def test_a_specification_can_be_sent_to_another_process():
    build = sys.modules[__name__].build_model  # pickled by its name
    arm = PowerStepDecay(0.1)
    spec = RunSpec("a", 0, 1, arm, build, (X, Y), None, None, EPOCHS, BATCH, {}, {})
    there, here = train(pickle.loads(pickle.dumps(spec))), train(spec)
    assert there.history == here.history
    assert isinstance(there, Run) and pickle.loads(pickle.dumps(there)) == there


# ---------------------------------------------------------------------- stopping and going on


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a folder with one finished run, that no test may write to."""
    folder = tmp_path_factory.mktemp("finished")
    run_compare({"a": 0.1}, output=folder)
    return folder


class Stop(keras.callbacks.Callback):
    """Ends its run in the second epoch, while armed."""

    armed = True
    error: type[BaseException] = KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
        if self.armed and epoch == 1:
            raise self.error("out of luck")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_stopped_comparison_goes_on_where_it_was(tmp_path, monkeypatch, error, capsys):
    monkeypatch.setattr(Stop, "error", error)
    arms = {"first": 0.1, "second": Stop, "third": 0.01}
    with pytest.raises(error, match="out of luck") as caught:
        run_compare(arms, output=tmp_path, verbose=1)
    if error is ValueError:
        assert caught.value.__notes__ == ["compare: in arm 'second', seed 0"]
    assert "stopped after 1 of 3 runs" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["first-seed0.json"]
    finished = (tmp_path / "runs" / "first-seed0.json").stat().st_mtime_ns

    monkeypatch.setattr(Stop, "armed", False)
    result = run_compare(arms, output=tmp_path, resume=True, verbose=1)
    assert "1 of 3 runs were finished before" in (out := capsys.readouterr().out)
    assert "run 2 of 3" in out and "== first" not in out
    assert (tmp_path / "runs" / "first-seed0.json").stat().st_mtime_ns == finished
    whole = run_compare({"third": 0.01, "second": Stop})
    for arm in whole.arms:
        assert [run.history for run in result.of(arm)] == [run.history for run in whole.of(arm)]
    assert result.arms == ("first", "second", "third")
    assert Comparison.load(tmp_path) == result


def test_more_arms_and_seeds_join_those_that_are_finished(tmp_path):
    run_compare({"a": 0.1}, output=tmp_path, epochs=1)
    arms = {"a": 0.1, "b": 0.01}
    result = run_compare(arms, seeds=(0, 1), output=tmp_path, resume=True, epochs=1)
    assert [(run.arm, run.seed) for run in result.runs] == [
        ("a", 0), ("a", 1), ("b", 0), ("b", 1),
    ]  # fmt: skip


def test_an_arm_put_in_before_others_has_its_place_to_itself(tmp_path):
    run_compare({"a": 0.1, "c": 0.01}, output=tmp_path, epochs=1)
    arms = {"c": 0.01, "b": 0.05, "a": 0.1}
    result = run_compare(arms, output=tmp_path, resume=True, epochs=1)
    assert [(run.arm, run.arm_index) for run in result.runs] == [("c", 0), ("b", 1), ("a", 2)]
    assert Comparison.load(tmp_path) == result


def test_each_run_is_told_once_it_is_written(tmp_path):
    told = []

    def on_run(run):
        told.append((run, [path.name for path in (tmp_path / "runs").iterdir()]))

    run_compare({"a": 0.1}, output=tmp_path, epochs=1)
    arms = {"a": 0.1, "b": 0.01}
    result = run_compare(arms, output=tmp_path, resume=True, epochs=1, on_run=on_run)
    ((run, files),) = told
    assert run in result.runs and run.arm == "b"
    assert sorted(files) == ["a-seed0.json", "b-seed0.json"]


def test_what_is_told_can_end_the_comparison(tmp_path, capsys):
    def on_run(run):
        raise TimeoutError("enough")

    with pytest.raises(TimeoutError, match="enough"):
        run_compare({"a": 0.1, "b": 0.01}, output=tmp_path, epochs=1, on_run=on_run, verbose=1)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["a-seed0.json"]
    assert "stopped after 1 of 2 runs" in capsys.readouterr().out


def test_finished_runs_are_not_overwritten(finished):
    with pytest.raises(OutputError, match=r"finished runs.*with 1\. Give resume=True"):
        run_compare({"b": 0.1}, output=finished)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"epochs": 2}, "epochs 3 → 2"),
        ({"batch_size": 4}, "batch_size 8 → 4"),
        ({"arms": {"a": 0.2}}, "arm 0.1 → 0.2"),
        ({"metadata": {"note": "new"}}, "metadata.note nothing → new"),
        ({"data": (X[:16], Y[:16])}, "data.0.shape.0 24 → 16"),
        ({"data": (X + 1, Y)}, "data.0.crc32"),
        ({"validation_data": VALIDATION}, "validation_data None → "),
        ({"fit_arguments": {"shuffle": False}}, "fit_arguments.shuffle nothing → False"),
        ({"build_model": lambda: build_model(0.5)}, "learning_rate"),
        ({"build_model": lambda: build_model(dropout=0.4)}, "Dropout.rate 0.3 → 0.4"),
    ],
)
def test_resuming_another_experiment_is_refused_by_name(finished, change, named):
    options = {"arms": {"a": 0.1}, **change}
    with pytest.raises(OutputError, match="another configuration") as caught:
        run_compare(options.pop("arms"), output=finished, resume=True, **options)
    assert named in str(caught.value)


def test_of_many_differences_some_are_named(finished):
    with pytest.raises(OutputError, match=r"; and \d+ more\)") as caught:
        run_compare({"a": 0.1}, output=finished, resume=True, build_model=lambda: another_model())
    assert str(caught.value).count("→") == 6


def test_a_truncated_run_is_named(tmp_path, finished):
    whole = (finished / "runs" / "a-seed0.json").read_text("utf-8")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a-seed0.json").write_text(whole[:100], "utf-8")
    with pytest.raises(OutputError, match=r"a-seed0\.json is not a whole run"):
        run_compare({"a": 0.1}, output=tmp_path, resume=True)


def test_output_may_not_be_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="output must be a folder"):
        run_compare({"a": 0.1}, output=tmp_path / "file")


# ------------------------------------------------------------------------------- what it says


def test_silence_is_complete(capfd, tmp_path):
    for resume in (False, True):
        run_compare({"a": PowerStepDecay(0.1)}, output=tmp_path, verbose=0, resume=resume)
    assert capfd.readouterr().out == ""


def test_in_a_file_it_is_plain_text(capsys):
    run_compare({"a [b]": 0.1}, seeds=(4,), verbose=1)
    out = capsys.readouterr().out
    assert out.startswith("== a [b] · seed 4 · run 1 of 1\nEpoch 1/3\n")
    assert "\x1b" not in out and "\b" not in out and "\r" not in out
    assert out.splitlines()[-1].startswith("a [b] · seed 4: done in ")


def test_on_a_terminal_it_has_headings(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    run_compare({"a [b]": 0.1}, verbose=1)
    assert "─ a [b] · seed 0 · run 1 of 1 ─" in capsys.readouterr().out


# ------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arms": {}}, r"arms must be a list of arms, or a dict.*Received: arms=\{\}"),
        ({"arms": []}, r"arms must be a list of arms, or a dict"),
        ({"arms": {"a": 0}}, r"arms\['a'\] must be a finite number > 0\. Received: .*=0"),
        ({"arms": {"a": math.nan}}, r"arms\['a'\] must be a finite number > 0.*nan"),
        ({"arms": {"a": True}}, r"arms\['a'\] must be an arm.*True.*Give None"),
        (
            {"arms": {"a": "sgd"}},
            r"arms\['a'\] must be what sets the rate, and no optimizer.*'sgd'",
        ),
        ({"arms": {"a": lambda: 0.1}}, r"arms\['a'\]\(\) must be a Keras callback.*0\.1"),
        ({"arms": {1: 0.1}}, r"arms must be named by strings.*=1"),
        ({"arms": {"--": 0.1}}, r"arms must be named by strings with a letter"),
        ({"arms": {"a b": 0.1, "A-B": 0.2}}, r"'a b' and 'A-B' would share the file name 'a-b'"),
        ({"epochs": 0}, r"epochs must be an integer >= 1\. Received: epochs=0"),
        ({"epochs": 2.5}, r"epochs must be an integer"),
        ({"batch_size": 0}, r"batch_size must be an integer >= 1"),
        ({"seeds": ()}, r"seeds must be different integers.*\(\)"),
        ({"seeds": 0}, r"seeds must be an integer >= 1.*=0"),
        ({"seeds": (1, 1)}, r"seeds must be different integers.*\(1, 1\)"),
        ({"seeds": (-1,)}, r"seeds must be an integer >= 0.*-1"),
        ({"data": (X, Y, Y)}, r"data must be arrays of one length"),
        ({"data": ({"a": X, "b": X[:3]}, Y)}, r"shapes \(24, 5\) and \(3, 5\) and \(24,\)"),
        ({"data": (X, Y[:3])}, r"data must be .*shapes \(24, 5\) and \(3,\)"),
        ({"data": (X[:0], Y[:0])}, r"data must be .*not empty"),
        ({"validation_data": (X, 3)}, r"validation_data must be arrays"),
        ({"test_data": ()}, r"test_data must be arrays"),
        ({"verbose": 2}, r"verbose must be 0 or 1\. Received: verbose=2"),
        ({"fit_arguments": {"callbacks": []}}, r"'callbacks'\. Use compare's own argument arms"),
        ({"on_run": "print"}, r"on_run must be a function or None\. Received: on_run='print'"),
        ({"metadata": {"a": object()}}, r"metadata must be JSON data \(object"),
        ({"build_model": lambda: None}, r"build_model must return a compiled keras\.Model.*None"),
        (
            {"build_model": lambda: keras.Sequential([keras.Input((5,))])},
            r"build_model must return a compiled",
        ),
        (
            {
                "build_model": lambda: build_model(
                    keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
                )
            },
            r"arms\['a'\]=0\.1 is a fixed learning rate, but the optimizer does not take one",
        ),
    ],
)
def test_errors_come_early_and_name_argument_range_value_and_remedy(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        run_compare(options.pop("arms", {"a": 0.1}), output=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_verbose_is_checked_before_anything_is_built():
    def build():
        raise AssertionError("too early")

    with pytest.raises(ValueError, match=r"compare: verbose must be 0 or 1\. Received: verbose=2"):
        run_compare({"a": 0.1}, build_model=build, verbose=2)


def test_a_model_that_is_handed_out_twice_is_noticed():
    model = build_model()
    with pytest.raises(ValueError, match="build_model must return a new model"):
        run_compare({"a": 0.1, "b": 0.1}, build_model=lambda: model)


def test_an_arm_is_described_by_what_it_is_not_by_where_it_lies():
    def make():
        return [
            keras.callbacks.EarlyStopping(patience=2),
            keras.callbacks.LearningRateScheduler(len),
        ]

    one, other = (describe(check_arms({"a": make})["a"]) for _ in range(2))
    assert one == other
    assert one[0]["patience"] == 2 and one[1]["schedule"] == "builtins.len"
    assert "0x" not in json.dumps(one)
    assert describe(PowerStepDecay(0.1)) != describe(PowerStepDecay(0.2))
    assert describe(PowerStepDecay(0.1)) == describe(PowerStepDecay(0.1))
