"""Signs of life of the processes that serve: bridges and workers tell the server that they are there, and as what.

Each is an event ``telltale.alive``: automations may wait for it, the doctor reads the last minute's. Prefect keeps its
own heartbeats of workers, but none of a bridge, and no versions.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.events import EventPage
from prefect.events.filters import EventFilter

from flows import names
from tasks import sanitize

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One process that was heard of: its kind (``bridge``, ``worker-cpu``, ``worker-gpu``), name and versions."""

    kind: str
    name: str
    prefect: str
    telltale: str


def this_process(kind: str, name: str = "") -> Sign:
    """Return the sign of life of this process; without a name it is called after its host."""
    name = sanitize.name(name or f"{socket.gethostname()}-{os.getpid()}")
    return Sign(kind=kind, name=name, prefect=version("prefect"), telltale=version("telltale-cleanse"))


def tell(client: SyncPrefectClient, sign: Sign) -> None:
    """Post a sign of life; raises where the server does not take it."""
    event = {
        "id": str(uuid.uuid4()),
        "event": names.ALIVE_EVENT,
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {"prefect.resource.id": f"telltale.{sign.kind}.{sign.name}", "prefect.resource.name": sign.name},
        "payload": {"kind": sign.kind, "name": sign.name, "prefect": sign.prefect, "telltale": sign.telltale},
    }
    client.request("POST", "/events", json=[event]).raise_for_status()


def heard(client: SyncPrefectClient, seconds: float = names.SEEN_WITHIN_S) -> list[Sign]:
    """Return the processes heard of in the last ``seconds``, each once."""
    since = datetime.now(UTC) - timedelta(seconds=seconds)
    criteria: dict[str, Any] = {"event": {"name": [names.ALIVE_EVENT]}, "occurred": {"since": since}}
    page = client.read_events(EventFilter.model_validate(criteria), limit=50)  # the most that a server gives at a time
    events = page.events
    while (
        page.next_page
    ):  # an address as the server knows it, which a proxy before it may not: its token alone is taken
        token = {"page-token": str(page.next_page).partition("page-token=")[2]}
        page = EventPage.model_validate(client.request("GET", "/events/filter/next", params=token).json())
        events = [*events, *page.events]
    fields = ("kind", "name", "prefect", "telltale")
    return sorted({Sign(**{name: str(event.payload.get(name, "")) for name in fields}) for event in events}, key=str)


@contextmanager
def telling(sign: Sign, every_s: float = names.ALIVE_EVERY_S) -> Iterator[None]:
    """Tell that this process lives, at once and every ``every_s``, until the block ends; never raises."""
    stop = threading.Event()

    def tell_again() -> None:
        last = ""
        while True:
            try:
                with get_client(sync_client=True) as client:
                    tell(client, sign)
                last = ""
            except Exception as error:  # noqa: BLE001 - it is only news
                if last != (last := type(error).__name__):
                    log.warning("the server takes no sign of life: %s", last)
            if stop.wait(every_s):
                return

    thread = threading.Thread(target=tell_again, daemon=True, name="tell that it is alive")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=5)
