"""Settings that must stand before a framework is imported, and nothing else."""

from __future__ import annotations

import gc
import os
import signal
from importlib import metadata

from graphs import leave_as_traced
from hypothesis import settings

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")
if "PYTEST_XDIST_WORKER" in os.environ:  # the processes share the cores already
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

# A shell that starts a job in the background has it ignore Ctrl-C, which some tests are about.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A first example may compile a training step, so time says nothing about it.
settings.register_profile("kerasdecay", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("kerasdecay")


def pytest_collection_finish() -> None:
    """Spare each test what the frameworks do at great length for long trainings."""
    gc.collect()
    gc.freeze()  # half a million objects that no later collection need go through
    leave_as_traced()


def pytest_report_header() -> str:
    backend = os.environ["KERAS_BACKEND"]
    versions = []
    for package in ("keras", backend, "numpy"):
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{package} not installed")
    return f"backend: {backend} ({', '.join(versions)})"
