"""Is a cluster a mode of its own? A test whose error rate holds for any distribution with one mode.

A direction, a peak window and a valley window are chosen on one part of the cohort and counted on the other. If the
samples have one mode along that direction, no window between two others can be emptier than both; then the valley's
count among (valley + peak) is at least a fair coin's, and the binomial tail is a valid p-value, whatever was tried on
the first part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

GRID = 64
PEAK_REACH = 1.5
VALLEY_SHARE = 0.25
TINY = 1e-300


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Three windows along a direction: where each starts, and the width of the lower two; the peak window is wider."""

    peak: float
    valley: float
    main: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Samples found in the three windows."""

    peak: int = 0
    valley: int = 0
    main: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(peak=self.peak + other.peak, valley=self.valley + other.valley, main=self.main + other.main)


def direction(point_nD: NDArray[np.float64], inside_n: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the direction (D,) that separates a cluster from the rest best under their pooled covariance (Fisher)."""
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


def place_windows(along_n: NDArray[np.float64], inside_n: NDArray[np.bool_]) -> Windows | None:
    """Return the windows for a cluster seen along its direction, or None when no valley fits between the two peaks.

    The peak window spans 1.5 standard deviations either side of the cluster's median, the valley is the emptiest window
    of a quarter of that width between it and the rest's median, the main window the fullest of that width beyond.
    """
    centre, spread = float(np.median(along_n[inside_n])), float(along_n[inside_n].std())
    peak, width = centre - PEAK_REACH * spread, 2 * PEAK_REACH * spread * VALLEY_SHARE
    low = float(np.median(along_n[~inside_n]))
    if width <= 0 or peak - width <= low:
        return None
    sorted_n = np.sort(along_n)
    valley = _extreme(sorted_n, np.linspace(low, peak - width, GRID), width, fullest=False)
    main_grid = np.linspace(float(np.quantile(along_n[~inside_n], 0.05)), valley, GRID)
    return Windows(peak=peak, valley=valley, main=_extreme(sorted_n, main_grid, width, fullest=True), width=width)


def count(along_n: NDArray[np.float64], windows: Windows) -> Counts:
    """Return how many samples fall into each window; ``along_n`` must not have placed the windows."""
    sorted_n = np.sort(along_n)
    starts = np.asarray([windows.valley, windows.main])
    valley, main = _count(sorted_n, starts, windows.width)
    peak = _count(sorted_n, np.asarray([windows.peak]), windows.width / VALLEY_SHARE)[0]
    return Counts(peak=int(peak), valley=int(valley), main=int(main))


def p_value(counts: Counts) -> float:
    """Return the chance, in (0, 1], of so empty a valley under one mode.

    One mode means that the valley is at least as dense as the peak window or as the main one; given the sum of two
    counts the valley's is then binomial with at least its window's share of the two widths.
    """
    share = VALLEY_SHARE / (1 + VALLEY_SHARE)
    against_peak = binom.cdf(counts.valley, counts.valley + counts.peak, share)
    against_main = binom.cdf(counts.valley, counts.valley + counts.main, 0.5)
    return float(max(against_peak, against_main, TINY))


def _scatter(point_nD: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = point_nD - point_nD.mean(axis=0)
    return np.asarray(centred.T @ centred)


def _count(sorted_n: NDArray[np.float64], start_G: NDArray[np.float64], width: float) -> NDArray[np.int64]:
    return np.asarray(np.searchsorted(sorted_n, start_G + width) - np.searchsorted(sorted_n, start_G))


def _extreme(sorted_n: NDArray[np.float64], start_G: NDArray[np.float64], width: float, *, fullest: bool) -> float:
    """Return the start of the fullest (or emptiest) window; the middle one of equals."""
    count_G = _count(sorted_n, start_G, width)
    equal = np.flatnonzero(count_G == (count_G.max() if fullest else count_G.min()))
    return float(start_G[equal[len(equal) // 2]])
