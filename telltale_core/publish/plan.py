"""What goes where: the verdict checked against the drop, and rows cut into shards of deterministic Parquet bytes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from telltale_core.config import Settings
from telltale_core.digest import sha256_file
from telltale_core.drop.manifest import Manifest
from telltale_core.errors import Corrupt
from telltale_core.records import Samples
from telltale_core.row_sizes import regrouped, row_bytes
from telltale_core.storage import Content
from telltale_core.verdict.record import SCHEMA

# The types of remarks, as Hugging Face datasets calls them.
_FEATURES = {field.name: {"double": "float64"}.get(str(field.type), str(field.type)) for field in SCHEMA}
MAX_GROUP_ROWS = 65536
READ_BYTES = 1 << 20  # of a drop's file at a time
SAMPLE_BYTES, MEDIA_BYTES, SHRUNK = 1 << 20, 1 << 16, 0.95  # what tells columns that zstd does not shrink
MAX_BATCH_ROWS = 1024  # after which a page may end; fewer where rows are large, so that a page has about 1 MiB


class PublishConfig(Settings, frozen=True):
    """What a version holds, and how its shards are cut and packed. All belongs into the run key."""

    mode: Literal["replace", "append"] = Field(
        default="replace",
        title="What a version holds",
        description="replace: the kept samples of the last drop, alone. append: those of the version before, and the "
        "drop's kept samples that are not among them.",
    )
    shard_bytes: int = Field(
        default=128 << 20, ge=1, title="Shard size", description="Most bytes that a shard's rows take, decoded."
    )
    row_group_bytes: int = Field(
        default=16 << 20,
        ge=1,
        title="Row group size",
        description="Most bytes that a row group's rows take, decoded: what a reader must hold at once.",
    )
    compression_level: int = Field(default=3, ge=1, le=22, description="Level of the compression with zstd.")
    unread: Literal["keep", "drop", "review"] = Field(
        default="review",
        title="Columns that the proxy did not see",
        description="review: a person is asked about those that a model could be trained on, the others are kept, "
        "marked as not judged. keep: all are kept, marked. drop: all but the id are left out of what is published.",
    )


class DropLike(Samples, Protocol):
    """What publishing needs of a :class:`telltale_core.drop.Drop`."""

    @property
    def path(self) -> Path:
        """Return the drop's folder."""
        ...

    @property
    def manifest(self) -> Manifest:
        """Return the drop's manifest."""
        ...


def check_payload(drop: DropLike) -> pq.ParquetFile:
    """Return the drop's opened payload; raises :class:`Corrupt` if it is damaged or not aligned with the samples."""
    payload = _opened(drop, "payload.parquet")
    if payload.metadata.num_rows != len(drop.sample_ids):
        raise Corrupt(
            f"{drop.path}/payload.parquet has {payload.metadata.num_rows} rows for {len(drop.sample_ids)} samples"
        )
    return payload


def _opened(drop: DropLike, name: str) -> pq.ParquetFile:
    path = drop.path / name
    try:
        stated = drop.manifest["files"].get(name)
        if stated is not None and sha256_file(path) != stated:
            raise Corrupt(f"{path} does not have the digest that the drop's manifest states: ingest the drop again")
        return pq.ParquetFile(path, page_checksum_verification=True, buffer_size=READ_BYTES)
    except (OSError, pa.ArrowException) as error:
        raise Corrupt(f"{path} cannot be read ({type(error).__name__}): ingest the drop again") from error


def rows_of(drop: DropLike, name: str) -> Iterator[pa.Table]:
    """Yield the rows of one of the drop's files, a row group at a time; :class:`Corrupt` if the file is damaged."""
    with _opened(drop, name) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, use_threads=False)


def picked(payload: pq.ParquetFile, rows: np.ndarray[Any, Any], remarks: pa.Table | None = None) -> Iterator[pa.Table]:
    """Yield the given rows (ascending) in order, a row group at a time, followed by their remarks if there are any."""
    begin = 0
    for group in range(payload.num_row_groups):
        count = payload.metadata.row_group(group).num_rows
        low, high = np.searchsorted(rows, (begin, begin + count))
        if low < high:
            table = payload.read_row_group(group, use_threads=False)
            if high - low < count:
                table = table.take(pa.array(rows[low:high] - begin))
            yield table if remarks is None else with_remarks(table, remarks.take(pa.array(rows[low:high])))
        begin += count


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A Parquet file's bytes and how many rows it holds."""

    data: Content
    rows: int


def pack(tables: Iterable[pa.Table], config: PublishConfig) -> Iterator[Shard]:
    """Yield the rows as Parquet files; equal rows give equal bytes for one version of pyarrow.

    A file has at most ``shard_bytes`` and a row group at most ``row_group_bytes``, decoded, unless a single row is
    larger. Memory holds one row group and one encoded file.
    """
    open_shard: _Open | None = None
    for group in regrouped(tables, min(config.row_group_bytes, config.shard_bytes), MAX_GROUP_ROWS):
        size = int(row_bytes(group).sum())
        if open_shard is not None and open_shard.bytes + size > config.shard_bytes:
            yield open_shard.closed()
            open_shard = None
        open_shard = open_shard or _Open(group, config)
        open_shard.add(group, size)
    if open_shard is not None:
        yield open_shard.closed()


class _Open:
    """A Parquet file in memory that takes row groups; ``bytes`` counts them decoded. Its ``first`` rows decide how."""

    def __init__(self, first: pa.Table, config: PublishConfig) -> None:
        self._sink = pa.BufferOutputStream()
        self._writer = Packing.of(first).writer(self._sink, first.schema, config.compression_level)
        self.rows = self.bytes = 0

    def add(self, group: pa.Table, size: int) -> None:
        """Append one row group."""
        self._writer.write_table(group)
        self.rows += group.num_rows
        self.bytes += size

    def closed(self) -> Shard:
        """Return the file, complete."""
        self._writer.close()
        return Shard(data=memoryview(self._sink.getvalue()).cast("B"), rows=self.rows)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How a file's columns are packed: those worth ``compressing``, by path, and how many rows make about 1 MiB."""

    compressing: dict[str, bool]
    batch_rows: int

    @classmethod
    def of(cls, first: pa.Table) -> Packing:
        """Return what the first MiB of a file's rows says, which is written once; so it depends on the rows alone.

        A column that takes 64 KiB of it and does not shrink by a twentieth would be compressed for nothing, as JPEG,
        PNG, FLAC and MP3 are.
        """
        ends = np.cumsum(row_bytes(first.slice(0, MAX_GROUP_ROWS)))
        rows = max(1, int(np.searchsorted(ends, SAMPLE_BYTES, side="right")))
        sink = pa.BufferOutputStream()
        with _writer(sink, first.schema, "zstd", 1, MAX_BATCH_ROWS) as writer:
            writer.write_table(first.slice(0, rows))
        sample = pq.read_metadata(pa.BufferReader(sink.getvalue()))
        groups = [sample.row_group(at) for at in range(sample.num_row_groups)]
        columns = [group.column(at) for group in groups for at in range(group.num_columns)]
        return cls(compressing={c.path_in_schema: _shrinks(c) for c in columns}, batch_rows=min(rows, MAX_BATCH_ROWS))

    def writer(self, sink: pa.NativeFile, schema: pa.Schema, level: int) -> pq.ParquetWriter:
        """Return the writer of a file that is packed so."""
        if all(self.compressing.values()):
            return _writer(sink, schema, "zstd", level, self.batch_rows)
        codecs = {path: "zstd" if shrinks else "none" for path, shrinks in self.compressing.items()}
        levels = {path: level for path, shrinks in self.compressing.items() if shrinks}
        return _writer(sink, schema, codecs, levels, self.batch_rows)


def _shrinks(column: pq.ColumnChunkMetaData) -> bool:
    plain, packed = column.total_uncompressed_size, column.total_compressed_size
    return bool(plain < MEDIA_BYTES or packed < SHRUNK * plain)


def _writer(sink: pa.NativeFile, schema: pa.Schema, codec: Any, level: Any, batch_rows: int) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        sink,
        schema,
        version="2.6",
        data_page_version="1.0",
        compression=codec,
        compression_level=level,
        use_dictionary=True,
        write_statistics=True,
        write_page_checksum=True,
        write_batch_size=batch_rows,
        store_schema=True,
    )


def encode(table: pa.Table, config: PublishConfig) -> Content:
    """Return a whole table as one Parquet file, whatever its size."""
    shard = _Open(table, config)
    for group in regrouped([table], config.row_group_bytes, MAX_GROUP_ROWS):
        shard.add(group, 0)
    return shard.closed().data


def remark_names(schema: pa.Schema) -> dict[str, str]:
    """Return under which name each remark column stands beside the input's columns: its own, unless that is taken."""
    names = {}
    for name in SCHEMA.names:
        free = name
        while free in schema.names:
            free = f"telltale_{free}"
        names[name] = free
    return names


def with_remarks(table: pa.Table, remarks: pa.Table) -> pa.Table:
    """Return the input's columns followed by the remark columns, known to Hugging Face datasets if the input was."""
    for name, free in remark_names(table.schema).items():
        table = table.append_column(pa.field(free, SCHEMA.field(name).type), remarks[name])
    metadata = dict(table.schema.metadata or {})
    if b"huggingface" in metadata:
        try:
            record = json.loads(metadata[b"huggingface"])
            for name, free in remark_names(table.drop_columns(table.column_names[-len(SCHEMA) :]).schema).items():
                record["info"]["features"][free] = {"dtype": _FEATURES[name], "_type": "Value"}
            metadata[b"huggingface"] = json.dumps(record).encode()
        except (ValueError, KeyError, TypeError):
            del metadata[b"huggingface"]  # not the layout that datasets writes: it would refuse the shard
    return table.replace_schema_metadata(metadata)
