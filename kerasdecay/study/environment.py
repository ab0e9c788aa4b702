"""Where a result was measured: machine and versions, without names of hosts, users or folders."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any


def environment() -> dict[str, Any]:
    """Return the machine and the versions that measured results depend on, as plain data.

    Returns:
        `python`, `system`, `cpu` (its model), `cores` (those that this process may use), `device`
        (the accelerator's name, or `"CPU"`), `backend`, and `versions` of Keras, the backend,
        NumPy and this package.
    """
    import keras

    backend = keras.backend.backend()
    packages = ("kerasdecay", "keras", backend, "numpy")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": _cores(),
        "device": device_name(),
        "backend": backend,
        "versions": {name: _version(name) for name in packages},
    }


def device_name() -> str:
    """Return the name of the accelerator that Keras' backend computes on, or `"CPU"`.

    Several cards of one kind are counted: `"2 × NVIDIA H100 80GB HBM3"`.
    """
    import keras

    names = {"tensorflow": _tensorflow_devices, "jax": _jax_devices, "torch": _torch_devices}
    found = names.get(keras.backend.backend(), list)()
    if not found:
        return "CPU"
    return found[0] if len(found) == 1 else f"{len(found)} × {found[0]}"


def _tensorflow_devices() -> list[str]:
    import tensorflow as tf

    details = tf.config.experimental.get_device_details
    return [
        str(details(gpu).get("device_name", "GPU")) for gpu in tf.config.get_visible_devices("GPU")
    ]


def _jax_devices() -> list[str]:
    import jax

    return [device.device_kind for device in jax.devices() if device.platform != "cpu"]


def _torch_devices() -> list[str]:
    import torch

    if torch.cuda.is_available():
        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return ["Apple GPU"] if torch.backends.mps.is_available() else []


def _cpu() -> str:
    """Return the processor's model as the system reports it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed as a package"
