"""What one cohort (the samples of one label, or all) shows: its best split in two, and how significant it is.

Shape letters: n samples of the cohort, F features, D principal components, C mixture components.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from telltale_core.verdict.clusters import dense_cores, grow, reduce, scaled
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.valley import Counts, count, direction, p_value, place_windows, separation

MIN_COHORT = 40
FOLDS = 5
MIN_TESTED_SEPARATION = 2.8
"""Splits less separate are not tested and get p = 1: two halves of one Gaussian stand at 2.7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """A cohort's most separate split: the smaller side's probability for each sample, and what speaks for it.

    ``chance_n`` (n,) in [0, 1], or zeros where there is one cluster; ``separation`` d' in standard deviations;
    ``p_value`` of "one mode"; ``radius`` of the dense cores (inf: none beside the main one); ``tested`` False where the
    cohort is too small or its samples are all alike.
    """

    chance_n: NDArray[np.float64]
    separation: float
    p_value: float
    radius: float
    tested: bool


def examine(features_nF: NDArray[np.floating], config: VerdictConfig) -> Findings:
    """Return the findings on one cohort, whose rows must come in a canonical order (by sample id)."""
    nothing = np.zeros(len(features_nF))
    if len(features_nF) < MIN_COHORT or not np.ptp(features_nF, axis=0).any():
        return Findings(chance_n=nothing, separation=0.0, p_value=1.0, radius=float("inf"), tested=False)
    point_nD, _ = reduce(features_nF, config.dimensions)
    chance_n, radius = best_split(point_nD, config.min_cluster, config.seed)
    if chance_n is None:
        return Findings(chance_n=nothing, separation=0.0, p_value=1.0, radius=radius, tested=True)
    found = separation(point_nD, chance_n > 0.5)
    return Findings(
        chance_n=chance_n,
        separation=found,
        p_value=cross_fitted_p_value(features_nF, config) if found >= MIN_TESTED_SEPARATION else 1.0,
        radius=radius,
        tested=True,
    )


def best_split(point_nD: NDArray[np.float64], min_cluster: int, seed: int) -> tuple[NDArray[np.float64] | None, float]:
    """Return the chance (n,) of the smaller side of the most separate split of the mixture in two, and the radius.

    A poison may take several components of the mixture and so may the clean samples: every way to put the components on
    two sides is tried (at most 255). None: the mixture has one component, or no split leaves ``min_cluster`` samples.
    """
    core_n, radius = dense_cores(point_nD, max(3, min_cluster // 2))
    chance_nC = grow(point_nD, core_n, seed)
    component_n = chance_nC.argmax(axis=1)
    present = [int(c) for c in np.unique(component_n)]
    best_n, best_separation = None, 0.0
    for size in range(1, len(present) // 2 + 1):
        for side in combinations(present, size):
            inside_n = np.isin(component_n, side)
            if min(inside_n.sum(), (~inside_n).sum()) < min_cluster:
                continue
            found = separation(point_nD, inside_n)
            if found > best_separation:
                best_n, best_separation = chance_nC[:, list(side)].sum(axis=1), found
    if best_n is not None and (best_n > 0.5).mean() > 0.5:
        best_n = 1 - best_n
    return best_n, radius


def cross_fitted_p_value(features_nF: NDArray[np.floating], config: VerdictConfig) -> float:
    """Return a p-value of "one mode": windows placed on four fifths of the cohort are counted on the fifth left out.

    The counts of the five folds are added up, so that every sample is counted once, by windows that it had no part in.
    """
    fold_n = np.random.default_rng(config.seed).permutation(len(features_nF)) % FOLDS
    counts = [_held_out(features_nF[fold_n != fold], features_nF[fold_n == fold], config) for fold in range(FOLDS)]
    return p_value(sum(counts, Counts()))


def _held_out(train_nF: NDArray[np.floating], test_mF: NDArray[np.floating], config: VerdictConfig) -> Counts:
    point_nD, pca = reduce(train_nF, config.dimensions)
    chance_n, _ = best_split(point_nD, max(3, config.min_cluster * (FOLDS - 1) // FOLDS), config.seed)
    if chance_n is None:
        return Counts()
    inside_n = chance_n > 0.5
    axis_D = direction(point_nD, inside_n)
    windows = place_windows(point_nD @ axis_D, inside_n)
    return Counts() if windows is None else count(scaled(pca, test_mF) @ axis_D, windows)
