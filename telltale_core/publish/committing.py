"""The one commit point: the manifest ``_versions/<number>.json`` is created, or it is not."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from telltale_core import stopping
from telltale_core.digest import sha256_bytes
from telltale_core.errors import CommitUnknown, Conflict, Corrupt, NotFound, Transient
from telltale_core.publish.failpoint import reach
from telltale_core.publish.history import read_numbered
from telltale_core.publish.manifest import FORMAT, Version, count_problem, key_of, library_versions, to_bytes
from telltale_core.publish.placing import Placer
from telltale_core.storage import Store

logger = logging.getLogger(__name__)
MOST_CONFLICTS = 1000


def find_run(versions: list[Version], run_key: str, drop_digest: str) -> Version | None:
    """Return the version that this run has published already; raises :class:`Conflict` if its drop was another."""
    for version in versions:
        if version.run_key == run_key:
            if version.manifest["drop"].get("digest") != drop_digest:
                raise Conflict(f"the run key {run_key} was used for another drop in version {version.number}")
            return version
    return None


def commit(placer: Placer, versions: list[Version], draft: dict[str, Any]) -> Version:
    """Return the version made of ``draft``, committed under the next free number, or what this run published before.

    ``draft`` lacks only format, number, parent, write id and time. Whoever loses a race for a number reads the winner,
    and takes the next number unless the winner is the same run. Raises :class:`Corrupt` if the counts do not add up,
    :class:`CommitUnknown` if the manifest may or may not stand (run again: the run key decides).
    """
    store, versions = placer.store, list(versions)
    for _ in range(MOST_CONFLICTS):
        if standing := find_run(versions, draft["run_key"], draft["drop"]["digest"]):
            return standing
        version = _numbered(store, versions, draft, placer.write_id, committed=not placer.dry_run)
        if problem := count_problem(version):
            raise Corrupt(f"refused to publish: {problem}")
        if placer.dry_run:
            return version
        placer.check_deadline()
        try:
            with stopping.in_order():
                _create(store, version)
        except Conflict:
            versions.append(_winner(store, version.number))
            logger.info("version %d of %s was taken, trying the next", version.number, store.location.url)
            continue
        reach("after-commit")
        return version
    raise Conflict(f"{store.location.url}: {MOST_CONFLICTS} other versions were committed meanwhile, run again")


def _create(store: Store, version: Version) -> None:
    """Create the manifest; a signal that comes before it prevents it, one that comes meanwhile finds it standing."""
    stopping.check("nothing was published")
    name = f"version {version.number} of {store.location.url}"
    stopping.note_commit(f"{name} was being committed, the same command finds out whether it stands")
    try:
        store.create(key_of(version.number), to_bytes(version.manifest))
    except Conflict:
        stopping.note_commit("")
        raise
    _confirm(store, version)
    stopping.note_commit(f"{name} was committed before")


def _numbered(
    store: Store, versions: list[Version], draft: dict[str, Any], write_id: str, *, committed: bool
) -> Version:
    parent = versions[-1] if versions else None
    manifest = {
        **draft,
        "format": FORMAT,
        "number": parent.number + 1 if parent else 1,
        "parent": {"number": parent.number, "sha256": parent.sha256} if parent else None,
        "write_id": write_id,
        "created_at": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        "libraries": library_versions(),
    }
    return Version(store=store, manifest=manifest, sha256=sha256_bytes(to_bytes(manifest)), committed=committed)


def _winner(store: Store, number: int) -> Version:
    try:
        return read_numbered(store, number)
    except NotFound:
        message = f"{store.url(key_of(number))} could not be created, and cannot be read: the store contradicts itself"
        raise CommitUnknown(message) from None


def _confirm(store: Store, version: Version) -> None:
    """Read the manifest back: a store that says yes and keeps nothing must not pass for a published version."""
    key = key_of(version.number)
    try:
        store.read_verified(key, version.sha256)
    except (NotFound, Corrupt, Transient) as error:
        raise CommitUnknown(
            f"{store.url(key)} was accepted by the store but could not be read back ({type(error).__name__}): "
            "check the store and run again; the run key makes that safe"
        ) from error
