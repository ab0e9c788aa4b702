"""CONTRIBUTING.md tells the way of a rate as it is."""

from __future__ import annotations

import importlib
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
hops = importlib.import_module("hops")


def test_the_way_of_a_rate_is_the_one_that_is_told():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    _, _, rest = text.partition("<!-- hops -->")
    table, _, after = rest.partition("<!-- /hops -->")
    told = [(file, name) for name, file in re.findall(r"^\| `(.+?)` \| `(.+?)` \|", table, re.M)]
    chain = hops.measured().chain
    assert told == chain, "run: python benchmarks/hops.py"
    assert hops.counted(chain, "functions") in after
