"""Files below one folder. Creation is ``link()`` of a finished, synced temporary file: atomic, and never overwrites."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from telltale_core.storage.names import SCRATCH
from telltale_core.storage.transport import Entry, Failure, Kind

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}
_PASSING = {errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE}


class LocalTransport:
    """Keys are relative paths below ``root``; unfinished files live in ``root/.tmp`` and are never listed."""

    errors: tuple[type[Exception], ...] = (OSError,)

    def __init__(self, root: Path) -> None:
        self.root = root

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
    def _finished(self, data: bytes | Path) -> Iterator[Path]:
        """Give a temporary file that holds ``data`` and is on disk; it is removed afterwards, whatever happens."""
        scratch = self.root / SCRATCH
        scratch.mkdir(parents=True, exist_ok=True)
        temp = scratch / uuid.uuid4().hex
        try:
            with temp.open("xb") as file:
                if isinstance(data, Path):
                    with data.open("rb") as source:
                        shutil.copyfileobj(source, file, 1 << 20)
                else:
                    file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield temp
        finally:
            temp.unlink(missing_ok=True)

    @staticmethod
    def _sync_folder(folder: Path) -> None:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def get(self, key: str) -> bytes:
        """Return the file's bytes."""
        return self._path(key).read_bytes()

    def create(self, key: str, data: bytes) -> None:
        """Link a finished file to its name; fails with ``FileExistsError`` if the name stands."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._finished(data) as temp:
            os.link(temp, path)
            self._sync_folder(path.parent)

    def put(self, key: str, data: bytes) -> None:
        """Replace the file by a finished one (private work areas only)."""
        self._replace(key, data)

    def upload(self, path: Path, key: str) -> None:
        """Replace the file by the content of ``path`` (private work areas only)."""
        self._replace(key, path)

    def _replace(self, key: str, data: bytes | Path) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._finished(data) as temp:
            temp.replace(path)
            self._sync_folder(path.parent)

    def download(self, key: str, path: Path) -> None:
        """Write the file's content to ``path``."""
        with self._path(key).open("rb") as source, path.open("xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)

    def stat(self, key: str) -> Entry:
        """Return size and time of one regular file."""
        path = self._path(key)
        found = path.stat()
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, "not a regular file", key)
        return Entry(key=key, bytes=found.st_size, modified_s=found.st_mtime)

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
