"""Samples whose label looks wrong: learnt late and hard, each on its own. Not poison, and not called poison.

A wrong label without a trigger has nothing to share, so it forms no cluster; it keeps a high loss until the proxy
learns it by heart. Measured by the mean log loss in the window, within the label: the upper tail of honest samples is
short, so a robust z-score of 2 is far out (on CIFAR-10: under 0.5 % of them).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from telltale_core.drop.grouping import Grouping
from telltale_core.verdict.constants import DECISION


def reason(grouping: Grouping) -> str:
    """Return why a sample is named."""
    of = "" if grouping is Grouping.NONE else f" of its {grouping.noun}"
    be = "are" if grouping is Grouping.LABEL_SET else "is"
    return f"much harder to learn than the other samples{of}: look whether the {grouping.answer} {be} right"


def doubtful_labels(
    level_N: NDArray[np.float64],
    cohorts: Sequence[NDArray[np.int64]],
    usual: Sequence[NDArray[np.int64]] | None = None,
) -> NDArray[np.bool_]:
    """Return which samples (N,) stay above their cohort's median level by two robust standard deviations and more.

    ``usual`` are each cohort's rows that tell median and deviation; None: all.
    """
    doubtful_N = np.zeros(len(level_N), dtype=bool)
    for rows, telling in zip(cohorts, usual or cohorts, strict=True):
        middle = np.median(level_N[telling])
        spread = 1.4826 * np.median(np.abs(level_N[telling] - middle))
        doubtful_N[rows] = level_N[rows] - middle > DECISION.wrong_label_deviations * spread if spread > 0 else False
    return doubtful_N
