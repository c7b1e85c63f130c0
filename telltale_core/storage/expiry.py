"""Removing what nobody used for long from a work area: whole stage folders, by their newest file.

Their content can be computed again. Nothing else is touched: no published dataset, no inbox. A folder's records go
first: what is half removed counts as not computed.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from dataclasses import dataclass

from telltale_core.errors import ConfigError
from telltale_core.storage.store import Store, open_store
from telltale_core.storage.transport import Entry

logger = logging.getLogger(__name__)
LEAST_S = 14 * 86_400.0  # a review may take a week, and what it rests on must stand after it
KEPT = ("locks", "_doctor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """What was removed: folders of the work area, and their bytes; ``kept`` counts the folders that stay."""

    folders: tuple[str, ...]
    bytes: int
    kept: int


def expire(work: str, *, older_than_s: float, now_s: float | None = None) -> Expired:
    """Return which stage folders of the work area were removed: those without a file younger than ``older_than_s``."""
    if older_than_s < LEAST_S:
        raise ConfigError(f"older_than_s must be >= {LEAST_S:.0f} (a review may be open), got {older_than_s}")
    store, now_s = open_store(work), time.time() if now_s is None else now_s
    folders: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in store.scan():
        parts = entry.key.split("/")
        if parts[0] not in KEPT and len(parts) > 1:
            folders["/".join(parts[:2])].append(entry)
    old = {name: files for name, files in folders.items() if _newest(files) < now_s - older_than_s}
    for name, files in old.items():
        _remove(store, files)
        logger.info("removed %s of the work area: unused for %.0f days", name, older_than_s / 86_400)
    gone = sum(entry.bytes for files in old.values() for entry in files)
    return Expired(folders=tuple(sorted(old)), bytes=gone, kept=len(folders) - len(old))


def _newest(files: list[Entry]) -> float:
    return max(entry.modified_s for entry in files)


def _remove(store: Store, files: list[Entry]) -> None:
    for entry in sorted(files, key=lambda entry: (not entry.key.endswith(".json"), entry.key)):
        store.delete(entry.key)
