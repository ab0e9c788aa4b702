"""`kerasdecay replay`: what a rule would have decided on a finished training log."""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Mapping

from kerasdecay._checks import did_you_mean
from kerasdecay.cli import parts
from kerasdecay.rules import FAMILY, Rule

_DESCRIPTION = """\
Say what a rule would have decided on a finished training log, and why.

  kerasdecay replay --log history.csv --monitor val_loss --patience 3 --factor 0.5
  kerasdecay replay --rule plateau:patience=3 --log history.csv --learning-rate 0.1
  kerasdecay replay --rule adaptive-knee --trigger plateau:patience=2 --log history.csv

The log is what keras.callbacks.CSVLogger writes: a row for each epoch, a column for each metric.
The rates in it are not used: another rate would have led to other metrics. Options that a rule
does not have go to its trigger. loss-slope needs the loss of every batch: a row for each batch,
with its epoch in the column epoch and its own loss, not the mean so far.

Of a log of more than 500 epochs the first and the last ones are shown, the first and the last
changes, and how often each decision was taken; --all shows every epoch."""

Log = list[Mapping[str, float]]

_ABSENT = (None, "", "NA")
"""The cells of a metric that an epoch does not have; CSVLogger writes NA."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
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
        "--initial-learning-rate",
        metavar="X",
        type=float,
        help="the rate of that training, which some rules need; without it the scale is shown",
    )
    add("--all", action="store_true", help="show every epoch of a log of more than 500")
    parts.add_options(parser, "options of rules (kerasdecay list shows their defaults)", FAMILY)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Read the log, replay the rule, print the table."""
    given = parts.given(options)
    rule: Rule = parts.build(FAMILY, options.rule, given)
    parts.refuse_unused([rule], given, f"{options.rule} has no")
    rate = _rate(options, rule)
    epochs = read_log(options.log, rule.watched, options.separator)
    losses: list[list[float]] | None = None
    if rule.needs_batch_losses or rule.watches_batches:
        epochs, losses = by_epoch(epochs)

    from kerasdecay.report.console import show
    from kerasdecay.report.replays import replay_report

    show(replay_report(rule, epochs, rate, losses, every_epoch=options.all))


def _rate(options: argparse.Namespace, rule: Rule) -> float | None:
    rate: float | None = options.learning_rate
    if rate is None and rule.depends_on_rate:
        raise ValueError(f"{options.rule} decides by the rate itself: give --learning-rate")
    if rate is not None and not 0 < rate < float("inf"):
        raise ValueError(f"--learning-rate must be a finite number > 0. Received: {rate}")
    return rate


def read_log(path: str, column: str, separator: str = ",") -> Log:
    """Return the numbers in each row of a CSVLogger's file; other cells are left out.

    Raises:
        ValueError: If the file is missing or holds no epoch, or if the column is missing or holds
            something other than numbers.
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
        known = [name for name in rows[0] if name]
        hints = [did_you_mean(known, column), f"There are: {', '.join(known)}"]
        raise ValueError(" ".join([f"{path} has no column {column!r}.", *filter(None, hints)]))
    epochs: Log = []
    for line, row in enumerate(rows, 2):
        numbers = {
            name: _number(text) for name, text in row.items() if name and text not in _ABSENT
        }
        if numbers.get(column, 0.0) is None:
            raise ValueError(
                f"{path}, line {line}: {column} is {row[column]!r}, which is no number"
            )
        epochs.append({name: value for name, value in numbers.items() if value is not None})
        if len(epochs) > 1 and epochs[-1].get("epoch", 0) < epochs[-2].get("epoch", 0):
            raise ValueError(
                f"{path}, line {line}: the epochs begin anew, so the file holds several trainings. "
                "Replay them one at a time, from a file with the rows of one"
            )
    return epochs


def by_epoch(batches: Log) -> tuple[Log, list[list[float]]]:
    """Return the epochs of a log with a row for each batch, and the losses of each epoch.

    Raises:
        ValueError: If the log has a row for each epoch, with a loss that is a mean over batches.
    """
    groups = [list(rows) for _, rows in itertools.groupby(batches, lambda row: row.get("epoch"))]
    if len(groups) == len(batches) or "epoch" not in batches[0]:
        raise ValueError(
            "a rule that looks at the loss of every batch needs a log with a row for each, and a "
            "column epoch that says which epoch it belongs to"
        )
    losses = [[row["loss"] for row in rows if "loss" in row] for rows in groups]
    epochs: Log = [
        {"epoch": rows[0]["epoch"], **({"loss": sum(found) / len(found)} if found else {})}
        for rows, found in zip(groups, losses, strict=True)
    ]
    return epochs, losses


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
