"""Arrow files, as ``datasets.save_to_disk`` leaves them, and Feather's: written again as Parquet, read in its limits.

A file is read as the stream that it holds, message by message; its footer only has to agree. What a batch states is
bounded before it is read, and what its cells unpack to before they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from telltale_core.drop.config import Limits
from telltale_core.drop.readers.base import BATCH_BYTES
from telltale_core.drop.readers.cells import as_type, plain_field, sizes
from telltale_core.drop.source import Source, SourceFile
from telltale_core.modality.reasons import bad, shown

SUFFIXES = {".arrow", ".feather"}
FILE_MAGIC = b"ARROW1"
GROUP_ROWS = 1024
CONTINUATION = 0xFFFFFFFF
ALIGNED_TO = 64
"""Bytes, the most that Arrow's writers align to."""
HEADER, RECORDS, DICTIONARY = 2, 3, 2
"""Places in Arrow's messages: of the header, and of the header's kind; see Message.fbs of Apache Arrow."""
DAMAGED = (
    pa.ArrowException, OSError, ValueError, MemoryError, LookupError, SystemError, RecursionError, struct.error,
)  # fmt: skip
"""What the library, or reading a message by hand, raises for a damaged file."""
CURE = 'write it uncompressed, as pandas\' to_feather does with compression="uncompressed", or as Parquet'


def rewrite_arrow_files(source: Source, limits: Limits) -> None:
    """Put a Parquet file in the place of each Arrow file of a drop."""
    for file in [file for file in source.files.values() if file.suffix in SUFFIXES]:
        key = file.key[: -len(file.suffix)] + ".parquet"
        path = f"{file.key}!parquet"
        target = source.scratch_path(path)
        try:
            with source.open(file) as handle, pa.PythonFile(handle, mode="r") as stream:
                _rewrite(stream, str(target), source, limits, shown(file.key))
        except DAMAGED as error:
            raise bad(
                "file_corrupt", f"{shown(file.key)} is no readable Arrow file ({type(error).__name__}): {CURE}"
            ) from error
        del source.files[file.key]
        source.add(SourceFile(key=key, path=path, size_bytes=target.stat().st_size, spooled=True))
    source.sort()


def _rewrite(stream: pa.NativeFile, target: str, source: Source, limits: Limits, place: str) -> None:
    begin = 8 if stream.read(len(FILE_MAGIC)) == FILE_MAGIC else 0
    stream.seek(begin)
    _check_messages(stream, limits, place)
    if stream.size() - stream.tell() > (_footer_bytes(stream) if begin else 0):
        raise bad("file_corrupt", f"{place} goes on after its end: give each table a file of its own")
    stream.seek(begin)
    reader = pa.ipc.open_stream(stream)
    for field in reader.schema:
        _check_type(field.type, f"the column {shown(field.name)} of {place}", top=True)
    schema = pa.schema([plain_field(field, top=True) for field in reader.schema], reader.schema.metadata)
    count = 0
    with pq.ParquetWriter(target, schema, compression="zstd", write_page_checksum=True) as writer:
        for batch in reader:
            count += 1
            batch.validate(full=True)
            for part, part_bytes in _parts(batch, limits, place):
                source.unpacking.take(place, part_bytes, members=0)
                columns = [as_type(column, field.type) for column, field in zip(part.columns, schema, strict=True)]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    if begin:
        stream.seek(0)
        footer = pa.ipc.open_file(stream)
        if footer.num_record_batches != count or not footer.schema.equals(reader.schema):
            raise bad("file_corrupt", f"{place} has a footer that is not true of what it holds: {CURE}")


def _parts(batch: pa.RecordBatch, limits: Limits, place: str) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Yield a batch in parts of bounded size, with what each unpacks to."""
    size_N = np.zeros(batch.num_rows, dtype=np.int64)
    limit = limits.max_row_group_bytes
    for column in batch.columns:
        cell_N = sizes(column)
        if cell_N.max(initial=0) > limit:
            raise bad(
                "file_corrupt", f"a cell of {place} unpacks to {cell_N.max()} bytes, more than max_row_group_bytes"
            )
        size_N += cell_N
    before = np.concatenate(([0], size_N.cumsum()))
    first = 0
    while first < batch.num_rows:
        fitting = int(np.searchsorted(before, before[first] + BATCH_BYTES, side="right")) - 1 - first
        count = min(max(1, fitting), GROUP_ROWS, batch.num_rows - first)
        yield batch.slice(first, count), int(before[first + count] - before[first])
        first += count


def _check_type(kind: pa.DataType, what: str, *, top: bool) -> None:
    """Raise for types that unpack to more than any limit says: values that many cells share, inside other values."""
    if isinstance(kind, pa.BaseExtensionType):
        _check_type(kind.storage_type, what, top=top)
        return
    shared = pa.types.is_dictionary(kind) or pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind)
    if (shared and not top) or pa.types.is_run_end_encoded(kind) or pa.types.is_union(kind):
        raise bad("archive_refused", f"{what} holds {shown(str(kind))}: write it as plain values, or as Parquet")
    if pa.types.is_dictionary(kind):
        _check_type(kind.value_type, what, top=False)
    elif pa.types.is_nested(kind):
        for number in range(kind.num_fields):
            _check_type(kind.field(number).type, what, top=False)


def _check_messages(stream: pa.NativeFile, limits: Limits, place: str) -> None:
    """Raise for packed buffers, which may unpack to anything, and for batches, rows and dictionaries over the limits.

    Rows without values take no bytes: they are counted by what the batches state. A stream may end without a mark, but
    only where a message does.
    """
    rows = dictionary_bytes = 0
    while head := stream.read(8):
        if len(head) < 8:
            raise bad("file_corrupt", f"{place} ends within a message: it was cut off, write it again")
        marker, size = struct.unpack("<Ii", head)
        if marker == CONTINUATION and size == 0:
            return
        if marker != CONTINUATION:
            raise bad("archive_refused", f"{place} is framed as before Arrow 0.15, or no Arrow file: {CURE}")
        metadata = stream.read(size) if 0 < size <= limits.max_row_bytes else b""
        if not 0 < size == len(metadata):
            raise bad("file_corrupt", f"{place} has a message that is cut off or too long: {CURE}")
        message = _message(metadata)
        if message.packed:
            raise bad("archive_refused", f"{place} has packed buffers: {CURE}")
        rows += message.rows
        dictionary_bytes += message.body_bytes if message.dictionary else 0
        if rows > limits.max_rows:
            raise bad("too_many_rows", f"{rows} rows up to a batch of {place}, more than max_rows={limits.max_rows}")
        if max(message.body_bytes, message.values, dictionary_bytes) > limits.max_row_group_bytes:
            raise bad(
                "file_corrupt",
                f"a batch of {place} has {max(message.body_bytes, message.values)} bytes or values, its dictionaries "
                f"{dictionary_bytes} bytes, more than max_row_group_bytes: write smaller ones",
            )
        if stream.tell() + message.body_bytes > stream.size():
            raise bad("file_corrupt", f"{place} ends within a batch: it was cut off, write it again")
        stream.seek(stream.tell() + message.body_bytes)


def _footer_bytes(stream: pa.NativeFile) -> int:
    """Return how many bytes a file may have after its stream: the footer with its size and mark, and what aligns it."""
    end, tail_bytes = stream.tell(), 4 + len(FILE_MAGIC)
    stream.seek(max(end, stream.size() - tail_bytes))
    tail = stream.read(tail_bytes)
    stream.seek(end)
    return int(struct.unpack_from("<i", tail)[0]) + tail_bytes + ALIGNED_TO


class _Message(NamedTuple):
    """What a message's metadata say: bytes of its body, rows, values in all its columns, whether it is packed."""

    body_bytes: int
    rows: int = 0
    values: int = 0
    packed: bool = False
    dictionary: bool = False


def _message(data: bytes) -> _Message:
    root = struct.unpack_from("<I", data, 0)[0]
    kind_at, header_at, body_at = (_field(data, root, place) for place in (1, 2, 3))
    kind = data[kind_at] if kind_at else 0
    body_bytes = struct.unpack_from("<q", data, body_at)[0] if body_at else 0
    if body_bytes < 0:
        raise ValueError("a body of negative size")
    if not header_at or kind not in {RECORDS, DICTIONARY}:
        return _Message(body_bytes)
    header = header_at + struct.unpack_from("<I", data, header_at)[0]
    if kind == DICTIONARY:
        inner = _field(data, header, 1)
        header = inner + struct.unpack_from("<I", data, inner)[0] if inner else header
    length_at, nodes_at = _field(data, header, 0), _field(data, header, 1)
    rows = struct.unpack_from("<q", data, length_at)[0] if length_at else 0
    lengths = [rows]
    if nodes_at:
        nodes = nodes_at + struct.unpack_from("<I", data, nodes_at)[0]
        count = struct.unpack_from("<I", data, nodes)[0]
        lengths += struct.unpack_from(f"<{2 * count}q", data, nodes + 4)[::2] if 16 * count <= len(data) else [-1]
    if min(lengths) < 0:
        raise ValueError("a column of negative length")
    packed, dictionary = _field(data, header, 3) != 0, kind == DICTIONARY
    return _Message(body_bytes, 0 if dictionary else rows, sum(lengths[1:]), packed, dictionary)


def _field(data: bytes, table: int, place: int) -> int:
    """Return where a field of a flatbuffer's table lies; 0 where it has none."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    if 4 + 2 * place >= struct.unpack_from("<H", data, vtable)[0]:
        return 0
    offset = struct.unpack_from("<H", data, vtable + 4 + 2 * place)[0]
    return table + int(offset) if offset else 0
