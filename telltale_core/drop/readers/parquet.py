"""Parquet files: Hugging Face media columns, or plain value columns; the rows' own columns pass through unchanged."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from telltale_core.drop.budget import Clock
from telltale_core.drop.config import DropConfig
from telltale_core.drop.layout import arrow_kind, huggingface_features
from telltale_core.drop.readers.base import BATCH_BYTES, Batch, Reader, Row, Values
from telltale_core.drop.readers.cells import Unreadable, as_type, cell_of, sizes, value_of, without
from telltale_core.drop.readers.footers import add_splits, check_group, open_file, open_parquet, shared_schema
from telltale_core.drop.readers.hive import partitions_of, with_partitions
from telltale_core.drop.readers.pages import batch_rows, leaves, materialises, read_chunk
from telltale_core.drop.readers.payload_columns import respelt
from telltale_core.drop.source import Source, SourceFile
from telltale_core.drop.split_names import SplitCells, asks_for_one, is_split_column
from telltale_core.modality.columns import Column
from telltale_core.modality.reasons import bad, shown
from telltale_core.row_sizes import value_bytes


@dataclasses.dataclass(frozen=True, slots=True)
class _Group:
    """How one row group is read: so many rows at a time, these Parquet columns as dictionaries."""

    rows: int
    dictionaries: tuple[int, ...]


class ParquetReader(Reader):
    """Reads record batches whose worst case fits in memory: sizes stated by a footer are bounds, not facts.

    Texts that a file holds once and shows often stay so until it is known what each cell decodes to; a row over the
    limits is rejected without being unpacked.
    """

    format = "parquet"

    def __init__(self, source: Source, files: list[SourceFile], config: DropConfig) -> None:
        self._source, self._files, self._limits = source, files, config.limits
        self._asked = asks_for_one(config.split)
        self.read_files = {file.key for file in files}
        self._groups: dict[tuple[str, int], _Group] = {}
        self._schema, self.skipped_metadata = shared_schema(source, files, config.limits)
        self._partitions = partitions_of([file.key for file in files], self._schema.names)
        for name in next(iter(self._partitions.values()), {}):
            self._schema = self._schema.append(pa.field(name, pa.string()))

    def _group(self, handle: BinaryIO, parquet: pq.ParquetFile, group: int, file: SourceFile) -> _Group:
        """Return how a row group is to be read, from the headers of its pages, which are read once."""
        cached = self._groups.get((file.key, group))
        if cached is not None:
            return cached
        meta = parquet.metadata.row_group(group)
        chunks = [
            read_chunk(handle, meta.column(index), parquet.schema.column(index)) for index in range(meta.num_columns)
        ]
        as_dictionaries = [
            i for i, chunk in enumerate(chunks) if chunk.text and chunk.dictionary_bytes and not chunk.delta
        ]
        with open_parquet(handle, parquet.metadata, as_dictionaries) as reader:
            plain = [materialises(field.type) for field in reader.schema_arrow for _ in range(leaves(field.type))]
        decoded = tuple(index for index in as_dictionaries if not plain[index])
        chunks = [
            dataclasses.replace(
                chunk, expands=chunk.text and (chunk.delta or (chunk.dictionary_bytes > 0 and index not in decoded))
            )
            for index, chunk in enumerate(chunks)
        ]
        check_group(sum(chunk.total_bytes() for chunk in chunks), group, file, self._limits.max_row_group_bytes)
        summary = self._groups[file.key, group] = _Group(batch_rows(chunks, meta.num_rows, BATCH_BYTES), decoded)
        return summary

    def columns(self) -> list[Column]:
        """Return the schema's columns with their Hugging Face features."""
        features = huggingface_features(self._schema.metadata)
        splits = {field.name: self._split_cells(field) for field in self._schema if is_split_column(field.name)}
        return [
            Column(
                name=field.name,
                kind=arrow_kind(field.type),
                feature=features.get(field.name, (None, None))[0],
                class_names=features.get(field.name, (None, None))[1],
                splits=(cells := splits.get(field.name)) is not None and cells.are_splits(asked=self._asked),
                doubt="" if cells is None else cells.doubt,
            )
            for field in self._schema
        ]

    def _split_cells(self, field: pa.Field) -> SplitCells:
        """Return what the cells of a column say that is called as one of splits: those of folders, too, by rows."""
        kind = "other" if isinstance(field.type, pa.BaseExtensionType) else arrow_kind(field.type)
        cells, clock = SplitCells(field.name), Clock(self._limits)
        for file in self._files if kind in {"text", "whole", "real"} else ():
            with open_file(self._source, file) as handle:
                if field.name in (folders := self._partitions[file.key]):
                    with open_parquet(handle) as parquet:
                        cells.add(folders[field.name], parquet.metadata.num_rows)
                else:
                    add_splits(handle, cells, clock, text=kind == "text")
        return cells

    def batches(self) -> Iterator[Batch]:
        """Yield rows file by file and row group by row group, so many at a time as decode to ``BATCH_BYTES``."""
        unpacked = 0
        for file in self._files:
            with open_file(self._source, file) as handle, open_parquet(handle) as parquet:
                number = 0
                for group in range(parquet.metadata.num_row_groups):
                    plan = self._group(handle, parquet, group, file)
                    with open_parquet(handle, parquet.metadata, plan.dictionaries) as reading:
                        for plain in reading.iter_batches(plan.rows, row_groups=[group], use_threads=False):
                            table = with_partitions(plain, self._partitions[file.key])
                            for batch, size in self._decoded(table, file, number):
                                unpacked += size
                                self._check_total(unpacked)
                                yield batch
                            number += table.num_rows
                if number != parquet.metadata.num_rows:
                    stated = parquet.metadata.num_rows
                    raise bad("file_corrupt", f"{shown(file.key)} states {stated} rows and holds {number}")

    def _check_total(self, unpacked: int) -> None:
        limit = self._limits.max_drop_bytes
        if unpacked > limit:
            raise bad("drop_too_large", f"the rows unpack to more than max_drop_bytes={limit}: split the drop")

    def _decoded(self, table: pa.RecordBatch, file: SourceFile, first: int) -> Iterator[tuple[Batch, int]]:
        """Yield batches of unpacked rows with their sizes in bytes; of rows over the limits nothing is unpacked."""
        rows = [Row(source=f"{file.key}#{first + index}") for index in range(table.num_rows)]
        columns, size_N = self._within_limits(table, rows)
        begin = 0
        while rows:
            count = max(1, int(np.searchsorted(size_N[begin:].cumsum(), BATCH_BYTES, side="right")))
            parts = [
                as_type(column.slice(begin, count), field.type)
                for column, field in zip(columns, self._schema, strict=True)
            ]
            part = pa.RecordBatch.from_arrays(parts, names=self._schema.names)
            mine, rows = rows[:count], rows[count:]  # whoever is done with a batch frees its media
            self._fill(mine, part)
            yield Batch(rows=mine, table=part), int(size_N[begin : begin + count].sum())
            begin += count

    def _within_limits(self, table: pa.RecordBatch, rows: list[Row]) -> tuple[list[pa.Array], np.ndarray]:
        """Return the columns without the cells that are over a limit, and each row's bytes; notes the rows' faults."""
        limit, total_N = self._limits.max_decoded_row_bytes, np.zeros(len(rows), dtype=np.int64)
        columns = []
        for name, column in zip(table.schema.names, table.columns, strict=True):
            size_N = sizes(column)
            over = self._too_long(name, column, size_N, rows)
            if len(over):
                column = without(column, over)  # noqa: PLW2901
                size_N[over] = 0
            columns.append(column)
            total_N += size_N
        over = np.flatnonzero(total_N > limit)
        for index in over:
            rows[index].fault = rows[index].fault or bad(
                "row_too_long", f"the row unpacks to {total_N[index]} bytes, more than max_decoded_row_bytes={limit}"
            )
        if len(over):
            small = {self.roles.id, *self.roles.splits, *self.roles.values}
            named = zip(self._schema.names, columns, strict=True)
            columns = [column if name in small else without(column, over) for name, column in named]
            total_N[over] = 0
        return columns, total_N

    def _too_long(self, name: str, column: pa.Array, size_N: np.ndarray, rows: list[Row]) -> np.ndarray:
        """Return the rows whose cell of this column is over its own limit, having noted the fault."""
        limits, kind = self._limits, arrow_kind(column.type)
        is_input = name in self.roles.inputs
        if is_input and kind in {"bytes", "media", "text"}:
            over = np.flatnonzero(size_N > limits.max_media_bytes + (limits.max_field_bytes if kind == "media" else 0))
            for index in over:
                rows[index].fault = rows[index].fault or bad(
                    "media_too_large",
                    f"the media has {size_N[index]} bytes, more than max_media_bytes={limits.max_media_bytes}",
                )
            return over
        becomes_object = name in {self.roles.id, *self.roles.splits, *self.roles.values} or (
            is_input and len(self.roles.inputs) > 1
        )
        if not becomes_object and kind not in {"bytes", "text"}:
            return np.zeros(0, dtype=np.int64)
        over = np.flatnonzero(size_N > limits.max_field_bytes)
        for index in over:
            size, limit = size_N[index], limits.max_field_bytes
            rows[index].fault = bad(
                "field_too_long", f"the field {shown(name)} has {size} bytes, more than max_field_bytes={limit}"
            )
        return over

    def _fill(self, rows: list[Row], table: pa.RecordBatch) -> None:
        """Give the rows their ids, values and media."""
        splits = [_values(table.column(name), rows) for name in self.roles.splits]
        for row, cells in zip(rows, zip(*splits, strict=True), strict=bool(splits)):
            self.sort_by_split(row, cells)
        if self.roles.id is not None:
            for row, row_id in zip(rows, _values(table.column(self.roles.id), rows), strict=True):
                row.id = row_id
        answers = [_values(table.column(name), rows) for name in self.roles.values]
        for row, several in zip(rows, zip(*answers, strict=True), strict=True):
            row.value = several[0] if len(several) == 1 else list(several)
        if len(self.roles.inputs) > 1:
            parts = [_values(table.column(name), rows) for name in self.roles.inputs]
            for row, values in zip(rows, zip(*parts, strict=True), strict=True):
                row.media = dict(zip(self.roles.inputs, values, strict=True)) if row.fault is None else None
            return
        media = table.column(self.roles.input)
        if isinstance(media, pa.ExtensionArray):
            media = media.storage
        if pa.types.is_dictionary(media.type):
            media = media.dictionary_decode()
        if pa.types.is_struct(media.type) and media.type.get_field_index("bytes") >= 0:
            media = pc.struct_field(media, "bytes")
        if arrow_kind(media.type) in {"bytes", "text"}:
            media = media.cast(pa.large_binary())
        for index, row in enumerate(rows):
            self._take_media(row, media[index])

    def _take_media(self, row: Row, scalar: pa.Scalar) -> None:
        if row.fault is None and isinstance(scalar, pa.LargeBinaryScalar) and scalar.is_valid:
            buffer = scalar.as_buffer()
            if buffer.size > self._limits.max_media_bytes:
                limit = self._limits.max_media_bytes
                row.fault = bad("media_too_large", f"the media has {buffer.size} bytes, more than {limit}")
            else:
                row.media = buffer.to_pybytes()
                if not row.media and not self.modality.inline:
                    row.media = None
        elif row.fault is None:
            try:
                row.media = value_of(scalar)
            except Unreadable as error:
                row.fault = bad("values_invalid", f"the input is {error}")
        if row.fault is None and row.media is None:
            row.fault = bad("media_missing", "the row embeds no media bytes")

    def cells(self, batch: Batch, position: int) -> dict[str, Any]:
        """Return all columns of a row, but for media whose bytes the row has: of those only the path."""
        table, row = batch.table, batch.rows[position]
        if table is None:
            raise ValueError("a Parquet batch carries its table")
        cells: dict[str, Any] = {}
        for name, column in zip(table.schema.names, table.columns, strict=True):
            if self.roles.inputs == (name,) and isinstance(row.media, bytes):
                if not pa.types.is_struct(column.type) or column.type.get_field_index("path") < 0:
                    continue
                cells[name] = {"path": cell_of(column.field("path")[position])}
            else:
                if name not in batch.sizes:
                    batch.sizes[name] = value_bytes(column)
                size = int(batch.sizes[name][position])
                cells[name] = cell_of(column[position], size, self._limits.max_rejected_raw_bytes)
        return cells

    def payload_columns(self) -> dict[str, Any]:
        """Return the roles' own columns: nothing is renamed."""
        return {"id": self.roles.id, "input": self.roles.named, "value": self.roles.values_named}

    def payload(self, batch: Batch, positions: list[int], values: Values) -> pa.Table:
        """Return the kept rows' columns as they came, with the input's own schema; labels as they are published."""
        if batch.table is None or len(positions) != len(values.numbers):
            raise ValueError("a Parquet batch carries its table, and a value for each kept row")
        table = pa.Table.from_arrays(batch.table.take(pa.array(positions, pa.int64())).columns, schema=self._schema)
        if values.published is None:
            return table
        place = table.column_names.index(self.roles.value)
        return respelt(table, place, values.published)


def _values(column: pa.Array, rows: list[Row]) -> list[Any]:
    """Return the cells as Python objects; a row whose cell has none gets a fault."""
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError, TypeError, pa.ArrowException):
        pass
    values: list[Any] = []
    for row, scalar in zip(rows, column, strict=True):
        try:
            values.append(value_of(scalar))
        except Unreadable as error:
            values.append(None)
            row.fault = row.fault or bad("values_invalid", f"the row holds {error}")
    return values
