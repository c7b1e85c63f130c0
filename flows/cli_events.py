"""The command of the bridge, which runs until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import Annotated

import typer

from telltale_core.commands import Outcome
from telltale_core.errors import ConfigError

log = logging.getLogger(__name__)

QueueUrl = Annotated[
    str, typer.Option("--queue", metavar="URL", envvar="TELLTALE_QUEUE", help="SQS queue of the inbox's notifications.")
]
Webhook = Annotated[
    str,
    typer.Option(
        "--webhook",
        metavar="HOST:PORT",
        envvar="TELLTALE_WEBHOOK",
        help="Take notifications by HTTP; TELLTALE_WEBHOOK_TOKEN is set.",
    ),
]
Wait = Annotated[int, typer.Option("--wait-s", min=1, max=20, help="How long one look at the queue waits.")]


def bridge(*, queue: QueueUrl = "", webhook: Webhook = "", wait_s: Wait = 20) -> Outcome:
    """Start a run for every drop that the store announces, once; until SIGTERM or Ctrl-C.

    It takes inbox and datasets from the deployments, so telltale deploy comes first. Any number may run side by side.

    \b
    Examples: telltale bridge --queue https://sqs.eu-central-1.amazonaws.com/123456789012/drops
              TELLTALE_WEBHOOK_TOKEN=... telltale bridge --webhook 127.0.0.1:8090
    """
    from flows.alive import telling, this_process
    from flows.bridge import Bridge
    from flows.webhook import webhook as webhook_server
    from telltale_core.storage.queue import open_queue

    if not queue and not webhook:
        raise ConfigError("give --queue, --webhook or both")
    if not os.environ.get("PREFECT_API_URL"):
        raise ConfigError("the bridge needs the server that telltale deploy was run against: set PREFECT_API_URL")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    event_bridge = Bridge()
    source = open_queue(queue) if queue else None
    server = webhook_server(event_bridge, webhook, os.environ.get("TELLTALE_WEBHOOK_TOKEN", "")) if webhook else None
    if server is not None:
        server.start()
        log.info("webhook: listens on port %d of %s", server.port, webhook.rpartition(":")[0])
    with telling(this_process("bridge")):
        if source is None:
            stop.wait()
        else:
            log.info("queue: waits for notifications")
            event_bridge.serve(source, stop, wait_s)
    if server is not None:
        server.stop()
    counts = dict(event_bridge.counts)
    return Outcome(
        data=counts, lines=[f"stopped; {', '.join(f'{n} {what}' for what, n in counts.items()) or 'nothing came'}"]
    )
