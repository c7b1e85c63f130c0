"""Arrays on disk: ``.npy`` files, members of ``.npz`` and IDX files (MNIST's), checked before a value is read.

What is packed is unpacked to a scratch file of the size that its header states; nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import math
import os
import re
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np

from telltale_core.drop.source import Readable, Source, SourceFile
from telltale_core.drop.zip_members import open_zip
from telltale_core.modality.reasons import bad, shown

IDX_NAME = re.compile(r".*idx[1-4][-.]ubyte(\.gz)?", re.IGNORECASE | re.DOTALL)
IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
MAX_MEMBERS = 100
MAX_AXES = 32
MAX_HEADER_BYTES = 16 << 10
"""Bytes of a ``.npy`` file in which its header must end: numpy reads one of 10,000 characters at most."""
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,  # only names of fields differ, and no array with fields is read
}
BAD_HEADER = (
    ValueError, OSError, SyntaxError, TypeError, LookupError, OverflowError, RecursionError, MemoryError,
    tokenize.TokenError,
)  # fmt: skip
"""What the library raises for a header that is none."""
DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, OSError, IndexError,
    UnicodeDecodeError,
)  # fmt: skip
"""What the library raises for a damaged ``.npz``."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ArrayFile:
    """A checked array: read in slices, so that no header decides how much memory is taken.

    ``stem`` is its name without folder and ending. ``spooled`` holds an array that was packed in ``file``.
    """

    stem: str
    file: SourceFile
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    offset_bytes: int
    spooled: Path | None = None

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def rows(self, source: Source, first: int, count: int) -> np.ndarray:
        """Return rows from ``first`` on."""
        with self.spooled.open("rb") if self.spooled else source.open(self.file) as handle:
            handle.seek(self.offset_bytes + first * self.row_bytes)
            data = handle.read(count * self.row_bytes)
        if len(data) != count * self.row_bytes:
            raise bad("file_corrupt", f"{shown(self.file.key)} became shorter while it was read")
        return np.frombuffer(data, self.dtype).reshape(count, *self.shape[1:])


def arrays_in(source: Source, file: SourceFile) -> Iterator[ArrayFile]:
    """Yield the arrays of a file; ``pickle_refused`` for objects, ``file_corrupt`` where a header is not true."""
    if file.suffix == ".npz":
        yield from _npz(source, file)
        return
    if IDX_NAME.fullmatch(file.key):
        yield _idx(source, file)
        return
    with source.open(file) as handle:
        yield _checked(handle, file, PurePosixPath(file.key).stem)


def _checked(handle: BinaryIO, file: SourceFile, stem: str, spooled: Path | None = None) -> ArrayFile:
    """Return the array behind a ``.npy`` header that agrees with the size of the file."""
    head = io.BytesIO(handle.read(MAX_HEADER_BYTES))  # numpy reads as much as the header says that it is long
    try:
        with warnings.catch_warnings(action="ignore"):  # of headers that Python 2 wrote
            shape, fortran, dtype = HEADERS[np.lib.format.read_magic(head)](head)
    except BAD_HEADER as error:
        raise bad("file_corrupt", f"{shown(file.key)} has no readable .npy header") from error
    offset, size = head.tell(), os.fstat(handle.fileno()).st_size
    if dtype.hasobject:
        raise bad("pickle_refused", f"{shown(file.key)} holds pickled objects")
    if fortran or dtype.fields is not None or dtype.kind not in "iufbU" or not dtype.itemsize or not shape:
        raise bad("file_corrupt", f"{shown(file.key)} must be a C-ordered array of numbers or text, not {dtype}")
    stated = math.prod(shape) * dtype.itemsize
    if shape[0] < 0 or any(length < 1 for length in shape[1:]) or len(shape) > MAX_AXES or stated != size - offset:
        raise bad("file_corrupt", f"{shown(file.key)} states {stated} bytes of data and holds {size - offset}")
    return ArrayFile(stem=stem, file=file, shape=tuple(shape), dtype=dtype, offset_bytes=offset, spooled=spooled)


def _npz(source: Source, file: SourceFile) -> Iterator[ArrayFile]:
    try:
        with source.open(file) as handle, open_zip(handle, MAX_MEMBERS, shown(file.key)) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise bad("drop_too_large", f"{shown(file.key)} has {len(members)} arrays, more than {MAX_MEMBERS}")
            for number, member in enumerate(members):
                source.unpacking.take(shown(file.key), member.file_size)
                with archive.open(member) as packed:
                    spooled = source.spool(f"{file.key}!{number}", packed, member.file_size)
                with spooled.open("rb") as array:
                    yield _checked(array, file, PurePosixPath(member.filename).stem, spooled)
    except DAMAGED as error:
        raise bad("file_corrupt", f"{shown(file.key)} is no readable .npz file ({type(error).__name__})") from error


def _idx(source: Source, file: SourceFile) -> ArrayFile:
    """Return the array of an IDX file, which states type and sizes in its first bytes."""
    try:
        with source.open(file) as handle, contextlib.ExitStack() as stack:
            unpacked = gzip.GzipFile(fileobj=handle) if file.suffix == ".gz" else None
            packed: Readable = handle if unpacked is None else stack.enter_context(contextlib.closing(unpacked))
            head = packed.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in IDX_TYPES or not 1 <= head[3] <= 4:
                raise bad("file_corrupt", f"{shown(file.key)} has no readable IDX header")
            sizes = packed.read(4 * head[3])
            shape = tuple(int.from_bytes(sizes[place : place + 4], "big") for place in range(0, len(sizes), 4))
            dtype: np.dtype[np.generic] = np.dtype(IDX_TYPES[head[2]])
            stated = math.prod(shape) * dtype.itemsize
            source.unpacking.take(shown(file.key), stated)
            spooled = source.spool(file.key, packed, stated)
    except (zlib.error, EOFError, OSError) as error:
        raise bad("file_corrupt", f"{shown(file.key)} is no readable IDX file ({type(error).__name__})") from error
    stem = re.sub(r"[-.]idx.*", "", PurePosixPath(file.key).name, flags=re.IGNORECASE)
    return ArrayFile(stem=stem, file=file, shape=shape, dtype=dtype, offset_bytes=0, spooled=spooled)
