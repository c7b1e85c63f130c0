"""Writing again what was lost or damaged, where its bytes can be had: only bytes that a manifest's digest names.

Manifests come from their mirror, and mirrors from their manifest. Blobs are made again of the drop and the verdict that
the run left in its work area: packing is deterministic, so they are the same bytes or they are not written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

from telltale_core.digest import sha256_bytes
from telltale_core.errors import Corrupt, NotFound, StorageError, TelltaleError
from telltale_core.publish.appending import placed
from telltale_core.publish.decisions import decided
from telltale_core.publish.drop_blobs import place_all
from telltale_core.publish.history import Dataset, as_store, numbers, read_numbered, read_version
from telltale_core.publish.manifest import FOLDER, MIRROR, Blob, Version, key_of, library_versions, parse
from telltale_core.publish.plan import DropLike, PublishConfig, check_payload
from telltale_core.publish.restoring import moved
from telltale_core.publish.tables import read_tables
from telltale_core.publish.verifying import damage
from telltale_core.storage import Content, Store
from telltale_core.verdict import Verdict


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a version was made of: drop, verdict, settings and, if it still stands, the report."""

    drop: DropLike
    verdict_dir: Path
    config: PublishConfig
    report: Path | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What was ``written`` again, by address, and what is ``unrepaired``: sentences that name the object."""

    number: int
    written: tuple[str, ...]
    unrepaired: tuple[str, ...]


def repair(dataset: Dataset, find: Callable[[Version], Sources], number: int | None = None) -> Repair:
    """Return what of a dataset's manifests and of the objects of one version (default: the newest) was written again.

    ``find`` returns what a version was made of, or raises a :class:`TelltaleError` that says what is missing; it is
    asked only where an object is damaged. Raises :class:`NotFound` or :class:`Corrupt` if the manifest of the version
    itself is lost.
    """
    store = as_store(dataset)
    work = _Work(store)
    _mend_manifests(work)
    try:
        version = read_version(store, number)
    except (Corrupt, NotFound) as error:
        raise type(error)("; ".join(work.unrepaired) or str(error)) from None
    _mend_blobs(work, version, find)
    return Repair(number=version.number, written=tuple(work.written), unrepaired=tuple(dict.fromkeys(work.unrepaired)))


class _Work:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.written: list[str] = []
        self.unrepaired: list[str] = []

    def put(self, key: str, data: Content) -> None:
        """Write an object that is missing, or over one that is damaged."""
        try:
            if self.store.exists(key):
                self.store.write(key, data)
            else:
                self.store.create(key, data)
            self.written.append(self.store.url(key))
        except StorageError as error:
            self.unrepaired.append(f"{error}; a bucket that forbids overwriting must allow it for the repair")


def _mend_manifests(work: _Work) -> None:
    """Write each manifest and mirror that is missing or damaged from the other one, the newest first."""
    child: Version | None = None  # which names the digest that its parent must have
    for number in reversed(numbers(work.store)):
        copies = {key_of(number, folder): _raw(work.store, key_of(number, folder)) for folder in (FOLDER, MIRROR)}
        fitting = {version.data: version for version in _fitting(work.store, number, copies, child)}
        if len(fitting) != 1:
            why = "are both lost or damaged" if not fitting else "differ, and nothing says which of them is right"
            work.unrepaired.append(
                f"{' and '.join(map(work.store.url, copies))} {why}: restore one of them from a backup"
            )
            child = None
            continue
        child = next(iter(fitting.values()))
        for key, data in copies.items():
            if data != child.data:
                work.put(key, child.data)


def _fitting(store: Store, number: int, copies: dict[str, bytes | None], child: Version | None) -> Iterator[Version]:
    """Yield which of a version's manifest and mirror are whole and are what the versions beside it say."""
    for folder in (FOLDER, MIRROR):
        data = copies[key_of(number, folder)]
        try:
            version = None if data is None else parse(store, number, data, folder)
        except Corrupt:
            continue
        if version is None or (child and child.manifest["parent"] != {"number": number, "sha256": version.sha256}):
            continue
        before = [_raw(store, key_of(number - 1, place)) for place in (FOLDER, MIRROR)] if number > 1 else []
        digests = {sha256_bytes(data) for data in before if data is not None}
        if child or not digests or (version.manifest.get("parent") or {}).get("sha256") in digests:
            yield version


def _raw(store: Store, key: str) -> bytes | None:
    try:
        return store.read(key)
    except NotFound:
        return None


def _mend_blobs(work: _Work, version: Version, find: Callable[[Version], Sources]) -> None:
    damaged = damage(version)
    if not damaged:
        return
    try:
        _remake(_Mender(work, version, damaged), version, find)
    except TelltaleError as error:
        work.unrepaired.append(f"the objects of version {version.number} could not be made again: {error}")
    stated, now = version.manifest.get("libraries", {}), library_versions()
    unlike = [name for name in ("pyarrow",) if stated.get(name) != now.get(name)]
    hint = "".join(f" ({name} is {now.get(name)} here and was {stated.get(name)})" for name in unlike)
    for problem in damage(version).values():
        work.unrepaired.append(f"{problem}; its bytes could not be made again{hint}")


def _remake(mender: _Mender, version: Version, find: Callable[[Version], Sources]) -> None:
    """Make the version's blobs again as they were made: by its run, or of the version that it restored."""
    if version.restored_from is None:
        sources = find(version)
        verdict = decided(
            Verdict.open(sources.verdict_dir, drop=sources.drop), version.manifest["lineage"].get("review")
        )
        payload = check_payload(sources.drop)
        there = _mended_overlap(mender, version, sources.drop, find)
        place_all(mender, sources.drop, verdict, sources.config, report=sources.report, payload=payload, there=there)
        return
    base = read_numbered(version.store, version.restored_from)
    _mend_blobs(mender.work, base, find)
    index = read_tables(base, "index")
    if index is not None:
        request = version.manifest["lineage"]["restore"]
        moved(mender, base, index, request=request, config=PublishConfig())


def _mended_overlap(
    mender: _Mender, version: Version, drop: DropLike, find: Callable[[Version], Sources]
) -> frozenset[str]:
    """Return which samples of a drop stood in the version to which it was appended, once that is mended, too."""
    if (to := version.appended_to) is None:
        return frozenset()
    base = read_numbered(version.store, to)
    _mend_blobs(mender.work, base, find)
    mender.damaged &= set(damage(version))
    return frozenset(name for name, _ in placed(base, {str(name) for name in drop.sample_ids}))


class _Mender:
    """Takes the blobs as they are made again, and writes those that are damaged under the name that they have."""

    def __init__(self, work: _Work, version: Version, damaged: dict[str, str]) -> None:
        self.work = work
        self.damaged = set(damaged)
        self.named = {blob.sha256: blob for blob in version.blobs()}

    def place(self, data: Content, suffix: str, rows: int | None) -> Blob:
        """Return the version's blob of these bytes, written again if it was damaged."""
        sha256 = sha256_bytes(data)
        blob = self.named.get(sha256)
        if blob is None:  # not what this version holds: nothing is written
            return Blob(path=f"blobs/sha256/{sha256[:2]}/{sha256}{suffix}", sha256=sha256, bytes=len(data), rows=rows)
        if blob.path in self.damaged:
            self.damaged.remove(blob.path)
            self.work.put(blob.path, data)
        return blob
