"""What is usual: how the samples of the other cohorts scatter, against which a cohort's own scatter is held.

A poison adds a direction to its label's scatter that the other labels do not have. Whitened by the scatter of the
others, that direction stands out even where the poison is a small share of its label, and what is common to all labels
(slow drifts, the noise of each frequency) has the same strength everywhere. Where there is one cohort only (regression,
no labels), its own inner samples take the others' place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from telltale_core.verdict.constants import REFERENCE


def whiteners(features_NF: NDArray[np.floating], cohorts: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float64]]:
    """Return for each cohort the matrix (F, F) by which its features times it have unit scatter in the other cohorts.

    ``cohorts`` hold rows in a canonical order. Where there are too few samples to tell (less than four a feature), the
    matrix is the identity.
    """
    alone = len(cohorts) == 1
    trimmed = REFERENCE.trimmed_alone if alone else REFERENCE.trimmed
    parts = [_scatter(np.asarray(features_NF[rows], dtype=np.float64), trimmed) for rows in cohorts]
    features = features_NF.shape[1]
    if alone:
        own, size = parts[0]
        return [_whitener(own / size) if size >= REFERENCE.rows_a_feature * features else np.eye(features)]
    total, count = sum(part for part, _ in parts), sum(size for _, size in parts)
    matrices = []
    for part, size in parts:
        others = count - size
        enough = others >= REFERENCE.rows_a_feature * features
        matrices.append(_whitener((total - part) / others) if enough else np.eye(features))
    return matrices


def _scatter(point_nF: NDArray[np.float64], trimmed: float) -> tuple[NDArray[np.float64], int]:
    """Return the sum of outer products (F, F) of a cohort's inner samples about its median, and their number."""
    centred_nF = point_nF - np.median(point_nF, axis=0)
    spread_F = np.median(np.abs(centred_nF), axis=0)
    distance_n = np.linalg.norm(centred_nF / np.where(spread_F > 0, spread_F, 1.0), axis=1)
    inner_nF = centred_nF[distance_n <= np.quantile(distance_n, 1 - trimmed)]
    return inner_nF.T @ inner_nF, len(inner_nF)


def _whitener(covariance_FF: NDArray[np.float64]) -> NDArray[np.float64]:
    features = len(covariance_FF)
    mean = np.trace(covariance_FF) / features
    if mean <= 0:
        return np.eye(features)
    value_F, vector_FF = np.linalg.eigh(covariance_FF + REFERENCE.shrinkage * mean * np.eye(features))
    return np.asarray(vector_FF / np.sqrt(value_F))
