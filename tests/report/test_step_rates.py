"""The rate a step at a time, for TensorBoard, Weights & Biases and MLflow."""

from __future__ import annotations

import sys
import types
from typing import Any

import keras
import numpy as np
import pytest
from tiny import LEVEL_DATA, STEPS, fit, level_odometer, odometer

from kerasdecay import CosineDecay, LearningRateDecay, PlateauDecay, StepDecay
from kerasdecay.records import Setup, Trace
from kerasdecay.report import to_mlflow, to_tensorboard, to_wandb
from kerasdecay.report.step_rates import step_rates
from kerasdecay.schedules import Constant, Linear, simulate

EPOCHS = 3
NAME = "decay/learning_rate"


def trained(decay: Any = None) -> Any:
    decay = decay or StepDecay(0.5, every=1, factor=0.5)
    fit(odometer(), [decay], EPOCHS)
    return decay


def told(series: Any) -> list[tuple[int, float]]:
    steps, values = series["learning_rate"]
    return list(zip(steps.tolist(), values.tolist(), strict=True))


def test_a_staircase_has_both_ends_of_each_step() -> None:
    trace = trained().trace
    expected = [(0, 0.5), (3, 0.5), (4, 0.25), (7, 0.25), (8, 0.125), (11, 0.125)]
    assert told(step_rates(trace)) == expected
    assert told(step_rates(trace, epoch=1)) == expected[2:4]
    constant = trained(LearningRateDecay(Constant(0.5))).trace
    assert told(step_rates(constant)) == [
        (0, 0.5),
        (3, 0.5),
        (4, 0.5),
        (7, 0.5),
        (8, 0.5),
        (11, 0.5),
    ]
    assert told(step_rates(constant, epoch=2)) == [(8, 0.5), (11, 0.5)]


@pytest.mark.parametrize("update", ["batch", "compiled"])
def test_a_curve_has_the_rate_of_every_step(update: str) -> None:
    trace = trained(LearningRateDecay(Linear(0.5), update=update)).trace
    rates = simulate(Linear(0.5), epochs=EPOCHS, steps_per_epoch=STEPS)
    steps, values = step_rates(trace)["learning_rate"]
    assert steps.tolist() == list(range(EPOCHS * STEPS))
    np.testing.assert_allclose(values, rates, rtol=1e-6)


def test_a_decision_within_an_epoch_stands_at_its_step() -> None:
    decay = PlateauDecay("loss", 0.5, 1, min_delta=99.0, every="3 steps")
    fit(level_odometer(), [decay], 1, **LEVEL_DATA)
    assert told(step_rates(decay.trace)) == [
        (0, 0.5), (5, 0.5), (6, 0.25), (8, 0.25), (9, 0.125)
    ]  # fmt: skip


def test_what_else_is_driven_has_a_curve_too() -> None:
    decay = LearningRateDecay(Constant(0.5), momentum=Linear(0.9))
    model = odometer()
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.5, momentum=0.9), "mse")
    fit(model, [decay], EPOCHS)
    steps, values = step_rates(decay.trace)["momentum"]
    expected = simulate(Linear(0.9), epochs=EPOCHS, steps_per_epoch=STEPS)
    np.testing.assert_allclose(values, expected[steps], rtol=1e-6)


def test_a_thinned_curve_has_the_rows_that_are_there() -> None:
    setup = Setup(
        "Decay", Constant(0.1), (), "batch", 2, 60_000, {"learning_rate": None}, "given", 0
    )
    trace, batches = Trace(setup), np.arange(60_000)
    for epoch in range(2):
        rates = 1.0 / (1 + epoch * 60_000 + batches)
        trace.record_epoch(epoch, batches, {"learning_rate": rates})
        trace.record_logs(epoch, {})
    assert trace.is_thinned
    steps, values = step_rates(trace)["learning_rate"]
    np.testing.assert_array_equal(values, 1.0 / (1 + steps))


def test_tensorboard_shows_each_step(tmp_path: Any) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    decay = trained(CosineDecay(0.5))
    assert to_tensorboard(decay, tmp_path / "logs") == EPOCHS * STEPS
    events = accumulators.EventAccumulator(str(tmp_path / "logs"), {"tensors": 0})
    events.Reload()
    assert events.SummaryMetadata(NAME).plugin_data.plugin_name == "scalars"
    found = [(one.step, one.tensor_proto.float_val[0]) for one in events.Tensors(NAME)]
    assert [step for step, _ in found] == list(range(EPOCHS * STEPS))
    np.testing.assert_allclose([rate for _, rate in found], decay.trace.learning_rates, rtol=1e-6)


class WandbRun:
    """The two calls of a run of Weights & Biases that are made."""

    def __init__(self) -> None:
        self.axes: dict[str, str | None] = {}
        self.logged: list[dict[str, float]] = []

    def define_metric(self, name: str, step_metric: str | None = None) -> None:
        self.axes[name] = step_metric

    def log(self, data: dict[str, float]) -> None:
        self.logged.append(data)


def test_wandb_gets_the_steps_as_an_axis(monkeypatch: Any) -> None:
    decay, run = trained(), WandbRun()
    assert to_wandb(decay, run) == 6
    assert run.axes == {"decay/step": None, "decay/*": "decay/step"}
    assert run.logged[1:3] == [{"decay/step": 3, NAME: 0.5}, {"decay/step": 4, NAME: 0.25}]
    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(run=run))
    assert to_wandb(decay, epoch=2) == 2
    assert run.logged[6:] == [{"decay/step": 8, NAME: 0.125}, {"decay/step": 11, NAME: 0.125}]
    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(run=None))
    with pytest.raises(ValueError, match=r"to_wandb: run must be .*Call wandb\.init"):
        to_wandb(decay)


def test_each_epoch_can_be_logged_as_it_ends() -> None:
    decay, run = StepDecay(0.5, every=1, factor=0.5), WandbRun()
    logger = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: to_wandb(decay, run, epoch=epoch)
    )
    fit(odometer(), [decay, logger], EPOCHS)
    once = WandbRun()
    to_wandb(decay, once)
    assert run.logged == once.logged


def test_mlflow_gets_metrics_with_steps(monkeypatch: Any) -> None:
    logged: list[tuple[str, list[Any]]] = []

    class Client:
        def log_batch(self, run_id: str, metrics: list[Any]) -> None:
            logged.append((run_id, metrics))

    active = types.SimpleNamespace(info=types.SimpleNamespace(run_id="abc"))
    mlflow: Any = types.ModuleType("mlflow")
    mlflow.MlflowClient, mlflow.active_run = Client, lambda: active
    entities: Any = types.ModuleType("mlflow.entities")
    entities.Metric = lambda *given: given
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    decay = trained()
    monkeypatch.setattr("kerasdecay.report.trackers._BATCH", 4)
    assert to_mlflow(decay) == 6
    assert [(run, len(metrics)) for run, metrics in logged] == [("abc", 4), ("abc", 2)]
    name, value, _, step = logged[1][1][0]
    assert (name, value, step) == (NAME, 0.125, 8)
    assert to_mlflow(decay, "other", epoch=0) == 2
    assert logged[-1][0] == "other"
    to_mlflow(
        trained(StepDecay(0.5, every=1, factor=0.5, group_factors={".*/kernel$": Linear(1.0)}))
    )
    assert "decay/group_factor/._/kernel_" in {name for name, *_ in logged[-1][1]}
    mlflow.active_run = lambda: None
    with pytest.raises(ValueError, match=r"to_mlflow: run_id must be .*mlflow\.start_run"):
        to_mlflow(decay)


def test_the_real_mlflow_keeps_the_steps(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())  # a folder, without a server
    with mlflow.start_run() as run:
        to_mlflow(trained())
    found = mlflow.MlflowClient().get_metric_history(run.info.run_id, NAME)
    steps = sorted((one.step, one.value) for one in found)
    assert steps == [(0, 0.5), (3, 0.5), (4, 0.25), (7, 0.25), (8, 0.125), (11, 0.125)]


def test_the_real_wandb_takes_them_offline(tmp_path: Any) -> None:
    wandb = pytest.importorskip("wandb")
    with wandb.init(mode="offline", dir=str(tmp_path), project="rates") as run:
        assert to_wandb(trained()) == 6
        assert run.summary[NAME] == 0.125


@pytest.mark.parametrize(("send", "package"), [(to_wandb, "wandb"), (to_mlflow, "mlflow-skinny")])
def test_what_is_missing_names_the_command(monkeypatch: Any, send: Any, package: str) -> None:
    monkeypatch.setitem(sys.modules, package.removesuffix("-skinny"), None)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        send(trained())


def test_without_a_number_of_steps_there_is_none_to_tell() -> None:
    setup = Setup("Decay", Constant(0.1), (), "epoch", 2, None, {"learning_rate": None}, "given", 0)
    with pytest.raises(ValueError, match="steps needs a known number of batches"):
        to_wandb(Trace(setup), WandbRun())
    with pytest.raises(ValueError, match="to_tensorboard: training must be"):
        to_tensorboard(None, "logs")
