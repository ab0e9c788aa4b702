"""Parameters that do not fit the epochs: what takes their place, where it is told, what remains."""

from __future__ import annotations

import itertools

import keras
import keras_tuner
import numpy as np
import pytest

from kerasdecay.schedules import Cosine, PowerStep, Step, Timeline, simulate
from kerasdecay.schedules.family import FAMILY
from kerasdecay.tuner import (
    DECAYS,
    Candidate,
    DecayHyperModel,
    Settings,
    best_decay,
    choice,
    decay_from_hp,
    search_result,
)
from kerasdecay.tuner.fitting import Drawn, long_epochs
from kerasdecay.tuner.space import DEFAULT_DECAYS

STEPS = 4
WarmupStable = next(kind for name, kind in FAMILY.items() if name.startswith("warmup-stable"))


def drawn(name, update="auto", **values):
    return Drawn(DECAYS[name], Settings(update=update), 0.1, values)


@pytest.mark.parametrize(
    ("name", "values", "epochs", "steps", "nearest"),
    [
        ("power_step", {"stages": 4}, 3, 100, {"stages": 3}),
        ("power_step", {"stages": 3}, 2, 1, {"stages": 2}),
        ("power_step", {"stages": 2}, 1, 50, {"stages": 1}),
        ("power_step", {"stages": 4}, 4, 1, {"stages": 4}),
        # A share of the horizon has to round to one step at least: half a step does.
        ("step", {"every": "20%", "factor": 0.1}, 1, 1, {"every": "50%"}),
        ("step", {"every": "20%", "factor": 0.1}, 2, 1, {"every": "25%"}),
        ("step", {"every": "20%", "factor": 0.1}, 1, 3, {"every": "20%"}),
        ("warmup_stable", {"warmup": "2%", "decay": "10%"}, 1, 2, {"decay": "25%"}),
        ("warmup_stable", {"warmup": "2%", "decay": "10%"}, 1, 20, {"decay": "10%"}),
        # A hold leaves one step, whatever it rounds to.
        ("knee", {"hold": "70%"}, 1, 1, {"hold": "70%"}),
        ("knee", {"hold": "70%"}, 1, 2, {"hold": "70%"}),
    ],
)
def test_the_nearest_value_that_fits(name, values, epochs, steps, nearest):
    fitted = drawn(name, **values).fitted(Timeline(epochs, steps))
    assert fitted.values == {**values, **nearest}


@pytest.mark.parametrize("epochs", [1, 2, 3, 5])
@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("name", DECAYS)
def test_every_draw_of_every_decay_fits_in_the_end(name, steps, epochs):
    hp = keras_tuner.HyperParameters()
    declared = [declare(hp, key) for key, declare in DECAYS[name].parameters.items()]
    assert None not in declared
    choices = [getattr(one, "values", None) or (one.default,) for one in hp.space]
    for values in itertools.product(*choices):
        one = drawn(name, **dict(zip(DECAYS[name].parameters, values, strict=True)))
        decay = one.fitted(Timeline(epochs, steps)).decay()
        rates = simulate(decay, epochs=epochs, steps_per_epoch=steps)
        assert (rates >= 0).all()
        assert rates.max() <= 0.1


def warmup_and_decay(run, rate, warmup, decay):
    return run.decay(WarmupStable(rate, decay=decay), warmup=warmup)


@pytest.mark.parametrize(
    ("values", "nearest"),
    [
        ((3, 3), (1, 1)),  # neither alone: the one leaves no room for the other
        ((3, 1), (1, 1)),
        ((1, 3), (1, 1)),
        ((1.5, "0.5 epochs"), (1.5, "0.5 epochs")),
        ((2.5, "0.5 epochs"), (1.0, "0.5 epochs")),
        (("5 epochs", "1 epochs"), ("1 epochs", "1 epochs")),
        (("50 steps", "1 steps"), ("7 steps", "1 steps")),
    ],
)
def test_epochs_and_steps_come_down_to_what_there_is(values, nearest):
    names = ("warmup", "decay")
    one = Drawn(
        Candidate(warmup_and_decay, dict.fromkeys(names, choice(1))),
        Settings(),
        0.1,
        dict(zip(names, values, strict=True)),
    )
    fitted = one.fitted(Timeline(2, STEPS))
    assert tuple(fitted.values.values()) == nearest


def test_words_and_other_numbers_stay():
    candidate = Candidate(
        lambda run, rate, curve, decay: run.decay(WarmupStable(rate, decay=decay, curve=curve)),
        {"curve": choice("linear"), "decay": choice(4)},
    )
    one = Drawn(candidate, Settings(), 0.1, {"curve": "linear", "decay": 4})
    assert one.fitted(Timeline(3, 1)).values == {"curve": "linear", "decay": 3}


@pytest.mark.any_backend
@pytest.mark.parametrize("epochs", [1, 2, 3, 5])
@pytest.mark.parametrize("decays", [DEFAULT_DECAYS, tuple(DECAYS)], ids=["default", "all"])
def test_every_trial_completes(decays, epochs, make, search, build_model, spy):
    hypermodel = DecayHyperModel(build_model, decays, monitor="loss")
    tuner = search(make("RandomSearch", hypermodel, max_trials=5, seed=epochs), spy, epochs=epochs)

    result = search_result(tuner)
    assert [trial.status for trial in result.trials] == ["COMPLETED"] * 5
    assert len(spy.fits) == 5  # none was trained twice
    for trial, fit in zip(sorted(result.trials, key=lambda t: t.trial_id), spy.fits, strict=True):
        if trial.decay != "plateau":
            used = Drawn(DECAYS[trial.decay], Settings(), trial.learning_rate, trial.parameters)
            planned = simulate(used.decay(), epochs=epochs, steps_per_epoch=STEPS)
            np.testing.assert_allclose(fit["rates"], planned, rtol=1e-6)


@pytest.mark.parametrize("kind", ["RandomSearch", "GridSearch", "BayesianOptimization"])
def test_epochs_of_a_single_step(kind, make, build_model, data, spy):
    decays = ("power_step", "step", "warmup_stable", "knee")
    options = {"learning_rate_step": 10} if kind == "GridSearch" else {}
    hypermodel = DecayHyperModel(build_model, decays, **options)
    points = {"num_initial_points": 2} if kind == "BayesianOptimization" else {}
    tuner = make(kind, hypermodel, max_trials=4, **points)
    tuner.search(*data, epochs=2, batch_size=len(data[0]), verbose=0, callbacks=[spy])

    result = search_result(tuner)
    assert [trial.status for trial in result.trials] == ["COMPLETED"] * 4
    assert [len(fit["rates"]) for fit in spy.fits] == [2] * 4


@pytest.mark.parametrize(
    ("kind", "given", "searched"),
    [
        ("RandomSearch", 2, 2),  # by the hypermodel
        ("RandomSearch", None, 2),  # by search
        ("Hyperband", None, 99),  # by max_epochs
    ],
)
def test_the_value_that_was_used_is_recorded_and_reproduced(
    kind, given, searched, make, search, build_model, data, spy
):
    four = {"four": Candidate(DECAYS["power_step"].build, {"stages": choice(4)}, rate_below=1.0)}
    options = {"max_epochs": 2, "factor": 3} if kind == "Hyperband" else {"max_trials": 1}
    tuner = make(kind, DecayHyperModel(build_model, four, epochs=given), **options)
    search(tuner, spy, epochs=searched)

    best = search_result(tuner).best
    rate = best.learning_rate
    assert best.parameters == {"stages": 2}
    assert tuner.oracle.trials[best.trial_id].hyperparameters["decay_four_stages"] == 4
    fit = next(fit for fit in spy.fits if fit["rates"][0] == pytest.approx(rate))
    expected = np.repeat([rate, rate**2], STEPS)
    np.testing.assert_allclose(fit["rates"], expected, rtol=1e-6)

    again = make(kind, DecayHyperModel(build_model, four, epochs=given), **options)
    for one in (tuner, again):  # the second one has read the folder
        decay = best_decay(one)
        assert decay.schedule == PowerStep(rate, 2)
        build_model().fit(*data, epochs=2, batch_size=8, verbose=0, callbacks=[decay, spy])
        np.testing.assert_allclose(spy.fits[-1]["rates"], expected, rtol=1e-6)


def test_a_fit_of_the_hypermodels_own_that_chooses_the_epochs(make, search, build_model, spy):
    class Inner(keras_tuner.HyperModel):
        def build(self, hp):
            return build_model()

        def fit(self, hp, model, x, y, **kwargs):
            return model.fit(x, y, **{**kwargs, "epochs": 3})

    four = {"four": Candidate(DECAYS["power_step"].build, {"stages": choice(4)}, rate_below=1.0)}
    tuner = make("RandomSearch", DecayHyperModel(Inner(), four), max_trials=1)
    search(tuner, spy, epochs=9)
    best = search_result(tuner).best
    assert best.parameters == {"stages": 3}
    expected = np.repeat(best.learning_rate ** np.arange(1, 4), STEPS)
    np.testing.assert_allclose(spy.fits[0]["rates"], expected, rtol=1e-6)


def test_a_fit_of_the_hypermodels_own_is_not_begun_again_in_the_middle(
    make, search, build_model, spy
):
    class TwoPhases(keras_tuner.HyperModel):
        def build(self, hp):
            return build_model()

        def fit(self, hp, model, x, y, **kwargs):
            model.fit(x, y, **{**kwargs, "epochs": 4})
            return model.fit(x, y, **{**kwargs, "epochs": 2})

    four = {"four": Candidate(DECAYS["power_step"].build, {"stages": choice(4)}, rate_below=1.0)}
    tuner = search(make("RandomSearch", DecayHyperModel(TwoPhases(), four), max_trials=1), spy)
    (trial,) = search_result(tuner).trials
    assert "stages must be at most the 2 epochs" in trial.failure
    assert len(spy.fits) == 1


def test_a_rate_that_is_written_once_an_epoch_counts_epochs(make, search, build_model, spy):
    step = {"step": Candidate(DECAYS["step"].build, {"every": choice("20%")})}
    hypermodel = DecayHyperModel(build_model, step, update="epoch")
    tuner = search(make("RandomSearch", hypermodel, max_trials=1), spy, epochs=2)
    best = search_result(tuner).best
    assert best.parameters == {"every": "25%"}  # half an epoch, the least that rounds to one
    expected = best.learning_rate * np.repeat([1, 0.1**2], STEPS)  # ⌊1 / 0.5⌋ = 2 drops
    np.testing.assert_allclose(spy.fits[0]["rates"], expected, rtol=1e-6)


@pytest.mark.parametrize(("epochs", "stages"), [(None, 3), (3, 3), (2, 2), (1, 1)])
def test_decay_from_hp_fits_the_epochs_that_it_is_given(epochs, stages):
    hp = keras_tuner.HyperParameters()
    decay = decay_from_hp(hp, ("power_step",), epochs=epochs)
    assert decay.schedule.stages == stages
    assert hp["decay_power_step_stages"] == 3


@pytest.mark.parametrize("epochs", [1, 10**6, 10**9])
def test_very_many_epochs_leave_a_draw_as_it_is(epochs):
    one = drawn("power_step", stages=3)
    assert one.fitted(long_epochs(epochs)).values == {"stages": min(epochs, 3)}


def three_stages(run, rate):
    return run.decay(PowerStep(rate, 3))


def twice_at_least(run, rate, stages):
    return run.decay(PowerStep(rate, max(stages, 2)))


def eleven_epochs_of_warmup(run, rate):
    return run.decay(Cosine(rate), warmup=11)


@pytest.mark.parametrize(
    ("candidate", "epochs", "words"),
    [
        (Candidate(three_stages), 2, "stages must be at most the 2 epochs"),
        (Candidate(twice_at_least, {"stages": choice(3)}), 1, "stages must be at most the 1 epoch"),
        (Candidate(eleven_epochs_of_warmup), 3, "at most the horizon, 3 epochs"),
    ],
)
@pytest.mark.parametrize("given", [True, False])
def test_what_fits_with_no_value_ends_the_search(
    candidate, epochs, words, given, make, search, build_model
):
    hypermodel = DecayHyperModel(
        build_model,
        {"long": candidate},
        max_learning_rate=0.1,
        epochs=epochs if given else None,
    )
    tuner = make("RandomSearch", hypermodel, max_trials=2)
    with pytest.raises(keras_tuner.errors.FatalValueError, match=words):
        search(tuner, epochs=epochs)


def test_a_value_that_the_shape_refuses_is_passed_over():
    odd = Candidate(
        lambda run, rate, every: run.decay(Step(rate, every) if every != 2 else Step(rate, -1)),
        {"every": choice(3)},
    )
    warmed = Candidate(
        lambda run, rate, every: run.decay(odd.build(run, rate, every).schedule, warmup=every),
        odd.parameters,
    )
    one = Drawn(warmed, Settings(), 0.1, {"every": 3})
    assert one.fitted(Timeline(2, STEPS)).values == {"every": 1}


def test_errors_of_the_trainings_own_fail_the_trial_alone(make, search, build_model):
    class Choosy(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            raise ValueError("not these hyperparameters")

    tuner = make("RandomSearch", DecayHyperModel(build_model, ("rex",)), max_trials=2)
    search(tuner, Choosy())
    failures = [trial.failure for trial in search_result(tuner).trials]
    assert failures == ["ValueError: not these hyperparameters"] * 2
