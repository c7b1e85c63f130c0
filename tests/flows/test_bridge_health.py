"""The bridge's address for health checks: not healthy while one of its sources fails, again after that."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from flows import bridge as bridging
from flows import webhook
from flows.bridge import Bridge
from telltale_core.errors import StorageError
from telltale_core.storage.queue import Message

TOKEN = "a-token-of-the-test-0001"


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
    bridge, queue, stop = Bridge(), Queue(), threading.Event()
    thread = threading.Thread(target=bridge.serve, args=(queue, stop))
    thread.start()
    with opened(bridge) as url:
        yield queue, f"{url}/health"
    stop.set()
    thread.join(20)


def status(asked: str | urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(asked, timeout=20) as reply:
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
    bridge, stop = Bridge(), threading.Event()

    class Flickering(Queue):
        def receive(self, wait_s: int = 20) -> list[Message]:
            self.refuses = not self.refuses
            if self.looks > 4 * webhook.FAILURES:
                stop.set()
            return super().receive(wait_s)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bridging, "FIRST_PAUSE_S", 0.02)
        bridge.serve(Flickering(), stop)
    assert bridge.counts["failed"] > webhook.FAILURES
    assert bridge.in_a_row["queue"] <= 1


def post(url: str, body: bytes) -> int:
    request = urllib.request.Request(url, data=body, headers={"Authorization": f"Bearer {TOKEN}"})
    return status(request)


@contextlib.contextmanager
def opened(bridge: Bridge) -> Iterator[str]:
    """The address of a bridge's webhook."""
    server = webhook.webhook(bridge, "127.0.0.1:0", TOKEN)
    server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()


class Prefect:
    """A server that is away, or knows the sweep with its inbox."""

    away = True

    def __enter__(self) -> Prefect:
        if self.away:
            raise ConnectionError
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read_deployment_by_name(self, name: str) -> Any:
        parameters = {"inbox": "s3://raw/inbox", "clean": "s3://clean/sets", "quiet_s": 900.0, "datasets": None}
        return SimpleNamespace(id=name, parameters=parameters, work_pool_name="cpu")


OUTSIDE = {"bucket": {"name": "raw"}, "object": {"key": "elsewhere/a"}}  # the server is asked, the store is not
NOTICE = json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": OUTSIDE}]}).encode()


@pytest.mark.parametrize("looks", [False, True], ids=["webhook alone", "beside an empty queue"])
def test_a_bridge_whose_webhook_cannot_be_served_says_so_until_it_is(looks: bool) -> None:
    server, queue, stop = Prefect(), Queue(), threading.Event()
    bridge = Bridge(lambda: server)  # type: ignore[arg-type,return-value]
    queue.refuses = False
    thread = threading.Thread(target=bridge.serve, args=(queue, stop))
    if looks:
        thread.start()
    try:
        with opened(bridge) as url:
            for _ in range(webhook.FAILURES):
                assert status(f"{url}/health") == 200
                assert post(url, NOTICE) == 503
            looks_before = queue.looks
            if looks:
                wait_for(lambda: queue.looks > looks_before + 2)  # an empty queue says nothing of the webhook
            assert post(url, b"") == 200  # the store looks whether somebody is there: nothing was done for it
            assert status(f"{url}/health") == 503
            assert bridge.counts["failed"] == webhook.FAILURES
            server.away = False
            assert post(url, NOTICE) == 200
            assert status(f"{url}/health") == 200
    finally:
        stop.set()
        if looks:
            thread.join(20)
