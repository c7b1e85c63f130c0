"""Triggers on a real server: a sink hears of runs that failed or wait, a crash starts its repair, an event its drop."""

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
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from telltale_core.errors import ConfigError
from tests.support.prefect_home import prefect_home
from tests.support.servers import server_at

SECRET = "hook-canary-51ab"
PASSWORD = "operator:canary-of-the-tests"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API's address of a real server: the one of Prefect's test harness evaluates no triggers."""
    from prefect.settings import PREFECT_API_AUTH_STRING

    tmp_path = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    variables = {
        "PREFECT_HOME": str(prefect_home(tmp_path / "home")),
        "PREFECT_SERVER_API_AUTH_STRING": PASSWORD,
        "PREFECT_API_URL": url,
    }
    variables |= {"PREFECT_SERVER_EPHEMERAL_ENABLED": "false", "PREFECT_API_AUTH_STRING": PASSWORD}
    variables["PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS"] = "2"  # how often it looks for workers that went
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **variables}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(lambda: answers(f"{url}/ready", process), "the server", 280)
        with server_at(url, {PREFECT_API_AUTH_STRING: PASSWORD}):
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


def healed_event() -> dict[str, Any]:
    from tasks import healed

    return {
        "event": healed.EVENT,
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {"prefect.resource.id": "telltale.run.1", "prefect.resource.name": "cleanse signs_monday"},
        "payload": {"run": "1", "text": "crashed 1 times, went on by itself"},
    }


@pytest.mark.timeout(900)
def test_failed_and_waiting_runs_are_told_once_and_an_unmade_review_ends_as_needs_review(
    server: str, sink: tuple[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.states import Crashed, Failed, Running, Suspended

    from deployments.notifications import EXPIRED
    from flows import names
    from flows.cleanse import cleanse
    from flows.cli import app

    url, heard = sink
    monkeypatch.setenv("TELLTALE_NOTIFY_URL", url)
    monkeypatch.setenv("PREFECT_API_URL", server)
    for _ in range(2):  # the second time changes nothing
        done = CliRunner().invoke(app, ["notifications", "--review-days", str(15 / 86_400)])
        assert (done.exit_code, SECRET in done.output) == (0, False), done.output
    with get_client(sync_client=True) as client:
        automations = client.request("POST", "/automations/filter", json={}).json()
        assert sum(one["name"] == EXPIRED for one in automations) == 1
        assert SECRET not in json.dumps(automations)
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
        waits = run(Running(), Suspended(pause_key="review", message="quarantined 9"))

        def texts_about(one: Any, word: str) -> list[str]:
            return [each["text"] for each in heard if str(one.id) in each["text"] and word in each["text"]]

        wait_for(lambda: texts_about(failed, "the store is full") and texts_about(waits, "Suspended"), "notifications")
        assert "quarantined 9" in texts_about(waits, "Suspended")[0]  # why it waits
        crashed = run(Running(), Crashed(message="its host is gone"), Crashed(name=names.GAVE_UP, message="five times"))
        client.request("POST", "/events", json=[healed_event()])
        wait_for(lambda: texts_about(crashed, "five times"), "a run that gave up")
        wait_for(lambda: [each for each in heard if "signs_monday: healed" in each["text"]], "a crash that healed")
        assert texts_about(crashed, "its host is gone") == []  # told once, when nothing healed it
        ended = wait_for(
            lambda: (now := client.read_flow_run(waits.id)).state_name == "NeedsReview" and now, "the review's end"
        )
    assert "Nobody decided in time" in ended.state.message
    wait_for(lambda: texts_about(waits, "NeedsReview"), "the last notification")
    assert (len(texts_about(failed, "Failed")), len(texts_about(waits, "Suspended"))) == (1, 1)


@pytest.mark.timeout(900)
def test_a_crashed_run_has_its_repair_started_and_an_event_the_drop_that_it_names(server: str, tmp_path: Path) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
    from prefect.states import Crashed, Running

    from deployments.plan import Plan
    from deployments.register import register
    from flows import names
    from flows.start_run import Feed

    feed = Feed(inbox=f"{tmp_path}/inbox", clean=f"{tmp_path}/clean", quiet_s=60.0, datasets=None)
    for _ in range(2):  # a second registration leaves one automation each
        register(Plan(feed=feed, work=f"{tmp_path}/work", results=f"{tmp_path}/results"))
    time.sleep(3)  # the server's triggers read the automations
    drop = {"dataset": "signs", "name": "monday"}
    landed = {
        "event": names.LANDED_EVENT,
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {"prefect.resource.id": "telltale.drop.signs.monday"},
        "payload": drop,
    }
    with get_client(sync_client=True) as client:

        def started(name: str) -> list[Any]:
            wanted = DeploymentFilter(name=DeploymentFilterName(any_=[name.split("/")[1]]))
            return [run for run in client.read_flow_runs(deployment_filter=wanted) if not run.auto_scheduled]

        cleanse = client.read_deployment_by_name(names.CLEANSE).id
        run = client.create_flow_run_from_deployment(cleanse, parameters={"source": "a", "destination": "b"})
        for state in (Running(), Crashed(message="its host is gone")):
            client.set_flow_run_state(run.id, state, force=True)
        client.request("POST", "/events", json=[landed])
        wait_for(lambda: started(names.RECONCILE) and started(names.ARRIVAL), "the runs that the triggers start")
        assert [len(started(names.RECONCILE)), [one.parameters for one in started(names.ARRIVAL)]] == [1, [drop]]


@pytest.mark.timeout(900)
def test_what_the_checkup_finds_a_pool_without_a_worker_and_a_silent_bridge_are_told_once(
    server: str, sink: tuple[str, list[dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.client.orchestration import get_client

    from deployments import notifications
    from deployments.plan import Plan
    from deployments.register import register
    from flows import alive, names
    from flows.checkup import checkup
    from flows.start_run import Feed

    url, heard = sink
    monkeypatch.setenv("PREFECT_API_URL", server)
    monkeypatch.setattr(notifications, "BRIDGE_AWAY_S", 10)  # the least that Prefect allows
    feed = Feed(inbox=f"{tmp_path}/inbox", clean=f"{tmp_path}/clean", quiet_s=60.0, datasets=None)
    register(Plan(feed=feed, work=f"{tmp_path}/work", results=f"{tmp_path}/results"))
    notifications.register(url, "", timedelta(days=7))
    time.sleep(3)  # the server's triggers read the automations

    def texts(*words: str) -> list[str]:
        return [each["text"] for each in heard if all(word in each["text"] for word in words)]

    states = [checkup(return_state=True).name for _ in range(2)]
    assert states == [names.PROBLEMS, names.SAME_PROBLEMS]
    with get_client(sync_client=True) as client:  # a worker and a bridge that are never heard of again
        client.send_worker_heartbeat(names.GPU_POOL, "gone", heartbeat_interval_seconds=1)
        alive.tell(client, alive.this_process("bridge", "gone"))
    expected = (
        ("checkup: Problems", "workers of cpu, workers of gpu", "To do: telltale worker --pool gpu"),
        ("no worker of the pool gpu is online", "telltale worker --pool gpu"),
        ("the bridge is silent", "Uploads wait for the sweep"),
    )
    for words in expected:
        wait_for(lambda words=words: texts(*words), words[0])
    assert [len(texts(*words)) for words in expected] == [1, 1, 1]
    assert texts("SameProblems") == []


def test_without_an_address_only_reviews_are_ended_and_nonsense_is_refused() -> None:
    from deployments.notifications import EXPIRED, automations, webhook

    [only] = automations(None, timedelta(days=2))
    assert only.name == EXPIRED
    assert only.trigger.within == timedelta(days=2)  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="TELLTALE_NOTIFY_URL"):
        webhook("file:///etc/passwd")
