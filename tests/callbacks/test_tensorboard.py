"""Keras' TensorBoard beside a decay; once, on TensorFlow, which it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest
from tiny import fit, odometer

from kerasdecay import PowerStepDecay


def test_tensorboard_reads_the_rate(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    board = keras.callbacks.TensorBoard(str(tmp_path), write_graph=False)
    written: list[dict[str, Any]] = []
    board._log_epoch_metrics = lambda epoch, logs: written.append(  # type: ignore[method-assign]
        board._collect_learning_rate(dict(logs))
    )
    fit(odometer(), [PowerStepDecay(0.5, stages=2), board], epochs=2)
    assert [logs["learning_rate"] for logs in written] == [0.5, 0.25]
