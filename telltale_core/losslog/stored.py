"""A finished loss log on disk: checked as a whole, and read by the sample."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from telltale_core.digest import digest_of, sha256_file
from telltale_core.errors import ConfigError, Corrupt
from telltale_core.losslog.epochs import LogPlan, read_losses_of
from telltale_core.losslog.writer import LOSSLOG, LogRecord
from telltale_core.records import Ids, Samples, as_ids, in_order


class Losses(Protocol):
    """Log losses of a drop's samples: ``sample_ids`` (N,), and the epoch of each snapshot (T,)."""

    @property
    def drop_digest(self) -> str: ...  # noqa: D102
    @property
    def sample_ids(self) -> Ids: ...  # noqa: D102
    @property
    def epochs(self) -> NDArray[np.int32]: ...  # noqa: D102
    def losses_of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredLog:
    """A complete log in ``folder``, whose losses are read as they are asked for.

    ``sample_ids`` (N,) in the drop's row order; ``digest`` of the files.
    """

    folder: Path
    plan: LogPlan
    sample_ids: Ids
    digest: str

    @classmethod
    def open(cls, folder: Path, *, drop: Samples | None = None) -> StoredLog:
        """Return the complete log in ``folder``, which is that of ``drop`` if it is given.

        Raises :class:`NotFound` for no log there, :class:`Corrupt`, naming the file, for one that is unfinished, of
        another drop, or has a file missing, torn, short, changed or too many.
        """
        record = _read_record(folder)
        if drop is not None:
            LOSSLOG.check_drop(record["drop_digest"], drop)
        plan = _plan(record, folder)
        _check_files(folder, plan, record["files"])
        ids, digest = _read_ids(folder, plan, drop), digest_of(LOSSLOG.values(record))
        return cls(folder=folder, plan=plan, sample_ids=ids, digest=digest)

    @property
    def drop_digest(self) -> str:
        """The digest of the drop that was learnt."""
        return self.plan.drop_digest

    @property
    def epochs(self) -> NDArray[np.int32]:
        """The epoch of each snapshot, (T,)."""
        return np.repeat(np.arange(self.plan.epochs, dtype=np.int32), self.plan.snapshots_per_epoch)

    def losses_of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the log losses (n, T) of some rows; memory holds those and one snapshot of all samples."""
        parts = [read_losses_of(self.folder, self.plan, epoch, rows) for epoch in range(self.plan.epochs)]
        return np.concatenate(parts, axis=1)


def _read_record(folder: Path) -> LogRecord:
    record = LOSSLOG.read(folder)
    if not record["complete"]:
        raise Corrupt(
            f"{folder / LOSSLOG.file} says that the log is unfinished; run training again, it resumes where it stopped"
        )
    return record


def _plan(record: LogRecord, folder: Path) -> LogPlan:
    if record["members"] != 1:
        raise Corrupt(
            f"{folder / 'log.json'} must hold the losses of 1 proxy, got {record['members']} (earlier releases "
            "could join several); remove the folder and train again"
        )
    try:
        return LogPlan(
            drop_digest=record["drop_digest"],
            n_samples=record["n_samples"],
            epochs=record["epochs"],
            snapshots_per_epoch=record["snapshots_per_epoch"],
        )
    except ConfigError as error:
        raise Corrupt(f"{folder / 'log.json'} does not state what the log holds: {error}") from error


def _check_files(folder: Path, plan: LogPlan, digests: dict[str, str]) -> None:
    """Raise :class:`Corrupt` unless the folder holds exactly the planned files with their recorded digests."""
    expected = {"samples.parquet", *plan.files()}
    if set(digests) != expected:
        raise Corrupt(f"{folder / 'log.json'} lists {len(digests)} files, expected {len(expected)}; train again")
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")}
    if surplus := sorted(present - expected):
        raise Corrupt(f"{folder / surplus[0]} is no file of this log (a duplicate?); remove it")
    for name in sorted(expected):
        if name not in present:
            raise Corrupt(f"{folder / name} is missing; remove log.json's folder and train again")
        if sha256_file(folder / name) != digests[name]:
            raise Corrupt(f"{folder / name} does not have the digest that log.json records; train again")


def _read_ids(folder: Path, plan: LogPlan, drop: Samples | None) -> Ids:
    """Return the ids; where they are the drop's, as they mostly are, its own array: a second one is as large."""
    path = folder / "samples.parquet"
    table = LOSSLOG.table(path, ("sample", "sample_id"))
    if not np.array_equal(table["sample"].to_numpy(), np.arange(plan.n_samples)):
        raise Corrupt(f"{path} does not number the {plan.n_samples} samples from 0 on")
    if drop is not None and in_order(table["sample_id"], drop):
        return drop.sample_ids
    return as_ids(table["sample_id"])
