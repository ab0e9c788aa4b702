"""One run in another process, with the Keras settings of the process that asked for it.

Nothing here imports a framework before `_apply` has prepared the process for it.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from kerasdecay.records.run import Run
    from kerasdecay.study.training import RunSpec

_DATA = ("data", "validation_data", "test_data")

_SETTINGS = ("backend", "floatx", "epsilon", "image_data_format", "dtype_policy")


def keras_settings() -> dict[str, Any]:
    """Return Keras' global settings, which another process does not have."""
    import keras

    found = {name: getattr(keras.config, name)() for name in _SETTINGS}
    return {**found, "dtype_policy": found["dtype_policy"].name}


def _apply(settings: dict[str, Any]) -> None:
    """Give this process the Keras settings of another one."""
    wanted = settings["backend"]
    if "keras" not in sys.modules:
        for name, value in {"KERAS_BACKEND": wanted, **_defaults()}.items():
            os.environ.setdefault(name, value)
    import keras

    if keras.config.backend() != wanted:
        raise RuntimeError(
            f"compare: this process runs Keras on {wanted}, a worker on {keras.config.backend()}. "
            f"Start the workers with KERAS_BACKEND={wanted}."
        )
    for name in _SETTINGS[1:]:
        getattr(keras.config, f"set_{name}")(settings[name])


def _defaults() -> dict[str, str]:
    """Return the environment variables of a worker that shares its machine with others.

    joblib and Dask say in `OMP_NUM_THREADS` how many threads a worker may use. torch reads it;
    TensorFlow and XLA (`NPROC`) do not, and would start one thread per core in each worker.
    """
    defaults = {
        "TF_CPP_MIN_LOG_LEVEL": "2",  # the first process has shown the start-up messages already
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # otherwise the first worker takes the whole card
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads:
        names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC")
        defaults.update(dict.fromkeys(names, threads))
    return defaults


@dataclass(frozen=True)
class Death:
    """The result of a run whose process died: how it died, in words."""

    text: str


@dataclass(frozen=True)
class Failure:
    """An error raised in a run: pickled where that is possible, and always as text."""

    text: str
    traceback: str
    pickled: bytes | None

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """Return an error in the form that can be sent."""
        try:
            pickled = _dumps(error)
            _loads(pickled)  # an error that cannot be built again would break the pool
        except Exception:  # noqa: BLE001 - pickling runs any code; the text remains
            pickled = None
        trace = "".join(traceback.format_exception(error))
        return cls(f"{type(error).__name__}: {error}", trace, pickled)

    def error(self) -> BaseException:
        """Return the error itself, or a `RuntimeError` with its text."""
        found: BaseException = RuntimeError(self.text)
        if self.pickled is not None:
            found = _loads(self.pickled)
        found.__cause__ = RuntimeError(f"in the worker\n{self.traceback}")
        return found


def _dumps(value: Any) -> bytes:
    """Pickle with joblib's cloudpickle, which sends local functions as code."""
    import joblib

    # In a tuple, because joblib would wrap a bare class in another one.
    return pickle.dumps(joblib.wrap_non_picklable_objects((value,), keep_wrapper=False))


def _loads(pickled: bytes) -> Any:
    return pickle.loads(pickled)[0]


def pack(spec: RunSpec) -> tuple[bytes, tuple[Any, ...]]:
    """Split a run into bytes and arrays, for another process.

    The arrays are sent separately, so that joblib can share them between all workers of a machine
    in one memory-mapped file.
    """
    import keras

    from kerasdecay.study.arms import callbacks_of

    what = spec.what
    if isinstance(what, keras.callbacks.Callback):
        (what,) = callbacks_of(what)  # a copy without the model of an earlier training
    parts = {
        "build_model": spec.build_model,
        f"arms[{spec.arm!r}]": what,
        "fit_arguments": spec.fit_arguments,
    }
    for argument, part in parts.items():
        try:
            _dumps(part)
        except Exception as error:
            raise ValueError(
                f"compare: with parallel=, {argument} must be something that can be pickled, to "
                f"be sent to another process ({type(error).__name__}: {error}). Make files, "
                "locks, models and the like inside the function, or leave parallel out."
            ) from error
    nothing: Any = dict.fromkeys(_DATA)
    bare = replace(spec, what=what, **nothing)
    return _dumps(bare), tuple(getattr(spec, name) for name in _DATA)


def attempt(
    number: int, settings: dict[str, Any], payload: bytes, arrays: tuple[Any, ...]
) -> tuple[int, Run | Failure | Death]:
    """Train a run that was packed; return its number with its record, or with what went wrong.

    Seeds and Keras' global state belong to a whole process, and Keras draws the seeds of its layers
    from Python's `random`. A thread beside others (that is how a Dask worker computes) therefore
    trains in a process of its own.
    """
    if threading.current_thread() is threading.main_thread():
        return number, _train(settings, payload, arrays)
    return number, _train_in_a_child(settings, payload, arrays)


def _train(settings: dict[str, Any], payload: bytes, arrays: tuple[Any, ...]) -> Run | Failure:
    try:
        _apply(settings)
        from kerasdecay.study.training import train

        spec = _loads(payload)
        return train(replace(spec, **dict(zip(_DATA, arrays, strict=True))))
    except BaseException as error:  # noqa: BLE001 - raised again in the first process
        return Failure.of(error)


def _train_in_a_child(*task: Any) -> Run | Failure | Death:
    path = os.pathsep.join(filter(None, sys.path))
    child = subprocess.Popen(
        [sys.executable, "-c", f"from {__name__} import answer; answer()"],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    result, _ = child.communicate(pickle.dumps(task))
    if child.returncode:
        return Death(f"the process of the run ended with exit code {child.returncode}")
    return pickle.loads(result)


def answer() -> None:
    """Train the run that is read from standard input; write its result to standard output."""
    with os.fdopen(os.dup(1), "wb") as result:
        os.dup2(2, 1)  # what the run prints must not mix with its result
        pickle.dump(_train(*pickle.load(sys.stdin.buffer)), result)
