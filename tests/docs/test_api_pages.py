"""The reference pages name every public part, and nothing else."""

from __future__ import annotations

import importlib
import pathlib
import re

PAGES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "api"
OLD_NAMES = {"WayDown"}


def test_every_public_name_is_on_a_reference_page_once() -> None:
    named = [
        entry
        for page in PAGES.glob("*.md")
        for entry in re.findall(r"^::: kerasdecay\.(\w+\.\w+)$", page.read_text("utf-8"), re.M)
    ]
    found = [entry.partition(".") for entry in named]
    public = {
        name
        for page in PAGES.glob("*.md")
        for name in importlib.import_module(f"kerasdecay.{page.stem}").__all__
    }
    assert len(named) == len(set(named))
    assert {name for _, _, name in found} == public - OLD_NAMES
    for part, _, name in found:
        assert hasattr(importlib.import_module(f"kerasdecay.{part}"), name)
