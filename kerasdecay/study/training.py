"""One run: an arm, a seed, a new model, one call of `fit`, independent of all other runs."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from kerasdecay.records import Trace
from kerasdecay.records.run import Run
from kerasdecay.study.arms import Arm, callbacks_of
from kerasdecay.study.arrays import Data, length
from kerasdecay.study.environment import environment
from kerasdecay.study.epoch_log import EpochLog
from kerasdecay.training.targets import shortest


@dataclass(frozen=True)
class RunSpec:
    """Everything that one run needs, in a form that can be sent to another process."""

    arm: str
    arm_index: int
    seed: int
    what: Arm
    build_model: Callable[[], keras.Model]
    data: Data
    validation_data: Data | None
    test_data: Data | None
    epochs: int
    batch_size: int
    fit_arguments: Mapping[str, Any]
    configuration: Mapping[str, Any]
    verbose: int = 0


def train(spec: RunSpec) -> Run:
    """Train one arm with one seed, and return its record.

    The seed is set before the model is built, so that every arm of a seed starts from the same
    weights. It is set again before `fit`, so that every arm sees the same batches and the same
    dropout, even if building the model or the callbacks used the random generators.
    """
    model = new_model(spec.build_model, spec.seed)
    needs_steps = ""
    if isinstance(spec.what, float):
        set_fixed_rate(model, spec.arm, spec.what)
        needs_steps = f"compare: arms[{spec.arm!r}]={spec.what!r} sets the rate of model.optimizer"
    callbacks = callbacks_of(spec.what)
    steps = spec.fit_arguments.get("steps_per_epoch")
    epoch_log = EpochLog(steps * spec.batch_size if steps else length(spec.data), needs_steps)

    keras.utils.set_random_seed(spec.seed)
    started = time.perf_counter()
    model.fit(
        *spec.data,
        epochs=spec.epochs,
        batch_size=spec.batch_size,
        validation_data=spec.validation_data,
        callbacks=[*callbacks, epoch_log],
        verbose=spec.verbose,
        **spec.fit_arguments,
    )
    seconds = time.perf_counter() - started

    test: dict[str, float] = {}
    if spec.test_data is not None:
        results = model.evaluate(
            *spec.test_data, batch_size=spec.batch_size, verbose=0, return_dict=True
        )
        test = {name: shortest(float(value)) for name, value in results.items()}
    run = Run(
        arm=spec.arm,
        seed=spec.seed,
        epochs=spec.epochs,
        history=epoch_log.columns(),
        seconds=round(seconds, 3),
        images_per_second=round(epoch_log.images_per_second(), 2),
        test=test,
        events=tuple(str(event) for item in callbacks for event in getattr(item, "events", ())),
        environment=environment(),
        configuration=spec.configuration,
        arm_index=spec.arm_index,
        courses=epoch_log.courses(
            one.trace for one in callbacks if isinstance(getattr(one, "trace", None), Trace)
        ),
    )
    del model, callbacks, epoch_log
    gc.collect()  # a model is a cycle of references: hundreds of runs would fill the memory
    return run


def new_model(build_model: Callable[[], keras.Model], seed: int) -> keras.Model:
    """Return what `build_model()` builds from a seed; ValueError unless it is compiled and new."""
    keras.utils.set_random_seed(seed)
    model = build_model()
    if not isinstance(model, keras.Model) or not model.compiled:
        raise ValueError(
            "compare: build_model must return a compiled keras.Model. "
            f"Received: {model!r}. Call model.compile(...) before returning it."
        )
    iterations = getattr(model.optimizer, "iterations", None)
    if iterations is not None and int(keras.ops.convert_to_numpy(iterations)) > 0:
        raise ValueError(
            "compare: build_model must return a new model at each call. Received: one that has "
            "already trained. Build the layers inside the function."
        )
    return model


def set_fixed_rate(model: keras.Model, arm: str, learning_rate: float) -> None:
    """Set a fixed learning rate, or raise a `ValueError` if the optimizer takes none."""
    try:
        model.optimizer.learning_rate = learning_rate
    except (TypeError, AttributeError) as error:
        raise ValueError(
            f"compare: arms[{arm!r}]={learning_rate!r} is a fixed learning rate, but the "
            f"optimizer does not take one ({error}). Compile it with a number as its "
            "learning_rate, or give None to leave it alone."
        ) from error
