"""What a detector takes and gives: the one interface behind which every way to find poison stands.

A detector declares what it needs and is handed that alone; no field of :class:`Evidence` holds the truth. The base
class sorts the rows by id before a detector sees them and puts its answer back into the given order, so that row order
cannot matter; it sets rows with non-finite numbers aside and refuses work that would not fit into memory.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from telltale_core.bench.detectors.evidence import CleanSet, Evidence
from telltale_core.errors import ConfigError, OverBudget
from telltale_core.proxy.hardware import available_bytes

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Need(StrEnum):
    """What a detector may ask for; the values are the fields of :class:`Evidence`, but for the last."""

    LOSS_LOG = "losslog"
    FEATURES = "features"
    MAPS = "maps"
    NORMS = "norms"
    LOGITS = "logits"
    LABELS = "labels"
    COHORTS = "cohorts"
    INPUTS = "inputs"
    MODEL = "model"
    CLEAN = "clean"
    KNOWN_CLEAN = "known_clean"
    RETRAINING = "retraining"
    RETRAIN = "retrain"
    LEADERS = "leaders"

    @property
    def words(self) -> str:
        """Return the need in words."""
        return _WORDS[self]


_WORDS = {
    Need.LOSS_LOG: "loss log",
    Need.FEATURES: "penultimate features",
    Need.MAPS: "convolutional maps",
    Need.NORMS: "batch-norm likelihoods",
    Need.LOGITS: "logits of every epoch",
    Need.LABELS: "labels",
    Need.COHORTS: "groups of like samples",
    Need.INPUTS: "inputs",
    Need.MODEL: "trained proxy",
    Need.CLEAN: "clean set",
    Need.KNOWN_CLEAN: "known clean samples of the drop",
    Need.RETRAINING: "retraining",
    Need.RETRAIN: "a second proxy that learns without some samples",
    Need.LEADERS: "which samples are near-duplicates",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The sizes on which a detector's memory depends: samples, features, classes, snapshots, map, layers, clean set."""

    n: int
    largest_class: int
    classes: int = 0
    d: int = 0
    t: int = 0
    channels: int = 0
    positions: int = 0
    layers: int = 0
    epochs: int = 0
    clean: int = 0
    input_values: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opinion:
    """What a detector makes of N samples: ``suspicion`` (N,) finite, higher is worse; ``flagged`` (N,) bool.

    ``reason`` says why a flagged sample is (one sentence, or one a sample); ``statement`` the finding on the drop;
    ``details`` holds JSON values: statistics by class, thresholds, what was left out.
    """

    suspicion: Floats
    flagged: Mask
    reason: str | NDArray[np.object_]
    statement: str
    details: dict[str, Any] = field(default_factory=dict)


class Detector(ABC):
    """One way to find poison, in the scikit-learn way: the constructor stores, ``fit`` computes.

    After ``fit``, one entry a sample in the given order: ``suspicion_`` (N,) finite float64, higher is worse, on the
    detector's own scale; ``flagged_`` (N,) bool; ``reason_`` (N,) sentences; ``set_aside_`` (N,) bool, rows with a
    non-finite number (never flagged, of median suspicion). ``statement_`` is the finding in a sentence, ``details_``
    JSON values, ``estimate_bytes_`` the memory that was expected. Subclasses are dataclasses of their parameters.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    cost: ClassVar[str]
    budgeted: ClassVar[bool] = False
    """Whether a set share is flagged whatever the drop holds, so that a flag is no finding."""
    same_rows_same_suspicion: ClassVar[bool] = True
    """Whether exact copies of a sample are sure to get the same suspicion (not so where rows are put into batches)."""
    least: ClassVar[int] = 8
    """Fewer finite samples than this are not judged."""

    memory_limit_bytes: int | None

    @property
    @abstractmethod
    def needs(self) -> frozenset[Need]:
        """What must be in the evidence."""

    @property
    def uses(self) -> frozenset[Need]:
        """What is taken besides where it is there."""
        return frozenset()

    @abstractmethod
    def estimate_bytes(self, sizes: Sizes) -> int:
        """Return the memory that ``fit`` takes at its peak beside the evidence itself."""

    @abstractmethod
    def judge(self, evidence: Evidence) -> Opinion:
        """Return the opinion on evidence whose rows are sorted by id and finite; called by ``fit``."""

    def fit(self, evidence: Evidence) -> Self:
        """Return the detector with its opinion on ``evidence``, of which it sees what it declares and no more.

        Raises :class:`ConfigError` naming what is missing, and :class:`OverBudget` with both figures, before the work.
        """
        own_evidence = restricted(evidence, self.needs, self.uses, self.name)
        order = np.argsort(evidence.sample_ids, kind="stable")
        finite_N = own_evidence.finite()
        rows = order[finite_N[order]]
        self.set_aside_ = ~finite_N
        sizes = sizes_of(own_evidence, len(rows))
        self.estimate_bytes_ = self.estimate_bytes(sizes)
        self._require_memory()
        if len(rows) < self.least:
            opinion = untested(len(rows), f"not judged: {len(rows)} usable samples, {self.least} are needed")
        else:
            with threadpool_limits(1):  # the same sums in the same order on every machine
                opinion = self.judge(own_evidence.take(rows))
        self._keep(opinion, rows, len(finite_N))
        return self

    def _keep(self, opinion: Opinion, rows: NDArray[np.int64], n: int) -> None:
        suspicion = np.asarray(opinion.suspicion, dtype=np.float64)
        if suspicion.shape != rows.shape or not np.isfinite(suspicion).all():
            raise AssertionError(f"{self.name} must give a finite suspicion for each of {len(rows)} rows")
        self.suspicion_ = np.full(n, float(np.median(suspicion)) if len(suspicion) else 0.0)
        self.suspicion_[rows] = suspicion
        self.flagged_ = np.zeros(n, dtype=bool)
        self.flagged_[rows] = opinion.flagged
        self.reason_ = np.full(n, "not suspected", dtype=object)
        self.reason_[self.set_aside_] = "set aside: a number that this detector needs of it is not finite"
        said = opinion.reason if isinstance(opinion.reason, np.ndarray) else np.full(len(rows), opinion.reason, object)
        self.reason_[rows[opinion.flagged]] = said[opinion.flagged]
        self.statement_ = opinion.statement
        self.details_ = {**opinion.details, "set_aside": int(self.set_aside_.sum())}

    def _require_memory(self) -> None:
        limit = self.memory_limit_bytes or available_bytes("cpu")
        if limit is not None and self.estimate_bytes_ > limit:
            raise OverBudget(
                f"{self.name} needs about {self.estimate_bytes_ / 1e6:,.0f} MB beside what it is given, "
                f"{limit / 1e6:,.0f} MB may be used; choose another detector, fewer samples, or a larger machine"
            )

    def params(self) -> dict[str, Any]:
        """Return the parameters as JSON values, but for the means."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if name != "memory_limit_bytes"
        }


def restricted(evidence: Evidence, needs: frozenset[Need], uses: frozenset[Need], who: str) -> Evidence:
    """Return the evidence with only these fields; raises :class:`ConfigError` naming what is needed and absent."""
    lacking = missing(evidence, needs)
    if lacking:
        raise ConfigError(
            f"{who} needs {', '.join(need.words for need in lacking)}, which this evidence does not hold"
            + ("; give a clean set" if Need.CLEAN in lacking else "")
            + ("; name some samples that are known to be clean" if Need.KNOWN_CLEAN in lacking else "")
        )
    visible = {need.value for need in needs | uses}
    always = {"sample_ids", "num_classes", "modality"}
    hidden: dict[str, Any] = {f.name: None for f in dataclasses.fields(evidence) if f.name not in visible | always}
    return dataclasses.replace(evidence, **hidden)


def missing(evidence: Evidence, needs: frozenset[Need]) -> list[Need]:
    """Return which of these needs the evidence does not meet, in a fixed order."""
    return [need for need in Need if need in needs and getattr(evidence, need.value) is None]


def sizes_of(evidence: Evidence, n: int) -> Sizes:
    """Return the sizes of what there is of the evidence, for ``n`` usable rows."""
    labels = evidence.labels
    largest = int(np.bincount(labels).max()) if labels is not None and len(labels) else n
    maps = evidence.maps
    return Sizes(
        n=n,
        largest_class=min(n, largest),
        classes=evidence.num_classes or 0,
        d=0 if evidence.features is None else evidence.features.shape[1],
        t=0 if evidence.losslog is None else evidence.losslog.log_loss.shape[1],
        channels=0 if maps is None else maps.shape[1],
        positions=0 if maps is None else maps.shape[2],
        layers=0 if evidence.norms is None else evidence.norms.shape[1],
        epochs=0 if evidence.logits is None else evidence.logits.shape[1],
        clean=0 if evidence.clean is None else len(evidence.clean),
        input_values=0 if evidence.inputs is None else int(np.prod(evidence.inputs.shape[1:])),
    )


def untested(n: int, why: str) -> Opinion:
    """Return an opinion that suspects nobody."""
    return Opinion(suspicion=np.zeros(n), flagged=np.zeros(n, dtype=bool), reason="", statement=why)


def by_class(labels: Labels) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each label that occurs with its rows, in the order of the labels."""
    for label in np.unique(labels):
        yield int(label), np.flatnonzero(labels == label)


def top(score: Floats, count: int) -> Mask:
    """Return which rows (n,) have the ``count`` highest scores; of equal scores the earlier rows."""
    chosen = np.zeros(len(score), dtype=bool)
    if count > 0:
        chosen[np.argsort(-np.asarray(score, dtype=np.float64), kind="stable")[:count]] = True
    return chosen


def mad_index(values: Floats) -> NDArray[np.float64]:
    """Return how many robust standard deviations each value lies above the median (MAD x 1.4826); 0 below it."""
    values = np.asarray(values, dtype=np.float64)
    away = values - np.median(values)
    spread = 1.4826 * np.median(np.abs(away))
    return np.maximum(away, 0.0) / spread if spread > 0 else np.where(away > 0, np.inf, 0.0)


def counted(flagged: Mask, what: str = "") -> str:
    """Return ``12 of 1,000 samples flagged`` with what else is to be said."""
    return f"{int(flagged.sum()):,} of {len(flagged):,} samples flagged{what}"


__all__ = [
    "CleanSet", "Detector", "Evidence", "Floats", "Labels", "Mask", "Need", "Opinion", "Sizes", "by_class", "counted",
    "mad_index", "missing", "restricted", "sizes_of", "top", "untested",
]  # fmt: skip
