"""Zip files, of drops and of arrays: a directory of bounded size, and members that unpack piece by piece."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Iterator
from typing import IO, BinaryIO, cast

from telltale_core.modality.reasons import bad

MAX_DIRECTORY_BYTES = 256 << 20
ENTRY, END = b"PK\x01\x02", b"PK\x05\x06"
END_BYTES, LONGEST_COMMENT = 22, 0xFFFF
"""Of the mark of a zip's end, without and with its comment."""
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
    """Raise where anything stands before or after the archive: members there would be passed over unseen.

    The library reads the last archive of a file, wherever it begins and whatever follows it.
    """
    begin = min((info.header_offset for info in archive.infolist()), default=archive.start_dir)
    handle.seek(max(0, handle.seek(0, io.SEEK_END) - END_BYTES - LONGEST_COMMENT))
    tail = handle.read()
    after = tail[tail.rfind(END) + END_BYTES + len(archive.comment) :]
    if begin or after.count(0) != len(after):
        where = "before its first member" if begin else "after its end"
        raise bad(
            "file_corrupt",
            f"{place} has more {where}, maybe another archive: pack all into one again, or unpack all and ingest the "
            "folder",
        )
