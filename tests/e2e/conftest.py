from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
Telltale = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def settings_file(tmp_path: Path, small_settings: dict[str, Any]) -> Path:
    """The small drop's settings as the file of ``--config``."""
    file = tmp_path / "telltale.toml"
    lines = [
        line
        for stage, values in small_settings.items()
        for line in (f"[{stage}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items()))
    ]
    file.write_text("\n".join(lines))
    return file


@pytest.fixture
def telltale(prefect_server: str, tmp_path: Path, settings_file: Path) -> Telltale:
    """Start ``telltale`` as a process of its own, against the tests' Prefect server."""

    def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "flows.cli", *map(str, arguments), "--config", str(settings_file)]
        variables = {**os.environ, "PREFECT_API_URL": prefect_server, "OMP_NUM_THREADS": "1", **environment}
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=variables,
            text=True,
            stdout=subprocess.PIPE,
            stderr=(tmp_path / "stderr.txt").open("a"),
            start_new_session=True,
        )

    return start


@pytest.fixture
def finished(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Wait for a ``--json`` command, expect an exit code, return what it printed."""

    def wait(process: subprocess.Popen[str], code: int = 0) -> dict[str, Any]:
        printed, _ = process.communicate(timeout=240)
        assert process.returncode == code, (tmp_path / "stderr.txt").read_text()[-3000:]
        told: dict[str, Any] = json.loads(printed)
        return told

    return wait


@pytest.fixture
def undisturbed(small_drop: Path, small_work: Path, small_settings: dict[str, Any], tmp_path: Path) -> Any:
    """What a run that nobody disturbed publishes of the small drop."""
    from telltale_core import publish, stages
    from telltale_core.config import from_dict, to_dict

    settings = to_dict(from_dict(stages.CleanseConfig, small_settings))
    record: Any = str(small_drop)
    for name in ("ingest", "train", "spectrum", "cluster", "report"):
        record = getattr(stages, name)(record, str(small_work), settings[stages.STAGES[name].settings])
    stages.publish(record, str(tmp_path / "undisturbed"), str(small_work), settings["publish"])
    made = publish.read_version(tmp_path / "undisturbed")
    return [(blob.sha256, blob.rows) for blob in made.blobs("files", "quarantine", "rejected")]
