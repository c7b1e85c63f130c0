"""Samples that no test could judge: one rule for what becomes of them, whatever the reason they were not tested for.

Untested are those of a label (range, set of labels, drop) with too few samples or losses that are all alike, and
samples whose loss is not finite. ``verdict.untested`` says what becomes of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.constants import DECISION
from telltale_core.verdict.decide import Ruling, uniform
from telltale_core.verdict.record import Decision

ENDS = {"review": "held for a person's review", "aside": "set aside", "keep": "kept untested"}
"""What becomes of an untested sample, by ``verdict.untested``."""
NOT_FINITE = "its loss was not a finite number at some snapshot"


def ruling_on_untested(rows: NDArray[np.int64], because: str, config: VerdictConfig, *, cluster: int = -1) -> Ruling:
    """Return what becomes of untested ``rows``; held ones belong to ``cluster``, for the counts."""
    text = f"{because}: not tested, and so {ENDS[config.untested]}"
    decision: Decision = "keep" if config.untested == "keep" else "review"
    return uniform(rows, decision, text, suspicion=DECISION.unknown, cluster=cluster)
