"""Zip and tar files as the drop: their members are unpacked to scratch files named by digests, never by their names.

Only a drop that consists of archives (and documents, and tables that name what these hold) is unpacked, once, within
the limits of a drop. A member that is a link, a device or an archive itself stays packed; a name that leads out of the
archive is refused.
"""

from __future__ import annotations

import gzip
import posixpath
import re
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, BinaryIO, NamedTuple, NoReturn, Self

from telltale_core.drop import arrow_files
from telltale_core.drop.config import Limits
from telltale_core.drop.formats import NOTICES, SUFFIXES, about_the_drop
from telltale_core.drop.never_read import never_read
from telltale_core.drop.readers.webdataset import is_webdataset
from telltale_core.drop.source import Readable, Source, SourceFile
from telltale_core.drop.source_url import printable
from telltale_core.drop.split_names import splits_of_names
from telltale_core.drop.zip_members import PIECE_BYTES, open_zip
from telltale_core.modality.reasons import bad, shown

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz")
PACKED = re.compile(rf"({'|'.join(map(re.escape, ENDINGS))})$", re.IGNORECASE)
TABLES = SUFFIXES["table"] | SUFFIXES["parquet"]
OWN_TABLES = TABLES - {".json"} | arrow_files.SUFFIXES
"""Endings of an archive's own table; a file of JSON may as well say something of a folder."""
PACKED_TABLES = (".csv.gz", ".tsv.gz", ".jsonl.gz", ".ndjson.gz", ".json.gz")
GZIP_MAGIC = b"\x1f\x8b"
LONGEST_NAME = 1024
DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError,
    OSError, LookupError, ValueError,
)  # fmt: skip
"""What the libraries raise for a damaged archive, while it is listed and while a member is read."""

MAX_HEADER_BYTES, MAX_EXTENDED, MAX_GLOBALS = 16 << 10, 8, 64
"""Of a tar's extended headers, which are held in memory: bytes of one, how many in a row, values for all members."""
DIGITS, MAX_DIGITS = re.compile(rb"[0-9]+"), 64
"""Digits in a row of such a header: before 3.11.10 Python takes time by their square (CVE-2024-6232)."""
LONG_HEADERS = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip


class _GuardedTar(tarfile.TarFile):
    """A tar whose headers take bounded memory, and whose damage is an error where the library takes it for the end."""

    extended = 0

    def __init__(self, *args: Any, take: Callable[[int], None], **settings: Any) -> None:
        self.take = take  # counts bytes that are no member's; the first headers are read at once
        super().__init__(*args, **settings)

    def check_end(self) -> None:
        """Raise where anything but padding follows the mark of the end: members there would be passed over unseen."""
        stream: Any = self.fileobj
        while data := stream.read(PIECE_BYTES):
            self.take(len(data))
            if data.count(0) != len(data):
                raise tarfile.ReadError("more after the end")


class _GuardedInfo(tarfile.TarInfo):
    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except (
            tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError, tarfile.InvalidHeaderError,  # type: ignore[attr-defined]
        ) as error:  # fmt: skip
            raise tarfile.ReadError(str(error)) from error

    def _proc_member(self, archive: _GuardedTar) -> tarfile.TarInfo:
        extends = self.type in LONG_HEADERS
        archive.extended = archive.extended + 1 if extends else 0
        if self.size < 0 or (extends and self.size > MAX_HEADER_BYTES) or archive.extended > MAX_EXTENDED:
            raise tarfile.ReadError(f"a header of {self.size} bytes, or too many of them")
        if len(archive.pax_headers) > MAX_GLOBALS:
            raise tarfile.ReadError("too many values for all members")
        if extends:
            archive.take(self.size)
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]

    def _proc_pax(self, archive: _GuardedTar) -> tarfile.TarInfo:
        stream: Any = archive.fileobj
        data = stream.read(self._block(self.size))  # type: ignore[attr-defined]
        if any(len(digits) > MAX_DIGITS for digits in DIGITS.findall(data)):
            raise tarfile.ReadError("an extended header with too many digits in a row")
        stream.buf, stream.pos = data + stream.buf, stream.pos - len(data)  # for the library to read it again
        return super()._proc_pax(archive)  # type: ignore[misc,no-any-return]

    def _refuse_sparse(self, *_: object) -> NoReturn:
        raise bad("archive_refused", "an archive holds a sparse file, of which only parts are there: pack it without")

    _proc_sparse = _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse


class Member(NamedTuple):
    """A file in an archive, not unpacked yet."""

    name: str
    size_bytes: int
    packed: Readable | None


class _Unpacked(NamedTuple):
    archive: str
    name: str
    file: SourceFile | None


def unpack_archives(source: Source, limits: Limits) -> None:
    """Put the members of a drop's archives in the place of these, where the drop has nothing else but tables.

    Members come to lie where their archive does, as if unpacked there; its name is no folder. But archives that are
    called as splits, two of them at least, are folders of those names. Shards of a webdataset stay apart, and so do
    archives with a table each where they hold the same names.
    """
    _unpack_single_files(source)
    data = [file for file in source.files.values() if not about_the_drop(file)]
    files = [file for file in data if file.key.lower().endswith(ENDINGS)]
    packed = {file.key for file in files}
    if not files or not all(file.key in packed or file.suffix in TABLES for file in data):
        return
    unpacked: list[_Unpacked] = []
    for archive in files:
        try:
            for number, member in enumerate(_members(source, archive, limits)):
                unpacked.append(_taken(source, archive, member, f"{archive.key}!{number}"))
        except DAMAGED as error:
            what = f"{shown(archive.key)} cannot be unpacked ({type(error).__name__}): pack it again"
            raise bad("file_corrupt", what) from error
        del source.files[archive.key]
    folders = _folders(list(packed), unpacked)
    for one in unpacked:
        key = folders[one.archive] + one.name
        if one.file is None:  # a file may be called so, too: it stays
            source.ignored.setdefault("a link or device in an archive", []).append(key)
        else:
            source.add(SourceFile(key=key, path=one.file.path, size_bytes=one.file.size_bytes, spooled=True))
    source.sort()


def _folders(archives: Sequence[str], unpacked: Sequence[_Unpacked]) -> Mapping[str, str]:
    """Return below which folder the members of each archive come to lie; raises where that is unclear."""
    data = [one for one in unpacked if one.file and not never_read(one.name) and not _is_notice(one.file)]
    names = {key: PACKED.sub("", posixpath.basename(key)) for key in archives}
    splits_by_name = splits_of_names({*names.values()})
    split_of = {key: splits_by_name[name] or "" for key, name in names.items()}
    named = {one.archive for one in data if one.file and one.file.suffix not in TABLES}
    plain = sorted(key for key in named if not split_of[key])
    if plain and len(plain) < len(named):
        raise bad(
            "split_unclear",
            f"the archive {shown(min(named.difference(plain)))} is called as a split, {shown(plain[0])} is not: rename "
            "them, so that all are or none is, or unpack them and ingest the folder",
        )
    splits = len({*split_of.values()} - {""}) > 1

    def below(*, apart: bool) -> dict[str, str]:
        folders = {}
        for key in archives:
            above = [posixpath.dirname(key), split_of[key] if splits else "", posixpath.basename(key) if apart else ""]
            folders[key] = "".join(f"{folder}/" for folder in above if folder)
        return folders

    if is_webdataset([f"{archive}/{name}" for archive, name, _ in unpacked]):
        return below(apart=True)
    folders = below(apart=False)
    twice = _in_two(folders, data)
    if twice and {one.archive for one in data if one.file and one.file.suffix in OWN_TABLES} == {*archives}:
        return below(apart=True)
    if twice:
        raise bad(
            "format_unclear",
            f"the archives {shown(twice[0])} and {shown(twice[1])} both hold {shown(twice[2])}: rename it in one of "
            "them, or unpack each into a folder of its own and ingest these",
        )
    return folders


def _in_two(folders: Mapping[str, str], data: Sequence[_Unpacked]) -> tuple[str, str, str] | None:
    """Return two archives of which a member comes to lie in the same place, and that member's name."""
    owners: dict[str, str] = {}
    for one in data:
        place = unicodedata.normalize("NFC", folders[one.archive] + one.name)  # as the cells of tables are looked up
        if (owner := owners.setdefault(place, one.archive)) != one.archive:
            return owner, one.archive, one.name
    return None


def _is_notice(file: SourceFile) -> bool:
    name = file.key.upper()
    return about_the_drop(file) and not NOTICES.isdisjoint({name, posixpath.splitext(name)[0]})


def _unpack_single_files(source: Source) -> None:
    """Put a table in the place of its ``.gz``, such as ``rows.csv.gz``."""
    for file in [file for file in source.files.values() if file.key.lower().endswith(PACKED_TABLES)]:
        path = f"{file.key}!gz"
        try:
            with source.open(file) as handle, gzip.GzipFile(fileobj=handle) as packed:
                size_bytes = source.spool(path, packed, source.unpacking.bytes_left, exact=False).stat().st_size
                source.unpacking.take(shown(file.key), size_bytes)
        except DAMAGED as error:
            raise bad("file_corrupt", f"{shown(file.key)} cannot be unpacked ({type(error).__name__})") from error
        del source.files[file.key]
        source.add(SourceFile(key=file.key[: -len(".gz")], path=path, size_bytes=size_bytes, spooled=True))
    source.sort()


def _taken(source: Source, archive: SourceFile, member: Member, path: str) -> _Unpacked:
    parts = PurePosixPath(member.name.replace("\\", "/")).parts
    if ".." in parts or member.name.startswith(("/", "\\")) or not parts or len(member.name) > LONGEST_NAME:
        what = f"{shown(archive.key)} holds {shown(member.name)}, which leads out of it or is too long"
        raise bad("archive_refused", what)
    name = printable("/".join(parts))
    if member.packed is None:
        return _Unpacked(archive.key, name, None)
    source.spool(path, member.packed, member.size_bytes)
    return _Unpacked(archive.key, name, SourceFile(key=name, path=path, size_bytes=member.size_bytes, spooled=True))


def _members(source: Source, archive: SourceFile, limits: Limits) -> Iterator[Member]:
    """Yield the files of an archive in its order, each to be read before the next is asked for.

    What it states of any member, folders and links too, is counted before that one is unpacked or passed over.
    """
    place = shown(archive.key)
    with source.open(archive) as handle:
        if archive.suffix == ".zip":
            with open_zip(handle, limits.max_files, place) as packed:
                for info in packed.infolist():
                    source.unpacking.take(place, info.file_size)
                    yield from _of_zip(packed, info)
            return
        with _tar(handle, lambda size_bytes: source.unpacking.take(place, size_bytes, members=0)) as packed_tar:
            while (member := packed_tar.next()) is not None:
                packed_tar.members.clear()  # type: ignore[attr-defined]
                if member.size < 0:
                    raise tarfile.ReadError("a member of negative size")
                source.unpacking.take(place, member.size)
                if not member.isdir():
                    file = packed_tar.extractfile(member) if member.isreg() else None
                    yield Member(member.name, member.size if file else 0, file)
            packed_tar.check_end()


def _tar(handle: BinaryIO, take: Callable[[int], None]) -> _GuardedTar:
    """Return a tar that is read once from its begin; gzip gives no more at a time than is asked for."""
    packed = handle.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    handle.seek(0)
    stream = gzip.GzipFile(fileobj=handle) if packed else handle
    return _GuardedTar.open(fileobj=stream, mode="r|", tarinfo=_GuardedInfo, take=take)  # type: ignore[call-overload,no-any-return]


def _of_zip(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[Member]:
    if info.is_dir():
        return
    if stat.S_IFMT(info.external_attr >> 16) not in {0, stat.S_IFREG}:
        yield Member(info.filename, 0, None)
        return
    with packed.open(info) as file:
        yield Member(info.filename, info.file_size, file)
