"""What ``telltale doctor`` does to the stores: a probe is listed, written, read and deleted, with the caller's keys.

Nothing of others is read or changed. The probe lies where a role may write at all: a name of a receipt in the inbox, as
deep as a drop's own; a blob of the dataset ``_doctor`` in the clean area, which holds the same bytes each time and
stays where nobody may delete.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flows.checks import Check
from telltale_core.errors import Conflict, NotFound, TelltaleError
from telltale_core.inbox import RECEIPT
from telltale_core.storage import RetryPolicy, Store, open_store

FOLDER = "_doctor"
BYTES = b"telltale doctor was here\n"
QUICKLY = RetryPolicy(attempts=2, budget_s=5.0)
NEEDS: dict[str, dict[str, tuple[str, ...]]] = {
    "publisher": {
        "inbox": ("list", "read"),
        "work": ("list", "write", "read", "delete"),
        "clean": ("list", "write", "read"),
    },
    "worker": {"work": ("list", "write", "read", "delete")},
    "bridge": {"inbox": ("list", "read")},
    "reviewer": {"work": ("list", "read"), "clean": ("list", "read")},
}
"""What each role must be able to do, by area; infra/policies grants it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A place of the deployments: ``inbox``, ``work`` or ``clean``, and its address."""

    name: str
    url: str

    @property
    def key(self) -> str:
        """Where the probe lies. In the work area each probe is its own, else the one of before is used again."""
        ending = {"inbox": f"{FOLDER}/{RECEIPT}", "clean": "blobs/probe"}.get(
            self.name
        ) or f"probe-{uuid.uuid4().hex[:12]}"
        return f"{FOLDER}/{ending}"


def examine_stores(areas: list[Area], role: str) -> Iterator[Check]:
    """Yield a finding for each area that the role uses, and one for what it should not be able to do."""
    for area in areas:
        if needed := NEEDS[role].get(area.name):
            yield from _examine(area, needed, role)


def _examine(area: Area, needed: tuple[str, ...], role: str) -> Iterator[Check]:
    name = f"{area.name} area"
    try:
        store = open_store(area.url, QUICKLY)
    except TelltaleError as error:
        yield Check(name=name, status="problem", found=str(error), todo="mend the address, and deploy again")
        return
    receipts = area.name == "inbox" and role == "publisher" and store.location.scheme != "file"
    wanted = (*needed, *(("write",) if receipts else ()))  # of a local inbox nothing is written: others may link there
    failures = _probed(store, area.key, wanted)
    failed = [step for step in needed if failures.get(step)]
    if failed:
        todo = f"the role {role} must be able to {', '.join(needed)}: is the store there, are the keys valid?"
        yield Check(name=name, status="problem", found=f"{area.url}: {failed[0]}: {failures[failed[0]]}", todo=todo)
        return
    if area.name == "clean" and "write" in needed and not _keeps(store, area.key):
        problem = f"{area.url}: the store wrote over an object that stands, though it was asked not to (If-None-Match)"
        todo = "two runs could write one version: another store; Ceph 16 does where a bucket has no versioning"
        yield Check(name=name, status="problem", found=problem, todo=todo)
        return
    yield Check(name=name, status="ok", found=f"{area.url}: can {', '.join(needed)}")
    if failures.get("write") and "write" not in needed:
        todo = f"let the role {role} write */{RECEIPT} below the inbox (infra/policies)"
        yield Check(name="receipts", status="note", found=f"contributors get none: {failures['write']}", todo=todo)
    if area.name == "clean" and "write" in needed and store.location.scheme == "s3" and not _try(store, area.key):
        todo = f"deny the role {role} DeleteObject in the clean area: a version is for ever"
        yield Check(
            name="clean area, delete", status="note", found="the caller may delete what is published", todo=todo
        )


def _probed(store: Store, key: str, wanted: tuple[str, ...]) -> dict[str, str]:
    """Return why each wanted step failed; empty where it did not.

    Where the first, to list, fails, no other is tried: a store that hangs costs one deadline, not one a step.
    """
    put = store.create if key.endswith("blobs/probe") else store.write
    steps: dict[str, Callable[[], object]] = {
        "list": lambda: store.scan(FOLDER),
        "write": lambda: put(key, BYTES),
        "read": lambda: _read(store, key, stands="write" in wanted and not failures["write"]),
        "delete": lambda: store.delete(key),
    }
    failures: dict[str, str] = {}
    for step in (step for step in steps if step in wanted):
        failures[step] = _why(steps[step])
        if failures.get("list"):
            break
    return failures


def _read(store: Store, key: str, *, stands: bool) -> None:
    """Read the probe; where none could be written, a missing one proves that it may be read."""
    try:
        if store.read(key) != BYTES:
            raise TelltaleError("the probe reads back otherwise than it was written")
    except NotFound:
        if stands:
            raise


def _keeps(store: Store, key: str) -> bool:
    """Return whether the store refuses to create what stands; the probe holds its own bytes again afterwards."""
    try:
        store.create(key, BYTES[::-1])
    except Conflict:
        return True
    store.create(key, BYTES)
    return False


def _try(store: Store, key: str) -> str:
    return _why(lambda: store.delete(key))


def _why(step: Callable[[], object]) -> str:
    try:
        step()
    except TelltaleError as error:
        return str(error)
    return ""
