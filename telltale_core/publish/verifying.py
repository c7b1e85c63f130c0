"""Checking a published version against its own record, byte by byte."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pyarrow as pa

from telltale_core.errors import Corrupt, NotFound
from telltale_core.publish.history import Dataset, as_store, read_numbered, read_version
from telltale_core.publish.manifest import Blob, Version
from telltale_core.publish.tables import read_table


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What verification found: ``problems`` are sentences that name the object; none means that all is as published."""

    number: int
    blobs: int
    bytes: int
    rows: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Return whether nothing is missing or damaged."""
        return not self.problems


def verify(dataset: Dataset, number: int | None = None) -> VerifyReport:
    """Return what re-hashing all objects of a version (default: the newest), its counts and its ancestry shows.

    Damage is reported, not raised; only a manifest that cannot be read at all raises (:class:`NotFound`,
    :class:`Corrupt`), and a store that does not answer (:class:`Transient`).
    """
    store = as_store(dataset)
    version = read_version(store, number)
    problems: list[str] = []
    held: Counter[str] = Counter()
    places: Counter[str] = Counter()
    ids: Counter[str] = Counter()
    checked = list(version.blobs())
    for blob in version.blobs("index"):
        if table := _table(version, blob, problems):
            places.update(table["file"].to_pylist())
            ids.update(table["sample_id"].to_pylist())
    for name in ("files", "quarantine", "rejected"):
        for blob in version.blobs(name):
            if table := _table(version, blob, problems):
                held[name] += table.num_rows
                if name != "rejected" and places and places.get(blob.path, 0) != table.num_rows:
                    problems.append(f"the index places {places.get(blob.path, 0)} samples in {blob.path}")
    for blob in version.blobs("report"):
        try:
            store.read_verified(blob.path, blob.sha256)
        except (Corrupt, NotFound) as error:
            problems.append(str(error))
    if repeated := [name for name, count in ids.items() if count > 1]:
        problems.append(f"{len(repeated)} samples stand more than once in the index, the first is {repeated[0]!r}")
    problems += _ancestry(version)
    total = sum(blob.bytes for blob in checked)
    return VerifyReport(
        number=version.number, blobs=len(checked), bytes=total, rows=sum(held.values()), problems=tuple(problems)
    )


def _table(version: Version, blob: Blob, problems: list[str]) -> pa.Table | None:
    try:
        return read_table(version, blob)
    except (Corrupt, NotFound) as error:
        problems.append(str(error))
        return None


def _ancestry(version: Version) -> list[str]:
    """Return what is wrong with the chain of parents down to version 1: each names the digest of the one before."""
    while version.number > 1:
        parent = version.manifest.get("parent")
        try:
            before = read_numbered(version.store, version.number - 1)
        except (NotFound, Corrupt) as error:
            return [f"ancestor {version.number - 1}: {error}"]
        if parent != {"number": before.number, "sha256": before.sha256}:
            return [f"version {version.number} names another parent than version {before.number} as it stands"]
        version = before
    return [] if version.manifest.get("parent") is None else ["version 1 names a parent"]
