"""The Prefect server that a command starts for itself where no other is set, deaf to the terminal's signals.

It is a child in the process group of the command. Were it to die of the same Ctrl-C, the command would report its end
to a server that is gone, again and again, instead of ending.
"""

from __future__ import annotations

import contextlib
import signal
import threading

from flows.interrupts import at_force
from telltale_core.errors import Transient

UNHEARD = (signal.SIGINT, signal.SIGHUP)  # by SIGTERM it is stopped


def start_local_server() -> None:
    """Start it, unless the settings name a server; it is stopped when this process ends."""
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    if settings.api.url or not settings.server.ephemeral.enabled:
        return
    server, failed = SubprocessASGIServer(), []

    def start() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, UNHEARD)  # of this thread alone; what it starts inherits it
        try:
            server.start()
        except Exception as error:  # noqa: BLE001 - told by the thread that waits
            failed.append(error)

    def kill() -> None:
        if server.server_process is not None:
            server.server_process.kill()

    at_force.append(kill)
    thread = threading.Thread(target=start, daemon=True, name="start of the Prefect server")
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.1)
    except BaseException:
        with contextlib.suppress(Exception):
            server.stop()
        raise
    if failed:
        raise Transient(
            f"the temporary Prefect server did not start: {failed[0]} Run again, with a larger "
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS, or keep a server (prefect server start) and set "
            "PREFECT_API_URL"
        ) from failed[0]
