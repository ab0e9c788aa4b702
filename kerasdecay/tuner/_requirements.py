"""KerasTuner, and the packages that it imports without declaring them."""

from __future__ import annotations

import importlib.util

INSTALL = 'pip install "kerasdecay[tuner]"'

try:
    import keras_tuner  # noqa: F401
except ImportError as error:  # KerasTuner itself, or `six`, which it does not declare
    raise ImportError(f"kerasdecay.tuner needs KerasTuner ({error}): {INSTALL}") from error


def check() -> None:
    """Raise an ImportError if a search could only fail.

    On TensorFlow, KerasTuner imports tensorboard inside every trial. Where it is missing, each
    trial fails, and a search of one or two trials ends without saying so.
    """
    import keras

    if keras.backend.backend() != "tensorflow" or importlib.util.find_spec("tensorboard"):
        return
    raise ImportError(
        "kerasdecay.tuner needs tensorboard, which KerasTuner imports on TensorFlow without "
        f"declaring it: {INSTALL}"
    )
