"""Removing what nobody used for long from a work area: whole stage folders, by their newest file.

Their content can be computed again. A result that is used again is renewed (:meth:`WorkArea.renew`). Nothing but stage
folders is touched, whatever else lies there: no published dataset, no inbox. A folder's records go first: what is half
removed counts as not computed.
"""

from __future__ import annotations

import logging
import re
import time
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from telltale_core.errors import ConfigError
from telltale_core.storage.store import Store, open_store
from telltale_core.storage.transport import Entry

logger = logging.getLogger(__name__)
LEAST_S = 14 * 86_400.0  # a review may take a week, and what it rests on must stand after it
KEY = re.compile(r"[0-9a-f]{64}")
"""A stage folder is ``<stage>/<key>``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """What was removed: folders of the work area, and their bytes; ``kept`` counts the folders that stay."""

    folders: tuple[str, ...]
    bytes: int
    kept: int


def expire(work: str, stages: Collection[str], *, older_than_s: float, now_s: float | None = None) -> Expired:
    """Return which folders of ``stages`` were removed: those without a file younger than ``older_than_s``."""
    if older_than_s < LEAST_S:
        raise ConfigError(f"older_than_s must be >= {LEAST_S:.0f} (a review may be open), got {older_than_s}")
    store, now_s = open_store(work), time.time() if now_s is None else now_s
    folders: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in store.scan():
        parts = entry.key.split("/")
        if len(parts) > 2 and parts[0] in stages and KEY.fullmatch(parts[1]):
            folders["/".join(parts[:2])].append(entry)
    gone: dict[str, int] = {}
    for name, listed in folders.items():
        if _newest(listed) >= now_s - older_than_s:
            continue
        files = store.scan(name)  # looked at again: a run may have come meanwhile
        if files and _newest(files) < now_s - older_than_s:
            _remove(store, files)
            gone[name] = sum(entry.bytes for entry in files)
            logger.info("removed %s of the work area: unused for %.0f days", name, older_than_s / 86_400)
    return Expired(folders=tuple(sorted(gone)), bytes=sum(gone.values()), kept=len(folders) - len(gone))


def _newest(files: list[Entry]) -> float:
    return max(entry.modified_s for entry in files)


def _remove(store: Store, files: list[Entry]) -> None:
    for entry in sorted(files, key=lambda entry: (not entry.key.endswith(".json"), entry.key)):
        store.delete(entry.key)
