"""A chief and two workers, each a process, over the loopback interface of this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerasdecay.schedules import simulate
from kerasdecay.tuner import DecayHyperModel, best_decay, search_result
from kerasdecay.tuner.fitting import Drawn

PROGRAM = Path(__file__).with_name("distributed_program.py")
ROOT = PROGRAM.parents[2]
NAMES = ("chief", "worker_0", "worker_1")
EPOCHS, STEPS = 4, 2
LIMIT = 300  # seconds, against a process that would wait for ever: the search takes about ten


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def processes(tmp_path):
    """Start all three; they wait for a line before they search."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(free_port()),
    }
    started = {
        name: subprocess.Popen(
            [sys.executable, str(PROGRAM), str(tmp_path), str(EPOCHS), str(STEPS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(tmp_path / f"{name}.log").open("w"),
            text=True,
            env={**environment, "KERASTUNER_TUNER_ID": name},
        )
        for name in NAMES
    }
    yield started
    for process in started.values():
        process.kill()
        process.communicate()


@pytest.mark.any_backend
def test_hyperband_with_a_chief_and_two_workers(
    processes, tmp_path, make, build_model, monkeypatch
):
    for name, process in processes.items():
        assert process.stdout.readline() == "ready\n", (tmp_path / f"{name}.log").read_text()
    answers = {}
    for process in processes.values():
        process.stdin.write("go\n")
        process.stdin.flush()
    for name, process in reversed(processes.items()):  # the chief ends last
        output, _ = process.communicate(timeout=LIMIT)
        assert process.returncode == 0, (tmp_path / f"{name}.log").read_text()
        answers[name] = json.loads(output)

    # Workers train and do not know the trials, the chief knows them and does not train.
    assert answers["chief"]["rates"] == []
    trained = [rates for name in NAMES[1:] for rates in answers[name]["rates"]]
    for name in NAMES[1:]:
        assert answers[name]["rates"]
        for question in ("best_decay", "search_result"):
            text = answers[name][question]
            assert text.startswith(f"{question}: tuner must be the chief's in a distributed search")
            assert "KERASTUNER_TUNER_ID is chief" in text

    result = answers["chief"]["search_result"]
    assert {trial["status"] for trial in result["trials"]} == {"COMPLETED"}
    assert len(trained) == len(result["trials"])
    hypermodel = DecayHyperModel(build_model, ("power_step", "cosine", "step"))
    for trial in result["trials"]:
        candidate = hypermodel.space.decays[trial["decay"]]
        drawn = Drawn(
            candidate, hypermodel.space.settings, trial["learning_rate"], trial["parameters"]
        )
        planned = simulate(drawn.decay(), epochs=EPOCHS, steps_per_epoch=STEPS)
        assert trial["horizon"] == EPOCHS  # Hyperband's max_epochs, also in a worker
        ends = planned[STEPS - 1 : trial["epochs"] * STEPS : STEPS]
        np.testing.assert_allclose(trial["learning_rates"], ends, rtol=2e-6)
        # One rung of the trial is among the trainings: a part of the whole schedule.
        first = 1 if trial["epochs"] == EPOCHS else 0
        rungs = [planned[start * STEPS : trial["epochs"] * STEPS] for start in (0, first)]
        assert any(
            len(rates) == len(rung) and np.allclose(rates, rung, rtol=2e-6)
            for rates in trained
            for rung in rungs
        )

    # The folder tells the same to a later process that is the chief without being asked.
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
    again = make("Hyperband", hypermodel, max_epochs=EPOCHS, factor=EPOCHS)
    reloaded = search_result(again)
    assert [trial.trial_id for trial in reloaded.trials] == [
        trial["trial_id"] for trial in result["trials"]
    ]
    best = simulate(best_decay(again), epochs=EPOCHS, steps_per_epoch=STEPS)
    np.testing.assert_allclose(best, answers["chief"]["best_decay"], rtol=1e-6)
