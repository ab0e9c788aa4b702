"""Files that are whole or absent: links, modes, and what a killed process has left."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kerasdecay._files import write_atomically


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def dead() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("content", ["new", b"new", "ä"])
def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path: Path, content: str) -> None:
    target, link = tmp_path / "there" / "real.json", tmp_path / "here" / "link.json"
    target.parent.mkdir()
    link.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    assert write_atomically(link, content) == link
    assert link.is_symlink()
    expected = content if isinstance(content, bytes) else content.encode()
    assert target.read_bytes() == expected
    assert list(tmp_path.rglob("*.tmp")) == []


def test_links_to_links_relative_links_and_links_to_nothing_are_followed(tmp_path: Path) -> None:
    target = tmp_path / "real"
    (tmp_path / "one").symlink_to("real")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    write_atomically(tmp_path / "two", "first")
    write_atomically(tmp_path / "one", "second")
    assert target.read_text() == "second"
    assert not target.is_symlink()
    assert (tmp_path / "one").is_symlink() and (tmp_path / "two").is_symlink()


@pytest.mark.parametrize("bits", [0o600, 0o640, 0o664, 0o444])
def test_an_existing_file_keeps_its_mode(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(bits)
    write_atomically(path, "new")
    assert (path.read_text(), mode(path)) == ("new", bits)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_mode_of_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        path = write_atomically(tmp_path / "file", "new")
    finally:
        os.umask(before)
    assert mode(path) == 0o666 & ~umask


def test_what_a_killed_process_has_left_is_removed(tmp_path: Path, dead: int) -> None:
    path = tmp_path / "state.json"
    left = [
        tmp_path / f".state.json.{dead}.tmp",
        tmp_path / f".state.json.{dead}-3.tmp",
        tmp_path / f".state.json.{os.getpid()}-999999.tmp",  # of a process that had this number
        tmp_path / f".state.json.{10**30}.tmp",
    ]
    kept = [
        tmp_path / f".state.json.{os.getppid()}-0.tmp",  # it runs
        tmp_path / f".other.json.{dead}.tmp",
        tmp_path / f".state.json.{dead}.tmp.bak",
        tmp_path / ".state.json.x.tmp",
    ]
    for one in (*left, *kept):
        one.write_text("{")
    write_atomically(path, "{}")
    assert sorted(tmp_path.iterdir()) == sorted([path, *kept])


def test_the_leftovers_of_a_linked_file_are_removed_beside_its_target(
    tmp_path: Path, dead: int
) -> None:
    (tmp_path / "there").mkdir()
    target = tmp_path / "there" / "real"
    (tmp_path / "link").symlink_to(target)
    leftover = tmp_path / "there" / f".real.{dead}-0.tmp"
    leftover.write_text("{")
    write_atomically(tmp_path / "link", "{}")
    assert not leftover.exists()


def test_threads_that_write_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    path, errors = tmp_path / "file", []

    def write(text: str) -> None:
        try:
            for _ in range(20):
                write_atomically(path, text)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(letter * 1000,)) for letter in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert path.read_text() in {letter * 1000 for letter in "abc"}
    assert list(tmp_path.iterdir()) == [path]
