"""Putting blobs where their content says, once, verified, and safe from a gc that runs at the same time.

Why gc cannot take a blob that a version needs, wherever publishers and gc run:

1. A blob is *protected* once a committed version names it: gc reads all manifests after it listed the blobs.
2. A publisher uses a blob only if (a) a committed version names it, or (b) it uploaded the blob itself or found it
   younger than ``REUSE_S``, and saw no tombstone for its name afterwards; and it commits only while its oldest blob of
   kind (b) is younger than ``DEADLINE_S``.
3. Any other blob that stands (left by a crash long ago, or of another size) is not used: the same bytes are created
   under a second name, ``<sha256>-<write id>``, which nobody else ever creates.
4. gc removes a blob only if it is unnamed *and* was older than its grace (at least ``MIN_GRACE_S``) when listed; before
   it sends the first delete for a name it creates the name's tombstone, ``_gc/...``, which stays for good.

Say gc removes a blob that version V names, V being the first such version to commit. V did not commit before gc read
the manifests (4), so its use was of kind (b), and when V committed, after gc's listing, the blob was younger than
``DEADLINE_S``. The object that gc listed was older than ``MIN_GRACE_S`` > ``DEADLINE_S``, so it was another one of the
same name, removed before V's was created: by a delete of this or another gc, the present one being late or sent again.
But then the tombstone stood before V's blob was created, and V did not use that name (2). So this does not happen.
The gap between deadline and grace leaves a day and a half for clocks that disagree, for a clock that jumps by a day,
and for a commit request that lands late.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable

from telltale_core.digest import sha256_bytes
from telltale_core.errors import Conflict, Corrupt, NotFound, Transient
from telltale_core.publish.manifest import Blob, Version
from telltale_core.storage import Content, Store

logger = logging.getLogger(__name__)
REUSE_S = 6 * 3600.0
DEADLINE_S = 12 * 3600.0
MIN_GRACE_S = 48 * 3600.0


def tombstone(path: str) -> str:
    """Return the key that says, once it stands, that gc may have sent a delete for ``path``."""
    return "_gc/" + path.removeprefix("blobs/")


def _now() -> tuple[float, float]:
    """Return two clocks: one that never jumps but stands still in a suspended machine, and one that may jump."""
    return time.monotonic(), time.time()


class Placer:
    """Places the blobs of one publish, from any thread; with ``dry_run`` it only says where they would be."""

    def __init__(self, store: Store, versions: Iterable[Version], write_id: str, *, dry_run: bool = False) -> None:
        self.store = store
        self.write_id = write_id
        self.dry_run = dry_run
        self.protected = {blob.path: blob for version in versions for blob in version.blobs()}
        self._lock = threading.Lock()
        self._oldest = _now()  # when the oldest blob of kind (b) was written, or before

    def place(self, data: Content, suffix: str, rows: int | None) -> Blob:
        """Return the blob that now holds ``data``; raises :class:`Corrupt` if the store loses what it accepts."""
        sha256 = sha256_bytes(data)
        stem = f"blobs/sha256/{sha256[:2]}/{sha256}"
        for path in (f"{stem}{suffix}", f"{stem}-{self.write_id[:12]}{suffix}"):
            blob = Blob(path=path, sha256=sha256, bytes=len(data), rows=rows)
            if self.dry_run or self._settle(blob, data):
                return blob
            logger.warning("%s stands but cannot be relied on: placing the same bytes beside it", path)
        self.check_deadline()
        raise Corrupt(f"{self.store.url(path)} could be placed under neither of its names: the store is damaged")

    def check_deadline(self) -> None:
        """Raise :class:`Transient` if the commit would come so late that gc may have taken a blob."""
        if max(now - then for now, then in zip(_now(), self._oldest, strict=True)) > DEADLINE_S:
            raise Transient(f"publishing took more than {DEADLINE_S / 3600:.0f} h: nothing was committed, run it again")

    def _settle(self, blob: Blob, data: Content) -> bool:
        """Return whether the blob, created if it was absent, stands now and may be relied on."""
        started = _now()
        try:
            standing = self.store.stat(blob.path)
        except NotFound:
            self._create(blob, data)
            if not self._intact(blob) and not self.store.exists(tombstone(blob.path)):
                raise Corrupt(
                    f"{self.store.url(blob.path)} was accepted by the store but cannot be read back as it was sent: "
                    "nothing was committed; check the store and run again"
                ) from None
        else:
            protected = self.protected.get(blob.path)
            if standing.bytes == blob.bytes and protected is not None and protected.sha256 == blob.sha256:
                return True
            age_s = time.time() - standing.modified_s
            if standing.bytes != blob.bytes or abs(age_s) > REUSE_S or not self._intact(blob):
                return False
            self.store.persist(blob.path)  # its creator may have been killed before it was on disk
            born = [now - max(0.0, age_s) for now in started]
            with self._lock:
                self._oldest = min(self._oldest[0], born[0]), min(self._oldest[1], born[1])
        return not self.store.exists(tombstone(blob.path))

    def _intact(self, blob: Blob) -> bool:
        """Return whether the store gives back the bytes that the blob's digest names."""
        try:
            self.store.verify(blob.path, blob.sha256)
        except (Corrupt, NotFound):
            return False
        return True

    def _create(self, blob: Blob, data: Content) -> None:
        try:
            self.store.create(blob.path, data)
        except Conflict as error:
            raise Corrupt(f"{error}: its name is the digest of other bytes, so the store is damaged") from None
