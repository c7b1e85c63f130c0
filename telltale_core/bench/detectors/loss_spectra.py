"""Telltale itself and the published recipe of the talk's slides, behind the contract of their rivals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from telltale_core.bench.detectors.contract import Detector, Evidence, Need, Opinion, Sizes
from telltale_core.bench.detectors.evidence import the
from telltale_core.drop.cohorts import Cohorts
from telltale_core.spectrum import SpectrumConfig, transform
from telltale_core.verdict import VerdictConfig
from telltale_core.verdict.asking import statement_on
from telltale_core.verdict.record import conclude_on
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
        return frozenset({Need.LABELS, Need.COHORTS, Need.LOOK, Need.LEADERS})

    def estimate_bytes(self, sizes: Sizes) -> int:
        """Return the spectra a few times over and, within the largest label, neighbour lists."""
        return 8 * (12 * sizes.n * sizes.t + 40 * sizes.largest_class * max(sizes.t, 16)) + (64 << 20)

    def judge(self, evidence: Evidence) -> Opinion:
        """Return Telltale's verdict as an opinion."""
        return _verdict(evidence, SpectrumConfig(), VerdictConfig(seed=self.seed))


@dataclass(kw_only=True)
class Slides(Detector):
    """Flags every cluster of magnitude spectra but the largest: the recipe of the talk's slides to the letter.

    Needs the loss log alone. ``suspicion_`` in [0, 1]. Complexity O(N^2) in the worst case of its neighbour search.
    """

    memory_limit_bytes: int | None = None

    name: ClassVar[str] = "slides"
    title: ClassVar[str] = "The slides' recipe"
    source: ClassVar[str] = "talk of the method, NDSS 2025"
    cost: ClassVar[str] = "O(N^2) at worst"
    same_rows_same_suspicion: ClassVar[bool] = False  # it ranks, and ties are broken by id

    @property
    def needs(self) -> frozenset[Need]:
        """The loss log."""
        return frozenset({Need.LOSS_LOG})

    def estimate_bytes(self, sizes: Sizes) -> int:
        """Return the spectra a few times over and DBSCAN's neighbour lists, of nearly the whole drop for each sample.

        At the radius of the recipe that was seen: 786 MB for 10,000 samples.
        """
        return 8 * (10 * sizes.n * sizes.t + sizes.n**2) + (64 << 20)

    def judge(self, evidence: Evidence) -> Opinion:
        """Return the recipe's verdict as an opinion."""
        return _verdict(evidence, SpectrumConfig(recipe="slides"), VerdictConfig(method="slides"))


def _verdict(evidence: Evidence, spectrum: SpectrumConfig, verdict: VerdictConfig) -> Opinion:
    log = the(evidence.losslog)
    cohorts = evidence.cohorts
    if evidence.labels is not None:
        cohorts = Cohorts(number=evidence.labels, names=None)
    spectra = transform(log.log_loss, log.member_T, None if cohorts is None else cohorts.number, spectrum)
    made = conclude_on(log.sample_ids, spectra, cohorts, verdict, evidence.look, leaders=evidence.leaders)
    return Opinion(
        suspicion=made.suspicion,
        flagged=made.decision == "quarantine",
        reason=made.reason,
        statement=statement_on(made, verdict),
        details={
            "review": int((made.decision == "review").sum()),
            "p_value": least_p_value(made.groups),
        },
    )
