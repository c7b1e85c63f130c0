"""The bridge's address for health checks: it is not healthy while its queue is refused, and is again after that."""

from __future__ import annotations

import contextlib
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from flows import bridge as bridging
from flows import webhook as door
from flows.bridge import Bridge
from telltale_core.errors import StorageError
from telltale_core.storage.queue import Message


class Queue:
    """A queue that refuses, or has no message."""

    def __init__(self) -> None:
        self.refuses = True
        self.looks = 0

    def receive(self, wait_s: int = 20) -> list[Message]:
        time.sleep(0.02)
        self.looks += 1
        if self.refuses:
            raise StorageError("could not read the queue 'drops': HTTP 403 AccessDenied")
        return []

    def confirm(self, message: Message) -> None:
        raise AssertionError(message)

    def depth(self) -> int:
        return 0


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Queue, str]]:
    """A bridge that looks at the queue, with short pauses, and the address of its health."""
    monkeypatch.setattr(bridging, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(bridging, "LONGEST_PAUSE_S", 0.05)
    made, queue, stop = Bridge(), Queue(), threading.Event()
    server = door.webhook(made, "127.0.0.1:0", "a-token-of-the-test-0001")
    threads = [
        threading.Thread(target=server.serve_forever),
        threading.Thread(target=made.serve, args=(queue, stop)),
    ]
    for thread in threads:
        thread.start()
    yield queue, f"http://127.0.0.1:{server.server_port}/health"
    stop.set()
    server.shutdown()
    server.server_close()
    for thread in threads:
        thread.join(20)


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=20) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            return error.code


def wait_for(done: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not done():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_bridge_whose_queue_refuses_says_so_until_it_does_not(served: tuple[Queue, str]) -> None:
    queue, url = served
    wait_for(lambda: status(url) == 503)
    queue.refuses = False
    wait_for(lambda: status(url) == 200)
    looks = queue.looks
    wait_for(lambda: queue.looks > looks)
    assert status(url) == 200


def test_failures_that_are_not_in_a_row_are_no_illness() -> None:
    made, stop = Bridge(), threading.Event()

    class Flickering(Queue):
        def receive(self, wait_s: int = 20) -> list[Message]:
            self.refuses = not self.refuses
            if self.looks > 4 * door.FAILURES:
                stop.set()
            return super().receive(wait_s)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bridging, "FIRST_PAUSE_S", 0.02)
        made.serve(Flickering(), stop)
    assert made.counts["failed"] > door.FAILURES
    assert made.in_a_row <= 1
