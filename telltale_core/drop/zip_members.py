"""Zip files, of drops and of arrays: a directory of bounded size, and members that unpack piece by piece."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Iterator
from typing import IO, BinaryIO, cast

from telltale_core.modality.reasons import bad, shown

MAX_DIRECTORY_BYTES = 256 << 20
ENTRY, END = b"PK\x01\x02", b"PK\x05\x06"
END_BYTES, LONGEST_COMMENT = 22, 0xFFFF
"""Of the mark of a zip's end, without and with its comment."""
ONE_SEGMENT = {b"PK00", b"PK\x07\x08"}
"""What a zip may begin with that was to be split into segments and became one."""
NAME_LENGTH_AT, HAS_DESCRIPTOR = 26, 1 << 3
DESCRIPTORS_BYTES = (12, 16, 20, 24)
"""Of what may follow a member's data: checksum and sizes of 4 or 8 bytes, with a mark or without."""
PIECE_BYTES = 1 << 20
"""What is read at a time of members; only the directory is read in one larger piece."""


class _Listed:
    """A file whose directory, which is read whole, lists no more than so many members."""

    def __init__(self, handle: BinaryIO, max_members: int, place: str) -> None:
        self._handle, self._max_members, self._place = handle, max_members, place

    def __getattr__(self, name: str) -> object:
        return getattr(self._handle, name)

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its directory is too long")
        data = self._handle.read(size)
        if size > PIECE_BYTES and data.count(ENTRY) > self._max_members:
            raise bad("drop_too_large", f"{self._place} lists more than {self._max_members:,} members: pack fewer")
        return data


@contextlib.contextmanager
def open_zip(handle: BinaryIO, max_members: int, place: str) -> Iterator[zipfile.ZipFile]:
    """Give a zip; ``archive_refused`` for members that the library would unpack in one piece, whatever it is of."""
    with zipfile.ZipFile(cast("IO[bytes]", _Listed(handle, max_members, place))) as archive:
        if any(info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} for info in archive.infolist()):
            raise bad("archive_refused", f"{place} has members packed otherwise than by deflate: pack it again so")
        _check_extent(archive, handle, place)
        yield archive


def _check_extent(archive: zipfile.ZipFile, handle: BinaryIO, place: str) -> None:
    """Raise where anything stands before, between or after the members: what is there would be passed over unseen.

    The library reads the last archive of a file, wherever it begins, whatever follows it or its last member.
    """
    members = sorted(archive.infolist(), key=lambda info: info.header_offset)
    begin = members[0].header_offset if members else archive.start_dir
    handle.seek(0)
    marked = begin == len(ENTRY) and handle.read(begin) in ONE_SEGMENT
    handle.seek(max(0, handle.seek(0, io.SEEK_END) - END_BYTES - LONGEST_COMMENT))
    tail = handle.read()
    after = tail[tail.rfind(END) + END_BYTES + len(archive.comment) :]
    ends = zip(members, [*(member.header_offset for member in members[1:]), archive.start_dir], strict=True)
    if begin and not marked:
        where = "before its first member"
    elif last := next((member for member, end in ends if end not in _ends(member, handle)), None):
        where = f"behind its member {shown(last.filename)}"
    elif after.count(0) != len(after):
        where = "after its end"
    else:
        return
    raise bad(
        "file_corrupt",
        f"{place} has more {where}, maybe another archive: pack all into one again, or unpack all and ingest the "
        "folder",
    )


def _ends(member: zipfile.ZipInfo, handle: BinaryIO) -> list[int]:
    """Return where a member may end: its descriptor, if it has one, is of one of several lengths."""
    handle.seek(member.header_offset + NAME_LENGTH_AT)
    lengths = handle.read(4)
    named_bytes = int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
    end = member.header_offset + NAME_LENGTH_AT + 4 + named_bytes + member.compress_size
    return [end + size_bytes for size_bytes in (DESCRIPTORS_BYTES if member.flag_bits & HAS_DESCRIPTOR else (0,))]
