"""The spectrum stage's record on disk: ``spectrum.parquet`` and, written last, ``spectrum.json``.

====================  =============================  ==================================================
column                type                           meaning
====================  =============================  ==================================================
``sample_id``         string                         the drop's id
``features``          fixed_size_list<float32>[F]    real, then imaginary parts of the whitened spectrum
``level``             double                         mean log loss in the window
``trend``             double                         rise of the log loss per snapshot in the window
``motion``            fixed_size_list<double>[12]    level, log spread, log activity, quarter by quarter
``finite``            bool                           False: a loss was not finite, the numbers are 0
====================  =============================  ==================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from telltale_core.config import to_dict
from telltale_core.losslog import LossLog
from telltale_core.records import Ids, RecordKind, Samples, as_column, as_ids, write_tables
from telltale_core.spectrum.config import SpectrumConfig
from telltale_core.spectrum.transform import QUARTERS, Spectra, Transform


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrumRecord:
    """How the spectra were made: the content of ``spectrum.json``; ``window`` in snapshots."""

    drop_digest: str
    samples: int
    non_finite: int
    n_features: int
    window: tuple[int, int]
    kept: str
    config: dict[str, Any]


SPECTRUM = RecordKind(
    type=SpectrumRecord,
    name="spectrum",
    file="spectrum.json",
    format="telltale.spectrum/3",
    cure="run the spectrum stage",
)
FILE = "spectrum.parquet"
NARROW = ("sample_id", "level", "trend", "finite")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spectrum:
    """The spectra of a drop's samples: ``sample_ids`` (N,), ``spectra`` in the same order, how they were made."""

    record: SpectrumRecord
    sample_ids: Ids
    spectra: Spectra

    @property
    def drop_digest(self) -> str:
        """The digest of the drop whose samples these are."""
        return self.record.drop_digest

    @classmethod
    def open(cls, folder: Path, *, drop: Samples | None = None) -> Spectrum:
        """Return the spectrum recorded in ``folder``, in the row order of ``drop`` if it is given.

        Raises :class:`NotFound` without one, and :class:`Corrupt` for one that is not whole, or not of the drop.
        """
        record, path = SPECTRUM.read(folder), folder / FILE
        if drop is not None:
            SPECTRUM.check_drop(record.drop_digest, drop)
        table, rows = SPECTRUM.table(path, NARROW), record.samples
        order_N = None if drop is None else SPECTRUM.order(table["sample_id"], drop)
        if table.num_rows != rows:
            SPECTRUM.corrupt(f"{path} holds {table.num_rows} rows, its record says {rows}")
        features_NF = SPECTRUM.filled(path, "features", np.empty((rows, record.n_features), dtype=np.float32))
        motion_NQ3 = SPECTRUM.filled(path, "motion", np.empty((rows, QUARTERS, 3)))
        ids = drop.sample_ids if drop is not None else as_ids(table["sample_id"])
        place = slice(None) if order_N is None else order_N
        spectra = Spectra(
            features=features_NF[place],
            level=table["level"].to_numpy()[place],
            trend=table["trend"].to_numpy()[place],
            motion=motion_NQ3[place],
            finite=np.asarray(table["finite"].to_numpy(zero_copy_only=False), dtype=bool)[place],
            window=record.window,
            window_choice=record.kept,
        )
        return cls(record=record, sample_ids=ids, spectra=spectra)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredSpectrum:
    """Recorded spectra in ``folder``, read as they are asked for: ``finite`` (N,) in the row order of the drop.

    ``order`` (N,) are the rows of the file in that order, None where they are in it.
    """

    folder: Path
    record: SpectrumRecord
    finite: NDArray[np.bool_]
    order: NDArray[np.int64] | None

    @classmethod
    def open(cls, folder: Path, drop: Samples) -> StoredSpectrum:
        """Return the spectra of a drop; raises as :meth:`Spectrum.open` does."""
        record = SPECTRUM.read(folder)
        SPECTRUM.check_drop(record.drop_digest, drop)
        table = SPECTRUM.table(folder / FILE, ("sample_id", "finite"))
        order = SPECTRUM.order(table["sample_id"], drop)
        finite = np.asarray(table["finite"].to_numpy(zero_copy_only=False), dtype=bool)
        return cls(folder=folder, record=record, finite=finite if order is None else finite[order], order=order)

    def features_of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the features (n, F) of some rows; memory holds a part of the file beside them."""
        at = rows if self.order is None else self.order[rows]
        sort = np.argsort(at, kind="stable")
        flat = SPECTRUM.rows(self.folder / FILE, "features", at[sort]).flatten().to_numpy()
        features_nF = np.empty((len(rows), self.record.n_features), dtype=np.float32)
        if len(flat) != features_nF.size:
            SPECTRUM.corrupt(f"{self.folder / FILE} has not the {self.record.n_features} features of its record")
        features_nF[sort] = flat.reshape(features_nF.shape)
        return features_nF


def compute_spectrum(
    losslog: LossLog, labels: NDArray[np.int64] | None, out: Path, config: SpectrumConfig | None = None
) -> SpectrumRecord:
    """Compute the spectra of a loss log and write them to the folder ``out``, part by part; return its record.

    ``labels`` (N,) int64 in the log's row order, or None where the task has none. The record is written last.
    """
    config = config or SpectrumConfig()
    joint = Transform(losslog.log_loss, labels, config)
    write_tables(out / FILE, _tables(losslog.sample_ids, joint), losslog.log_loss.nbytes)
    record = SpectrumRecord(
        drop_digest=losslog.drop_digest,
        samples=len(losslog),
        non_finite=int((~joint.finite).sum()),
        n_features=joint.n_features,
        window=joint.window,
        kept=joint.window_choice,
        config=to_dict(config),
    )
    SPECTRUM.write(out, record)
    return record


def _tables(sample_ids: Ids, joint: Transform) -> Iterator[pa.Table]:
    """Yield the spectra as tables of consecutive rows."""
    begin = 0
    for part in joint.parts():
        end = begin + len(part.level)
        features = pa.FixedSizeListArray.from_arrays(pa.array(part.features.ravel()), joint.n_features)
        columns = {
            "sample_id": as_column(sample_ids[begin:end]),
            "features": features,
            "level": pa.array(part.level),
            "trend": pa.array(part.trend),
            "motion": pa.FixedSizeListArray.from_arrays(pa.array(part.motion.ravel()), 3 * QUARTERS),
            "finite": pa.array(part.finite),
        }
        yield pa.table(columns)
        begin = end
