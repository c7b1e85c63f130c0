"""Zip and tar files as the drop: their members are unpacked to scratch files named by digests, never by their names.

Only a drop that consists of archives (documents, and tables that name what these hold) is unpacked, once, within the
limits of a drop. A member that is a
link, a device or an archive itself stays packed; a name that leads out of the archive is refused.
"""

from __future__ import annotations

import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from telltale_core.drop.config import Limits
from telltale_core.drop.formats import SUFFIXES, about_the_drop
from telltale_core.drop.source import Readable, Source, SourceFile
from telltale_core.drop.source_url import printable
from telltale_core.modality.reasons import bad, shown

TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
ENDINGS = (".zip", *TARS)
TABLES = SUFFIXES["table"] | SUFFIXES["parquet"]
PACKED_TABLES = (".csv.gz", ".tsv.gz", ".jsonl.gz", ".ndjson.gz", ".json.gz")
DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError,
    OSError, UnicodeDecodeError, IndexError, KeyError, ValueError, lzma.LZMAError,
)  # fmt: skip
"""What the libraries raise for a damaged archive, while it is listed and while a member is read."""


MAX_HEADER_BYTES = 1 << 20
"""Bytes of a tar's extended header, which is held in memory."""
LONG_HEADERS = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip


class _GuardedInfo(tarfile.TarInfo):
    """A member's header; an extended one that would fill the memory is refused before it is read."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in LONG_HEADERS and self.size > MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"an extended header of {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]


class Member(NamedTuple):
    """A file in an archive, not unpacked yet."""

    name: str
    size_bytes: int
    packed: Readable | None


def unpack_archives(source: Source, limits: Limits) -> None:
    """Put the members of a drop's archives in the place of these, where the drop has nothing else but tables."""
    _unpack_single_files(source, limits)
    data = [file for file in source.files.values() if not about_the_drop(file)]
    files = [file for file in data if file.key.lower().endswith(ENDINGS)]
    beside = [file for file in data if file not in files]
    if not files or not all(file.suffix in TABLES for file in beside):
        return
    total, count = 0, 0
    for archive in files:
        prefix = f"{archive.key}/" if len(data) > 1 or archive.key.lower().endswith(TARS) else ""
        try:
            for member in _members(source, archive):
                total, count = total + member.size_bytes, count + 1
                if total > limits.max_drop_bytes or count > limits.max_files:
                    raise bad(
                        "drop_too_large",
                        f"{shown(archive.key)} unpacks to more than max_drop_bytes={limits.max_drop_bytes} or "
                        f"max_files={limits.max_files}",
                    )
                _take(source, archive, member, prefix)
        except DAMAGED as error:
            what = f"{shown(archive.key)} cannot be unpacked ({type(error).__name__}): pack it again"
            raise bad("file_corrupt", what) from error
        del source.files[archive.key]
    source.sort()


def _unpack_single_files(source: Source, limits: Limits) -> None:
    """Put a table in the place of its ``.gz``, such as ``rows.csv.gz``."""
    for file in [file for file in source.files.values() if file.key.lower().endswith(PACKED_TABLES)]:
        path = f"{file.key}!gz"
        try:
            with source.open(file) as handle, gzip.GzipFile(fileobj=handle) as packed:
                size_bytes = source.spool(path, packed, limits.max_drop_bytes, exact=False).stat().st_size
        except DAMAGED as error:
            raise bad("file_corrupt", f"{shown(file.key)} cannot be unpacked ({type(error).__name__})") from error
        del source.files[file.key]
        source.add(SourceFile(key=file.key[: -len(".gz")], path=path, size_bytes=size_bytes, spooled=True))
    source.sort()


def _take(source: Source, archive: SourceFile, member: Member, prefix: str) -> None:
    parts = PurePosixPath(member.name.replace("\\", "/")).parts
    if ".." in parts or member.name.startswith(("/", "\\")) or not parts:
        raise bad("archive_refused", f"{shown(archive.key)} holds {shown(member.name)}, which leads out of it")
    key = prefix + printable("/".join(parts))
    if member.packed is None:
        source.ignore(key, "a link or device in an archive")
        return
    path = f"{archive.key}!{member.name}"
    source.spool(path, member.packed, member.size_bytes)
    source.add(SourceFile(key=key, path=path, size_bytes=member.size_bytes, spooled=True))


def _members(source: Source, archive: SourceFile) -> Iterator[Member]:
    """Yield the files of an archive in its order, each to be read before the next is asked for."""
    with source.open(archive) as handle:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(handle) as packed:
                yield from _of_zip(packed)
        else:
            with tarfile.open(fileobj=handle, mode="r|*", tarinfo=_GuardedInfo) as packed_tar:
                yield from _of_tar(packed_tar)


def _of_zip(packed: zipfile.ZipFile) -> Iterator[Member]:
    for info in packed.infolist():
        mode = info.external_attr >> 16
        if info.is_dir():
            continue
        if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
            yield Member(info.filename, 0, None)
            continue
        with packed.open(info) as file:
            yield Member(info.filename, info.file_size, file)


def _of_tar(packed: tarfile.TarFile) -> Iterator[Member]:
    for info in packed:
        if info.isdir():
            continue
        file = packed.extractfile(info) if info.isreg() and not info.issparse() else None
        yield Member(info.name, info.size if file else 0, file)
