"""Starts one drop by name: what the event ``telltale.drop.landed`` of somebody else's system runs."""

from __future__ import annotations

import logging

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from flows.starting import read_feed, start
from tasks import inert, redaction
from telltale_core.errors import BadInput, NotFound

log = logging.getLogger(__name__)


def run_name() -> str:
    """Return what the UI calls a run, such as ``arrival signs monday``."""
    return f"arrival {inert.name(flow_run.parameters['dataset'])} {inert.name(flow_run.parameters['name'])}"


@flow(name="arrival", flow_run_name=run_name, retries=3, retry_delay_seconds=20)
@redaction.withholding
def arrival(dataset: str, name: str) -> str:
    """Start the drop <inbox>/<dataset>/<name> if it is complete and has no run yet; return what came of it.

    Args:
        dataset: The folder of the inbox that is called as the dataset.
        name: The drop's own folder.

    """
    with get_client(sync_client=True) as client:
        feed = read_feed(client)
        if why := feed.open().refusal(dataset, name):
            raise BadInput("url_refused", why)
        found = feed.open().arrival(dataset, name)
        if found is None:
            raise NotFound(f"{feed.inbox} holds no drop {dataset}/{name}")
        if not found.complete:
            return f"waits: {found.why}"
        return "started" if start(client, feed, found, "event") else "known"
