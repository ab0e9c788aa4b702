"""CIFAR-10 from its server, where that is worth the wait."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any

from _errors import UsageError

CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_BYTES = 170_052_171
PROBE_BYTES = 1_000_000
PROBE_SECONDS = 10
DOWNLOAD_MINUTES = 10


class DataError(UsageError):
    """The data asked for cannot be had; the message says why and what to do."""


def import_tfds() -> Any:
    """Return the module `tensorflow_datasets`, or raise a `DataError` that says how to get it."""
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise DataError(
            f"reading CIFAR-10 needs TensorFlow Datasets ({first_line(error)}): "
            'pip install "kerasdecay[examples]"'
        ) from error
    return tfds


def download(folder: Path) -> None:
    """Download and prepare CIFAR-10, if a look at the server says that it is worth the wait.

    The wait is bounded: twenty seconds for the look, ten minutes for the download.
    """
    import_tfds()
    minutes = CIFAR10_BYTES / _bytes_per_second() / 60
    if minutes > DOWNLOAD_MINUTES:
        raise DataError(
            f"downloading it would take about {minutes:.0f} minutes (limit: {DOWNLOAD_MINUTES})"
        )
    print(f"Downloading CIFAR-10 (170 MB, about {minutes:.1f} minutes) into {folder} …", flush=True)
    code = (
        "import sys, tensorflow_datasets as tfds; "
        "tfds.builder('cifar10', data_dir=sys.argv[1]).download_and_prepare()"
    )
    try:
        subprocess.run(
            [sys.executable, "-c", code, str(folder)],
            check=True,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_MINUTES * 60,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"its download did not end within {DOWNLOAD_MINUTES} minutes") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "no message").strip().splitlines()[-1]
        raise DataError(f"its download failed ({last})") from error


def _bytes_per_second() -> float:
    """Return how fast the server answers, from the first megabyte."""
    request = urllib.request.Request(
        CIFAR10_URL, headers={"Range": f"bytes=0-{PROBE_BYTES - 1}", "User-Agent": "kerasdecay"}
    )
    started = time.perf_counter()
    received = 0
    try:
        with urllib.request.urlopen(request, timeout=PROBE_SECONDS) as response:
            while received < PROBE_BYTES and time.perf_counter() - started < PROBE_SECONDS:
                chunk = response.read(65_536)
                if not chunk:
                    break
                received += len(chunk)
    except (OSError, HTTPException) as error:
        raise DataError(f"its server cannot be reached ({first_line(error)})") from error
    if not received:
        raise DataError("its server sent nothing")
    return received / (time.perf_counter() - started)


def first_line(error: BaseException) -> str:
    """Return what an error says, in one line."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
