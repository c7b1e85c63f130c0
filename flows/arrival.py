"""Starts one drop by name: what the event ``telltale.drop.landed`` of somebody else's system runs."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from flows.start_run import Feed, read_feed, refuse, start
from tasks import redaction, sanitize
from telltale_core.errors import NotFound
from telltale_core.inbox import Arrival

CURE = "add one to its list inbox in the file of telltale deploy --config, and deploy again"
ORDER = ["Known", "Started", "Waits", "Refused"]  # of several drops of one name, what a person should see


def run_name() -> str:
    """Return what the UI calls a run, such as ``arrival signs monday``."""
    return f"arrival {sanitize.name(flow_run.parameters['dataset'])} {sanitize.name(flow_run.parameters['name'])}"


@flow(name="arrival", flow_run_name=run_name, retries=3, retry_delay_seconds=20)
@redaction.withholding
def arrival(dataset: str, name: str) -> State[Any]:
    """Start the drop of this name in a folder that feeds the dataset, if it is complete and has no run yet.

    The final state is called by what came of it: ``Started``, ``Known``, ``Waits``, or ``Refused`` with the cure.

    Args:
        dataset: The dataset; where no table says which folders feed it, the folder of the inbox that is called as it.
        name: The drop's own folder.

    """
    with get_client(sync_client=True) as client:
        feed = read_feed(client)
        inbox = feed.open()
        folders = inbox.allowed.fed_by(dataset)
        if not folders:
            return _refused(
                client, feed, (dataset, name), f"no folder of the inbox feeds {sanitize.name(dataset)}: {CURE}"
            )
        for folder in folders:
            if why := inbox.refusal(folder, name):
                return _refused(client, feed, (folder, name), why)
        drops = [drop for folder in folders if (drop := inbox.arrival(folder, name)) is not None]
        if not drops:
            raise NotFound(f"{feed.inbox} holds no drop {name} in {' or '.join(folders)}")
        return max((_start(client, feed, drop) for drop in drops), key=lambda state: ORDER.index(str(state.name)))


def _start(client: SyncPrefectClient, feed: Feed, drop: Arrival) -> State[Any]:
    if drop.refused:
        return _refused(client, feed, drop.place, drop.refused)
    if not drop.complete:
        return Completed(name="Waits", message=sanitize.line(drop.why))
    return Completed(name="Started" if start(client, feed, drop, "event") else "Known", message=drop.url)


def _refused(client: SyncPrefectClient, feed: Feed, place: tuple[str, str], why: str) -> State[Any]:
    """Say once that it is not taken: no failure, for it would be refused the next time, too."""
    refuse(client, feed, place, why)
    return Completed(name="Refused", message=sanitize.line(why))
