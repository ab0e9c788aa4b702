"""The search itself: which hyperparameters exist, hypermodels of every kind, going on again."""

from __future__ import annotations

import itertools

import keras
import keras_tuner
import numpy as np
import pytest

from kerasdecay.schedules import Constant, Polynomial
from kerasdecay.tuner import (
    DECAYS,
    Candidate,
    DecayHyperModel,
    best_decay,
    choice,
    decay_from_hp,
    search_result,
)

EPOCHS = 3


class Untrained(keras_tuner.HyperModel):
    """A hypermodel whose `fit` trains nothing."""

    def build(self, hp):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    def fit(self, hp, model, *args, **kwargs):
        return {"loss": hp["decay_learning_rate"]}


def own(trial):
    return {key for key in trial.hyperparameters.values if not key.startswith("tuner/")}


def test_a_parameter_exists_for_its_decay_only(make, search):
    tuner = make("RandomSearch", DecayHyperModel(Untrained()), max_trials=20)
    space = {hp.name for hp in tuner.oracle.get_space().space}
    assert space == {  # all of it, before the first trial
        "decay_name",
        "decay_learning_rate",
        "decay_knee_hold",
        "decay_cosine_final",
        "decay_warmup_stable_warmup",
        "decay_warmup_stable_decay",
        "decay_plateau_factor",
        "decay_plateau_patience",
    }
    search(tuner)

    names = set()
    for trial in tuner.oracle.trials.values():
        name = trial.hyperparameters["decay_name"]
        names.add(name)
        parameters = {f"decay_{name}_{key}" for key in DECAYS[name].parameters}
        assert own(trial) == {"decay_name", "decay_learning_rate"} | parameters
        assert 0.01 <= trial.hyperparameters["decay_learning_rate"] <= 0.5
    assert names == {"knee", "cosine", "warmup_stable", "plateau"}


@pytest.mark.parametrize(
    ("optimizer", "ends"),
    [
        (lambda: keras.optimizers.SGD(), (0.01, 0.5)),
        (lambda: keras.optimizers.SGD(momentum=0.9), (0.001, 0.05)),
        (lambda: keras.optimizers.Adam(), (0.0001, 0.005)),
    ],
)
def test_the_rates_searched_suit_the_optimizer(optimizer, ends):
    def build(hp):
        hp.Float("lr", 1e-4, 1e-1)
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(optimizer(), "mse")
        return model

    hp = keras_tuner.HyperParameters()
    with pytest.warns(UserWarning, match="'lr' of the hypermodel is searched in vain") as caught:
        DecayHyperModel(build).declare_hyperparameters(hp)
    told = [one for one in caught if "in vain" in str(one.message)]
    assert [one.filename for one in told] == [__file__]
    (rate,) = [one for one in hp.space if one.name == "decay_learning_rate"]
    assert (rate.min_value, rate.max_value) == ends


def test_the_initial_rate_is_sampled_by_its_logarithm():
    hp = keras_tuner.HyperParameters()
    DecayHyperModel(Untrained()).declare_hyperparameters(hp)
    (rate,) = [one for one in hp.space if one.name == "decay_learning_rate"]
    assert isinstance(rate, keras_tuner.engine.hyperparameters.Float)
    assert (rate.sampling, rate.min_value, rate.max_value) == ("log", 0.01, 0.5)
    # What that means: half way in probability is the geometric mean of the ends, 0.0707.
    assert rate.prob_to_value(0.5) == pytest.approx((0.01 * 0.5) ** 0.5)


def test_a_grid_is_complete(make, search):
    hypermodel = DecayHyperModel(
        Untrained(),
        ("constant", "power_step", "plateau"),
        min_learning_rate=0.01,
        max_learning_rate=0.1,
        learning_rate_step=10,
    )
    tuner = search(make("GridSearch", hypermodel))

    tried = {
        (trial.decay, trial.learning_rate, *map(trial.parameters.get, sorted(trial.parameters)))
        for trial in search_result(tuner).trials
    }
    rates = (0.01, 0.1)
    assert tried == {
        *(("constant", rate) for rate in rates),
        *(("power_step", rate, stages) for rate in rates for stages in (2, 3, 4)),
        *(
            ("plateau", rate, factor, patience)
            for rate, factor, patience in itertools.product(rates, (0.1, 0.3, 0.5), (2, 3, 5))
        ),
    }
    assert len(tuner.oracle.trials) == len(tried)


def test_prefix_and_a_decay_of_ones_own(make, search, build_model):
    polynomial = Candidate(
        lambda run, rate, power: run.decay(Polynomial(rate, power=power)),
        {"power": choice(2.0, 3.0)},
    )
    hypermodel = DecayHyperModel(build_model, {"polynomial": polynomial}, prefix="lr/")
    tuner = search(make("RandomSearch", hypermodel, max_trials=1), epochs=EPOCHS)

    (trial,) = search_result(tuner).trials
    assert own(tuner.oracle.trials[trial.trial_id]) == {
        "lr/name",
        "lr/learning_rate",
        "lr/polynomial_power",
    }
    assert best_decay(tuner).schedule.power == trial.parameters["power"]


def test_a_hypermodel_with_a_fit_of_its_own(make, search, build_model, spy):
    class Inner(keras_tuner.HyperModel):
        def declare_hyperparameters(self, hp):
            hp.Boolean("declared")

        def build(self, hp):
            hp.Choice("units", [1, 2])
            return build_model()

        def fit(self, hp, model, x, y, **kwargs):
            kwargs["epochs"] = 4  # not what search said
            return model.fit(x, y, **kwargs)

    hypermodel = DecayHyperModel(Inner(), ("power_step",), max_learning_rate=0.1)
    tuner = search(make("RandomSearch", hypermodel, max_trials=1), spy, epochs=1)

    (trial,) = search_result(tuner).trials
    assert set(trial.others) == {"declared", "units"}
    assert (trial.epochs, trial.horizon) == (4, 4)
    assert len(set(spy.fits[0]["rates"])) == trial.parameters["stages"]


def test_a_fit_of_ones_own_with_decay_from_hp(make, search, build_model):
    options = {"decays": ("cosine", "one_cycle"), "min_learning_rate": 0.001}

    class Own(keras_tuner.HyperModel):
        def declare_hyperparameters(self, hp):
            decay_from_hp(hp, **options)

        def build(self, hp):
            return build_model()

        def fit(self, hp, model, *args, callbacks=(), **kwargs):
            decay = decay_from_hp(hp, epochs=6, **options)
            return model.fit(*args, callbacks=[decay, *callbacks], **kwargs)

    tuner = search(make("Hyperband", Own(), max_epochs=2, factor=2))
    result = search_result(tuner)
    assert {trial.status for trial in result.trials} == {"COMPLETED"}
    assert {trial.decay for trial in result.trials} <= {"cosine", "one_cycle"}

    decay = best_decay(tuner, **options)
    assert decay.schedule.initial_learning_rate == result.best.learning_rate
    with pytest.raises(ValueError, match=r"no lr_.*Pass the arguments that decay_from_hp had"):
        best_decay(tuner, **options, prefix="lr_")


class Interrupt(keras.callbacks.Callback):
    """Ctrl-C in the first epoch of the second trial."""

    armed = True
    trainings = 0

    def on_train_begin(self, logs=None):
        type(self).trainings += 1

    def on_epoch_end(self, epoch, logs=None):
        if self.armed and self.trainings == 2:
            raise KeyboardInterrupt


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("kind", "options"), [("RandomSearch", {"max_trials": 4}), ("Hyperband", {"max_epochs": 6})]
)
def test_an_interrupted_search_goes_on(kind, options, make, search, build_model, spy):
    Interrupt.armed, Interrupt.trainings = True, 0

    def hypermodel():
        return DecayHyperModel(build_model, ("step", "plateau"), monitor="loss")

    first = make(kind, hypermodel(), **options)
    with pytest.raises(KeyboardInterrupt):
        search(first, Interrupt())
    values = [trial.hyperparameters.values for trial in first.oracle.trials.values()]
    Interrupt.armed = False

    again = make(kind, hypermodel(), **options)
    search(again, spy)

    result = search_result(again)
    assert {trial.status for trial in result.trials} == {"COMPLETED"}
    started = [again.oracle.trials[trial_id] for trial_id in again.oracle.start_order[:2]]
    assert [trial.hyperparameters.values for trial in started] == values
    assert len(spy.fits) == len(result.trials) - 1  # all but the first, which was finished
    assert spy.fits[0]["epochs"][0] == 0
    assert all(trial.learning_rates for trial in result.trials)


def test_the_second_search_over_a_folder_needs_no_training(make, search, build_model, spy):
    tuner = search(
        make("RandomSearch", DecayHyperModel(build_model, ("rex", "knee")), max_trials=2), spy
    )
    again = make("RandomSearch", DecayHyperModel(build_model, ("rex", "knee")), max_trials=2)

    assert search_result(again) == search_result(tuner)
    assert best_decay(again).schedule == best_decay(tuner).schedule
    assert len(search(again, spy).oracle.trials) == 2 == len(spy.fits)


def test_a_candidate_may_find_its_rate_by_the_probe(tmp_path):
    def build(hp):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    found = Candidate(lambda run, rate: run.decay(Constant("auto")))
    tuner = keras_tuner.RandomSearch(
        DecayHyperModel(build, decays={"found": found}),
        objective="loss",
        max_trials=1,
        directory=tmp_path,
    )
    x = np.linspace(-1, 1, 240, dtype="float32")[:, None]
    tuner.search(x, 3 * x, epochs=4, batch_size=4, verbose=0)
    (trial,) = search_result(tuner).trials
    # The probe takes 54 of the 240 batches: the first epoch ends with the rate that it has found.
    assert len(set(trial.learning_rates)) == 1
    assert 0.01 < trial.learning_rates[0] < 2
    assert best_decay(tuner).schedule == Constant("auto")
