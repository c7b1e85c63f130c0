"""The command line as a process that a test can kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


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
