"""What a Parquet footer says of its column chunks, checked before pyarrow is asked: some of it ends the process there.

Format: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift (FileMetaData).
"""

from __future__ import annotations

import io
from typing import BinaryIO

import pyarrow.parquet as pq

from telltale_core.drop.readers.thrift import BINARY, I32, I64, NO_FIELDS, STRUCT, Fields, corrupt, read_struct

MAX_FOOTER_BYTES = 32 << 20
TAIL_BYTES = 8
"""Of a file: the size of its footer, and its mark."""
_SIZES: Fields = {2: (I64, NO_FIELDS), 3: (I64, NO_FIELDS)}
_CHUNK: Fields = {
    2: (I32, NO_FIELDS), 3: (BINARY, NO_FIELDS), 8: (STRUCT, NO_FIELDS), 13: (STRUCT, NO_FIELDS), 16: (STRUCT, _SIZES),
    17: (STRUCT, {2: (I32, NO_FIELDS)}),
}  # fmt: skip
_CRYPTO: Fields = {2: (STRUCT, {1: (BINARY, NO_FIELDS)})}
_GROUP: Fields = {1: (STRUCT, {3: (STRUCT, _CHUNK), 8: (STRUCT, _CRYPTO)}), 4: (STRUCT, NO_FIELDS)}
_FILE: Fields = {2: (STRUCT, NO_FIELDS), 4: (STRUCT, _GROUP), 5: (STRUCT, NO_FIELDS), 7: (STRUCT, NO_FIELDS)}


def check_chunks(handle: BinaryIO, schema: pq.ParquetSchema) -> None:
    """Raise ``file_corrupt`` for chunks that pyarrow cannot describe: encrypted ones, or of sizes of another kind."""
    end = handle.seek(0, io.SEEK_END)
    handle.seek(max(0, end - TAIL_BYTES))
    size = int.from_bytes(handle.read(4), "little")
    if size > min(end - TAIL_BYTES, MAX_FOOTER_BYTES):
        raise corrupt(f"a footer of {size} bytes, more than {MAX_FOOTER_BYTES}")
    handle.seek(end - TAIL_BYTES - size)
    try:
        footer, _ = read_struct(handle.read(size), 0, _FILE)
    except IndexError as error:
        raise corrupt("a footer that ends too early") from error
    columns = [schema.column(place) for place in range(len(schema))]
    for group in _dicts(footer.get(4)):
        chunks = _dicts(group.get(1))
        if len(chunks) != len(columns):
            raise corrupt(f"a row group of {len(chunks)} columns, where the schema has {len(columns)}")
        for chunk, column in zip(chunks, columns, strict=True):
            if 8 in chunk or not isinstance(chunk.get(3), dict):
                raise corrupt("an encrypted column, or one without a description")
            _check_sizes(chunk[3], column)


def _dicts(value: object) -> list[dict[int, object]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _check_sizes(described: object, column: pq.ColumnSchema) -> None:
    stated = described.get(16) if isinstance(described, dict) else None
    if not isinstance(stated, dict):
        return
    levels = ((2, column.max_repetition_level), (3, column.max_definition_level))
    counts = [(stated.get(number), level) for number, level in levels]
    fitting = all(not isinstance(count, list) or len(count) in {0, level + 1} for count, level in counts)
    if not fitting or (1 in stated and column.physical_type != "BYTE_ARRAY"):
        raise corrupt("sizes of a column that are not of its kind")
