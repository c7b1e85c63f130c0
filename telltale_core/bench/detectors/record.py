"""An opinion on disk: ``opinion.parquet`` (``sample_id, suspicion, flagged, reason``) and, last, ``opinion.json``.

The record says which detector with which parameters saw what, what it found, and the time and memory that it took.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from telltale_core.bench.detectors.contract import Detector
from telltale_core.bench.detectors.evidence import Evidence
from telltale_core.records import Ids, RecordKind, as_column, as_ids


class OpinionRecord(TypedDict):
    """What ``opinion.json`` says: which detector with which parameters saw what, what it found, and what it took."""

    drop_digest: str
    detector: str
    title: str
    source: str
    params: dict[str, Any]
    needs: list[str]
    budgeted: bool
    clean_set: dict[str, Any] | None
    known_clean: int
    samples: int
    flagged: int
    statement: str
    details: dict[str, Any]
    estimate_bytes: int
    usage: dict[str, float]


OPINION = RecordKind(
    type=OpinionRecord, name="opinion", file="opinion.json", format="telltale.opinion/1", cure="compare the detectors"
)
COLUMNS = ("sample_id", "suspicion", "flagged", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a fit took: seconds on the clock and of the processor, bytes of resident memory above where it began."""

    seconds: float
    cpu_s: float
    peak_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recorded:
    """An opinion read back; rows in the order in which they were given. ``record`` is ``opinion.json``."""

    record: OpinionRecord
    sample_ids: Ids
    suspicion: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    reason: NDArray[np.object_]

    @property
    def name(self) -> str:
        """Return the detector's name."""
        return self.record["detector"]


def measure(detector: Detector, evidence: Evidence) -> Usage:
    """Return what fitting the detector took; its opinion is then in its attributes."""
    watch = _Watch()
    began, cpu = time.perf_counter(), time.process_time()
    with watch:
        detector.fit(evidence)
    return Usage(
        seconds=round(time.perf_counter() - began, 3),
        cpu_s=round(time.process_time() - cpu, 3),
        peak_bytes=watch.peak - watch.start,
    )


class _Watch:
    """The highest resident memory of this process while the block runs, looked at a hundred times a second."""

    def __enter__(self) -> None:
        self.start = self.peak = _resident()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self.peak = max(self.peak, _resident())

    def _watch(self) -> None:
        while not self._end.wait(0.01):
            self.peak = max(self.peak, _resident())


def _resident() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def write_opinion(detector: Detector, evidence: Evidence, usage: Usage, drop_digest: str, folder: Path) -> Recorded:
    """Return a fitted detector's opinion as it now stands in ``folder``."""
    table = pa.table(
        {
            "sample_id": as_column(evidence.sample_ids),
            "suspicion": pa.array(detector.suspicion_, pa.float64()),
            "flagged": pa.array(detector.flagged_, pa.bool_()),
            "reason": pa.array(detector.reason_.tolist(), pa.string()),
        }
    )
    clean = evidence.clean if "clean" in {need.value for need in detector.needs} else None
    record: OpinionRecord = {
        "drop_digest": drop_digest,
        "detector": detector.name,
        "title": detector.title,
        "source": detector.source,
        "params": detector.params(),
        "needs": sorted(need.words for need in detector.needs),
        "budgeted": detector.budgeted,
        "clean_set": None if clean is None else {"samples": len(clean), "source": clean.source},
        "known_clean": int(evidence.known_clean.sum())
        if evidence.known_clean is not None and "known_clean" in {need.value for need in detector.needs}
        else 0,
        "samples": len(evidence),
        "flagged": int(detector.flagged_.sum()),
        "statement": detector.statement_,
        "details": detector.details_,
        "estimate_bytes": detector.estimate_bytes_,
        "usage": asdict(usage),
    }
    OPINION.write(folder, record, opinion=table)
    return read_opinion(folder)


def read_opinion(folder: Path) -> Recorded:
    """Return the opinion in ``folder``; raises :class:`NotFound` without one and :class:`Corrupt` for half of one."""
    record, table = OPINION.read(folder), OPINION.table(folder / "opinion.parquet", COLUMNS)
    if table.num_rows != record["samples"]:
        OPINION.corrupt(f"{folder / 'opinion.parquet'} holds {table.num_rows} rows, its record {record['samples']}")
    return Recorded(
        record=record,
        sample_ids=as_ids(table["sample_id"]),
        suspicion=table["suspicion"].to_numpy(),
        flagged=np.asarray(table["flagged"].to_pylist(), dtype=bool),
        reason=np.asarray(table["reason"].to_pylist(), dtype=object),
    )
