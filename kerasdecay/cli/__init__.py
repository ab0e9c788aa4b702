"""The command line: list, preview and replay. It needs no framework."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from kerasdecay._checks import did_you_mean
from kerasdecay._names import argument_named
from kerasdecay.cli.parts import SEVERAL
from kerasdecay.report import console

_COMMANDS = {
    "list": ("listing", "every shape and every rule, with their options"),
    "preview": ("preview", "draw the rates of one shape or more, or write them to a file"),
    "replay": ("replay", "say what a rule would have decided on a finished training log, and why"),
}


_MEANT = {
    **dict.fromkeys(("plot", "draw", "show"), "preview"),
    "simulate": "preview --csv -",
    "explain": "replay --log history.csv",
}
"""Names that functions have, and what the command line has in their place."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        if typed := re.search(r"invalid choice: '(.*?)'", message):
            name = typed[1]
            hint = f"Did you mean {_MEANT[name]}?" if name in _MEANT else ""
            hint = hint or did_you_mean(_COMMANDS, name) or f"There are: {', '.join(_COMMANDS)}"
            message = f"there is no {name!r}. {hint}"
        if message.endswith(": COMMAND"):
            message += f". There are: {', '.join(_COMMANDS)}"
        if "are required" in message and self.usage:
            message += f". Usage: {self.usage}"
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _refuse(
    command: argparse.ArgumentParser, unknown: Sequence[str], arguments: Sequence[str]
) -> NoReturn:
    """End with the arguments that there are not, and the option that the first may mean."""
    place = arguments.index(unknown[0])
    if unknown[0] in ("steps", "epochs") and place:
        command.error(f"write a duration in quotes: '{arguments[place - 1]} {unknown[0]}'")
    for action in command._actions:
        if action.metavar == SEVERAL and arguments[max(0, place - 2)] in action.option_strings:
            meant = ",".join(one.strip(",") for one in [arguments[place - 1], *unknown])
            option = action.option_strings[0]
            command.error(f"{option} takes values with commas between. Did you mean {meant}?")
    options = {
        option.removeprefix("--").replace("-", "_")
        for action in command._actions
        for option in action.option_strings
    }
    from kerasdecay.rules import FAMILY as RULES

    first = unknown[0].partition("=")[0].removeprefix("--").replace("-", "_")
    meant = argument_named(first, options, lambda name: f"--{name.replace('_', '-')}")
    of_rules = {field.name for rule in RULES.values() for field in dataclasses.fields(rule)}
    if first in of_rules and command.prog.endswith("preview"):
        meant = f"--{first.replace('_', '-')} is an option of rules: kerasdecay replay --rule RULE"
    command.error(". ".join(filter(None, [f"unrecognized arguments: {' '.join(unknown)}", meant])))


class _Version(argparse.Action):
    """Looks the version up only when asked: that takes a tenth of the time of a preview."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from importlib import metadata

        console.write(f"kerasdecay {metadata.version('kerasdecay')}\n")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code: 0, or 2 for an error that the user can correct."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    parser = _Parser(
        "kerasdecay", description="Learning-rate decay for Keras, looked at before training."
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="show the installed version and exit"
    )
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=_Parser
    )
    for name, (module, help_text) in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=help_text,
            description=help_text[:1].upper() + help_text[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name == chosen:
            importlib.import_module(f"kerasdecay.cli.{module}").configure(command)
    try:
        options, unknown = parser.parse_known_args(arguments)
        if unknown:
            _refuse(parser if chosen is None else commands.choices[chosen], unknown, arguments)
        options.run(options)
        sys.stdout.flush()
    except (ValueError, ImportError) as error:
        sys.stderr.write(f"{' '.join(filter(None, ('kerasdecay', chosen)))}: error: {error}\n")
        return 2
    except BrokenPipeError:  # `kerasdecay list | head`: the reader has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0
