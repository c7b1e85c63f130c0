"""What a Parquet column chunk really holds, told from its page headers: a footer only states it.

Arrow allocates what a page's header says, and a dictionary, a list or a shared prefix makes much of little. So the
headers of all pages are read before any page is: how many values, how many bytes, in which encoding. Format: Thrift
compact protocol, https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift (PageHeader).
"""

from __future__ import annotations

import dataclasses
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from telltale_core.drop.readers.thrift import corrupt, read_struct

HEADER_BYTES = (512, 64 << 10, 16 << 20)
"""A header is looked for in this many bytes; statistics within may be long."""
MAX_PAGES = 200_000
DATA, DICTIONARY, DATA_V2 = 0, 2, 3
DELTA_BYTE_ARRAY = 7
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12, "BYTE_ARRAY": 8}
LEVEL_BYTES = 4
BATCH_ROWS = 1024


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One column of a row group: its pages' values and unpacked bytes, and what can make more of them.

    ``expands``: a value may be as large as a whole page without being written again (a dictionary that is not kept as
    one, or shared prefixes). ``dictionary_bytes`` is 0 without a dictionary.
    """

    values: np.ndarray
    sizes_bytes: np.ndarray
    dictionary_bytes: int
    width_bytes: int
    repeated: bool
    text: bool
    delta: bool
    expands: bool = False

    def total_bytes(self) -> int:
        """Return what reading the whole chunk may take."""
        unpacked_bytes = int(self.sizes_bytes.sum()) + self.dictionary_bytes
        if not self.repeated:
            return unpacked_bytes + self.width_bytes
        count = int(self.values.sum())
        unpacked_bytes += count * (LEVEL_BYTES + self.width_bytes)
        return unpacked_bytes + (count * self._largest() if self.expands else 0)

    def window_bytes(self, rows: int, of_rows: int) -> int:
        """Return what any ``rows`` consecutive rows may take at most; of lists, on average."""
        if self.repeated:
            return self.dictionary_bytes + self.total_bytes() * rows // max(of_rows, 1)
        fixed = self.dictionary_bytes + rows * self.width_bytes
        if not self.text:
            return fixed
        if self.expands:
            return fixed + rows * self._largest()
        ends = self.values.cumsum()
        before = np.concatenate(([0], self.sizes_bytes.cumsum()))
        last = np.minimum(np.searchsorted(ends, ends + rows), len(ends) - 1)
        return fixed + int((before[last + 1] - before[:-1]).max(initial=0))

    def _largest(self) -> int:
        return max(int(self.sizes_bytes.max(initial=0)), self.dictionary_bytes)


def batch_rows(chunks: list[Chunk], of_rows: int, budget_bytes: int) -> int:
    """Return how many rows can be read at once within the budget, at least one."""
    rows = BATCH_ROWS
    while rows > 1 and sum(chunk.window_bytes(rows, of_rows) for chunk in chunks) > budget_bytes:
        rows //= 2
    return rows


def read_chunk(handle: BinaryIO, meta: pq.ColumnChunkMetaData, column: pq.ColumnSchema) -> Chunk:
    """Return what the page headers of a column chunk say; ``file_corrupt`` where they are no headers."""
    place = meta.data_page_offset
    if meta.has_dictionary_page and 0 < meta.dictionary_page_offset < place:
        place = meta.dictionary_page_offset
    values: list[int] = []
    sizes: list[int] = []
    values_read = dictionary = pages = 0
    delta = False
    while values_read < meta.num_values:
        header, length = _header(handle, place)
        kind, size, packed = header.get(1), header.get(2), header.get(3)
        if not isinstance(kind, int) or not isinstance(size, int) or not isinstance(packed, int):
            raise corrupt("a page header without a kind or sizes")
        if size < 0 or packed < 0 or pages > MAX_PAGES:
            raise corrupt("a page header of negative sizes, or too many pages")
        if kind in {DATA, DATA_V2}:
            page = header.get(5 if kind == DATA else 8)
            page = page if isinstance(page, dict) else {}
            count, encoding = page.get(1), page.get(2 if kind == DATA else 4)
            if not isinstance(count, int) or count < 0:
                raise corrupt("a data page without a number of values")
            delta = delta or encoding == DELTA_BYTE_ARRAY
            values.append(count)
            sizes.append(size)
            values_read += count
        elif kind == DICTIONARY:
            dictionary += size
        place += length + packed
        pages += 1
    return Chunk(
        values=np.array(values, dtype=np.int64),
        sizes_bytes=np.array(sizes, dtype=np.int64),
        dictionary_bytes=dictionary,
        width_bytes=WIDTHS.get(meta.physical_type, max(column.length, 0)),
        repeated=column.max_repetition_level > 0,
        text=meta.physical_type == "BYTE_ARRAY",
        delta=delta,
    )


def leaves(kind: pa.DataType) -> int:
    """Return how many Parquet columns an Arrow type takes."""
    if isinstance(kind, pa.BaseExtensionType):
        return leaves(kind.storage_type)
    if pa.types.is_nested(kind):
        return sum(leaves(kind.field(place).type) for place in range(kind.num_fields))
    return 1


def materialises(kind: pa.DataType) -> bool:
    """Return whether a column that was asked for as a dictionary comes as plain values in some of its parts."""
    if isinstance(kind, pa.BaseExtensionType):
        return materialises(kind.storage_type)
    if pa.types.is_nested(kind):
        return any(materialises(kind.field(place).type) for place in range(kind.num_fields))
    return not pa.types.is_dictionary(kind)


def _header(handle: BinaryIO, place: int) -> tuple[dict[int, object], int]:
    """Return a page header's fields by number, and how many bytes it takes."""
    for size in HEADER_BYTES:
        handle.seek(place)
        data = handle.read(size)
        try:
            header, end = read_struct(data, 0)
        except IndexError:
            if len(data) < size:
                break
            continue
        return header, end
    raise corrupt("a page header that ends too early")
