"""The weekly flow that reads the newest version of each dataset back, all of it, and holds it against its record."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.start_run import read_feed
from tasks import redaction, sanitize, story
from telltale_core import publish
from telltale_core.errors import NotFound, TelltaleError
from telltale_core.storage import open_store

PARTS = ("_versions", "_mirror", "blobs")
"""Folders of a dataset, by which it is known that there is one."""


@flow(name="verify-all", flow_run_name="verify all datasets")
@redaction.withholding
def verify_all() -> State[Any]:
    """Verify the newest version of every dataset; ``Failed`` names what is damaged, and the cure."""
    with get_client(sync_client=True) as client:
        feed = read_feed(client)
    datasets = sorted(feed.datasets) if feed.datasets is not None else published_below(feed.clean)
    problems: list[str] = []
    checked = 0
    for name in datasets:
        try:
            result = publish.verify(f"{feed.clean.rstrip('/')}/{name}")
        except NotFound:  # a dataset of the table without a version yet, unless something of one is there
            if any(key.split("/")[0] in PARTS for key in open_store(f"{feed.clean.rstrip('/')}/{name}").list()):
                problems.append(f"{name}: its manifests are gone, but blobs of it are there")
            continue
        except TelltaleError as error:
            problems.append(f"{name}: {error}")
            continue
        checked += 1
        story.say("%s: version %d, %d objects, %d bytes", name, result.number, result.blobs, result.bytes)
        problems += [f"{name}, version {result.number}: {problem}" for problem in result.problems]
    if problems:
        cure = "telltale verify DATASET --repair --work WORK writes again what the work area still holds"
        return Failed(message=sanitize.line("\n".join([f"{len(problems)} problems", *problems[:20], cure])))
    return Completed(message=f"{checked} datasets are whole")


def published_below(clean: str) -> list[str]:
    """Return the names of the datasets that have a version below an address."""
    keys = (key.split("/") for key in open_store(clean).list())
    return sorted({parts[0] for parts in keys if parts[0] != "_doctor" and parts[1:2] and parts[1] in PARTS})
