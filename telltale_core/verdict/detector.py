"""The detector for notebooks, in the scikit-learn way: the constructor stores, ``fit`` computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from telltale_core.config import to_dict
from telltale_core.digest import code_version, digest_of, sha256_bytes
from telltale_core.drop import Drop
from telltale_core.drop.cohorts import Cohorts
from telltale_core.errors import Corrupt
from telltale_core.label_sets import LabelSets
from telltale_core.losslog import LossLog
from telltale_core.records import Ids
from telltale_core.spectrum import SpectrumConfig, transform
from telltale_core.verdict.conclude import conclude_on
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.judgement import write_verdict
from telltale_core.verdict.leave_out import Retrain
from telltale_core.verdict.review_questions import statement_on


class TelltaleDetector:
    """Finds samples whose losses move together; needs a loss log, and labels where the task has them.

    After ``fit``: ``suspicion_`` (N,) float64 in [0, 1], higher is worse; ``flagged_`` (N,) bool, what would be
    quarantined; ``decision_`` (N,) ``keep``, ``quarantine`` or ``review``; ``reason_`` (N,) sentences; ``groups_`` one
    entry a cohort; ``statement_`` the verdict in a sentence; ``lineage_`` what the verdict rests on, for publishing.
    Rows are in the loss log's order.
    """

    def __init__(self, spectrum: SpectrumConfig | None = None, verdict: VerdictConfig | None = None) -> None:
        self.spectrum = spectrum
        self.verdict = verdict

    def fit(
        self,
        losslog: LossLog,
        labels: Cohorts | NDArray[np.int64] | None = None,
        retrain: Retrain | None = None,
        leaders: Ids | None = None,
        *,
        label_sets: NDArray[np.integer] | LabelSets | None = None,
        features: NDArray[np.floating] | None = None,
    ) -> Self:
        """Return the detector with the verdict on ``losslog``.

        ``labels`` say which samples are compared with each other: a drop's ``cohorts`` (of any task: labels, ranges of
        targets, sets of labels), labels (N,) int64, or None, where all are compared with all. ``retrain`` trains for a
        leave-out retraining at what is doubtful; :func:`telltale_core.proxy.leave_out_retraining` makes one, without
        it none is taken. ``leaders`` are a drop's: in what is usual a group of near-duplicates weighs as one sample;
        None: no copies. ``label_sets`` (N, K) are a multi-label drop's labels, as flags. ``features`` (N, F)
        are what the proxy's last layer was given: without them nobody is suspected by them.
        """
        spectrum, verdict = self.spectrum or SpectrumConfig(), self.verdict or VerdictConfig()
        cohorts = labels if isinstance(labels, Cohorts) or labels is None else Cohorts(number=labels, names=None)
        number = None if cohorts is None else np.asarray(cohorts.number, dtype=np.int64)
        spectra = transform(losslog.log_loss, number, spectrum)
        self._decisions = decisions = conclude_on(
            losslog.sample_ids,
            spectra,
            cohorts,
            verdict,
            retrain,
            leaders=leaders,
            label_sets=label_sets,
            trained=features,
        )
        self._drop_digest = losslog.drop_digest
        self.suspicion_ = decisions.suspicion
        self.flagged_ = decisions.decision == "quarantine"
        self.decision_ = decisions.decision
        self.reason_ = decisions.reason
        self.groups_ = decisions.groups
        self.statement_ = statement_on(decisions, verdict)
        labelled = None if number is None else sha256_bytes(number.tobytes())
        decided = sha256_bytes("".join(decisions.decision.tolist()).encode())  # with a leave-out retraining, or without
        rests_on = [labelled, to_dict(spectrum), to_dict(verdict), sha256_bytes(losslog.log_loss.tobytes()), decided]
        self.lineage_: dict[str, Any] = {
            "config_digest": digest_of(rests_on),
            "code_version": code_version(["losslog", "spectrum", "verdict", "drop/grouping"]),
            "seed": verdict.seed,
        }
        return self

    def save(self, drop: Drop, folder: Path | str) -> Path:
        """Return ``folder`` with the verdict on ``drop`` written to it, as ``publish`` and ``write_report`` read it.

        Raises :class:`Corrupt` when the fitted log is that of another drop.
        """
        if self._drop_digest != drop.digest:
            raise Corrupt(f"the fitted log is of drop {self._drop_digest[:12] or 'unknown'}, not {drop.digest[:12]}")
        write_verdict(self._decisions, drop, Path(folder), self.verdict or VerdictConfig())
        return Path(folder)
