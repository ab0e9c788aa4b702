"""The schedule refined by gradient norms."""

from __future__ import annotations

import numpy as np
import pytest

from kerasdecay.schedules import Linear, Refined, simulate


def by_the_papers_formula(norms: np.ndarray, exponent: int) -> np.ndarray:
    weights = norms**-exponent
    rates = np.array([weight * weights[t + 1 :].sum() for t, weight in enumerate(weights)])
    return rates / rates.max()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("length", [2, 3, 15, 199, 200, 201, 1000])
def test_norms_that_never_change_give_linear(length: int, optimizer: str) -> None:
    refined = Refined.from_gradient_norms([3.0] * length, 0.4, optimizer=optimizer)
    run = {"epochs": 7, "steps_per_epoch": 11}
    expected = simulate(Linear(0.4), **run)
    np.testing.assert_allclose(simulate(refined, **run), expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize(("optimizer", "exponent"), [("sgd", 2), ("adam", 1)])
def test_the_papers_formula_where_the_filter_has_no_width(optimizer: str, exponent: int) -> None:
    norms = np.array([4.0, 2.0, 1.0, 1.0, 3.0])
    refined = Refined.from_gradient_norms(norms, optimizer=optimizer)
    expected = by_the_papers_formula(norms, exponent)
    np.testing.assert_allclose(refined.relative_rates, expected, rtol=1e-12)


def test_large_gradients_at_first_give_a_warmup_of_its_own() -> None:
    norms = np.concatenate([np.linspace(10, 1, 30), np.ones(70)])
    rates = simulate(Refined.from_gradient_norms(norms, 0.4), epochs=100)
    assert rates[0] < 0.01
    assert 20 <= rates.argmax() <= 35
    assert rates.max() <= 0.4
    assert rates[-1] < 0.01


def test_outliers_are_filtered() -> None:
    norms = np.ones(100)
    norms[[20, 50, 51]] = 1e6
    refined = Refined.from_gradient_norms(norms, 0.4)
    np.testing.assert_allclose(
        simulate(refined, epochs=9), simulate(Linear(0.4), epochs=9), rtol=1e-10
    )


@pytest.mark.parametrize(("outliers", "vanish"), [(5, True), (6, False)])
def test_of_100_norms_11_count_for_each(outliers: int, vanish: bool) -> None:
    norms = np.ones(100)
    norms[40 : 40 + outliers] = 1e6
    found = Refined.from_gradient_norms(norms).relative_rates
    linear = np.linspace(1, 0, 100)
    assert np.allclose(found, linear, rtol=1e-10) == vanish


@pytest.mark.parametrize(("optimizer", "exponent"), [("sgd", 2), ("adam", 1)])
@pytest.mark.parametrize(("length", "width"), [(20, 3), (100, 11), (199, 19)])
def test_a_random_trace_is_filtered_as_scipy_does_it(
    length: int, width: int, optimizer: str, exponent: int
) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    norms = np.random.default_rng(length).lognormal(size=length)
    first_repeats = ndimage.median_filter(norms, width, mode="nearest")
    end_is_mirrored = ndimage.median_filter(norms, width, mode="reflect")
    half = length // 2
    smooth = np.concatenate([first_repeats[:half], end_is_mirrored[half:]])
    refined = Refined.from_gradient_norms(norms, optimizer=optimizer)
    expected = by_the_papers_formula(smooth, exponent)
    np.testing.assert_allclose(refined.relative_rates, expected, rtol=1e-10)


def test_long_traces_are_kept_short() -> None:
    norms = np.random.default_rng(0).lognormal(size=100_000)
    assert len(Refined.from_gradient_norms(norms).relative_rates) == 200
    assert len(Refined.from_gradient_norms(norms, points=50).relative_rates) == 50


@pytest.mark.parametrize(
    ("norms", "arguments", "named"),
    [
        ([], {}, "norms"),
        ([1.0], {}, "norms"),
        ([1.0, 0.0], {}, "norms"),
        ([1.0, -1.0], {}, "norms"),
        ([1.0, float("nan")], {}, "norms"),
        ([[1.0, 2.0]], {}, "norms"),
        ("norms", {}, "norms"),
        (None, {}, "norms"),
        ([1.0, 1.0], {"optimizer": "lbfgs"}, "optimizer"),
        ([1.0, 1.0], {"points": 1}, "points"),
    ],
)
def test_invalid(norms: object, arguments: dict, named: str) -> None:
    with pytest.raises(ValueError, match=rf"Refined: {named} must be"):
        Refined.from_gradient_norms(norms, **arguments)


@pytest.mark.parametrize("norms", [[1e-300, 1e300], [1e300, 1e-300, 1e300], [1e-200, 1e200]])
def test_norms_that_leave_no_rate_are_named(norms: list[float]) -> None:
    with pytest.raises(ValueError, match=r"Refined: norms must be of magnitudes whose ratios"):
        Refined.from_gradient_norms(norms)
