"""How separate two sides of a cohort are, and how separate the best split of a cohort with one mode would be.

The statistic is d', the distance of the two means along the best direction in standard deviations. Its null
distribution is simulated: each sample keeps its distance from the cohort's centre (in whitened coordinates) and gets
a new direction at random. Such a cohort has one mode, and the tails and the size of the real one; it goes through the
same search for the best split. The extremes of 19 such searches are extrapolated by a Gumbel distribution (Gumbel,
Statistics of Extremes, 1958), so that p-values below 1/20 can be told. What it assumes: a clean cohort is about
elliptical. What it finds on cohorts that are not (skewed, flat, heavy-tailed): ``tests/verdict/test_significance.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gumbel_r

from telltale_core.scale import ordered_map
from telltale_core.verdict.constants import NULL


def direction(point_nD: NDArray[np.float64], inside_n: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the direction (D,) that separates a side from the rest best under their pooled covariance (Fisher)."""
    inside, outside = point_nD[inside_n], point_nD[~inside_n]
    pooled = (_scatter(inside) + _scatter(outside)) / max(len(point_nD) - 2, 1)
    ridge = 1e-6 * np.trace(pooled) / len(pooled) + 1e-12
    return np.asarray(np.linalg.solve(pooled + ridge * np.eye(len(pooled)), inside.mean(axis=0) - outside.mean(axis=0)))


def separation(point_nD: NDArray[np.float64], inside_n: NDArray[np.bool_]) -> float:
    """Return d', the distance of the two means along the best direction in root-mean-square standard deviations.

    Two halves of one Gaussian stand at about 2.7, its outer 1 % at about 3.7 from the rest.
    """
    along_n = point_nD @ direction(point_nD, inside_n)
    spread = np.sqrt((along_n[inside_n].var() + along_n[~inside_n].var()) / 2)
    gap = along_n[inside_n].mean() - along_n[~inside_n].mean()
    return float(gap / spread) if spread > 0 else 0.0


def one_mode_like(point_nD: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a cohort (at most 2000, D) with one mode: the samples' distances from the centre in random directions."""
    centre_D = point_nD.mean(axis=0)
    factor_DD = np.linalg.cholesky(np.cov(point_nD.T) + 1e-9 * np.eye(point_nD.shape[1]))
    radius_n = np.linalg.norm(np.linalg.solve(factor_DD, (point_nD - centre_D).T), axis=0)
    if len(radius_n) > NULL.max_simulated:
        radius_n = rng.choice(radius_n, NULL.max_simulated, replace=False)
    turned_nD = rng.standard_normal((len(radius_n), point_nD.shape[1]))
    turned_nD *= (radius_n / np.linalg.norm(turned_nD, axis=1))[:, None]
    return np.asarray(centre_D + turned_nD @ factor_DD.T)


def p_value(
    point_nD: NDArray[np.float64],
    statistic: float,
    best_separation: Callable[[NDArray[np.float64]], float],
    seed: int,
) -> float:
    """Return the chance, in (0, 1], that the best split of a cohort with one mode is as separate as ``statistic``.

    ``best_separation`` is the search that found it, as a function of points (n, D).
    """
    rng = np.random.default_rng(seed)
    alike = (one_mode_like(point_nD, rng) for _ in range(NULL.simulations))
    null = [max(one, NULL.least) for one in ordered_map(best_separation, alike)]
    extremes = gumbel(float(np.mean(null)), max(float(np.std(null)), NULL.least_spread))
    return float(max(gumbel_r.sf(statistic, **extremes), 1e-300))


def gumbel(mean: float = 0.0, deviation: float = 1.0) -> dict[str, float]:
    """Return location and scale of the Gumbel distribution with this mean and standard deviation."""
    scale = deviation * np.sqrt(6) / np.pi
    return {"loc": float(mean - np.euler_gamma * scale), "scale": float(scale)}


def _scatter(point_nD: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = point_nD - point_nD.mean(axis=0)
    return np.asarray(centred.T @ centred)
