"""Parquet files: Hugging Face media columns, or plain value columns; the rows' own columns pass through unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from telltale_core.drop.layout import Roles, arrow_kind
from telltale_core.drop.readers.base import BATCH_BYTES, Batch, Row, Values
from telltale_core.drop.readers.cells import Unreadable, as_type, cell_of, sizes, value_of, without
from telltale_core.drop.readers.data_urls import longest_url
from telltale_core.drop.readers.footers import open_file, open_parquet
from telltale_core.drop.readers.hive import with_partitions
from telltale_core.drop.readers.media_paths import Named
from telltale_core.drop.readers.parquet_files import ParquetFiles
from telltale_core.drop.readers.parquet_media import named_by, take_embedded, take_named, with_media
from telltale_core.drop.readers.payload_columns import respelt
from telltale_core.drop.source import SourceFile
from telltale_core.modality.reasons import bad, shown
from telltale_core.row_sizes import value_bytes


class ParquetReader(ParquetFiles):
    """Reads record batches whose worst case fits in memory: sizes stated by a footer are bounds, not facts.

    Texts that a file holds once and shows often stay so until it is known what each cell decodes to; a row over the
    limits is rejected without being unpacked.
    """

    format = "parquet"

    def assign(self, roles: Roles) -> None:
        """See :meth:`Reader.assign`."""
        super().assign(roles)
        one = not self.modality.inline and len(roles.inputs) == 1
        self._names_media = one and arrow_kind(self._schema.field(roles.input).type) == "text"

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
        begin, media = 0, list[Named]()
        folder = self._folder(file) if self._names_media else None
        while rows:
            count = max(1, int(np.searchsorted(size_N[begin:].cumsum(), BATCH_BYTES, side="right")))
            if self._names_media:
                texts = columns[self._schema.names.index(self.roles.input)].slice(begin, count)
                media = named_by(self._paths, texts, folder)
                count = len(media)
            parts = [
                as_type(column.slice(begin, count), field.type)
                for column, field in zip(columns, self._schema, strict=True)
            ]
            part = pa.RecordBatch.from_arrays(parts, names=self._schema.names)
            mine, rows = rows[:count], rows[count:]  # whoever is done with a batch frees its media
            self._fill(mine, part, media)
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
            most = longest_url(limits) if self._names_media else limits.max_media_bytes
            over = np.flatnonzero(size_N > most + (limits.max_field_bytes if kind == "media" else 0))
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

    def _fill(self, rows: list[Row], table: pa.RecordBatch, media: list[Named]) -> None:
        """Give the rows their ids, values and media, ``media`` where cells name them."""
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
        if self._names_media:
            take_named(self._paths, rows, media)
            self.read_files.update(row.path for row in rows if row.path is not None)
        else:
            take_embedded(rows, table.column(self.roles.input), self._limits, inline=self.modality.inline)

    def cells(self, batch: Batch, position: int) -> dict[str, Any]:
        """Return all columns of a row, but for media whose bytes the row has: of those only the path."""
        table, row = batch.table, batch.rows[position]
        if table is None:
            raise ValueError("a Parquet batch carries its table")
        cells: dict[str, Any] = {}
        for name, column in zip(table.schema.names, table.columns, strict=True):
            if self.roles.inputs == (name,) and isinstance(row.media, bytes) and row.path is None:
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
        """Return the roles' own columns: nothing is renamed, but for media that ids name."""
        named = self._media_name() if self._names_media else self.roles.named
        return {"id": self.roles.id, "input": named, "value": self.roles.values_named}

    def _media_name(self) -> str:
        """Return the column of media that texts name: their own, unless its texts are the ids."""
        own, name, taken = self.roles.input, self.roles.modality, self._schema.names
        return (
            own
            if own != self.roles.id
            else next(one for one in (name, f"{name}_file", f"{name}_of_row") if one not in taken)
        )

    def payload(self, batch: Batch, positions: list[int], values: Values) -> pa.Table:
        """Return the kept rows' columns as they came, with the input's own schema; labels as they are published.

        Where the input's cells name media, these stand in their place.
        """
        if batch.table is None or len(positions) != len(values.numbers):
            raise ValueError("a Parquet batch carries its table, and a value for each kept row")
        table = pa.Table.from_arrays(batch.table.take(pa.array(positions, pa.int64())).columns, schema=self._schema)
        if values.published is not None:
            table = respelt(table, table.column_names.index(self.roles.value), values.published)
        if not self._names_media:
            return table
        media = (self._media_name(), self.modality.feature)
        return with_media(table, self.roles.input, [batch.rows[index] for index in positions], media)


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
