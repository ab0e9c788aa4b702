"""What the examples' command lines have in common."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from _errors import UsageError


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def count(text: str) -> int:
    """Read an integer >= 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer >= 1. Received: {text}")
    return int(text)


def numbers(text: str, allowed: str) -> tuple[int, ...]:
    """Read different integers, separated by commas; `allowed` says which in the error."""
    parts = text.split(",")
    if not all(part.isdecimal() for part in parts) or len(set(map(int, parts))) < len(parts):
        raise argparse.ArgumentTypeError(f"must be {allowed}. Received: {text}")
    return tuple(map(int, parts))


def seeds(text: str) -> tuple[int, ...]:
    """Read seeds, separated by commas."""
    return numbers(text, "different integers >= 0, separated by commas")


def exit_code(prog: str, work: Callable[[], None]) -> int:
    """Do the work; return 0, 2 for what the user can put right, or 130 for Ctrl-C."""
    try:
        work()
    except UsageError as error:
        print(f"{prog}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped; the same command with --resume goes on.", file=sys.stderr)
        return 130
    return 0
