"""What a step costs under each callback and engine, beside a plain `fit`.

    python benchmarks/callback_overhead.py                    every backend, some 15 minutes each
    python benchmarks/callback_overhead.py --backend jax      one of them
    python benchmarks/callback_overhead.py --arms knobs       what is driven besides the rate
    python benchmarks/callback_overhead.py --quick            a smoke test; writes nothing
    python benchmarks/callback_overhead.py --report           the tables of docs/engines.md

Each backend is measured in a process of its own, with jit_compile on and off, on a network of one
layer and on one of 30, but for two cases that would take too long. The arms take turns, an epoch
each, in a new order each round, each beside an epoch of a plain `fit`. Told are medians over the
rounds of the CPU time a step, with quartiles, and the median ratio to the plain epoch beside, with
its 95 % interval (sessions of ten rounds resampled).
Results: benchmarks/results/callback_overhead-<backend>.json, of knobs in …-<backend>-knobs.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).resolve().parent / "results"
BACKENDS = ("tensorflow", "jax", "torch")

# torch.compile takes minutes for the deep network, and anew for each compiled training. Without jit
# JAX dispatches each operation by itself: a step of 30 layers takes a good part of a second.
LEFT_OUT = {("torch", "deep", True), ("jax", "deep", False)}

ARMS = ("decays", "knobs")
REPORTED = {
    ("jax", "tiny", True): "JAX, jit",
    ("jax", "deep", True): "JAX, jit, 30 layers",
    ("tensorflow", "tiny", False): "TensorFlow",
    ("tensorflow", "tiny", True): "TensorFlow, jit",
    ("torch", "tiny", False): "torch",
    ("torch", "tiny", True): "torch, jit",
}
"""(backend, network, jit) → the column of the page's table."""


def file_of(backend: str, arms: str) -> Path:
    """Return the file of a backend's results."""
    return RESULTS / f"callback_overhead-{backend}{'-knobs' if arms == 'knobs' else ''}.json"


def page_table(arms: str) -> str:
    """Return the table of the documentation: a column for each case that was measured."""
    cases: dict[str, Any] = {}
    for backend in BACKENDS:
        path = file_of(backend, arms)
        if path.exists():
            for case in json.loads(path.read_text(encoding="utf-8"))["cases"]:
                cases[REPORTED.get((backend, case["network"], case["jit"]), "")] = case
    shown = {title: cases[title] for title in REPORTED.values() if title in cases}
    names = dict.fromkeys(name for case in shown.values() for name in case["arms"])
    plain = [case["arms"]["no callback"]["median"] / 1000 for case in shown.values()]
    rows = [
        ["a plain step, ms", *(f"{milliseconds:.2f}" for milliseconds in plain)],
        ["steps an epoch; n", *(f"{one['steps']}; {one['rounds']}" for one in shown.values())],
        *([name, *(_ratio(case, name) for case in shown.values())] for name in names),
    ]
    head = ["callback", *shown]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def _ratio(case: dict[str, Any], name: str) -> str:
    arm = case["arms"].get(name)
    if not arm:
        return "–"
    cell = "{:.2f} ({:.2f} … {:.2f})".format(arm["ratio"], *arm["ratio_interval"])
    return f"{cell}; {arm['clock_ratio']:.2f}" if "clock_ratio" in arm else cell


def table_of(backend: str, case: dict[str, Any]) -> Table:
    """Return a case's table."""
    step = "jit" if case["jit"] else "no jit"
    table = Table(
        title=f"{backend}, {case['network']} network, {step}: CPU µs a step "
        f"(n = {case['rounds']} epochs of {case['steps']} steps)"
    )
    table.add_column("callback", no_wrap=True)
    for heading in ("median", "quartiles", "ratio to plain", "95 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, arm in case["arms"].items():
        table.add_row(
            name,
            f"{arm['median']:.0f}",
            "{:.0f} … {:.0f}".format(*arm["quartiles"]),
            f"{arm['ratio']:.3f}",
            "{:.3f} … {:.3f}".format(*arm["ratio_interval"]),
        )
    return table


def measure_here(backend: str, arms: str, seconds: float | None, *, quick: bool) -> None:
    """Measure the backend of this process; print its tables, write its file."""
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Keras takes its backend from the environment, when it is imported.
    from _overhead import Case, Effort, measure

    from kerasdecay._files import write_atomically
    from kerasdecay._json import to_json
    from kerasdecay.study.environment import environment

    if backend == "torch":
        import torch._dynamo

        # A step for each network: beyond eight, torch would no longer compile them.
        torch._dynamo.config.recompile_limit = 1000
    effort = Effort(seconds=0.0, rounds=2, epoch_seconds=0.02) if quick else Effort()
    if seconds is not None:
        effort = dataclasses.replace(effort, seconds=seconds)
    console = Console(width=100)
    cases: list[dict[str, Any]] = []
    content = {
        "command": f"python benchmarks/callback_overhead.py --backend {backend} --arms {arms}",
        "environment": environment(),
        "cases": cases,
    }
    for network in ("tiny",) if quick else ("tiny", "deep"):
        for jit in (False,) if quick else (False, True):
            if (backend, network, jit) in LEFT_OUT:
                continue
            cases.append(measure(Case(network, jit, arms), effort))
            console.print(table_of(backend, cases[-1]))
            if not quick:  # after each case, for the next one may take long
                write_atomically(file_of(backend, arms), to_json(content))


def main() -> int:
    """Measure one backend here, or each that is installed in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS, help="one backend alone")
    parser.add_argument("--arms", choices=ARMS, default="decays", help="which are measured")
    parser.add_argument("--seconds", type=float, help="for each case, at least")
    parser.add_argument("--report", action="store_true", help="measure nothing, print the tables")
    parser.add_argument("--quick", action="store_true", help="a smoke test; nothing is written")
    arguments = parser.parse_args()
    if arguments.report:
        print("\n\n".join(map(page_table, ARMS)))
        return 0
    if arguments.backend:
        measure_here(arguments.backend, arguments.arms, arguments.seconds, quick=arguments.quick)
        return 0
    status = 0
    for backend in BACKENDS:
        if importlib.util.find_spec(backend) is None:
            Console().print(f"{backend} is not installed: left out")
            continue
        command = [sys.executable, __file__, "--backend", backend]
        status |= subprocess.run([*command, *sys.argv[1:]], check=False).returncode
    return status


if __name__ == "__main__":
    sys.exit(main())
