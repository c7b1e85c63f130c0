"""One Parquet file an epoch: its schema, its bytes, and the checks by which it is believed.

``member-0/epoch-<eeee>.parquet`` holds N x S rows, snapshot after snapshot, one row group a snapshot, samples in the
drop's order: ``sample`` int32, ``snapshot`` int32 (counted from the first), ``epoch`` int32, ``step`` int32
(optimiser steps taken), ``log_loss`` float32 (natural log of the loss).
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from telltale_core.errors import ConfigError, Corrupt, NotFound

FOLDER = "member-0"
SCHEMA = pa.schema(
    [
        pa.field("sample", pa.int32(), nullable=False),
        pa.field("snapshot", pa.int32(), nullable=False),
        pa.field("epoch", pa.int32(), nullable=False),
        pa.field("step", pa.int32(), nullable=False),
        pa.field("log_loss", pa.float32(), nullable=False),
    ]
)
_ENCODING = {
    "sample": "DELTA_BINARY_PACKED",
    "snapshot": "DELTA_BINARY_PACKED",
    "epoch": "DELTA_BINARY_PACKED",
    "step": "DELTA_BINARY_PACKED",
    "log_loss": "BYTE_STREAM_SPLIT",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPlan:
    """What a complete log holds: of which drop, how many samples, epochs and snapshots."""

    drop_digest: str
    n_samples: int
    epochs: int
    snapshots_per_epoch: int

    def __post_init__(self) -> None:
        for name in ("n_samples", "epochs", "snapshots_per_epoch"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ConfigError(f"{name} of a loss log must be a whole number >= 1, got {value!r}")

    def record(self) -> dict[str, object]:
        """Return the plan as ``log.json`` states it; ``members`` is 1: earlier releases could join several."""
        return {**asdict(self), "members": 1}

    def files(self) -> list[str]:
        """Return the names of all epoch files, relative to the log's folder, in the order of time."""
        return [epoch_file(epoch) for epoch in range(self.epochs)]


def epoch_file(epoch: int) -> str:
    """Return the name of one epoch's file, relative to the log's folder."""
    return f"{FOLDER}/epoch-{epoch:04d}.parquet"


def encode_epoch(plan: LogPlan, epoch: int, step_T: NDArray[np.int32], log_loss_NT: NDArray[np.float32]) -> bytes:
    """Return the bytes of one epoch's Parquet file; equal values give equal bytes.

    Raises :class:`ConfigError` when the shape is not the plan's: a log never takes a part of an epoch.
    """
    expected = (plan.n_samples, plan.snapshots_per_epoch)
    if log_loss_NT.shape != expected or step_T.shape != expected[1:]:
        raise ConfigError(
            f"an epoch of this log is losses {expected} and {expected[1:]} steps, got {log_loss_NT.shape}"
        )
    sample_N = np.arange(plan.n_samples, dtype=np.int32)
    sink = io.BytesIO()
    with pq.ParquetWriter(
        sink,
        SCHEMA,
        compression="zstd",
        use_dictionary=False,
        column_encoding=_ENCODING,
        write_page_checksum=True,
    ) as writer:
        for s in range(plan.snapshots_per_epoch):
            constants = (epoch * plan.snapshots_per_epoch + s, epoch, int(step_T[s]))
            columns = [np.full(plan.n_samples, value, dtype=np.int32) for value in constants]
            losses = np.ascontiguousarray(log_loss_NT[:, s], dtype=np.float32)
            table = pa.table([sample_N, *columns, losses], schema=SCHEMA)
            writer.write_table(table, row_group_size=plan.n_samples)
    return sink.getvalue()


def read_epoch(folder: Path, plan: LogPlan, epoch: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return one epoch's steps (S,) and log losses (N, S), read from a log's folder.

    Raises :class:`NotFound` for an absent file and :class:`Corrupt`, naming the file, for one that is torn, short, of
    another epoch or in another order. Nothing is filled in.
    """
    path, n, s = folder / epoch_file(epoch), plan.n_samples, plan.snapshots_per_epoch
    columns = [column.to_numpy().reshape(s, n) for column in _table(path, plan, SCHEMA.names).columns]
    sample, snapshot, file_epoch, step, loss = columns
    expected_S1 = np.arange(epoch * s, (epoch + 1) * s, dtype=np.int32)[:, None]
    if (snapshot != expected_S1).any() or (file_epoch != epoch).any():
        raise Corrupt(f"{path} does not hold epoch {epoch}'s snapshots {epoch * s} to {(epoch + 1) * s - 1}")
    if (sample != np.arange(n, dtype=np.int32)).any():
        raise Corrupt(f"{path} does not hold every sample exactly once a snapshot, in the drop's order")
    if (step != step[:, :1]).any():
        raise Corrupt(f"{path} mixes optimiser steps within a snapshot")
    return step[:, 0].copy(), np.ascontiguousarray(loss.T)


def read_losses(folder: Path, plan: LogPlan, epoch: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return an epoch's steps (S,) and log losses (S, N), of a file with the digest that it had when it was checked.

    The other columns say nothing new then, and are not decoded; raises as :func:`read_epoch` does.
    """
    path = folder / epoch_file(epoch)
    step, loss = (column.to_numpy() for column in _table(path, plan, ["step", "log_loss"]).columns)
    return step[:: plan.n_samples].copy(), loss.reshape(plan.snapshots_per_epoch, plan.n_samples)


def read_losses_of(folder: Path, plan: LogPlan, epoch: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the log losses (n, S) of some samples in an epoch, read a snapshot at a time.

    Of a file with the digest that it had when it was checked; raises as :func:`read_epoch` does.
    """
    path = folder / epoch_file(epoch)
    loss_nS = np.empty((len(rows), plan.snapshots_per_epoch), dtype=np.float32)
    with _opened(path, plan) as file:
        for s in range(plan.snapshots_per_epoch):
            loss_nS[:, s] = file.read_row_group(s, ["log_loss"], use_threads=False).column(0).to_numpy()[rows]
    return loss_nS


def _table(path: Path, plan: LogPlan, columns: list[str]) -> pa.Table:
    with _opened(path, plan) as file:
        return file.read(columns)


@contextlib.contextmanager
def _opened(path: Path, plan: LogPlan) -> Iterator[pq.ParquetFile]:
    """Yield an epoch's file, which has a row group of all samples for each snapshot."""
    if not path.is_file():
        raise NotFound(f"{path} is absent: the loss log is not complete; run training again, it resumes")
    n, s = plan.n_samples, plan.snapshots_per_epoch
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            if not file.schema_arrow.equals(SCHEMA):
                raise Corrupt(f"{path} has columns {file.schema_arrow.names}, expected those of a loss log's epoch")
            groups = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            if groups != [n] * s:
                raise Corrupt(
                    f"{path} holds {sum(groups)} rows in {len(groups)} snapshots, expected {n} samples x {s} snapshots "
                    f"= {n * s}"
                )
            yield file
    except (pa.ArrowException, OSError) as error:
        raise Corrupt(f"{path} is torn or damaged ({type(error).__name__}); run training again to redo it") from error
