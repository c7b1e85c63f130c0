"""What labels explain of the features of samples with several of them, where their sets are too rare to be compared.

Samples of unlike sets of labels are then in one cohort, and those of one set move together by nature: a split would
tell sets apart, not poison. So the features are taken less what the labels explain, each label and each pair of labels
by a term of a linear model. Poison has one set, whose term would explain it, too, where it is most of that set. So the
model is fitted to the samples that it explains best (least trimmed squares, Rousseeuw, J. Am. Stat. Assoc. 79, 1984).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from telltale_core.label_sets import LabelSets
from telltale_core.verdict.constants import LABEL_SETS


def unexplained(
    features_nF: NDArray[np.floating], sets: LabelSets, different_n: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the features (n, F) less what the n sets of labels explain of them.

    The model is fitted to ``different_n`` (n,), which leaves out further copies.
    """
    feature_nF, pairs = np.asarray(features_nF, dtype=np.float64), _with_pairs(*sets.shape)
    parts, fitted_n = _parts(*sets.shape, pairs=pairs), different_n
    for _ in range(LABEL_SETS.rounds):
        weight_DF = _weights(feature_nF, sets, fitted_n, parts, pairs=pairs)
        rest_nF = np.concatenate([feature_nF[part] - _terms(sets[part], pairs=pairs) @ weight_DF for part in parts])
        spread_F = 1.4826 * np.median(np.abs(rest_nF), axis=0)
        far_n = np.square(rest_nF / np.where(spread_F > 0, spread_F, 1.0)).sum(axis=1)
        near_n = different_n & (far_n <= np.quantile(far_n[different_n], 1 - LABEL_SETS.trimmed))
        if np.array_equal(near_n, fitted_n):
            break
        fitted_n = near_n
    return np.asarray(rest_nF)


def _weights(
    feature_nF: NDArray[np.float64], sets: LabelSets, fitted_n: NDArray[np.bool_], parts: list[slice], *, pairs: bool
) -> NDArray[np.float64]:
    """Return the model's weights (D, F); of several parts by their normal equations, which differ in rounding."""
    if len(parts) == 1:
        return np.asarray(np.linalg.lstsq(_terms(sets[fitted_n], pairs=pairs), feature_nF[fitted_n], rcond=None)[0])
    squares: NDArray[np.float64] | float = 0.0
    products: NDArray[np.float64] | float = 0.0
    for part in parts:
        term_mD = _terms(sets[part][fitted_n[part]], pairs=pairs)
        squares, products = squares + term_mD.T @ term_mD, products + term_mD.T @ feature_nF[part][fitted_n[part]]
    return np.asarray(np.linalg.lstsq(squares, products, rcond=None)[0])


def _with_pairs(samples: int, labels: int) -> bool:
    return samples >= LABEL_SETS.samples_a_term * (1 + labels + labels * (labels - 1) // 2)


def _parts(samples: int, labels: int, *, pairs: bool) -> list[slice]:
    """Return the parts whose terms are held at a time: all at once where they take at most ``held_bytes``."""
    terms = 1 + labels + pairs * labels * (labels - 1) // 2
    step = max(1, LABEL_SETS.held_bytes // (8 * terms))
    return [slice(start, min(start + step, samples)) for start in range(0, samples, step)]


def _terms(flag_nK: NDArray[np.integer], *, pairs: bool) -> NDArray[np.float64]:
    """Return a constant, a term a label and, with ``pairs``, a term a pair of labels."""
    flag_nK = flag_nK.astype(np.float64)
    terms = [np.ones(len(flag_nK)), *flag_nK.T]
    if pairs:
        first, second = np.triu_indices(flag_nK.shape[1], k=1)
        terms += list((flag_nK[:, first] * flag_nK[:, second]).T)
    return np.column_stack(terms)
