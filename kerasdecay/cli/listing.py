"""`kerasdecay list`: every shape and every rule."""

from __future__ import annotations

import argparse
import dataclasses
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from kerasdecay.cli.parts import dashed, default_of, first_line, known_name, value_text
from kerasdecay.report import console
from kerasdecay.report.charts import Line, Piece
from kerasdecay.rules import FAMILY as RULES
from kerasdecay.schedules import FAMILY as SHAPES

_LEAST_ROOM = 40
"""Characters of a line beside the names, also where the terminal has fewer."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="show these alone")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print every shape and every rule, or those that are asked for."""
    every = {**SHAPES, **RULES}
    if options.names:
        named = {name: every[name] for name in (known_name(every, one) for one in options.names)}
        console.show_lines([*_lines(named, every)])
        return
    shapes = [Piece("Shapes", "bold"), Piece(" (kerasdecay preview SHAPE)")]
    rules = [Piece("Rules", "bold"), Piece(" (kerasdecay replay --rule RULE)")]
    console.show_lines([shapes, *_lines(SHAPES, SHAPES), [], rules, *_lines(RULES, RULES)])


def _lines(kinds: Mapping[str, Any], family: Mapping[str, Any]) -> Iterator[Line]:
    width = max(map(len, kinds)) + 4
    for name, kind in kinds.items():
        first, *rest = _broken(first_line(kind), width)
        yield [Piece(f"  {name:<{width - 2}}", "cyan"), Piece(first)]
        yield from ([Piece(" " * width + line)] for line in rest)
        options = [
            f"{dashed(field.name)}={value_text(family, default_of(field))}"
            for field in dataclasses.fields(kind)
            if field.name != "initial_learning_rate"
        ]
        for line in _broken("  ".join(options), width):
            yield [Piece(" " * width), Piece(line, "dim")]


def _broken(text: str, indent: int) -> list[str]:
    """Return text in lines that fit beside an indentation, broken between words alone."""
    room = max(console.width() - indent, _LEAST_ROOM)
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
