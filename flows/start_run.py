"""Starts the run of a drop, once: bridge, sweep and arrivals all come through here.

The run's idempotency key is the drop's address and the digest of its files. The server holds it unique, and answers
only when the run stands in its database: then, and not earlier, may a notification be confirmed.
"""

from __future__ import annotations

import dataclasses
import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterIdempotencyKey
from prefect.client.schemas.responses import DeploymentResponse

from flows import names
from tasks import keys, sanitize
from telltale_core.digest import sha256_bytes
from telltale_core.errors import ConfigError
from telltale_core.inbox import Arrival, Inbox, allow_list
from telltale_core.storage.names import parse_url

log = logging.getLogger(__name__)
DAY_S = 86_400.0
ASK_AT_ONCE = 100


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """From where drops are taken and to where they are published; said once, by ``telltale deploy``.

    The drop ``<inbox>/<folder>/<drop>/`` becomes a version of ``<clean>/<dataset>``. ``datasets`` holds the folders of
    each dataset (:func:`telltale_core.inbox.allow_list`); None: folders are called as their datasets.
    """

    inbox: str
    clean: str
    quiet_s: float
    datasets: Mapping[str, Sequence[str]] | None

    def __post_init__(self) -> None:
        parse_url(self.clean)
        self.open()

    def open(self) -> Inbox:
        """Return the inbox."""
        old_s = names.OLD_DROP_DAYS * DAY_S
        return Inbox(url=self.inbox, quiet_s=self.quiet_s, allowed=allow_list(self.datasets), old_s=old_s)

    def queue(self, arrival: Arrival) -> str:
        """Return where the run of a drop waits for its turn: with its dataset's, which an operator's table lists."""
        return names.DEFAULT_QUEUE if self.datasets is None else f"{names.DATASET_QUEUE}{arrival.dataset}"

    def parameters(self, arrival: Arrival) -> dict[str, Any]:
        """Return what the run of a drop is given."""
        destination = f"{self.clean.rstrip('/')}/{arrival.dataset}"
        return {"source": arrival.url, "destination": destination, "receipt": True}


def read_feed(client: SyncPrefectClient) -> Feed:
    """Return the feed that the sweep is deployed with: bridge and sweep cannot differ. :class:`ConfigError` if none."""
    sweep_parameters = find_deployment(client, names.SWEEP).parameters
    try:
        chosen = {name: sweep_parameters[name] for name in ("inbox", "clean", "datasets")}
        return Feed(**chosen, quiet_s=float(sweep_parameters["quiet_s"]))
    except KeyError as error:
        raise ConfigError(
            f"the deployment {names.SWEEP} has no {error}: run telltale deploy --config FILE ... again"
        ) from None


def find_deployment(client: SyncPrefectClient, name: str) -> DeploymentResponse:
    """Return a deployment by ``flow/deployment``; :class:`ConfigError` says how to make it."""
    from prefect.exceptions import ObjectNotFound

    try:
        return client.read_deployment_by_name(name)
    except ObjectNotFound:
        raise ConfigError(f"the server knows no deployment {name}: run telltale deploy first") from None


def started_keys(client: SyncPrefectClient, keys: Iterable[str]) -> set[str]:
    """Return those of the keys for which a run stands, in whatever state."""
    all_keys, started = list(keys), set()
    for begin in range(0, len(all_keys), ASK_AT_ONCE):
        some = FlowRunFilterIdempotencyKey(any_=all_keys[begin : begin + ASK_AT_ONCE])
        for run in client.read_flow_runs(flow_run_filter=FlowRunFilter(idempotency_key=some), limit=ASK_AT_ONCE):
            started.add(str(run.idempotency_key))
    return started


def start(client: SyncPrefectClient, feed: Feed, arrival: Arrival, by: str) -> bool:
    """Make the run of a complete drop unless it stands; return whether it was made now. Raises where it is not sure."""
    if started_keys(client, [arrival.key]):
        return False
    deployment = find_deployment(client, names.CLEANSE)
    parameters = feed.parameters(arrival)
    run = client.create_flow_run_from_deployment(
        deployment.id,
        parameters=parameters,
        idempotency_key=arrival.key,
        name=f"cleanse {keys.subject(parameters['source'], parameters['destination'])}",
        work_queue_name=feed.queue(arrival) if deployment.work_pool_name else None,
        tags=[*keys.tags(parameters["source"], parameters["destination"]), f"started-by:{by}"],
    )
    log.info("%s/%s: %s; %d files: run %s", arrival.folder, arrival.name, arrival.why, arrival.files, run.name)
    tell(client, arrival, str(run.id), by)
    return True


def tell(client: SyncPrefectClient, arrival: Arrival, run: str, by: str) -> None:
    """Post the event ``telltale.drop.started``, whose id follows from the drop; never raises: it is only news."""
    event = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, arrival.key)),
        "event": names.STARTED_EVENT,
        "occurred": _now(),
        "resource": {"prefect.resource.id": f"telltale.drop.{arrival.dataset}.{arrival.name}"},
        "related": [{"prefect.resource.id": f"prefect.flow-run.{run}", "prefect.resource.role": "flow-run"}],
        "payload": {"url": arrival.url, "files": arrival.files, "bytes": arrival.bytes, "why": arrival.why, "by": by},
    }
    _post(client, event, arrival.url)


def refuse(client: SyncPrefectClient, feed: Feed, place: tuple[str, str], why: str) -> None:
    """Say that what lies at a place is not taken; the server keeps the event ``telltale.drop.refused`` of it once."""
    log.warning("an upload is not taken: %s", why)
    key = f"refused:{feed.inbox}/{place[0]}/{place[1]}"
    event = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, key)),
        "event": names.REFUSED_EVENT,
        "occurred": _now(),
        "resource": {"prefect.resource.id": f"telltale.upload.{sha256_bytes(key.encode())[:16]}"},
        "payload": {"folder": sanitize.name(place[0]), "name": sanitize.name(place[1]), "why": sanitize.line(why)},
    }
    _post(client, event, sanitize.name(place[0]))


def _post(client: SyncPrefectClient, event: dict[str, Any], what: str) -> None:
    try:
        client.request("POST", "/events", json=[event])
    except Exception as error:  # noqa: BLE001 - it is only news
        log.warning("the event of %s was not stored: %s", what, type(error).__name__)


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat()
