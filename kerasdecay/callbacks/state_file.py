"""The rules' states on disk, so that a training that was killed goes on with its decisions."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import warnings
from collections.abc import Mapping
from typing import Any

from kerasdecay._files import write_atomically

SCHEMA = 1
_FORMAT = "kerasdecay state"


class StateFile:
    """A small JSON file that holds the state after every epoch.

    Args:
        path: The file; its folder is made if it is missing.
        configuration: Plain data; a file written under another configuration is refused.

    Raises:
        ValueError: If the file exists and is truncated, not a state file, of a newer version, or
            written under another configuration.
        OSError: If the file cannot be read, or its folder cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], configuration: Any) -> None:
        self._path = pathlib.Path(path)
        self._written: int | None = None
        self._told_of_failure = False
        text = json.dumps(configuration, sort_keys=True, default=_name_of)
        self._hash = hashlib.sha256(text.encode()).hexdigest()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._content = self._read() if self._path.exists() else None
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        if not os.access(self._path.parent, os.W_OK):
            raise self._unusable("no permission for its folder")

    def begin(self, epoch: int) -> tuple[Mapping[str, float | None], Mapping[str, Any]] | None:
        """Return (base rates, states of each optimizer) as they were when `epoch` began.

        Epoch 0 starts afresh and forgets what the file held; None is returned then, and where there
        is no file. What was written for later epochs is dropped.

        Raises:
            ValueError: If the file holds nothing from before `epoch`.

        Warns:
            UserWarning: If the state of exactly this epoch is missing, and an earlier one is taken.
        """
        held = self._content
        self._content = None
        if epoch == 0:
            return None
        if held is None:
            warnings.warn(
                f"kerasdecay: the training goes on at epoch {epoch + 1}, but there is no state "
                f"file {str(self._path)!r}: the rules start afresh.",
                stacklevel=2,
            )
            return None
        known = sorted(int(key) for key in held["entries"] if int(key) <= epoch)
        if not known:
            raise ValueError(
                f"kerasdecay: state_path={str(self._path)!r} holds no state from before epoch "
                f"{epoch + 1}, where the training goes on. Pass the file of this training, or "
                "delete it to let the rules start afresh."
            )
        if known[-1] < epoch:
            warnings.warn(
                f"kerasdecay: {str(self._path)!r} ends {epoch - known[-1]} epoch(s) before epoch "
                f"{epoch + 1}, where the training goes on; what the rules saw in between is lost. "
                "List the decay before the callback that saves the model.",
                stacklevel=2,
            )
        self._content = {
            **held,
            "entries": {key: value for key, value in held["entries"].items() if int(key) <= epoch},
        }
        entry = held["entries"][str(known[-1])]
        return entry["base_rates"], entry["states"]

    def save(
        self, epoch: int, base_rates: Mapping[str, float | None], states: Mapping[str, Any]
    ) -> None:
        """Write, in one atomic step, the states with which `epoch` begins.

        A file that cannot be written any more ends no training: what it holds stays, and each later
        call tries again to write everything.

        Raises:
            OSError: If already the first write fails.

        Warns:
            UserWarning: If a later one fails, once.
        """
        if self._content is None:
            self._content = {
                "format": _FORMAT,
                "schema": SCHEMA,
                "configuration": self._hash,
                "entries": {},
            }
        entry = {"base_rates": dict(base_rates), "states": dict(states)}
        self._content["entries"][str(epoch)] = entry
        try:
            write_atomically(self._path, json.dumps(self._content, indent=1, allow_nan=False))
        except OSError as error:
            self._tell_of_failure(error)
        else:
            self._written = epoch

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise self._refusal(f"is truncated or not JSON ({error})") from error
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise self._refusal("is not a state file of kerasdecay")
        if content.get("schema") != SCHEMA:
            raise self._refusal(
                f"has schema {content.get('schema')!r}, and this kerasdecay reads schema {SCHEMA}"
            )
        if content.get("configuration") != self._hash:
            raise self._refusal("was written by a decay with another schedule or other rules")
        entries = content.get("entries")
        if not isinstance(entries, dict) or not all(
            key.isdigit() and isinstance(entry, dict) and entry.keys() == {"base_rates", "states"}
            for key, entry in entries.items()
        ):
            raise self._refusal("holds no readable entries")
        return content

    def _tell_of_failure(self, error: OSError) -> None:
        why = error.strerror or str(error)
        if self._written is None:
            raise self._unusable(why) from error
        if not self._told_of_failure:
            self._told_of_failure = True
            warnings.warn(
                f"kerasdecay: state_path={str(self._path)!r} cannot be written any more: {why}. "
                "The training goes on, and each epoch's end tries again. Until that works the file "
                f"ends with the start of epoch {self._written + 1}, and a crash would lose what "
                "the rules have seen since.",
                stacklevel=2,
            )

    def _unusable(self, why: str) -> OSError:
        return OSError(
            f"kerasdecay: state_path={str(self._path)!r} cannot be read and written: {why}. Pass "
            "the path of a file, in a folder that you may write to."
        )

    def _refusal(self, what: str) -> ValueError:
        return ValueError(
            f"kerasdecay: state_path={str(self._path)!r} {what}. It is left as it is: pass another "
            "path, or move the file away to start afresh."
        )


def _name_of(value: Any) -> str:
    """Name what JSON does not know, in the same way in every process."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    return f"{module}.{name}" if name else type(value).__qualname__
