"""The drop as a record on disk: written once, named by its content, opened and verified by every later stage."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from telltale_core.digest import sha256_bytes, sha256_file
from telltale_core.drop.cohorts import Cohorts, common_label_sets, ranges_of_targets
from telltale_core.drop.manifest import DROP, ORIGIN, Manifest, drop_digest
from telltale_core.errors import BadInput, Corrupt, NotFound
from telltale_core.label_sets import LabelSets
from telltale_core.records import Ids, as_column, as_ids

FILES = ("samples.parquet", "inputs.npy", "payload.parquet", "rejected.parquet")
PUBLISHED = ("payload.parquet", "rejected.parquet", "split-*.parquet")
"""What only the publishing, the report and the joining with published versions read; patterns of names."""
NOTES = "notes.parquet"
"""What samples lost and whom they repeat; there only where one did."""

SAMPLES = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("label", pa.int64()),
        pa.field("target", pa.float64()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("content_sha256", pa.string(), nullable=False),
    ]
)


def samples_schema(*, several: bool) -> pa.Schema:
    """Return the schema of ``samples.parquet``; where samples have several answers, label and target are lists."""
    if not several:
        return SAMPLES
    schema = SAMPLES.set(1, pa.field("label", pa.list_(pa.int64())))
    return schema.set(2, pa.field("target", pa.list_(pa.float64())))


REJECTED = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("sample_id", pa.string()),
        pa.field("reason_code", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("columns", pa.string()),  # JSON: what the row held besides its media
        pa.field("raw", pa.binary()),  # only in the first row with these bytes
        pa.field("raw_sha256", pa.string()),
    ]
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Drop:
    """An ingested drop. Row i of ``sample_ids``, ``labels``, ``inputs`` and ``payload()`` is the same sample."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path | str) -> Drop:
        """Return the drop in a folder; :class:`NotFound` without a manifest, :class:`Corrupt` for a wrong one."""
        return cls(path=Path(path), manifest=DROP.read(Path(path)))

    @property
    def origin(self) -> dict[str, Any]:
        """What the manifest says of where the rows came from: the fields that the digest does not cover."""
        return {name: value for name, value in self.manifest.items() if name in ORIGIN}

    def with_origin(self, origin: Mapping[str, Any]) -> Drop:
        """Return the same drop as another ingest of the same rows knows it: its name, source and settings."""
        return dataclasses.replace(self, manifest=cast("Manifest", {**self.manifest, **origin}))

    def __len__(self) -> int:
        return self.manifest["counts"]["kept"]

    @property
    def digest(self) -> str:
        """The drop's name, 64 hex digits."""
        return self.manifest["digest"]

    @property
    def name(self) -> str:
        """What people call the drop."""
        return self.manifest["name"]

    @property
    def modality(self) -> str:
        """The name of a registered modality, such as ``"image"``."""
        return self.manifest["modality"]

    @property
    def task(self) -> str:
        """``"classification"``, ``"regression"`` or ``"multilabel"``."""
        return self.manifest["task"]

    @property
    def num_classes(self) -> int | None:
        """How many classes there are, absent ones included; None for regression."""
        return self.manifest["num_classes"]

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """The classes' names in the order of the labels, if known."""
        names = self.manifest["label_names"]
        return None if names is None else tuple(names)

    @functools.cached_property
    def _table(self) -> pa.Table:
        return self._samples(None)

    def _samples(self, columns: list[str] | None) -> pa.Table:
        with pq.ParquetFile(self.path / "samples.parquet", page_checksum_verification=True) as file:
            if file.metadata.num_rows != len(self):
                raise Corrupt(
                    f"{self.path}/samples.parquet has {file.metadata.num_rows} rows, the manifest {len(self)}"
                )
            return file.read(columns, use_threads=False)

    def _column(self, name: str) -> pa.ChunkedArray:
        return self._samples([name]).column(name)

    @functools.cached_property
    def sample_ids(self) -> Ids:
        """Unique ids, (N,) of text, in source order."""
        return as_ids(self._column("sample_id"))

    @functools.cached_property
    def sources(self) -> Ids:
        """Where each sample stands in the source, (N,) of text: its file, or its row in a file."""
        return as_ids(self._column("source"))

    @functools.cached_property
    def labels(self) -> np.ndarray | None:
        """Labels in 0..K-1, (N,) int64; None for other tasks."""
        return self._column("label").to_numpy() if self.task == "classification" else None

    @functools.cached_property
    def targets(self) -> np.ndarray | None:
        """Targets, (N,) finite float64, or (N, M) for several a sample; None for other tasks."""
        if self.task != "regression":
            return None
        column = self._column("target")
        if not pa.types.is_list(column.type):
            return np.asarray(column.to_numpy())
        return np.asarray(column.combine_chunks().flatten().to_numpy()).reshape(len(self), -1)

    @functools.cached_property
    def label_sets(self) -> LabelSets | None:
        """Label sets, indexed as (N, K) int64 of 0 and 1; None unless the task is multi-label."""
        if self.task != "multilabel":
            return None
        column = self._column("label").combine_chunks()
        rows, labels = pc.list_parent_indices(column).to_numpy(), column.flatten().to_numpy()
        return LabelSets.of_pairs(rows, labels, (len(self), self.num_classes or 0))

    @functools.cached_property
    def cohorts(self) -> Cohorts | None:
        """Which samples are compared with each other: those of a label, else of like targets; None for all."""
        if self.labels is not None:
            return Cohorts(number=self.labels, names=self.label_names)
        if self.targets is not None:
            return ranges_of_targets(self.targets)
        return None if self.label_sets is None else common_label_sets(self.label_sets, self.label_names)

    @functools.cached_property
    def inputs(self) -> np.ndarray:
        """Packed samples, memory-mapped: for images N x H x W x 3 uint8."""
        array: np.ndarray = np.load(self.path / "inputs.npy", mmap_mode="r", allow_pickle=False)
        if list(array.shape) != self.manifest["input"]["shape"] or len(array) != len(self):
            raise Corrupt(f"{self.path}/inputs.npy has shape {array.shape}, the manifest another")
        return array

    @functools.cached_property
    def notes(self) -> pa.Table | None:
        """``sample_id, lost, repeat_of, repeats`` in the order of the samples; None where there is nothing to note."""
        return _read(self.path / NOTES) if NOTES in self.manifest["files"] else None

    @property
    def repeats(self) -> np.ndarray:
        """Size of each sample's group of near-duplicates, (N,) int64, 1 for a sample that nothing is near to."""
        notes = self.notes
        return np.ones(len(self), dtype=np.int64) if notes is None else notes.column("repeats").to_numpy()

    @property
    def leaders(self) -> Ids:
        """Id of the sample that each near-duplicate is near to, its group's name, (N,) of text; its own for others."""
        if self.notes is None:
            return self.sample_ids
        return as_ids(pc.coalesce(self.notes.column("repeat_of"), as_column(self.sample_ids)))

    @property
    def weights(self) -> np.ndarray:
        """What each sample weighs as evidence, (N,) float64: a group of near-duplicates weighs 1 in all."""
        return np.asarray(1.0 / self.repeats)

    @property
    def packing(self) -> dict[str, Any]:
        """How samples are packed: ``shape``, ``rule`` and the modality's own settings, as JSON values."""
        return dict(self.manifest["packing"])

    def file_bytes(self, name: str) -> bytes:
        """Return a further file that the modality keeps in the drop, such as a vocabulary."""
        if name not in self.manifest["files"]:
            raise NotFound(f"{self.path} has no file {name!r}; it has {', '.join(self.manifest['files'])}")
        data = (self.path / name).read_bytes()
        if sha256_bytes(data) != self.manifest["files"][name]:
            raise Corrupt(f"{self.path / name} does not have the sha256 that the manifest states")
        return data

    def samples(self) -> pa.Table:
        """Return ``sample_id, label, target, source, content_sha256`` of the kept rows."""
        return self._table

    def payload(self) -> pa.Table:
        """Return the original columns of the kept rows, in the order of ``samples``."""
        return _read(self.path / "payload.parquet")

    def payload_rows(self, rows: np.ndarray, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield some rows of the payload (numbers, ascending), reading only the row groups that hold them."""
        with pq.ParquetFile(self.path / "payload.parquet", page_checksum_verification=True) as file:
            begin = 0
            for group in range(file.num_row_groups):
                end = begin + file.metadata.row_group(group).num_rows
                low, high = np.searchsorted(rows, (begin, end))
                if low < high:
                    table = file.read_row_group(group, columns=columns, use_threads=False)
                    yield table.take(pa.array(rows[low:high] - begin)).select(columns or table.column_names)
                begin = end

    def rejected(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rejected rows (see ``REJECTED``), or some of their columns: for notebooks and tests.

        All of their evidence may be more than memory holds: see :meth:`rejected_batches`.
        """
        return _read(self.path / "rejected.parquet", columns)

    def rejected_batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield the rejected rows some at a time, of some columns or of all."""
        with pq.ParquetFile(self.path / "rejected.parquet", page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=columns, use_threads=False)


def _read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return file.read(columns=None if columns is None else list(columns), use_threads=False)


def verify_drop(path: Path | str) -> Drop:
    """Return the drop whose every file was hashed again; raises :class:`Corrupt` naming the first that differs."""
    drop = Drop.open(path)
    names = set(drop.manifest["files"])
    if not names >= set(FILES) or any(Path(name).name != name for name in names):
        raise Corrupt(f"{drop.path}/manifest.json must list {', '.join(FILES)}, all in its own folder")
    for name, expected in drop.manifest["files"].items():
        file = drop.path / name
        if not file.is_file():
            raise Corrupt(f"{file} is missing")
        if (actual := sha256_file(file)) != expected:
            raise Corrupt(f"{file} has sha256 {actual}, the manifest says {expected}")
    if drop_digest(drop.manifest) != drop.digest:
        raise Corrupt(f"{drop.path}/manifest.json does not have the digest {drop.digest}")
    return drop


def check_counts(rows: int, kept_rows: int, rejected_rows: int) -> None:
    """Raise unless every row that was seen is either kept or rejected."""
    if rows != kept_rows + rejected_rows or min(rows, kept_rows, rejected_rows) < 0:
        counts = f"{rows} rows, {kept_rows} kept, {rejected_rows} rejected"
        raise BadInput("file_corrupt", f"the drop changed while it was read: {counts}")
