"""What users write against: the signatures, and every name documented."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

import kerasdecay
from kerasdecay import _names

ROOT = Path(__file__).resolve().parents[1]

# A change here is a change for users: it needs a line in CHANGELOG.md.
SIGNATURES = {
    "LearningRateDecay": (
        "(schedule=None, *, by_step=None, optimizers=None, warmup=None, rules=(), epochs=None, "
        "update='auto', state_path=None, verbose=0, group_factors=None, weight_decay=None, "
        "momentum=None, beta_1=None, average_last=None)"
    ),
    "PowerStepDecay": (
        "(initial_learning_rate=None, *, stages=3, remainder='last', min_learning_rate=0.0, "
        "advance_on=None, warmup=None, rules=(), epochs=None, update='auto', state_path=None, "
        "verbose=0, group_factors=None, weight_decay=None, momentum=None, beta_1=None, "
        "average_last=None)"
    ),
    "PlateauDecay": (
        "(monitor='val_loss', factor=0.1, patience=10, verbose=0, mode='auto', min_delta=0.0001, "
        "cooldown=0, min_lr=0.0, *, schedule=None, min_delta_mode='abs', smoothing=1, "
        "restore_best_weights=False, restore_optimizer=True, stop_at_min_lr=False, every=None, "
        "warmup=None, rules=(), epochs=None, update='auto', state_path=None, "
        "group_factors=None, weight_decay=None, momentum=None, beta_1=None, average_last=None)"
    ),
    "WarmupDecay": (
        "(duration, then=None, start=None, *, rules=(), verbose=0, epochs=None, update='auto', "
        "state_path=None, group_factors=None, weight_decay=None, momentum=None, beta_1=None, "
        "average_last=None)"
    ),
}


def without_types(function) -> str:
    """Return a signature's names, kinds and defaults."""
    signature = inspect.signature(function)
    bare = [one.replace(annotation=one.empty) for one in signature.parameters.values()]
    return str(inspect.Signature(bare))


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_those_of_the_design(name):
    assert without_types(getattr(kerasdecay, name)) == SIGNATURES[name]


@pytest.mark.parametrize("part", ["records", "schedules", "study"])
def test_a_part_is_there_when_it_is_first_used(part, monkeypatch):
    monkeypatch.delattr(kerasdecay, part, raising=False)
    assert getattr(kerasdecay, part) is importlib.import_module(f"kerasdecay.{part}")


def test_a_file_of_a_package_can_be_imported_from_it():
    code = "from kerasdecay import cli, _names; from kerasdecay.schedules import knee"
    found: dict[str, object] = {}
    exec(code, found)
    assert found["knee"] is importlib.import_module("kerasdecay.schedules.knee")


def test_public_names_alone_are_listed():
    listed = [name for name in dir(kerasdecay) if not name.startswith("__")]
    assert listed == sorted(kerasdecay.__all__)


def test_an_unknown_argument_is_told_by_the_callback_that_was_called():
    told = (
        r"^StepDecay\(\) got an unexpected keyword argument 'step_size'\. "
        r"Did you mean every=…, in epochs, '500 steps' or '10%'\? It takes .*every, factor"
    )
    with pytest.raises(TypeError, match=told):
        kerasdecay.StepDecay(0.1, step_size=5)


def test_a_missing_argument_is_told_without_those_that_take_any_others():
    @_names.takes_familiar
    def made(base, *others, **options):
        return base, others, options

    with pytest.raises(TypeError, match=r"^made\(\) needs base=…\. It takes base, others, options"):
        made(colour="red")
    assert made(1, 2, colour="red") == (1, (2,), {"colour": "red"})


def documented() -> dict[str, list[str]]:
    """Return, for each module that a page of docs/api is about, the names that it shows."""
    pages = sorted((ROOT / "docs" / "api").glob("*.md"))
    found: dict[str, list[str]] = {}
    for page in pages:
        for entry in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE):
            module, _, name = entry.rpartition(".")
            found.setdefault(module, []).append(name)
    return found


def test_every_module_for_users_has_its_page_of_the_reference():
    packages = {
        f"kerasdecay.{path.parent.name}" for path in (ROOT / "kerasdecay").glob("*/__init__.py")
    }
    # The command line has its --help; control and training are what the callbacks are made of.
    inner = {"kerasdecay.cli", "kerasdecay.control", "kerasdecay.training"}
    assert set(documented()) == packages - inner


@pytest.mark.parametrize("name", kerasdecay.__all__)
def test_every_name_of_the_package_is_on_a_page(name):
    homes = [module for module, names in documented().items() if name in names]
    of_pages = [getattr(importlib.import_module(home), name) for home in homes]
    assert any(one is getattr(kerasdecay, name) for one in of_pages)


def test_every_decay_callback_of_the_reference_can_be_imported_from_the_package():
    callbacks = {name for name in documented()["kerasdecay.callbacks"] if name.endswith("Decay")}
    here = {name for name in kerasdecay.__all__ if name.endswith("Decay")}
    assert here == callbacks
