"""Reading what is published: always by version number, never by time."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from telltale_core.errors import Corrupt, NotFound
from telltale_core.publish.manifest import CURE, FOLDER, MIRROR, Blob, Version, key_of, number_of, parse
from telltale_core.storage import Store, open_store

Dataset = str | os.PathLike[str] | Store
PARALLEL_READS = 16


def as_store(dataset: Dataset) -> Store:
    """Return the dataset's store, opened if a URL or path was given."""
    return dataset if isinstance(dataset, Store) else open_store(dataset)


def numbers(store: Store) -> range:
    """Return the numbers of all versions that ever were: from 1 to the highest of the manifests and their mirrors."""
    mirrored = _standing(store, MIRROR)  # listed first: whatever stands there was committed before
    return range(1, max(mirrored | _standing(store, FOLDER), default=0) + 1)


def _standing(store: Store, folder: str) -> set[int]:
    return {number for key in store.list(folder) if (number := number_of(key, folder)) is not None}


def read_numbered(store: Store, number: int) -> Version:
    """Return one version by number; raises :class:`NotFound` or :class:`Corrupt`."""
    return parse(store, number, store.read(key_of(number)))


def _read_known(store: Store, number: int) -> Version:
    """Return a version of which is known that it was published."""
    try:
        return read_numbered(store, number)
    except NotFound:
        raise Corrupt(f"{store.url(key_of(number))} is missing, but it was published: {CURE}") from None


def log(dataset: Dataset) -> list[Version]:
    """Return all versions, oldest (number 1) first; an empty list where nothing is published.

    Raises :class:`Corrupt` if a manifest is damaged or missing, or not the one that the version after it names.
    """
    store = as_store(dataset)
    existing = numbers(store)
    if len(existing) < 3:
        versions = [_read_known(store, number) for number in existing]
    else:
        with ThreadPoolExecutor(PARALLEL_READS) as pool:
            versions = list(pool.map(lambda number: _read_known(store, number), existing))
    for parent, version in itertools.pairwise([None, *versions]):
        if version is not None and (problem := chain_problem(parent, version)):
            raise Corrupt(f"{store.location.url}: {problem}: {CURE}")
    return versions


def chain_problem(parent: Version | None, version: Version) -> str | None:
    """Return how a version contradicts the one before it (None for version 1), or None if it names that as parent."""
    stated = version.manifest.get("parent")
    if parent is None:
        return None if stated is None else "version 1 names a parent"
    if stated == {"number": parent.number, "sha256": parent.sha256}:
        return None
    return f"version {version.number} names another parent than version {parent.number} as it stands"


def line_of(versions: list[Version], origin: Version) -> list[Version]:
    """Return the versions that hold one set of samples, growing: from the first run, through ``origin``, to the last.

    Each is a restore of the one before it in the line, or a drop appended to it.
    """
    line = [origin]
    while (before := line[0].follows) is not None and 0 < before < line[0].number:
        line.insert(0, versions[before - 1])
    for version in versions[origin.number :]:
        if version.follows == line[-1].number:
            line.append(version)
    return line


def own_files(version: Version) -> list[Blob]:
    """Return a version's published shards without those of the version to which its drop was appended."""
    to = version.appended_to
    before = set() if to is None else {blob.path for blob in read_numbered(version.store, to).blobs("files")}
    return [blob for blob in version.blobs("files") if blob.path not in before]


def mirror(store: Store, versions: Iterable[Version]) -> None:
    """See that each version's manifest stands once more in the mirror, so that its loss is noticed and mended.

    Raises :class:`Conflict` if another version of this number stood once, which means that a manifest was lost.
    """
    standing = _standing(store, MIRROR)
    for version in versions:
        if version.number not in standing:
            store.create(key_of(version.number, MIRROR), version.data)


def read_version(dataset: Dataset, number: int | None = None) -> Version:
    """Return version ``number``, or the newest.

    Raises :class:`NotFound` if there is none, :class:`Corrupt` if its manifest is damaged or lost.
    """
    store = as_store(dataset)
    if number is not None:
        return read_numbered(store, number)
    if not (existing := numbers(store)):
        raise NotFound(f"{store.location.url} holds no published version")
    return _read_known(store, existing[-1])
