"""Registers everything on the server, in an order in which each step finds what it needs. Twice gives the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import VersionInfo
from prefect.exceptions import ObjectNotFound

from deployments import automations, turns
from deployments.definitions import definitions
from deployments.plan import Plan
from deployments.pools import Kind, Template, template
from flows import gpu_turns, names
from flows.settings import check_standing
from telltale_core.errors import ConfigError
from telltale_core.inbox import allow_list
from telltale_core.storage.names import parse_url


def register(plan: Plan) -> list[tuple[str, str]]:
    """Return what stands now, as pairs of kind and name."""
    with get_client(sync_client=True) as client:
        registered = [("work pool", _pool(client, names.CPU_POOL, plan.cpu_type, plan, plan.cpu_runs))]
        registered.append(("work pool", _pool(client, names.GPU_POOL, plan.gpu_type, plan, plan.gpus)))
        registered.append(("result storage", _results(plan.results)))
        config = _standing_config(client) if plan.config is None else dict(plan.config)
        automations.remove(client, names.TRIGGERS)  # made anew with their deployments; earlier releases made them apart
        for one in definitions(plan, config):
            # said, or the repository in which the operator happens to stand would be taken for ours
            one.apply(version_info=VersionInfo(type="prefect:simple", version=str(one.version)))
            registered.append(("deployment", one.full_name))
        for pool, queues in (
            (names.CPU_POOL, turns.queues(_turns(client, plan), plan.gpus)),
            (names.GPU_POOL, gpu_turns.places(plan.gpus)),
        ):
            registered += [("queue", _queue(client, pool, queue, *place)) for queue, place in queues.items()]
        automations.put(client, automations.lost_runs())
        registered += [("automation", name) for name in names.AUTOMATIONS]
    return registered


def _turns(client: SyncPrefectClient, plan: Plan) -> Mapping[str, turns.Turn]:
    """Return the turn of each dataset; where none are given, of those for which no queue stands yet."""
    if plan.turns is not None:
        return plan.turns
    standing = {queue.name for queue in client.read_work_queues(work_pool_name=names.CPU_POOL)}
    return {name: turns.Turn() for name in plan.feed.datasets or () if names.DATASET_QUEUE + name not in standing}


def _pool(client: SyncPrefectClient, name: str, kind: Kind, plan: Plan, limit: int | None) -> str:
    pool_template = template(kind, gpu=name == names.GPU_POOL, image=plan.image)
    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        pool = client.create_work_pool(
            WorkPoolCreate(name=name, type=kind, base_job_template=pool_template, concurrency_limit=limit)
        )
    else:
        if pool.type != kind:
            raise ConfigError(
                f"the work pool {name} is of type {pool.type}, not {kind}: a pool's type cannot be changed; "
                f"finish its runs, delete it (prefect work-pool delete {name}) and deploy again"
            )
        keep(pool_template, pool.base_job_template, named=("image",) if plan.image else ())
        # None, once said, would take away the limit that stands
        limits: dict[str, Any] = {} if limit is None else {"concurrency_limit": limit}
        client.update_work_pool(name, WorkPoolUpdate(base_job_template=pool_template, **limits))
    holds = pool.concurrency_limit if limit is None else limit
    return f"{name} ({kind}, {'no limit' if holds is None else f'{holds} at a time'})"


def keep(new: Template, standing: Template, named: Collection[str]) -> None:
    """Keep what an operator set on a standing pool, such as its network or service account, but for ``named``."""
    before = standing.get("variables", {}).get("properties", {})
    for variable, field in new["variables"]["properties"].items():
        if variable not in named and "default" in before.get(variable, {}):
            field["default"] = before[variable]["default"]


def _queue(client: SyncPrefectClient, pool: str, queue: str, rank: int, places: int | None) -> str:
    """See that a queue has its rank and its places; an operator's own limit on ``watch`` or ``default`` stays."""
    try:
        work_queue = client.read_work_queue_by_name(queue, work_pool_name=pool)
    except ObjectNotFound:
        work_queue = client.create_work_queue(queue, work_pool_name=pool)
    limit = {} if places is None else {"concurrency_limit": places}
    client.update_work_queue(work_queue.id, priority=rank, **limit)
    return f"{pool}/{queue}" + (f" ({places} at a time)" if places else "")


def _results(url: str) -> str:
    """Keep results as JSON where all hosts see them; a store's endpoint and credentials are each worker's own."""
    from prefect.filesystems import LocalFileSystem, RemoteFileSystem

    location = parse_url(url)
    if location.scheme == "file":
        LocalFileSystem(basepath=location.path).save(names.RESULTS_BLOCK, overwrite=True)
        return location.path
    RemoteFileSystem(basepath=location.url).save(names.RESULTS_BLOCK, overwrite=True)
    return location.url


def _standing_config(client: SyncPrefectClient) -> dict[str, Any]:
    """Return the form's defaults as they stand; :class:`ConfigError` where this release does not take them."""
    try:
        standing = client.read_deployment_by_name(names.CLEANSE).parameters.get("config") or {}
    except ObjectNotFound:
        return {}
    try:
        check_standing(standing)
    except ConfigError as error:
        raise ConfigError(f"the standing defaults of {names.CLEANSE}: {error}; give --config or --set") from None
    return dict(standing)


def standing_folders() -> dict[str, Any] | None:
    """Return which folders feed which dataset as it stands, None where any does; :class:`ConfigError` if never said."""
    with get_client(sync_client=True) as client:
        try:
            parameters = client.read_deployment_by_name(names.SWEEP).parameters
        except ObjectNotFound:
            parameters = {}
    folders = parameters.get("datasets", {})
    allow_list(folders)
    return None if folders is None else dict(folders)
