"""The automations on a real server: a local sink hears of a failed run, and of one that waits for a person."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from telltale_core.errors import ConfigError

SECRET = "hook-canary-51ab"
PASSWORD = "operator:canary-of-the-tests"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The API's address of a real server: the one of Prefect's test harness evaluates no triggers."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    given = {"PREFECT_HOME": str(tmp_path / "home"), "PREFECT_SERVER_API_AUTH_STRING": PASSWORD, "PREFECT_API_URL": url}
    given |= {"PREFECT_SERVER_EPHEMERAL_ENABLED": "false", "PREFECT_API_AUTH_STRING": PASSWORD}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, **given}, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(lambda: answers(f"{url}/ready", process), "the server", 280)
        with temporary_settings({PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: PASSWORD}):
            yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the server ended"
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return int(reply.status) == 200
    except OSError:
        return False


@pytest.fixture
def sink() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An HTTP server that keeps what is posted to it."""
    heard: list[dict[str, Any]] = []

    class Sink(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Sink)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/{SECRET}", heard
    server.shutdown()
    thread.join()
    server.server_close()


def wait_for(ready: Callable[[], Any], what: str, limit_s: float = 180) -> Any:
    deadline = time.monotonic() + limit_s
    while not (answer := ready()):
        assert time.monotonic() < deadline, f"not within {limit_s} s: {what}"
        time.sleep(0.5)
    return answer


@pytest.mark.timeout(900)
def test_failed_and_waiting_runs_are_told_once_and_an_unmade_review_ends_as_needs_review(
    server: str, sink: tuple[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.states import Failed, Running, Suspended

    from deployments.notifications import EXPIRED
    from flows.cleanse import cleanse
    from flows.cli import app

    url, heard = sink
    monkeypatch.setenv("TELLTALE_NOTIFY_URL", url)
    monkeypatch.setenv("PREFECT_API_URL", server)
    for _ in range(2):  # the second time changes nothing
        done = CliRunner().invoke(app, ["notifications", "--review-days", str(15 / 86_400)])
        assert (done.exit_code, SECRET in done.output) == (0, False), done.output
    with get_client(sync_client=True) as client:
        made = client.request("POST", "/automations/filter", json={}).json()
        assert sum(one["name"] == EXPIRED for one in made) == 1
        assert SECRET not in json.dumps(made)
        assert SECRET not in json.dumps(client.request("POST", "/block_documents/filter", json={}).json())
        flow = client.create_flow_from_name(cleanse.name)
        deployment = client.create_deployment(flow, "told", enforce_parameter_schema=False)
        time.sleep(3)  # the server's triggers read the automations

        def run(*states: Any) -> Any:
            one = client.create_flow_run_from_deployment(deployment, parameters={"source": "a", "destination": "b"})
            for state in states:
                client.set_flow_run_state(one.id, state, force=True)
            return one

        failed = run(Running(), Failed(message="the store is full"))
        waits = run(Running(), Suspended(pause_key="review"))

        def told(one: Any, word: str) -> list[str]:
            return [each["text"] for each in heard if str(one.id) in each["text"] and word in each["text"]]

        wait_for(lambda: told(failed, "the store is full") and told(waits, "Suspended"), "notifications")
        ended = wait_for(
            lambda: (now := client.read_flow_run(waits.id)).state_name == "NeedsReview" and now, "the review's end"
        )
    assert "Nobody decided in time" in ended.state.message
    wait_for(lambda: told(waits, "NeedsReview"), "the last notification")
    assert (len(told(failed, "Failed")), len(told(waits, "Suspended"))) == (1, 1)


def test_without_an_address_only_reviews_are_ended_and_nonsense_is_refused() -> None:
    from deployments.notifications import EXPIRED, automations, webhook

    [only] = automations(None, timedelta(days=2))
    assert only.name == EXPIRED
    assert only.trigger.within == timedelta(days=2)  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="TELLTALE_NOTIFY_URL"):
        webhook("file:///etc/passwd")
