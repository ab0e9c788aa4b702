"""The comparison of decays: what has a line is not trained again, and the report's arithmetic."""

from __future__ import annotations

import importlib
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from kerasdecay.callbacks import Event
from kerasdecay.rules import AdaptiveKnee, Greedy, Plateau, WeightNorm
from kerasdecay.study import Run

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
reports, testbeds, shootout = map(
    importlib.import_module, ("_shootout_report", "_testbeds", "decay_shootout")
)


def line(arm, seed, accuracy, *, rate=0.1, by_epoch=(0.5, 0.9), events=(), **more):
    return {
        "testbed": "digits", "regime": "plain", "data": "digits", "arm": arm, "seed": seed,
        "epochs": 2, "initial_learning_rate": rate, "batch_size": 32, "test_accuracy": accuracy,
        "test_loss": 1.0 - accuracy, "val_accuracy": by_epoch[-1],
        "val_accuracy_by_epoch": list(by_epoch), "events": list(events), **more,
    }  # fmt: skip


def events_of(rule, losses):
    """Return what a run's line holds of a rule's decisions, as the callback tells them."""
    states = enumerate(rule.replay(losses, 0.1))
    told = [Event(epoch, "", state.decision, 0.1, 0.1) for epoch, state in states]
    return [str(event) for event in told if event.decision.is_event]


def undefined(arm, seed, rate):
    kept = ("testbed", "regime", "data", "arm", "seed", "epochs", "batch_size")
    bare = {key: value for key, value in line(arm, seed, 0.0).items() if key in kept}
    return {**bare, "initial_learning_rate": rate, "undefined": "rates >= 1 do not decay"}


LINES = [
    line("power-step", 0, 0.80),
    line("power-step", 1, 0.82),
    line("power-step", 2, 0.84),
    line("linear", 0, 0.90, by_epoch=(0.9, 0.9)),
    line("linear", 1, 0.91, by_epoch=(0.9, 0.9)),
    line("linear", 2, 0.92, by_epoch=(0.8, 0.8)),
    line("plateau", 0, 0.85, events=events_of(Plateau("loss"), [math.nan, 1.0])),
    line(
        "plateau",
        2,
        0.83,
        events=[
            *events_of(Plateau("loss", patience=1), [1.0, 1.0]),
            *events_of(AdaptiveKnee(Plateau("loss")), [1.0, 1.0, 1.0, 1.0, 1.0]),
            *events_of(WeightNorm(), [1.0] * 10),
            *events_of(WeightNorm(last_decay=None), [3.0, 2.0, 3.0, 4.0, 3.0]),
            *events_of(Greedy("loss", patience=0, min_lr=0.09, reset_start=1), [1.0, 1.0]),
        ],
    ),
    # ten times the rate; seeds in another order
    undefined("power-step", 0, 1.0),
    line("linear", 2, 0.52, rate=1.0),
    line("linear", 0, 0.40, rate=1.0),
    line("linear", 1, 0.61, rate=1.0),
    line("plateau", 2, 0.73, rate=1.0),
    line("plateau", 0, 0.65, rate=1.0),
]


@pytest.fixture
def report(tmp_path):
    """Return the report on LINES, split at its headings."""
    text = "".join(json.dumps(one) + "\n" for one in LINES)
    (tmp_path / "shootout-digits-plain.jsonl").write_text(text, "utf-8")
    assert reports.report(tmp_path) == 0
    sections = (tmp_path / "shootout.md").read_text("utf-8").split("\n## ")
    assert len(sections) == 4
    for section in sections[1:]:
        assert (tmp_path / section.partition("](")[2].partition(")")[0]).is_file()
    return sections


def rows(section, arm):
    found = [text for text in section.splitlines() if text.startswith(f"| {arm} |")]
    return [[cell.strip() for cell in text.strip("|").split("|")] for text in found]


def row(section, arm):
    return rows(section, arm)[0]


def test_means_intervals_and_pairs_by_seed(report):
    _, right, _, _ = report
    # t(0.975, 2) = 4.3027; the standard deviation of 0.80, 0.82, 0.84 is 0.02.
    assert row(right, "power-step")[:3] == ["power-step", "3", "0.8200 ± 0.0497"]
    # 0.10, 0.09, 0.08: mean 0.09, deviation 0.01.
    assert row(right, "linear")[4] == "0.0900 ± 0.0248"
    # Seeds 0 and 2 only: 0.05 and −0.01 to power-step, −0.05 and −0.09 to linear;
    # t(0.975, 1) = 12.706.
    assert row(right, "plateau")[4:6] == ["0.0200 ± 0.3812", "-0.0700 ± 0.2541"]
    assert "Better than power-step, with the whole paired interval: linear. Worse: none." in right
    assert "Better than linear, with the whole paired interval: none. Worse: power-step." in right


def test_a_rule_is_told_apart_from_its_deadline(report):
    _, right, wrong, _ = report
    assert rows(right, "plateau")[1] == [
        "plateau",
        "1 of 2",
        "4 (after epoch 1, 2, 5)",
        "2 (after epoch 4, 9)",
    ]
    assert rows(wrong, "plateau")[1] == ["plateau", "0 of 2", "–", "–"]
    assert len(rows(right, "linear")) == 1


def test_ranks_are_over_the_seeds_that_all_have(report):
    _, right, _, _ = report
    assert [row(right, arm)[6] for arm in ("linear", "plateau", "power-step")] == [
        "1.0",
        "2.5",
        "2.5",
    ]
    assert {row(right, arm)[7] for arm in ("linear", "plateau", "power-step")} == {"100%"}


def test_epochs_to_power_steps_end(report):
    _, right, _, _ = report
    assert row(right, "power-step")[8] == "2.0 (3 of 3)"
    assert row(right, "linear")[8] == "1.0 (2 of 3)"


def test_an_arm_that_is_undefined_is_told_so(report):
    _, _, high, wrong = report
    assert row(high, "power-step")[1:3] == ["1", "undefined"]
    assert row(wrong, "power-step")[3:] == ["–", "–"]


def test_what_a_wrong_rate_costs(report):
    wrong = report[3]
    # By seed: linear 0.50, 0.30, 0.40; plateau 0.20, –, 0.10.
    assert row(wrong, "linear")[4].startswith("0.4000 ± ")
    assert row(wrong, "plateau")[4].startswith("0.1500 ± ")
    assert "the rule that loses least is plateau (0.1500), the shape linear (0.4000)" in wrong
    assert "The rule loses -0.3000 ± 0.0000 more than the shape" in wrong
    # 0.65 − 0.40 and 0.73 − 0.52
    assert "ends 0.2300 ± 0.2541 above it" in wrong


def test_nothing_to_report(tmp_path, capsys):
    assert reports.report(tmp_path) == 2
    assert "no shootout-*.jsonl" in capsys.readouterr().out


def test_what_has_a_line_is_not_trained_again(tmp_path, monkeypatch):
    trained = []

    def compare(build_model, data, arms, *, seeds, epochs, on_run, **options):
        for name in arms:
            trained.append((name, *seeds, epochs))
            history = {"accuracy": [0.5], "val_accuracy": [0.5]}
            test = {"accuracy": 0.5, "loss": 1.0}
            on_run(Run(name, *seeds, epochs, history, 1.0, 1.0, test))

    pair = (np.zeros((2, 1)), np.zeros(2))
    testbed = testbeds.Testbed("digits", "plain", "zeros", pair, pair, pair, 32, lambda: None)
    monkeypatch.setattr(shootout, "compare", compare)
    path, names = tmp_path / "shootout-digits-plain.jsonl", ["linear", "power-step"]
    with pytest.raises(shootout.OutOfTimeError):
        shootout.run_all(testbed, names, range(2), path, until=0.0)
    assert len(path.read_text("utf-8").splitlines()) == 1
    with path.open("a", encoding="utf-8") as file:
        file.write('{"arm": "power-st')  # killed as it wrote
    for _ in range(2):
        shootout.run_all(testbed, names, range(2), path, until=float("inf"))

    lines = [json.loads(text) for text in path.read_text("utf-8").splitlines()]
    keys = [(one["arm"], one["seed"], one["epochs"], one["initial_learning_rate"]) for one in lines]
    assert len(keys) == len(set(keys)) == 2 * 2 * 4
    assert len(trained) == 2 * 2 * 4 - 2  # power-step from 1.0 is undefined, with each seed
    assert sum("undefined" in one for one in lines) == 2
