"""The private area where stages leave their folders for each other: local, or mirrored to an object store.

A stage folder is complete when its JSON record stands; the record is written, and pushed, last.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import time
from collections.abc import Collection
from fnmatch import fnmatch
from pathlib import Path

from telltale_core.digest import sha256_bytes
from telltale_core.errors import NotFound, StorageError
from telltale_core.storage.names import check_key
from telltale_core.storage.retry import RetryPolicy
from telltale_core.storage.store import Store, open_store

logger = logging.getLogger(__name__)
RENEWED_S = 86_400.0
CHECKPOINT = "checkpoint/"
"""Of a stage folder: what names other files of it, and is therefore sent after them, and removed after the record."""
_Stamp = tuple[int, int]  # size and modification time: tells a changed file from one that was pushed


class WorkArea:
    """Stage folders ``<root>/<stage>/<key>/``. For a remote root they are worked on in ``cache`` and pushed from there.

    The default cache is ``$XDG_CACHE_HOME/telltale/<digest of the URL>`` (else below ``~/.cache``).
    One run works on one folder at a time: two machines that write the same folder at once would mix their files.
    """

    def __init__(
        self, url: str | os.PathLike[str], cache: Path | None = None, retry: RetryPolicy | None = None
    ) -> None:
        self.store: Store = open_store(url, retry)
        self.remote = self.store.location.scheme != "file"
        if self.remote:
            self.root = cache or _default_cache(self.store.location.url)
        else:
            self.root = Path(self.store.location.path)
        self._pushed: dict[str, _Stamp] = {}

    def path(self, stage: str, key: str) -> Path:
        """Return the local folder of a stage's result; it may not exist yet."""
        return self.root / check_key(f"{stage}/{key}")

    def lock(self, name: str) -> Path:
        """Return a lock's file, which stands; raises :class:`StorageError` where the area cannot be written."""
        path = self.root / "locks" / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError as error:
            raise unusable(self.root, error) from error
        return path

    def has(self, stage: str, key: str, record: str) -> bool:
        """Return whether the folder is complete: its record (such as ``"train.json"``) stands."""
        return self.store.exists(f"{stage}/{key}/{record}")

    def renew(self, stage: str, key: str, record: str) -> None:
        """Mark a complete folder as used today, so that nobody takes it for forgotten."""
        for entry in self.store.scan(f"{stage}/{key}"):
            if entry.key == f"{stage}/{key}/{record}" and time.time() - entry.modified_s > RENEWED_S:
                self._renew(entry.key)

    def _renew(self, name: str) -> None:
        if not self.remote:
            os.utime(self.root / name)
        else:
            self.store.write(name, self.store.read(name))

    def fetch(self, stage: str, key: str, record: str, *, without: Collection[str] = ()) -> Path:
        """Return the local folder, brought up to date with the remote one; with a local root, just the folder.

        Of a local copy with the same record only files that are missing are fetched. Otherwise the local folder becomes
        what is pushed, be it complete or not (to resume from another machine's checkpoint). Files whose names match a
        pattern of ``without``, such as ``"split-*"``, are not fetched now. Raises :class:`NotFound` if nothing is there
        at all.
        """
        if not self.remote:
            folder = self.path(stage, key)
            if not folder.is_dir():
                raise NotFound(f"{folder} does not exist: run the stage {stage!r} first")
            return folder
        with self.lock(f"fetch-{stage}-{key}").open("w") as file:  # of several processes of one host, one at a time
            fcntl.flock(file, fcntl.LOCK_EX)
            return self._fetch(stage, key, record, without)

    def _fetch(self, stage: str, key: str, record: str, without: Collection[str]) -> Path:
        folder, prefix = self.path(stage, key), f"{stage}/{key}/"
        keys = self.store.list(f"{stage}/{key}")
        if not keys:
            raise NotFound(f"{self.store.url(prefix[:-1])} does not exist: run the stage {stage!r} first")
        here, known = folder / record, False
        wanted = [name for name in keys if not any(fnmatch(name.removeprefix(prefix), one) for one in without)]
        if prefix + record in keys:
            known = here.is_file() and here.read_bytes() == self.store.read(prefix + record)
            wanted = [name for name in wanted if name != prefix + record] + [prefix + record]
        if folder.exists() and not known:
            shutil.rmtree(folder)
        for name in wanted:
            if known and (self.root / name).is_file():
                continue
            check_key(name)
            self.store.download(name, self.root / name)
            self._pushed[name] = _stamp(self.root / name)
        return folder

    def push(self, stage: str, key: str, record: str) -> int:
        """Make the remote folder equal to the local one, the record last; return how many files were sent.

        Only new and changed files are sent, so it may be called after every epoch. Files that are gone here (a finished
        run's checkpoint) are removed there. Does nothing for a local root.
        """
        if not self.remote:
            return 0
        folder, prefix = self.path(stage, key), f"{stage}/{key}/"
        here = {prefix + path.relative_to(folder).as_posix(): path for path in _whole_files(folder)}
        last = here.pop(prefix + record, None)
        changed = [name for name, path in sorted(here.items()) if self._pushed.get(name) != _stamp(path)]
        if changed and self.store.exists(prefix + record):
            self.store.delete(prefix + record)  # never a record beside files that it does not describe
            self._pushed.pop(prefix + record, None)
        for name in sorted(changed, key=lambda name: name.startswith(prefix + CHECKPOINT)):  # it names the others
            self._send(here[name], name)
        sent = len(changed)
        if last is not None and self._pushed.get(prefix + record) != _stamp(last):
            self._send(last, prefix + record)
            sent += 1
        for name in set(self.store.list(f"{stage}/{key}")) - set(here) - {prefix + record}:
            self.store.delete(name)
            self._pushed.pop(name, None)
        return sent

    def _send(self, path: Path, name: str) -> None:
        stamp = _stamp(path)  # taken before: a file changed while it was sent is sent again
        self.store.upload(path, name)
        self._pushed[name] = stamp


def unusable(folder: Path, error: OSError) -> StorageError:
    """Return the error for a work area that cannot be written, with what to do about it."""
    cures = {
        errno.EROFS: "mount it writable, or choose another work area",
        errno.EACCES: "give this user the right to write there, or choose another work area",
        errno.EPERM: "give this user the right to write there, or choose another work area",
        errno.ENOTDIR: "a file stands where a folder must be: move it, or choose another work area",
        errno.EEXIST: "a file stands where a folder must be: move it, or choose another work area",
    }
    cure = cures.get(error.errno or 0, "check the file system, or choose another work area")
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    return StorageError(f"the work area {folder} cannot be used: {reason}; {cure}")


def _default_cache(url: str) -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "telltale" / sha256_bytes(url.encode())[:16]


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _whole_files(folder: Path) -> list[Path]:
    """Return the finished files of a folder: hidden ones (``.x.part``) are somebody's unfinished work."""
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
