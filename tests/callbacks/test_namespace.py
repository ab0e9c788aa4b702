"""One formula for numbers, vectors and compiled tensors: proved on the active backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from schedule_cases import CASES, Case
from schedule_strategies import assume_it_fits, compositions, timelines

from kerasdecay.schedules import ByEpoch, PowerStep, Schedule, Timeline
from kerasdecay.training.namespace import KERAS

pytestmark = pytest.mark.any_backend


def compiled(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Compile with what the active backend trains with."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return function  # torch trains eagerly unless asked


def as_it_is(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return function


def on_tensors(
    schedule: Schedule,
    timeline: Timeline,
    updates: Any,
    compile_with: Callable[[Any], Any] = compiled,
) -> np.ndarray:
    rates = compile_with(lambda update: schedule.rates(update, timeline, KERAS))
    return keras.ops.convert_to_numpy(rates(keras.ops.convert_to_tensor(updates)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_compiled_is_what_is_previewed(case: Case) -> None:
    timeline = Timeline(len(case.rates), 49)  # float division is wrong at stage edges with 49
    updates = np.arange(timeline.updates + 60)
    found = on_tensors(case.schedule, timeline, updates)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, case.schedule.rates(updates, timeline), rtol=3e-6, atol=1e-12)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("case", CASES[::9], ids=lambda case: case.label)
def test_a_single_step_of_any_integer_kind(case: Case, dtype: str) -> None:
    timeline = Timeline(len(case.rates), 49)
    for update in (0, 50, timeline.updates):
        found = on_tensors(case.schedule, timeline, np.asarray(update, dtype=dtype))
        assert found.shape == ()
        expected = float(case.schedule.rates(update, timeline))
        np.testing.assert_allclose(found, expected, rtol=3e-6, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_long_runs_count_with_integers(case: Case) -> None:
    timeline = Timeline(len(case.rates), 40_000_001)  # far above 2^24, not beyond 2^31
    edges = 40_000_001 * np.arange(len(case.rates) + 1)
    near = (edges[:, None] + np.array([-2, -1, 0, 1])).ravel().clip(0)[-12:]
    found = case.schedule.rates(keras.ops.convert_to_tensor(near), timeline, KERAS)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(found),
        case.schedule.rates(near, timeline),
        rtol=3e-6,
        atol=1e-12,
    )


@pytest.mark.parametrize("steps", [49, 98, 196, 391])
def test_stages_begin_where_they_should(steps: int) -> None:
    timeline = Timeline(15, steps)
    starts = steps * np.arange(15)
    before_and_at = np.sort(np.concatenate([starts, starts + steps - 1]))
    found = on_tensors(PowerStep(0.1), timeline, before_and_at)
    np.testing.assert_allclose(found, np.repeat([0.1, 0.01, 0.001], 10), rtol=1e-6)


def assert_tensors_agree_with_vectors(
    schedule: Schedule, timeline: Timeline, compile_with: Callable[[Any], Any]
) -> None:
    assume_it_fits(schedule, timeline)
    # Always as many: on JAX every operation is compiled again for each length.
    updates = np.linspace(0, timeline.updates + 1, 50).astype(int)
    expected = np.asarray(schedule.rates(updates, timeline))
    found = on_tensors(schedule, timeline, updates, compile_with)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-7 * expected.max() + 1e-30)


reproducible = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


@reproducible
@given(schedule=compositions(), timeline=timelines())
def test_tensors_agree_with_vectors_for_all_arguments(
    schedule: Schedule, timeline: Timeline
) -> None:
    assert_tensors_agree_with_vectors(schedule, timeline, as_it_is)


@settings(reproducible, max_examples=12)  # each is a compilation
@given(schedule=compositions(), timeline=timelines())
def test_compiled_tensors_agree_with_vectors_for_all_arguments(
    schedule: Schedule, timeline: Timeline
) -> None:
    assert_tensors_agree_with_vectors(schedule, timeline, compiled)


def test_a_users_function_cannot_be_compiled_and_says_so() -> None:
    with pytest.raises(ValueError, match="cannot run inside the compiled step"):
        ByEpoch(lambda epoch: 0.1).rates(keras.ops.convert_to_tensor(1), Timeline(3, 2), KERAS)
