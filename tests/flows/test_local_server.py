"""A command's own Prefect server: deaf to signals of the group, gone with the command, given up when it is broken."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.support.commands import ROOT
from tests.support.prefect_home import prefect_home

BUSY_S = 120.0
COMMAND = """
import signal, time
from flows.local_server import LocalServer, start_local_server
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *_: None)
start_local_server()
server = LocalServer()
print("ready", server.server_process.pid, server.api_url, flush=True)
time.sleep(600)
"""


def environment(home: Path, **more: str) -> dict[str, str]:
    known = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    return known | {"PREFECT_HOME": str(home), "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "600", **more}


def runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.server
@pytest.mark.timeout(900)
def test_the_server_outlives_the_signals_of_its_group_but_not_its_command(tmp_path: Path) -> None:
    command = subprocess.Popen(
        [sys.executable, "-c", COMMAND],
        cwd=ROOT,
        env=environment(prefect_home(tmp_path)),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert command.stdout is not None
        _, process, url = next(line for line in command.stdout if line.startswith("ready")).split()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.killpg(command.pid, number)
        with urllib.request.urlopen(f"{url}/health", timeout=120) as reply:
            assert reply.status == 200
    finally:
        command.kill()
        command.communicate()
    until = time.monotonic() + BUSY_S
    while runs(int(process)):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.server
def test_a_server_that_ends_whenever_it_is_started_is_given_up(tmp_path: Path) -> None:
    program = """
import sys
from flows import local_server
from telltale_core.errors import Transient
local_server.PROGRAM = [sys.executable, "-S", "-c", "raise SystemExit(3)"]
try:
    local_server.start_local_server()
except Transient as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=BUSY_S,
        check=True,
    )
    assert "did not start: It was started 5 times, and ended each time" in done.stdout
    assert "PREFECT_API_URL" in done.stdout
