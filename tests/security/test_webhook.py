"""The webhook before strangers: real sockets that drip, stall, lie about lengths or come in crowds."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator

import pytest

from flows import http_guard
from flows.bridge import Bridge
from flows.webhook import webhook

pytestmark = pytest.mark.server
TOKEN = "a-token-of-the-test-0001"
HEAD = f"POST / HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {TOKEN}\r\n"


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a webhook that is quickly out of patience, and takes eight connections."""
    monkeypatch.setattr(http_guard, "REQUEST_S", 2.0)
    monkeypatch.setattr(http_guard, "CONNECTIONS", 8)
    server = webhook(Bridge(), "127.0.0.1:0", TOKEN)
    server.start()
    yield server.port
    server.stop()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def answer(port: int, *parts: str | bytes, drip_s: float = 0.0) -> tuple[int, bytes]:
    """Send these parts, and return status and text of what comes back; status 0 where the connection just ends."""
    with connect(port) as to:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                to.sendall(part if isinstance(part, bytes) else part.encode("latin-1"))
                time.sleep(drip_s)
        came = b""
        with contextlib.suppress(ConnectionError):
            while chunk := to.recv(1 << 16):
                came += chunk
        return int(came.split(b" ", 2)[1]) if came else 0, came


def served(port: int) -> bool:
    return answer(port, HEAD, "Connection: close\r\nContent-Length: 5\r\n\r\n", "hello")[0] == 200


def seconds_until_closed(port: int, begin: str, drop: str) -> float:
    """Send one byte after another; return how long the other side listens."""
    began = time.monotonic()
    with connect(port) as to:
        to.sendall(begin.encode())
        to.settimeout(0.1)
        while time.monotonic() - began < 60:
            try:
                to.sendall(drop.encode())
                if not to.recv(1 << 16):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
    return time.monotonic() - began


@pytest.mark.parametrize(
    "begin",
    ["", "POST / HTTP/1.1\r\nX-Slow: ", f"{HEAD}Content-Length: 1000\r\n\r\n"],
    ids=["first line", "head", "body"],
)
def test_a_request_that_drips_ends_and_others_are_served_meanwhile(port: int, begin: str) -> None:
    with connect(port) as dripping:
        dripping.sendall((begin or "P").encode())
        assert served(port)
    assert 1.0 < seconds_until_closed(port, begin, "x") < 30


def test_a_body_that_drips_without_a_token_ends_as_well(port: int) -> None:
    head = "POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 100000\r\n\r\n"
    assert seconds_until_closed(port, head, "x") < 30


@pytest.mark.parametrize("length", ["²", "-1", "0x5", "5, 6", "", "1" * 5000])
def test_a_length_that_is_no_number_is_refused_as_such(port: int, length: str) -> None:
    status, text = answer(port, HEAD, f"Content-Length: {length}\r\n\r\n", "hello")
    assert status == 400
    assert json.loads(text.split(b"\r\n\r\n", 1)[1])["error"] == "bad_request"
    assert served(port)


def test_a_huge_head_is_refused(port: int) -> None:
    assert answer(port, HEAD, *(f"X-{i}: {'x' * 1000}\r\n" for i in range(100)), "\r\n")[0] in {0, 400}
    assert served(port)


def test_a_huge_body_is_refused_whether_its_length_is_told_or_not(port: int) -> None:
    block = b"x" * (1 << 20)
    reply = answer(port, HEAD, f"Content-Length: {3 << 20}\r\n\r\n", block, block, block)
    assert reply[0] == 413
    assert json.loads(reply[1].split(b"\r\n\r\n", 1)[1])["error"] == "too_large"
    chunk = b"100000\r\n" + block + b"\r\n"
    assert answer(port, HEAD, "Transfer-Encoding: chunked\r\n\r\n", chunk, chunk, chunk, b"0\r\n\r\n")[0] == 413
    assert answer(port, HEAD, "Content-Length: 99999999999\r\n\r\n", *[block] * 17)[0] in {0, 413}
    assert served(port)


def test_a_body_in_chunks_is_taken(port: int) -> None:
    head = f"{HEAD}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert answer(port, head, "2\r\nhe\r\n", "3\r\nllo\r\n", "0\r\n\r\n", drip_s=0.05)[0] == 200


def test_two_hundred_idle_connections_keep_nobody_out(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setattr(http_guard, "REQUEST_S", 600.0)  # it is not their time that saves the good one
    with contextlib.ExitStack() as crowd:
        for _ in range(200):
            crowd.enter_context(connect(port))
        assert [served(port) for _ in range(3)] == [True] * 3


def test_a_connection_that_stays_open_between_requests_ends_too(port: int) -> None:
    with connect(port) as to:
        for _ in range(3):
            to.sendall(f"{HEAD}Content-Length: 5\r\n\r\nhello".encode())
            assert to.recv(1 << 16).startswith(b"HTTP/1.1 200")
        assert to.recv(1 << 16) == b""
