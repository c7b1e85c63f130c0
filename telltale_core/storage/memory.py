"""Objects in this process's memory (fsspec's memory file system): for tests and notebooks."""

from __future__ import annotations

import threading
from pathlib import Path

from fsspec.implementations.memory import MemoryFileSystem

from telltale_core.digest import sha256_bytes
from telltale_core.storage.transport import Content, Entry, Failure, Kind

_LOCK = threading.Lock()  # fsspec keeps one memory for the whole process, so one lock serves all stores


class MemoryTransport:
    """Keys live below ``/root`` of the process-wide memory file system."""

    errors: tuple[type[Exception], ...] = (OSError,)

    def __init__(self, root: str) -> None:
        self.fs = MemoryFileSystem()
        self.root = "/" + root

    def explain(self, error: Exception) -> Failure:
        """Return what an ``OSError`` means, by its class."""
        kind = Kind.NEVER
        if isinstance(error, FileNotFoundError):
            kind = Kind.MISSING
        elif isinstance(error, FileExistsError):
            kind = Kind.EXISTS
        return Failure(kind=kind, detail=type(error).__name__)

    def _path(self, key: str) -> str:
        return f"{self.root}/{key}"

    def get(self, key: str) -> bytes:
        """Return the object's bytes."""
        with _LOCK:
            if not self.fs.isfile(self._path(key)):
                raise FileNotFoundError(key)
            return bytes(self.fs.cat_file(self._path(key)))

    def digest(self, key: str) -> str:
        """Return the sha256 of the object's bytes, 64 hex digits."""
        return sha256_bytes(self.get(key))

    def put(self, key: str, data: Content) -> None:
        """Write the object, replacing an older one."""
        with _LOCK:
            self.fs.pipe_file(self._path(key), bytes(data))

    def create(self, key: str, data: Content) -> None:
        """Write the object unless the key stands; the lock makes the two steps one."""
        with _LOCK:
            if self.fs.exists(self._path(key)):
                raise FileExistsError(key)
            self.fs.pipe_file(self._path(key), bytes(data))

    def persist(self, key: str) -> None:
        """Do nothing: what this process holds ends with it."""

    def stat(self, key: str) -> Entry:
        """Return size and time of one object."""
        with _LOCK:
            return self._stat(key)

    def _stat(self, key: str) -> Entry:
        if not self.fs.isfile(self._path(key)):
            raise FileNotFoundError(key)
        size = int(self.fs.size(self._path(key)))
        return Entry(key=key, bytes=size, modified_s=self.fs.modified(self._path(key)).timestamp())

    def scan(self, folder: str) -> list[Entry]:
        """Return all objects below a folder."""
        with _LOCK:
            top = self._path(folder) if folder else self.root
            return [self._stat(path.removeprefix(self.root + "/")) for path in self.fs.find(top)]

    def delete(self, key: str) -> None:
        """Remove the object, if it is there."""
        with _LOCK:
            if self.fs.isfile(self._path(key)):
                self.fs.rm_file(self._path(key))

    def upload(self, path: Path, key: str) -> None:
        """Write a local file's content as the object."""
        self.put(key, path.read_bytes())

    def download(self, key: str, path: Path) -> None:
        """Write the object's content to a local file."""
        path.write_bytes(self.get(key))
