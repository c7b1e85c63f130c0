"""Finds complete drops that nobody started: their notification was lost, or their store sends none."""

from __future__ import annotations

import logging

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from flows.start_run import Feed, refuse, start, started_keys
from tasks import artifacts, keys, redaction

log = logging.getLogger(__name__)
SAID = 20  # refused uploads, and old drops, told of one by one
UNSAID: dict[str, list[str]] = {}  # a deployment of before the table: it takes nothing, and says how to deploy


def run_name() -> str:
    """Return what the UI calls a run, such as ``sweep inbox``."""
    return f"sweep {keys.stem(flow_run.parameters['inbox'])}"


@flow(name="sweep", flow_run_name=run_name, retries=2, retry_delay_seconds=20)
@redaction.withholding
def sweep(
    inbox: str, clean: str, quiet_s: float = 900.0, datasets: dict[str, list[str]] | None = UNSAID
) -> dict[str, int]:
    """Start every complete drop below the inbox that has no run yet; return how many stand in which state.

    Args:
        inbox: Where drops arrive, as <inbox>/<folder>/<drop>/<files>.
        clean: Where datasets are published, as <clean>/<dataset>.
        quiet_s: Seconds without a new file after which a drop without _SUCCESS or _MANIFEST.json counts as complete.
        datasets: The folders of the inbox that feed each dataset, such as {"signs": ["team-a/signs"]}; what lies
            elsewhere is refused. null: each folder of the inbox is called as the dataset that it feeds. Set it by
            telltale deploy --config: this form cannot edit it.

    """
    feed = Feed(inbox=inbox, clean=clean, quiet_s=quiet_s, datasets=datasets)
    arrivals = feed.open().arrivals()
    ready = [arrival for arrival in arrivals if arrival.complete]
    refused = [arrival for arrival in arrivals if arrival.refused]
    old = [arrival for arrival in arrivals if arrival.old]
    with get_client(sync_client=True) as client:
        there = started_keys(client, [arrival.key for arrival in (*ready, *old)])
        started = [a for a in ready if a.key not in there and start(client, feed, a, "sweep")]
        for arrival in refused[:SAID]:
            refuse(client, feed, arrival.place, arrival.refused)
    artifacts.show_refused([arrival.refused for arrival in refused])
    forgotten = [arrival for arrival in old if arrival.key not in there]
    for arrival in forgotten[:SAID]:
        log.warning("%s: %s", arrival.url, arrival.why)
    artifacts.show_forgotten([(arrival.url, arrival.why) for arrival in forgotten])
    counts = {
        "drops": len(arrivals),
        "incomplete": len(arrivals) - len(ready) - len(refused) - len(old),
        "old": len(old),
        "started": len(started),
        "refused": len(refused),
    }
    log.info("%d drops, %d incomplete, %d too old to be started, %d started now, %d refused", *counts.values())
    return counts
