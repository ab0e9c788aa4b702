"""`kerasdecay replay`: what a rule would have decided on a finished training log."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping

from kerasdecay.cli import parts
from kerasdecay.rules import FAMILY, Rule

_DESCRIPTION = """\
Say what a rule would have decided on a finished training log, and why.

  kerasdecay replay --log history.csv --monitor val_loss --patience 3 --factor 0.5
  kerasdecay replay --rule plateau:patience=3 --log history.csv --learning-rate 0.1

The log is what keras.callbacks.CSVLogger writes: a row for each epoch, a column for each metric.
The rates in it are not used: another rate would have led to other metrics."""

_ABSENT = (None, "", "NA")
"""What stands for a metric that an epoch does not have; CSVLogger writes NA."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which arguments the command takes."""
    parser.usage = "kerasdecay replay --log FILE [--rule RULE[:OPTION=VALUE…]] [options]"
    parser.description = _DESCRIPTION
    add = parser.add_argument
    add(
        "--rule",
        metavar="RULE[:OPTION=VALUE…]",
        default=next(iter(FAMILY)),
        help="see kerasdecay list",
    )
    add("--log", metavar="FILE", required=True, help="the log")
    add("--separator", metavar="C", default=",", help="between its columns; default: a comma")
    add(
        "--learning-rate",
        metavar="X",
        type=float,
        help="the rate of that training; without it the rule's scale is shown",
    )
    parts.add_options(parser, "options of rules (kerasdecay list shows their defaults)", FAMILY)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Read the log, replay the rule, print the table."""
    given = parts.given(options)
    rule: Rule = parts.build(FAMILY, options.rule, given)
    stray = parts.unused(FAMILY, [options.rule], given)
    if stray:
        raise ValueError(f"{options.rule} has no --{parts.dashed(stray[0])}")
    rate = options.learning_rate
    if rate is not None and not 0 < rate < float("inf"):
        raise ValueError(f"--learning-rate must be a finite number > 0. Received: {rate}")
    epochs = read_log(options.log, rule.watched, options.separator)

    from kerasdecay.report.console import show
    from kerasdecay.report.replays import replay_report

    show(replay_report(rule, epochs, rate))


def read_log(path: str, column: str, separator: str = ",") -> list[Mapping[str, float]]:
    """Return the numbers of each row of a CSVLogger's file; what is no number is left out.

    Raises:
        ValueError: For a file that is missing or holds no epoch, or a column that is missing or in
            which something other than numbers stands.
    """
    if len(separator) != 1:
        raise ValueError(f"--separator must be one character. Received: {separator!r}")
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, delimiter=separator))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no CSV file: {error}") from error
    if not rows:
        raise ValueError(f"{path} holds no epoch")
    if column not in rows[0]:
        known = ", ".join(filter(None, rows[0]))
        raise ValueError(f"{path} has no column {column!r}. There are: {known}")
    epochs: list[Mapping[str, float]] = []
    for line, row in enumerate(rows, 2):
        numbers = {
            name: _number(text) for name, text in row.items() if name and text not in _ABSENT
        }
        if numbers.get(column, 0.0) is None:
            raise ValueError(
                f"{path}, line {line}: {column} is {row[column]!r}, which is no number"
            )
        epochs.append({name: value for name, value in numbers.items() if value is not None})
    return epochs


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
