"""`kerasdecay preview`: the rates of a whole run, drawn or written down."""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Mapping

import numpy as np

from kerasdecay._files import csv_text, write_atomically
from kerasdecay.cli import parts
from kerasdecay.report import console
from kerasdecay.report.charts import SEVERAL, Line, Piece, chart, mark
from kerasdecay.report.stages import stages
from kerasdecay.schedules import FAMILY, Schedule, simulate, warmup

_DESCRIPTION = """\
Draw the rates of one shape or more, or write them to a file.

  kerasdecay preview power-step --initial-learning-rate 0.1 --epochs 15
  kerasdecay preview power-step:stages=5 cosine one-cycle:rise=20% --epochs 30 --warmup 10%
  kerasdecay preview cosine --epochs 15 --steps-per-epoch 391 --csv - | head

An option such as --stages goes to every shape that has it. Written after a shape's name and a colon
it is for that shape alone, so that a shape may occur twice. Durations are epochs (3), "500 steps"
or a share of the run (10%)."""

Rates = Mapping[str, np.ndarray]

_MAX_WIDTH = 100
_MAX_STAGES = 6


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.usage = "kerasdecay preview SHAPE[:OPTION=VALUE…] … [options]"
    parser.description = _DESCRIPTION
    add = parser.add_argument
    add("shapes", nargs="+", metavar="SHAPE[:OPTION=VALUE…]", help="see kerasdecay list")
    add(
        "--initial-learning-rate",
        "--learning-rate",
        metavar="X",
        dest=f"{parts.PREFIX}initial_learning_rate",
        default="0.1",
        help="default: 0.1",
    )
    add("--epochs", metavar="N", type=int, default=15, help="the horizon; default: 15")
    add(
        "--steps-per-epoch",
        metavar="N",
        type=int,
        help="batches in an epoch; without it there is one rate for each epoch",
    )
    add("--warmup", metavar="DURATION", help="a linear warmup before every shape")
    add("--warmup-start", metavar="X", type=float, help="the first rate's share of the initial one")
    files = parser.add_argument_group(
        "files, instead of the drawing if FILE is - (standard output)"
    )
    files.add_argument("--csv", metavar="FILE", help="a row for each rate")
    files.add_argument("--json", metavar="FILE", help="the rates, and how to make each schedule")
    files.add_argument("--png", metavar="FILE", help="a picture; a name in .svg or .pdf works too")
    title = "options of shapes (kerasdecay list shows their defaults)"
    parts.add_options(parser, title, FAMILY, besides="initial_learning_rate")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Compute all rates, then write the files or draw."""
    schedules = _schedules(options)
    rates = {
        name: simulate(schedule, epochs=options.epochs, steps_per_epoch=options.steps_per_epoch)
        for name, schedule in schedules.items()
    }
    if options.png == "-":
        raise ValueError("--png must be the name of a file. Received: -")
    if options.csv == options.json == "-":
        raise ValueError("--csv - and --json - both want standard output: give one of them a file")
    contents = _contents(schedules, rates, options)
    printed = contents.pop("-", None)
    _write(contents)
    if printed is not None:
        console.write(str(printed))
    else:
        done = [[Piece(f"wrote {path}", "green")] for path in contents]
        console.show_lines([*_drawing(rates, options), *_note(schedules, options), *done])


def _schedules(options: argparse.Namespace) -> dict[str, Schedule]:
    given = parts.given(options)
    shapes: dict[str, Schedule] = {
        text: parts.build(FAMILY, text, given) for text in options.shapes
    }
    parts.refuse_unused(shapes.values(), given, "none of these shapes has")
    if options.warmup is None:
        if options.warmup_start is not None:
            raise ValueError("--warmup-start needs --warmup DURATION")
        return shapes
    duration = parts.number(options.warmup)
    return {text: warmup(one, duration, options.warmup_start) for text, one in shapes.items()}


def _csv(rates: Rates, options: argparse.Namespace) -> str:
    """Return a row for each rate; epochs and steps count from 0, as Keras' CSVLogger does."""
    steps = options.steps_per_epoch
    header = ["epoch", *(["step"] if steps else []), *rates]
    columns = zip(*(column.tolist() for column in rates.values()), strict=True)
    rows = (
        [update // steps, update, *row] if steps else [update, *row]
        for update, row in enumerate(columns)
    )
    return csv_text([header, *rows])


def _json(schedules: Mapping[str, Schedule], rates: Rates, options: argparse.Namespace) -> str:
    entries = [
        {"name": name, "schedule": schedule.get_config(), "learning_rates": rates[name].tolist()}
        for name, schedule in schedules.items()
    ]
    content = {"epochs": options.epochs, "steps_per_epoch": options.steps_per_epoch}
    return json.dumps({**content, "schedules": entries}, allow_nan=False) + "\n"


def _contents(
    schedules: Mapping[str, Schedule], rates: Rates, options: argparse.Namespace
) -> dict[str, str | bytes]:
    """Return the files to write: name, or `-` for standard output → content."""
    contents: dict[str, str | bytes] = {}
    if options.csv is not None:
        contents[options.csv] = _csv(rates, options)
    if options.json is not None:
        contents[options.json] = _json(schedules, rates, options)
    if options.png is not None:
        from kerasdecay.report.figures import picture
        from kerasdecay.report.pictures import curves_figure

        kind = pathlib.PurePath(options.png).suffix.lstrip(".") or "png"
        contents[options.png] = picture(curves_figure(rates, options.epochs), kind)
    return contents


def _note(schedules: Mapping[str, Schedule], options: argparse.Namespace) -> list[Line]:
    """Return a line where a training, which writes at each batch, would have other rates."""
    moving = any(schedule.changes_within_epochs for schedule in schedules.values())
    if options.steps_per_epoch is not None or not moving:
        return []
    return [[Piece("one rate an epoch; --steps-per-epoch N shows each batch, as trained", "dim")]]


def _write(contents: Mapping[str, str | bytes]) -> None:
    """Write files, each whole or not at all."""
    for path, content in contents.items():
        try:
            write_atomically(path, content)
        except OSError as error:
            raise ValueError(f"{path} cannot be written: {error.strerror}") from error


def _drawing(rates: Rates, options: argparse.Namespace) -> list[Line]:
    """Return the curves, and each shape's stages under them."""
    colour = console.has_colour()
    lines = chart(
        list(rates.values()),
        options.epochs,
        width=min(console.width(), _MAX_WIDTH),
        colour=colour,
        dots=console.has_dots(),
    )
    width = max(map(len, rates))
    for place, (name, curve) in enumerate(rates.items()):
        by_epoch = curve.reshape(options.epochs, -1)
        found = stages(by_epoch[:, 0], by_epoch[:, -1])
        shown = [*map(str, found[:_MAX_STAGES]), *(["…"] if len(found) > _MAX_STAGES else [])]
        start = [mark(place, colour=colour), Piece(" ")] if len(rates) > 1 else []
        lines.append([*start, Piece(f"{name:<{width}}", "bold"), Piece(f"  {' · '.join(shown)}")])
    if any(SEVERAL in piece.text for line in lines for piece in line):
        lines.append([Piece(f"{SEVERAL} where several meet", "dim")])
    return lines
