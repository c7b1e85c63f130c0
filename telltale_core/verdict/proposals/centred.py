"""The proxy's features held against the median of their label, and their principal components, label by label.

No second array of all features is held: sums and products are added up part by part, and so are the components.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from telltale_core.verdict.evidence import Cohort

PART_BYTES = 16 << 20
"""Of float64 numbers that are held at a time; results hang on it by rounding alone."""


class Centred:
    """Features (N, F) less the median of their label, of which each group of copies is one sample.

    Rows that are in no cohort do not count. ``varied``: all are finite, and not all the same.
    """

    def __init__(self, trained_NF: NDArray[np.floating], cohorts: Sequence[Cohort]) -> None:
        self._trained, self._cohorts = trained_NF, cohorts
        self._medians = [_median(trained_NF, cohort.different) for cohort in cohorts]
        width, count = trained_NF.shape[1], 0
        low, high, total_F, product_FF = np.inf, -np.inf, np.zeros(width), np.zeros((width, width))
        for rows, part_nF in self._parts():
            low, high, count = np.minimum(low, part_nF.min()), np.maximum(high, part_nF.max()), count + len(rows)
            total_F += part_nF.sum(axis=0)
            product_FF += part_nF.T @ part_nF
        self.varied = bool(np.isfinite(low) and np.isfinite(high) and low < high)
        self._mean_F = total_F / max(1, count)
        self._axes_FF = _axes(product_FF - count * np.outer(self._mean_F, self._mean_F)) if self.varied else None

    def components(self, rows: NDArray[np.int64], dimensions: int) -> NDArray[np.float64]:
        """Return the principal components (n, D) of all rows, in the order of ``rows``, the first of variance 1.

        They are those of a singular value decomposition to about ten digits.
        """
        assert self._axes_FF is not None  # noqa: S101 - asked only where they are varied
        axes_FD = self._axes_FF[:, : min(dimensions, len(rows) - 1)]
        place_N = np.empty(len(self._trained), dtype=np.int64)
        place_N[rows] = np.arange(len(rows))
        point_nD = np.empty((len(rows), axes_FD.shape[1]))
        for part_rows, part_nF in self._parts():
            point_nD[place_N[part_rows]] = (part_nF - self._mean_F) @ axes_FD
        point_nD /= point_nD[:, 0].std()
        return point_nD

    def _parts(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Yield rows of a label, and what they have less its median (n, F)."""
        size = max(1, PART_BYTES // (8 * self._trained.shape[1]))
        for cohort, median_F in zip(self._cohorts, self._medians, strict=True):
            for start in range(0, len(cohort.rows), size):
                rows = cohort.rows[start : start + size]
                yield rows, self._trained[rows].astype(np.float64) - median_F


def _median(trained_NF: NDArray[np.floating], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the medians (F,) over the rows, a few features at a time."""
    size, width = max(1, PART_BYTES // (8 * len(rows))), trained_NF.shape[1]
    parts = [trained_NF[rows, start : start + size].astype(np.float64) for start in range(0, width, size)]
    return np.concatenate([np.median(part_nf, axis=0) for part_nf in parts])


def _axes(scatter_FF: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the directions (F, F) of falling variance as columns, the largest weight of each above zero."""
    axes_FF = np.linalg.eigh(scatter_FF)[1][:, ::-1]
    return np.asarray(axes_FF * np.sign(axes_FF[np.abs(axes_FF).argmax(axis=0), np.arange(len(axes_FF))]))
