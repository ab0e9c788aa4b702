"""`compare(parallel=…)`: what is trained elsewhere is what is trained here, and is not lost."""

from __future__ import annotations

import os
import random
import re
import signal
import sys
import threading

import dask
import joblib
import keras
import numpy as np
import pytest
from distributed import Client, LocalCluster

from kerasdecay import PowerStepDecay
from kerasdecay.report.progress import ComparisonProgress
from kerasdecay.study import Comparison, compare
from kerasdecay.study.execution import LostRunsError

ROWS, BATCH, EPOCHS = 24, 8, 3
_random = np.random.default_rng(0)
# Over a megabyte: joblib hands arrays of this size to processes as memory-mapped files.
X = _random.normal(size=(ROWS, 12_000)).astype("float32")
Y = (X.sum(axis=1) > 0).astype("int64")


def build_model_function():
    """Return a local function: another process gets it by its code, not by its name."""

    def build_model():
        model = keras.Sequential(
            [keras.Input(X.shape[1:]), keras.layers.Dense(6), keras.layers.Dropout(0.3)]
        )
        model.add(keras.layers.Dense(2))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss=loss, run_eagerly=True)
        return model

    return build_model


def at_the_start(act):
    """Return an arm, a local class, whose callback calls `act` before the first step."""

    class Acting(keras.callbacks.Callback):
        events = ()

        def on_train_begin(self, logs=None):
            self.events = act() or ()

    return Acting


def run_compare(arms, **options):
    defaults = {"epochs": EPOCHS, "batch_size": BATCH, "verbose": 0}
    return compare(build_model_function(), (X, Y), arms, **{**defaults, **options})


ARMS = {
    "fixed": 0.05,
    "instance": PowerStepDecay(0.1),
    "lambda": lambda: keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1)),
}
OPTIONS = {"seeds": (0, 1), "validation_data": (X[:16], Y[:16]), "test_data": (X[16:], Y[16:])}


@pytest.fixture(scope="module")
def serial():
    return run_compare(ARMS, **OPTIONS)


@pytest.fixture(scope="module")
def cluster():
    """Start two Dask workers, that give a task up at its first death."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as local,
        Client(local),
    ):
        yield


def assert_equal(result, serial):
    names = ("arm", "arm_index", "seed", "history", "test", "events", "configuration")
    for name in names:
        assert [getattr(run, name) for run in result.runs] == [
            getattr(run, name) for run in serial.runs
        ], name


def finished_in(folder):
    return sorted(path.name for path in (folder / "runs").glob("*.json"))


# --------------------------------------------------------------------------- the same result


def test_two_processes_give_the_serial_result_without_a_byte(serial, tmp_path, capfd):
    result = run_compare(ARMS, parallel=2, output=tmp_path, **OPTIONS)
    assert capfd.readouterr().out == ""
    assert_equal(result, serial)
    assert Comparison.load(tmp_path) == result
    np.testing.assert_array_equal(run_compare(ARMS, parallel=1, **OPTIONS).arms, serial.arms)


def test_a_parallel_of_ones_own_may_return_lists(serial):
    assert_equal(run_compare(ARMS, parallel=joblib.Parallel(2), **OPTIONS), serial)


def test_a_dask_cluster_gives_the_serial_result(serial, cluster, tmp_path):
    with joblib.parallel_config("dask"):
        result = run_compare(ARMS, parallel=2, output=tmp_path, **OPTIONS)
    assert_equal(result, serial)
    assert Comparison.load(tmp_path) == result


def test_a_thread_that_draws_random_numbers_changes_nothing(serial):
    """In a worker that is a thread of this process, beside one that draws all the time."""
    functions, stop = dict(vars(random)), threading.Event()

    def draw():
        while not stop.wait(1e-4):
            random.random()

    drawing = threading.Thread(target=draw)
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as local,
        Client(local),
        joblib.parallel_config("dask"),
    ):
        drawing.start()
        try:
            result = run_compare({"fixed": ARMS["fixed"]}, parallel=1, **OPTIONS)
        finally:
            stop.set()
            drawing.join()
    assert [run.history for run in result.runs] == [run.history for run in serial.of("fixed")]
    assert dict(vars(random)) == functions


def test_a_worker_has_the_settings_of_the_process_that_asks():
    def look():
        names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "KERAS_BACKEND")
        return [
            os.getpid(),
            keras.config.epsilon(),
            keras.config.dtype_policy().name,
            *map(os.environ.get, names),
        ]

    before = keras.config.epsilon(), keras.config.dtype_policy()
    keras.config.set_epsilon(1e-5)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        (run,) = run_compare({"look": at_the_start(look)}, parallel=2).runs
    finally:
        keras.config.set_epsilon(before[0])
        keras.config.set_dtype_policy(before[1])
    pid, epsilon, policy, threads, tensorflow_threads, backend = run.events
    assert int(pid) != os.getpid()
    assert (epsilon, policy, backend) == ("1e-05", "mixed_bfloat16", keras.backend.backend())
    assert threads == tensorflow_threads


def test_one_line_a_finished_run(capfd, tmp_path):
    run_compare({"a": 0.1}, parallel=2, output=tmp_path)
    capfd.readouterr()
    run_compare({"a": 0.1, "b": 0.2}, parallel=2, verbose=1, output=tmp_path, resume=True)
    first, last = capfd.readouterr().out.splitlines()
    assert first.startswith("1 of 2 runs were finished before")
    assert re.fullmatch(r"b · seed 0: done in \d+ s, [\d,]+ images/s · 2 of 2", last)


# --------------------------------------------------------------------- errors and interruption


class OddError(Exception):
    """Cannot be built again from its `args`."""

    def __init__(self, one, other):
        super().__init__(one)
        self.other = other


def test_an_error_ends_the_comparison_and_names_its_run(tmp_path):
    def fail():
        raise ZeroDivisionError("out of luck")

    arms = {"first": 0.1, "second": at_the_start(fail), "third": 0.2}
    with pytest.raises(ZeroDivisionError, match="out of luck") as caught:
        run_compare(arms, parallel=1, output=tmp_path)
    assert caught.value.__notes__ == ["compare: in arm 'second', seed 0"]
    assert "in fail" in str(caught.value.__cause__)  # the worker's own traceback
    assert finished_in(tmp_path) == ["first-seed0.json"]


def test_what_is_under_way_beside_an_error_is_kept(tmp_path):
    def fail():
        raise ZeroDivisionError("out of luck")

    arms = {"bad": at_the_start(fail), "good": 0.1, **{f"later {n}": 0.1 for n in range(6)}}
    with pytest.raises(ZeroDivisionError):
        run_compare(arms, parallel=joblib.Parallel(2, batch_size=1), output=tmp_path)
    assert finished_in(tmp_path) == ["good-seed0.json"]


def test_an_error_that_cannot_travel_arrives_in_words():
    def fail():
        raise OddError("strange", "thing")

    with pytest.raises(RuntimeError, match=r"^OddError: strange"):
        run_compare({"a": at_the_start(fail)}, parallel=1)


def test_an_interrupted_run_ends_the_comparison(tmp_path, capsys):
    def interrupt():
        raise KeyboardInterrupt

    arms = {"first": 0.1, "second": at_the_start(interrupt), "third": 0.2}
    with pytest.raises(KeyboardInterrupt):
        run_compare(arms, parallel=1, output=tmp_path, verbose=1)
    assert "stopped after 1 of 3 runs" in capsys.readouterr().out
    assert finished_in(tmp_path) == ["first-seed0.json"]


@pytest.mark.parametrize(
    ("parallel", "message"),
    [
        (0, r"parallel must be None, an integer other than 0 .*Received: parallel=0"),
        (True, r"parallel must be .*=True"),
        (1.5, r"parallel must be .*=1\.5"),
        ("dask", r"parallel must be .*='dask'"),
    ],
)
def test_parallel_is_checked_before_anything_is_made(parallel, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        run_compare({"a": 0.1}, parallel=parallel, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("backend", ["threading", "multiprocessing"])
def test_workers_that_share_or_copy_this_process_are_refused(backend):
    with (
        joblib.parallel_config(backend),
        pytest.raises(ValueError, match=r"processes of their own.*Received: joblib's"),
    ):
        run_compare({"a": 0.1}, parallel=2)


def test_what_cannot_be_pickled_is_named(tmp_path):
    lock = threading.Lock()

    def holding():
        assert lock
        return keras.callbacks.TerminateOnNaN()

    with pytest.raises(ValueError, match=r"arms\['holding'\] must be .*pickled.*lock"):
        run_compare({"a": 0.1, "holding": holding}, parallel=2, output=tmp_path)
    assert finished_in(tmp_path) == []
    with pytest.raises(ValueError, match=r"fit_arguments must be .*pickled"):
        run_compare({"a": 0.1}, parallel=2, fit_arguments={"sample_weight": lock})


def test_an_arm_that_has_trained_before_does_not_send_its_model():
    callback = keras.callbacks.TerminateOnNaN()
    callback.set_model(build_model_function()())
    callback.model.unpicklable = threading.Lock()
    assert len(run_compare({"used": callback}, parallel=2).runs) == 1


def test_without_joblib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "joblib", None)
    with pytest.raises(ImportError, match=r'pip install "kerasdecay\[parallel\]"'):
        run_compare({"a": 0.1}, parallel=2)


# -------------------------------------------------------------- last: these end the processes


@pytest.mark.parametrize(
    ("die", "told"),
    [
        (lambda: os._exit(9), "exit code 9"),  # the process of the run
        (lambda: os.kill(os.getppid(), signal.SIGKILL), "KilledWorker"),  # the Dask worker
    ],
)
def test_a_dead_dask_worker_loses_its_run_only(cluster, tmp_path, die, told):
    arms = {"first": 0.1, "deadly": at_the_start(die), "last": 0.2}
    with (
        joblib.parallel_config("dask"),
        pytest.raises(LostRunsError, match=rf"^compare: 1 of 3 .*\(arm 'deadly', seed 0\).*{told}"),
    ):
        run_compare(arms, parallel=2, output=tmp_path)
    assert finished_in(tmp_path) == ["first-seed0.json", "last-seed0.json"]


def test_a_dead_process_loses_its_run_only_and_resume_trains_it(tmp_path):
    flag = tmp_path / "deadly"
    flag.touch()

    def die():
        if flag.exists():
            os.kill(os.getpid(), signal.SIGKILL)

    arms = {"deadly": at_the_start(die), "fixed": ARMS["fixed"], "instance": ARMS["instance"]}
    with pytest.raises(
        LostRunsError, match=r"^compare: 1 of 3 .*\(arm 'deadly', seed 0\).*SIGKILL"
    ):
        run_compare(arms, parallel=2, output=tmp_path)
    kept = ["fixed-seed0.json", "instance-seed0.json"]
    assert finished_in(tmp_path) == kept
    written = [(tmp_path / "runs" / name).stat().st_mtime_ns for name in kept]

    flag.unlink()
    result = run_compare(arms, parallel=2, output=tmp_path, resume=True)
    assert result.arms == ("deadly", "fixed", "instance")
    assert [(tmp_path / "runs" / name).stat().st_mtime_ns for name in kept] == written
    again = run_compare({"fixed": ARMS["fixed"], "instance": ARMS["instance"]})
    assert [run.history for run in result.runs[1:]] == [run.history for run in again.runs]


def test_an_interruption_keeps_what_is_finished(tmp_path, monkeypatch, recwarn):
    monkeypatch.setattr(
        ComparisonProgress, "finished", lambda *_: signal.raise_signal(signal.SIGINT)
    )
    with pytest.raises(KeyboardInterrupt):
        run_compare(ARMS, parallel=2, output=tmp_path)
    assert len(finished_in(tmp_path)) == 1
    assert not [warning for warning in recwarn if "joblib" in warning.filename]
