"""The detector for notebooks, in the scikit-learn way: the constructor stores, ``fit`` computes."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from telltale_core.losslog import LossLog
from telltale_core.spectrum import SpectrumConfig, transform
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.record import conclude
from telltale_core.verdict.statement import state


class TelltaleDetector:
    """Finds samples whose losses move together; needs a loss log, and labels where the task has them.

    After ``fit``: ``suspicion_`` (N,) float64 in [0, 1], higher is worse; ``flagged_`` (N,) bool, what would be
    quarantined; ``decision_`` (N,) ``keep``, ``quarantine`` or ``review``; ``reason_`` (N,) sentences; ``groups_`` one
    entry a cohort; ``statement_`` the verdict in a sentence. Rows are in the loss log's order.
    """

    def __init__(self, spectrum: SpectrumConfig | None = None, verdict: VerdictConfig | None = None) -> None:
        self.spectrum = spectrum
        self.verdict = verdict

    def fit(self, losslog: LossLog, labels: NDArray[np.int64] | None = None) -> Self:
        """Return the detector with the verdict on ``losslog``; ``labels`` (N,) int64, None for regression."""
        config = self.verdict or VerdictConfig()
        spectra = transform(losslog.log_loss, losslog.member_T, labels, self.spectrum or SpectrumConfig())
        made = conclude(losslog.sample_ids, spectra, labels, None, config)
        self.suspicion_ = made.suspicion
        self.flagged_ = made.decision == "quarantine"
        self.decision_ = made.decision
        self.reason_ = made.reason
        self.groups_ = made.groups
        self.statement_ = state(made.groups, len(made.decision), config.false_alarm_rate)
        return self
