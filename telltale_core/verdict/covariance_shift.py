"""A cohort in two with a covariance shift: samples that scatter otherwise than the rest, wherever their centre is.

A poison that the proxy learns late, or sample by sample (warps, triggers shown in part), has no trajectory of its own
on which all of it lies: the means of poison and rest are two or three standard deviations apart, as those of honest
sub-modes are. But its losses scatter along other directions, and more or less widely, than those of the rest, which a
mixture of two Gaussians with a covariance each tells. How much better than one Gaussian it fits is the statistic,
in nats of the Bayesian information criterion a sample, above what cohorts with one mode and the same tails have.

Few components show that there are two sides, but not to which of them every sample belongs. That is told by a linear
discriminant on all frequencies, fitted to the sides and asked about samples that it was not fitted to; a mixture of two
on its score draws the border anew, a few times over.

Shape letters: n samples of the cohort, F features, D principal components.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import StratifiedKFold

from telltale_core.verdict.clusters import RIDGE
from telltale_core.verdict.significance import one_mode_like

STARTS = ((0.7,), (0.5, 0.8))
"""Mixtures of two and three components start from shells: the quantiles of the distance from the centre."""
SIMULATED = 2
FOLDS = 10
ROUNDS = 5
SAME = 0.5
"""Samples of both over samples of either: below it the discriminants speak of another side, and are not heard."""
SHRINKAGE = 0.2
"""Of the discriminant's covariance towards a round one."""
MOST = 4000
"""Of a larger cohort so many samples are fitted; the others follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """``chance`` (n,) in [0, 1] of the smaller side; ``excess`` in nats a sample, above cohorts with one mode."""

    chance: NDArray[np.float64]
    excess: float


def split_by_scatter(point_nD: NDArray[np.float64], min_cluster: int, seed: int) -> Scatter:
    """Return the covariance shift of a cohort; no chance is above zero where a side would be too small.

    Of more than ``MOST`` samples so many are fitted, drawn by ``seed``.
    """
    rng = np.random.default_rng(seed)
    fitted_nD = point_nD if len(point_nD) <= MOST else point_nD[np.sort(rng.choice(len(point_nD), MOST, replace=False))]
    best = _mixture(fitted_nD, seed)
    usual = [_gain(one, _mixture(one, seed)) for one in (one_mode_like(fitted_nD, rng) for _ in range(SIMULATED))]
    excess = _gain(fitted_nD, best) - float(np.mean(usual))
    chance_n = np.asarray(_two_sides(fitted_nD, best).predict_proba(point_nD)[:, 0])
    inside = int((chance_n > 0.5).sum())
    if inside > len(chance_n) / 2:
        chance_n, inside = 1 - chance_n, len(chance_n) - inside
    return Scatter(chance=chance_n if inside >= min_cluster else np.zeros(len(chance_n)), excess=excess)


def refined(
    whitened_nF: NDArray[np.float64], chance_n: NDArray[np.float64], least: int, seed: int
) -> NDArray[np.float64]:
    """Return the chance (n,) of the side that ``chance_n`` began, by discriminants on all features.

    Each sample is asked of one that was fitted without it. What it began stands where a side would have fewer than
    ``least`` samples, or where they end at another side: those whose centres are one have no discriminant.
    """
    began_n = chance_n
    for turn in range(ROUNDS):
        inside_n = chance_n > 0.5
        if min(inside_n.sum(), (~inside_n).sum()) < max(least, FOLDS):
            return began_n
        score_n = np.empty(len(whitened_nF))
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed + turn)
        for fitted, held_out in folds.split(whitened_nF, inside_n):
            model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE)
            model.fit(whitened_nF[fitted], inside_n[fitted])
            score_n[held_out] = model.decision_function(whitened_nF[held_out])
        chance_n = _by_score(score_n, inside_n)
    both, either = (f(chance_n > 0.5, began_n > 0.5).sum() for f in (np.logical_and, np.logical_or))
    return chance_n if both >= SAME * either else began_n


def _by_score(score_n: NDArray[np.float64], inside_n: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the chance of the inside by a mixture of two on the score; beyond a side's mean it is that side's."""
    sides = [inside_n, ~inside_n]
    model = _from(score_n[:, None] / score_n.std(), sides)
    chance_n = np.asarray(model.predict_proba(score_n[:, None] / score_n.std())[:, 0])
    high, low = (score_n[side].mean() for side in sides)
    return np.where(
        score_n >= high, np.maximum(chance_n, 0.99), np.where(score_n <= low, np.minimum(chance_n, 0.01), chance_n)
    )


def _gain(point_nD: NDArray[np.float64], model: GaussianMixture) -> float:
    one = GaussianMixture(1, reg_covar=RIDGE).fit(point_nD)
    return float(one.bic(point_nD) - model.bic(point_nD)) / (2 * len(point_nD))


def _mixture(point_nD: NDArray[np.float64], seed: int) -> GaussianMixture:
    """Return the mixture of two or three components that fits best, from starts in shells and by k-means."""
    radius_n = np.square(point_nD / point_nD.std(axis=0)).sum(axis=1)
    fits = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for quantiles in STARTS:
            shell_n = np.digitize(radius_n, np.quantile(radius_n, quantiles))
            fits.append(_from(point_nD, [shell_n == shell for shell in range(len(quantiles) + 1)]))
            fits.append(GaussianMixture(len(quantiles) + 1, random_state=seed, reg_covar=RIDGE).fit(point_nD))
    return min(fits, key=lambda model: float(model.bic(point_nD)))


def _from(point_nD: NDArray[np.float64], sides: list[NDArray[np.bool_]]) -> GaussianMixture:
    covariances = [np.atleast_2d(np.cov(point_nD[side].T)) + RIDGE * np.eye(point_nD.shape[1]) for side in sides]
    return GaussianMixture(
        len(sides),
        reg_covar=RIDGE,
        weights_init=[side.mean() for side in sides],
        means_init=[point_nD[side].mean(axis=0) for side in sides],
        precisions_init=np.linalg.inv(covariances),
    ).fit(point_nD)


def _two_sides(point_nD: NDArray[np.float64], model: GaussianMixture) -> GaussianMixture:
    """Return the mixture of two that fits best of those that start with one component here and the others there."""
    if model.n_components == 2:
        return model
    component_n = model.predict(point_nD)
    fits = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for component in range(model.n_components):
            inside_n = component_n == component
            if min(inside_n.sum(), (~inside_n).sum()) > point_nD.shape[1]:
                fits.append(_from(point_nD, [inside_n, ~inside_n]))
        if not fits:
            fits.append(GaussianMixture(2, random_state=0, reg_covar=RIDGE).fit(point_nD))
    return max(fits, key=lambda fit: float(fit.score(point_nD)))
