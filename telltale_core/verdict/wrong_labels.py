"""Samples whose label looks wrong: learnt late and hard, each on its own. Not poison, and not called poison.

A wrong label without a trigger has nothing to share, so it forms no cluster; it keeps a high loss until the proxy
learns it by heart. Measured by the mean log loss in the window, within the label: the upper tail of honest samples is
short, so a robust z-score of 2 is far out (on CIFAR-10: under 0.5 % of them).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MIN_LABEL_Z = 2.0
ANSWERS = {"label": "label", "target range": "target", "label set": "labels"}
"""What a sample's answer is called where it is compared with those of a label, a range of targets, a set of labels."""


def answer(word: str) -> str:
    """Return what may be wrong with a sample whose cohort is called ``word``; of the drop as a whole either."""
    return ANSWERS.get(word, "label or target")


def reason(word: str) -> str:
    """Return why a sample of a cohort that is called ``word`` is named."""
    of = f" of its {word}" if word in ANSWERS else ""
    be = "are" if answer(word).endswith("s") else "is"
    return f"much harder to learn than the other samples{of}: look whether the {answer(word)} {be} right"


REASON = reason("label")


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
        doubtful_N[rows] = level_N[rows] - middle > MIN_LABEL_Z * spread if spread > 0 else False
    return doubtful_N
