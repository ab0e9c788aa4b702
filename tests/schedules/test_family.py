"""What holds for every shape and composition, driven by one table."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import re

import numpy as np
import pytest
from schedule_cases import CASES, SHAPES, Case

from kerasdecay import schedules
from kerasdecay._config import from_config
from kerasdecay.schedules import FAMILY, Schedule, Shape, Timeline, simulate

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
every_name = pytest.mark.parametrize("name", FAMILY)


@every_case
def test_golden_values(case: Case) -> None:
    rates = simulate(case.schedule, epochs=len(case.rates))
    np.testing.assert_allclose(rates, case.rates, rtol=1e-8, atol=1e-12)


@every_case
def test_final_value_holds_beyond_the_horizon(case: Case) -> None:
    horizon = len(case.rates)
    beyond = case.schedule.rates(
        np.array([0, 1, 2, 1000, 2**40]) + horizon, Timeline(horizon, unit="epoch")
    )
    np.testing.assert_allclose(beyond, case.held, rtol=1e-8, atol=1e-12)


@every_case
def test_a_number_and_a_vector_give_the_same(case: Case) -> None:
    timeline = Timeline(len(case.rates), 7)
    vector = case.schedule.rates(np.arange(timeline.updates + 9), timeline)
    numbers = [float(case.schedule.rates(n, timeline)) for n in range(timeline.updates + 9)]
    np.testing.assert_allclose(vector, numbers, rtol=1e-15)


# Warmup and one-cycle are defined by the number of their updates, and parts of epochs are rounded.
BY_POSITION = [
    case
    for case in CASES
    if not case.label.startswith(("one-cycle", "warmup", "scaled warmup", "step, parts"))
]


@pytest.mark.parametrize("case", BY_POSITION, ids=lambda case: case.label)
@pytest.mark.parametrize("steps", [7, 10])
def test_samples_at_epoch_starts_agree_with_updating_once_an_epoch(case: Case, steps: int) -> None:
    epochs = len(case.rates)
    each_step = simulate(case.schedule, epochs=epochs, steps_per_epoch=steps)
    each_epoch = simulate(case.schedule, epochs=epochs)
    np.testing.assert_allclose(each_step[::steps], each_epoch, rtol=1e-12, atol=1e-15)


@every_case
def test_changes_within_epochs_is_precise(case: Case) -> None:
    rates = simulate(case.schedule, epochs=len(case.rates), steps_per_epoch=10)
    if not case.schedule.changes_within_epochs:
        by_epoch = rates.reshape(-1, 10)
        np.testing.assert_array_equal(by_epoch, by_epoch[:, :1].repeat(10, axis=1))
    assert case.schedule.changes_within_epochs is case.within_epochs


@every_case
def test_round_trips(case: Case) -> None:
    config = json.loads(json.dumps(case.schedule.get_config()))
    for twin in (
        from_config(config),
        type(case.schedule).from_config(config),
        pickle.loads(pickle.dumps(case.schedule)),
        copy.deepcopy(case.schedule),
    ):
        assert twin == case.schedule
        assert hash(twin) == hash(case.schedule)
        assert repr(twin) == repr(case.schedule)


def test_the_table_has_every_shape() -> None:
    assert {type(case.schedule) for case in SHAPES} == set(FAMILY.values())


def test_the_family_is_complete_and_named_after_its_classes() -> None:
    public = {
        value
        for value in vars(schedules).values()
        if inspect.isclass(value) and issubclass(value, Shape) and value is not Shape
    }
    assert set(FAMILY.values()) == public
    for name, shape in FAMILY.items():
        assert re.sub(r"(?<!^)(?=[A-Z])", "-", shape.__name__).lower() == name


@every_name
def test_an_initial_rate_alone_is_enough(name: str) -> None:
    rates = simulate(FAMILY[name](0.1), epochs=20, steps_per_epoch=10)
    assert np.isfinite(rates).all()
    assert rates.max() <= 0.1 * (1 + 1e-12)
    assert rates.max() > 0.09


@pytest.mark.parametrize("name", sorted(set(FAMILY) - {"power-step"}))
def test_an_integer_initial_rate_is_a_rate(name: str) -> None:
    as_integer = simulate(FAMILY[name](2), epochs=20)
    np.testing.assert_array_equal(as_integer, simulate(FAMILY[name](2.0), epochs=20))
    assert as_integer.max() > 1


@every_name
def test_an_initial_rate_left_open_is_filled_in_once(name: str) -> None:
    shape = FAMILY[name]()
    assert not shape.is_resolved
    assert shape.resolve(0.1) == FAMILY[name](0.1)
    assert shape.resolve(0.1).resolve(0.2) == FAMILY[name](0.1)
    with pytest.raises(ValueError, match="initial_learning_rate must be"):
        simulate(shape, epochs=20)


@every_name
def test_frozen(name: str) -> None:
    with pytest.raises(AttributeError):
        FAMILY[name](0.1).initial_learning_rate = 0.2  # type: ignore[misc]


def test_a_config_of_another_class_is_refused() -> None:
    with pytest.raises(ValueError, match="must describe a Cosine"):
        FAMILY["cosine"].from_config(FAMILY["rex"](0.1).get_config())
    with pytest.raises(ValueError, match="class_name must be one of"):
        Schedule.from_config({"class_name": "NoSuchShape"})
