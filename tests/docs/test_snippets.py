"""Every snippet of the README and the documentation runs as it is printed."""

from __future__ import annotations

import math
import pathlib
import re
import shlex
import warnings

import keras
import numpy as np
import pytest

from kerasdecay import AutoDecay, cli

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
DIFF = re.compile(r"^```diff\n(.*?)^```", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def build_model():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    return model


def blocks(page: pathlib.Path, pattern: re.Pattern[str]) -> list[str]:
    return pattern.findall(page.read_text(encoding="utf-8"))


def name(page: pathlib.Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, PYTHON)], ids=name)
def test_python_snippets_run_in_their_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(64, 4)).astype("float32"), generator.integers(0, 3, 64)
    names = {"model": build_model(), "build_model": build_model, "x": x, "y": y}
    names |= {"x_val": x[:16], "y_val": y[:16], "x_test": x[16:32], "y_test": y[16:32]}
    for number, block in enumerate(blocks(page, PYTHON), start=1):
        exec(compile(block, f"{name(page)}, snippet {number}", "exec"), names)


@pytest.mark.parametrize("sign", ["-", "+"])
def test_both_sides_of_the_comparison_with_keras_run(sign):
    (block,) = blocks(ROOT / "README.md", DIFF)
    lines = [line[1:].strip() for line in block.splitlines() if line.startswith(sign)]
    assert len(lines) == 3
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
    x = np.random.default_rng(0).normal(size=(160, 4)).astype("float32")
    names = {"math": math, "keras": keras, "AutoDecay": AutoDecay, "model": model}
    names |= {"loss": "sparse_categorical_crossentropy", "x": x, "y": x[:, :3].argmax(axis=1)}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        exec("\n".join(lines), names)
    assert model.evaluate(x, names["y"], verbose=0) < math.log(3)  # of a constant prediction


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, CONSOLE)], ids=name)
def test_commands_run(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for line in "\n".join(blocks(page, CONSOLE)).splitlines():
        command = shlex.split(line, comments=True)
        assert command[0] == "kerasdecay"
        assert cli.main(command[1:]) in (0, None)
        assert capsys.readouterr().out


def test_the_tables_of_the_family_are_current():
    spec_path = ROOT / "docs" / "family.py"
    names: dict[str, object] = {"__file__": str(spec_path), "__name__": "family"}
    exec(compile(spec_path.read_text(encoding="utf-8"), str(spec_path), "exec"), names)
    stale = [
        str(path.relative_to(ROOT))
        for path, text in names["files"]().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run: python docs/family.py"


def test_links_lead_somewhere():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            if not target.startswith(("http:", "https:")):
                assert (page.parent / target).exists(), f"{name(page)}: {target}"
