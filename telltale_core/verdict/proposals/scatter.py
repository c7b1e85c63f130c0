"""A cohort in two with a covariance shift: samples that scatter otherwise than the rest, wherever their centre is.

A poison that the proxy learns late, or sample by sample (warps, triggers shown in part), has no trajectory of its own
on which all of it lies: the means of poison and rest are two or three standard deviations apart, as those of honest
sub-modes are. But its losses scatter along other directions, and more or less widely, than those of the rest, which a
mixture of two Gaussians with a covariance each tells. How much better than one Gaussian it fits is the statistic,
in nats of the Bayesian information criterion a sample, above what cohorts with one mode and the same tails have.

Few components show that there are two sides, but not to which of them every sample belongs. That is told by a linear
discriminant on all frequencies, fitted to the sides and asked about samples that it was not fitted to; a mixture of two
on its score draws the border anew, a few times over.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import StratifiedKFold

from telltale_core.scale import ordered_map
from telltale_core.verdict.clusters import reduce
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.constants import COMOVEMENT, SCATTER, SPLIT
from telltale_core.verdict.evidence import Cohort, Evidence
from telltale_core.verdict.kind import Kind
from telltale_core.verdict.orientation import of_smaller
from telltale_core.verdict.proposal import Proposal
from telltale_core.verdict.significance import one_mode_like
from telltale_core.verdict.split import dimensions_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """``chance`` (n,) in [0, 1] of the smaller side; ``excess`` in nats a sample, above cohorts with one mode."""

    chance: NDArray[np.float64]
    excess: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """The best mixture of the ``points`` (n, D) that it was fitted to, and its ``excess``."""

    points: NDArray[np.float64]
    best: GaussianMixture
    excess: float


def propose(evidence: Evidence) -> list[Proposal]:
    """Return labels whose covariance shift is far larger than the others'. Only a proof calls them.

    Those that are called anyway, or asked about both ways round, are not among them.
    """
    if not (evidence.provable and evidence.spreading and evidence.grouping.one_class_each):
        return []
    cohorts = evidence.cohorts
    gains = _gains(evidence, [(cohort, cohort.rows) for cohort in cohorts])
    copied = [cohort for cohort in cohorts if len(cohort.different) < len(cohort.rows)]
    shown = dict(zip(copied, _gains(evidence, [(cohort, cohort.different) for cohort in copied]), strict=True))
    different = [shown.get(cohort, gain) for cohort, gain in zip(cohorts, gains, strict=True)]
    proposals: list[Proposal] = []
    by_motion = [first for first in evidence.earlier if first.first_split]
    for first, gain, cohort in zip(by_motion, gains, cohorts, strict=True):
        others = [other for place, other in enumerate(different) if place != first.number and other is not None]
        called = first.significant(evidence.config.false_alarm_rate) and (first.share >= 1 or first.larger)
        if gain is None or len(others) < COMOVEMENT.min_usual or called:
            continue
        usual = float(np.quantile(others, COMOVEMENT.usual_quantile))
        required = max(SCATTER.least_excess, SCATTER.ratio * usual)
        if gain >= required and ((chance_n := sides_of(evidence, cohort)) > 0.5).any():
            number = 1 + len(evidence.of_cohorts) + len(proposals)
            proposals.append(_of(first, Scatter(chance=chance_n, excess=gain), required, number, evidence))
    return proposals


def _of(first: Proposal, shift: Scatter, required: float, number: int, evidence: Evidence) -> Proposal:
    return replace(
        first,
        kind=Kind.SCATTER,
        number=number,
        name=f"{first.name or first.label} (covariance shift)",
        chance=of_smaller(shift.chance, first.rows, evidence.copies),
        statistic=shift.excess,
        required=required,
        p_value=None,
        stands_alone=False,
        larger=False,
    )


def _gains(evidence: Evidence, parts: Sequence[tuple[Cohort, NDArray[np.int64]]]) -> list[float | None]:
    """Return what a covariance shift gains among these rows of each cohort."""
    items = ((evidence.features[rows], cohort.whitener) for cohort, rows in parts)
    return list(ordered_map(partial(excess_of, evidence.config), items))


def excess_of(config: VerdictConfig, part: tuple[NDArray[np.floating], NDArray[np.float64]]) -> float | None:
    """Return what a covariance shift gains among samples, in nats a sample; None for too few of them.

    ``part``: their features (n, F) and the whitener (F, F) of their cohort.
    """
    features_nF, whitener_FF = part
    if len(features_nF) < SPLIT.min_cohort or not np.ptp(features_nF, axis=0).any():
        return None
    return _fitted(_reduced(_whitened(features_nF, whitener_FF), config), config.seed).excess


def sides_of(evidence: Evidence, cohort: Cohort) -> NDArray[np.float64]:
    """Return each row's chance (n,) of the smaller side of a cohort's shift: takes longer than what it gains."""
    config, whitened_nF = evidence.config, _whitened(evidence.features[cohort.rows], cohort.whitener)
    shift = split_by_scatter(_reduced(whitened_nF, config), config.min_cluster, config.seed)
    return refined(whitened_nF, shift.chance, config.min_cluster, config.seed)


def _whitened(features_nF: NDArray[np.floating], whitener_FF: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.asarray(features_nF, dtype=np.float64) @ whitener_FF)


def _reduced(whitened_nF: NDArray[np.float64], config: VerdictConfig) -> NDArray[np.float64]:
    """Return as many components (n, D) as the rows bear."""
    return reduce(whitened_nF, max(dimensions_of(len(whitened_nF), config)))


def split_by_scatter(point_nD: NDArray[np.float64], min_cluster: int, seed: int) -> Scatter:
    """Return the covariance shift of a cohort; no chance is above zero where a side would be too small.

    Of more than ``SCATTER.most`` samples so many are fitted, drawn by ``seed``.
    """
    fit = _fitted(point_nD, seed)
    chance_n = np.asarray(_two_sides(fit.points, fit.best).predict_proba(point_nD)[:, 0])
    inside = int((chance_n > 0.5).sum())
    if inside > len(chance_n) / 2:
        chance_n, inside = 1 - chance_n, len(chance_n) - inside
    return Scatter(chance=chance_n if inside >= min_cluster else np.zeros(len(chance_n)), excess=fit.excess)


def _fitted(point_nD: NDArray[np.float64], seed: int) -> _Fit:
    rng = np.random.default_rng(seed)
    fitted_nD = point_nD
    if len(point_nD) > SCATTER.most:
        fitted_nD = point_nD[np.sort(rng.choice(len(point_nD), SCATTER.most, replace=False))]
    best = _mixture(fitted_nD, seed)
    alike = (one_mode_like(fitted_nD, rng) for _ in range(SCATTER.simulated))
    usual = [_gain(one, _mixture(one, seed)) for one in alike]
    return _Fit(points=fitted_nD, best=best, excess=_gain(fitted_nD, best) - float(np.mean(usual)))


def refined(
    whitened_nF: NDArray[np.float64], chance_n: NDArray[np.float64], least: int, seed: int
) -> NDArray[np.float64]:
    """Return the chance (n,) of the side that ``chance_n`` began, by discriminants on all features.

    Each sample is asked of one that was fitted without it. What it began stands where a side would have fewer than
    ``least`` samples, or where they end at another side: those whose centres are one have no discriminant.
    """
    began_n = chance_n
    for turn in range(SCATTER.rounds):
        inside_n = chance_n > 0.5
        if min(inside_n.sum(), (~inside_n).sum()) < max(least, SCATTER.folds):
            return began_n
        score_n = np.empty(len(whitened_nF))
        folds = StratifiedKFold(SCATTER.folds, shuffle=True, random_state=seed + turn)
        for fitted, held_out in folds.split(whitened_nF, inside_n):
            model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SCATTER.shrinkage)
            model.fit(whitened_nF[fitted], inside_n[fitted])
            score_n[held_out] = model.decision_function(whitened_nF[held_out])
        chance_n = _by_score(score_n, inside_n)
    both, either = (f(chance_n > 0.5, began_n > 0.5).sum() for f in (np.logical_and, np.logical_or))
    return chance_n if both >= SCATTER.same * either else began_n


def _by_score(score_n: NDArray[np.float64], inside_n: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the chance of the inside by a mixture of two on the score; beyond a side's mean it is that side's."""
    sides = [inside_n, ~inside_n]
    model = _from(score_n[:, None] / score_n.std(), sides)
    chance_n = np.asarray(model.predict_proba(score_n[:, None] / score_n.std())[:, 0])
    high, low = (score_n[side].mean() for side in sides)
    chance_n = np.where(score_n <= low, np.minimum(chance_n, 1 - SPLIT.beyond_mean), chance_n)
    return np.where(score_n >= high, np.maximum(chance_n, SPLIT.beyond_mean), chance_n)


def _gain(point_nD: NDArray[np.float64], model: GaussianMixture) -> float:
    one = GaussianMixture(1, reg_covar=SPLIT.ridge).fit(point_nD)
    return float(one.bic(point_nD) - model.bic(point_nD)) / (2 * len(point_nD))


def _mixture(point_nD: NDArray[np.float64], seed: int) -> GaussianMixture:
    """Return the mixture of two or three components that fits best, from starts in shells and by k-means."""
    radius_n = np.square(point_nD / point_nD.std(axis=0)).sum(axis=1)
    fits = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for quantiles in SCATTER.starts:
            shell_n = np.digitize(radius_n, np.quantile(radius_n, quantiles))
            fits.append(_from(point_nD, [shell_n == shell for shell in range(len(quantiles) + 1)]))
            fits.append(GaussianMixture(len(quantiles) + 1, random_state=seed, reg_covar=SPLIT.ridge).fit(point_nD))
    return min(fits, key=lambda model: float(model.bic(point_nD)))


def _from(point_nD: NDArray[np.float64], sides: list[NDArray[np.bool_]]) -> GaussianMixture:
    covariances = [np.atleast_2d(np.cov(point_nD[side].T)) + SPLIT.ridge * np.eye(point_nD.shape[1]) for side in sides]
    return GaussianMixture(
        len(sides),
        reg_covar=SPLIT.ridge,
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
            fits.append(GaussianMixture(2, random_state=0, reg_covar=SPLIT.ridge).fit(point_nD))
    return max(fits, key=lambda fit: float(fit.score(point_nD)))
