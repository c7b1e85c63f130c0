"""What one cohort (the samples of one label, or all) shows: its best split in two, and how significant it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

from telltale_core.verdict.clusters import dense_cores, grow, reduce
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.constants import SPLIT
from telltale_core.verdict.correction import corrected
from telltale_core.verdict.significance import p_value, separation


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A split in two: each sample's ``chance`` (n,) of the smaller side (None: no split), d', and the cores' radius."""

    chance: NDArray[np.float64] | None
    separation: float
    radius: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """A cohort's most separate split: the smaller side's probability for each sample, and what speaks for it.

    ``chance`` (n,) in [0, 1], or zeros where there is one cluster; ``separation`` d' in standard deviations;
    ``points`` (n, D) the principal components that show it best, of ``choices`` numbers of them that were tried;
    ``radius`` of the dense cores (inf: none beside the main one); ``tested`` False where the cohort is too
    small or its samples are all alike.
    """

    chance: NDArray[np.float64]
    separation: float
    radius: float
    tested: bool
    points: NDArray[np.float64]
    choices: int = 1

    def p_value(self, config: VerdictConfig) -> float:
        """Return the chance, in (0, 1], that a cohort with one mode falls apart so far; takes 19 searches."""
        if not self.tested or self.separation < SPLIT.min_tested_separation:
            return 1.0
        one = p_value(self.points, self.separation, partial(_separation, config), config.seed)
        return corrected(one, self.choices)


def examine(
    features_nF: NDArray[np.floating],
    config: VerdictConfig,
    whitener_FF: NDArray[np.float64] | None = None,
    most: int = SPLIT.most,
) -> Findings:
    """Return the findings on one cohort, whose rows must come in a canonical order (by sample id).

    ``whitener_FF`` brings the features to unit scatter in the other cohorts. The number of principal components is not
    set: the split is sought with several, the most separate one is taken, and its p-value pays for the choice.
    Of more than ``most`` rows so many are searched, drawn by the configured seed from that order; the others go to the
    nearer side.
    """
    nothing = np.zeros(len(features_nF))
    if len(features_nF) < SPLIT.min_cohort or not np.ptp(features_nF, axis=0).any():
        none = np.empty((len(features_nF), 0))
        return Findings(chance=nothing, separation=0.0, radius=float("inf"), tested=False, points=none)
    whitened_nF = np.asarray(features_nF, dtype=np.float64)
    whitened_nF = whitened_nF if whitener_FF is None else whitened_nF @ whitener_FF
    choices = dimensions_of(len(features_nF), config)
    all_nD = point_nD = reduce(whitened_nF, max(choices))
    drawn = np.arange(len(point_nD))
    if len(drawn) > most:
        drawn = np.sort(np.random.default_rng(config.seed).choice(len(drawn), most, replace=False))
        point_nD = point_nD[drawn]
    choices = sorted({min(choice, point_nD.shape[1]) for choice in choices})
    splits = [(choice, _search(point_nD[:, :choice], config)) for choice in choices]
    dimensions, split = max(splits, key=lambda pair: pair[1].separation)
    return Findings(
        chance=nothing if split.chance is None else _spread(split.chance, drawn, all_nD[:, :dimensions]),
        separation=split.separation,
        radius=split.radius,
        tested=True,
        points=np.ascontiguousarray(point_nD[:, :dimensions]),  # as it is when another process sends it
        choices=len(choices),
    )


def _separation(config: VerdictConfig, point_nD: NDArray[np.float64]) -> float:
    return _search(point_nD, config).separation


def _search(point_nD: NDArray[np.float64], config: VerdictConfig) -> Split:
    return best_split(point_nD, config.min_cluster, config.seed)


def _spread(
    chance_n: NDArray[np.float64], drawn: NDArray[np.int64], point_nD: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the chance of every row, given that of the drawn ones: by discriminant analysis of the two sides."""
    if len(drawn) == len(point_nD):
        return chance_n
    inside_n = chance_n > 0.5
    if not inside_n.any() or inside_n.all():
        return np.zeros(len(point_nD))
    sides = QuadraticDiscriminantAnalysis(reg_param=SPLIT.regularised).fit(point_nD[drawn], inside_n)
    return np.asarray(sides.predict_proba(point_nD)[:, 1])


def dimensions_of(samples: int, config: VerdictConfig) -> list[int]:
    """Return the numbers of principal components that a cohort of so many samples can bear."""
    borne = [choice for choice in config.dimensions if choice * SPLIT.samples_a_dimension <= samples]
    return borne or [min(SPLIT.min_dimensions, *config.dimensions)]


def best_split(point_nD: NDArray[np.float64], min_cluster: int, seed: int) -> Split:
    """Return the most separate way to put the components of the cohort's mixture on two sides.

    A poison may take several components and so may the clean samples: every way is tried (at most 255). A side has at
    least ``min_cluster`` samples.
    """
    core_n, radius = dense_cores(point_nD, max(SPLIT.least_core, min_cluster // SPLIT.cores_a_cluster))
    chance_nG = grow(point_nD, core_n, seed)
    component_n = chance_nG.argmax(axis=1)
    present = [int(c) for c in np.unique(component_n)]
    best_n, best = None, 0.0
    for size in range(1, len(present) // 2 + 1):
        for side in combinations(present, size):
            inside_n = np.isin(component_n, side)
            if min(inside_n.sum(), (~inside_n).sum()) < min_cluster:
                continue
            distance = separation(point_nD, inside_n)
            if distance > best:
                best_n, best = chance_nG[:, list(side)].sum(axis=1), distance
    if best_n is not None and (best_n > 0.5).mean() > 0.5:
        best_n = 1 - best_n
    return Split(chance=best_n, separation=best, radius=radius)
