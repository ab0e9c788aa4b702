"""Two devices train as one does: Keras' schedule, `batch` and `compiled` give the same weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from engines.distributed import averaged, decaying, in_groups, one_cycle
from engines.trainings import BACKEND, PAIRS, assert_same, at_constant_rate, sgd, trained

pytestmark = pytest.mark.any_backend

ROOT = Path(__file__).resolve().parents[2]
KINDS = {"tensorflow": "mirrored", "jax": "data-parallel"}


@pytest.mark.skipif(BACKEND not in KINDS, reason="Keras spreads no training on torch")
def test_two_devices() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "engines" / "distributed.py"), KINDS[BACKEND]],
        env={
            **os.environ,
            "KERAS_BACKEND": BACKEND,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
            "CUDA_VISIBLE_DEVICES": "-1",
            "JAX_PLATFORMS": "cpu",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = {name: np.array(vector) for name, vector in json.loads(done.stdout).items()}
    assert_same(found["batch"], found["keras"])
    assert_same(found["compiled"], found["keras"])
    assert_same(found["constant"], at_constant_rate())
    assert_same(found["one-cycle"], trained(sgd(0.05), one_cycle()), tolerance=1e-4)
    assert_same(found["groups"], trained(decaying(), in_groups(PAIRS["cosine"][0])), tolerance=1e-4)
    np.testing.assert_array_equal(found["watched"], found["constant"])
    assert_same(found["averaged"], trained(sgd(0.05), averaged()))
    assert np.abs(found["averaged"] - found["constant"]).max() > 0.01
    assert np.abs(found["keras"] - found["constant"]).max() > 0.01
