"""Where the stages lie in real searches: the rates that models were trained with."""

from __future__ import annotations

import numpy as np
import pytest

from kerasdecay.rules import Plateau
from kerasdecay.schedules import Constant, simulate
from kerasdecay.tuner import Candidate, DecayHyperModel, best_decay, decay_from_hp, search_result

pytestmark = pytest.mark.any_backend

EPOCHS, STEPS = 4, 4
SHAPES = ("power_step", "cosine", "one_cycle")

# Nothing is an improvement but the first epoch: from the third on the rate halves.
HALVING = Candidate(
    lambda run, rate: run.decay(
        Constant(rate), rules=[Plateau("loss", 0.5, patience=1, min_delta=1e9)]
    )
)
HALVES = np.repeat([1, 1, 1 / 2, 1 / 4], STEPS)


def planned(trial, decays=SHAPES, epochs=EPOCHS):
    """Return the rates of the whole horizon for a trial, by formula."""
    decay = decay_from_hp(trial.hyperparameters.copy(), decays)
    return simulate(decay, epochs=epochs, steps_per_epoch=STEPS)


def trials(tuner):
    return [tuner.oracle.trials[trial_id] for trial_id in tuner.oracle.start_order]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("RandomSearch", {"max_trials": 3}),
        ("BayesianOptimization", {"max_trials": 3, "num_initial_points": 2}),
        ("GridSearch", {"max_trials": 3}),
    ],
)
def test_every_trial_follows_its_schedule(kind, options, make, search, build_model, spy):
    tuner = search(make(kind, DecayHyperModel(build_model, SHAPES), **options), spy)

    assert len(trials(tuner)) == options["max_trials"] == len(spy.fits)
    for trial, fit in zip(trials(tuner), spy.fits, strict=True):
        assert trial.status == "COMPLETED"
        np.testing.assert_allclose(fit["rates"], planned(trial), rtol=1e-6)


@pytest.mark.parametrize(("update", "epochs"), [("auto", None), ("compiled", None), ("auto", 12)])
def test_promoted_trials_keep_their_place(update, epochs, make, search, build_model, spy):
    hypermodel = DecayHyperModel(build_model, SHAPES, update=update, epochs=epochs)
    horizon = epochs or EPOCHS  # as given, or the tuner's max_epochs
    tuner = search(make("Hyperband", hypermodel), spy)

    results = {result.trial_id: result for result in search_result(tuner).trials}
    rungs = []
    for trial, fit in zip(trials(tuner), spy.fits, strict=True):
        assert trial.status == "COMPLETED", trial.message
        values = trial.hyperparameters.values
        first, last = values["tuner/initial_epoch"], values["tuner/epochs"]
        rungs.append((first, last))
        assert fit["epochs"] == list(range(first, last))
        whole = planned(trial, epochs=horizon)
        expected = whole[first * STEPS : last * STEPS]
        np.testing.assert_allclose(fit["rates"], expected, rtol=2e-6)
        record = results[trial.trial_id]
        assert (record.epochs, record.horizon) == (last, horizon)
        ends = whole[STEPS - 1 : last * STEPS : STEPS]
        np.testing.assert_allclose(record.learning_rates, ends, rtol=2e-6)
    assert set(rungs) == {(0, 1), (1, 4), (0, 4)}


def test_promoted_plateaus_keep_what_they_decided(make, search, build_model, spy):
    """Two executions each: nothing leaks from one to the other, the states on disk included."""
    hypermodel = DecayHyperModel(build_model, {"halving": HALVING}, max_learning_rate=0.1)
    tuner = search(make("Hyperband", hypermodel, executions_per_trial=2), spy)

    for trial, *fits in zip(trials(tuner), spy.fits[::2], spy.fits[1::2], strict=True):
        values = trial.hyperparameters.values
        first, last = values["tuner/initial_epoch"], values["tuner/epochs"]
        expected = values["decay_learning_rate"] * HALVES[first * STEPS : last * STEPS]
        for fit in fits:
            np.testing.assert_allclose(fit["rates"], expected, rtol=1e-6)
    assert any(fit["epochs"][0] == 1 for fit in spy.fits)


def test_the_best_decay_trains_as_its_trial_did(make, search, build_model, data, spy):
    tuner = search(make("RandomSearch", DecayHyperModel(build_model, SHAPES), max_trials=2), spy)
    best = tuner.oracle.get_best_trials()[0]

    decay = best_decay(tuner)
    build_model().fit(*data, epochs=EPOCHS, batch_size=8, verbose=0, callbacks=[decay, spy])

    np.testing.assert_allclose(spy.fits[-1]["rates"], planned(best), rtol=1e-6)
    assert simulate(best_decay(tuner, epochs=3), epochs=3, steps_per_epoch=1).shape == (3,)
    assert best_decay(tuner, epochs=3).epochs == 3


def test_the_given_horizon_wins(make, search, build_model, spy):
    hypermodel = DecayHyperModel(build_model, ("cosine",), epochs=12)
    tuner = search(make("RandomSearch", hypermodel, max_trials=1), spy)

    expected = planned(trials(tuner)[0], ("cosine",), epochs=12)[: EPOCHS * STEPS]
    np.testing.assert_allclose(spy.fits[0]["rates"], expected, rtol=1e-6)
