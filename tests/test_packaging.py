"""What is built, and what that promises: the files of wheel and sdist, and their metadata."""

from __future__ import annotations

import re
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

hatchling = pytest.importorskip("hatchling.builders.wheel")

ROOT = Path(__file__).resolve().parents[1]
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "kerasdecay/__init__.py").read_text("utf-8"))[
    1
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    builder = hatchling.WheelBuilder(str(ROOT))
    (built,) = builder.build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(wheel.read(name).decode())


def test_wheel_holds_the_package_and_nothing_else(wheel):
    names = wheel.namelist()
    assert {name.split("/")[0] for name in names} == {
        "kerasdecay",
        f"kerasdecay-{VERSION}.dist-info",
    }
    assert "kerasdecay/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name]
    in_tree = {path.relative_to(ROOT).as_posix() for path in (ROOT / "kerasdecay").rglob("*.py")}
    assert in_tree <= set(names)


def test_wheel_installs_the_command(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "kerasdecay = kerasdecay.cli:main" in wheel.read(name).decode()


def test_metadata_says_what_is_supported(metadata):
    assert metadata["Version"] == VERSION
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata["Requires-Python"].split(",")) == {">=3.11", "<3.14"}
    required = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert {re.split(r"[<>=! ]", line)[0] for line in required} == {"keras", "numpy", "rich"}
    assert "keras>=3.12" in required
    assert {"tensorflow", "jax", "torch", "tuner", "plot", "examples", "dev"} <= set(
        metadata.get_all("Provides-Extra")
    )


def test_no_backend_is_pinned():
    extras = PROJECT["optional-dependencies"]
    assert [extras[name] for name in ("tensorflow", "jax", "torch")] == [
        ["tensorflow"],
        ["jax"],
        ["torch"],
    ]
    assert not [line for lines in extras.values() for line in lines if "==" in line]


def test_extras_cover_what_their_packages_import_undeclared():
    extras = PROJECT["optional-dependencies"]
    assert {"tensorboard", "six"} <= set(extras["tuner"])
    assert "importlib_resources" in extras["examples"]


def test_sdist_holds_sources_tests_and_documents(tmp_path):
    from hatchling.builders.sdist import SdistBuilder

    (built,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with tarfile.open(built) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for expected in (
        "kerasdecay/py.typed",
        "tests/conftest.py",
        "Makefile",
        "LICENSE",
        "README.md",
    ):
        assert expected in names
    tops = {name.split("/")[0] for name in names}
    assert not tops & {".venv", ".ci", "results", "site", "dist"}
