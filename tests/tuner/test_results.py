"""The search as data, table, picture and file; what trials leave on disk."""

from __future__ import annotations

import builtins
import dataclasses
import io
import json
import types

import keras_tuner
import numpy as np
import pytest
from rich.console import Console

from kerasdecay.schedules import simulate
from kerasdecay.tuner import DECAYS, SearchResult, Settings, Space, TrialResult
from kerasdecay.tuner.trial_files import RECORD, STATE, Record, TrialFiles

BEST = TrialResult(
    trial_id="2",
    rank=1,
    status="COMPLETED",
    decay="power_step",
    learning_rate=0.1,
    parameters={"stages": 2},
    others={"units": 8},
    score=0.9125,
    epochs=4,
    horizon=4,
    learning_rates=(0.1, 0.1, 0.01, 0.01),
)
SECOND = dataclasses.replace(
    BEST,
    trial_id="0",
    rank=2,
    decay="cosine",
    learning_rate=0.0234567,
    parameters={"final": 0.01},
    score=0.85,
    epochs=1,
    learning_rates=(0.02,),
)
FAILED = dataclasses.replace(
    BEST,
    trial_id="1",
    rank=None,
    status="FAILED",
    decay="rex",
    parameters={},
    score=None,
    epochs=None,
    horizon=None,
    learning_rates=(),
    failure="ValueError: [no]",
)
RESULT = SearchResult("val_accuracy", "max", (BEST, SECOND, FAILED))


def printed(renderable):
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(renderable)
    return [line.rstrip() for line in console.file.getvalue().splitlines() if line.strip()]


def test_the_table():
    assert printed(RESULT) == [
        "     decay          rate   parameters         model     val accuracy   epochs",
        " " + "─" * 76,
        " 1   power_step      0.1   stages 2           units 8         0.9125        4",
        " 2   cosine       0.0235   final 0.01         units 8         0.8500   1 of 4",
        " –   rex             0.1   ValueError: [no]   units 8              –        –",
        "2 of 3 trials completed; higher is better",
    ]
    short = printed(RESULT.table(title="Search", rows=1))
    assert short[0] == "Search"
    assert short[-1] == "2 of 3 trials completed; higher is better; the first 1 shown"


def test_the_picture(tmp_path):
    figure = RESULT.plot(tmp_path / "search.png", title="Search")
    assert (tmp_path / "search.png").stat().st_size > 10_000
    scores, rates = figure.axes
    assert len(scores.collections) == 3  # two trials and the ring
    assert len(rates.patches) == 2
    with pytest.raises(ValueError, match="must hold a completed trial"):
        dataclasses.replace(RESULT, trials=(FAILED,)).plot()


def test_without_matplotlib(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'pip install "kerasdecay\[plot\]"'):
        RESULT.plot()


def test_as_json(tmp_path):
    data = json.loads(RESULT.to_json(tmp_path / "search.json").read_text())
    assert data["objective"] == "val_accuracy"
    assert data["trials"][0]["parameters"] == {"stages": 2}
    assert data["trials"][1]["learning_rates"] == [0.02]
    assert RESULT.best is BEST


@pytest.mark.parametrize("name", DECAYS)
def test_every_candidate_makes_a_decay(name):
    hp = keras_tuner.HyperParameters()
    decay = Space.of((name,)).decay(hp, epochs=20)
    rates = simulate(decay, epochs=20, steps_per_epoch=50)
    assert np.isfinite(rates).all()
    assert rates.max() == pytest.approx(0.01)
    assert set(hp.values) == {
        "decay_name",
        "decay_learning_rate",
        *(f"decay_{name}_{parameter}" for parameter in DECAYS[name].parameters),
    }
    for values in hp.space:
        for value in getattr(values, "values", ()):  # every value of every choice is allowed
            hp.values[values.name] = value
            simulate(Space.of((name,)).decay(hp), epochs=20, steps_per_epoch=50)


def test_settings_give_rules_their_file_and_metric(tmp_path):
    settings = Settings(monitor="val_accuracy", epochs=7, state_path=tmp_path / "state.json")
    plateau = DECAYS["plateau"].build(settings, 0.1, factor=0.5, patience=2)
    assert plateau.rules[0].monitor == "val_accuracy"
    assert (plateau.epochs, plateau.state_path) == (7, tmp_path / "state.json")
    assert DECAYS["cosine"].build(settings, 0.1, final=0.0).state_path is None


def callbacks_of(folder, parent=None):
    """Return what KerasTuner gives `fit`: its own callback, and the one that saves weights."""
    values = {} if parent is None else {"tuner/trial_id": parent}
    trial = types.SimpleNamespace(
        trial_id="child", hyperparameters=types.SimpleNamespace(values=values)
    )
    tuner = types.SimpleNamespace(get_trial_dir=lambda name: f"{folder}/{name}")
    saver = types.SimpleNamespace(best_value=float("inf"), objective=None)
    for name in ("child", "parent"):
        (folder / name).mkdir(exist_ok=True)
    return types.SimpleNamespace(tuner=tuner, trial=trial), saver


def test_the_execution_whose_weights_are_kept_keeps_its_state(tmp_path):
    tuner, saver = callbacks_of(tmp_path)
    for best, text in ((0.5, "first"), (0.5, "worse"), (0.4, "better"), (0.4, "worse")):
        files = TrialFiles.of([tuner, saver])
        files.begin().write_text(text)
        saver.best_value = best
        files.end(types.SimpleNamespace(trace=None), {})
        kept = (tmp_path / "child" / STATE).read_text()
        assert kept == ("first" if best == 0.5 else "better")
        assert not (tmp_path / "child" / f"{STATE}.running").exists()


def test_a_promoted_trial_begins_with_its_parents_state(tmp_path):
    callbacks = callbacks_of(tmp_path, parent="parent")
    running = TrialFiles.of(callbacks).begin()
    assert not running.exists()
    running.write_text("of an execution that was interrupted")
    (tmp_path / "parent" / STATE).write_text("decided")
    assert TrialFiles.of(callbacks).begin().read_text() == "decided"
    assert (tmp_path / "parent" / STATE).read_text() == "decided"


def test_outside_a_tuner_and_in_a_bucket_there_are_no_files():
    assert TrialFiles.of([]) is None
    trial = types.SimpleNamespace(trial_id="0")
    tuner = types.SimpleNamespace(get_trial_dir=lambda name: f"gs://bucket/{name}")
    assert TrialFiles.of([types.SimpleNamespace(tuner=tuner, trial=trial)]) is None


def test_a_record_of_an_earlier_version_has_no_parameters(tmp_path):
    (tmp_path / RECORD).write_text('{"horizon": 2, "learning_rates": [0.1, 0.01], "events": []}')
    assert Record.read(tmp_path) == Record(2, (0.1, 0.01), (), {})


def test_a_record_that_cannot_be_read_is_none(tmp_path):
    assert Record.read(tmp_path) is None
    for text in ("{", "[]", '{"horizon": 3}'):
        (tmp_path / RECORD).write_text(text)
        assert Record.read(tmp_path) is None
