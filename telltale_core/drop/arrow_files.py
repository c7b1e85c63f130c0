"""Arrow files, as ``datasets.save_to_disk`` leaves them, and Feather's: written again as Parquet, read in its limits.

A stream is read message by message, a file by its footer, which has to name all messages that are there. What a batch
states is bounded before it is read, packed buffers included, and what its cells unpack to before they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from telltale_core.drop.arrow_messages import CURE, FILE_MAGIC, check_messages, frame_left_out, read_footer
from telltale_core.drop.config import Limits
from telltale_core.drop.readers.base import BATCH_BYTES
from telltale_core.drop.readers.cells import as_type, plain_field, sizes
from telltale_core.drop.source import Source, SourceFile
from telltale_core.modality.reasons import bad, shown

SUFFIXES = {".arrow", ".arrows", ".ipc", ".feather"}
GROUP_ROWS = 1024
DAMAGED = (
    pa.ArrowException, OSError, ValueError, MemoryError, LookupError, SystemError, RecursionError, struct.error,
)  # fmt: skip
"""What the library, or reading a message by hand, raises for a damaged file."""


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
    reader, batches, counted_bytes = _checked(stream, source, limits, place)
    for field in reader.schema:
        _check_type(field.type, f"the column {shown(field.name)} of {place}", top=True)
    schema = pa.schema([plain_field(field, top=True) for field in reader.schema], reader.schema.metadata)
    with pq.ParquetWriter(target, schema, compression="zstd", write_page_checksum=True) as writer:
        for batch in batches:
            batch.validate(full=True)
            for part, part_bytes in _parts(batch, limits, place):
                counted_bytes -= part_bytes  # what its packed buffers state is counted already
                source.unpacking.take(place, max(0, -counted_bytes), members=0)
                counted_bytes = max(0, counted_bytes)
                columns = [as_type(column, field.type) for column, field in zip(part.columns, schema, strict=True)]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def _checked(
    stream: pa.NativeFile, source: Source, limits: Limits, place: str
) -> tuple[pa.ipc.RecordBatchReader | pa.ipc.RecordBatchFileReader, Iterable[pa.RecordBatch], int]:
    """Return the reader of a stream or file, its batches, of which none is made yet, and the bytes that it unpacks to.

    Raises for what may not be.
    """
    is_file = stream.read(len(FILE_MAGIC)) == FILE_MAGIC
    footer = read_footer(stream, limits) if is_file else None
    stream.seek(8 if is_file else 0)
    frame = frame_left_out(stream, footer, limits) if footer else b""
    held = check_messages(stream, frame, limits, place)
    if stream.size() - stream.tell() > (footer.size_bytes if footer else 0):
        raise bad("file_corrupt", f"{place} goes on after its end: give each table a file of its own")
    source.unpacking.take(place, held.unpacked_bytes, members=0)
    stream.seek(0)
    if footer is None:
        reader = pa.ipc.open_stream(stream)
        return reader, reader, held.unpacked_bytes
    reader = pa.ipc.open_file(stream)
    named = (footer.dictionaries, footer.batches) == (held.dictionaries, held.batches)
    if not named or not reader.schema.equals(pa.ipc.read_schema(pa.py_buffer(held.schema))):
        raise bad("file_corrupt", f"{place} has a footer that is not true of what it holds: {CURE}")
    return reader, map(reader.get_batch, range(reader.num_record_batches)), held.unpacked_bytes


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
