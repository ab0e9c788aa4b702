"""Wrong objects in public functions: a `ValueError` that names the argument."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerasdecay import AutoDecay, CosineDecay, LearningRateDecay, StepDecay, simulate
from kerasdecay.schedules import Cosine, Step
from kerasdecay.study import Comparison, Run, compare, find_learning_rate, steadiness

X = np.eye(4, dtype="float32")
Y = X.sum(axis=1, keepdims=True)
HUGE = 10**400


def build():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 10**30}, "epochs must be an integer >= 1 and <= 2147483647"),
        ({"epochs": HUGE}, "epochs must be an integer >= 1 and <= 2147483647"),
        ({"batch_size": 10**30}, "batch_size must be an integer >= 1 and <="),
        ({"seeds": (2**32,)}, "seeds must be an integer >= 0 and <= 4294967295"),
        ({"seeds": (HUGE,)}, "seeds must be"),
        ({"arms": {"a": HUGE}}, r"arms\['a'\] must be a finite number"),
        ({"arms": {"a": 1e39}}, r"arms\['a'\] must be between 1.2e-38 and 3.4e38"),
        ({"arms": {"a": 1e-50}}, r"arms\['a'\] must be between 1.2e-38 and 3.4e38"),
        ({"resume": 1}, "resume must be True or False. Received: resume=1"),
        ({"resume": "yes"}, "resume must be True or False"),
        ({"resume": None}, "resume must be True or False"),
        ({"verbose": "1"}, "verbose must be 0 or 1"),
        ({"verbose": None}, "verbose must be 0 or 1"),
        ({"verbose": 1.0}, "verbose must be 0 or 1"),
        ({"output": 3}, "output must be the path of a folder, or None. Received: output=3"),
        ({"output": ["a"]}, "output must be the path of a folder"),
        ({"build_model": build()}, "build_model must"),
        ({"build_model": "build"}, "build_model must be a function"),
        ({"fit_arguments": [1]}, "fit_arguments must be a dict or None"),
        ({"fit_arguments": "shuffle"}, "fit_arguments must be a dict or None"),
        ({"metadata": 5}, "metadata must be JSON data"),
        ({"data": None}, "data must be arrays"),
        ({"data": "xy"}, "data must be arrays"),
        ({"validation_data": 1.5}, "validation_data must be arrays"),
    ],
)
def test_compare(change, message):
    arguments = {"build_model": build, "data": (X, Y), "arms": {"a": 0.1}, "epochs": 1, **change}
    with pytest.raises(ValueError, match=rf"^compare: {message}"):
        compare(**{"verbose": 0, **arguments})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": None}, "model must be a compiled keras.Model"),
        ({"model": build}, "model must be a compiled keras.Model"),
        ({"steps": HUGE}, "steps must be an integer >= 2 and <="),
        ({"steps": "many"}, "steps must be an integer >= 2"),
        ({"start": HUGE}, "start must be a finite number"),
        ({"start": 1e-60}, "start must be between 1.2e-38 and 3.4e38"),
        ({"end": 1e60}, "end must be between 1.2e-38 and 3.4e38"),
        ({"end": "1"}, "end must be a finite number"),
        ({"smoothing": HUGE}, "smoothing must be"),
        ({"divergence": HUGE}, "divergence must be"),
        ({"divergence": True}, "divergence must be"),
        ({"seed": 10**30}, "seed must be an integer >= 0 and <= 4294967295"),
        ({"batch_size": 10**30}, "batch_size must be"),
        ({"verbose": []}, "verbose must be 0 or 1"),
    ],
)
def test_find_learning_rate(change, message):
    arguments = {"model": build(), "data": (X, Y), "steps": 3, "verbose": 0, **change}
    with pytest.raises(ValueError, match=rf"^find_learning_rate: {message}"):
        find_learning_rate(**arguments)


@pytest.mark.parametrize(
    "values", [None, 3, "0.1", ["0.1", "0.2"], [None, 0.1], [HUGE, 1, 2], [[0.1], [0.2]]]
)
def test_steadiness(values):
    with pytest.raises(ValueError, match=r"^steadiness: values must be a sequence of numbers"):
        steadiness(values)


def test_steadiness_of_any_sequence():
    # Changes 1 and 3: mean 2, standard deviation √2.
    for values in ([0, 1, 4], (0.0, 1.0, 4.0), np.array([0.0, 1.0, 4.0], "float32")):
        assert steadiness(values) == pytest.approx(2**0.5)


@pytest.mark.parametrize("runs", [None, 3, "runs", [1, 2], {"runs": ()}, Run])
def test_comparison(runs):
    with pytest.raises(ValueError, match=r"^Comparison: runs must be a tuple of Run"):
        Comparison(runs)


@pytest.mark.parametrize("output", [None, 3, ["folder"], b"folder"])
def test_comparison_load(output):
    with pytest.raises(ValueError, match=r"^Comparison\.load: output must be the path of a fold"):
        Comparison.load(output)


RUN = Run("a", 0, 2, {"loss": [2.0, 1.0]}, 1.0, 10.0).to_dict()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "expected a run"),
        ([RUN], "expected a run"),
        ({**RUN, "schema": 2}, "schema=2"),
        ({**RUN, "history": [1.0]}, "history must be of type dict"),
        ({**RUN, "history": {"loss": 0.5}}, r"history\['loss'\] must be a list"),
        ({**RUN, "history": {"loss": [None]}}, "expected a number"),
        ({**RUN, "seed": 0.5}, "seed must be of type int"),
        ({**RUN, "arm": None}, "arm must be of type str"),
        ({**RUN, "events": "none"}, "events must be of type list"),
        ({**RUN, "test": 3}, "test must be of type dict"),
        ({**RUN, "seconds": []}, "expected a number"),
        ({name: value for name, value in RUN.items() if name != "seed"}, "no 'seed'"),
    ],
)
def test_run_from_dict(data, message):
    with pytest.raises(ValueError, match=message):
        Run.from_dict(data)


@pytest.mark.parametrize("metrics", ["loss", 3, ["loss", 3], ["accuracy"]])
def test_metrics_of_a_table_and_of_curves(metrics):
    pytest.importorskip("matplotlib")
    result = Comparison((Run.from_dict(RUN),))
    for show in (result.table, result.plot):
        with pytest.raises(ValueError, match=r"metrics? must be"):
            show(metrics=metrics)


# ------------------------------------------------------------------------------- what is said


@pytest.mark.parametrize("verbose", [True, 1, np.True_])
def test_true_is_1(verbose, capsys):
    compare(build, (X, Y), {"a": 0.1}, epochs=1, verbose=verbose)
    assert "run 1 of 1" in capsys.readouterr().out
    find_learning_rate(build(), (X, Y), steps=3, verbose=verbose)
    assert "valley" in capsys.readouterr().out


@pytest.mark.parametrize("verbose", [False, 0, np.False_])
def test_false_is_0(verbose, capsys):
    compare(build, (X, Y), {"a": 0.1}, epochs=1, verbose=verbose)
    find_learning_rate(build(), (X, Y), steps=3, verbose=verbose)
    assert capsys.readouterr().out == ""


@pytest.fixture
def logged(caplog):
    """Return what absl logs while interactive logging is off."""
    keras.utils.disable_interactive_logging()
    caplog.set_level("INFO", "absl")
    yield caplog
    keras.utils.enable_interactive_logging()


@pytest.mark.parametrize("terminal", [False, True])
def test_without_interactive_logging_the_lines_of_a_comparison_are_logged(
    logged, capsys, monkeypatch, terminal, tmp_path
):
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    arms = {"a [b]": 0.1, "c": 0.2}
    compare(build, (X, Y), {"a [b]": 0.1}, epochs=2, verbose=0, output=tmp_path)
    assert logged.messages == []
    compare(build, (X, Y), arms, epochs=2, verbose=1, output=tmp_path, resume=True)
    assert capsys.readouterr().out == ""
    first, second, *epochs, last = logged.messages
    assert first.startswith("1 of 2 runs were finished before")
    assert second == "== c · seed 0 · run 2 of 2"
    assert epochs[0] == "Epoch 1/2" and "loss" in epochs[-1]
    assert last.startswith("c · seed 0: done in ")
    assert {record.levelname for record in logged.records} == {"INFO"}


@pytest.mark.parametrize("terminal", [False, True])
def test_without_interactive_logging_the_suggestions_are_logged(
    logged, capsys, monkeypatch, terminal
):
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    find_learning_rate(build(), (X, Y), steps=3, verbose=1)
    assert capsys.readouterr().out == ""
    shown = [message.split()[0] for message in logged.messages if message[:1] == " "]
    rule = "─" * len(logged.messages[1].strip())
    assert shown == ["suggestion", rule, "recommended", "valley", "steepest", "minimum/10"]
    assert logged.messages[-1].startswith("3 of 3 steps, rates 1e-07 to 10")


def test_without_interactive_logging_an_interruption_is_logged(logged, capsys):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(build, (X, Y), {"a": Interrupt}, epochs=1, verbose=1)
    assert capsys.readouterr().out == ""
    assert logged.messages[-1] == "stopped after 0 of 1 runs; nothing is kept without output"


def test_arms_by_name():
    from kerasdecay.study.arms import check_arms

    cosine, plateau, step = check_arms(["cosine", "plateau", "step"]).values()
    assert [type(one.schedule).__name__ for one in (cosine, plateau, step)] == [
        "Cosine",
        "Constant",
        "Step",
    ]
    assert [type(one).__name__ for one in plateau.rules] == ["Plateau"]
    with pytest.raises(ValueError, match=r"must be one of .* Did you mean 'cosine'"):
        check_arms(["cosin"])


def test_arms_of_a_list_are_named_by_themselves():
    from kerasdecay.study.arms import check_arms

    def halved():
        return AutoDecay()

    found = check_arms([None, 0.05, StepDecay(0.1), AutoDecay, halved, "cosine"])
    assert list(found) == ["compiled rate", "0.05", "StepDecay", "AutoDecay", "halved", "cosine"]
    with pytest.raises(ValueError, match=r"Two are named 'StepDecay': give a dict, name → arm\."):
        check_arms([StepDecay(0.1), StepDecay(0.2)])


@pytest.mark.parametrize(
    ("given", "received"),
    [
        ((build, ["cosine"], (X, Y)), r"data=\['cosine'\]"),
        ((build, [StepDecay(0.1)], (X, Y)), "data="),
        ((build, {"a": StepDecay}, (X, Y)), "data="),
        (([StepDecay(0.1)], build, (X, Y)), "build_model="),
        (({"a": Step(0.1)}, build, (X, Y)), "build_model="),
    ],
)
def test_arguments_in_another_order_are_told_apart(given, received):
    with pytest.raises(ValueError, match=rf"compare\(build_model, data, arms, .*{received}"):
        compare(*given, epochs=1)


def test_a_model_in_the_place_of_what_makes_one():
    with pytest.raises(ValueError, match=r"a function that returns a new.*Sequential.*def build"):
        compare(build(), (X, Y), ["cosine"], epochs=1)


def test_inputs_and_targets_as_two_arguments():
    with pytest.raises(TypeError, match=r"4 arguments without a name, .*data=\(x, y\)"):
        compare(build, X, Y, ["cosine"], epochs=1)


@pytest.mark.parametrize("arm", ["sgd", "AdamW", keras.optimizers.SGD()])
def test_an_optimizer_is_no_arm(arm):
    from kerasdecay.study.arms import check_arms

    with pytest.raises(ValueError, match=r"no optimizer.*compiled in build_model; compare optimiz"):
        check_arms({"a": arm})


def test_a_schedule_of_keras_is_an_arm():
    from kerasdecay.study.arms import check_arms

    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 4, 0.5)
    result = compare(build, (X, Y), {"keras": schedule}, epochs=2, batch_size=X.shape[0], verbose=0)
    (run,) = result.runs
    assert check_arms({"a": schedule})["a"] is not schedule
    assert run.final("learning_rate") == pytest.approx(0.1 * 0.5 ** (1 / 4))


def test_a_rate_within_epochs_is_in_the_run():
    arms = {"cosine": CosineDecay(0.1), "fixed": 0.1}
    cosine, fixed = compare(build, (X, Y), arms, epochs=2, batch_size=1, verbose=0).runs
    steps = X.shape[0]
    positions, rates = cosine.course("learning_rate")
    assert positions == pytest.approx(np.arange(2 * steps) / steps)
    assert rates == pytest.approx(simulate(Cosine(0.1), epochs=2, steps_per_epoch=steps), rel=1e-6)
    assert fixed.courses == {}
    assert fixed.course("learning_rate") == ((0, 1), (pytest.approx(0.1),) * 2)


@pytest.mark.parametrize("taker", [CosineDecay, LearningRateDecay])
@pytest.mark.parametrize("of", [lambda found: found, lambda found: found.suggestion])
def test_a_range_test_in_the_place_of_its_rate(of, taker):
    found = find_learning_rate(build(), (X, Y), steps=20, verbose=0)
    with pytest.raises(ValueError, match=r"Give the number in it: found\.suggestion\.rate\."):
        taker(of(found))
