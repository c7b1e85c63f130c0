"""A store: checked keys, one retry loop, conditional create with read-back, errors of one family."""

from __future__ import annotations

import contextlib
import enum
import logging
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from telltale_core.digest import sha256_bytes
from telltale_core.errors import CommitUnknown, Conflict, Corrupt, NotFound, StorageError, Transient
from telltale_core.storage.local import LocalTransport
from telltale_core.storage.memory import MemoryTransport
from telltale_core.storage.names import Location, check_key, parse_url
from telltale_core.storage.retry import RetryPolicy
from telltale_core.storage.transport import Content, Entry, Failure, Kind, Transport

logger = logging.getLogger(__name__)
T = TypeVar("T")


class _Held(enum.Enum):
    OURS = "ours"
    OTHERS = "others"
    NOTHING = "nothing"
    UNREADABLE = "unreadable"


def open_store(url: str | os.PathLike[str], retry: RetryPolicy | None = None) -> Store:
    """Return the store at a local path, ``file://``, ``memory://`` or ``s3://`` URL; nothing is contacted yet.

    Raises :class:`ConfigError` for a URL that :func:`telltale_core.storage.names.parse_url` refuses.
    """
    location = parse_url(url)
    transport: Transport
    if location.scheme == "file":
        transport = LocalTransport(Path(location.path))
    elif location.scheme == "memory":
        transport = MemoryTransport(location.path)
    else:
        try:
            from telltale_core.storage.s3 import S3Transport
        except ModuleNotFoundError as error:
            message = f"s3:// needs the extra 's3' (pip install 'telltale-cleanse[s3]'): {error.name} is not installed"
            raise StorageError(message) from None
        transport = S3Transport(location.path)
    return Store(location, transport, retry or RetryPolicy())


class Store:
    """Objects below one URL. Every failure is one of :mod:`telltale_core.errors`; nothing else escapes."""

    def __init__(self, location: Location, transport: Transport, retry: RetryPolicy) -> None:
        self.location = location
        self.transport = transport
        self.retry = retry

    def __repr__(self) -> str:
        return f"Store({self.location.url!r})"

    def url(self, key: str) -> str:
        """Return where ``key`` lies, as pyarrow, fsspec and Hugging Face datasets read it."""
        return f"{self.location.url}/{check_key(key)}"

    def _run(self, action: str, where: str, operation: Callable[[], T], size: int | None = None) -> T:
        """Return what ``operation`` returns, tried again while its failures may pass. For idempotent operations."""
        failure = Failure(kind=Kind.NEVER, detail="not tried")
        for attempt in self.retry.tries():
            try:
                return operation()
            except self.transport.errors as error:
                failure = self.transport.explain(error)
            if failure.kind is not Kind.AGAIN:
                break
            logger.warning("try %d to %s %s failed: %s", attempt + 1, action, where, failure.detail)
        raise _error(failure, action, where, size)

    def read(self, key: str) -> bytes:
        """Return the object's bytes; raises :class:`NotFound` if there is none."""
        where = self.url(key)
        return self._run("read", where, lambda: self.transport.get(key))

    def read_verified(self, key: str, sha256: str) -> bytes:
        """Return the object's bytes; raises :class:`Corrupt` unless they have the stated digest (64 hex digits)."""
        data = self.read(key)
        self._compare_digest(key, sha256, sha256_bytes(data))
        return data

    def verify(self, key: str, sha256: str) -> None:
        """Raise as :meth:`read_verified` does, without holding the object's bytes."""
        where = self.url(key)
        self._compare_digest(key, sha256, self._run("read", where, lambda: self.transport.digest(key)))

    def _compare_digest(self, key: str, sha256: str, actual: str) -> None:
        if actual != sha256:
            raise Corrupt(
                f"{self.url(key)} should have sha256 {sha256}, but has {actual}: "
                "the object is damaged, restore it from a backup or publish again to another place"
            )

    def write(self, key: str, data: Content) -> None:
        """Write an object, replacing an older one. Only for private work areas: a published key is created, once."""
        where = self.url(key)
        self._run("write", where, lambda: self.transport.put(key, data), len(data))

    def create(self, key: str, data: Content) -> None:
        """Create an object with these bytes; afterwards it stands whole, and it was not there with other bytes before.

        The reply to a create may be lost, so an object that already has exactly these bytes is a success: put a unique
        id into the bytes where it matters who wrote them. Raises :class:`Conflict` if the key stands with other bytes,
        :class:`CommitUnknown` if the create may have been carried out and the key cannot be read back, and
        :class:`Transient` if the store kept refusing.
        """
        where = self.url(key)
        failure = Failure(kind=Kind.NEVER, detail="not tried")
        maybe_done = False
        for attempt in self.retry.tries():
            if maybe_done and self._settled(key, data, where) is _Held.OURS:
                return
            try:
                self.transport.create(key, data)
            except self.transport.errors as error:
                failure = self.transport.explain(error)
            else:
                return
            if failure.kind not in {Kind.AGAIN, Kind.EXISTS}:
                break
            maybe_done = maybe_done or failure.maybe_done or failure.kind is Kind.EXISTS
            if failure.kind is Kind.EXISTS and self._settled(key, data, where) is _Held.OURS:
                return
            logger.warning("try %d to create %s failed: %s", attempt + 1, where, failure.detail)
        if not maybe_done:
            raise _error(failure, "create", where, len(data))
        content = self._settled(key, data, where)
        if content is _Held.UNREADABLE:
            raise CommitUnknown(
                f"{where} was sent, but neither the reply nor the object could be read ({failure.detail}): "
                "it may or may not stand. Nothing was deleted; run again when the store answers"
            )
        if content is _Held.NOTHING:
            raise Transient(f"could not create {where}: {failure.detail}; it does not stand, run again later")

    def _settled(self, key: str, data: Content, where: str) -> _Held:
        """Return what one look at the key shows; raises :class:`Conflict` if it holds other bytes."""
        content = self._compare(key, data)
        if content is _Held.OTHERS:
            raise Conflict(f"{where} exists already with other content, and is never overwritten")
        return content

    def _compare(self, key: str, data: Content) -> _Held:
        try:
            if self.transport.stat(key).bytes != len(data):
                return _Held.OTHERS
            return _Held.OURS if self.transport.get(key) == data else _Held.OTHERS
        except self.transport.errors as error:
            missing = self.transport.explain(error).kind is Kind.MISSING
            return _Held.NOTHING if missing else _Held.UNREADABLE

    def persist(self, key: str) -> None:
        """Return once the object, whoever created it, stays through a power cut."""
        where = self.url(key)
        self._run("persist", where, lambda: self.transport.persist(key))

    def stat(self, key: str) -> Entry:
        """Return size (bytes) and time of the last write (seconds since 1970, the store's clock)."""
        where = self.url(key)
        return self._run("look at", where, lambda: self.transport.stat(key))

    def exists(self, key: str) -> bool:
        """Return whether the key stands."""
        try:
            self.stat(key)
        except NotFound:
            return False
        return True

    def size(self, key: str) -> int:
        """Return the object's size in bytes."""
        return self.stat(key).bytes

    def scan(self, folder: str = "") -> list[Entry]:
        """Return key, size and time of all objects below ``folder``, sorted by key; none is an empty list."""
        where = self.url(folder) if folder else self.location.url
        try:
            entries = self._run("list", where, lambda: self.transport.scan(folder))
        except NotFound:
            if self.location.scheme == "s3":  # a folder cannot be missing there: the bucket is
                raise
            return []
        return sorted(entries, key=lambda entry: entry.key)

    def list(self, folder: str = "") -> list[str]:
        """Return the keys below ``folder``, sorted."""
        return [entry.key for entry in self.scan(folder)]

    def delete(self, key: str) -> None:
        """Remove an object if it is there. Only gc and private work areas delete."""
        where = self.url(key)
        self._run("delete", where, lambda: self.transport.delete(key))

    def upload(self, path: Path, key: str) -> None:
        """Write a local file's content as the object, replacing an older one. Only for private work areas."""
        where = self.url(key)
        self._run("upload", where, lambda: self.transport.upload(path, key), path.stat().st_size)

    def download(self, key: str, path: Path) -> None:
        """Write the object's content to ``path``, which appears whole or not at all."""
        where = self.url(key)
        partial = path.with_name(f".{uuid.uuid4().hex}.part")
        path.parent.mkdir(parents=True, exist_ok=True)

        def fetch() -> None:
            partial.unlink(missing_ok=True)
            self.transport.download(key, partial)

        try:
            self._run("download", where, fetch)
            partial.replace(path)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


def _error(failure: Failure, action: str, where: str, size: int | None) -> StorageError:
    if size is None:
        return failure.error(action, where)
    if failure.kind is Kind.MISSING:
        return NotFound(f"could not {action} {where}: its bucket or folder does not exist ({failure.detail})")
    return failure.error(action, f"{where} ({size:,} bytes needed)")
