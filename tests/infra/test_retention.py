"""Runs, and with them the idempotency keys of drops, are kept for longer than a drop can start a run."""

from __future__ import annotations

import json
import os
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


@pytest.mark.parametrize("server_environment", [of_compose, of_systemd])
def test_the_server_as_it_is_shipped_takes_the_settings_and_keys_outlive_drops(
    server_environment: object, tmp_path: Path
) -> None:
    """A process with the environment of the unit says what Prefect made of it."""
    settings = {
        name: value
        for name, value in server_environment().items()
        if "VACUUM" in name or "EVENTS" in name or "METRICS" in name
    }  # type: ignore[operator]
    code = (
        "import json; from prefect.settings import get_current_settings as s; v = s().server; "
        "d = v.services.db_vacuum; print(json.dumps([sorted(d.enabled_vacuum_types), d.retention_period.days, "
        "{n: t.days for n, t in d.event_retention_overrides.items()}, v.events.retention_period.days, "
        "v.metrics_enabled]))"
    )
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path), **settings}
    process = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    enabled, runs, events, other, metrics = json.loads(process.stdout)
    assert enabled == ["events", "flow_runs", "orphans"]
    assert runs == names.RUNS_KEPT_DAYS > names.OLD_DROP_DAYS
    assert (events, other, metrics) == ({"prefect.flow-run.heartbeat": 1, names.ALIVE_EVENT: 1}, 30, True)
