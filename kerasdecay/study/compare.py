"""`compare`: the same training with several learning-rate decays, under equal conditions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdecay import _checks
from kerasdecay._json import encode
from kerasdecay._names import takes_familiar
from kerasdecay.records.comparison import Comparison
from kerasdecay.records.run import Run
from kerasdecay.report.progress import ComparisonProgress
from kerasdecay.study import arguments, arrays
from kerasdecay.study.execution import Executor, executor_of
from kerasdecay.study.finder import needs_targets
from kerasdecay.study.resuming import finished_runs

if TYPE_CHECKING:  # Keras loads when the first comparison starts, not when this module does
    import joblib
    import keras

    from kerasdecay.study.training import RunSpec


@takes_familiar
def compare(
    build_model: Callable[[], keras.Model],
    data: Any,
    arms: Mapping[str, Any] | Sequence[Any],
    *,
    epochs: int,
    seeds: Iterable[int] | int = (0,),
    batch_size: int = 32,
    validation_data: Any = None,
    test_data: Any = None,
    output: str | os.PathLike[str] | None = None,
    resume: bool = False,
    verbose: int = 1,
    fit_arguments: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    parallel: int | joblib.Parallel | None = None,
    on_run: Callable[[Run], object] | None = None,
) -> Comparison:
    """Train every arm with every seed, each from the same initial weights and on the same batches.

    All arms of a seed start with the same initial weights and see the same batches in the same
    order, with the same dropout. They differ in their learning rate only, so paired differences
    are meaningful. Two other things can make them differ: GPU kernels that add in no fixed order
    (in the last digits), and a callback that draws from the global random generators while it
    trains. The function sets the seeds of Python, NumPy and the backend.

    Args:
        build_model: A function without arguments that returns a new, compiled model.
        data: Training inputs and targets, `(x, y)`, or inputs alone, `(x,)` or x, each an array or
            a dict of arrays, all of the same length. A `tf.data.Dataset` of batches is read once,
            into arrays, so random augmentation in it is fixed. Each epoch shuffles the arrays into
            batches of `batch_size`.
        arms: Name → what sets the learning rate: None (the compiled rate is left alone), a
            number > 0 (a fixed rate), a schedule, a rule, or the name of one (`"cosine"`,
            `"plateau"`), a Keras callback (copied for each run), or a function without arguments
            that returns a callback or a list of them. A list of arms names each by its class or
            by its value.
        epochs: Epochs of each run, an integer >= 1.
        seeds: Different integers >= 0; a number n stands for 0 to n − 1.
        batch_size: Examples per step, an integer >= 1.
        validation_data: Like `data`, evaluated after each epoch. The data for metrics that rules
            monitor.
        test_data: Like `data`, evaluated once, after the last epoch of a run.
        output: A folder. Each finished run is written there at once, as
            `runs/<arm>-seed<seed>.json`.
        resume: True takes finished runs from `output` instead of training them again. Their
            configuration (arm, epochs, batch size, data, model, `fit_arguments`, `metadata`) must
            equal that of this call. A model is compared layer by layer with all options, a
            function by its name only: if you change its body, use another folder.
        verbose: 1 shows the progress of each run (in parallel: its end), 0 writes nothing. After
            `keras.utils.disable_interactive_logging()` the lines go to the absl log.
        fit_arguments: Further arguments of `fit`, the same for every run.
        metadata: JSON data that belongs to the experiment (the name of the data set, for example).
            It is kept in every run and must be the same when resuming.
        parallel: How many runs are trained at the same time, each in a process of its own: None
            trains one after the other in this process; a number of processes, -1 for one per core;
            or a `joblib.Parallel`. With `joblib.parallel_config("dask")` around the call, and any
            number, they are trained on a Dask cluster. The result equals that of the serial call.
        on_run: A function that is called with each run when it ends, in this process and not in a
            worker, after the run's file is written (to log the run elsewhere, for example). An
            error that it raises ends the comparison as Ctrl-C does. It is not called for runs that
            are taken from `output`.

    Returns:
        The finished runs: a table, curves, JSON and CSV (see `Comparison`).

    Raises:
        ValueError: If an argument is out of its range, or the model is not compiled.
        OutputError: (a ValueError) If `output` holds runs and `resume` is not set, or runs of
            another configuration, or a file that is not a whole run.
        LostRunsError: (a RuntimeError) If worker processes died, and their runs with them. All
            others are finished first.

    An error or Ctrl-C in a run ends the comparison; the finished runs are in `output`, and
    `resume=True` goes on with the others. In parallel, the runs that are under way when one fails
    with an error are trained to their end and kept.

    Examples:
        >>> import keras, numpy as np
        >>> def build_model():
        ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        ...     model.compile("sgd", "mse")
        ...     return model
        >>> x = np.eye(2, dtype="float32")
        >>> arms = {"large": 0.1, "small": 0.001}
        >>> result = compare(build_model, (x, x.sum(1)), arms, epochs=3, verbose=0)
        >>> losses = result.final("loss")
        >>> losses["large"] < losses["small"]
        True
    """
    import keras

    _check_order(build_model, data)
    speaks = arguments.speaks("compare", verbose)
    resume = _checks.flag("compare", "resume", resume)
    folder = arguments.folder("compare", "output", output)
    execute = executor_of(parallel)
    if on_run is not None:
        _checks.function("compare", "on_run", on_run, "a function or None")
    specs = _specs(
        _checks.function("compare", "build_model", build_model, "a function"),
        arrays.arrays("data", data),
        arms,
        epochs=arguments.count("compare", "epochs", epochs, at_least=1),
        seeds=arguments.different_seeds(seeds),
        batch_size=arguments.count("compare", "batch_size", batch_size, at_least=1),
        validation_data=arrays.optional_arrays("validation_data", validation_data),
        test_data=arrays.optional_arrays("test_data", test_data),
        fit_arguments=arguments.fit_arguments_of(fit_arguments),
        metadata=arguments.plain_metadata(metadata),
    )
    finished = {} if folder is None else finished_runs(folder, specs, resume)
    progress = ComparisonProgress(
        speaks,
        total=len(specs),
        parallel=parallel is not None,
        interactive=keras.utils.is_interactive_logging_enabled(),
    )
    runs = _run_all(execute, specs, finished, folder, progress, on_run)
    return Comparison(tuple(sorted(runs, key=lambda run: (run.arm_index, run.seed))))


def _check_order(build_model: Any, data: Any) -> None:
    """Say which argument is which where one stands in the place of another."""
    import keras

    from kerasdecay.study.arms import is_arms

    for where, given in (("build_model", build_model), ("data", data)):
        if is_arms(given):
            raise ValueError(
                "compare: the arguments must be in this order: compare(build_model, data, arms, "
                f"epochs=…), with (x, y) as data. Received: {where}={_checks.shown(given)}."
            )
    if isinstance(build_model, keras.Model):
        allowed = "a function that returns a new, compiled model"
        remedy = "Each run begins with a new one: def build_model(): …; return model."
        raise _checks.invalid("compare", "build_model", allowed, build_model, remedy)


def _run_all(
    execute: Executor,
    specs: list[RunSpec],
    finished: Mapping[tuple[str, int], Run],
    folder: Path | None,
    progress: ComparisonProgress,
    tell: Callable[[Run], object] | None,
) -> list[Run]:
    """Train the runs that are not finished; write each one and call `tell` with it as it ends."""
    progress.resumed(len(finished), folder)
    runs = list(finished.values())
    waiting = [spec for spec in specs if (spec.arm, spec.seed) not in finished]
    try:
        with closing(execute(waiting, progress)) as trained:
            for run in trained:
                if folder is not None:
                    run.write(folder)
                runs.append(run)
                progress.finished(run)
                if tell is not None:
                    tell(run)
    except BaseException:
        progress.stopped(len(runs), folder)
        raise
    return runs


def _specs(
    build_model: Callable[[], keras.Model],
    data: arrays.Data,
    arms: Mapping[str, Any] | Sequence[Any],
    *,
    seeds: tuple[int, ...],
    metadata: Any,
    **settings: Any,
) -> list[RunSpec]:
    """Return all runs in their order: all arms of a seed before the next seed."""
    from kerasdecay.study import arms as arms_of
    from kerasdecay.study import configuration as describe
    from kerasdecay.study.training import RunSpec, new_model, set_fixed_rate

    checked = arms_of.check_arms(arms)
    probe = new_model(build_model, seed=0)  # independent of the seeds of this call
    if len(data) == 1 and needs_targets(probe):
        allowed = "(x, y) for a model that is compiled with a loss"
        raise _checks.invalid("compare", "data", allowed, "inputs alone")
    common = {
        "epochs": settings["epochs"],
        "batch_size": settings["batch_size"],
        "data": describe.describe_data(data),
        "validation_data": describe.describe_data(settings["validation_data"]),
        "test_data": describe.describe_data(settings["test_data"]),
        "model": describe.describe_model(probe),
        "fit_arguments": describe.plain(settings["fit_arguments"]),
        "metadata": metadata,
    }
    for name, arm in checked.items():
        if isinstance(arm, float):
            set_fixed_rate(probe, name, arm)
    described = {name: arms_of.describe(arm) for name, arm in checked.items()}
    return [
        RunSpec(
            arm=name,
            arm_index=index,
            seed=seed,
            what=arm,
            build_model=build_model,
            data=data,
            configuration=encode({"arm": described[name], "seed": seed, **common}),
            **settings,
        )
        for seed in seeds
        for index, (name, arm) in enumerate(checked.items())
    ]
