"""Arrow files, as ``datasets.save_to_disk`` leaves them: written again as Parquet, which is read within its limits."""

from __future__ import annotations

import struct

import pyarrow as pa
import pyarrow.parquet as pq

from telltale_core.drop.config import Limits
from telltale_core.drop.readers.cells import as_type, plain_field
from telltale_core.drop.source import Source, SourceFile
from telltale_core.modality.reasons import bad, shown

SUFFIX = ".arrow"
FILE_MAGIC = b"ARROW1"
GROUP_ROWS = 1024
HEADER, RECORDS, DICTIONARY = 2, 3, 2
"""Places in Arrow's messages: of the header, and of the header's kind; see Message.fbs of Apache Arrow."""


def rewrite_arrow_files(source: Source, limits: Limits) -> None:
    """Put a Parquet file in the place of each Arrow file of a drop."""
    for file in [file for file in source.files.values() if file.suffix == SUFFIX]:
        key = file.key.removesuffix(file.key[-len(SUFFIX) :]) + ".parquet"
        path = f"{file.key}!parquet"
        target = source.scratch_path(path)
        try:
            with source.open(file) as handle, pa.PythonFile(handle, mode="r") as stream:
                _rewrite(stream, str(target), limits)
        except (pa.ArrowException, OSError, ValueError, MemoryError, IndexError, SystemError, struct.error) as error:
            raise bad(
                "file_corrupt", f"{shown(file.key)} is no readable Arrow file ({type(error).__name__})"
            ) from error
        del source.files[file.key]
        source.add(SourceFile(key=key, path=path, size_bytes=target.stat().st_size, spooled=True))
    source.sort()


def _rewrite(stream: pa.NativeFile, target: str, limits: Limits) -> None:
    _check_messages(stream, limits)
    stream.seek(0)
    is_file = stream.read(len(FILE_MAGIC)) == FILE_MAGIC
    stream.seek(0)
    reader = pa.ipc.open_file(stream) if is_file else pa.ipc.open_stream(stream)
    schema = pa.schema([plain_field(field, top=True) for field in reader.schema], reader.schema.metadata)
    batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else iter(reader)
    with pq.ParquetWriter(target, schema, compression="zstd", write_page_checksum=True) as writer:
        for batch in batches:
            batch.validate(full=True)
            for first in range(0, max(batch.num_rows, 1), GROUP_ROWS):
                part = batch.slice(first, GROUP_ROWS)
                columns = [as_type(column, field.type) for column, field in zip(part.columns, schema, strict=True)]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def _check_messages(stream: pa.NativeFile, limits: Limits) -> None:
    """Raise for packed buffers, which may unpack to anything, and for batches over the limit of a row group."""
    stream.seek(8 if stream.read(len(FILE_MAGIC)) == FILE_MAGIC else 0)
    while True:
        head = stream.read(8)
        if len(head) < 8:
            return
        marker, size = struct.unpack("<Ii", head)
        if marker != 0xFFFFFFFF or size == 0:
            return
        metadata = stream.read(min(size, limits.max_row_bytes))
        if len(metadata) < size:
            raise bad("file_corrupt", "an Arrow message is cut off")
        body, packed = _message(metadata)
        if packed:
            raise bad("archive_refused", "the Arrow file has packed buffers: write it unpacked, or as Parquet")
        if body > limits.max_row_group_bytes:
            raise bad(
                "file_corrupt", f"an Arrow batch has {body} bytes, more than max_row_group_bytes: write smaller ones"
            )
        stream.seek(stream.tell() + body)


def _message(data: bytes) -> tuple[int, bool]:
    """Return from a message's metadata the bytes of its body, and whether its buffers are packed."""
    root = struct.unpack_from("<I", data, 0)[0]
    kind_at, header_at, body_at = (_field(data, root, place) for place in (1, 2, 3))
    kind = data[kind_at] if kind_at else 0
    body = struct.unpack_from("<q", data, body_at)[0] if body_at else 0
    if not header_at or kind not in {RECORDS, DICTIONARY} or body < 0:
        return max(body, 0), body < 0
    header = header_at + struct.unpack_from("<I", data, header_at)[0]
    if kind == DICTIONARY:
        inner = _field(data, header, 1)
        header = inner + struct.unpack_from("<I", data, inner)[0] if inner else header
    return body, _field(data, header, 3) != 0


def _field(data: bytes, table: int, place: int) -> int:
    """Return where a field of a flatbuffer's table lies; 0 where it has none."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    if 4 + 2 * place >= struct.unpack_from("<H", data, vtable)[0]:
        return 0
    offset = struct.unpack_from("<H", data, vtable + 4 + 2 * place)[0]
    return table + int(offset) if offset else 0
