"""Draw the table of shapes and rules: a small curve and one line each, from the code itself.

python docs/family.py           writes the curves, and the tables in docs/
python docs/family.py --check   only says whether they are current; exit code 1 if they are not
"""

from __future__ import annotations

import argparse
import inspect
import pathlib
import re
import sys

import numpy as np

from kerasdecay import rules, schedules
from kerasdecay.report.replays import open_loop

ROOT = pathlib.Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
EPOCHS, STEPS = 30, 8
WIDTH, HEIGHT, MARGIN = 132, 34, 3

# What the defaults do not show: Refined needs the gradient norms of a run.
EXAMPLES = {
    "refined": schedules.Refined.from_gradient_norms(
        np.concatenate([np.linspace(3.0, 1.0, 20), np.linspace(1.0, 2.0, 60)]), 0.1
    ),
}
CALLBACKS = {
    "power-step": "PowerStepDecay",
    "step": "StepDecay",
    "linear": "LinearDecay",
    "cosine": "CosineDecay",
    "one-cycle": "OneCycleDecay",
    "knee": "KneeDecay",
    "warmup-stable": "WarmupStableDecay",
}
RULE_CALLBACKS = {
    "plateau": "PlateauDecay",
    "greedy": "GreedyDecay",
    "weight-norm": "WeightNormDecay",
    "loss-slope": "LossSlopeDecay",
    "adaptive-knee": "AdaptiveKneeDecay",
    "open-ended": "OpenEndedDecay",
    "staged": "PowerStepDecay(advance_on=…)",
    "rescue": "AutoDecay",
}

# A made-up training for the rules to look at, and each with numbers for so few epochs.
EPOCH = np.arange(EPOCHS)
LOSS = np.interp(EPOCH, [0, 3, 8, 12, 15, 18, 24, 29], [2.3, 1.5, 1.0, 1.0, 0.7, 0.6, 0.6, 0.5])
NORM = np.interp(EPOCH, [0, 6, 12, 17, 22, 29], [100.0, 80.0, 90.0, 70.0, 85.0, 80.0])
BATCH = np.arange(EPOCHS * 40).reshape(EPOCHS, 40)
BATCH_LOSSES = np.interp(BATCH / 40, [0, 2, 6, 15, 18, 29], [2.3, 1.5, 1.0, 1.0, 0.6, 0.6])
BATCH_LOSSES += 0.1 * np.sin(BATCH**2)
# A training that falls, for the rule that puts it back.
FALLEN = np.where((BATCH >= 400) & (BATCH < 408), 50.0, BATCH_LOSSES)
RULE_EXAMPLES = {
    "plateau": rules.Plateau(factor=0.4, patience=4),
    "greedy": rules.Greedy(factor=0.8, patience=1),
    "weight-norm": rules.WeightNorm(factor=0.4),
    "loss-slope": rules.LossSlope(factor=0.4),
    "adaptive-knee": rules.AdaptiveKnee(),
    "open-ended": rules.OpenEnded(rules.Plateau(patience=4, min_delta=0.02), cooldown="50%"),
    "staged": rules.Staged(rules.Plateau(patience=4)),
    "rescue": rules.Rescue(factor=0.4),
}


def first_line(member: type) -> str:
    """Return the first sentence of a docstring, its formula set as a formula."""
    text, colon, formula = (
        (inspect.getdoc(member) or "").partition("\n")[0].rstrip(".").partition(": η")
    )
    formula, comma, meaning = formula.partition(", z ")
    return f"{text}: {formula_html(f'η{formula}')}{comma}{meaning}" if colon else text


def formula_html(formula: str) -> str:
    """Return a formula with its powers above the line."""
    raised = re.sub(r"\^(\([^()]*\)|⌊[^⌋]*⌋|#\{[^{}]*\}|\w)", _raised, formula)
    return f'<span class="formula">{raised.replace(" <= ", " ≤ ")}</span>'


def _raised(found: re.Match[str]) -> str:
    return f"<sup>{found.group(1).strip('()')}</sup>"


def shape_rates(name: str) -> np.ndarray:
    """Return the rates of a shape."""
    shape = EXAMPLES.get(name) or schedules.FAMILY[name](0.1)
    return schedules.simulate(shape, epochs=EPOCHS, steps_per_epoch=STEPS)


def rule_rates(name: str) -> np.ndarray:
    """Return the rates that a rule makes of 0.1 in the made-up training."""
    rule = RULE_EXAMPLES[name]
    logs = [
        {"val_loss": loss, "weight_norm": norm}
        for loss, norm in zip(LOSS.tolist(), NORM.tolist(), strict=True)
    ]
    losses = FALLEN if rule.watches_batches else BATCH_LOSSES
    states = list(rule.replay(logs, 0.1, losses))
    scales = [1.0, *(state.scale for state in states[:-1])]
    planned = schedules.simulate(open_loop(rule, states, 0.1), epochs=EPOCHS, steps_per_epoch=STEPS)
    return planned * np.repeat(scales, STEPS)


def curve(rates: np.ndarray) -> str:
    """Return rates as a small SVG picture."""
    across = np.linspace(MARGIN, WIDTH - MARGIN, len(rates))
    down = HEIGHT - MARGIN - rates / rates.max() * (HEIGHT - 2 * MARGIN)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=True))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}"><polyline fill="none" stroke="#3b7dd8" stroke-width="1.8" '
        f'stroke-linejoin="round" points="{points}"/></svg>\n'
    )


def table(kind: str, family: dict[str, type], callbacks: dict[str, str], images: str) -> str:
    """Return a family in Markdown; `images` is where the page finds the curves."""
    lines = [f"| {kind} | | what it does | as a callback |", "| --- | --- | --- | --- |"]
    for name, member in family.items():
        picture = f"![{name}]({images}/{kind}s/{name}.svg)"
        callback = f"`{callbacks[name]}`" if name in callbacks else ""
        lines.append(f"| `{member.__name__}` | {picture} | {first_line(member)} | {callback} |")
    return "\n".join(lines)


def shape_table(images: str) -> str:
    """Return the table of shapes."""
    return table("shape", schedules.FAMILY, CALLBACKS, images)


def rule_table(images: str) -> str:
    """Return the table of rules."""
    return table("rule", rules.FAMILY, RULE_CALLBACKS, images)


def files() -> dict[pathlib.Path, str]:
    """Return what should stand where."""
    wanted = {
        IMAGES / "shapes" / f"{name}.svg": curve(shape_rates(name)) for name in schedules.FAMILY
    }
    wanted |= {IMAGES / "rules" / f"{name}.svg": curve(rule_rates(name)) for name in rules.FAMILY}
    pages = {
        "docs/shapes.md": shape_table("images"),
        "docs/rules.md": rule_table("images"),
    }
    for page, tables in pages.items():
        text = (ROOT / page).read_text(encoding="utf-8")
        before, begin, rest = text.partition("<!-- family -->\n")
        _, end, after = rest.partition("\n<!-- /family -->")
        wanted[ROOT / page] = before + begin + tables + end + after
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
