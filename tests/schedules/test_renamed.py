"""The former name of the shape `WarmupStable`: it works, and says what to write instead."""

from __future__ import annotations

import warnings

import pytest

from kerasdecay import schedules
from kerasdecay._config import from_config
from kerasdecay.schedules import FAMILY, WarmupStable

NAMED = (
    r"kerasdecay\.schedules\.WarmupStableDecay is now called kerasdecay\.schedules\.WarmupStable;"
)


def test_the_former_name_is_the_shape_and_the_warning_points_at_the_users_line() -> None:
    with pytest.warns(DeprecationWarning, match=NAMED) as caught:
        from kerasdecay.schedules import WarmupStableDecay
    assert WarmupStableDecay is WarmupStable
    assert {warning.filename for warning in caught} == {__file__}
    with pytest.warns(DeprecationWarning, match=NAMED) as caught:
        assert schedules.WarmupStableDecay is WarmupStable
    assert {warning.filename for warning in caught} == {__file__}


def test_so_is_the_former_name_in_the_family() -> None:
    renamed = "warmup-stable-decay is now called warmup-stable"
    with pytest.warns(DeprecationWarning, match=renamed) as caught:
        assert FAMILY["warmup-stable-decay"] is WarmupStable
    assert {warning.filename for warning in caught} == {__file__}
    assert "warmup-stable-decay" not in FAMILY


def test_configurations_with_the_former_name_are_read_without_a_warning() -> None:
    shape = WarmupStable(0.1, 0.01, decay="30%", curve="cosine")
    config = shape.get_config()
    assert config["class_name"] == "WarmupStable"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert from_config({**config, "class_name": "WarmupStableDecay"}) == shape


def test_other_names_are_still_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'WarmupDecay'"):
        schedules.WarmupDecay  # noqa: B018
    with pytest.raises(KeyError, match="no-such-shape"):
        FAMILY["no-such-shape"]
