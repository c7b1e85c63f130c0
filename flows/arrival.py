"""Starts one drop by name: what the event ``telltale.drop.landed`` of somebody else's system runs."""

from __future__ import annotations

import logging

from prefect import flow
from prefect.client.orchestration import get_client

from flows.starting import read_feed, start
from tasks import redaction
from telltale_core.errors import NotFound

log = logging.getLogger(__name__)


@flow(name="arrival", flow_run_name="arrival {dataset}/{name}", retries=3, retry_delay_seconds=20)
@redaction.withholding
def arrival(dataset: str, name: str) -> str:
    """Start the drop <inbox>/<dataset>/<name> if it is complete and has no run yet; return what came of it.

    Args:
        dataset: The folder of the inbox that is called as the dataset.
        name: The drop's own folder.

    """
    with get_client(sync_client=True) as client:
        feed = read_feed(client)
        found = feed.open().arrival(dataset, name)
        if found is None:
            raise NotFound(f"{feed.inbox} holds no drop {dataset}/{name}")
        if not found.complete:
            return f"waits: {found.why}"
        return "started" if start(client, feed, found, "event") else "known"
