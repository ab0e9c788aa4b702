"""Fine-tuning by layers: the groups are those of the network, and each way learns."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
fine_tuning = importlib.import_module("fine_tuning")


def test_three_ways_to_fine_tune(capsys):
    found = fine_tuning.run(fine_tuning.parse(["--epochs", "4", "--images", "60", "--seeds", "0"]))
    shown = capsys.readouterr().out
    assert "'^body/conv_0/' × 0.125 (2 variables)" in shown
    assert "'^head/' × 1 (2 variables)" in shown
    assert "'body/' × 0 (6 variables), 2 variables × 1" in shown
    assert all(accuracy > 0.3 for (accuracy,) in found.values())  # 0.2 is chance
    assert len({tuple(one) for one in found.values()}) == 3
