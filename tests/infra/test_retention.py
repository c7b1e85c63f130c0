"""Runs, and with them the idempotency keys of drops, are kept for longer than a drop can start a run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flows import names

INFRA = Path(__file__).parents[2] / "infra"


def of_compose() -> dict[str, str]:
    services = yaml.safe_load((INFRA / "compose.yaml").read_text())["services"]
    return {name: str(value) for name, value in services["server"]["environment"].items()}


def of_systemd() -> dict[str, str]:
    lines = (INFRA / "systemd" / "telltale-server.service").read_text().splitlines()
    words = [shlex.split(line.removeprefix("Environment="))[0] for line in lines if line.startswith("Environment=")]
    return dict(word.split("=", 1) for word in words)


def of_chart() -> dict[str, str]:
    values = yaml.safe_load((INFRA / "kubernetes-server" / "values.yaml").read_text())
    return {one["name"]: one["value"] for one in values["server"]["env"]}


@pytest.mark.parametrize("server_environment", [of_compose, of_systemd, of_chart])
def test_the_server_as_it_is_shipped_takes_the_settings_and_keys_outlive_drops(
    server_environment: object, tmp_path: Path
) -> None:
    """A process with the environment of the unit says what Prefect made of it."""
    settings = {
        name: value
        for name, value in server_environment().items()
        if any(word in name for word in ("VACUUM", "EVENTS", "METRICS", "LEASE"))
    }  # type: ignore[operator]
    code = (
        "import json; from prefect.settings import get_current_settings as s; v = s().server; "
        "d = v.services.db_vacuum; print(json.dumps([sorted(d.enabled_vacuum_types), d.retention_period.days, "
        "{n: t.days for n, t in d.event_retention_overrides.items()}, v.events.retention_period.days, "
        "v.metrics_enabled, v.concurrency.lease_storage]))"
    )
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path), **settings}
    process = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    enabled, runs, events, other, metrics, leases = json.loads(process.stdout)
    assert enabled == ["events", "flow_runs", "orphans"]
    assert runs == names.RUNS_KEPT_DAYS > names.OLD_DROP_DAYS
    assert (events, other, metrics) == ({"prefect.flow-run.heartbeat": 1, names.ALIVE_EVENT: 1}, 30, True)
    assert leases == "prefect.server.concurrency.lease_storage.filesystem"  # in memory they outlive no restart


def test_the_chart_takes_the_workers_prefect_its_secrets_and_a_volume_for_leases() -> None:
    values = yaml.safe_load((INFRA / "kubernetes-server" / "values.yaml").read_text())
    pinned = re.search(r"^prefect==(.+)$", (INFRA.parent / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert values["global"]["prefect"]["image"]["prefectTag"].split("-")[0] == pinned[1]
    claim = yaml.safe_load((INFRA / "kubernetes-server" / "volume.yaml").read_text())
    pytest.importorskip("kubernetes_validate").validate(claim, "1.34", strict=True)
    server = values["server"]
    [volume], [mount] = server["extraVolumes"], server["extraVolumeMounts"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert (mount["name"], mount["mountPath"]) == (volume["name"], of_chart()["PREFECT_HOME"])
    assert (server["replicaCount"], server["updateStrategy"]["type"]) == (1, "Recreate")  # one holds the volume
    page = (INFRA.parent / "deployments" / "README.md").read_text()
    for secret in (server["basicAuth"]["existingSecret"], values["secret"]["name"]):
        assert f"secret generic {secret}" in page


def test_nothing_that_is_shipped_tells_prefects_makers_of_itself() -> None:
    image = (INFRA / "images" / "Dockerfile").read_text()
    assert re.search(
        r"AS runtime\n(?:.*\n)*?ENV (?:.*\\\n)*.*PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1", image
    )
    assert {place()["PREFECT_SERVER_ANALYTICS_ENABLED"] for place in (of_systemd, of_chart)} == {"false"}
    units = sorted((INFRA / "systemd").glob("*.service"))
    assert [unit.name for unit in units if "Environment=DO_NOT_TRACK=1\n" not in unit.read_text()] == []
