"""The tuned example, small: a search, its files, going on again, its errors."""

from __future__ import annotations

import importlib
import json
import sys
import types
from pathlib import Path

import keras
import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))
networks, tuning, example = map(importlib.import_module, ("_networks", "_tuning", "tune_decay"))

SMALL = ("--trials", "2", "--epochs", "4", "--decays", "cosine,rex", "--seeds", "0,1")


@pytest.fixture
def images(tmp_path):
    """Return the name of a file of images that a small network can tell apart."""
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 80), ("test", 20)):
        labels = random.integers(0, 2, count)
        bright = random.integers(0, 128, (count, 8, 8, 3)) + 127 * labels[:, None, None, None]
        arrays |= {f"x_{split}": bright.astype("uint8"), f"y_{split}": labels}
    np.savez(tmp_path / "images.npz", **arrays)
    return str(tmp_path / "images.npz")


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    def build(name, jit_compile, image_shape):
        layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(10)]
        model = keras.Sequential([keras.Input(image_shape), *layers])
        return networks.compile_network(model, jit_compile)

    monkeypatch.setattr(networks, "compiled_network", build)


def test_search_compare_write_and_go_on(images, tmp_path, capsys, titles):
    output = tmp_path / "output"
    command = [*SMALL, "--dataset", images, "--output", str(output)]
    assert example.main(command) == 0

    shown = capsys.readouterr().out
    assert "64 images to train, 16 to validate, 20 to test at the end" in shown
    assert "  trial 2 of 2: " in shown
    assert "test accuracy, best: " in shown
    assert "Search: Running Trial" not in shown  # KerasTuner's own tables
    files = {path.name for path in output.iterdir()}
    assert files == {"search", "runs", "search.json", "search.png", "results.json", "curves.png"}
    assert titles == {
        "search.png": "images.npz · 2 trials",
        "curves.png": "images.npz · the best of 2 trials against the article's",
    }

    results = json.loads((output / "results.json").read_text())
    trials = results["search"]["trials"]
    assert results["search"] == json.loads((output / "search.json").read_text())
    assert {trial["decay"] for trial in trials} <= {"cosine", "rex"}
    arms = {run["arm"] for run in results["runs"]}
    best = f"best: {trials[0]['decay']} from {trials[0]['learning_rate']:.3g}"
    assert arms == {example.ARTICLE, best}
    article = next(run for run in results["runs"] if run["arm"] == example.ARTICLE)
    np.testing.assert_allclose(
        article["history"]["learning_rate"], [0.1, 0.01, 0.001, 0.001], rtol=1e-6
    )

    assert example.main([*command, "--resume"]) == 0
    again = capsys.readouterr().out
    assert "trial " not in again.split("completed")[0]
    assert json.loads((output / "results.json").read_text()) == results


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--epochs", "2"), "--epochs must be at least 3"),
        (("--decays", "sine"), "Received: decays='sine'"),
        (("--dataset", "absent.npz"), "cannot read absent.npz"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(arguments, words, tmp_path, capsys):
    command = ["--dataset", "digits", "--output", str(tmp_path), *arguments]
    assert example.main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tune_decay.py: error: ")
    assert words in line


def test_a_line_tells_of_promotion_and_of_failure():
    class Tuner:
        oracle = types.SimpleNamespace(max_trials=None, end_order=["0", "1"])

        def on_trial_begin(self, trial):
            self.oracle.get_trial = lambda trial_id: trial

        def on_trial_end(self, trial):
            pass

    lines = []
    tuner = tuning.telling(Tuner, lines.append)()
    values = {"decay_name": "rex", "decay_learning_rate": 0.1, "tuner/initial_epoch": 2}
    hyperparameters = types.SimpleNamespace(values=values)
    for score in (0.5, None):
        trial = types.SimpleNamespace(trial_id="1", score=score, hyperparameters=hyperparameters)
        tuner.on_trial_begin(trial)
        tuner.on_trial_end(trial)
    assert lines == [
        "trial 2: rex from 0.1, on from epoch 3: 0.5000 (0 s)",
        "trial 2: rex from 0.1, on from epoch 3: failed (0 s)",
    ]


def test_a_search_in_the_way_is_left_alone(tmp_path, capsys):
    (tmp_path / "search").mkdir()
    assert example.main(["--output", str(tmp_path)]) == 2
    assert "add --resume to go on with it" in capsys.readouterr().err


def test_a_flag_that_is_wrong(capsys):
    with pytest.raises(SystemExit, match="2"):
        example.main(["--trials", "0"])
    assert len(capsys.readouterr().err.splitlines()) == 1
