"""The one commit point: the manifest ``_versions/<number>.json`` is created, or it is not."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from telltale_core import stopping
from telltale_core.errors import CommitUnknown, Conflict, Corrupt, NotFound, StorageError, Transient
from telltale_core.publish.blob_writer import Placer
from telltale_core.publish.failpoint import reach
from telltale_core.publish.history import mirror, read_numbered
from telltale_core.publish.manifest import FORMAT, Version, key_of, library_versions, parse, seal
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


class ParentMoved(Conflict):
    """Another version was committed after the one that was to be the parent."""


def commit(placer: Placer, versions: list[Version], draft: dict[str, Any]) -> Version:
    """Return the version made of ``draft``, committed after the last of ``versions``, or what this run has published.

    ``draft`` lacks only format, number, parent, write id and time. Whoever loses a race for a number reads the winner:
    if that is the same run it is returned, else :class:`ParentMoved` is raised, as what is published was held against
    its parent. Raises :class:`Corrupt` if the counts do not add up, :class:`CommitUnknown` if the manifest may or may
    not stand (run again: the run key decides).
    """
    store, run = placer.store, (draft["run_key"], draft["drop"]["digest"])
    if standing := find_run(versions, *run):
        return standing
    version = _numbered(store, versions, draft, placer.write_id)
    if placer.dry_run:
        return Version(store=store, manifest=version.manifest, data=version.data, committed=False)
    placer.check_deadline()
    try:
        with stopping.in_order():
            _create(store, version)
    except Conflict:
        if standing := find_run([_winner(store, version.number)], *run):
            return standing
        raise ParentMoved(f"{store.location.url}: version {version.number} was committed meanwhile") from None
    reach("after-commit")
    settle(store, [version])
    return version


def _create(store: Store, version: Version) -> None:
    """Create the manifest; a signal that comes before it prevents it, one that comes meanwhile finds it standing."""
    stopping.check("nothing was published")
    name = f"version {version.number} of {store.location.url}"
    stopping.note_commit(f"{name} was being committed, the same command finds out whether it stands")
    try:
        store.create(key_of(version.number), version.data)
    except Conflict:
        stopping.note_commit("")
        raise
    _confirm(store, version)
    stopping.note_commit(f"{name} was committed before")


def settle(store: Store, versions: list[Version]) -> None:
    """See that committed manifests stay: on disk, and in the mirror. What fails may pass, and is left to the next run.

    Raises :class:`Corrupt` where the mirror shows that another version of the same number was lost.
    """
    try:
        store.persist(key_of(versions[-1].number))  # a killed publisher may have left it unsynced
        mirror(store, versions)
    except Conflict as error:
        raise Corrupt(f"a manifest was lost and its number given to another version: {error}") from None
    except StorageError as error:
        logger.warning("the mirror of the manifests is not complete, the next publication completes it: %s", error)


def _numbered(store: Store, versions: list[Version], draft: dict[str, Any], write_id: str) -> Version:
    """Return the version as its readers will see it; raises :class:`Corrupt` if they would refuse it."""
    parent = versions[-1] if versions else None
    number = parent.number + 1 if parent else 1
    manifest = {
        **draft,
        "format": FORMAT,
        "number": number,
        "parent": {"number": parent.number, "sha256": parent.sha256} if parent else None,
        "write_id": write_id,
        "created_at": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        "libraries": library_versions(),
    }
    return parse(store, number, seal(manifest))


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
