"""The finished runs of an earlier call of `compare`, used again in this one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdecay.records.run import OutputError, Run, read_run, run_files, run_path

if TYPE_CHECKING:
    from kerasdecay.study.training import RunSpec

_NAMED_DIFFERENCES = 6


def finished_runs(folder: Path, specs: list[RunSpec], resume: bool) -> dict[tuple[str, int], Run]:
    """Return the finished runs in `folder`, by arm and seed.

    Raises:
        OutputError: If there are some and `resume` is False, or one has another configuration or
            cannot be read, or `folder` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"compare: output must be a folder. Received: {folder}, a file.")
    present = run_files(folder)
    if present and not resume:
        raise OutputError(
            f"compare: output must be a folder without finished runs. Received: {folder} with "
            f"{len(present)}. Give resume=True to go on with them, or another folder."
        )
    found = []
    for spec in specs:
        path = run_path(folder, spec.arm, spec.seed)
        if path not in present:
            continue
        run = read_run(path)
        changed = differences(run.configuration, spec.configuration)
        if changed:
            raise OutputError(
                f"compare: {path} is a run of another configuration ({_listed(changed)}). Give "
                "the arguments that it was trained with, or another output folder."
            )
        found.append((run, spec))
    return {(run.arm, run.seed): _in_place(run, spec.arm_index, folder) for run, spec in found}


def _listed(changed: list[str]) -> str:
    more = len(changed) - _NAMED_DIFFERENCES
    return "; ".join(changed[:_NAMED_DIFFERENCES] + ([f"and {more} more"] if more > 0 else []))


def _in_place(run: Run, arm_index: int, folder: Path) -> Run:
    """Return the run with the present place of its arm, and update its file if that is another."""
    if run.arm_index == arm_index:
        return run
    moved = dataclasses.replace(run, arm_index=arm_index)
    moved.write(folder)
    return moved


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    """Return where two configurations differ, one phrase for each value.

    Examples:
        >>> differences({"epochs": 15, "arm": None}, {"epochs": 5, "arm": None})
        ['epochs 15 → 5']
    """
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        before, now = dict(enumerate(before)), dict(enumerate(now))
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = [*before, *(key for key in now if key not in before)]
        return [
            text
            for key in keys
            for text in differences(
                before.get(key, "nothing"), now.get(key, "nothing"), f"{name}.{key}".lstrip(".")
            )
        ]
    return [] if before == now else [f"{name} {_short(before)} → {_short(now)}"]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
