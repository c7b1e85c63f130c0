"""Registers everything on the server, in an order in which each step finds what it needs. Twice gives the same."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound

from deployments import automations
from deployments.pools import Kind, Template, template
from flows import names
from flows.settings import read_settings
from flows.starting import Feed
from telltale_core.drop.source import check_url
from telltale_core.errors import ConfigError, StorageError
from telltale_core.inbox import allow_list
from telltale_core.storage.names import parse_url

HERE = Path(__file__).parent
QUEUES = {names.CPU_POOL: {"watch": 1, "default": 2}, names.GPU_POOL: {"default": 1}}  # a lower number goes first


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an operator decides: addresses, types of pools, GPUs, the image of container pools, the form's defaults.

    ``cpu_runs`` and ``config``: None leaves what stands, and is no limit and no defaults where nothing does.
    """

    feed: Feed
    work: str
    results: str
    cpu_type: Kind = "process"
    gpu_type: Kind = "process"
    gpus: int = 1
    cpu_runs: int | None = None
    image: str = ""
    config: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_url(self.work)
        parse_url(self.work)
        if self.gpus < 1:
            raise ConfigError(f"gpus must be >= 1, got {self.gpus}")
        if self.cpu_runs is not None and self.cpu_runs < 1:
            raise ConfigError(f"cpu-runs must be >= 1, got {self.cpu_runs}")

    @property
    def pending_s(self) -> float:
        """Return after how long a run that is about to start is lost: not before a node could have come up for it."""
        in_place = self.cpu_type == self.gpu_type == "process"
        return names.PENDING_S if in_place else names.PENDING_S + names.SCALE_UP_S


def register(plan: Plan) -> list[tuple[str, str]]:
    """Return what stands now, as pairs of kind and name."""
    with get_client(sync_client=True) as client:
        done = [("work pool", _pool(client, names.CPU_POOL, plan.cpu_type, plan, plan.cpu_runs))]
        done.append(("work pool", _pool(client, names.GPU_POOL, plan.gpu_type, plan, plan.gpus)))
        done.append(("result storage", _results(plan.results)))
        config = _standing_config(client) if plan.config is None else dict(plan.config)
        _deployments(plan, config)
        done += [("deployment", name) for name in names.DEPLOYMENTS]
        for pool, queues in QUEUES.items():
            done += [("queue", _queue(client, pool, queue, rank)) for queue, rank in queues.items()]
        done += [("automation", name) for name in automations.register(client)]
    return done


def _pool(client: SyncPrefectClient, name: str, kind: Kind, plan: Plan, limit: int | None) -> str:
    made = template(kind, gpu=name == names.GPU_POOL, image=plan.image)
    try:
        found = client.read_work_pool(name)
    except ObjectNotFound:
        found = client.create_work_pool(
            WorkPoolCreate(name=name, type=kind, base_job_template=made, concurrency_limit=limit)
        )
    else:
        if found.type != kind:
            raise ConfigError(
                f"the work pool {name} is of type {found.type}, not {kind}: a pool's type cannot be changed; "
                f"finish its runs, delete it (prefect work-pool delete {name}) and deploy again"
            )
        keep(made, found.base_job_template, named=("image",) if plan.image else ())
        # None, once said, would take away the limit that stands
        limits: dict[str, Any] = {} if limit is None else {"concurrency_limit": limit}
        client.update_work_pool(name, WorkPoolUpdate(base_job_template=made, **limits))
    holds = found.concurrency_limit if limit is None else limit
    return f"{name} ({kind}, {'no limit' if holds is None else f'{holds} at a time'})"


def keep(made: Template, standing: Template, named: Collection[str]) -> None:
    """Keep what an operator set on a standing pool, such as its network or service account, but for ``named``."""
    before = standing.get("variables", {}).get("properties", {})
    for variable, field in made["variables"]["properties"].items():
        if variable not in named and "default" in before.get(variable, {}):
            field["default"] = before[variable]["default"]


def _queue(client: SyncPrefectClient, pool: str, queue: str, rank: int) -> str:
    found = client.read_work_queue_by_name(queue, work_pool_name=pool)
    client.update_work_queue(found.id, priority=rank)
    return f"{pool}/{queue}"


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
        read_settings(None, [], standing)
    except ConfigError as error:
        raise ConfigError(f"the standing defaults of {names.CLEANSE}: {error}; give --config or --set") from None
    return dict(standing)


def standing_folders() -> dict[str, Any] | None:
    """Return which folders feed which dataset as it stands, None where any does; :class:`ConfigError` if never said."""
    with get_client(sync_client=True) as client:
        try:
            given = client.read_deployment_by_name(names.SWEEP).parameters
        except ObjectNotFound:
            given = {}
    folders = given.get("datasets", {})
    allow_list(folders)
    return None if folders is None else dict(folders)


def results_block(url: str) -> str:
    """Return how runs name the result storage."""
    return f"{'local' if parse_url(url).scheme == 'file' else 'remote'}-file-system/{names.RESULTS_BLOCK}"


def _written(plan: Plan, config: Mapping[str, Any]) -> str:
    """Return ``prefect.yaml`` with what it cannot take from a variable: there, all are texts.

    So each deployment changes at once, and no run starts in between with other parameters.
    """
    values: dict[str, dict[str, Any]] = {
        names.CLEANSE: {"config": dict(config)},
        names.SWEEP: {"quiet_s": plan.feed.quiet_s, "datasets": plan.feed.datasets},
        names.RECONCILE: {"pending_s": plan.pending_s},
    }
    given = {name.split("/")[1]: parameters for name, parameters in values.items()}
    content = yaml.safe_load((HERE / "prefect.yaml").read_text(encoding="utf-8"))
    for one in content["deployments"]:
        one["parameters"] = {**one.get("parameters", {}), **given.get(one["name"], {})}
    return str(yaml.safe_dump(content, sort_keys=False))


def _deployments(plan: Plan, config: Mapping[str, Any]) -> None:
    """Let Prefect's own command read ``prefect.yaml``."""
    variables: dict[str, str] = {
        "TELLTALE_INBOX": plan.feed.inbox,
        "TELLTALE_CLEAN": plan.feed.clean,
        "TELLTALE_WORK": plan.work,
        "TELLTALE_RESULTS_BLOCK": results_block(plan.results),
    }
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    with tempfile.TemporaryDirectory(prefix="telltale-") as folder:
        file = Path(folder, "prefect.yaml")
        file.write_text(_written(plan, config), encoding="utf-8")
        done: Any = subprocess.run(  # noqa: S603 - our own words
            [*command, "--prefect-file", str(file)],
            env={**os.environ, **variables},
            cwd=HERE,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    if done.returncode:
        last = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()][-6:]
        raise StorageError(f"prefect deploy failed: {' '.join(last)[-800:]}")
