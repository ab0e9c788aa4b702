"""Draw the table of shapes and rules: a small curve and one line each, from the code itself.

python docs/family.py           writes the curves, and the tables in README.md and docs/
python docs/family.py --check   only says whether they are current; exit code 1 if they are not
"""

from __future__ import annotations

import argparse
import inspect
import pathlib
import sys

import numpy as np

from kerasdecay import rules, schedules

ROOT = pathlib.Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images" / "shapes"
PAGES = {"README.md": "docs/images/shapes", "docs/shapes.md": "images/shapes"}
EPOCHS, STEPS = 30, 8
WIDTH, HEIGHT, MARGIN = 132, 34, 3

# What the defaults do not show: Refined needs the gradient norms of a run.
EXAMPLES = {
    "refined": schedules.Refined.from_gradient_norms(
        np.concatenate([np.linspace(3.0, 1.0, 20), np.linspace(1.0, 2.0, 60)]), 0.1
    ),
}
CALLBACKS = {
    "constant": "",
    "power-step": "PowerStepDecay",
    "step": "StepDecay",
    "linear": "LinearDecay",
    "cosine": "CosineDecay",
    "one-cycle": "OneCycleDecay",
    "warmup-stable-decay": "WarmupStableDecay",
}
RULE_CALLBACKS = {
    "plateau": "PlateauDecay",
    "greedy": "GreedyDecay",
    "weight-norm": "WeightNormDecay",
    "loss-slope": "LossSlopeDecay",
    "adaptive-knee": "AdaptiveKneeDecay",
}


def first_line(member: type) -> str:
    """Return the first sentence of a docstring, without its colon's formula twice."""
    return (inspect.getdoc(member) or "").partition("\n")[0].rstrip(".")


def curve(name: str) -> str:
    """Return a shape's curve as a small SVG picture."""
    shape = EXAMPLES.get(name) or schedules.FAMILY[name](0.1)
    rates = schedules.simulate(shape, epochs=EPOCHS, steps_per_epoch=STEPS)
    across = np.linspace(MARGIN, WIDTH - MARGIN, len(rates))
    down = HEIGHT - MARGIN - rates / rates.max() * (HEIGHT - 2 * MARGIN)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=True))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}"><polyline fill="none" stroke="#3b7dd8" stroke-width="1.8" '
        f'stroke-linejoin="round" points="{points}"/></svg>\n'
    )


def tables(images: str) -> str:
    """Return both tables in Markdown; `images` is where the page finds the curves."""
    lines = ["| shape | | what it does | as a callback |", "| --- | --- | --- | --- |"]
    for name, member in schedules.FAMILY.items():
        callback = CALLBACKS.get(name)
        shown = f"`{callback}`" if callback else ""
        picture = f"![{name}]({images}/{name}.svg)"
        lines.append(f"| `{member.__name__}` | {picture} | {first_line(member)} | {shown} |")
    lines += ["", "| rule | what it does | as a callback |", "| --- | --- | --- |"]
    for name, rule in rules.FAMILY.items():
        lines.append(f"| `{rule.__name__}` | {first_line(rule)} | `{RULE_CALLBACKS[name]}` |")
    lines.append("| `Staged` | " + first_line(rules.Staged) + " | `PowerStepDecay(advance_on=…)` |")
    return "\n".join(lines)


def files() -> dict[pathlib.Path, str]:
    """Return what should stand where."""
    wanted = {IMAGES / f"{name}.svg": curve(name) for name in schedules.FAMILY}
    for page, images in PAGES.items():
        text = (ROOT / page).read_text(encoding="utf-8")
        before, begin, rest = text.partition("<!-- family -->\n")
        _, end, after = rest.partition("\n<!-- /family -->")
        wanted[ROOT / page] = before + begin + tables(images) + end + after
    return wanted


def main() -> int:
    """Write what is not current, or name it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    stale = [
        path
        for path, text in files().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        print(f"{'not current' if check else 'written'}: {path.relative_to(ROOT)}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files()[path], encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
