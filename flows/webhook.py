"""The bridge's door for stores that notify by HTTP (MinIO, Ceph): POST with a bearer token, loopback by default.

200 is answered only once the run of the drop stands; on 503 the store sends again from its own queue on disk.
``/health`` answers 503 once one of the bridge's doors failed several times in a row: its queue was refused, or what the
queue or the webhook brought could not be handled. It is 200 again once that door gets through.
"""

from __future__ import annotations

import hmac
import logging
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from flows.bridge import Bridge
from telltale_core.errors import ConfigError
from telltale_core.inbox.notices import MAX_NOTICE_BYTES

log = logging.getLogger(__name__)
MAX_SKIPPED_BYTES = 16 << 20
MIN_TOKEN_CHARS = 16
IDLE_S = 15
FAILURES = 5  # in a row; with the pauses between looks at a queue, that is about 15 s


def webhook(bridge: Bridge, address: str, token: str) -> ThreadingHTTPServer:
    """Return the bound server; ``serve_forever`` runs it. ``address`` is ``host:port``, port 0 takes a free one."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise ConfigError(f"--webhook must be host:port such as 127.0.0.1:8090, got {address!r}")
    if len(token) < MIN_TOKEN_CHARS:
        raise ConfigError(f"TELLTALE_WEBHOOK_TOKEN must be set, to at least {MIN_TOKEN_CHARS} characters")

    class Door(BaseHTTPRequestHandler):
        timeout = IDLE_S
        server_version, sys_version = "telltale", ""

        def do_GET(self) -> None:
            """Say that the bridge is there, and whether it gets anything done."""
            if self.path == "/health":
                self._answer(503 if max(bridge.in_a_row.values()) >= FAILURES else 200)
            else:
                self._answer(404)

        def do_HEAD(self) -> None:
            """MinIO looks whether its webhook is there."""
            self._answer(200)

        def do_POST(self) -> None:
            """Take one notification."""
            given = self.headers.get("Authorization", "").removeprefix("Bearer ").encode()
            size = self.headers.get("Content-Length", "")
            if not hmac.compare_digest(given, token.encode()):
                self._refuse(401, size)
            elif not size.isdigit() or int(size) > MAX_NOTICE_BYTES:
                self._refuse(413, size)
            else:
                self._answer(_take(bridge, self.rfile.read(int(size))))

        def _refuse(self, status: int, size: str) -> None:
            """Read past the body, or the sender sees a broken pipe in the place of the answer."""
            left = min(int(size), MAX_SKIPPED_BYTES) if size.isdigit() else 0
            while left > 0 and (chunk := self.rfile.read(min(left, 1 << 16))):
                left -= len(chunk)
            self._answer(status)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if status not in {200, 404}:
                self.send_header("Connection", "close")  # not all of the body was read
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing: the bridge tells what came of it."""

    return ThreadingHTTPServer((host, int(port)), Door)


def _take(bridge: Bridge, body: bytes) -> int:
    if not body:
        return 200
    try:
        bridge.take(body)
    except Exception as error:  # noqa: BLE001 - whatever it was, the store sends it again
        log.warning("a webhook's notification must come again: %s", bridge.came("webhook", error))
        return 503
    bridge.came("webhook")
    return 200
