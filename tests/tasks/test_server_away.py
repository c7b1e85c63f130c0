"""The Prefect server goes away in the middle of a run: it is waited for, asked again, or done without."""

from __future__ import annotations

import contextlib
import http.server
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES

from flows import alive
from tasks import limits, policy, train_elsewhere
from telltale_core.errors import BadInput, Transient
from tests.support.servers import server_at


@pytest.fixture
def away() -> Iterator[None]:
    """An address at which nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with server_at(f"http://127.0.0.1:{port}/api", {PREFECT_CLIENT_MAX_RETRIES: 0}):
        yield


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_elsewhere, "SERVER_AWAY_S", 3.0)
    monkeypatch.setattr(train_elsewhere, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(policy, "FIRST_DELAY_S", 0.0)


@pytest.fixture
def locked() -> Iterator[list[str]]:
    """A server whose SQLite is locked at the first call, as Prefect's says it: 503. What it was asked for, in order."""
    asked: list[str] = []

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path)
            self.send_response(503 if len(asked) == 1 else 204)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.send_error(404)  # it asks for no token against forged requests

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with server_at(f"http://127.0.0.1:{server.server_port}/api", {PREFECT_CLIENT_MAX_RETRIES: 5}):
            yield asked
        server.shutdown()


def test_a_write_that_met_a_locked_database_is_sent_again(locked: list[str]) -> None:
    with get_client(sync_client=True) as client:
        alive.tell(client, alive.this_process("bridge"))
    assert locked == ["/api/events"] * 2


def test_a_training_is_not_taken_over_because_the_server_does_not_answer(
    away: None, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Transient, match="did not answer"):
        train_elsewhere.deployed("train-proxy/train-proxy")
    assert "does not answer (ConnectError)" in caplog.text


def test_a_training_is_done_here_where_the_server_has_no_such_deployment(prefect_server: str) -> None:
    assert not train_elsewhere.deployed("train-proxy/of-nobody")
    assert not train_elsewhere.deployed("")


def test_a_training_that_cannot_be_begun_is_worth_another_try(away: None) -> None:
    with pytest.raises(Transient, match="did not answer: ConnectError") as caught:
        train_elsewhere.begin("train-proxy/train-proxy", {}, "train:00")
    failed = State[Any](type=StateType.FAILED, data=caught.value)
    assert policy.worth_retrying(train_elsewhere.train_elsewhere, None, failed)  # type: ignore[arg-type]


def test_a_publication_stands_although_its_place_cannot_be_given_back(
    prefect_server: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    held = limits.concurrency

    @contextlib.contextmanager
    def lost(*names: Any, **options: Any) -> Iterator[None]:
        with held(*names, **options):
            yield
        raise httpx.ConnectError("refused")

    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    monkeypatch.setattr(limits, "concurrency", lost)
    with caplog.at_level(logging.WARNING), limits.one_publication("s3://clean/away"):
        pass
    assert "given back by its lease alone: ConnectError" in caplog.text
    with pytest.raises(Transient, match="slow"), limits.one_publication("s3://clean/away"):
        raise Transient("slow")  # not replaced by what giving back raised


def test_a_store_is_looked_at_again_before_a_run_gives_up(impatient: None) -> None:
    answers: list[Exception | str] = [Transient("503"), Transient("503"), "there"]

    def look() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert policy.patiently(look) == "there"
    answers += [Transient("503")] * (policy.RETRIES + 1)
    with pytest.raises(Transient):
        policy.patiently(look)
    assert answers == []
    answers.append(BadInput("drop_empty", "no rows"))
    with pytest.raises(BadInput):
        policy.patiently(look)
