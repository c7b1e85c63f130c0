"""Removing blobs that no version names. The reasoning why it is safe beside a running publish: ``blob_writer.py``."""

from __future__ import annotations

import dataclasses
import logging
import time

from telltale_core.errors import ConfigError, NotFound
from telltale_core.publish.blob_writer import MIN_GRACE_S, tombstone
from telltale_core.publish.history import Dataset, as_store, log, mirror
from telltale_core.publish.manifest import Version

logger = logging.getLogger(__name__)
BLOBS = "blobs"
DEFAULT_GRACE_S = 7 * 24 * 3600.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GcReport:
    """What gc removed, or with ``dry_run`` would remove; ``bytes`` is freed, ``young`` is protected by grace."""

    removed: tuple[str, ...]
    bytes: int
    named: int
    young: int
    dry_run: bool


def gc(dataset: Dataset, *, older_than_s: float = DEFAULT_GRACE_S, dry_run: bool = True) -> GcReport:
    """Return which blobs no version names and are older than ``older_than_s`` (at least 48 h); removes them if asked.

    Versions and what they name are never touched. Nothing is removed where a manifest that once stood is missing,
    cannot be read or is not the one that the next version names (:class:`Corrupt`), nor where there are blobs without
    any version (:class:`NotFound`). Raises :class:`ConfigError` for a shorter grace.
    """
    if older_than_s < MIN_GRACE_S:
        raise ConfigError(f"older_than_s must be >= {MIN_GRACE_S:.0f} (a publish may be running), got {older_than_s}")
    store = as_store(dataset)
    listed = store.scan(BLOBS)  # first the blobs, then the manifests: the order is part of the proof
    versions = log(store)
    if listed and not versions:
        raise NotFound(
            f"{store.location.url} holds {len(listed)} blobs, but no version: its manifests are lost, or nothing was "
            "published yet. Nothing was removed; restore _versions/ and _mirror/ from a backup, or publish first"
        )
    named = _named(versions)
    loose = [entry for entry in listed if entry.key not in named]
    now = time.time()
    old = [entry for entry in loose if now - entry.modified_s > older_than_s]
    if old and not dry_run:
        mirror(store, versions)  # before anything goes: a manifest lost later must not look as if it had never been
        named = _named(
            log(store)
        )  # not needed by the proof; it shrinks the window for what the proof assumes of clocks
        old = [entry for entry in old if entry.key not in named]
        for entry in old:
            store.create(tombstone(entry.key), b"")
            store.delete(entry.key)
            logger.info("removed %s, which no version names", store.url(entry.key))
    return GcReport(
        removed=tuple(entry.key for entry in old),
        bytes=sum(entry.bytes for entry in old),
        named=len(listed) - len(loose),
        young=len(loose) - len(old),
        dry_run=dry_run,
    )


def _named(versions: list[Version]) -> set[str]:
    return {blob.path for version in versions for blob in version.blobs()}
