"""uvicorn's HTTP/1.1 connection with two limits that uvicorn lacks: how long a request takes to come, how many come.

A connection has :data:`REQUEST_S` to send a whole request, head and body, counted from its opening and from each
answer; how its bytes are spread over that time does not matter. Of more than :data:`CONNECTIONS` the oldest that has
not sent a whole request is closed: idle ones cannot keep others out.
"""

from __future__ import annotations

import asyncio
import json

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S = 15.0
CONNECTIONS = 100
HEAD_BYTES = 16 << 10


class GuardedProtocol(H11Protocol):
    """One connection; its server's others are found in uvicorn's own set of them."""

    _deadline: asyncio.TimerHandle | None = None
    opened_at = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, in the place of an idle one where there are too many."""
        super().connection_made(transport)
        self.opened_at = self.loop.time()
        self._expect_request()
        if len(self.connections) > CONNECTIONS:
            mine = [each for each in self.connections if isinstance(each, GuardedProtocol)]
            idle = [each for each in mine if each._deadline is not None and each is not self]
            (min(idle, key=lambda each: each.opened_at) if idle else self).abort()

    def data_received(self, data: bytes) -> None:
        """Hand the bytes on; once the request is whole, it may take its time."""
        super().data_received(data)
        if self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}:
            self._expect_nothing()

    def on_response_complete(self) -> None:
        """Expect the next request of a connection that stays open."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._expect_nothing()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, such as a length that is no number, by a typed refusal."""
        body = {"error": "bad_request", "message": f"{msg} Send HTTP/1.1 with a head of at most {HEAD_BYTES} bytes."}
        headers = [("content-type", "application/json"), ("connection", "close")]
        answer = [h11.Response(status_code=400, headers=headers, reason=b"Bad Request")]
        for event in [*answer, h11.Data(data=json.dumps(body).encode()), h11.EndOfMessage()]:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def abort(self) -> None:
        """Close the connection without an answer."""
        self._expect_nothing()
        self.transport.abort()

    def _expect_request(self) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(REQUEST_S, self.abort)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
