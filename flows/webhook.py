"""The webhook for stores that notify by HTTP (MinIO): POST with a bearer token, loopback by default.

200 is answered only once the run of the drop stands; on 503 the store sends again from its own queue on disk.
``/health`` answers 503 once one of the bridge's sources failed several times in a row: its queue was refused, or what
the queue or the webhook brought could not be handled. It is 200 again once that source works.
"""

from __future__ import annotations

import hmac
import logging
import socket
import threading

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flows.bridge import Bridge
from flows.http_guard import HEAD_BYTES, GuardedProtocol
from telltale_core.errors import ConfigError
from telltale_core.inbox.notices import MAX_NOTICE_BYTES

log = logging.getLogger(__name__)
MAX_SKIPPED_BYTES = 16 << 20
MIN_TOKEN_CHARS = 16
FAILURES = 5  # in a row; with the pauses between looks at a queue, that is about 15 s
CLOSING_S = 5


class Webhook:
    """A bound server: it answers once it is started, from a thread of its own."""

    def __init__(self, app: Starlette, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family)
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=GuardedProtocol,
                h11_max_incomplete_event_size=HEAD_BYTES,
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                log_level="critical",  # the bridge tells what came of a notification
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=CLOSING_S,
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True, name="webhook")

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the answers in progress, for a few seconds, and close."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()


def webhook(bridge: Bridge, address: str, token: str) -> Webhook:
    """Return the bound server. ``address`` is ``host:port``, port 0 takes a free one."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()):
        raise ConfigError(f"--webhook must be host:port such as 127.0.0.1:8090, got {address!r}")
    if len(token) < MIN_TOKEN_CHARS:
        raise ConfigError(f"TELLTALE_WEBHOOK_TOKEN must be set, to at least {MIN_TOKEN_CHARS} characters")

    async def health(_request: Request) -> Response:
        """Say that the bridge is there, and whether it gets anything done."""
        return Response(status_code=503 if max(bridge.in_a_row.values()) >= FAILURES else 200)

    async def there(_request: Request) -> Response:
        """MinIO looks whether its webhook is there."""
        return Response(status_code=200)

    async def notify(request: Request) -> Response:
        """Take one notification."""
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        authorised = hmac.compare_digest(bearer, token.encode())
        try:
            body = await _read(request, MAX_NOTICE_BYTES if authorised else 0)
        except ClientDisconnect:  # nobody is left to hear it
            return refusal(400, "cut", "the body did not come whole")
        if not authorised:
            return refusal(401, "unauthorized", "send the bridge's token as Authorization: Bearer")
        if body is None:
            return refusal(413, "too_large", f"a notification has at most {MAX_NOTICE_BYTES} bytes")
        return Response(status_code=await run_in_threadpool(_take, bridge, body))

    routes = [
        Route("/health", health, methods=["GET"]),
        Route("/{path:path}", there, methods=["HEAD"]),
        Route("/{path:path}", notify, methods=["POST"]),
    ]
    try:
        return Webhook(Starlette(routes=routes), host.strip("[]"), int(port))
    except (OSError, OverflowError) as error:
        raise ConfigError(f"--webhook {address} cannot be opened: {error}; choose another address or port") from error


def refusal(status: int, error: str, message: str) -> Response:
    """Return an answer that says what was expected; the connection ends with it."""
    return JSONResponse({"error": error, "message": message}, status, headers={"Connection": "close"})


async def _read(request: Request, most: int) -> bytes | None:
    """Return the body, or None where it has more than ``most`` bytes.

    That is read past, to a point: else the sender sees a broken pipe in the place of the answer.
    """
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_SKIPPED_BYTES:
            break
        if size <= most:
            body += chunk
    return bytes(body) if size <= most else None


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
