"""How many bytes rows take once they are decoded, and tables cut by that: one small file can repeat one huge value.

A dictionary, or a value that a Parquet file states once for many rows, is charged wherever it is repeated: that is what
a reader holds who knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Sizes = npt.NDArray[np.int64]


def row_bytes(table: pa.Table | pa.RecordBatch) -> Sizes:
    """Return the decoded size of each row in bytes, (N,) int64, through dictionaries, lists and structs."""
    sizes: Sizes = np.zeros(table.num_rows, np.int64)
    for column in table.columns:
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        sizes += np.concatenate([value_bytes(chunk) for chunk in chunks] or [np.zeros(0, np.int64)])
    return sizes


def value_bytes(array: pa.Array) -> Sizes:
    """Return the decoded size of each of an array's values in bytes."""
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return value_bytes(array.storage)
    if pa.types.is_dictionary(kind):
        codes = pc.fill_null(array.indices, 0).to_numpy(zero_copy_only=False).astype(np.int64)
        value_sizes = value_bytes(array.dictionary)
        return np.take(value_sizes, codes) if len(value_sizes) else np.zeros(len(array), np.int64)
    if pa.types.is_struct(kind):
        total: Sizes = np.zeros(len(array), np.int64)
        for part in array.flatten():
            total += value_bytes(part)
        return total
    if pa.types.is_fixed_size_list(kind):
        inner = value_bytes(array.values.slice(array.offset * kind.list_size, len(array) * kind.list_size))
        return np.asarray(inner.reshape(len(array), kind.list_size).sum(axis=1))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        ends = np.concatenate([[0], np.cumsum(_items(array))])
        return np.asarray(np.diff(ends[array.offsets.to_numpy().astype(np.int64)]))
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        array = array.cast(pa.large_binary() if pa.types.is_binary_view(kind) else pa.large_string())
        kind = array.type
    if kind in {pa.string(), pa.large_string(), pa.binary(), pa.large_binary()}:
        return _numbers(pc.binary_length(array))
    try:
        width = max(1, kind.bit_width // 8)
    except ValueError:  # a kind that Parquet does not know
        width = array.get_total_buffer_size() // max(1, len(array))
    return np.full(len(array), width, np.int64)


def _items(array: pa.Array) -> Sizes:
    """Return the sizes of all items of a list array or map, those outside its slice included."""
    if pa.types.is_map(array.type):
        return value_bytes(array.keys) + value_bytes(array.items)
    return value_bytes(array.values)


def _numbers(array: pa.Array) -> Sizes:
    return np.asarray(pc.fill_null(array, 0).to_numpy(zero_copy_only=False)).astype(np.int64)


class Gathering:
    """Collects rows and gives them back in tables of at most ``budget`` decoded bytes and ``max_rows`` rows.

    A row that is larger makes a table of its own. Where the cuts fall depends on the rows, not on how they came.
    """

    def __init__(self, budget: int, max_rows: int) -> None:
        self._budget, self._max_rows = budget, max_rows
        self._waiting: list[pa.Table] = []
        self._rows = self._bytes = 0

    def add(self, table: pa.Table) -> Iterator[pa.Table]:
        """Yield the tables that these rows complete."""
        ends = np.cumsum(row_bytes(table))
        begin, before = 0, 0
        while begin < table.num_rows:
            fit = int(np.searchsorted(ends, before + self._budget - self._bytes, side="right"))
            end = min(fit, begin + self._max_rows - self._rows)
            if end <= begin and not self._rows:
                end = begin + 1
            if end > begin:
                self._keep(table.slice(begin, end - begin), int(ends[end - 1]) - before)
                begin, before = end, int(ends[end - 1])
            if begin < table.num_rows or self._rows == self._max_rows:
                yield from self.rest()

    def rest(self) -> Iterator[pa.Table]:
        """Yield what waits as the last table, if anything does."""
        if self._waiting:
            whole = pa.concat_tables(self._waiting).combine_chunks()
            self._waiting, self._rows, self._bytes = [], 0, 0
            yield whole

    def _keep(self, part: pa.Table, size: int) -> None:
        self._waiting.append(_compact(part))
        self._rows += part.num_rows
        self._bytes += size


def regrouped(tables: Iterable[pa.Table], budget: int, max_rows: int) -> Iterator[pa.Table]:
    """Yield the same rows in tables of at most ``budget`` decoded bytes and ``max_rows`` rows."""
    gathering = Gathering(budget, max_rows)
    for table in tables:
        yield from gathering.add(table)
    yield from gathering.rest()


def _compact(table: pa.Table) -> pa.Table:
    """Return the table whose dictionaries hold only what its rows name: a slice keeps all of its parent's else."""
    for at, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            column = table.column(at)
            table = table.set_column(at, field, pa.chunked_array([_named(c) for c in column.chunks], field.type))
    return table


def _named(array: Any) -> pa.Array:
    codes = array.indices.unique().drop_null()
    places = pc.index_in(array.indices, value_set=codes).cast(array.type.index_type)
    return pa.DictionaryArray.from_arrays(places, array.dictionary.take(codes), ordered=array.type.ordered)
