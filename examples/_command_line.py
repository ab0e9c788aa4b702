"""What the examples' command lines have in common."""

from __future__ import annotations

import argparse
from typing import NoReturn


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
