"""Telltale itself, behind the contract of the other detectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from telltale_core.bench.detectors.contract import Detector, Evidence, Need, Opinion, Sizes
from telltale_core.bench.detectors.evidence import the
from telltale_core.drop.cohorts import Cohorts
from telltale_core.spectrum import SpectrumConfig, transform
from telltale_core.verdict import VerdictConfig
from telltale_core.verdict.conclude import conclude_on
from telltale_core.verdict.review_questions import statement_on
from telltale_core.verdict.statement import least_p_value


@dataclass(kw_only=True)
class Telltale(Detector):
    """Flags what :class:`telltale_core.verdict.TelltaleDetector` would quarantine, under default settings.

    Needs the loss log; uses labels where the task has them, and trains once more where there is doubt. ``suspicion_``
    in [0, 1]. See ``telltale_core/README.md``.
    """

    seed: int = 0
    memory_limit_bytes: int | None = None

    name: ClassVar[str] = "telltale"
    title: ClassVar[str] = "Telltale"
    source: ClassVar[str] = "this project"
    cost: ClassVar[str] = "O(N T log T), then O(n^2) a label; in doubt half a training"

    @property
    def needs(self) -> frozenset[Need]:
        """The loss log."""
        return frozenset({Need.LOSS_LOG})

    @property
    def uses(self) -> frozenset[Need]:
        """Labels, or what takes their place, near-duplicates, and a second training where there is doubt."""
        return frozenset({Need.LABELS, Need.COHORTS, Need.RETRAIN, Need.LEADERS})

    def estimate_bytes(self, sizes: Sizes) -> int:
        """Return the spectra a few times over and, within the largest label, neighbour lists."""
        return 8 * (12 * sizes.n * sizes.t + 40 * sizes.largest_class * max(sizes.t, 16)) + (64 << 20)

    def judge(self, evidence: Evidence) -> Opinion:
        """Return Telltale's verdict as an opinion."""
        log, cohorts, config = the(evidence.losslog), evidence.cohorts, VerdictConfig(seed=self.seed)
        if evidence.labels is not None:
            cohorts = Cohorts(number=evidence.labels, names=None)
        number = None if cohorts is None else cohorts.number
        spectra = transform(log.log_loss, number, SpectrumConfig())
        judgement = conclude_on(log.sample_ids, spectra, cohorts, config, evidence.retrain, leaders=evidence.leaders)
        return Opinion(
            suspicion=judgement.suspicion,
            flagged=judgement.decision == "quarantine",
            reason=judgement.reason,
            statement=statement_on(judgement, config),
            details={"review": int((judgement.decision == "review").sum()), "p_value": least_p_value(judgement.groups)},
        )
