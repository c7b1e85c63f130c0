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

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from telltale_core.config import to_dict
from telltale_core.errors import Corrupt, NotFound
from telltale_core.losslog import LossLog
from telltale_core.losslog.files import write_json
from telltale_core.spectrum.config import SpectrumConfig
from telltale_core.spectrum.transform import QUARTERS, Spectra, transform

FORMAT = "telltale.spectrum/3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """The spectra of a drop's samples: ``sample_ids`` (N,) str, ``spectra`` in the same order, ``drop_digest``."""

    sample_ids: NDArray[np.str_]
    spectra: Spectra
    drop_digest: str

    @classmethod
    def open(cls, folder: Path) -> Spectrum:
        """Return the spectrum recorded in ``folder``; raises :class:`NotFound` or :class:`Corrupt`."""
        record_path = folder / "spectrum.json"
        if not record_path.is_file():
            raise NotFound(f"no spectrum in {folder}: expected {record_path.name}; run the spectrum stage")
        record = json.loads(record_path.read_text(encoding="utf-8"))
        if record.get("format") != FORMAT:
            raise Corrupt(f"{record_path} has format {record.get('format')!r}, expected {FORMAT!r}")
        table = pq.read_table(folder / "spectrum.parquet").combine_chunks()
        if table.num_rows != record["samples"]:
            raise Corrupt(f"{folder}/spectrum.parquet holds {table.num_rows} rows, its record says {record['samples']}")
        flat = table["features"].combine_chunks().flatten().to_numpy()
        return cls(
            sample_ids=np.asarray(table["sample_id"].to_pylist(), dtype=np.str_),
            spectra=Spectra(
                features_NF=flat.reshape(table.num_rows, record["n_features"]),
                level_N=table["level"].to_numpy(),
                trend_N=table["trend"].to_numpy(),
                motion_NQ3=table["motion"].combine_chunks().flatten().to_numpy().reshape(table.num_rows, QUARTERS, 3),
                finite_N=np.asarray(table["finite"].to_numpy(zero_copy_only=False), dtype=bool),
                window=(int(record["window"][0]), int(record["window"][1])),
                kept=record["kept"],
            ),
            drop_digest=record["drop_digest"],
        )


def compute_spectrum(
    losslog: LossLog, labels: NDArray[np.int64] | None, out: Path, config: SpectrumConfig | None = None
) -> Spectrum:
    """Return the spectra of a loss log and write them to the folder ``out``, whose record is written last.

    ``labels`` (N,) int64 in the log's row order, or None where the task has none.
    """
    config = config or SpectrumConfig()
    spectra = transform(losslog.log_loss, labels, config)
    out.mkdir(parents=True, exist_ok=True)
    n_features = spectra.features_NF.shape[1]
    table = pa.table(
        {
            "sample_id": pa.array(losslog.sample_ids.tolist(), pa.string()),
            "features": pa.FixedSizeListArray.from_arrays(pa.array(spectra.features_NF.ravel()), n_features),
            "level": pa.array(spectra.level_N),
            "trend": pa.array(spectra.trend_N),
            "motion": pa.FixedSizeListArray.from_arrays(pa.array(spectra.motion_NQ3.ravel()), 3 * QUARTERS),
            "finite": pa.array(spectra.finite_N),
        }
    )
    pq.write_table(table, out / "spectrum.parquet", compression="zstd")
    record: dict[str, object] = {
        "format": FORMAT,
        "drop_digest": losslog.drop_digest,
        "samples": table.num_rows,
        "non_finite": int((~spectra.finite_N).sum()),
        "n_features": n_features,
        "window": list(spectra.window),
        "kept": spectra.kept,
        "config": to_dict(config),
    }
    write_json(out / "spectrum.json", record)
    return Spectrum(sample_ids=losslog.sample_ids, spectra=spectra, drop_digest=losslog.drop_digest)
