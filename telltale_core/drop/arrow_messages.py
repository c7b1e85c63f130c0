"""The messages of Arrow's streams and files: what each states is bounded before anything of it is unpacked or made."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa

from telltale_core.drop.config import Limits
from telltale_core.modality.reasons import bad

FILE_MAGIC = b"ARROW1"
CONTINUATION = 0xFFFFFFFF
SCHEMA, DICTIONARY, RECORDS = 1, 2, 3
"""Kinds of messages; see Message.fbs of Apache Arrow."""
ALIGNED_TO = 64
"""Bytes, the most that Arrow's writers align to."""
TAIL_BYTES = 4 + len(FILE_MAGIC)
"""Of a file: the size of its footer, and the mark."""
BLOCK = struct.Struct("<qi4xq")
NOT_PACKED = -1
CURE = "write it again with pyarrow or pandas, or as Parquet"


class Block(NamedTuple):
    """Where a message lies, with the bytes of its frame and metadata, and of its body."""

    at: int
    metadata_bytes: int
    body_bytes: int


class Footer(NamedTuple):
    """What the end of a file says lies in it; ``size_bytes`` with all that follows the messages."""

    size_bytes: int
    dictionaries: list[Block]
    batches: list[Block]


class Held(NamedTuple):
    """What the messages of a stream or file are: the schema with its frame, and where the others lie."""

    schema: bytes
    dictionaries: list[Block]
    batches: list[Block]
    unpacked_bytes: int


class Message(NamedTuple):
    """What a message's metadata say: its kind, bytes of its body, rows, values in all its columns, packed buffers.

    ``packed``: place in the body and bytes of each buffer that may be packed.
    """

    kind: int
    body_bytes: int
    rows: int = 0
    values: int = 0
    packed: tuple[tuple[int, int], ...] = ()


def read_footer(stream: pa.NativeFile, limits: Limits) -> Footer:
    """Return the footer of a file; ``ValueError`` where it is damaged or too long."""
    stream.seek(max(0, stream.size() - TAIL_BYTES))
    size = struct.unpack_from("<i", stream.read(TAIL_BYTES))[0]
    if not 0 < size <= min(limits.max_row_bytes, stream.size() - TAIL_BYTES):
        raise ValueError("a footer of no size, or too long")
    stream.seek(stream.size() - TAIL_BYTES - size)
    data = stream.read(size)
    table = struct.unpack_from("<I", data)[0]
    return Footer(size + TAIL_BYTES + ALIGNED_TO, _blocks(data, table, 2), _blocks(data, table, 3))


def _blocks(data: bytes, table: int, place: int) -> list[Block]:
    at, count = _vector(data, table, place)
    if count * BLOCK.size > len(data):
        raise ValueError("more blocks than the footer holds")
    return [Block(*BLOCK.unpack_from(data, at + number * BLOCK.size)) for number in range(count)]


def frame_left_out(stream: pa.NativeFile, footer: Footer, limits: Limits) -> bytes:
    """Return the mark and size that polars leaves out before the schema of a file, where the stream stands.

    Up to the first batch or dictionary that the footer names, there is the schema alone.
    """
    begin = stream.tell()
    marked = stream.read(4) == struct.pack("<I", CONTINUATION)
    stream.seek(begin)
    schema_bytes = min((block.at for block in footer.dictionaries + footer.batches), default=0) - begin
    if marked or not 0 < schema_bytes <= limits.max_row_bytes:
        return b""
    is_schema = _is_schema(stream.read(schema_bytes))
    stream.seek(begin)
    return struct.pack("<Ii", CONTINUATION, schema_bytes) if is_schema else b""


def _is_schema(data: bytes) -> bool:
    try:
        return _message(data).kind == SCHEMA
    except (struct.error, LookupError, ValueError):  # as of old, a size comes before it
        return False


def check_messages(stream: pa.NativeFile, frame: bytes, limits: Limits, place: str) -> Held:
    """Return what messages there are; raises for batches, rows and dictionaries over the limits.

    ``frame`` is what the first message lacks. Rows without values take no bytes: they are counted by what the batches
    state. A packed buffer begins with its size: Arrow unpacks no more than this, and all of a batch count together. A
    stream may end without a mark, but only where a message does.
    """
    schema, rows, unpacked_bytes = b"", 0, 0
    blocks: dict[int, list[Block]] = {DICTIONARY: [], RECORDS: []}
    dictionary_bytes = 0
    for block, metadata in _messages(stream, frame, limits, place):
        message = _message(metadata)
        schema = schema or metadata
        size_bytes = _unpacked_bytes(stream, message)
        blocks.setdefault(message.kind, []).append(block)
        if message.kind == DICTIONARY:
            dictionary_bytes += max(size_bytes, message.body_bytes)
        else:
            rows += message.rows
        unpacked_bytes += size_bytes
        if rows > limits.max_rows:
            raise bad("too_many_rows", f"{rows} rows up to a batch of {place}, more than max_rows={limits.max_rows}")
        most = max(message.body_bytes, message.values, size_bytes)
        if max(most, dictionary_bytes) > limits.max_row_group_bytes:
            raise bad(
                "file_corrupt",
                f"a batch of {place} has {most} bytes or values, its dictionaries {dictionary_bytes} bytes, more than "
                "max_row_group_bytes: write smaller ones",
            )
    framed = struct.pack("<Ii", CONTINUATION, len(schema)) + schema
    return Held(framed, blocks[DICTIONARY], blocks[RECORDS], unpacked_bytes)


def _messages(stream: pa.NativeFile, frame: bytes, limits: Limits, place: str) -> Iterator[tuple[Block, bytes]]:
    """Yield place and metadata of each message up to the mark of the end; the stream stands at its body then."""
    while head := frame or stream.read(8):
        if len(head) < 8:
            raise bad("file_corrupt", f"{place} ends within a message: it was cut off, write it again")
        begin = stream.tell() - 8
        frame = b""
        marker, size = struct.unpack("<Ii", head)
        if marker == CONTINUATION and size == 0:
            return
        if marker != CONTINUATION:
            raise bad("archive_refused", f"{place} is framed as before Arrow 0.15, or no Arrow file: {CURE}")
        metadata = stream.read(size) if 0 < size <= limits.max_row_bytes else b""
        if not 0 < size == len(metadata):
            raise bad("file_corrupt", f"{place} has a message that is cut off or too long: {CURE}")
        body, body_bytes = stream.tell(), _message(metadata).body_bytes
        if body + body_bytes > stream.size():
            raise bad("file_corrupt", f"{place} ends within a batch: it was cut off, write it again")
        yield Block(begin, 8 + size, body_bytes), metadata
        stream.seek(body + body_bytes)


def _unpacked_bytes(stream: pa.NativeFile, message: Message) -> int:
    """Return what the packed buffers of a message's body, where the stream stands, unpack to."""
    body, total = stream.tell(), 0
    for at, size in message.packed:
        if not (at >= 0 and 8 <= size <= message.body_bytes - at):
            raise ValueError("a packed buffer outside its body")
        stream.seek(body + at)
        stated = struct.unpack("<q", stream.read(8))[0]
        if stated < NOT_PACKED:
            raise ValueError("a packed buffer of negative size")
        total += size if stated == NOT_PACKED else stated
    return total


def _message(data: bytes) -> Message:
    root = struct.unpack_from("<I", data)[0]
    kind_at, header_at, body_at = (_field(data, root, place) for place in (1, 2, 3))
    kind = data[kind_at] if kind_at else 0
    body_bytes = struct.unpack_from("<q", data, body_at)[0] if body_at else 0
    if body_bytes < 0:
        raise ValueError("a body of negative size")
    if not header_at or kind not in {RECORDS, DICTIONARY}:
        return Message(kind, body_bytes)
    header = header_at + struct.unpack_from("<I", data, header_at)[0]
    if kind == DICTIONARY:
        inner = _field(data, header, 1)
        header = inner + struct.unpack_from("<I", data, inner)[0] if inner else header
    length_at = _field(data, header, 0)
    rows = struct.unpack_from("<q", data, length_at)[0] if length_at else 0
    lengths = _pairs(data, header, 1)[::2]
    if min((rows, *lengths)) < 0:
        raise ValueError("a column of negative length")
    buffers = _pairs(data, header, 2) if _field(data, header, 3) else ()
    packed = tuple((at, size) for at, size in zip(buffers[::2], buffers[1::2], strict=True) if size)
    return Message(kind, body_bytes, rows, sum(lengths), packed)


def _pairs(data: bytes, table: int, place: int) -> tuple[int, ...]:
    """Return the numbers of a vector of pairs."""
    at, count = _vector(data, table, place)
    return struct.unpack_from(f"<{2 * count}q", data, at) if 16 * count <= len(data) else (-1, -1)


def _vector(data: bytes, table: int, place: int) -> tuple[int, int]:
    """Return where the parts of a vector lie, and how many there are."""
    field = _field(data, table, place)
    if not field:
        return 0, 0
    at = field + struct.unpack_from("<I", data, field)[0]
    return at + 4, struct.unpack_from("<I", data, at)[0]


def _field(data: bytes, table: int, place: int) -> int:
    """Return where a field of a flatbuffer's table lies; 0 where it has none."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    if 4 + 2 * place >= struct.unpack_from("<H", data, vtable)[0]:
        return 0
    offset = struct.unpack_from("<H", data, vtable + 4 + 2 * place)[0]
    return table + int(offset) if offset else 0
