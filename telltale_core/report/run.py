"""One run as the report sees it: the records of all stages, aligned by sample id, with counts that add up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from telltale_core.errors import Corrupt
from telltale_core.losslog.writer import LOSSLOG
from telltale_core.questions import Question, questions_of
from telltale_core.records import as_column
from telltale_core.report.rows import ReadRows
from telltale_core.spectrum.record import SPECTRUM, SpectrumRecord, StoredSpectrum
from telltale_core.verdict.record import TRIGGERS, VERDICT, Group, Verdict, VerdictRecord

if TYPE_CHECKING:
    from telltale_core.drop import Drop
    from telltale_core.losslog import Losses

NEAR_MISS = "No poison found, but a near miss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Where every ingested row went: ``ingested = published + quarantined + review + rejected``, or it raises.

    ``review`` counts what is set aside without being quarantined.
    """

    ingested: int
    published: int
    quarantined: int
    review: int
    rejected: int

    def __post_init__(self) -> None:
        parts = self.published + self.quarantined + self.review + self.rejected
        if self.ingested != parts:
            raise Corrupt(
                f"counts do not add up: {self.ingested} ingested, but {self.published} published + {self.quarantined} "
                f"quarantined + {self.review} set aside + {self.rejected} rejected = {parts}; run its stage again"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outline:
    """What a run says as a whole: its verdict and where its rows went, without a record of each sample."""

    drop: Drop
    counts: Counts
    verdict: VerdictRecord

    @property
    def word(self) -> str:
        """What samples are compared within: a label, a target range, a label set; a group where there are none."""
        return "group" if self.drop.cohorts is None else self.drop.cohorts.grouping.noun

    @property
    def status(self) -> str:
        """``poison``, ``review``, ``untested`` or ``clean``: what the verdict says of the drop as a whole."""
        if self.verdict.poison_found:
            return "poison"
        if self.questions:
            return "review"
        groups = self.verdict.groups
        return "untested" if groups and not any(group.tested for group in groups) else "clean"

    @property
    def questions(self) -> list[Question]:
        """What a person must decide before anything is published: on the drop, then on the verdict."""
        return [*questions_of(self.drop.manifest), *self.verdict.open_questions]

    @property
    def near_miss(self) -> bool:
        """Whether nothing was called, but a group came near enough to be set aside."""
        return self.status == "clean" and any(group.review for group in self.groups() if group.tested)

    def label_name(self, label: int | None) -> str:
        """Return what to call a label; the whole drop where there is none."""
        if label is None:
            return "all samples"
        names = (None if self.drop.cohorts is None else self.drop.cohorts.names) or ()
        return str(names[label]) if 0 <= label < len(names) else f"{self.word} {label}"

    def group_name(self, group: Group) -> str:
        """Return what to call a cohort: what the verdict calls it, else its label's name."""
        return group.label_name or self.label_name(group.label)

    def groups(self) -> list[Group]:
        """Return the verdict's cohorts: called ones, then those nearest their threshold."""
        return sorted(self.verdict.groups, key=lambda group: (not group.called, group.threshold - group.statistic))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run(Outline):
    """The records of one run in the drop's row order; arrays are not to be written to.

    ``decision``, ``suspicion``, ``cluster`` and ``reason`` (N,). ``log_loss`` reads the losses (n, T) of rows, taken
    at ``epochs`` (T,), and ``features`` their whitened spectra (n, D): those that are shown, no others.
    ``finite`` (N,): whose spectra stand for something. ``triggers`` samples with a trigger put on.
    """

    spectrum: SpectrumRecord | None
    decision: npt.NDArray[np.str_]
    suspicion: npt.NDArray[np.float64]
    cluster: npt.NDArray[np.int64]
    reason: npt.NDArray[np.object_]
    log_loss: ReadRows
    epochs: npt.NDArray[np.int64]
    features: ReadRows
    finite: npt.NDArray[np.bool_]
    triggers: pa.Table

    @property
    def labels(self) -> npt.NDArray[np.int64] | None:
        """Labels (N,) of all samples, else the numbers of their ranges of targets; None where there are none."""
        return None if self.drop.cohorts is None else self.drop.cohorts.number

    def worst_first(self, decision: str | None = None) -> npt.NDArray[np.int64]:
        """Return row numbers by falling suspicion, ties by row, of one decision or of all."""
        rows = np.arange(len(self.suspicion)) if decision is None else np.flatnonzero(self.decision == decision)
        return rows[np.argsort(-self.suspicion[rows], kind="stable")]


def read_outline(drop: Drop, verdict_dir: Path) -> Outline:
    """Return a run's verdict as a whole; raises as :func:`read_run` does. No row of a sample is read."""
    verdict = VERDICT.read(verdict_dir)
    VERDICT.check_drop(verdict.drop_digest, drop)
    return Outline(drop=drop, verdict=verdict, counts=_counts(drop, verdict))


def read_run(drop: Drop, losslog: Losses, spectrum_dir: Path, verdict_dir: Path) -> Run:
    """Return the run's records aligned to the drop's rows; a run without a spectrum has none.

    Raises :class:`NotFound` for an absent verdict and :class:`Corrupt` where records speak of other samples, another
    drop, or counts that do not add up.
    """
    verdict = Verdict.open(verdict_dir, drop=drop)
    LOSSLOG.check_drop(losslog.drop_digest, drop)
    spectrum = StoredSpectrum.open(spectrum_dir, drop) if (spectrum_dir / SPECTRUM.file).is_file() else None
    return Run(
        drop=drop,
        counts=_counts(drop, verdict.record),
        verdict=verdict.record,
        spectrum=None if spectrum is None else spectrum.record,
        decision=verdict.decision,
        suspicion=verdict.suspicion,
        cluster=verdict.table["cluster"].to_numpy().astype(np.int64),
        reason=_texts(verdict.table["reason"].combine_chunks()),
        log_loss=_losses(losslog, drop),
        epochs=np.asarray(losslog.epochs, dtype=np.int64),
        features=ReadRows(_nothing if spectrum is None else spectrum.features_of),
        finite=np.zeros(len(drop), dtype=bool) if spectrum is None else spectrum.finite,
        triggers=_triggers(verdict_dir),
    )


def _triggers(verdict_dir: Path) -> pa.Table:
    """Return the samples with a trigger put on, see :mod:`telltale_core.verdict.experiment`; none of older verdicts."""
    path = verdict_dir / "triggers.parquet"
    return VERDICT.table(path, TRIGGERS) if path.is_file() else TRIGGERS.empty_table()


def _counts(drop: Drop, verdict: VerdictRecord) -> Counts:
    decided, ingest = verdict.counts, drop.manifest["counts"]
    return Counts(
        ingested=ingest["seen"],
        published=decided["keep"],
        quarantined=decided["quarantine"],
        review=decided["review"],
        rejected=ingest["rejected"],
    )


def _texts(column: pa.StringArray) -> npt.NDArray[np.object_]:
    """Return texts of which many rows have the same, (N,) of str: each is held once."""
    encoded = column.fill_null("").dictionary_encode()
    return np.asarray(np.array(encoded.dictionary.to_pylist(), dtype=object)[encoded.indices.to_numpy()])


def _losses(losslog: Losses, drop: Drop) -> ReadRows:
    """Return what reads losses in the order of the drop."""
    ids = losslog.sample_ids
    order_N = None if ids is drop.sample_ids else LOSSLOG.order(pa.chunked_array([as_column(ids)]), drop)
    return ReadRows(lambda rows: losslog.losses_of(rows if order_N is None else order_N[rows]))


def _nothing(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    return np.empty((len(rows), 0), dtype=np.float32)
