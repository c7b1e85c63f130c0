"""The command line as a process that a test can kill."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Started:
    """``telltale`` as a process of its own, in a process group of its own; what it prints goes to files."""

    def __init__(self, folder: Path, arguments: list[str], environment: dict[str, str]) -> None:
        folder.mkdir()
        self.environment = environment
        self.printed, self.messages = folder / "stdout.txt", folder / "stderr.txt"
        with self.printed.open("w") as out, self.messages.open("w") as err:
            command = [sys.executable, "-m", "flows.cli", *arguments]
            environment = {"PYTHONFAULTHANDLER": "1", **environment}  # SIGABRT writes what every thread is at
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=out, stderr=err, start_new_session=True
            )

    def kill(self) -> None:
        """Send SIGKILL to the whole group, and wait until it is gone."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)

    def end(self, limit_s: float) -> int:
        """Wait for the end and return the exit code; fail with what every thread is at where it does not come."""
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait(60)
            raise AssertionError(f"no end within {limit_s:.0f} s: {self.messages.read_text()[-6000:]}") from None

    def signal(self, number: int) -> None:
        """Send a signal to the whole group, as a terminal does."""
        os.killpg(self.process.pid, number)

    def wait_told(self, words: str, limit_s: float = 240.0) -> None:
        """Wait until this is told on standard error."""
        until = time.monotonic() + limit_s
        while words not in self.messages.read_text():
            assert self.process.poll() is None, self.messages.read_text()[-3000:]
            assert time.monotonic() < until, self.messages.read_text()[-3000:]
            time.sleep(0.01)

    def left(self) -> list[int]:
        """Return the processes that it, or what it started, has left behind."""
        processes = []
        for place in Path("/proc").iterdir():
            if place.name.isdigit():
                with contextlib.suppress(OSError):
                    fields = (place / "stat").read_text().rsplit(")", 1)[1].split()
                    if int(fields[3]) == self.process.pid and fields[0] != "Z":
                        processes.append(int(place.name))
        return processes

    def result(self, code: int = 0) -> dict[str, Any]:
        """Wait for the end, expect an exit code, return what was printed as JSON."""
        assert self.process.wait(280) == code, self.messages.read_text()[-3000:]
        answer: dict[str, Any] = json.loads(self.printed.read_text())
        return answer
