"""What is refused, when, and in which words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import keras_tuner
import pytest

from kerasdecay import PowerStepDecay
from kerasdecay.rules import Plateau
from kerasdecay.schedules import Constant, Cosine
from kerasdecay.tuner import (
    Candidate,
    DecayHyperModel,
    _requirements,
    best_decay,
    choice,
    decay_from_hp,
    log_uniform,
    search_result,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"decays": ()}, "at least one decay"),
        ({"decays": "cosine"}, "decays must be several of constant, power_step"),
        ({"decays": ("cosine", "sine")}, "Received: decays='sine'"),
        ({"decays": {"mine": print}}, "a dict of name → Candidate"),
        ({"min_learning_rate": 0}, "min_learning_rate must be a finite number > 0"),
        ({"max_learning_rate": 0.001}, "max_learning_rate must be a finite number > 0.01"),
        ({"decays": ("power_step",), "max_learning_rate": 2}, "leave power_step out of decays"),
        ({"decays": ("power-step",)}, "Did you mean 'power_step'"),
        ({"learning_rate_step": 1}, "learning_rate_step must be a finite number > 1"),
        ({"prefix": ""}, "prefix must be a string that is not empty"),
        ({"monitor": None}, "monitor must be a string that is not empty"),
        ({"update": "sometimes"}, "update must be"),
        ({"decays": ("cosine", ["rex"])}, r"Received: decays=\['rex'\]"),
        ({"epochs": 0}, "epochs must be an integer >= 1"),
        ({"epochs": True}, "epochs must be an integer >= 1"),
        ({"epochs": 10**30}, "epochs must be an integer >= 1"),
        ({"min_learning_rate": 10**400}, "min_learning_rate must be a finite number > 0"),
        ({"learning_rate_step": True}, "learning_rate_step must be a finite number > 1"),
        ({"hypermodel": 3}, "hypermodel must be a function of hp"),
        ({"hypermodel": keras.Sequential()}, "hypermodel must be a function of hp"),
    ],
)
def test_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        DecayHyperModel(**{"hypermodel": lambda hp: None, **arguments})


def test_an_argument_of_compare_is_told_by_the_hypermodel():
    told = r"^DecayHyperModel\(\) got an unexpected .* 'arms'\. Did you mean decays=…\?"
    with pytest.raises(TypeError, match=told):
        DecayHyperModel(lambda hp: None, arms=["cosine"])


def test_rates_of_one_and_more_are_fine_without_power_step():
    DecayHyperModel(lambda hp: None, ("cosine",), max_learning_rate=2)


@pytest.mark.parametrize(
    "callback",
    [
        PowerStepDecay(0.1),
        keras.callbacks.ReduceLROnPlateau(),
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.1),
    ],
)
def test_a_second_writer_ends_the_search(callback, make, search, build_model):
    tuner = make("RandomSearch", DecayHyperModel(build_model), max_trials=2)
    with pytest.raises(keras_tuner.errors.FatalValueError, match=type(callback).__name__):
        search(tuner, callback)


def test_an_optimizer_with_a_schedule_ends_the_search(make, search):
    def build(hp):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
        model.compile(keras.optimizers.SGD(schedule), "mse")
        return model

    tuner = make("RandomSearch", DecayHyperModel(build), max_trials=2)
    with pytest.raises(ValueError, match="must be a float"):
        search(tuner)


class Uncompiled(keras_tuner.HyperModel):
    def build(self, hp):
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])


def compiled_without_optimizer(hp):
    model = Uncompiled().build(hp)
    model.compile(optimizer=None, loss="mse")
    return model


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("hypermodel", "received"),
    [
        (Uncompiled(), "Sequential, uncompiled"),
        (Uncompiled().build, "Sequential, uncompiled"),
        (compiled_without_optimizer, "Sequential, compiled with optimizer=None"),
    ],
)
@pytest.mark.parametrize("kind", ["RandomSearch", "Hyperband"])
def test_a_model_without_an_optimizer_ends_the_search(hypermodel, received, kind, make, search):
    options = {"max_trials": 2} if kind == "RandomSearch" else {}
    tuner = make(kind, DecayHyperModel(hypermodel), **options)
    words = f"hypermodel must return a model that is compiled.*{received}.*model.compile"
    with pytest.raises(keras_tuner.errors.FatalValueError, match=words):
        search(tuner)


def watching_oddity(run, rate):
    return run.decay(Constant(rate), rules=[Plateau("oddity")])


def oddity(y, predicted):
    return keras.ops.mean(y - predicted)


class WithAnOddMetric(keras_tuner.HyperModel):
    """A hypermodel with a metric of which nobody knows whether low or high is better."""

    def build(self, hp):
        model = Uncompiled().build(hp)
        model.compile("sgd", "mse", metrics=[oddity])
        return model

    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, **kwargs)


@pytest.mark.any_backend
@pytest.mark.parametrize("hypermodel", [WithAnOddMetric(), WithAnOddMetric().build])
def test_what_the_callback_refuses_in_training_ends_the_search(hypermodel, make, search):
    decays = {"undirected": Candidate(watching_oddity)}
    tuner = make("RandomSearch", DecayHyperModel(hypermodel, decays), max_trials=2)
    with pytest.raises(keras_tuner.errors.FatalValueError, match=r"oddity.*mode"):
        search(tuner)


def long_warmup(run, rate):
    return run.decay(Cosine(rate), warmup="5000 steps")


def test_a_warmup_in_steps_is_measured_by_the_real_epochs(make, search, build_model):
    class Elsewhere(keras_tuner.HyperModel):
        def build(self, hp):
            return build_model()

        def fit(self, *args, **kwargs):  # in epochs of 5,000 steps, say
            return {"loss": 0.0}

    decays = {"long": Candidate(long_warmup)}
    tuner = make("RandomSearch", DecayHyperModel(Elsewhere(), decays, epochs=3), max_trials=1)
    assert search_result(search(tuner)).best.decay == "long"


def test_a_warmup_longer_than_the_real_epochs_fails_its_trial(make, search, build_model):
    hypermodel = DecayHyperModel(build_model, {"long": Candidate(long_warmup)})
    tuner = search(make("RandomSearch", hypermodel, max_trials=1), epochs=3)
    (trial,) = search_result(tuner).trials
    assert "warmup: duration must be at most the horizon, 3 epochs" in trial.failure


def test_a_rung_without_a_total_ends_the_search(build_model, data):
    hp = keras_tuner.HyperParameters()
    hypermodel = DecayHyperModel(build_model, ("cosine",))
    hypermodel.declare_hyperparameters(hp)
    hp.values.update({"tuner/epochs": 2, "tuner/initial_epoch": 0})
    with pytest.raises(ValueError, match=r"Pass DecayHyperModel\(…, epochs=…\)"):
        hypermodel.fit(hp, build_model(hp), *data, epochs=2, verbose=0)

    given = DecayHyperModel(build_model, ("cosine",), epochs=4)
    history = given.fit(hp, build_model(hp), *data, epochs=2, verbose=0)  # no tuner at all
    assert len(history.history["learning_rate"]) == 2


def broken(run, rate):
    raise RuntimeError("no such decay")


def test_nothing_completed(make, search, build_model):
    hypermodel = DecayHyperModel(build_model, ("constant",))
    tuner = make("RandomSearch", hypermodel, max_trials=2)
    with pytest.raises(ValueError, match="has not completed a single trial"):
        best_decay(tuner)
    assert search_result(tuner).trials == ()

    hypermodel.space.decays["constant"] = Candidate(broken)
    search(tuner)  # KerasTuner says nothing
    with pytest.raises(ValueError, match="The first that failed said: RuntimeError: no such decay"):
        best_decay(tuner)
    result = search_result(tuner)
    assert result.best is None
    assert [trial.failure for trial in result.trials] == ["RuntimeError: no such decay"] * 2


def test_arguments_of_best_decay_and_search_result(make, search, build_model):
    hypermodel = DecayHyperModel(build_model, ("rex",), max_learning_rate=0.1)
    tuner = search(make("RandomSearch", hypermodel, max_trials=1), epochs=1)
    with pytest.raises(ValueError, match="none after a search with DecayHyperModel"):
        best_decay(tuner, prefix="lr_")
    with pytest.raises(ValueError, match="prefix must be the one that the decay was searched"):
        search_result(tuner, prefix="lr_")


@pytest.mark.parametrize("wrong", [None, 3, "tuner", DecayHyperModel])
@pytest.mark.parametrize("function", [best_decay, search_result])
def test_what_is_no_tuner(function, wrong):
    with pytest.raises(ValueError, match=f"{function.__name__}: tuner must be a KerasTuner tuner"):
        function(wrong)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda: decay_from_hp({"decay_name": "cosine"}), "hp must be the keras_tuner.HyperPar"),
        (lambda: decay_from_hp(keras_tuner.HyperParameters(), epochs="3"), "epochs must be"),
        (lambda: decay_from_hp(keras_tuner.HyperParameters(), epochs=10**30), "epochs must be"),
        (lambda: Candidate(Cosine(0.1)), "build must be a function of"),
        (lambda: Candidate(long_warmup, {"every": "30%"}), "parameters must be a dict of name"),
        (lambda: Candidate(long_warmup, ("every",)), "parameters must be a dict of name"),
        (lambda: Candidate(long_warmup, rate_below="1"), "rate_below must be a finite number"),
        (lambda: choice(), "values must be strings, integers or floats alone"),
        (lambda: choice("30%", 2), "values must be strings, integers or floats alone"),
        (lambda: choice([1, 2]), "values must be strings, integers or floats alone"),
        (lambda: log_uniform(0, 1), "low must be a finite number > 0"),
        (lambda: log_uniform(0.1, 0.1), "high must be a finite number > 0.1"),
    ],
)
def test_wrong_objects_are_named_with_their_argument(function, words):
    with pytest.raises(ValueError, match=words):
        function()


def test_a_name_that_is_no_candidate():
    hp = keras_tuner.HyperParameters()
    hp.Choice("decay_name", ["sine"])
    with pytest.raises(ValueError, match="decay_name must be one of knee, cosine"):
        decay_from_hp(hp)


def test_import_says_what_to_install():
    code = """
import sys
for missing in ("keras_tuner", "six"):
    sys.modules[missing] = None
    try:
        import kerasdecay.tuner
    except ImportError as error:
        print(error)
    del sys.modules[missing]
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        # TensorFlow declares six, so that it can be missing on other backends only.
        env={**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "jax"},
        check=True,
    )
    lines = result.stdout.strip().splitlines()
    for missing, line in zip(("keras_tuner", "six"), lines, strict=True):
        assert line.startswith("kerasdecay.tuner needs KerasTuner (import of " + missing)
        assert line.endswith('): pip install "kerasdecay[tuner]"')


def test_tensorboard_is_asked_for_on_tensorflow_only(monkeypatch):
    monkeypatch.setattr(_requirements.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(ImportError, match=r"tensorboard.*pip install \"kerasdecay\[tuner\]\""):
        DecayHyperModel(lambda hp: None)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    DecayHyperModel(lambda hp: None)
