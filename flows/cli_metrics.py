"""The command that serves the stack's numbers to Prometheus, until it is told to stop."""

from __future__ import annotations

import os
import signal
import threading
from typing import Annotated

import typer

from telltale_core.commands import Outcome
from telltale_core.errors import ConfigError

Address = Annotated[str, typer.Option("--address", metavar="HOST:PORT", help="Where Prometheus scrapes /metrics.")]
Once = Annotated[bool, typer.Option("--once", help="Print the numbers and stop.")]


def metrics(*, address: Address = "127.0.0.1:9464", once: Once = False) -> Outcome:
    """Serve what an operator watches to Prometheus: drops that wait, runs, GPUs, times of stages, shares held back.

    It runs until SIGTERM or Ctrl-C. At the store it needs the role metrics: to list, and to read manifests.

    \b
    Examples: telltale metrics --address 127.0.0.1:9464
              telltale metrics --once
    """
    from prometheus_client import CollectorRegistry, generate_latest, start_http_server

    from flows.metrics import Telltale

    if not os.environ.get("PREFECT_API_URL"):
        raise ConfigError(
            "the metrics are asked of the server that telltale deploy was run against: set PREFECT_API_URL"
        )
    host, colon, port = address.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()):
        raise ConfigError(f"--address must be host:port such as 127.0.0.1:9464, got {address!r}")
    registry = CollectorRegistry()
    registry.register(Telltale())
    if once:
        return Outcome(data={}, lines=generate_latest(registry).decode().splitlines())
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), registry)
    except OSError as error:
        raise ConfigError(f"--address {address} cannot be opened: {error.strerror}; choose another port") from error
    stop.wait()
    server.shutdown()
    thread.join(5)
    return Outcome(data={"stopped": True}, lines=["stopped"])
