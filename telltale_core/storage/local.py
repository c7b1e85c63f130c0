"""Files below one folder. Creation is ``link()`` of a finished, synced temporary file: atomic, and never overwrites.

What a power cut may take: nothing that was reported. A file's bytes are synced before it gets its name, the folder that
holds the name after that, and the name of each folder, up to the root's own, before anything is created in it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from telltale_core.digest import sha256_file
from telltale_core.storage.names import SCRATCH
from telltale_core.storage.transport import Content, Entry, Failure, Kind

logger = logging.getLogger(__name__)
LEFT_OVER_S = 3600.0
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}
_PASSING = {errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE}


class LocalTransport:
    """Keys are relative paths below ``root``; unfinished files live in ``root/.tmp`` and are never listed."""

    errors: tuple[type[Exception], ...] = (OSError,)

    def __init__(self, root: Path) -> None:
        self.root = root
        self._settled: set[Path] = set()  # folders whose names are on disk
        self._swept = False

    def explain(self, error: Exception) -> Failure:
        """Return what an ``OSError`` means, by its number."""
        number = getattr(error, "errno", None) or 0
        name = errno.errorcode.get(number, type(error).__name__)
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return Failure(kind=Kind.MISSING, detail=name)
        if isinstance(error, FileExistsError):
            return Failure(kind=Kind.EXISTS, detail=name)
        if number in _PASSING:
            return Failure(kind=Kind.AGAIN, detail=name)
        return Failure(kind=Kind.NEVER, detail=f"{name}, {os.strerror(number)}{self._advice(number)}")

    def _advice(self, number: int) -> str:
        if number in _FULL:
            try:
                free = shutil.disk_usage(self.root).free
            except OSError:
                return ""
            return f"; {free:,} bytes are free below {self.root}: make room and run again"
        if number == errno.EROFS:
            return "; mount the file system writable or choose another folder"
        if number in _NO_LINKS:
            return "; publishing needs a file system with hard links, or permission to make them"
        return ""

    def _path(self, key: str) -> Path:
        return self.root / key

    @contextlib.contextmanager
    def _finished(self, data: Content | Path) -> Iterator[Path]:
        """Give a temporary file that holds ``data`` and is on disk; it is removed afterwards, whatever happens."""
        with _locked_file(self._scratch()) as (temp, file):
            if isinstance(data, Path):
                with data.open("rb") as source:
                    shutil.copyfileobj(source, file, 1 << 20)
            else:
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
            yield temp

    def _scratch(self) -> Path:
        """Return the folder of unfinished files; the first call takes away what killed processes left there."""
        scratch = self.root / SCRATCH
        self._settle(self.root)
        scratch.mkdir(exist_ok=True)
        if scratch.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, "a link, not a folder", str(scratch))
        if not self._swept:
            self._swept = True
            for path in scratch.iterdir():
                with contextlib.suppress(OSError):
                    _sweep(path)
        return scratch

    def _settle(self, folder: Path) -> None:
        """Make the folder, and see that its name and those of the folders above it, up to the root's, are on disk."""
        exists = folder.is_dir()
        if exists and folder in self._settled:
            return
        if self.root in folder.parents or not (exists or folder.parent.is_dir()):
            self._settle(folder.parent)
        try:
            folder.mkdir(exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, "not a folder", str(folder)) from None
        with contextlib.suppress(*[PermissionError] if exists else []):  # the root may lie in a folder of others
            _sync_folder(folder.parent)
        self._settled.add(folder)

    def get(self, key: str) -> bytes:
        """Return the file's bytes."""
        return self._path(key).read_bytes()

    def digest(self, key: str) -> str:
        """Return the sha256 of the file's bytes, 64 hex digits."""
        return sha256_file(self._path(key))

    def create(self, key: str, data: Content) -> None:
        """Link a finished file to its name; fails with ``FileExistsError`` if the name stands."""
        path = self._path(key)
        with self._finished(data) as temp:
            self._settle(path.parent)
            try:
                os.link(temp, path)
            finally:  # also where the name stands: its creator may have been killed before it was on disk
                _sync_folder(path.parent)

    def persist(self, key: str) -> None:
        """See that the file's name is on disk; its bytes were before it had one."""
        folder = self._path(key).parent
        self._settle(folder)
        _sync_folder(folder)

    def put(self, key: str, data: Content) -> None:
        """Replace the file by a finished one (private work areas only)."""
        self._replace(key, data)

    def upload(self, path: Path, key: str) -> None:
        """Replace the file by the content of ``path`` (private work areas only)."""
        self._replace(key, path)

    def _replace(self, key: str, data: Content | Path) -> None:
        path = self._path(key)
        with self._finished(data) as temp:
            self._settle(path.parent)
            temp.replace(path)
            _sync_folder(path.parent)

    def download(self, key: str, path: Path) -> None:
        """Write the file's content to ``path``."""
        with self._path(key).open("rb") as source, path.open("xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)

    def stat(self, key: str) -> Entry:
        """Return size and time of one regular file."""
        path = self._path(key)
        status = path.stat()
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, "not a regular file", key)
        return Entry(key=key, bytes=status.st_size, modified_s=status.st_mtime)

    def scan(self, folder: str) -> list[Entry]:
        """Return all regular files below a folder; one that vanishes meanwhile is left out."""
        entries = []
        top = self._path(folder) if folder else self.root
        for here, folders, names in os.walk(top):
            if Path(here) == self.root and SCRATCH in folders:
                folders.remove(SCRATCH)
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    entries.append(self.stat((Path(here) / name).relative_to(self.root).as_posix()))
        return entries

    def delete(self, key: str) -> None:
        """Remove the file, if it is there."""
        self._path(key).unlink(missing_ok=True)


@contextlib.contextmanager
def _locked_file(folder: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Give a new file, locked for as long as this process works on it; afterwards it is removed."""
    while True:
        temp = folder / uuid.uuid4().hex
        with temp.open("xb") as file:
            try:
                with contextlib.suppress(OSError):  # a file system without locks: age alone tells what is left over
                    fcntl.flock(file, fcntl.LOCK_EX)
                if os.fstat(file.fileno()).st_nlink:
                    yield temp, file
                    return
            finally:
                temp.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    """Remove an unfinished file if no process holds it and nothing was written to it for an hour."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if time.time() - os.fstat(file.fileno()).st_mtime > LEFT_OVER_S:
            path.unlink()
            logger.info("removed %s, left by a process that was killed", path)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
