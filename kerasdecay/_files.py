"""Files that are whole or absent."""

from __future__ import annotations

import csv
import io
import itertools
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_numbers = itertools.count()
_in_progress: set[Path] = set()


def write_atomically(path: str | os.PathLike[str], content: str | bytes) -> Path:
    """Write a file so that a reader, or a crash, sees the old one or the new one, never a part.

    Folders on the way are created. The content goes to a hidden file beside the target, which
    then takes its name. A symbolic link stays one: the file that it points to is replaced. An
    existing file keeps its mode. Hidden files that a killed process has left of the same target are
    removed.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(target)
    data = content.encode() if isinstance(content, str) else content
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{next(_numbers)}.tmp")
    _in_progress.add(temporary)
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
        _in_progress.discard(temporary)
    return Path(path)


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Return rows as the text of a CSV file."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _remove_leftovers(target: Path) -> None:
    """Remove the hidden files of writes to `target` that no running process will finish."""
    form = re.compile(rf"\.{re.escape(target.name)}\.(\d+)(-\d+)?\.tmp")
    with os.scandir(target.parent) as entries:
        found = [(entry.name, form.fullmatch(entry.name)) for entry in entries]
    for name, match in found:
        leftover = target.with_name(name)
        if match and leftover not in _in_progress and not _is_running(int(match[1])):
            leftover.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    """Tell whether another process of this number may run; this one's own files are known."""
    if process == os.getpid():
        return False
    if os.name != "posix":  # elsewhere a signal of 0 is not a mere question
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
