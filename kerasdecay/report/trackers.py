"""The rate a step at a time in Weights & Biases and in MLflow, through their public clients."""

from __future__ import annotations

import importlib
import re
import time
from typing import Any

from kerasdecay._checks import invalid
from kerasdecay.report.step_rates import PREFIX, by_step
from kerasdecay.report.timelines import trace_of

_BATCH = 1000
"""Metrics that MLflow takes in one call."""

_REFUSED = re.compile(r"[^\w\-. :/]")
"""What MLflow does not allow in the name of a metric."""


def to_wandb(training: Any, run: Any = None, *, epoch: int | None = None) -> int:
    """Log the rate of each step to a run of Weights & Biases.

    The metrics are `decay/learning_rate` (one for each optimizer) and what else was driven, such as
    `decay/momentum`. Their own axis, `decay/step`, counts batches from 0, so that they may be
    logged at any time and beside other metrics.

    Args:
        training: A decay callback after `fit` or within it, or its trace.
        run: What `wandb.init` returned; None takes the run that is active.
        epoch: Only this epoch, from 0, for a call at each epoch's end; None: all of the training.

    Returns:
        The number of steps logged.

    Raises:
        ImportError: If wandb is missing, with the command that installs it.
        ValueError: If no run is active, the callback has not trained, or the number of batches in
            an epoch is unknown.

    Examples:
        to_wandb(decay)  # after fit
        keras.callbacks.LambdaCallback(  # listed after the decay
            on_epoch_end=lambda epoch, logs: to_wandb(decay, epoch=epoch)
        )
    """
    trace = trace_of("to_wandb", training)
    if run is None:
        run = _client("wandb", "wandb").run
    if run is None:
        remedy = "Call wandb.init(…) first, or pass what it returns."
        raise invalid("to_wandb", "run", "a run of Weights & Biases", None, remedy)
    axis, count = f"{PREFIX}step", 0
    run.define_metric(axis)
    run.define_metric(f"{PREFIX}*", step_metric=axis)
    for step, values in by_step(trace, epoch):
        run.log({axis: step, **values})
        count += 1
    return count


def to_mlflow(training: Any, run_id: str | None = None, *, epoch: int | None = None) -> int:
    """Log the rate of each step to a run of MLflow.

    The metrics are `decay/learning_rate` (one for each optimizer) and what else was driven, such as
    `decay/momentum`; their steps count batches from 0. What MLflow does not allow in a name, such
    as the signs of a group's pattern, becomes `_`.

    Args:
        training: A decay callback after `fit` or within it, or its trace.
        run_id: The run; None takes the run that is active.
        epoch: Only this epoch, from 0, for a call at each epoch's end; None: all of the training.

    Returns:
        The number of steps logged.

    Raises:
        ImportError: If mlflow is missing, with the command that installs it.
        ValueError: If no run is active, the callback has not trained, or the number of batches in
            an epoch is unknown.

    Examples:
        to_mlflow(decay)  # after fit
        keras.callbacks.LambdaCallback(  # listed after the decay
            on_epoch_end=lambda epoch, logs: to_mlflow(decay, epoch=epoch)
        )
    """
    trace = trace_of("to_mlflow", training)
    mlflow = _client("mlflow", "mlflow-skinny")
    if run_id is None:
        active = mlflow.active_run()
        if active is None:
            remedy = "Call mlflow.start_run() first, or pass the id of a run."
            raise invalid("to_mlflow", "run_id", "the id of a run of MLflow", None, remedy)
        run_id = active.info.run_id
    new_metric, client = importlib.import_module("mlflow.entities").Metric, mlflow.MlflowClient()
    now, steps = int(time.time() * 1000), list(by_step(trace, epoch))
    metrics = [
        new_metric(_REFUSED.sub("_", name), value, now, step)
        for step, values in steps
        for name, value in values.items()
    ]
    for first in range(0, len(metrics), _BATCH):
        client.log_batch(run_id, metrics=metrics[first : first + _BATCH])
    return len(steps)


def _client(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"Logging to {name} needs it: pip install {package}") from error
