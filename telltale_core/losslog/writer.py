"""The loss log's writer: epoch files whole, a record that says *complete* only when all of them stand."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from telltale_core.digest import digest_of, sha256_bytes, sha256_file
from telltale_core.errors import ConfigError, Corrupt, NotFound
from telltale_core.losslog.epochs import FOLDER, LogPlan, encode_epoch, epoch_file, read_epoch
from telltale_core.records import Ids, RecordKind, as_column, sweep_temporaries, write_whole


class LogRecord(TypedDict):
    """What ``log.json`` says: the plan of the log, whether it is ``complete``, and the sha256 of each file then."""

    drop_digest: str
    n_samples: int
    epochs: int
    snapshots_per_epoch: int
    members: int
    complete: bool
    files: dict[str, str]


LOSSLOG = RecordKind(
    type=LogRecord, name="loss log", file="log.json", format="telltale.losslog/1", cure="run the train stage"
)
logger = logging.getLogger(__name__)


class LossLogWriter:
    """Writes one log, epoch by epoch."""

    def __init__(self, folder: Path, plan: LogPlan) -> None:
        self.folder = folder
        self.plan = plan

    @classmethod
    def create(cls, folder: Path, plan: LogPlan, sample_ids: Ids) -> LossLogWriter:
        """Return the writer of a new log, or of one begun earlier with the same plan; epochs that stand are kept.

        Raises :class:`ConfigError` when the folder holds a log of another drop or plan.
        """
        column = as_column(sample_ids)
        if len(column) != plan.n_samples or pc.count_distinct(column).as_py() != plan.n_samples:
            raise ConfigError(f"a loss log needs {plan.n_samples} distinct sample ids, got {len(sample_ids)}")
        if (folder / LOSSLOG.file).exists():
            values = LOSSLOG.read(folder)
            if {name: values.get(name) for name in plan.record()} != plan.record():
                raise ConfigError(
                    f"{folder} holds the log of another drop or plan; choose another folder, or remove it"
                )
        sweep_temporaries(folder)
        sweep_temporaries(folder / FOLDER)
        write_whole(folder / "samples.parquet", _samples_bytes(column))
        LOSSLOG.write(folder, _record(plan, complete=False, files={}))
        return cls(folder, plan)

    def write_epoch(self, epoch: int, step_T: NDArray[np.int32], log_loss_NT: NDArray[np.float32]) -> str:
        """Write one epoch's file, whole or not at all, replacing one that stands there; return its sha256."""
        data = encode_epoch(self.plan, epoch, step_T, log_loss_NT)
        write_whole(self.folder / epoch_file(epoch), data)
        return sha256_bytes(data)

    def epochs_standing(self, digests: Sequence[str]) -> int:
        """Return how many of the first epochs stand as written (``digests``), counted up to the first gap."""
        for epoch, digest in enumerate(digests):
            path = self.folder / epoch_file(epoch)
            try:
                read_epoch(self.folder, self.plan, epoch)
            except (NotFound, Corrupt) as error:
                logger.warning("loss log: %s", error)
                return epoch
            if sha256_file(path) != digest:
                logger.warning("loss log: %s does not have the digest with which it was written", path)
                return epoch
        return len(digests)

    def finish(self) -> str:
        """Read every epoch back, mark the log complete and return its digest (64 hex digits)."""
        files = {"samples.parquet": sha256_file(self.folder / "samples.parquet")}
        for epoch, name in enumerate(self.plan.files()):
            read_epoch(self.folder, self.plan, epoch)
            files[name] = sha256_file(self.folder / name)
        record = _record(self.plan, complete=True, files=files)
        LOSSLOG.write(self.folder, record)
        return digest_of(LOSSLOG.values(record))


def _record(plan: LogPlan, *, complete: bool, files: dict[str, str]) -> LogRecord:
    return cast("LogRecord", {**plan.record(), "complete": complete, "files": files})


def _samples_bytes(sample_ids: pa.StringArray) -> bytes:
    columns = {
        "sample": np.arange(len(sample_ids), dtype=np.int32),
        "sample_id": sample_ids,
    }
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table(columns),
        sink,
        compression="zstd",
        use_dictionary=False,
        column_encoding={"sample": "DELTA_BINARY_PACKED", "sample_id": "DELTA_LENGTH_BYTE_ARRAY"},
        write_page_checksum=True,
    )
    return bytes(sink.getvalue())
