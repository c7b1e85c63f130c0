"""The drops below an inbox, each with its dataset, a digest of its files, and whether its upload is complete.

A drop is complete by the first of these rules that applies:

1. ``_MANIFEST.json`` stands: every file that it names stands with the size it states;
2. ``_SUCCESS`` stands: the uploader says that it came last;
3. neither stands: the newest file is older than ``quiet_s`` seconds.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from telltale_core.digest import digest_of
from telltale_core.drop.source import RECEIPT
from telltale_core.drop.source_errors import remote_errors
from telltale_core.drop.source_url import check_url
from telltale_core.errors import BadInput, ConfigError
from telltale_core.inbox.allowed import ANY, AllowList
from telltale_core.inbox.refused import climbs, linked, not_fed
from telltale_core.modality.reasons import shown

MARKER, MANIFEST = "_SUCCESS", "_MANIFEST.json"
MAX_MANIFEST_BYTES = 16 << 20
QUIET_S = 900.0
DAY_S = 86_400.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A drop as it lies in the inbox. ``digest`` (64 hex digits) changes with any file's name, size or content."""

    dataset: str  # that its folder feeds; empty where it feeds none
    folder: str  # below the inbox
    name: str  # of the drop's own folder in it
    url: str
    digest: str
    files: int
    bytes: int
    newest_s: float  # seconds since 1970, the store's clock
    complete: bool
    why: str
    refused: str = ""  # why no run can be made of it, and the cure
    old: bool = False  # too old to be sure that it had no run: a person may start it

    @property
    def key(self) -> str:
        """The drop's identity: the same objects at the same address, told by whoever looks, whenever."""
        return f"cleanse:{self.url}:{self.digest[:32]}"

    @property
    def place(self) -> tuple[str, str]:
        """Where it lies: the folder below the inbox, and its name."""
        return self.folder, self.name


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    key: str  # relative to the drop
    path: str
    bytes: int
    tag: str
    modified_s: float
    arrived_s: float  # of a local inbox the later of that and of its arrival here: copies keep their time
    link: bool  # of a local inbox; never followed


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """Where contributors put drops: ``<url>/<folder>/<drop>/<files>``; ``quiet_s`` is the third rule's quiet time.

    A drop whose newest file is older than ``old_s`` seconds is not complete: whether it had a run may be forgotten.
    ``allowed`` says which folder feeds which dataset. A *place* is a folder and a drop's name in it; what lies where
    nothing is fed from has the first folder that leads there, and no name.
    """

    url: str
    quiet_s: float = QUIET_S
    allowed: AllowList = ANY
    old_s: float = math.inf

    def __post_init__(self) -> None:
        check_url(self.url)
        if self.quiet_s <= 0:
            raise ConfigError(f"quiet_s must be > 0, got {self.quiet_s}")

    def place_of(self, bucket: str, key: str) -> tuple[str, str] | None:
        """Return the place to which an object belongs; None where it lies outside the inbox's drops.

        Hidden folders, whose names begin with ``.`` or ``_``, are none; ``..`` is a place, to be refused and said.
        """
        scheme, _, rest = self.url.partition("://")
        if not rest or scheme == "file":
            return None
        home, _, prefix = rest.strip("/").partition("/")
        if bucket != home or (prefix and not key.startswith(f"{prefix}/")):
            return None
        return self._place(key[len(prefix) + 1 :] if prefix else key)

    def _place(self, key: str, *, link: bool = False) -> tuple[str, str] | None:
        """Return the place of a file below the inbox; a link counts as a folder: nobody knows what is behind it."""
        parts = key.split("/")
        folders = parts if link else parts[:-1]
        depth = self.allowed.split(parts)
        folder = "/".join(parts[:depth])
        is_allowed = self.allowed.folders is None or folder in self.allowed.folders
        least_depth = depth + 1 if is_allowed and not link else depth
        if len(folders) < least_depth or any(part != ".." and _hidden(part) for part in parts[: depth + is_allowed]):
            return None
        return folder, parts[depth] if is_allowed and len(folders) > depth else ""

    def arrivals(self) -> list[Arrival]:
        """Return all drops of the inbox, by folder and name, and one for each folder that feeds nothing."""
        by_place: dict[tuple[str, str], list[_File]] = {}
        for file in self._files(self.url):
            place = self._place(file.key, link=file.link)
            if place is not None:
                inside = file.key[len("/".join(place)) + 1 :] if place[1] else file.key
                by_place.setdefault(place, []).append(dataclasses.replace(file, key=inside))
        return [self._arrival(place, files) for place, files in sorted(by_place.items())]

    def refusal(self, folder: str, name: str) -> str:
        """Return why what lies at a place is not taken, with the cure; empty where it is."""
        if why := not_fed(self.allowed, folder):
            return why
        if _hidden(name) or "/" in name:
            return f"{shown(name)} in {shown(folder)} is no drop: a drop is one folder, and not hidden; rename it"
        try:
            check_url(self._url(folder, name))
        except BadInput as error:
            return f"the drop {shown(name)} of {folder} cannot be read ({error}); rename its folder and upload again"
        return ""

    def _strays(self, place: tuple[str, str], files: list[_File]) -> str:
        """Return why a drop's files are not its own, with the cure; empty where they are."""
        drop = "/".join(filter(None, place))
        if why := climbs(drop, (file.key for file in files)):
            return why
        if "://" in self.url.removeprefix("file://"):
            return ""
        return linked(self._fs()[1], drop, [file.path for file in files if file.link and not _aside(file.key)])

    def arrival(self, folder: str, name: str) -> Arrival | None:
        """Return one drop, or None where no file of it stands."""
        files = self._files(self._url(folder, name))
        return self._arrival((folder, name), files) if files else None

    def _url(self, folder: str, name: str) -> str:
        return "/".join([self.url.rstrip("/"), folder, *filter(None, [name])])

    def _arrival(self, place: tuple[str, str], listed: list[_File]) -> Arrival:
        files = [file for file in listed if not file.link]
        data = [file for file in files if not _aside(file.key)]
        newest = max((file.modified_s for file in listed if file.key != RECEIPT), default=0.0)
        arrived = max((file.arrived_s for file in listed if file.key != RECEIPT), default=0.0)
        refused = not_fed(self.allowed, place[0]) or self._strays(place, listed) or self.refusal(*place)
        complete, why = (False, refused) if refused else self._complete(files, data, newest)
        old = complete and time.time() - arrived > self.old_s
        return Arrival(
            dataset=self.allowed.dataset(place[0]) or "",
            folder=place[0],
            name=place[1],
            url=self._url(*place),
            digest=digest_of(sorted([file.key, file.bytes, file.tag] for file in data)),
            files=len(data),
            bytes=sum(file.bytes for file in data),
            newest_s=newest,
            complete=complete and not old,
            why=f"{why}; but older than {self.old_s / DAY_S:.0f} days: start it by the form of cleanse" if old else why,
            refused=refused,
            old=old,
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
            listing: dict[str, dict[str, Any]] = fs.find(path, detail=True)
        files = []
        for where, info in listing.items():
            link = bool(info.get("islink"))
            if not where.startswith(f"{path}/") or not (key := where[len(path) + 1 :]):
                continue
            if info.get("type") != "file" and not link:
                continue
            modified = _seconds(info)
            tag = str(info.get("ETag") or info.get("etag") or info.get("md5Hash") or modified)
            size = int(info.get("size") or 0)
            arrived = max(modified, float(info.get("created") or 0.0)) if fs.protocol[0] == "file" else modified
            files.append(
                _File(key=key, path=where, bytes=size, tag=tag, modified_s=modified, arrived_s=arrived, link=link)
            )
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
    marks = key == RECEIPT or parts[-1] in {MARKER, MANIFEST} or not parts[-1]
    return marks or any(part.startswith(".") for part in parts)
