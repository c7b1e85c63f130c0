"""Samples that no test could judge: one rule for what becomes of them, whatever the reason they were not tested for.

Untested are those of a label (range, set of labels, drop) with too few samples or losses that are all alike, and
samples whose loss is not finite. ``verdict.untested`` says what becomes of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale_core.verdict.config import VerdictConfig

ENDS = {"review": "held for a person's review", "aside": "set aside", "keep": "kept untested"}
"""What becomes of an untested sample, by ``verdict.untested``."""
NOT_FINITE = "its loss was not a finite number at some snapshot"
UNKNOWN = 0.5
"""The suspicion of a sample that was not tested: no test speaks for it or against it."""


def decide_untested(
    columns: Mapping[str, NDArray[Any]],
    rows: NDArray[np.int64],
    because: str,
    config: VerdictConfig,
    *,
    cluster: int = -1,
) -> None:
    """Write into ``columns`` what becomes of untested ``rows``; held ones belong to ``cluster``, for the counts."""
    columns["suspicion"][rows] = UNKNOWN
    columns["reason"][rows] = f"{because}: not tested, and so {ENDS[config.untested]}"
    if config.untested != "keep":
        columns["decision"][rows] = "review"
        columns["cluster"][rows] = cluster
