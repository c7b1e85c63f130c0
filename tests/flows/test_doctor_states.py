"""``telltale doctor`` on a stack whose areas are buckets: it ends with code 1 in each state in which drops wait."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from flows import names
from tests.support import roles

pytestmark = [pytest.mark.server, pytest.mark.slow]
AREAS = {"inbox area", "work area", "clean area"}
PROCESSES = {"bridge", "workers of cpu", "workers of gpu"}


@pytest.fixture(scope="module")
def publisher() -> Iterator[Any]:
    """The keys of the publisher, on a server that asks who is calling, and whose inbox notifies a queue."""
    with roles.enforcing() as clients:
        yield clients("publisher")


@pytest.fixture(scope="module")
def deployed(prefect_server: str, publisher: Any) -> Iterator[Any]:
    """A client of a server on which everything is registered for buckets; no process of ours was ever there."""
    from prefect.client.orchestration import get_client

    from deployments.plan import Plan
    from deployments.register import register
    from flows.start_run import Feed

    with pytest.MonkeyPatch.context() as patch, get_client(sync_client=True) as client:
        roles.become(patch, publisher)
        patch.setenv("PREFECT_API_URL", prefect_server)
        feed = Feed(inbox="s3://raw/inbox", clean="s3://clean/sets", quiet_s=60.0, datasets={"signs": ["signs"]})
        register(Plan(feed=feed, work="s3://work/area", results="s3://work/area/results"))
        yield client
        for pool in (names.CPU_POOL, names.GPU_POOL):
            client.delete_work_pool(pool)
        for name in names.DEPLOYMENTS:
            client.delete_deployment(client.read_deployment_by_name(name).id)


@pytest.fixture
def stack(deployed: Any, prefect_server: str, publisher: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same for one test, which hears of no process but its own, with the publisher's keys, on a host with room."""
    from flows import alive, doctor

    begin_s, heard = time.monotonic(), alive.heard
    monkeypatch.setattr(alive, "heard", lambda client: heard(client, time.monotonic() - begin_s))
    roles.become(monkeypatch, publisher)
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    for name in ("MIN_MEMORY_BYTES", "MIN_FREE_BYTES"):
        monkeypatch.setattr(doctor, name, 0)
    return deployed


def findings() -> tuple[int, dict[str, str]]:
    """Return the command's exit code, and what it found of each problem."""
    from flows.cli import app

    done = CliRunner().invoke(app, ["doctor", "--json"])
    checks = json.loads(done.stdout)["checks"]
    assert all(check["todo"] for check in checks if check["status"] == "problem")
    return done.exit_code, {check["name"]: check["found"] for check in checks if check["status"] == "problem"}


def soon(right: Callable[[dict[str, str]], bool]) -> tuple[int, dict[str, str]]:
    """Return code and problems once they are right: the server stores events a moment later."""
    deadline = time.monotonic() + 60
    while not right((answer := findings())[1]):
        assert time.monotonic() < deadline, answer
        time.sleep(0.3)
    return answer


@pytest.fixture
def whole(stack: Any) -> Any:
    """The same with a bridge and a worker for each pool: nothing stands in the way."""
    from flows import alive

    alive.tell(stack, alive.this_process("bridge", "one"))
    for pool in (names.CPU_POOL, names.GPU_POOL):
        stack.send_worker_heartbeat(pool, f"{pool}-one", heartbeat_interval_seconds=30)
    assert soon(lambda problems: not problems) == (0, {})
    return stack


def test_without_bridge_and_workers_drops_of_a_bucket_would_wait(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "SEEN_WITHIN_S", 0.0)  # an earlier test's workers are long gone
    code, problems = findings()
    assert (code, set(problems)) == (1, PROCESSES)
    assert "none heard of" in problems["bridge"]


def test_a_server_of_another_prefect_is_a_problem(whole: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(whole), "api_version", lambda _client: "3.0.1")
    code, problems = findings()
    assert (code, set(problems)) == (1, {"versions"})
    assert problems["versions"].startswith("the server has Prefect 3.0.1; here Prefect ")


def test_a_store_that_is_away_is_a_problem_of_each_area(whole: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    code, problems = findings()
    assert (code, set(problems)) == (1, AREAS)
    assert all("reachable" in words for words in problems.values())


def test_a_key_that_was_deleted_is_a_problem_of_each_area(whole: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIADELETEDLONGAGO01")
    code, problems = findings()
    assert (code, set(problems)) == (1, AREAS)
    assert all("403" in words for words in problems.values())


def test_standing_defaults_that_no_run_would_take_are_a_problem(whole: Any) -> None:
    from prefect.client.schemas.actions import DeploymentUpdate

    cleanse = whole.read_deployment_by_name(names.CLEANSE)
    wrong = {**cleanse.parameters, "config": {"proxy": {"epoks": 3}}}
    try:
        whole.update_deployment(cleanse.id, DeploymentUpdate(enforce_parameter_schema=False))
        whole.update_deployment(cleanse.id, DeploymentUpdate(parameters=wrong))
        code, problems = findings()
    finally:
        whole.update_deployment(cleanse.id, DeploymentUpdate(parameters=cleanse.parameters))
        whole.update_deployment(cleanse.id, DeploymentUpdate(enforce_parameter_schema=True))
    assert (code, set(problems)) == (1, {"standing settings"})
    assert "epoks" in problems["standing settings"]


def test_a_password_that_the_server_refuses_is_a_problem(whole: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx

    def refuse(client: Any, _name: str) -> None:
        httpx.Response(401, request=httpx.Request("GET", str(client.api_url))).raise_for_status()

    monkeypatch.setattr(type(whole), "read_deployment_by_name", refuse)
    code, problems = findings()
    assert (code, set(problems)) == (1, {"deployments"})
    assert "401" in problems["deployments"]
