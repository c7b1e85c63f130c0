"""Prefect homes whose database is set up: a server needs 9 s of processor time to do that, and once is enough."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from filelock import FileLock

STARTS_S = 600.0


def prefect_home(folder: Path) -> Path:
    """Make a folder the home of a Prefect whose server has been started before; return it."""
    shared = Path(os.environ["CHIPS_NOTES"])  # one folder for all processes of the tests
    template = shared / "prefect"
    with FileLock(shared / "prefect.lock"):
        if not template.exists():
            shutil.rmtree(shared / "prefect-new", ignore_errors=True)  # of one that did not come to its end
            _set_up(shared / "prefect-new")
            (shared / "prefect-new").rename(template)
    if not (folder / "prefect.db").exists():  # else a server has been started here
        shutil.copytree(template, folder, dirs_exist_ok=True)
    return folder


def _set_up(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    known = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    command = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--no-ui",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    server = subprocess.Popen(
        command, env={**known, "PREFECT_HOME": str(home)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + STARTS_S
        while not _answers(f"http://127.0.0.1:{port}/api/ready"):
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < until, "the server does not answer"
            time.sleep(0.2)
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    with sqlite3.connect(home / "prefect.db") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    assert not list(home.glob("prefect.db-*")), "what a server wrote is not in its database yet"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return int(reply.status) == 200
    except OSError:
        return False
