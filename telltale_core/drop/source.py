"""Where a drop comes from: listing and reading with caps. The only module of this package that knows fsspec.

Local drops are read in place; links and special files may not lead out of the drop. Remote drops are copied file by
file into a scratch folder whose names are digests: an object's key is an identifier here, never a path.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import stat
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from telltale_core.digest import digest_of, sha256_bytes, sha256_file
from telltale_core.drop.budget import Unpacking
from telltale_core.drop.config import MAX_TOML_BYTES, Limits
from telltale_core.drop.never_read import never_read
from telltale_core.drop.source_errors import remote_errors
from telltale_core.drop.source_url import check_url, printable
from telltale_core.drop.zip_members import PIECE_BYTES
from telltale_core.errors import ConfigError, NotFound, OverBudget, TelltaleError
from telltale_core.modality.reasons import bad, shown

RECEIPT = "_RECEIPT.json"
FETCH_BYTES = 64 << 20
FETCH_FILES = 256


class Readable(Protocol):
    """A file that may be packed."""

    def read(self, size: int, /) -> bytes: ...  # noqa: D102 - as any file's


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file of a drop. ``key`` is its printable name relative to the drop; ``path`` is where the store finds it.

    ``spooled``: its bytes are a scratch file, made of another file of the drop.
    """

    key: str
    path: str
    size_bytes: int
    identity: str | None = None
    spooled: bool = False

    @property
    def suffix(self) -> str:
        """The lower-case ending of the key, such as ``".png"``; empty when there is none."""
        return Path(self.key).suffix.lower()


class Source:
    """A listed drop: its files in the order of their keys, each readable as a local file within the limits."""

    def __init__(
        self,
        url: str,
        listed: list[SourceFile],
        limits: Limits,
        *,
        root: Path | None,
        fs: Any = None,
        scratch: Path | None = None,
    ) -> None:
        self.url, self.unpacking = url, Unpacking(limits)
        self._alike: Counter[str] = Counter()
        self.files: dict[str, SourceFile] = {}
        self.ignored: dict[str, list[str]] = {}  # keys of what is never read, by reason
        for file in sorted(listed, key=lambda file: (file.key, file.path)):
            if file.key != RECEIPT:  # ours, and renewed while the drop is read
                self.add(file)
        self._root = root  # of a local drop: links must resolve to below it
        self._fs = fs  # of a remote one
        self._scratch = scratch

    def ignore(self, key: str, reason: str) -> None:
        """Leave a file out of what is read, with the reason that the accounting gives."""
        self.files.pop(key, None)
        self.ignored.setdefault(reason, []).append(key)

    def add(self, file: SourceFile) -> None:
        """Add a file that was made of another one, unless its name says that it is never read."""
        reason = never_read(file.key)
        if reason:
            self.ignored.setdefault(reason, []).append(file.key)
            return
        key = file.key
        while key in self.files:  # two raw names may print alike, and an archive may hold one twice
            self._alike[file.key] += 1
            suffix = Path(file.key).suffix
            key = f"{file.key.removesuffix(suffix)}~{self._alike[file.key] + 1}{suffix}"
        self.files[key] = dataclasses.replace(file, key=key)

    def sort(self) -> None:
        """Put the files into the order of their keys again, after others were added."""
        self.files = dict(sorted(self.files.items()))

    def scratch_path(self, name: str) -> Path:
        """Return where a scratch file of this name lies: it is called by the name's digest."""
        if self._scratch is None:
            raise ConfigError(f"{self.url} is remote or packed: reading it needs a scratch folder")
        self._scratch.mkdir(parents=True, exist_ok=True)
        return self._scratch / sha256_bytes(name.encode("utf-8", "surrogatepass"))

    def prefetch(self, files: Iterable[SourceFile]) -> None:
        """Copy remote files to the scratch folder, many at a time; nothing to do for a local drop."""
        if self._root is not None:
            return
        group: list[SourceFile] = []
        group_bytes = 0
        for file in files:
            if group and (group_bytes + file.size_bytes > FETCH_BYTES or len(group) == FETCH_FILES):
                self._fetch(group)
                group, group_bytes = [], 0
            group.append(file)
            group_bytes += file.size_bytes
        if group:
            self._fetch(group)

    def _fetch(self, group: list[SourceFile]) -> None:
        missing = [file for file in group if not self._copy_of(file).exists()]
        if not missing:
            return
        self._require_room(self._copy_of(missing[0]).parent, sum(file.size_bytes for file in missing))
        with remote_errors(self.url):
            if len(missing) == 1:
                partial = self._copy_of(missing[0]).with_suffix(".part")
                self._fs.get_file(missing[0].path, str(partial))
                partial.rename(self._copy_of(missing[0]))
                return
            whole: list[None] = [None] * len(missing)  # unlike cat, cat_ranges expands no patterns and asks no sizes
            for file, data in zip(missing, self._fs.cat_ranges([f.path for f in missing], whole, whole), strict=True):
                self._copy_of(file).write_bytes(data)

    def _copy_of(self, file: SourceFile) -> Path:
        return self.scratch_path(file.path)

    def spool(self, name: str, packed: Readable, size_bytes: int, *, exact: bool = True) -> Path:
        """Return a scratch file with what ``name`` unpacks to; ``file_corrupt`` if it is not so many bytes, or more."""
        path = self.scratch_path(name)
        self._require_room(path.parent, size_bytes if exact else 0)
        written = 0
        with path.open("wb") as file:
            while written <= size_bytes and (data := packed.read(min(PIECE_BYTES, size_bytes + 1 - written))):
                written += file.write(data)
        if written > size_bytes or (exact and written != size_bytes):
            raise bad("file_corrupt", f"{shown(name)} does not unpack to the {size_bytes} bytes that it states")
        return path

    def _require_room(self, folder: Path, needed: int) -> None:
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise OverBudget(
                f"copying {self.url} needs {needed:,} bytes in {folder}, {free:,} are free: make room or choose "
                "another work area"
            )

    def local_path(self, file: SourceFile) -> Path:
        """Return a local regular file with the file's bytes; ``path_outside_drop`` for a link that leaves the drop."""
        if file.spooled:
            return self.scratch_path(file.path)
        if self._root is None:
            self._fetch([file])
            return self._copy_of(file)
        real = Path(os.path.realpath(file.path))
        if real != self._root and self._root not in real.parents and real.parent != _blobs_of(self._root):
            raise bad("path_outside_drop", f"{shown(file.key)} is a link that leaves the drop")
        return real

    def open(self, file: SourceFile) -> BinaryIO:
        """Return the file opened for reading; devices, pipes and links swapped in meanwhile are refused."""
        path = self.local_path(file)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise bad("media_missing", f"{shown(file.key)} cannot be opened: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise bad("media_unsupported", f"{shown(file.key)} is not a regular file")
        return os.fdopen(handle, "rb")

    def read(self, file: SourceFile, max_bytes: int) -> bytes:
        """Return the file's bytes; ``media_too_large`` when there are more than ``max_bytes``."""
        too_large = bad("media_too_large", f"{shown(file.key)} has more than {max_bytes} bytes")
        if file.size_bytes > max_bytes:
            raise too_large
        with self.open(file) as handle:
            data = handle.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise too_large
        return data

    def toml(self) -> bytes | None:
        """Return the bytes of the drop's ``drop.toml``, or None."""
        file = self.files.get("drop.toml")
        return None if file is None else self.read(file, MAX_TOML_BYTES)

    def fingerprint(self) -> str:
        """Return 64 hex digits that change with any file's key or content (by sha256 locally, by ETag remotely)."""
        identities = [[file.key, file.size_bytes, self._identity(file)] for file in self.files.values()]
        return digest_of({"format": "telltale.fingerprint/1", "files": identities})

    def _identity(self, file: SourceFile) -> str:
        if file.identity is not None:
            return file.identity
        if self._root is None:
            with remote_errors(self.url), self._fs.open(file.path, "rb") as handle:
                return hashlib.file_digest(handle, "sha256").hexdigest()
        try:
            path = self.local_path(file)
            return sha256_file(path) if path.is_file() else "not a file"
        except (TelltaleError, OSError):
            return "not readable"


def open_source(url: str, limits: Limits, scratch: Path | None = None) -> Source:
    """Return the listed drop behind a local path or URL; ``scratch`` is where remote files are copied to.

    Raises ``url_refused`` before any connection for schemes that are not allowed, credentials and queries;
    :class:`NotFound` when nothing is there; ``drop_too_large`` beyond ``max_files`` or ``max_drop_bytes``.
    """
    check_url(url)
    url = url.removeprefix("file://")
    remote = "://" in url
    source = _remote(url, limits, scratch) if remote else _local(url, limits, scratch)
    total = sum(file.size_bytes for file in source.files.values())
    if total > limits.max_drop_bytes:
        raise bad("drop_too_large", f"the drop has {total} bytes, more than max_drop_bytes={limits.max_drop_bytes}")
    return source


def _blobs_of(root: Path) -> Path | None:
    """Return the folder of files that a snapshot of Hugging Face's cache links to, if the drop lies in one."""
    snapshot = next((path for path in (root, *root.parents) if path.parent.name == "snapshots"), None)
    cached = None if snapshot is None else snapshot.parent.parent
    return cached / "blobs" if cached and cached.name.startswith(("datasets--", "models--", "spaces--")) else None


def _local(url: str, limits: Limits, scratch: Path | None) -> Source:
    root = Path(url).expanduser().resolve()
    if root.is_file():
        file = SourceFile(key=printable(root.name), path=str(root), size_bytes=root.stat().st_size)
        return Source(str(root), [file], limits, root=root, scratch=scratch)
    if not root.is_dir():
        raise NotFound(f"{shown(url, 200)} is neither a file nor a folder")
    files: list[SourceFile] = []

    def unreadable(error: OSError) -> None:
        place = Path(str(error.filename))
        key = printable(place.relative_to(root).as_posix()) if root in place.parents else ""
        if not never_read(key):
            raise ConfigError(f"a folder of the drop cannot be listed: {error.strerror}") from error
        files.append(SourceFile(key=key, path=str(place), size_bytes=0))  # hidden, of whatever it holds

    blobs = _blobs_of(root)
    for folder, folders, names in os.walk(root, followlinks=False, onerror=unreadable):
        linked = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in [*names, *linked]:
            path = Path(folder) / name
            key = printable(path.relative_to(root).as_posix())
            linked_blob = blobs is not None and Path(os.path.realpath(path)).parent == blobs and path.exists()
            size_bytes = (path.stat() if linked_blob else path.lstat()).st_size
            files.append(SourceFile(key=key, path=str(path), size_bytes=size_bytes))
        _check_file_count(len(files), limits)
    return Source(str(root), files, limits, root=root, scratch=scratch)


def _remote(url: str, limits: Limits, scratch: Path | None) -> Source:
    from fsspec.core import url_to_fs

    with remote_errors(url):
        fs, path = url_to_fs(url.rstrip("/"), skip_instance_cache=True, use_listings_cache=False)
        listing: dict[str, dict[str, Any]] = fs.find(path, detail=True)
    single = path if list(listing) == [path] else None
    files: list[SourceFile] = []
    for where, info in listing.items():
        key = printable(where.rsplit("/", 1)[-1] if where == single else where[len(path) :].lstrip("/"))
        if info.get("type") != "file" or not key:
            continue
        tag = info.get("ETag") or info.get("etag") or info.get("md5Hash")
        identity = str(tag) if tag else None
        files.append(SourceFile(key=key, path=where, size_bytes=int(info.get("size") or 0), identity=identity))
    _check_file_count(len(files), limits)
    if not files:
        raise NotFound(f"{url}: no object has this name or prefix")
    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
    return Source(url.rstrip("/"), files, limits, root=None, fs=fs, scratch=scratch)


def _check_file_count(count: int, limits: Limits) -> None:
    if count > limits.max_files:
        raise bad("drop_too_large", f"the drop has more than max_files={limits.max_files} files")
