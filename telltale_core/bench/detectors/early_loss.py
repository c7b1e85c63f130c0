"""Lowest early loss: poison is learnt first, so the samples with the lowest loss early in training are isolated.

Source: Li et al., "Anti-Backdoor Learning", NeurIPS 2021, section 3.2 (the isolation step). The paper trains with local
gradient ascent, which keeps clean losses up; an ordinary training's log is what is here, and is a weaker ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from telltale_core.bench.detectors.contract import Detector, Evidence, Need, Opinion, Sizes, counted, top
from telltale_core.bench.detectors.evidence import the
from telltale_core.errors import ConfigError


@dataclass(kw_only=True)
class EarlyLoss(Detector):
    """Flags the ``share`` of samples with the lowest mean log loss over the first ``early`` of the snapshots.

    A set share is flagged on any drop. ``suspicion_``: minus that mean. Complexity and memory O(N T).
    """

    share: float = 0.01
    early: float = 0.2
    memory_limit_bytes: int | None = None

    name: ClassVar[str] = "abl"
    title: ClassVar[str] = "Lowest early loss (ABL)"
    source: ClassVar[str] = "Li et al., NeurIPS 2021"
    cost: ClassVar[str] = "O(N T)"
    budgeted: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (0 < self.share < 1 and 0 < self.early <= 1):
            raise ConfigError("share must be in (0, 1) and early in (0, 1]")

    @property
    def needs(self) -> frozenset[Need]:
        """The loss log alone."""
        return frozenset({Need.LOSS_LOG})

    def estimate_bytes(self, sizes: Sizes) -> int:
        """Return the early losses in float64 and a few columns."""
        return 8 * (2 * sizes.n * sizes.t + 8 * sizes.n) + (1 << 20)

    def judge(self, evidence: Evidence) -> Opinion:
        """Return the opinion: the samples that were learnt first."""
        log = the(evidence.losslog)
        epochs = int(log.epochs.max()) + 1
        early_T = log.epochs < max(1, round(self.early * epochs))
        suspicion_N = -log.log_loss[:, early_T].mean(axis=1, dtype=np.float64)
        flagged_N = top(suspicion_N, round(self.share * len(evidence)))
        return Opinion(
            suspicion=suspicion_N,
            flagged=flagged_N,
            reason="among the lowest losses early in training",
            statement=counted(flagged_N, f": a set share ({self.share:g})"),
        )
