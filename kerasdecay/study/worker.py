"""What a worker process does: one run, with the settings of the process that asked for it.

Nothing here loads a framework before `Settings.apply` has prepared the process for it.
"""

from __future__ import annotations

import os
import pickle
import threading
import traceback
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from kerasdecay.study.own_random import own_random

if TYPE_CHECKING:
    from kerasdecay.study.runs import Run
    from kerasdecay.study.training import RunSpec

# Another in each process, so that a process knows its own settings when they come back to it.
_PROCESS = uuid.uuid4().hex
# Seeds and Keras' global state belong to a process: its threads take turns.
_TURN = threading.RLock()
_DATA = ("data", "validation_data", "test_data")

Arrays = tuple[Any, ...]


@dataclass(frozen=True)
class Settings:
    """Keras' global settings, which a new process would not know of."""

    process: str
    backend: str
    floatx: str
    epsilon: float
    image_data_format: str
    dtype_policy: str

    @classmethod
    def here(cls) -> Self:
        """Return the settings of this process."""
        import keras

        return cls(
            process=_PROCESS,
            backend=keras.backend.backend(),
            floatx=keras.config.floatx(),
            epsilon=keras.config.epsilon(),
            image_data_format=keras.config.image_data_format(),
            dtype_policy=keras.config.dtype_policy().name,
        )

    def apply(self) -> None:
        """Bring this process, if it is another one, to these settings.

        Raises:
            RuntimeError: If Keras runs on another backend here already.
        """
        if self.process == _PROCESS:
            return
        os.environ.setdefault("KERAS_BACKEND", self.backend)
        for name, value in _defaults().items():
            os.environ.setdefault(name, value)
        import keras

        if keras.backend.backend() != self.backend:
            raise RuntimeError(
                f"compare: this process runs Keras on {self.backend}, a worker on "
                f"{keras.backend.backend()}. Start the workers with KERAS_BACKEND={self.backend}."
            )
        keras.config.set_floatx(self.floatx)
        keras.config.set_epsilon(self.epsilon)
        keras.config.set_image_data_format(self.image_data_format)
        keras.config.set_dtype_policy(self.dtype_policy)


def _defaults() -> dict[str, str]:
    """Return the environment of a worker that shares its machine with others.

    joblib and Dask say in `OMP_NUM_THREADS` how many threads a worker may use. torch listens to
    it; TensorFlow and XLA (`NPROC`) do not, and would start one for each core in each worker.
    """
    defaults = {
        "TF_CPP_MIN_LOG_LEVEL": "2",  # the start-up messages were read in the first process
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # or the first worker takes the whole card
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads:
        names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC")
        defaults.update(dict.fromkeys(names, threads))
    return defaults


@dataclass(frozen=True)
class Failure:
    """An error on its way from a worker: pickled where that works, in words always."""

    text: str
    traceback: str
    pickled: bytes | None

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """Take up an error."""
        try:
            pickled = _dumps(error)
            _loads(pickled)  # an error that cannot be built again breaks the pool
        except Exception:  # noqa: BLE001 - pickling runs any code; the words remain
            pickled = None
        trace = "".join(traceback.format_exception(error))
        return cls(f"{type(error).__name__}: {error}", trace, pickled)

    def error(self) -> BaseException:
        """Return the error as it was, or a `RuntimeError` with its words."""
        found: BaseException = RuntimeError(self.text)
        if self.pickled is not None:
            found = _loads(self.pickled)
        found.__cause__ = RuntimeError(f"in the worker\n{self.traceback}")
        return found


def _dumps(value: Any) -> bytes:
    """Pickle with joblib's cloudpickle: local functions and those of a script go along as code."""
    import joblib

    # Within a tuple: joblib would take a bare class for one that is to be made elsewhere.
    return pickle.dumps(joblib.wrap_non_picklable_objects((value,), keep_wrapper=False))


def _loads(pickled: bytes) -> Any:
    return pickle.loads(pickled)[0]


def pack(spec: RunSpec) -> tuple[bytes, Arrays]:
    """Split a run into bytes and arrays, for another process.

    The arrays travel apart, so that joblib can hand them to all workers of a machine in one
    memory-mapped file; within a tuple, because Dask would keep bare ones on a single worker,
    and they would die with it.

    Raises:
        ValueError: If a part of the run cannot be pickled; it is named.
    """
    import keras

    from kerasdecay.study.arms import callbacks_of

    what = spec.what
    if isinstance(what, keras.callbacks.Callback):
        (what,) = callbacks_of(what)  # without the model that it may still hold
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
    number: int, settings: Settings, payload: bytes, arrays: Arrays
) -> tuple[int, Run | Failure]:
    """Train one run that was packed, and return its number with its record, or with its error."""
    with _TURN, own_random():
        try:
            settings.apply()
            from kerasdecay.study.training import train

            spec = _loads(payload)
            return number, train(replace(spec, **dict(zip(_DATA, arrays, strict=True))))
        except BaseException as error:  # noqa: BLE001 - raised again where it can be told
            return number, Failure.of(error)
