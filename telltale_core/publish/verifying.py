"""Checking a published version against its own record, byte by byte."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pyarrow as pa

from telltale_core.errors import Corrupt, NotFound
from telltale_core.publish.commit import settle
from telltale_core.publish.history import Dataset, as_store, chain_problem, read_numbered, read_version
from telltale_core.publish.manifest import CURE, MIRROR, OTHERS, Blob, Version, key_of
from telltale_core.publish.tables import read_table


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What verification found: ``problems`` are sentences that name the object; none means that all is as published.

    ``notes`` say what could not be proved, without being damage.
    """

    number: int
    blobs: int
    bytes: int
    rows: int
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()

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
    for blob in version.blobs(OTHERS):
        if table := _table(version, blob, problems):
            held[OTHERS] += table.num_rows
    problems += damage(version, "report").values()
    if repeated := [name for name, count in ids.items() if count > 1]:
        problems.append(f"{len(repeated)} samples stand more than once in the index, the first is {repeated[0]!r}")
    chain, notes = _ancestry(version)
    problems += chain
    total = sum(blob.bytes for blob in checked)
    return VerifyReport(
        number=version.number,
        blobs=len(checked),
        bytes=total,
        rows=sum(held.values()),
        problems=tuple(problems),
        notes=tuple(notes),
    )


def damage(version: Version, *lists: str) -> dict[str, str]:
    """Return what is wrong with the version's objects (of the named lists, or all), by key: nothing for whole ones."""
    messages = {}
    for blob in version.blobs(*lists):
        try:
            version.store.verify(blob.path, blob.sha256)
        except (Corrupt, NotFound) as error:
            messages[blob.path] = str(error)
    return messages


def still_whole(version: Version, versions: list[Version]) -> Version:
    """Return a version that a run published before, once it is shown to be whole and to stay; else :class:`Corrupt`."""
    settle(version.store, versions)
    if messages := list(damage(version).values()):
        raise Corrupt(
            f"version {version.number}, which this run published, is damaged: {messages[0]} ({len(messages)}); {CURE}"
        )
    return version


def _table(version: Version, blob: Blob, problems: list[str]) -> pa.Table | None:
    try:
        return read_table(version, blob)
    except (Corrupt, NotFound) as error:
        problems.append(str(error))
        return None


def _ancestry(version: Version) -> tuple[list[str], list[str]]:
    """Return problems and notes of the chain of parents down to version 1, and of the manifests' mirrors."""
    problems, notes = [], []
    if not version.proved:
        notes.append(
            f"version {version.number} is unproved: its manifest, of an older format, holds no digest of itself. "
            "The next version vouches for it"
        )
    while True:
        try:
            if version.store.read(key_of(version.number, MIRROR)) != version.data:
                problems.append(f"the mirror of version {version.number} is not its manifest: one of them is damaged")
        except NotFound:
            notes.append(f"the manifest of version {version.number} has no mirror yet; the next publication makes it")
        if version.number == 1:
            before = None
        else:
            try:
                before = read_numbered(version.store, version.number - 1)
            except (NotFound, Corrupt) as error:
                return [*problems, f"ancestor {version.number - 1}: {error}"], notes
        if problem := chain_problem(before, version):
            return [*problems, problem], notes
        if before is None:
            return problems, notes
        version = before
