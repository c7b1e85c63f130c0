from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent


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


class Started:
    """``telltale`` as a process of its own, in a process group of its own; what it prints goes to files."""

    def __init__(self, folder: Path, arguments: list[str], environment: dict[str, str]) -> None:
        folder.mkdir()
        self.printed, self.told = folder / "stdout.txt", folder / "stderr.txt"
        with self.printed.open("w") as out, self.told.open("w") as err:
            command = [sys.executable, "-m", "flows.cli", *arguments]
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=out, stderr=err, start_new_session=True
            )

    def kill(self) -> None:
        """Send SIGKILL to the whole group, and wait until it is gone."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)

    def result(self, code: int = 0) -> dict[str, Any]:
        """Wait for the end, expect an exit code, return what was printed as JSON."""
        assert self.process.wait(280) == code, self.told.read_text()[-3000:]
        told: dict[str, Any] = json.loads(self.printed.read_text())
        return told


@pytest.fixture
def telltale(prefect_server: str, tmp_path: Path, settings_file: Path) -> Iterator[Callable[..., Started]]:
    """Start ``telltale`` processes against the tests' Prefect server; none outlives the test."""
    started: list[Started] = []

    def start(*arguments: object, **environment: str) -> Started:
        variables = {**os.environ, "PREFECT_API_URL": prefect_server, "OMP_NUM_THREADS": "1", **environment}
        words = [*map(str, arguments), "--config", str(settings_file)]
        started.append(Started(tmp_path / f"process-{len(started)}", words, variables))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.kill()


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
