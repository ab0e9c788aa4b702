"""The state file: a training that was killed goes on with what its rules had decided.

The file is JSON lines: a header, then one line for each epoch that began. A line is appended as an
epoch ends, so that an epoch costs the same however long the training is. A kill in the middle of an
append leaves a line without its end, which the next reader passes over.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pathlib
import re
import sys
from typing import Any

from kerasdecay import _checks
from kerasdecay._files import write_atomically
from kerasdecay._warnings import warn
from kerasdecay.control.bookmark import Bookmark
from kerasdecay.control.fingerprint import fingerprint

SCHEMA = 2
_FORMAT = "kerasdecay state"
_FUNCTIONS = "functions"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def check_path(owner: str, path: Any) -> None:
    """Raise a ValueError unless `path` is None or names a file of this machine."""
    if path is None:
        return
    name = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(name, str) or not name or "\0" in name:
        raise _checks.invalid(owner, "state_path", "the path of a file, or None", path)
    if _SCHEME.match(name):
        allowed = "the path of a local file"
        remedy = "Keep the file on a disk of this machine, and copy it where it is needed."
        raise _checks.invalid(owner, "state_path", allowed, name, remedy)


class StateFile:
    """The bookmarks of a training, one for each epoch.

    Args:
        path: The file. `~` is expanded and a relative path is resolved now, so that a later change
            of the working directory does not move it. Its folder is made if it is missing.
        configuration: Plain data; a file written under another configuration is refused.

    Raises:
        ValueError: If the file exists and is not a state file, of another version, damaged, or
            written under another configuration.
        OSError: If the file cannot be read, or its folder cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], configuration: Any) -> None:
        self.path = pathlib.Path(os.path.abspath(os.path.expanduser(path)))
        functions: list[Any] = []

        def named(value: Any) -> str:
            functions.append(fingerprint(value))
            return _name_of(value)

        text = json.dumps(configuration, sort_keys=True, default=named)
        self._header: dict[str, Any] = {
            "format": _FORMAT,
            "schema": SCHEMA,
            "configuration": _hash(text),
        }
        if functions:
            # Another version of Python has other code for the same function.
            version = f"{sys.implementation.cache_tag}: "
            self._header[_FUNCTIONS] = version + _hash(json.dumps(functions))
        self._has_other_function = False
        # Lines that the next write must bring to the file: at first all that is kept of the old
        # one, later those that could not be written.
        self._pending: list[str] = []
        self._rewrites = True
        self._left: tuple[int, int] | None = None
        self._written: int | None = None
        self._has_warned = self._is_shared = False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and not self.path.is_file():
                raise OSError("it is no regular file")
            self._found = self._read() if self.path.exists() else None
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        if not os.access(self.path.parent, os.W_OK):
            raise self._unusable("no permission for its folder")

    @property
    def last(self) -> Bookmark | None:
        """The last bookmark of the file as it was found, None if there is none."""
        return self._found[-1] if self._found else None

    def begin(self, epoch: int, *, may_have_probed: bool = False) -> Bookmark | None:
        """Return where the training stood when `epoch` began, None if that is unknown.

        `may_have_probed`: rates are to be found for a model that has not been trained.

        Epoch 0 starts afresh, and the first save drops all that the file contains. Later, the first
        save drops what it contains of later epochs.

        Raises:
            ValueError: If the file holds nothing from before `epoch`.

        Warns:
            UserWarning: If there is no file, it ends before `epoch`, or a function is another one.
        """
        if epoch == 0:
            return None
        if self._has_other_function:
            warn(
                f"kerasdecay: state_path={str(self.path)!r} was written with another function in "
                "the place of a schedule: its code, or a number in it, has changed. From epoch "
                f"{epoch + 1} on the rate follows the present one."
            )
        if self._found is None:
            what = "the rules start afresh"
            if may_have_probed:
                what = (
                    'it is written once "auto" has found a rate, and the training before has ended '
                    "while rates were tried. They are tried anew"
                )
            warn(
                f"kerasdecay: the training goes on at epoch {epoch + 1}, but there is no state "
                f"file {str(self.path)!r}: {what}.",
            )
            return None
        known = [one for one in self._found if one.epoch <= epoch]
        if not known:
            raise ValueError(
                f"kerasdecay: state_path={str(self.path)!r} holds no state from before epoch "
                f"{epoch + 1}, where the training goes on. Pass the file of this training, or "
                "delete it to let the rules start afresh."
            )
        if known[-1].epoch < epoch:
            warn(
                f"kerasdecay: {str(self.path)!r} ends {epoch - known[-1].epoch} epoch(s) before "
                f"epoch {epoch + 1}, where the training goes on; what the rules saw in between is "
                "lost. List the decay before the callback that saves the model.",
            )
        self._pending = [_line(one) for one in known if one.epoch < epoch]
        return known[-1]

    def save(self, bookmark: Bookmark) -> None:
        """Bring one more bookmark to the file.

        A file that cannot be written any more ends no training: what it holds stays, and each later
        call tries again to write everything that is missing.

        Raises:
            OSError: If already the first write fails.

        Warns:
            UserWarning: If a later one fails, or something else has written the file; once.
        """
        if self._is_shared:
            return
        self._pending.append(_line(bookmark))
        try:
            if self._rewrites:
                write_atomically(
                    self.path, "".join([json.dumps(self._header), "\n", *self._pending])
                )
            elif self._signature() != self._left:
                self._warn_once(
                    "has been changed by something else: two trainings share it, or it was "
                    "removed. This training leaves it alone from now on. Give each training a "
                    "state_path of its own."
                )
                self._is_shared = True
                return
            else:
                _append(self.path, "".join(self._pending))
        except OSError as error:
            why = error.strerror or str(error)
            if self._written is None:
                raise self._unusable(why) from error
            self._warn_once(
                f"cannot be written any more: {why}. The training goes on, and each epoch's end "
                f"tries again. Until that works the file ends with the start of epoch "
                f"{self._written + 1}, and a crash would lose what the rules have seen since."
            )
            return
        self._found = None
        self._pending, self._rewrites = [], False
        self._left, self._written = self._signature(), bookmark.epoch

    def refusal(self, what: str) -> ValueError:
        """Return the error for a file that this training cannot go on from."""
        return ValueError(
            f"kerasdecay: state_path={str(self.path)!r} {what}. It is left as it is: pass another "
            "path, or move the file away to start afresh."
        )

    def _signature(self) -> tuple[int, int] | None:
        """Return what changes when something else writes the file."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_size

    def _read(self) -> list[Bookmark]:
        header, *lines = self.path.read_bytes().decode("utf-8", "replace").split("\n")
        if not header and not any(lines):
            raise self.refusal("is empty")
        self._check_header(header)
        try:
            # The last piece is what follows the last line's end: nothing, or a torn line.
            return [Bookmark.from_data(json.loads(line)) for line in lines[:-1]]
        except (ValueError, RecursionError) as error:
            raise self.refusal(f"holds an entry that is not readable ({error})") from error

    def _check_header(self, header: str) -> None:
        try:
            found = json.loads(header)
        except (ValueError, RecursionError) as error:
            raise self.refusal(f"is truncated or not JSON ({error})") from error
        if not isinstance(found, dict) or found.get("format") != _FORMAT:
            raise self.refusal("is not a state file of kerasdecay")
        if found.get("schema") != SCHEMA:
            raise self.refusal(
                f"has schema {found.get('schema')!r}, and this kerasdecay reads schema {SCHEMA}"
            )
        expected = dict(self._header)
        written, present = (one.pop(_FUNCTIONS, "") for one in (found, expected))
        if found != expected:
            what = "another schedule or other rules, update, groups or driven numbers"
            raise self.refusal(f"was written by a decay with {what}")
        same_python = str(written).partition(":")[0] == present.partition(":")[0]
        self._has_other_function = same_python and written != present

    def _warn_once(self, what: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            warn(f"kerasdecay: state_path={str(self.path)!r} {what}")

    def _unusable(self, why: str) -> OSError:
        return OSError(
            f"kerasdecay: state_path={str(self.path)!r} cannot be read and written: {why}. Pass "
            "the path of a file, in a folder that you may write to."
        )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _line(bookmark: Bookmark) -> str:
    return json.dumps(bookmark.to_data(), allow_nan=False) + "\n"


def _append(path: pathlib.Path, text: str) -> None:
    """Append all of `text`, or nothing."""
    data = text.encode()
    with open(path, "ab", buffering=0) as file:
        before = file.tell()
        try:
            if file.write(data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)
            raise


def _name_of(value: Any) -> str:
    """Name what JSON does not know, in the same way in every process."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    return f"{module}.{name}" if name else type(value).__qualname__
