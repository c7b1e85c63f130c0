"""What labels explain of the features of samples with several of them, where their sets are too rare to be compared.

Samples of unlike sets of labels are then in one cohort, and those of one set move together by nature: a split would
tell sets apart, not poison. So the features are taken less what the labels explain, each label and each pair of labels
by a term of a linear model. Poison has one set, whose term would explain it, too, where it is most of that set. So the
model is fitted to the samples that it explains best (least trimmed squares, Rousseeuw, J. Am. Stat. Assoc. 79, 1984).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from telltale_core.verdict.constants import LABEL_SETS


def unexplained(
    features_nF: NDArray[np.floating], sets_nK: NDArray[np.integer], different_n: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the features (n, F) less what the sets of labels (n, K), as flags, explain of them.

    The model is fitted to ``different_n`` (n,), which leaves out further copies.
    """
    term_nD = _terms(np.asarray(sets_nK, dtype=np.float64))
    feature_nF = np.asarray(features_nF, dtype=np.float64)
    fitted_n = different_n
    for _ in range(LABEL_SETS.rounds):
        weight_DF = np.linalg.lstsq(term_nD[fitted_n], feature_nF[fitted_n], rcond=None)[0]
        rest_nF = feature_nF - term_nD @ weight_DF
        spread_F = 1.4826 * np.median(np.abs(rest_nF), axis=0)
        far_n = np.square(rest_nF / np.where(spread_F > 0, spread_F, 1.0)).sum(axis=1)
        near_n = different_n & (far_n <= np.quantile(far_n[different_n], 1 - LABEL_SETS.trimmed))
        if np.array_equal(near_n, fitted_n):
            break
        fitted_n = near_n
    return np.asarray(rest_nF)


def _terms(flag_nK: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a constant, a term a label and, where there are samples enough for it, a term a pair of labels."""
    terms = [np.ones(len(flag_nK)), *flag_nK.T]
    first, second = np.triu_indices(flag_nK.shape[1], k=1)
    if len(flag_nK) >= LABEL_SETS.samples_a_term * (len(terms) + len(first)):
        terms += list((flag_nK[:, first] * flag_nK[:, second]).T)
    return np.column_stack(terms)
