"""The Prefect server that a command starts for itself where no other is set, and that never outlives the command.

It has a process group of its own, which the terminal's signals do not reach. Were it to die of the same Ctrl-C, the
command would report its end to a server that is gone, again and again, instead of ending.
"""

from __future__ import annotations

import contextlib
import os
import subprocess  # the interpreter that runs us, with a fixed module name
import sys
from pathlib import Path
from typing import Any

import prefect
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import get_current_settings

from telltale_core.errors import Transient

MOST_STARTS = 5  # Prefect starts a server that ends with status 3 again, without an end
# By its file: an installed Telltale's packages are found by its own processes alone.
PROGRAM = [sys.executable, "-P", str(Path(__file__).with_name("server_process.py"))]
# What Prefect says to its temporary server, too.
_TEMPORARY = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}


class LocalServer(SubprocessASGIServer):
    """Prefect's temporary server, as a process that ends with its parent (:mod:`flows.server_process`)."""

    starts = 0

    def _run_uvicorn_command(self) -> subprocess.Popen[Any]:
        self.starts += 1
        if self.starts > MOST_STARTS:
            raise RuntimeError(f"It was started {MOST_STARTS} times, and ended each time; why, it says above.")
        app = ["--app-dir", str(Path(prefect.__file__).parent), "--factory", "prefect.server.api.server:create_app"]
        place = ["--host", "127.0.0.1", "--port", str(self.port), "--log-level", "error", "--lifespan", "on"]
        settings_env = get_current_settings().to_environment_variables(exclude_unset=True)
        return subprocess.Popen(  # noqa: S603 - our own words
            [*PROGRAM, str(os.getpid()), *app, *place],
            env={**os.environ, **_TEMPORARY, **settings_env},
            stdin=subprocess.DEVNULL,
            process_group=0,
            stdout=2,  # to standard error: what it prints is no part of a command's output
        )


def start_local_server() -> None:
    """Start it, unless the settings name a server; it is stopped when this process ends."""
    settings = get_current_settings()
    if settings.api.url or not settings.server.ephemeral.enabled:
        return
    server = LocalServer()
    try:
        server.start()
    except BaseException as error:
        with contextlib.suppress(Exception):
            server.stop()
        if not isinstance(error, Exception):
            raise
        raise Transient(
            f"the temporary Prefect server did not start: {error} Run again, with a larger "
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS, or keep a server (prefect server start) and set "
            "PREFECT_API_URL"
        ) from error
