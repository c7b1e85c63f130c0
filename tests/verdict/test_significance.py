"""The false-alarm rate of the split's significance, also on cohorts with one mode that are not elliptical."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from telltale_core.errors import ConfigError
from telltale_core.verdict import VerdictConfig
from telltale_core.verdict.clusters import dense_cores
from telltale_core.verdict.significance import one_mode_like, separation
from telltale_core.verdict.split import examine


def one_mode(family: str, rng: np.random.Generator, samples: int = 180, dims: int = 12) -> NDArray[np.float64]:
    point = rng.standard_normal((samples, dims))
    if family == "heavy-tailed":
        point *= np.sqrt(4 / rng.chisquare(4, samples))[:, None]
    if family == "skewed":
        point[:, 0] = rng.gamma(2, 1, samples)
    if family == "flat":
        point[:, 0] = rng.uniform(-2, 2, samples)
    return point * np.linspace(2, 0.5, dims)


@pytest.mark.parametrize("family", ["normal", "heavy-tailed", "skewed", "flat"])
def test_one_mode_is_not_called(family: str) -> None:
    rng = np.random.default_rng(0)
    config = VerdictConfig()
    splits = [examine(one_mode(family, rng), config) for _ in range(5)]
    assert not any(
        f.p_value(config) <= config.false_alarm_rate and f.separation >= config.min_separation for f in splits
    )


@pytest.mark.slow
def test_two_modes_are_called() -> None:
    rng = np.random.default_rng(1)
    point = one_mode("normal", rng, samples=400)
    point[:40] = point[:40] * 0.5 + np.linspace(6, 1, 12)
    split = examine(point, VerdictConfig())
    assert split.p_value(VerdictConfig()) < 1e-4
    assert (split.chance[:40] > 0.5).mean() >= 0.95
    assert (split.chance[40:] > 0.5).mean() <= 0.01


def test_separation_of_two_known_gaussians_is_their_distance() -> None:
    rng = np.random.default_rng(2)
    point = rng.standard_normal((20_000, 3))
    point[:10_000, 0] += 5
    inside = np.arange(20_000) < 10_000
    assert separation(point, inside) == pytest.approx(5, abs=0.1)


def test_simulated_cohort_keeps_the_distances_from_the_centre() -> None:
    rng = np.random.default_rng(3)
    point = rng.standard_normal((500, 4)) * np.sqrt(3 / rng.chisquare(3, 500))[:, None]
    turned = one_mode_like(point, rng)
    whiten = np.linalg.inv(np.linalg.cholesky(np.cov(point.T)))
    before = np.linalg.norm((point - point.mean(axis=0)) @ whiten.T, axis=1)
    after = np.linalg.norm((turned - point.mean(axis=0)) @ whiten.T, axis=1)
    np.testing.assert_allclose(np.sort(after), np.sort(before), rtol=1e-6)


def test_dense_cores_take_their_radius_from_the_data() -> None:
    rng = np.random.default_rng(4)
    point = rng.standard_normal((300, 2)) * 0.3
    point[:40] = rng.standard_normal((40, 2)) * 0.1 + 5
    core, radius = dense_cores(point, 10)
    scaled_core, scaled_radius = dense_cores(point * 100, 10)
    assert set(core[:40]) == {1}
    np.testing.assert_array_equal(core, scaled_core)
    assert scaled_radius == pytest.approx(100 * radius)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="false_alarm_rate"):
        VerdictConfig(false_alarm_rate=0.9)
