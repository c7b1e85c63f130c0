"""What ``telltale doctor`` asks of a deployed stack: are its processes there, of one release, do its settings hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from flows import names
from flows.checks import Check, check
from telltale_core.errors import ConfigError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import WorkPool

    from flows.alive import Sign


def settings_hold(parameters: dict[str, Any]) -> Iterator[Check]:
    """Yield whether this release takes the standing defaults of ``cleanse``: else each new run fails at its start."""
    from flows.settings import check_standing

    try:
        check_standing(parameters.get("config") or {})
    except ConfigError as error:
        todo = "mend them: telltale deploy --config FILE, or Edit of the deployment cleanse in the UI"
        yield check("standing settings", fine=False, found=str(error), todo=todo)
        return
    yield check("standing settings", fine=True, found="this release takes them", todo="")


def keys_outlive_drops(client: SyncPrefectClient) -> Check:
    """Return whether the server keeps runs, and so the idempotency keys, for longer than a drop can start one."""
    try:
        vacuum = client.request("GET", "/admin/settings").json()["server"]["services"]["db_vacuum"]
        enabled, days = vacuum["enabled"], _days(vacuum["retention_period"])
    except (KeyError, TypeError, ValueError):  # a server of another version: the check of versions says so
        return Check(name="retention", status="note", found="the server does not say how long runs are kept", todo="")
    removes = enabled is True or (isinstance(enabled, list) and "flow_runs" in enabled)
    if not removes:
        todo = f"PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED=events,flow_runs keeps runs for {names.RUNS_KEPT_DAYS} days"
        return Check(name="retention", status="note", found="runs and their logs are kept for ever", todo=todo)
    detail = f"runs and their logs are kept for {days:.0f} days, drops start runs for {names.OLD_DROP_DAYS:.0f}"
    todo = f"set PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD to {names.RUNS_KEPT_DAYS * 86_400}"
    return check("retention", fine=days > names.OLD_DROP_DAYS, found=detail, todo=todo)


def _days(period: object) -> float:
    """Return days of what the server says: seconds, or an ISO 8601 duration."""
    seconds: timedelta = TypeAdapter(timedelta).validate_python(period)
    return seconds.total_seconds() / 86_400


def workers_seen(client: SyncPrefectClient, pool: WorkPool) -> Check:
    """Return whether a worker of the pool was seen within the last minute."""
    since = datetime.now(UTC) - timedelta(seconds=names.SEEN_WITHIN_S)
    online = [one for one in client.read_workers_for_work_pool(pool.name) if str(one.status).endswith("ONLINE")]
    heard = [one for one in online if one.last_heartbeat_time and one.last_heartbeat_time >= since]
    todo = f"telltale worker --pool {pool.name}" if pool.type == "process" else f"prefect worker start -p {pool.name}"
    detail = f"{len(heard)} online" if heard or not online else f"none seen for {names.SEEN_WITHIN_S:.0f} s"
    return check(f"workers of {pool.name}", fine=bool(heard), found=detail, todo=todo)


def bridge_seen(signs: list[Sign], inbox: str) -> Check:
    """Return whether a bridge was heard of within the last minute; where no store notifies, none is needed."""
    bridges = [sign.name for sign in signs if sign.kind == "bridge"]
    if bridges:
        return check("bridge", fine=True, found=f"{len(bridges)} heard of: {', '.join(bridges)}", todo="")
    detail = f"none heard of for {names.SEEN_WITHIN_S:.0f} s"
    todo = "telltale bridge --queue URL (or --webhook); until then the sweep finds drops, every five minutes"
    return Check(name="bridge", status="problem" if inbox.startswith("s3://") else "note", found=detail, todo=todo)


def versions_agree(client: SyncPrefectClient, signs: list[Sign], deployed: str | None) -> Check:
    """Return whether server, deployments, bridges and workers are of one version, and so is this process."""
    from flows.alive import this_process

    here = this_process("doctor", "here")
    server = client.api_version()
    others = [f"the server has Prefect {server}"] if server != here.prefect else []
    others += [f"the deployments are of Telltale {deployed}"] if deployed not in (None, here.telltale) else []
    others += [
        f"{sign.kind} {sign.name} has Prefect {sign.prefect}, Telltale {sign.telltale}"
        for sign in signs
        if (sign.prefect, sign.telltale) != (here.prefect, here.telltale)
    ]
    ours = f"Prefect {here.prefect}, Telltale {here.telltale}"
    detail = f"{'; '.join(others)}; here {ours}" if others else f"{ours}, everywhere"
    return check("versions", fine=not others, found=detail, todo="install one release everywhere, then deploy again")
