"""The result of a comparison: figures worked out by hand, tidy CSV, strict JSON."""

from __future__ import annotations

import csv
import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from kerasdecay._shown import Tabular
from kerasdecay.study import Comparison, OutputError, Run, steadiness


def run(arm, seed, losses, index=0, **more):
    history = {"loss": losses, "learning_rate": [0.1] * len(losses)}
    return Run(arm, seed, len(losses), history, 2.0, 100.0, arm_index=index, **more)


RESULT = Comparison(
    (
        run("zebra", 0, [3.0, 1.0], test={"loss": 5.0}),
        run("zebra", 1, [3.0, 2.0], test={"loss": 7.0}),
        run("ant", 0, [4.0, 4.0], index=1),
        run("ant", 1, [4.0, math.nan], index=1),
    )
)


def test_figures_are_those_of_the_last_epoch_by_seed():
    assert (RESULT.arms, RESULT.seeds) == (("zebra", "ant"), (0, 1))
    assert RESULT.metrics == ("loss", "test_loss")
    assert RESULT.final("loss")["zebra"] == (1.0, 2.0)
    assert RESULT.mean("loss")["zebra"] == 1.5
    assert RESULT.spread("loss")["zebra"] == pytest.approx(math.sqrt(0.5))
    assert RESULT.mean("test_loss")["zebra"] == 6.0


def test_learning_rates_are_no_metrics_but_can_be_asked_for():
    history = {"loss": [1.0], "learning_rate_adam": [0.5], "learning_rate_sgd": [0.25]}
    result = Comparison((Run("a", 0, 1, history, 2.0, 100.0),))
    assert result.metrics == ("loss",)
    assert result.final("learning_rate_sgd") == {"a": (0.25,)}
    with pytest.raises(ValueError, match=r"one of loss, learning_rate_adam, learning_rate_sgd\."):
        result.final("learning_rate")


def test_what_is_not_a_number_stays_visible():
    assert math.isnan(RESULT.mean("loss")["ant"]) and math.isnan(RESULT.spread("loss")["ant"])
    assert all(map(math.isnan, RESULT.final("test_loss")["ant"]))
    assert math.isnan(Comparison(RESULT.runs[:1]).spread("loss")["zebra"])


def test_steadiness_is_the_mean_over_the_seeds():
    first, second = [0.0, 1.0, 0.0, 1.0], [0.0, 0.1, 0.3, 0.4]
    both = Comparison((run("a", 0, first), run("a", 1, second)))
    expected = (steadiness(first) + steadiness(second)) / 2
    assert both.steadiness("loss")["a"] == pytest.approx(expected)


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"metric must be one of loss, .*Received: metric='acc'"):
        RESULT.final("acc")
    with pytest.raises(ValueError, match=r"arm must be one of 'zebra', 'ant'.*arm='cat'"):
        RESULT.of("cat")


def test_loading_gives_the_same_runs_in_the_same_order(tmp_path):
    shuffled = list(RESULT.runs)
    random.Random(0).shuffle(shuffled)
    for item in shuffled:
        item.write(tmp_path)
    again = Comparison.load(tmp_path)
    assert [(item.arm, item.seed) for item in again.runs] == [
        ("zebra", 0), ("zebra", 1), ("ant", 0), ("ant", 1),
    ]  # fmt: skip
    assert again.final("loss")["zebra"] == RESULT.final("loss")["zebra"]
    with pytest.raises(OutputError, match="must hold finished runs"):
        Comparison.load(tmp_path / "elsewhere")


def test_csv_is_tidy(tmp_path):
    path = RESULT.to_csv(tmp_path / "history.csv")
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert rows[1] == {
        "arm": "zebra", "seed": "0", "epoch": "1", "loss": "1.0", "learning_rate": "0.1",
    }  # fmt: skip
    assert rows[7]["loss"] == "nan"


def test_json_holds_what_was_added_first(tmp_path):
    path = RESULT.to_json(tmp_path / "results.json", {"setup": {"x": math.inf}})
    data = json.loads(path.read_text("utf-8"))
    assert list(data) == ["setup", "runs"]
    assert data["setup"] == {"x": "Infinity"}
    assert [Run.from_dict(item).arm for item in data["runs"]] == ["zebra"] * 2 + ["ant"] * 2


def test_reading_results_loads_no_framework(tmp_path):
    for item in RESULT.runs:
        item.write(tmp_path)
    code = (
        "import sys; from kerasdecay.study import Comparison, compare; "
        f"Comparison.load({str(tmp_path)!r}).table(); "
        "print([name for name in ('keras', 'tensorflow', 'matplotlib') if name in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_print_shows_the_figures_in_what_the_output_can_write(capsys):
    print(RESULT)
    shown = capsys.readouterr().out
    assert "zebra" in shown and "6.0000" in shown
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "from kerasdecay.study import Comparison, Run;"
            "print(Comparison((Run('a', 0, 1, {'loss': [1.5]}, 2.0, 100.0),)))",
        ],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "1.5" in told.stdout and told.stdout.isascii()


def test_what_is_shown_as_a_table_cannot_lack_one():
    class Untold(Tabular):
        pass

    with pytest.raises(TypeError, match="table"):
        Untold()
