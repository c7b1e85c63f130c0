"""What ``telltale doctor`` looks for on a Prefect server: all that makes drops be cleansed by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from flows import names
from flows.checks import Check, check
from flows.doctor_seen import bridge_seen, keys_outlive_drops, settings_hold, versions_agree, workers_seen
from telltale_core.errors import TelltaleError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

DEPLOY = "telltale deploy --inbox URL --clean URL --work URL --config FILE"


def examine_server(role: str = "publisher") -> Iterator[Check]:
    """Yield findings about pools, processes, deployments, stores and notifications; none where nothing is deployed.

    A server without a single deployment of ours is one on which runs are merely shown: that is no problem.
    """
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectException

    try:
        with get_client(sync_client=True) as client:
            registered = {name: _there(client.read_deployment_by_name, name) for name in names.DEPLOYMENTS}
            deployments = {name: deployment for name, deployment in registered.items() if deployment is not None}
            if not deployments:
                yield Check(name="deployments", status="note", found="none", todo=f"to have drops start runs: {DEPLOY}")
                return
            for checks in (
                _deployments(set(deployments)),
                _pools(client),
                _results(client),
                _automations(client),
                _fed(client),
                _notified(client),
                _processes(client, deployments),
                _areas(deployments, role),
            ):
                yield from checks
    except (httpx.HTTPError, PrefectException) as error:
        detail = (
            f"the server refuses: {type(error).__name__} {getattr(getattr(error, 'response', None), 'status_code', '')}"
        )
        todo = "is PREFECT_API_AUTH_STRING the server's? (a set PREFECT_API_KEY overrides it)"
        yield Check(name="deployments", status="problem", found=detail.strip(), todo=todo)


def _there(read: Callable[[str], Any], name: str) -> Any:
    from prefect.exceptions import ObjectNotFound

    try:
        return read(name)
    except ObjectNotFound:
        return None


def _deployments(deployments: set[str]) -> Iterator[Check]:
    missing = sorted(set(names.DEPLOYMENTS) - deployments)
    detail = f"missing: {', '.join(missing)}" if missing else f"all {len(deployments)}"
    yield check("deployments", fine=not missing, found=detail, todo=f"run {DEPLOY} again")


def _pools(client: SyncPrefectClient) -> Iterator[Check]:
    for name in (names.CPU_POOL, names.GPU_POOL):
        pool = _there(client.read_work_pool, name)
        if pool is None:
            yield check(f"work pool {name}", fine=False, found="missing", todo=f"run {DEPLOY} again")
            continue
        limit = f"{pool.concurrency_limit} at a time" if pool.concurrency_limit else "no limit"
        limited = name != names.GPU_POOL or bool(pool.concurrency_limit)
        fine = limited and not pool.is_paused
        detail = f"{pool.type}, {limit}{', paused' if pool.is_paused else ''}"
        todo = "resume it" if pool.is_paused else f"run {DEPLOY} --gpus N again"
        yield check(f"work pool {name}", fine=fine, found=detail, todo=todo)
        yield workers_seen(client, pool)


def _results(client: SyncPrefectClient) -> Iterator[Check]:
    from prefect.exceptions import ObjectNotFound

    for kind in ("remote-file-system", "local-file-system"):
        try:
            block = client.read_block_document_by_name(names.RESULTS_BLOCK, kind)
        except ObjectNotFound:
            continue
        yield check("result storage", fine=True, found=str(block.data.get("basepath")), todo="")
        return
    yield check("result storage", fine=False, found="missing", todo=f"run {DEPLOY} again")


def _automations(client: SyncPrefectClient) -> Iterator[Check]:
    from prefect.events.filters import AutomationFilter, AutomationFilterName

    automations = AutomationFilter(name=AutomationFilterName(any_=list(names.AUTOMATIONS)))
    working = {automation.name for automation in client.read_automations(automations=automations) if automation.enabled}
    missing = sorted(set(names.AUTOMATIONS) - working)
    detail = f"missing or switched off: {'; '.join(missing)}" if missing else f"all {len(working)}"
    yield check("automations", fine=not missing, found=detail, todo=f"run {DEPLOY} again, or switch them on")


def _fed(client: SyncPrefectClient) -> Iterator[Check]:
    """Say whether a table decides who may write which dataset; drops wait while a deployment has none."""
    from flows.start_run import read_feed

    try:
        folders = read_feed(client).open().allowed.folders
    except TelltaleError as error:
        yield check("inbox folders", fine=False, found=str(error), todo=f"run {DEPLOY} again")
        return
    if folders is None:
        todo = "to say which folder of the inbox feeds which dataset: [datasets.NAME] inbox = [...] and deploy again"
        yield Check(name="inbox folders", status="note", found="any folder feeds the dataset of its name", todo=todo)
        return
    detail = f"folders: {len(folders)}, datasets: {len(set(folders.values()))}; what lies elsewhere is refused"
    yield check("inbox folders", fine=True, found=detail, todo="")


def _processes(client: SyncPrefectClient, deployments: dict[str, Any]) -> Iterator[Check]:
    """Say whether processes are there that take drops up, of one release, with settings that hold."""
    from flows.alive import heard

    signs = heard(client)
    yield keys_outlive_drops(client)
    if sweep := deployments.get(names.SWEEP):
        yield bridge_seen(signs, str(sweep.parameters.get("inbox", "")))
    if cleanse := deployments.get(names.CLEANSE):
        yield from settings_hold(cleanse.parameters)
        yield versions_agree(client, signs, cleanse.version)


def _areas(deployments: dict[str, Any], role: str) -> Iterator[Check]:
    """Say what the caller can do in the areas that the deployments use."""
    from flows.doctor_stores import Area, examine_stores

    where = {name: deployments[name].parameters for name in (names.SWEEP, names.CLEANSE) if name in deployments}
    sources = {"inbox": (names.SWEEP, "inbox"), "work": (names.CLEANSE, "work"), "clean": (names.SWEEP, "clean")}
    areas = [
        Area(name=area, url=str(where[deployment][key]))
        for area, (deployment, key) in sources.items()
        if where.get(deployment, {}).get(key)
    ]
    yield from examine_stores(areas, role)


def _notified(client: SyncPrefectClient) -> Iterator[Check]:
    from flows.start_run import read_feed
    from telltale_core.storage.notifications import notified

    try:
        feed = read_feed(client)
        if not feed.inbox.startswith("s3://"):
            yield Check(name="notifications", status="note", found="only s3 notifies; the sweep finds drops")
            return
        detail = notified(feed.inbox)
    except TelltaleError as error:
        todo = "the bucket may answer another account; without notifications the sweep finds drops"
        yield Check(name="notifications", status="note", found=str(error)[:200], todo=todo)
        return
    if detail:
        yield Check(name="notifications", status="ok", found=", ".join(detail))
    else:
        todo = "let the bucket notify a queue of s3:ObjectCreated:*; until then the sweep finds drops"
        yield Check(name="notifications", status="problem", found="the inbox's bucket notifies nobody", todo=todo)
