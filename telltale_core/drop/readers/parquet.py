"""Parquet files: Hugging Face media columns, or plain value columns; the rows' own columns pass through unchanged."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from telltale_core.drop.config import DropConfig
from telltale_core.drop.layout import Column, arrow_kind, huggingface_features
from telltale_core.drop.readers.base import Batch, Reader, Row, Values
from telltale_core.drop.reasons import bad, shown
from telltale_core.drop.source import Source, SourceFile
from telltale_core.errors import BadInput

BATCH_ROWS = 1024
BATCH_BYTES = 64 << 20  # Arrow takes about three times this while it unpacks a dictionary
MAX_FOOTER_BYTES = 16 << 20
MAX_FOOTER_ITEMS = 20_000  # schema elements, row groups, columns of a row group


class ParquetReader(Reader):
    """Reads record batches whose worst case fits in memory: sizes stated by a footer are bounds, not facts."""

    format = "parquet"

    def __init__(self, source: Source, files: list[SourceFile], config: DropConfig) -> None:
        self._source, self._files, self._limits = source, files, config.limits
        self._schema = self._check_files()

    @contextlib.contextmanager
    def _open(self, file: SourceFile) -> Iterator[pq.ParquetFile]:
        handle = self._source.open(file)
        try:
            with (
                handle,
                pq.ParquetFile(
                    handle,
                    page_checksum_verification=True,
                    thrift_string_size_limit=MAX_FOOTER_BYTES,
                    thrift_container_size_limit=MAX_FOOTER_ITEMS,
                ) as parquet,
            ):
                yield parquet
        except BadInput:
            raise
        except (pa.ArrowException, OSError, ValueError, UnicodeDecodeError) as error:
            raise bad(
                "file_corrupt", f"{shown(file.key)} is not a sound Parquet file ({shown(str(error), 160)})"
            ) from error

    def _check_files(self) -> pa.Schema:
        """Return the schema that all files share, having checked the row count and sizes in their footers."""
        first: tuple[SourceFile, pa.Schema] | None = None
        rows = 0
        for file in self._files:
            with self._open(file) as parquet:
                rows += parquet.metadata.num_rows
                if rows > self._limits.max_rows:
                    raise bad(
                        "too_many_rows", f"{rows} rows up to {shown(file.key)}, more than {self._limits.max_rows}"
                    )
                self._check_row_groups(parquet.metadata, file)
                schema = parquet.schema_arrow
            if first is None:
                first = (file, schema)
            elif not schema.equals(first[1]):
                pairs = f"{shown(first[0].key)} and {shown(file.key)}"
                raise bad("schema_mismatch", f"{pairs} have different columns: {_difference(first[1], schema)}")
        if first is None:
            raise bad("drop_empty", "the drop holds no Parquet file")
        schema = first[1]
        if len(set(schema.names)) != len(schema.names) or len(schema.names) > self._limits.max_columns:
            raise bad("columns_unclear", f"column names must be unique and at most {self._limits.max_columns}")
        kept = {key: value for key, value in (schema.metadata or {}).items() if key == b"huggingface"}
        return schema.with_metadata(kept or None)

    def _check_row_groups(self, metadata: pq.FileMetaData, file: SourceFile) -> None:
        for group in range(metadata.num_row_groups):
            chunks = [metadata.row_group(group).column(index) for index in range(metadata.num_columns)]
            stated = sum(max(chunk.total_uncompressed_size, chunk.num_values * 4) for chunk in chunks)
            if stated > self._limits.max_row_group_bytes:
                limit = self._limits.max_row_group_bytes
                raise bad(
                    "file_corrupt", f"{shown(file.key)}: row group {group} unpacks to {stated} bytes, over {limit}"
                )

    def columns(self) -> list[Column]:
        """Return the schema's columns with their Hugging Face features."""
        features = huggingface_features(self._schema.metadata)
        return [
            Column(
                name=field.name,
                kind=arrow_kind(field.type),
                feature=features.get(field.name, (None, None))[0],
                class_names=features.get(field.name, (None, None))[1],
            )
            for field in self._schema
        ]

    def batches(self) -> Iterator[Batch]:
        """Yield record batches, file by file and row group by row group."""
        for file in self._files:
            with self._open(file) as parquet:
                number = 0
                for group in range(parquet.metadata.num_row_groups):
                    size = _batch_rows(parquet.metadata.row_group(group))
                    for table in parquet.iter_batches(size, row_groups=[group], use_threads=False):
                        yield Batch(rows=self._rows(table, file, number), table=table)
                        number += table.num_rows
                if number != parquet.metadata.num_rows:
                    stated = parquet.metadata.num_rows
                    raise bad("file_corrupt", f"{shown(file.key)} states {stated} rows and holds {number}")

    def _rows(self, table: pa.RecordBatch, file: SourceFile, first: int) -> list[Row]:
        rows = [Row(source=f"{file.key}#{first + index}") for index in range(table.num_rows)]
        for name in table.schema.names:
            if name not in self.roles.inputs:
                self._check_lengths(table.column(name), name, rows)
        if self.roles.id is not None:
            for row, value in zip(rows, table.column(self.roles.id).to_pylist(), strict=True):
                row.id = value
        answers = [table.column(name).to_pylist() for name in self.roles.values]
        for row, found in zip(rows, zip(*answers, strict=True), strict=True):
            row.value = found[0] if len(found) == 1 else list(found)
        if len(self.roles.inputs) > 1:
            for row, values in zip(rows, table.select(list(self.roles.inputs)).to_pylist(), strict=True):
                row.media = values
            return rows
        media = table.column(self.roles.input)
        if pa.types.is_struct(media.type):
            media = pc.struct_field(media, "bytes")
        if arrow_kind(media.type) in {"bytes", "text"}:
            media = media.cast(pa.large_binary())
        for index, row in enumerate(rows):
            self._take_media(row, media[index])
        return rows

    def _take_media(self, row: Row, scalar: pa.Scalar) -> None:
        if row.fault is None and isinstance(scalar, pa.LargeBinaryScalar) and scalar.is_valid:
            buffer = scalar.as_buffer()
            if buffer.size > self._limits.max_media_bytes:
                row.fault = bad("media_too_large", f"the media has {buffer.size} bytes")
            else:
                row.media = buffer.to_pybytes()
                if not row.media and not self.modality.inline:
                    row.media = None
        elif row.fault is None:
            row.media = scalar.as_py()
        if row.fault is None and row.media is None:
            row.fault = bad("media_missing", "the row embeds no media bytes")

    def _check_lengths(self, column: pa.Array, name: str, rows: list[Row]) -> None:
        if arrow_kind(column.type) not in {"bytes", "text"} or pa.types.is_dictionary(column.type):
            return
        too_long = pc.fill_null(pc.greater(pc.binary_length(column), self._limits.max_field_bytes), False)
        for index in pc.indices_nonzero(too_long).to_pylist():
            limit = self._limits.max_field_bytes
            rows[index].fault = bad("field_too_long", f"the field {shown(name)} has more than {limit} bytes")

    def payload_columns(self) -> dict[str, Any]:
        """Return the roles' own columns: nothing is renamed."""
        return {"id": self.roles.id, "input": self.roles.named, "value": self.roles.values_named}

    def payload(self, batch: Batch, kept: list[int], values: Values) -> pa.Table:
        """Return the kept rows' columns as they came, with the input's own schema; labels as they are published."""
        if batch.table is None or len(kept) != len(values.numbers):
            raise ValueError("a Parquet batch carries its table, and a value for each kept row")
        table = pa.Table.from_batches([batch.table.take(pa.array(kept, pa.int64()))]).cast(self._schema)
        if values.published is None:
            return table
        place = table.column_names.index(self.roles.value)
        return _respelt(table, place, values.published)


def _respelt(table: pa.Table, place: int, published: Callable[[object], object]) -> pa.Table:
    """Return the table with the labels of a column, single ones or lists of them, as they are to be published."""
    field, found = table.schema.field(place), table.column(place).to_pylist()
    wanted = [[published(one) for one in value] if isinstance(value, list) else published(value) for value in found]
    return table if wanted == found else table.set_column(place, field, pa.array(wanted, field.type))


def _batch_rows(group: pq.RowGroupMetaData) -> int:
    """Return how many rows fit the memory budget if every variable-length value were as large as its whole chunk."""
    chunks = [group.column(index) for index in range(group.num_columns)]
    worst = int(sum(chunk.total_uncompressed_size for chunk in chunks if chunk.physical_type == "BYTE_ARRAY"))
    return max(1, min(BATCH_ROWS, BATCH_BYTES // max(worst, 1)))


def _difference(first: pa.Schema, other: pa.Schema) -> str:
    ours, theirs = {f.name: str(f.type) for f in first}, {f.name: str(f.type) for f in other}
    for name in [*ours, *theirs]:
        if ours.get(name) != theirs.get(name):
            return f"{shown(name)} is {shown(ours.get(name, 'absent'))} and {shown(theirs.get(name, 'absent'))}"
    return "their order differs"
