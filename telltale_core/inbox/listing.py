"""The drops below an inbox, each with a digest of its files and the answer whether its upload is complete.

A drop is complete by the first of these rules that applies:

1. ``_MANIFEST.json`` stands: every file that it names stands with the size it states;
2. ``_SUCCESS`` stands: the uploader says that it came last;
3. neither stands: the newest file is older than ``quiet_s`` seconds.
"""

from __future__ import annotations

import dataclasses
import json
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from telltale_core.digest import digest_of
from telltale_core.drop.reasons import shown
from telltale_core.drop.source import check_url, remote_errors
from telltale_core.errors import BadInput, ConfigError

MARKER, MANIFEST = "_SUCCESS", "_MANIFEST.json"
MAX_MANIFEST_BYTES = 16 << 20
QUIET_S = 900.0
MAX_NAME_CHARS = 100
_DATASET = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_NAME_CHARS}}}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A drop as it lies in the inbox. ``digest`` (64 hex digits) changes with any file's name, size or content."""

    dataset: str
    name: str
    url: str
    digest: str
    files: int
    bytes: int
    newest_s: float  # seconds since 1970, the store's clock
    complete: bool
    why: str
    refused: str = ""  # why no run can be made of it, and the cure

    @property
    def key(self) -> str:
        """The drop's identity: the same objects at the same address, told by whoever looks, whenever."""
        return f"cleanse:{self.url}:{self.digest[:32]}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    key: str  # relative to the drop
    path: str
    bytes: int
    tag: str
    modified_s: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """Where contributors put drops: ``<url>/<dataset>/<drop>/<files>``; ``quiet_s`` is the third rule's quiet time."""

    url: str
    quiet_s: float = QUIET_S

    def __post_init__(self) -> None:
        check_url(self.url)
        if self.quiet_s <= 0:
            raise ConfigError(f"quiet_s must be > 0, got {self.quiet_s}")

    def place_of(self, bucket: str, key: str) -> tuple[str, str] | None:
        """Return dataset and drop to which an object belongs; None where it lies outside the inbox's drops.

        Hidden folders, whose names begin with ``.`` or ``_``, are none.
        """
        scheme, _, rest = self.url.partition("://")
        if not rest or scheme == "file":
            return None
        home, _, prefix = rest.strip("/").partition("/")
        inside = key[len(prefix) :].lstrip("/") if prefix else key
        if bucket != home or (prefix and not key.startswith(f"{prefix}/")):
            return None
        parts = inside.split("/")
        return (parts[0], parts[1]) if len(parts) >= 3 and not any(map(_hidden, parts[:2])) else None

    def arrivals(self) -> list[Arrival]:
        """Return all drops of the inbox, by dataset and name."""
        found: dict[tuple[str, str], list[_File]] = {}
        for file in self._files(self.url):
            parts = file.key.split("/", 2)
            if len(parts) == 3 and not any(map(_hidden, parts[:2])):
                found.setdefault((parts[0], parts[1]), []).append(dataclasses.replace(file, key=parts[2]))
        return [self._arrival(dataset, name, files) for (dataset, name), files in sorted(found.items())]

    def refusal(self, dataset: str, name: str) -> str:
        """Return why drops below folders of these names are not taken, with the cure; empty where they are.

        A dataset's folder names the dataset: ASCII letters, digits, ``.``, ``_`` and ``-``, at most ``MAX_NAME_CHARS``.
        """
        if _hidden(dataset) or not _DATASET.fullmatch(dataset):
            return (
                f"the folder {shown(dataset)} names no dataset: a dataset's name has 1 to {MAX_NAME_CHARS} of "
                "A-Z a-z 0-9 . _ - and begins with no . or _; rename the folder and upload again"
            )
        try:
            check_url(self._url(dataset, name))
        except BadInput as error:
            return f"the drop {shown(name)} of {dataset} cannot be read ({error}); rename its folder and upload again"
        return ""

    def arrival(self, dataset: str, name: str) -> Arrival | None:
        """Return one drop, or None where no file of it stands."""
        files = self._files(self._url(dataset, name))
        return self._arrival(dataset, name, files) if files else None

    def _url(self, dataset: str, name: str) -> str:
        return f"{self.url.rstrip('/')}/{dataset}/{name}"

    def _arrival(self, dataset: str, name: str, files: list[_File]) -> Arrival:
        data = [file for file in files if not _aside(file.key)]
        newest = max(file.modified_s for file in files)
        refused = self.refusal(dataset, name)
        complete, why = (False, refused) if refused else self._complete(files, data, newest)
        return Arrival(
            dataset=dataset,
            name=name,
            url=self._url(dataset, name),
            digest=digest_of(sorted([file.key, file.bytes, file.tag] for file in data)),
            files=len(data),
            bytes=sum(file.bytes for file in data),
            newest_s=newest,
            complete=complete,
            why=why,
            refused=refused,
        )

    def _complete(self, files: list[_File], data: list[_File], newest_s: float) -> tuple[bool, str]:
        by_key = {file.key: file for file in files}
        if not data:
            return False, "no file but marks"
        if MANIFEST in by_key:
            try:
                named = self._named(by_key[MANIFEST])
            except BadInput as error:
                return False, str(error)
            here = {file.key: file.bytes for file in data}
            late = sorted(name for name, size in named.items() if here.get(name) != size)
            if late:
                return False, f"{len(late)} of {len(named)} files of {MANIFEST} are not there with their size"
            return True, f"all {len(named)} files of {MANIFEST} are there"
        if MARKER in by_key:
            return True, f"{MARKER} is there"
        quiet = time.time() - newest_s
        if quiet >= self.quiet_s:
            return True, f"no {MARKER}, and quiet for {quiet:.0f} s"
        return False, f"no {MARKER}, and quiet for {max(quiet, 0):.0f} of {self.quiet_s:.0f} s"

    def _named(self, manifest: _File) -> dict[str, int]:
        """Return what a manifest names: ``{"files": {"train.parquet": 48211}}``. It is a contributor's file."""
        wrong = BadInput("manifest_invalid", f'{MANIFEST} must be {{"files": {{"name": bytes, ...}}}}')
        if manifest.bytes > MAX_MANIFEST_BYTES:
            raise wrong
        with remote_errors(self.url):
            text = self._fs()[0].cat_file(manifest.path)
        try:
            named = json.loads(text)["files"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise wrong from None
        if not isinstance(named, dict) or not named or not all(type(size) is int for size in named.values()):
            raise wrong
        return named

    def _fs(self, url: str | None = None) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        where = (url or self.url).rstrip("/")
        if "://" not in where:
            where = str(Path(where).expanduser().absolute())
        fs, path = url_to_fs(where, **_options(where))
        return fs, str(path)

    def _files(self, url: str) -> list[_File]:
        with remote_errors(url):
            fs, path = self._fs(url)
            found: dict[str, dict[str, Any]] = fs.find(path, detail=True)
        files = []
        for where, info in found.items():
            key = where[len(path) :].lstrip("/")
            if info.get("type") != "file" or not key or not where.startswith(f"{path}/"):
                continue
            modified = _seconds(info)
            tag = str(info.get("ETag") or info.get("etag") or info.get("md5Hash") or modified)
            files.append(_File(key=key, path=where, bytes=int(info.get("size") or 0), tag=tag, modified_s=modified))
        return files


def _options(url: str) -> dict[str, Any]:
    return {"skip_instance_cache": True, "use_listings_cache": False} if "://" in url else {}


def _seconds(info: dict[str, Any]) -> float:
    when = info.get("LastModified") or info.get("mtime") or info.get("last_modified") or info.get("created") or 0.0
    return when.timestamp() if isinstance(when, datetime) else float(when)


def _hidden(name: str) -> bool:
    return not name or name.startswith((".", "_"))


def _aside(key: str) -> bool:
    """Return whether a file is no data: a mark, or hidden."""
    parts = key.split("/")
    return parts[-1] in {MARKER, MANIFEST} or any(part.startswith(".") for part in parts) or not parts[-1]
